//! `ottla consumer-groups`: Kafka's `ConsumerGroupCommand`.

mod check;
mod delete;
mod describe;
mod list;
mod offsets;
pub(crate) mod reset;

use std::collections::BTreeMap;

use ottla_client::admin::{Admin, ListGroupOffsetsOptions};
use ottla_protocol::Str;

use crate::args::Args;
use crate::failure::Failure;
use crate::group_tool::with_resetter;
use crate::io::Io;
use crate::offset_reset::{Committed, Resetter};
use crate::option::{Kind, Opt, opt};
use crate::outln;
use crate::tool::{Group, Syntax, Tool};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "consumer-groups",
    script: "kafka-consumer-groups",
    group: Group::Groups,
    about: "Lists and describes groups of consumers, resets and deletes their offsets.",
    examples: "kafka-consumer-groups.sh --bootstrap-server localhost:9092 --list\n\
               kafka-consumer-groups.sh --bootstrap-server localhost:9092 --describe --group orders\n\
               kafka-consumer-groups.sh --bootstrap-server localhost:9092 --describe --group orders --members --verbose\n\
               kafka-consumer-groups.sh --bootstrap-server localhost:9092 --group orders --reset-offsets --topic orders --to-earliest --execute\n\
               kafka-consumer-groups.sh --bootstrap-server localhost:9092 --delete --group orders",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

#[rustfmt::skip]
static OPTIONS: [Opt; 29] = [
    opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas. Required but for --validate-regex.").value("server to connect to"),
    opt("group", "The group; may be given again.").value("consumer group"),
    opt("topic", "With --reset-offsets and --delete-offsets: the topic, or partitions of it as topic:0,1,2; may be given again.").value("topic"),
    opt("all-topics", "With --reset-offsets: all topics that the group has offsets of."),
    opt("list", "Lists the groups."),
    opt("describe", "Shows a group: its offsets and how far it lags behind, or its members, or its state."),
    opt("all-groups", "All groups, in place of --group."),
    opt("delete", "Deletes groups with their offsets."),
    opt("timeout", "How long to wait for answers, in milliseconds.").value("timeout (ms)").kind(Kind::Long).default("30000"),
    opt("command-config", "A properties file with settings of the client: security, time-outs.").value("command config property file"),
    opt("reset-offsets", "Gives groups without members new offsets: says which (--topic, --all-topics), to what (--to-..., --by-duration, --shift-by, \
        --from-file), and shows the outcome (--dry-run) or does it (--execute)."),
    opt("delete-offsets", "Deletes a group's offsets of topics."),
    opt("dry-run", "With --reset-offsets: only shows what would be done."),
    opt("execute", "With --reset-offsets: does it."),
    opt("export", "With --reset-offsets: prints the offsets as CSV, which --from-file reads."),
    opt("to-offset", "Reset to this offset.").value("offset").kind(Kind::Long),
    opt("from-file", "Reset to the offsets of a CSV file.").value("path to CSV file"),
    opt("to-datetime", "Reset to the first offset at or after a time: YYYY-MM-DDThh:mm:ss.sss, in UTC unless it has a zone.").value("datetime"),
    opt("by-duration", "Reset to the first offset at or after now less this: PnDTnHnMnS.").value("duration"),
    opt("to-earliest", "Reset to the earliest offset."),
    opt("to-latest", "Reset to the latest offset."),
    opt("to-current", "Reset to the committed offset; to the latest where there is none."),
    opt("shift-by", "Move the committed offset by so many, forward or backward.").value("number-of-offsets").kind(Kind::Long),
    opt("members", "With --describe: the members.").only_with(&["describe"]),
    opt("verbose", "With --describe: more columns, epochs and assignments among them.").only_with(&["describe"]),
    opt("offsets", "With --describe: offsets and lag of each partition; this is the default.").only_with(&["describe"]),
    opt("state", "With --describe: the group's state. With --list: a column with the state, and only groups in the given states, separated by commas.")
        .optional_value("").only_with(&["describe", "list"]),
    opt("type", "With --list: a column with the type, and only groups of the given types, separated by commas.").optional_value("").only_with(&["list"]),
    opt("validate-regex", "Says whether brokers would take this regular expression in a subscription.").value("regex"),
];

/// What `--reset-offsets` can reset to.
const SCENARIOS: [&str; 8] = [
    "to-offset",
    "shift-by",
    "to-datetime",
    "by-duration",
    "to-earliest",
    "to-latest",
    "to-current",
    "from-file",
];

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = tool.parse(io, arguments)?;
    check::check(io, &args)?;
    // From here on wrong values of options are answered with help.
    act(io, &args).map_err(|failure| match failure {
        Failure::Exception { class, message } if class.starts_with("joptsimple.") => args.usage(message),
        other => other,
    })
}

fn act(io: &mut Io, args: &Args) -> Result<(), Failure> {
    const ACTIONS: [&str; 6] =
        ["list", "describe", "delete", "reset-offsets", "delete-offsets", "validate-regex"];
    if ACTIONS.iter().filter(|action| args.has(action)).count() != 1 {
        let actions = ACTIONS.map(|action| format!("--{action}")).join(", ");
        return Err(args.usage(format!("Command must include exactly one action: {actions}")));
    }
    if let Some(regex) = args.value("validate-regex")? {
        list::validate_regex(io, regex);
        return Ok(());
    }
    match with_groups(io, args) {
        Err(Failure::Exception { class: "java.lang.IllegalArgumentException", message }) => {
            Err(args.usage(message))
        }
        Err(failure) if !failure.is_exit() => {
            // Kafka's tool ends with code 0 here; people's scripts know.
            outln!(io, "\nError: Executing consumer group command failed due to {}", failure.text());
            Ok(())
        }
        other => other,
    }
}

fn with_groups(io: &mut Io, args: &Args) -> Result<(), Failure> {
    with_resetter(args, async |resetter| Groups { resetter }.act(io).await)
}

/// The cluster's groups, and what the command line wants of them.
struct Groups<'a> {
    resetter: Resetter<'a>,
}

impl<'a> Groups<'a> {
    fn args(&self) -> &'a Args {
        self.resetter.args
    }

    fn admin(&self) -> &'a Admin {
        self.resetter.admin
    }

    async fn act(&self, io: &mut Io) -> Result<(), Failure> {
        let args = self.args();
        if args.has("list") {
            self.list(io).await
        } else if args.has("describe") {
            self.describe(io).await
        } else if args.has("delete") {
            self.delete(io).await
        } else if args.has("reset-offsets") {
            self.reset(io).await
        } else {
            self.delete_offsets(io).await
        }
    }

    /// The groups of `--group`, or all with `--all-groups`.
    async fn chosen(&self) -> Result<Vec<Str>, Failure> {
        if self.args().has("all-groups") {
            return self.all().await;
        }
        Ok(self.args().values("group").into_iter().map(Str::from).collect())
    }

    async fn committed(&self, group: &Str) -> Result<Committed, Failure> {
        let wanted = BTreeMap::from([(group.clone(), None)]);
        let options = ListGroupOffsetsOptions { timeout: self.resetter.timeout, ..Default::default() };
        let found = self.admin().list_consumer_group_offsets(&wanted, &options).await;
        Ok(found.into_values().next().transpose().map_err(Failure::wrapped)?.unwrap_or_default())
    }
}

#[cfg(test)]
#[path = "consumer_groups_test.rs"]
mod tests;

//! `ottla streams-groups`: Kafka's `StreamsGroupCommand`.

mod check;
mod delete;
mod describe;
mod reset;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use ottla_client::Error;
use ottla_client::admin::{
    DescribeGroupsOptions, GroupType, ListGroupOffsetsOptions, StreamsGroupDescription,
};
use ottla_protocol::Str;

pub(crate) use self::delete::is_internal;
use crate::args::Args;
use crate::failure::Failure;
use crate::group_tool::{GroupTool, with_resetter};
use crate::io::Io;
use crate::offset_reset::Committed;
use crate::option::{Kind, Opt, opt};
use crate::outln;
use crate::tool::{Group, Syntax, Tool};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "streams-groups",
    script: "kafka-streams-groups",
    group: Group::Groups,
    about: "Lists, describes, resets and deletes streams groups.",
    examples: "kafka-streams-groups.sh --bootstrap-server localhost:9092 --list --state\n\
               kafka-streams-groups.sh --bootstrap-server localhost:9092 --describe --group app --members --verbose\n\
               kafka-streams-groups.sh --bootstrap-server localhost:9092 --reset-offsets --group app --all-input-topics --to-earliest --dry-run\n\
               kafka-streams-groups.sh --bootstrap-server localhost:9092 --delete --group app --delete-all-internal-topics",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

#[rustfmt::skip]
static OPTIONS: [Opt; 29] = [
    opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas. Required.").value("server to connect to"),
    opt("group", "The streams group; may be given again.").value("streams group"),
    opt("input-topic", "An input topic whose offsets are reset or deleted; may be given again. Also single partitions: topic1:0,1,2.").value("topic"),
    opt("all-input-topics", "All input topics of the group."),
    opt("list", "Lists streams groups."),
    opt("describe", "Shows members, states or lags of streams groups."),
    opt("all-groups", "All streams groups are meant."),
    opt("delete", "Deletes streams groups that have no members."),
    opt("delete-offsets", "Deletes offsets of input topics from a streams group."),
    opt("timeout", "How long it may take, in ms.").value("timeout (ms)").kind(Kind::Long).default("30000"),
    opt("command-config", "A properties file with settings of the client: security, time-outs.").value("command config property file"),
    opt("state", "With --describe: shows states. With --list: shows states, or only groups in these: Empty, NotReady, Stable, Assigning, \
        Reconciling, Dead.").optional_value("String").only_with(&["list", "describe"]),
    opt("members", "With --describe: shows members and their tasks.").only_with(&["describe"]),
    opt("offsets", "With --describe: shows lags; so it does anyway.").only_with(&["describe"]),
    opt("reset-offsets", "Sets the offsets of streams groups without members, by one of --to-earliest, --to-latest, --to-current, \
        --to-offset, --to-datetime, --by-duration, --shift-by, --from-file; with --dry-run or --execute."),
    opt("to-offset", "This offset.").value("offset").kind(Kind::Long),
    opt("from-file", "The offsets of a CSV file, as --export writes it.").value("path to CSV file"),
    opt("to-datetime", "The offsets of this time: YYYY-MM-DDThh:mm:ss.sss.").value("datetime"),
    opt("by-duration", "The offsets of so long ago: PnDTnHnMnS.").value("duration"),
    opt("to-earliest", "The earliest offsets."),
    opt("to-latest", "The latest offsets."),
    opt("to-current", "The offsets that are committed."),
    opt("shift-by", "The committed offsets plus this number, which may be below 0.").value("number-of-offsets").kind(Kind::Long),
    opt("delete-internal-topic", "With --reset-offsets --execute: also deletes this internal topic; may be given again.").value("String"),
    opt("delete-all-internal-topics", "With --delete, or --reset-offsets --execute: also deletes the internal topics."),
    opt("verbose", "With --describe: shows more.").only_with(&["describe"]),
    opt("dry-run", "With --reset-offsets: only shows what would be done."),
    opt("execute", "With --reset-offsets: does it."),
    opt("export", "With --reset-offsets: prints the offsets as CSV."),
];

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let result = tool.parse(io, arguments).and_then(|args| {
        check::check(&args)?;
        act(io, &args)
    });
    match result {
        Err(Failure::Exception { class, message })
            if class.starts_with("joptsimple.") || class == "java.lang.IllegalArgumentException" =>
        {
            Err(Failure::Usage { tool, message })
        }
        Err(failure) if !failure.is_exit() => {
            outln!(io, "\nError: Executing streams group command failed due to {}", failure.text());
            Err(Failure::Exit(1))
        }
        other => other,
    }
}

fn act(io: &mut Io, args: &Args) -> Result<(), Failure> {
    with_resetter(args, async |resetter| {
        let groups = StreamsGroups(GroupTool { kind: GroupType::Streams, resetter });
        if args.has("list") {
            groups.list(io).await
        } else if args.has("describe") {
            groups.describe(io).await
        } else if args.has("reset-offsets") {
            groups.reset(io).await
        } else if args.has("delete") {
            groups.delete(io).await
        } else {
            groups.delete_offsets(io).await
        }
    })
}

struct StreamsGroups<'a>(GroupTool<'a>);

impl<'a> Deref for StreamsGroups<'a> {
    type Target = GroupTool<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl StreamsGroups<'_> {
    async fn description(&self, group: &Str) -> Result<StreamsGroupDescription, Error> {
        let options = DescribeGroupsOptions { timeout: self.resetter.timeout, ..Default::default() };
        let found = self.admin().describe_streams_groups(std::slice::from_ref(group), &options).await;
        let first = found.into_values().next();
        first.unwrap_or_else(|| Err(Error::Protocol("The answer holds no result for the group".into())))
    }

    /// The committed offsets of a group, of all topics.
    async fn all_committed(&self, group: &Str) -> Result<Committed, Failure> {
        let wanted = BTreeMap::from([(group.clone(), None)]);
        let options = ListGroupOffsetsOptions { timeout: self.resetter.timeout, ..Default::default() };
        let found = self.admin().list_streams_group_offsets(&wanted, &options).await;
        Ok(found.into_values().next().transpose().map_err(Failure::wrapped)?.unwrap_or_default())
    }

    /// The committed offsets of the topics that the group reads; with `repartition` also of its own.
    async fn committed(&self, group: &Str, repartition: bool) -> Result<Committed, Failure> {
        let description = self.description(group).await.map_err(Failure::wrapped)?;
        let mut topics = BTreeSet::new();
        for it in description.subtopologies {
            topics.extend(it.source_topics);
            if repartition {
                topics.extend(it.repartition_source_topics.into_keys());
            }
        }
        let mut committed = self.all_committed(group).await?;
        committed.retain(|key, _| topics.contains(&key.topic));
        Ok(committed)
    }
}

#[cfg(test)]
#[path = "streams_groups_test.rs"]
mod tests;

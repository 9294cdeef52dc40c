//! `ottla groups`: Kafka's `GroupsCommand`.

use std::time::Duration;

use ottla_client::admin::{Admin, GroupListing, GroupType, ListGroupsOptions};

use crate::args::Args;
use crate::connect::{admin_properties, with_admin};
use crate::failure::Failure;
use crate::io::Io;
use crate::option::{Opt, opt};
use crate::table::Table;
use crate::tool::{Group, Syntax, Tool};
use crate::{out, outln};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "groups",
    script: "kafka-groups",
    group: Group::Groups,
    about: "Lists groups of all kinds: consumer, classic, share and streams groups.",
    examples: "kafka-groups.sh --bootstrap-server localhost:9092 --list\n\
               kafka-groups.sh --bootstrap-server localhost:9092 --list --group-type share",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

static OPTIONS: [Opt; 8] = [
    opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas.")
        .value("server to connect to")
        .required(),
    opt("command-config", "A properties file with settings of the client: security, time-outs.")
        .value("command config property file"),
    opt("list", "Lists the groups."),
    opt("group-type", "Only groups of this type: classic, consumer, share or streams.").value("type"),
    opt("protocol", "Only groups of this protocol.").value("protocol"),
    opt(
        "consumer",
        "Only groups of consumers, of the new protocol or the classic one, and those without a protocol.",
    ),
    opt("share", "Only share groups."),
    opt("streams", "Only streams groups."),
];

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = match tool.parse(io, arguments) {
        Err(Failure::Exception { class, message }) if class.starts_with("joptsimple.") => {
            return Err(Failure::Usage { tool, message });
        }
        other => other?,
    };
    if !args.has("list") {
        return Err(args.usage("Command must include exactly one action: --list."));
    }
    let filter = Filter::new(&args)?;
    args.forbid("consumer", &["group-type", "protocol", "share", "streams"])?;
    args.forbid("share", &["consumer", "group-type", "protocol", "streams"])?;
    args.forbid("streams", &["consumer", "group-type", "protocol", "share"])?;
    let properties = admin_properties(&args)?;
    let result = with_admin(&properties, async |admin| list(io, admin, &filter).await);
    match result {
        Err(failure) if !failure.is_exit() => {
            outln!(io, "Error while executing groups command : {}", failure.text());
            Err(Failure::Exit(1))
        }
        other => other,
    }
}

/// Which groups are shown.
struct Filter {
    group_type: Option<GroupType>,
    protocol: Option<String>,
    consumer: bool,
    share: bool,
    streams: bool,
}

impl Filter {
    fn new(args: &Args) -> Result<Self, Failure> {
        let group_type = args.value("group-type")?.map(GroupType::parse);
        if group_type == Some(GroupType::Unknown) {
            return Err(Failure::illegal_argument("--group-type must be a valid group type."));
        }
        Ok(Self {
            group_type,
            protocol: args.value("protocol")?.map(str::to_owned),
            consumer: args.has("consumer"),
            share: args.has("share"),
            streams: args.has("streams"),
        })
    }

    fn passes(&self, group: &GroupListing) -> bool {
        let is = |wanted: GroupType| group.group_type == Some(wanted);
        let protocol: &str = &group.protocol;
        if let Some(wanted) = self.group_type {
            is(wanted) && self.protocol.as_ref().is_none_or(|wanted| protocol == wanted)
        } else if let Some(wanted) = &self.protocol {
            protocol == wanted
        } else if self.consumer {
            protocol == "consumer" || protocol.is_empty() || is(GroupType::Consumer)
        } else {
            (!self.share || is(GroupType::Share)) && (!self.streams || is(GroupType::Streams))
        }
    }
}

async fn list(io: &mut Io, admin: &Admin, filter: &Filter) -> Result<(), Failure> {
    let options = ListGroupsOptions { timeout: Some(Duration::from_secs(30)), ..Default::default() };
    let groups = admin.list_groups(&options).await?.all()?;
    let mut table = Table::new(&["GROUP", "TYPE", "PROTOCOL"]);
    for group in groups.values().filter(|group| filter.passes(group)) {
        let group_type = group.group_type.map_or("", GroupType::name);
        table.row([&*group.group_id, group_type, &*group.protocol]);
    }
    if io.json() {
        io.print_json(&table.to_json());
        return Ok(());
    }
    let width = table.rows.iter().flatten().map(|cell| cell.chars().count()).max().unwrap_or(0).max(20);
    outln!(io, "{:width$} {:width$} {:width$}", "GROUP", "TYPE", "PROTOCOL");
    for row in &table.rows {
        for cell in row {
            out!(io, "{cell:width$} ");
        }
        outln!(io);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::refused;

    #[test]
    fn command_lines_are_refused_in_kafkas_words() {
        let check = |arguments: &str, expect: &str| refused("groups", arguments, expect);
        check("--list", "Missing required option(s) [bootstrap-server]");
        check("--bootstrap-server a:1", "Command must include exactly one action: --list.");
        check("--bootstrap-server a:1 --list --group-type x", "--group-type must be a valid group type.");
        check(
            "--bootstrap-server a:1 --list --share --streams",
            "Option \"[share]\" can't be used with option \"[streams]\"",
        );
    }
}

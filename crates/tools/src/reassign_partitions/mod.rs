//! `ottla reassign-partitions`: Kafka's `ReassignPartitionsCommand`.

mod execute;
mod generate;
mod moves;
mod plan;
mod throttles;
mod verify;

use std::collections::BTreeMap;

use ottla_client::admin::{Admin, TopicDescription};
use ottla_protocol::{ErrorCode, Str};
use serde_json::{Value, json};

use crate::args::Args;
use crate::connect::{read_properties, with_admin};
use crate::failure::Failure;
use crate::io::Io;
use crate::option::{Kind, Opt, opt};
use crate::outln;
use crate::tool::{Group, Syntax, Tool};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "reassign-partitions",
    script: "kafka-reassign-partitions",
    group: Group::Topics,
    about: "Moves partitions between brokers, and between directories of a broker.",
    examples: "kafka-reassign-partitions.sh --bootstrap-server localhost:9092 --generate --topics-to-move-json-file topics.json --broker-list 1,2,3\n\
               kafka-reassign-partitions.sh --bootstrap-server localhost:9092 --execute --reassignment-json-file plan.json --throttle 50000000\n\
               kafka-reassign-partitions.sh --bootstrap-server localhost:9092 --verify --reassignment-json-file plan.json\n\
               ottla reassign-partitions --bootstrap-server localhost:9092 --verify --wait --reassignment-json-file plan.json\n\
               kafka-reassign-partitions.sh --bootstrap-server localhost:9092 --list",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

#[rustfmt::skip]
static OPTIONS: [Opt; 19] = [
    opt("verify", "Says whether the reassignment of --reassignment-json-file is done, and takes its throttles away if it is."),
    opt("generate", "Proposes a plan that spreads topics over brokers; does nothing."),
    opt("execute", "Starts the reassignment of --reassignment-json-file."),
    opt("cancel", "Takes back reassignments that are under way."),
    opt("list", "Lists the reassignments that are under way."),
    opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas.").optional_value("Server(s) to use for bootstrapping"),
    opt("command-config", "A properties file with settings of the client: security, time-outs.").value("Admin client property file"),
    opt("reassignment-json-file", "The plan: {\"version\":1,\"partitions\":[{\"topic\":\"foo\",\"partition\":1,\"replicas\":[1,2,3],\"log_dirs\":[\"any\",\"any\",\"/disk2\"]}]}. \
        log_dirs may be left out; a directory in it moves the replica there on its broker.").value("manual assignment json file path"),
    opt("topics-to-move-json-file", "The topics to plan for: {\"version\":1,\"topics\":[{\"topic\":\"foo\"}]}.").value("topics to reassign json file path"),
    opt("broker-list", "With --generate: ids of the brokers to spread over, separated by commas.").value("brokerlist"),
    opt("bootstrap-controller", "Controllers to connect to; for --cancel and --list.").optional_value("bootstrap controller to connect to"),
    opt("disable-rack-aware", "With --generate: racks don't count."),
    opt("throttle", "With --execute: moves between brokers take at most so many bytes each second. --additional with the same plan changes it.")
        .value("throttle").kind(Kind::Long).default("-1"),
    opt("replica-alter-log-dirs-throttle", "With --execute: moves between directories of a broker take at most so many bytes each second.")
        .value("replicaAlterLogDirsThrottle").kind(Kind::Long).default("-1"),
    opt("timeout", "How long to wait for moves between directories to begin, in milliseconds.").value("timeout").kind(Kind::Long).default("10000"),
    opt("additional", "With --execute: also while other reassignments are under way."),
    opt("preserve-throttles", "With --verify and --cancel: leaves throttles as they are."),
    opt("wait", "With --verify: waits until the reassignment is done, and shows on a terminal how far it is.").beyond_kafka(),
    opt("disallow-replication-factor-change", "With --execute: refuses plans that change how many replicas there are."),
];

const ACTIONS: [&str; 5] = ["generate", "execute", "verify", "cancel", "list"];

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = tool.parse(io, arguments)?;
    let action = check(&args)?;
    let result = act(io, &args, action);
    match result {
        // The tool prints what went wrong on its normal output.
        Err(Failure::Message { message, code }) => {
            outln!(io, "{message}");
            Err(Failure::Exit(code))
        }
        Err(failure) if !failure.is_exit() => {
            outln!(io, "Error: {}", failure.text());
            Err(Failure::Exit(1))
        }
        other => other,
    }
}

/// The one action, with nothing that does not go with it.
fn check(args: &Args) -> Result<&'static str, Failure> {
    let chosen: Vec<&'static str> = ACTIONS.into_iter().filter(|action| args.has(action)).collect();
    let [action] = chosen.as_slice() else {
        let all = ACTIONS.map(|action| format!("--{action}")).join(", ");
        return Err(args.usage(format!("Command must include exactly one action: {all}")));
    };
    match (args.has("bootstrap-server"), args.has("bootstrap-controller")) {
        (true, true) => {
            return Err(args.usage("Please don't specify both --bootstrap-server and --bootstrap-controller"));
        }
        (false, false) => {
            return Err(args.usage("Please specify either --bootstrap-server or --bootstrap-controller"));
        }
        _ => {}
    }
    let required: &[&str] = match *action {
        "generate" => &["topics-to-move-json-file", "broker-list"],
        "list" => &[],
        _ => &["reassignment-json-file"],
    };
    args.require(required)?;
    let permitted: &[&str] = match *action {
        "verify" => &["bootstrap-server", "preserve-throttles", "wait"],
        "generate" => &["bootstrap-server", "broker-list", "disable-rack-aware"],
        "execute" => &[
            "additional",
            "bootstrap-server",
            "throttle",
            "replica-alter-log-dirs-throttle",
            "timeout",
            "disallow-replication-factor-change",
        ],
        "cancel" => &["bootstrap-server", "bootstrap-controller", "preserve-throttles", "timeout"],
        _ => &["bootstrap-server", "bootstrap-controller"],
    };
    let goes = |option: &str| {
        option == *action
            || ["command-config", "output"].contains(&option)
            || required.contains(&option)
            || permitted.contains(&option)
    };
    match args.sequence.iter().find(|option| !goes(option)) {
        None => Ok(action),
        Some(option) => {
            let (option, action) = (args.spec(option), args.spec(action));
            Err(args.usage(format!("Option \"{option}\" can't be used with action \"{action}\"")))
        }
    }
}

fn act(io: &mut Io, args: &Args, action: &str) -> Result<(), Failure> {
    let mut properties = match args.value("command-config")? {
        Some(path) => read_properties(path)?,
        None => BTreeMap::new(),
    };
    let (option, key) = match args.has("bootstrap-controller") {
        true => ("bootstrap-controller", "bootstrap.controllers"),
        false => ("bootstrap-server", "bootstrap.servers"),
    };
    properties.insert(key.to_owned(), args.text(option)?.to_owned());
    properties.entry("client.id".to_owned()).or_insert_with(|| "reassign-partitions-tool".to_owned());
    with_admin(&properties, async |admin| match action {
        "verify" => verify::verify(io, args, admin).await,
        "generate" => generate::generate(io, args, admin).await,
        "execute" => execute::execute(io, args, admin).await,
        "cancel" => execute::cancel(io, args, admin).await,
        _ => list(io, admin).await,
    })
}

async fn list(io: &mut Io, admin: &Admin) -> Result<(), Failure> {
    let current =
        admin.list_partition_reassignments(None, &Default::default()).await.map_err(Failure::in_future)?;
    if io.json() {
        let rows = current.iter().map(|(key, found)| {
            json!({
                "topic": key.topic.to_string(),
                "partition": key.partition,
                "replicas": found.replicas,
                "adding_replicas": found.adding_replicas,
                "removing_replicas": found.removing_replicas,
            })
        });
        io.print_json(&Value::Array(rows.collect()));
        return Ok(());
    }
    if current.is_empty() {
        outln!(io, "No partition reassignments found.");
        return Ok(());
    }
    outln!(io, "Current partition reassignments:");
    for (key, found) in current {
        let part = |what: &str, ids: &[i32]| match ids {
            [] => String::new(),
            ids => format!(" {what}: {}.", join(ids)),
        };
        let (adding, removing) =
            (part("adding", &found.adding_replicas), part("removing", &found.removing_replicas));
        outln!(io, "{key}: replicas: {}.{adding}{removing}", join(&found.replicas));
    }
    Ok(())
}

/// The file that an option names.
fn read(args: &Args, option: &str) -> Result<String, Failure> {
    let path = args.text(option)?;
    std::fs::read_to_string(path)
        .map_err(|_| Failure::exception("java.io.IOException", format!("Unable to read file {path}")))
}

/// Descriptions of topics, all of which must be there.
async fn describe(
    admin: &Admin,
    topics: impl IntoIterator<Item = Str>,
) -> Result<BTreeMap<Str, TopicDescription>, Failure> {
    let topics: Vec<Str> = topics.into_iter().collect();
    if topics.is_empty() {
        return Ok(BTreeMap::new());
    }
    let described = admin.describe_topics(&topics, &Default::default()).await;
    described
        .into_iter()
        .map(|(topic, result)| match result {
            Ok(description) => Ok((topic, description)),
            Err(error) if error.code() == Some(ErrorCode::UnknownTopicOrPartition) => Err(Failure::exception(
                "java.util.concurrent.ExecutionException",
                format!(
                    "org.apache.kafka.common.errors.UnknownTopicOrPartitionException: Topic {topic} not found."
                ),
            )),
            Err(error) => Err(Failure::in_future(error)),
        })
        .collect()
}

/// `1,2,3`.
fn join<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(",")
}

/// Kafka's `AdminCommandFailedException`.
fn failed(message: impl Into<String>) -> Failure {
    Failure::exception("org.apache.kafka.tools.AdminCommandFailedException", message)
}

#[cfg(test)]
#[path = "reassign_partitions_test.rs"]
mod tests;

//! `ottla log-dirs`: Kafka's `LogDirsCommand`.

use std::collections::{BTreeMap, BTreeSet};

use ottla_client::admin::{Admin, DescribeClusterOptions, LogDirDescription, TimeoutOptions};
use ottla_protocol::Str;
use serde_json::{Value, json};

use crate::args::Args;
use crate::connect::{admin_properties, with_admin};
use crate::failure::Failure;
use crate::io::Io;
use crate::option::{Opt, opt};
use crate::tool::{Group, Syntax, Tool};
use crate::{java, outln};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "log-dirs",
    script: "kafka-log-dirs",
    group: Group::Cluster,
    about: "Shows the directories of brokers, and the replicas in them with their sizes.",
    examples: "kafka-log-dirs.sh --bootstrap-server localhost:9092 --describe\n\
               kafka-log-dirs.sh --bootstrap-server localhost:9092 --describe --topic-list orders --broker-list 0,1",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

static OPTIONS: [Opt; 5] = [
    opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas. Required.")
        .value("The server(s) to use for bootstrapping"),
    opt("command-config", "A properties file with settings of the client: security, time-outs.")
        .value("Admin client property file"),
    opt("describe", "Shows the directories. Required."),
    opt("topic-list", "Only replicas of these topics, separated by commas.").value("Topic list").default(""),
    opt("broker-list", "Only these brokers, by their ids, separated by commas.")
        .value("Broker list")
        .default(""),
];

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = tool.parse(io, arguments)?;
    args.require(&["bootstrap-server", "describe"])?;
    let mut properties = admin_properties(&args)?;
    properties.entry("client.id".to_owned()).or_insert_with(|| "log-dirs-tool".to_owned());
    with_admin(&properties, async |admin| describe(io, &args, admin).await)
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|part| !part.is_empty())
}

async fn describe(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let topics: BTreeSet<Str> = parts(args.text("topic-list")?).map(Str::from).collect();
    let options = DescribeClusterOptions::default();
    let nodes = admin.describe_cluster(&options).await.map_err(Failure::in_future)?.nodes;
    let there: BTreeSet<i32> = nodes.iter().map(|it| it.node.id).collect();
    let wanted =
        parts(args.text("broker-list")?).map(java::parse_int).collect::<Result<BTreeSet<i32>, _>>()?;
    let missing: BTreeSet<i32> = wanted.difference(&there).copied().collect();
    if !missing.is_empty() {
        return Err(Failure::message(format!(
            "ERROR: The given brokers do not exist from --broker-list: {}. Current existent brokers: {}",
            commas(&missing),
            commas(&there)
        )));
    }
    let brokers = if wanted.is_empty() { there } else { wanted };
    if !io.json() {
        outln!(io, "Querying brokers for log directories information");
    }
    let answers = admin.describe_log_dirs(&brokers, &TimeoutOptions::default()).await;
    let mut found = BTreeMap::new();
    for (broker, dirs) in answers {
        found.insert(broker, dirs.map_err(Failure::in_future)?);
    }
    let document = to_json(&found, &topics);
    if io.json() {
        io.print_json(&document);
        return Ok(());
    }
    outln!(io, "Received log directory information from brokers {}", commas(&brokers));
    outln!(io, "{document}");
    Ok(())
}

fn commas(ids: &BTreeSet<i32>) -> String {
    ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}

/// The keys are in the order of Java's hash maps.
fn to_json(brokers: &BTreeMap<i32, BTreeMap<Str, LogDirDescription>>, topics: &BTreeSet<Str>) -> Value {
    let broker = |(broker, dirs): (&i32, &BTreeMap<Str, LogDirDescription>)| {
        let dirs: Vec<Value> = dirs.iter().map(|(path, dir)| dir_to_json(path, dir, topics)).collect();
        json!({ "broker": broker, "logDirs": dirs })
    };
    json!({ "brokers": brokers.iter().map(broker).collect::<Vec<_>>(), "version": 1 })
}

fn dir_to_json(path: &Str, dir: &LogDirDescription, topics: &BTreeSet<Str>) -> Value {
    let shown = dir.replicas.iter().filter(|(key, _)| topics.is_empty() || topics.contains(&key.topic));
    let replica = |(key, info): (&ottla_protocol::TopicPartition, &ottla_client::admin::ReplicaInfo)| {
        json!({
            "partition": key.to_string(),
            "size": info.size,
            "offsetLag": info.offset_lag,
            "isFuture": info.is_future,
        })
    };
    json!({
        "partitions": shown.map(replica).collect::<Vec<_>>(),
        "error": dir.error.map(|code| java::exception_of_code(code.code())),
        "logDir": &**path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_captured;
    use ottla_client::admin::ReplicaInfo;
    use ottla_protocol::TopicPartition;

    #[test]
    fn replicas_of_other_topics_are_left_out() {
        let info = ReplicaInfo { size: 10, offset_lag: 0, is_future: false };
        let dir = LogDirDescription {
            replicas: BTreeMap::from([
                (TopicPartition::new("a", 0), info),
                (TopicPartition::new("b", 0), info),
            ]),
            ..Default::default()
        };
        let brokers = BTreeMap::from([(1, BTreeMap::from([(Str::from("/d"), dir)]))]);
        assert_eq!(
            to_json(&brokers, &BTreeSet::from(["b".into()])).to_string(),
            r#"{"brokers":[{"broker":1,"logDirs":[{"partitions":[{"partition":"b-0","size":10,"offsetLag":0,"isFuture":false}],"error":null,"logDir":"/d"}]}],"version":1}"#
        );
    }

    #[test]
    fn describe_is_required() {
        let (code, _, err) = run_captured("log-dirs", &["--bootstrap-server", "localhost:1"], "").unwrap();
        assert_eq!(code, 1);
        assert!(err.starts_with("Missing required argument \"[describe]\"\n"), "{err}");
    }
}

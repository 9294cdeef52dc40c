//! `ottla get-offsets`: Kafka's `GetOffsetShell`.

use std::collections::BTreeMap;

use ottla_client::admin::{Admin, ListTopicsOptions, OffsetSpec};
use ottla_protocol::{Str, TopicPartition};
use serde_json::{Value, json};

use crate::args::Args;
use crate::connect::{admin_properties, with_admin};
use crate::failure::Failure;
use crate::filter::IncludeList;
use crate::io::Io;
use crate::option::{Opt, opt};
use crate::tool::{Group, Syntax, Tool};
use crate::{errln, java, outln};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "get-offsets",
    script: "kafka-get-offsets",
    group: Group::Topics,
    about: "Prints offsets of partitions: the latest, the earliest, or those of a time.",
    examples: "kafka-get-offsets.sh --bootstrap-server localhost:9092 --topic orders\n\
               kafka-get-offsets.sh --bootstrap-server localhost:9092 --topic orders --time earliest\n\
               kafka-get-offsets.sh --bootstrap-server localhost:9092 --topic-partitions 'orders:0-3,payments'",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

#[rustfmt::skip]
static OPTIONS: [Opt; 7] = [
    opt("bootstrap-server", "Brokers to connect to. Required.").value("HOST1:PORT1,...,HOST3:PORT3"),
    opt("topic-partitions", "Which partitions, as patterns separated by commas: a regular expression for topics, then optionally a colon and \
        a number, NUMBER-NUMBER (without the last), NUMBER- or -NUMBER. Not with --topic or --partitions.")
        .value("topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3"),
    opt("topic", "The topic, or a regular expression. Without it all topics are taken.").value("topic"),
    opt("partitions", "Numbers of partitions, separated by commas. Without it all partitions are taken.").value("partition ids"),
    opt("time", "The offsets of which time: Unix milliseconds, or a name. Nothing is printed for partitions that have no record so late.")
        .value("<timestamp> / -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or latest-tiered / -6 or \
                earliest-pending-upload").default("latest"),
    opt("command-config", "A properties file with settings of the client: security, time-outs.").value("config file"),
    opt("exclude-internal-topics", "Leaves out Kafka's own topics."),
];

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    match parse_and_fetch(tool, io, arguments) {
        Err(failure) if !failure.is_exit() => {
            errln!(io, "Error occurred: {}", failure.text());
            Err(Failure::Exit(1))
        }
        other => other,
    }
}

fn parse_and_fetch(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = tool.parse(io, arguments)?;
    args.require(&["bootstrap-server"])?;
    validate_bootstrap_server(args.text("bootstrap-server")?).map_err(|why| args.usage(why))?;
    if args.has("topic-partitions") && (args.has("topic") || args.has("partitions")) {
        return Err(Failure::runtime("--topic-partitions cannot be used with --topic or --partitions"));
    }
    let spec = parse_spec(args.text("time")?)?;
    let filter = match args.value("topic-partitions")? {
        Some(patterns) => patterns.split(',').map(Rule::parse).collect::<Result<Vec<_>, _>>()?,
        None => vec![Rule::of_options(&args)?],
    };
    let mut properties = admin_properties(&args)?;
    properties.insert("client.id".to_owned(), "GetOffsetShell".to_owned());
    with_admin(&properties, async |admin| fetch(io, &args, admin, spec, &filter).await)
}

/// `ToolsUtils.validateBootstrapServer`.
pub(crate) fn validate_bootstrap_server(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("Error while validating the bootstrap address\n".to_owned());
    }
    let has_port = |address: &str| {
        address.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let mut addresses: Vec<&str> = text.split(',').collect();
    while addresses.last() == Some(&"") {
        addresses.pop();
    }
    match !addresses.is_empty() && addresses.into_iter().all(has_port) {
        true => Ok(()),
        false => Err("Please provide valid host:port like host1:9091,host2:9092\n".to_owned()),
    }
}

fn parse_spec(text: &str) -> Result<OffsetSpec, Failure> {
    Ok(match text {
        "latest" | "-1" => OffsetSpec::Latest,
        "earliest" | "-2" => OffsetSpec::Earliest,
        "max-timestamp" | "-3" => OffsetSpec::MaxTimestamp,
        "earliest-local" | "-4" => OffsetSpec::EarliestLocal,
        "latest-tiered" | "-5" => OffsetSpec::LatestTiered,
        "earliest-pending-upload" | "-6" => OffsetSpec::EarliestPendingUpload,
        other => OffsetSpec::Timestamp(other.parse().map_err(|_| {
            Failure::runtime(format!(
                "Malformed time argument {other}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or \
                 earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload, or a specified long format timestamp"
            ))
        })?),
    })
}

/// Topics, and which of their partitions.
struct Rule {
    topics: IncludeList,
    partitions: Partitions,
}

enum Partitions {
    /// Only these.
    Only(Vec<i32>),
    /// From the first, up to and without the second.
    Range(i32, i32),
}

impl Rule {
    fn parse(text: &str) -> Result<Self, Failure> {
        let (topic, partitions) = text.split_once(':').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let number = |part: &str, none: i32| if part.is_empty() { Ok(none) } else { java::parse_int(part) };
        let partitions = match partitions.split_once('-') {
            None if partitions.is_empty() => Partitions::Range(0, i32::MAX),
            None if digits(partitions) => Partitions::Only(vec![java::parse_int(partitions)?]),
            Some((from, to)) if digits(from) && digits(to) => {
                Partitions::Range(number(from, 0)?, number(to, i32::MAX)?)
            }
            _ => {
                return Err(Failure::runtime(format!(
                    "org.apache.kafka.tools.TerseException: Invalid rule specification: {text}"
                )));
            }
        };
        let topics = IncludeList::new(if topic.is_empty() { ".*" } else { topic })?;
        Ok(Self { topics, partitions })
    }

    fn of_options(args: &Args) -> Result<Self, Failure> {
        let topics = IncludeList::new(args.value("topic")?.unwrap_or(".*"))?;
        let partitions = match args.text("partitions")? {
            "" => Partitions::Range(0, i32::MAX),
            text => Partitions::Only(text.split(',').map(str::parse).collect::<Result<_, _>>().map_err(|_| {
                Failure::runtime(format!(
                    "--partitions expects a comma separated list of numeric partition ids, but received: {text}"
                ))
            })?),
        };
        Ok(Self { topics, partitions })
    }

    fn allows(&self, topic: &str, partition: i32) -> bool {
        self.topics.allows(topic, false)
            && match &self.partitions {
                Partitions::Only(numbers) => numbers.contains(&partition),
                Partitions::Range(from, to) => (*from..*to).contains(&partition),
            }
    }
}

async fn fetch(
    io: &mut Io,
    args: &Args,
    admin: &Admin,
    spec: OffsetSpec,
    filter: &[Rule],
) -> Result<(), Failure> {
    let options =
        ListTopicsOptions { list_internal: !args.has("exclude-internal-topics"), ..Default::default() };
    let listed = admin.list_topics(&options).await.map_err(Failure::in_future)?;
    let topics: Vec<Str> = listed
        .into_keys()
        .filter(|topic| filter.iter().any(|rule| rule.topics.allows(topic, false)))
        .collect();
    let mut wanted = BTreeMap::new();
    for (topic, described) in admin.describe_topics(&topics, &Default::default()).await {
        let partitions = described.map_err(Failure::in_future)?.partitions;
        for info in
            partitions.iter().filter(|info| filter.iter().any(|rule| rule.allows(&topic, info.partition)))
        {
            wanted.insert(TopicPartition::new(topic.clone(), info.partition), spec);
        }
    }
    if wanted.is_empty() {
        return Err(Failure::runtime("Could not match any topic-partitions with the specified filters"));
    }
    let mut found = Vec::new();
    for (partition, result) in admin.list_offsets(&wanted, &Default::default()).await {
        match result {
            Ok(info) if info.offset != -1 => found.push((partition, info)),
            Ok(_) => {}
            Err(why) => {
                let why = Failure::in_future(why);
                errln!(
                    io,
                    "Skip getting offsets for topic-partition {partition} due to error: {}",
                    why.text()
                );
            }
        }
    }
    found.sort_by_key(|(partition, _)| partition.to_string());
    if io.json() {
        let rows = found.iter().map(|(key, info)| json!({ "topic": key.topic.to_string(), "partition": key.partition, "offset": info.offset }));
        io.print_json(&Value::Array(rows.collect()));
        return Ok(());
    }
    for (partition, info) in found {
        outln!(io, "{}:{}:{}", partition.topic, partition.partition, info.offset);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_captured;

    fn check(arguments: &str, expect: &str) {
        let arguments: Vec<&str> = arguments.split(' ').filter(|part| !part.is_empty()).collect();
        let (code, _, err) = run_captured("get-offsets", &arguments, "").unwrap();
        assert_eq!((code, err.lines().next().unwrap_or_default()), (1, expect), "{arguments:?}");
    }

    #[test]
    fn command_lines_are_refused_in_kafkas_words() {
        check("--topic t", "Missing required argument \"[bootstrap-server]\"");
        check("--bootstrap-server a", "Please provide valid host:port like host1:9091,host2:9092");
        check("--bootstrap-server a:1 --x", "Error occurred: x is not a recognized option");
        check(
            "--bootstrap-server a:1 --topic-partitions a:1 --topic a",
            "Error occurred: --topic-partitions cannot be used with --topic or --partitions",
        );
        check(
            "--bootstrap-server a:1 --partitions a",
            "Error occurred: --partitions expects a comma separated list of numeric partition ids, but received: a",
        );
        check(
            "--bootstrap-server a:1 --topic-partitions a:b",
            "Error occurred: org.apache.kafka.tools.TerseException: Invalid rule specification: a:b",
        );
    }

    #[test]
    fn rules_take_topics_and_partitions() {
        let allows = |rule: &str, topic: &str, partition| Rule::parse(rule).unwrap().allows(topic, partition);
        assert!(allows("a.*:1", "ab", 1) && !allows("a.*:1", "ab", 2));
        assert!(allows(":1-3", "x", 2) && !allows(":1-3", "x", 3));
        assert!(allows("x:2-", "x", 9) && !allows("x:-2", "x", 2) && allows("x", "x", 7));
    }
}

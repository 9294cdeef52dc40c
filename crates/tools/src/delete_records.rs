//! `ottla delete-records`: Kafka's `DeleteRecordsCommand`.

use std::collections::BTreeMap;

use ottla_client::admin::TimeoutOptions;
use ottla_protocol::TopicPartition;
use serde_json::{Value, json};

use crate::connect::{admin_properties, with_admin};
use crate::failure::Failure;
use crate::io::Io;
use crate::option::{Opt, opt};
use crate::outln;
use crate::partitions_file::{self, OPERATION};
use crate::tool::{Group, Syntax, Tool};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "delete-records",
    script: "kafka-delete-records",
    group: Group::Topics,
    about: "Deletes the records before given offsets.",
    examples: "kafka-delete-records.sh --bootstrap-server localhost:9092 --offset-json-file offsets.json",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

static OPTIONS: [Opt; 3] = [
    opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas. Required.")
        .value("server(s) to use for bootstrapping"),
    opt(
        "offset-json-file",
        "A JSON file with an offset for each partition, -1 for all records there are. Required. Its form is:\n\
         {\"partitions\":\n  [{\"topic\": \"foo\", \"partition\": 1, \"offset\": 1}],\n \"version\":1\n}",
    )
    .value("Offset json file path"),
    opt("command-config", "A properties file with settings of the client: security, time-outs.")
        .value("command config property file path"),
];

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = tool.parse(io, arguments)?;
    args.require(&["bootstrap-server", "offset-json-file"])?;
    let properties = admin_properties(&args)?;
    let path = args.text("offset-json-file")?;
    let unreadable = |_| Failure::exception("java.io.IOException", format!("Unable to read file {path}"));
    let before = parse(&partitions_file::read(path).map_err(unreadable)?)?;
    with_admin(&properties, async |admin| {
        if !io.json() {
            outln!(io, "Executing records delete operation");
        }
        let done = admin.delete_records(&before, &TimeoutOptions::default()).await;
        if io.json() {
            let row = |(key, result): (&TopicPartition, &ottla_client::Result<i64>)| {
                json!({
                    "topic": &*key.topic,
                    "partition": key.partition,
                    "low_watermark": result.as_ref().ok(),
                    "error": result.as_ref().err().map(ToString::to_string),
                })
            };
            io.print_json(&done.iter().map(row).collect());
            return Ok(());
        }
        outln!(io, "Records delete operation completed:");
        for (key, result) in done {
            match result {
                Ok(low_watermark) => outln!(io, "partition: {key}\tlow_watermark: {low_watermark}"),
                Err(error) => outln!(io, "partition: {key}\terror: {}", Failure::in_future(error).text()),
            }
        }
        Ok(())
    })
}

fn parse(text: &str) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
    let document: Value = serde_json::from_str(text)
        .map_err(|_| Failure::exception(OPERATION, "The input string is not a valid JSON"))?;
    let version = match document.get("version") {
        None => 1,
        Some(version) => partitions_file::int(version)?,
    };
    if version != 1 {
        let text = format!("Not supported version field value {version}");
        return Err(Failure::exception(OPERATION, text));
    }
    let partitions = document
        .get("partitions")
        .ok_or_else(|| Failure::exception(OPERATION, "Missing partitions field"))?;
    let mut before = BTreeMap::new();
    let mut twice = Vec::new();
    for entry in partitions_file::array(partitions)? {
        let key = partitions_file::partition(entry)?;
        let offset = partitions_file::long(partitions_file::field(entry, "offset")?)?;
        if before.insert(key.clone(), offset).is_some() && !twice.contains(&key) {
            twice.push(key);
        }
    }
    if !twice.is_empty() {
        let twice: Vec<String> = twice.iter().map(ToString::to_string).collect();
        return Err(Failure::exception(
            "org.apache.kafka.server.common.AdminCommandFailedException",
            format!("Offset json file contains duplicate topic partitions: {}", twice.join(",")),
        ));
    }
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_kafka_reads_them() {
        let before = parse(
            r#"{"partitions": [{"topic": "t", "partition": 0, "offset": 1},
                               {"topic": "t", "partition": 1, "offset": -1, "x": 2}]}"#,
        )
        .unwrap();
        assert_eq!(before[&TopicPartition::new("t", 0)], 1);
        assert_eq!(before[&TopicPartition::new("t", 1)], -1);
        let check = |text: &str, expect: &str| assert_eq!(parse(text).unwrap_err().text(), expect);
        check("{", "The input string is not a valid JSON");
        check(r#"{"version": 1}"#, "Missing partitions field");
        check(r#"{"version": 2, "partitions": []}"#, "Not supported version field value 2");
        check(
            r#"{"partitions": [{"topic": "t", "partition": 0, "offset": 1},
                               {"topic": "t", "partition": 0, "offset": 2}]}"#,
            "Offset json file contains duplicate topic partitions: t-0",
        );
    }
}

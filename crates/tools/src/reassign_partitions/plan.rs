//! Plans as JSON.

use std::collections::{BTreeMap, BTreeSet};

use ottla_client::admin::TopicPartitionReplica;
use ottla_protocol::{Str, TopicPartition};
use serde_json::{Value, json};

use super::{failed, join};
use crate::failure::Failure;
use crate::java;

/// Where each replica stands: any directory, unless it is listed.
pub(super) type Directories = BTreeMap<TopicPartitionReplica, Str>;

/// Replicas of partitions.
pub(super) type Replicas = BTreeMap<TopicPartition, Vec<i32>>;

/// A plan as it was written: partitions may be there twice.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub partitions: Vec<(TopicPartition, Vec<i32>)>,
    pub directories: Directories,
}

impl Plan {
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let json: Value = serde_json::from_str(text)
            .map_err(|why| operation_failed(format!("the plan is not valid JSON: {why}")))?;
        check_version(&json)?;
        let mut plan = Self::default();
        let Some(partitions) = json.get("partitions") else { return Ok(plan) };
        for entry in array(partitions)? {
            plan.add(entry)?;
        }
        Ok(plan)
    }

    fn add(&mut self, entry: &Value) -> Result<(), Failure> {
        let topic = text(field(entry, "topic")?)?;
        let partition = int(field(entry, "partition")?)?;
        let key = TopicPartition::new(topic, partition);
        let replicas = array(field(entry, "replicas")?)?.iter().map(int).collect::<Result<Vec<_>, _>>()?;
        let directories: Vec<&str> = match entry.get("log_dirs") {
            None => vec!["any"; replicas.len()],
            Some(directories) => array(directories)?.iter().map(text).collect::<Result<_, _>>()?,
        };
        if directories.len() != replicas.len() {
            return Err(failed(format!(
                "Size of replicas list {} is different from size of log dirs list {} for partition {key}",
                java::list(&replicas),
                java::list(&directories)
            )));
        }
        for (broker_id, directory) in
            replicas.iter().zip(directories).filter(|(_, directory)| *directory != "any")
        {
            let replica =
                TopicPartitionReplica { topic: key.topic.clone(), partition, broker_id: *broker_id };
            self.directories.insert(replica, directory.into());
        }
        self.partitions.push((key, replicas));
        Ok(())
    }

    /// The plan, if it can be executed: partitions once, each with replicas, each once.
    pub fn executable(self) -> Result<(Replicas, Directories), Failure> {
        if self.partitions.is_empty() {
            return Err(failed("Partition reassignment list cannot be empty"));
        }
        if self.partitions.iter().any(|(_, replicas)| replicas.is_empty()) {
            return Err(failed("Partition replica list cannot be empty"));
        }
        let repeated = duplicates(self.partitions.iter().map(|(key, _)| key));
        if !repeated.is_empty() {
            return Err(failed(format!(
                "Partition reassignment contains duplicate topic partitions: {}",
                join(repeated)
            )));
        }
        let twice: Vec<String> = self
            .partitions
            .iter()
            .map(|(key, replicas)| (key, duplicates(replicas)))
            .filter(|(_, repeated)| !repeated.is_empty())
            .map(|(key, repeated)| format!("{key} contains multiple entries for {}", join(repeated)))
            .collect();
        if !twice.is_empty() {
            return Err(failed(format!(
                "Partition replica lists may not contain duplicate entries: {}",
                twice.join(". ")
            )));
        }
        Ok((self.partitions.into_iter().collect(), self.directories))
    }
}

/// The topics of `--topics-to-move-json-file`.
pub(super) fn parse_topics(text_of_file: &str) -> Result<Vec<String>, Failure> {
    let json: Value = serde_json::from_str(text_of_file)
        .map_err(|_| operation_failed("The input string is not a valid JSON"))?;
    check_version(&json)?;
    let Some(topics) = json.get("topics") else { return Ok(Vec::new()) };
    let name = |entry| text(field(entry, "topic")?).map(str::to_owned);
    array(topics)?.iter().map(name).collect()
}

/// What occurs more than once.
pub(super) fn duplicates<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let (mut seen, mut repeated) = (BTreeSet::new(), BTreeSet::new());
    for item in items {
        if seen.contains(&item) {
            repeated.insert(item);
        } else {
            seen.insert(item);
        }
    }
    repeated
}

/// A plan as JSON, in the order of the partitions.
pub(super) fn to_json(replicas: &Replicas, directories: &Directories) -> Value {
    let entry = |(key, replicas): (&TopicPartition, &Vec<i32>)| {
        let directory = |broker_id: &i32| {
            let replica = TopicPartitionReplica {
                topic: key.topic.clone(),
                partition: key.partition,
                broker_id: *broker_id,
            };
            directories.get(&replica).map_or_else(|| "any".to_owned(), Str::to_string)
        };
        json!({
            "topic": key.topic.to_string(),
            "partition": key.partition,
            "replicas": replicas,
            "log_dirs": replicas.iter().map(directory).collect::<Vec<_>>(),
        })
    };
    json!({ "version": 1, "partitions": replicas.iter().map(entry).collect::<Vec<_>>() })
}

fn operation_failed(message: impl Into<String>) -> Failure {
    Failure::exception("org.apache.kafka.tools.AdminOperationException", message)
}

fn check_version(json: &Value) -> Result<(), Failure> {
    if !json.is_object() {
        return Err(mapping(format!("Expected JSON object, received {json}")));
    }
    match json.get("version").map_or(Ok(1), int)? {
        1 => Ok(()),
        other => Err(operation_failed(format!("Not supported version field value {other}"))),
    }
}

fn mapping(message: String) -> Failure {
    Failure::exception("com.fasterxml.jackson.databind.JsonMappingException", message)
}

fn field<'a>(entry: &'a Value, name: &str) -> Result<&'a Value, Failure> {
    if !entry.is_object() {
        return Err(mapping(format!("Expected JSON object, received {entry}")));
    }
    entry.get(name).ok_or_else(|| mapping(format!("No such field exists: `{name}`")))
}

fn array(value: &Value) -> Result<&Vec<Value>, Failure> {
    value.as_array().ok_or_else(|| mapping(format!("Expected JSON array, received {value}")))
}

fn text(value: &Value) -> Result<&str, Failure> {
    value.as_str().ok_or_else(|| mapping(format!("Expected `String` value, received {value}")))
}

fn int(value: &Value) -> Result<i32, Failure> {
    let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
    number.ok_or_else(|| mapping(format!("Expected `Integer` value, received {value}")))
}

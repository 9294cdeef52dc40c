//! Creating, growing and deleting topics.

use std::collections::BTreeMap;

use ottla_client::admin::{
    Admin, CreatePartitionsOptions, CreateTopicsOptions, DeleteTopicsOptions, NewPartitions, NewTopic, PerKey,
};
use ottla_config::{RawMap, TopicConfig};
use ottla_protocol::{ErrorCode, Str};

use super::{ensure_exists, topics};
use crate::args::Args;
use crate::failure::Failure;
use crate::io::Io;
use crate::{java, outln};

/// What `--create` and `--alter` ask for.
struct Wanted {
    name: Str,
    partitions: Option<i32>,
    replication_factor: Option<i32>,
    assignment: BTreeMap<i32, Vec<i32>>,
    configs: BTreeMap<Str, Str>,
}

impl Wanted {
    fn new(args: &Args) -> Result<Self, Failure> {
        Ok(Self {
            name: args.text("topic")?.into(),
            partitions: args.number("partitions")?,
            replication_factor: args.number("replication-factor")?,
            assignment: match args.value("replica-assignment")? {
                Some(text) if !text.is_empty() => parse_assignment(text)?,
                _ => BTreeMap::new(),
            },
            configs: parse_configs(&args.values("config"))?,
        })
    }
}

pub(super) async fn create(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let wanted = Wanted::new(args)?;
    if wanted.name.contains(['.', '_']) && !io.json() {
        outln!(
            io,
            "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could \
             collide. To avoid issues it is best to use either, but not both."
        );
    }
    let replication_factor = match wanted.replication_factor {
        Some(factor) if !(1..=i32::from(i16::MAX)).contains(&factor) => {
            let most = i16::MAX;
            return Err(Failure::illegal_argument(format!(
                "The replication factor must be between 1 and {most} inclusive"
            )));
        }
        factor => factor.and_then(|factor| i16::try_from(factor).ok()),
    };
    if wanted.partitions.is_some_and(|partitions| partitions < 1) {
        return Err(Failure::illegal_argument("The partitions must be greater than 0"));
    }
    let mut topic = if wanted.assignment.is_empty() {
        NewTopic::new(wanted.name.clone(), wanted.partitions, replication_factor)
    } else {
        NewTopic::with_assignments(wanted.name.clone(), wanted.assignment)
    };
    topic.configs = wanted.configs;
    let options = CreateTopicsOptions { retry_on_quota_violation: false, ..Default::default() };
    let created = admin.create_topics(&[topic], &options).await.into_values().next().transpose();
    match created {
        Ok(_) if io.json() => io.print_json(&serde_json::json!({ "created": wanted.name.as_ref() as &str })),
        Ok(_) => outln!(io, "Created topic {}.", wanted.name),
        Err(why) if why.code() == Some(ErrorCode::TopicAlreadyExists) && args.has("if-not-exists") => {}
        Err(why) => return Err(why.into()),
    }
    Ok(())
}

pub(super) async fn alter(args: &Args, admin: &Admin) -> Result<(), Failure> {
    let wanted = Wanted::new(args)?;
    let topics = topics(args, admin).await?;
    ensure_exists(args, &topics)?;
    let Some(total_count) = wanted.partitions.filter(|_| !topics.is_empty()) else { return Ok(()) };
    let mut growth = BTreeMap::new();
    let described = match wanted.assignment.is_empty() {
        true => PerKey::new(),
        false => admin.describe_topics(&topics, &Default::default()).await,
    };
    for topic in topics {
        let assignments = match described.get(&topic) {
            None => None,
            Some(Err(why)) => return Err(why.clone().into()),
            Some(Ok(description)) => {
                let new = wanted.assignment.values().skip(description.partitions.len()).cloned();
                Some(new.collect::<Vec<_>>())
            }
        };
        growth.insert(topic, NewPartitions { total_count, assignments });
    }
    let options = CreatePartitionsOptions { retry_on_quota_violation: false, ..Default::default() };
    first_error(admin.create_partitions(&growth, &options).await)
}

pub(super) async fn delete(args: &Args, admin: &Admin) -> Result<(), Failure> {
    let topics = topics(args, admin).await?;
    ensure_exists(args, &topics)?;
    let options = DeleteTopicsOptions { retry_on_quota_violation: false, ..Default::default() };
    first_error(admin.delete_topics(&topics, &options).await)
}

fn first_error<K, V>(results: PerKey<K, V>) -> Result<(), Failure> {
    results.into_values().try_for_each(|result| result.map(drop).map_err(Failure::from))
}

/// `1:2,2:3`: replicas of each partition.
pub(super) fn parse_assignment(text: &str) -> Result<BTreeMap<i32, Vec<i32>>, Failure> {
    let mut assignment: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for (partition, brokers) in (0..).zip(java_split(text, ',')) {
        let mut replicas: Vec<i32> = Vec::new();
        let mut repeated = Vec::new();
        for broker in java_split(brokers, ':') {
            let broker = java::parse_int(broker.trim())?;
            if replicas.contains(&broker) && !repeated.contains(&broker) {
                repeated.push(broker);
            }
            replicas.push(broker);
        }
        if !repeated.is_empty() {
            let list = repeated.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
            return Err(Failure::exception(
                "org.apache.kafka.tools.AdminCommandFailedException",
                format!("Partition replica lists may not contain duplicate entries: {list}"),
            ));
        }
        let first = assignment.values().next().map(Vec::len);
        if first.is_some_and(|length| length != replicas.len()) {
            return Err(Failure::exception(
                "org.apache.kafka.tools.AdminOperationException",
                format!("Partition {partition} has different replication factor: {}", java::list(&replicas)),
            ));
        }
        assignment.insert(partition, replicas);
    }
    Ok(assignment)
}

/// `String.split`: what is empty at the end is left out.
fn java_split(text: &str, separator: char) -> Vec<&str> {
    let mut parts: Vec<&str> = text.split(separator).collect();
    while parts.len() > 1 && parts.last() == Some(&"") {
        parts.pop();
    }
    parts
}

/// `name=value` pairs, checked as a broker would.
fn parse_configs(pairs: &[&str]) -> Result<BTreeMap<Str, Str>, Failure> {
    let mut raw = RawMap::new();
    for pair in pairs {
        let mut parts: Vec<&str> = pair.split('=').map(str::trim).collect();
        while parts.last() == Some(&"") {
            parts.pop();
        }
        let [key, value] = parts.as_slice() else {
            return Err(Failure::illegal_argument(
                "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".",
            ));
        };
        raw.insert((*key).to_owned(), (*value).to_owned());
    }
    TopicConfig::default().validate(&RawMap::new(), &raw, false).map_err(|why| {
        Failure::exception(
            "org.apache.kafka.common.errors.InvalidConfigurationException",
            why.kafka_message(),
        )
    })?;
    Ok(raw.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
}

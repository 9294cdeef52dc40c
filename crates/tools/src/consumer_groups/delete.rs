//! Deleting groups, or their offsets.

use std::collections::{BTreeMap, BTreeSet};

use ottla_client::Error;
use ottla_client::admin::{DescribeTopicsOptions, TimeoutOptions};
use ottla_protocol::{ErrorCode, Str, TopicPartition};
use serde_json::{Value, json};

use super::Groups;
use crate::failure::Failure;
use crate::io::Io;
use crate::offset_reset::parse_topic_partitions;
use crate::{out, outln};

impl Groups<'_> {
    pub(super) async fn delete(&self, io: &mut Io) -> Result<(), Failure> {
        let chosen = self.chosen().await?;
        let options = TimeoutOptions { timeout: self.resetter.timeout };
        let results = self.admin().delete_consumer_groups(&chosen, &options).await;
        if io.json() {
            let rows = results.iter().map(|(group, result)| {
                let error = result.as_ref().err().map(ToString::to_string);
                json!({ "group": group.to_string(), "deleted": error.is_none(), "error": error })
            });
            io.print_json(&Value::Array(rows.collect()));
            return Ok(());
        }
        let deleted: Vec<String> = results
            .iter()
            .filter(|(_, result)| result.is_ok())
            .map(|(group, _)| format!("'{group}'"))
            .collect();
        let deleted_all = deleted.join(", ");
        if deleted.len() == results.len() {
            outln!(io, "Deletion of requested consumer groups ({deleted_all}) was successful.");
            return Ok(());
        }
        outln!(io, "\nError: Deletion of some consumer groups failed:");
        for (group, result) in results {
            if let Err(error) = result {
                let why = Failure::from(error).with_class();
                outln!(io, "* Group '{group}' could not be deleted due to: {why}");
            }
        }
        if !deleted.is_empty() {
            outln!(io, "\nThese consumer groups were deleted successfully: {deleted_all}");
        }
        Ok(())
    }

    pub(super) async fn delete_offsets(&self, io: &mut Io) -> Result<(), Failure> {
        let group = Str::from(self.args().text("group")?);
        let (partitions, mut results) = self.named_partitions().await?;
        let options = TimeoutOptions { timeout: self.resetter.timeout };
        let done = self.admin().delete_consumer_group_offsets(&group, &partitions, &options).await;
        let (overall, by_partition) = match done {
            Ok(by_partition) => (by_partition.values().find_map(|result| result.clone().err()), by_partition),
            Err(error) => {
                let all = partitions.iter().map(|key| (key.clone(), Err(error.clone()))).collect();
                (Some(error), all)
            }
        };
        results.extend(by_partition.into_iter().map(|(key, result)| (key, result.err())));
        if io.json() {
            let rows = results.iter().map(|(key, error)| {
                let error = error.as_ref().map(ToString::to_string);
                json!({ "topic": key.topic.to_string(), "partition": key.partition, "error": error })
            });
            io.print_json(&Value::Array(rows.collect()));
            return Ok(());
        }
        print_overall(io, &group, overall.as_ref());
        print_partitions(io, &results);
        Ok(())
    }

    /// The partitions of `--topic`s, and why topics have none.
    async fn named_partitions(
        &self,
    ) -> Result<(BTreeSet<TopicPartition>, BTreeMap<TopicPartition, Option<Error>>), Failure> {
        let mut partitions = BTreeSet::new();
        let mut failed = BTreeMap::new();
        let mut whole = Vec::new();
        for topic in self.args().values("topic") {
            if topic.contains(':') {
                partitions.extend(parse_topic_partitions(topic)?);
            } else {
                whole.push(Str::from(topic));
            }
        }
        if !whole.is_empty() {
            let options = DescribeTopicsOptions { timeout: self.resetter.timeout, ..Default::default() };
            for (topic, result) in self.admin().describe_topics(&whole, &options).await {
                match result {
                    Ok(described) => partitions.extend(
                        described
                            .partitions
                            .iter()
                            .map(|info| TopicPartition::new(topic.clone(), info.partition)),
                    ),
                    Err(error) => drop(failed.insert(TopicPartition::new(topic, -1), Some(error))),
                }
            }
        }
        Ok((partitions, failed))
    }
}

fn print_overall(io: &mut Io, group: &Str, overall: Option<&Error>) {
    let Some(error) = overall else {
        outln!(io, "Request succeeded for deleting offsets from group {group}.");
        return;
    };
    let code = error.code().unwrap_or(ErrorCode::UnknownServerError);
    match code {
        ErrorCode::InvalidGroupId
        | ErrorCode::GroupIdNotFound
        | ErrorCode::GroupAuthorizationFailed
        | ErrorCode::NonEmptyGroup => outln!(io, "\nError: {}", code.message()),
        ErrorCode::GroupSubscribedToTopic
        | ErrorCode::TopicAuthorizationFailed
        | ErrorCode::UnknownTopicOrPartition => {
            outln!(io, "\nError: Encountered some partition-level error, see the follow-up details.");
        }
        _ => outln!(io, "\nError: Encountered some unknown error: {}", code.name()),
    }
}

fn print_partitions(io: &mut Io, results: &BTreeMap<TopicPartition, Option<Error>>) {
    let width = results.keys().map(|key| key.topic.chars().count()).max().unwrap_or(0).max(15);
    out!(io, "\n{:width$} {:10} {:15}", "TOPIC", "PARTITION", "STATUS");
    let mut sorted: Vec<_> = results.iter().collect();
    sorted.sort_by_key(|(key, _)| format!("{}{}", key.topic, key.partition));
    for (key, error) in sorted {
        let partition = if key.partition >= 0 { key.partition.to_string() } else { "-".to_owned() };
        let status = match error {
            None => "Successful".to_owned(),
            Some(error) => format!("Error: {}", Failure::from(error.clone()).with_class()),
        };
        let topic: &str = &key.topic;
        out!(io, "\n{topic:width$} {partition:10} {status:15}");
    }
    outln!(io);
}

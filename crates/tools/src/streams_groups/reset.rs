//! New offsets for streams groups without members, and the deletion of offsets.

use std::collections::{BTreeMap, BTreeSet};

use ottla_client::Error;
use ottla_client::admin::{DeleteTopicsOptions, DescribeTopicsOptions, GroupState, OffsetAndMetadata};
use ottla_protocol::{ErrorCode, Str, TopicPartition};

use super::StreamsGroups;
use crate::cluster::is_unsupported;
use crate::failure::Failure;
use crate::io::Io;
use crate::offset_reset::{Offsets, parse_topic_partitions};
use crate::{out, outln};

impl StreamsGroups<'_> {
    pub(super) async fn reset(&self, io: &mut Io) -> Result<(), Failure> {
        let mut plans: BTreeMap<Str, Offsets> = BTreeMap::new();
        for id in self.chosen().await? {
            let state = match self.description(&id).await {
                Ok(group) => group.state,
                Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => GroupState::Unknown,
                Err(error) => return Err(Failure::wrapped(error)),
            };
            let plan = match state {
                GroupState::Empty | GroupState::Dead | GroupState::Unknown => {
                    let plan = self.reset_group(io, &id).await?;
                    if self.args().has("execute") && state != GroupState::Unknown {
                        self.delete_topics_of(io, &id).await?;
                    }
                    plan
                }
                state => {
                    outln!(
                        io,
                        "\nError: Assignments can only be reset if the group '{id}' is inactive, but the current state is {state}."
                    );
                    Offsets::new()
                }
            };
            plans.insert(id, plan);
        }
        match self.args().has("export") {
            true => self.export(io, &plans),
            false => print(io, &plans),
        }
        Ok(())
    }

    async fn reset_group(&self, io: &mut Io, group: &Str) -> Result<Offsets, Failure> {
        let partitions = self.partitions(io, group).await?;
        let plan = self.plan(io, group, &partitions).await?;
        if self.args().has("execute") {
            let offset = |offset: &i64| OffsetAndMetadata { offset: *offset, ..Default::default() };
            let offsets = plan.iter().map(|(key, it)| (key.clone(), offset(it))).collect();
            let done = self.admin().alter_streams_group_offsets(group, &offsets, &self.options()).await?;
            done.into_values().collect::<Result<(), Error>>()?;
        }
        Ok(plan)
    }

    async fn partitions(&self, io: &mut Io, group: &Str) -> Result<Vec<TopicPartition>, Failure> {
        let args = self.args();
        if args.has("all-input-topics") {
            return Ok(self.committed(group, false).await?.into_keys().collect());
        }
        if args.has("input-topic") {
            let partitions = self.resetter.partitions_of(&args.values("input-topic")).await?;
            self.resetter.check_valid(&partitions).await?;
            let there = self.all_committed(group).await?;
            if partitions.iter().all(|key| there.contains_key(key)) {
                return Ok(partitions);
            }
            outln!(io, "\nError: One or more topics are not part of the group '{group}'.");
            return Ok(Vec::new());
        }
        match args.has("from-file") {
            true => Ok(Vec::new()),
            false => Err(args.usage("One of the reset scopes should be defined: --all-topics, --topic.")),
        }
    }

    async fn plan(
        &self,
        io: &mut Io,
        group: &Str,
        partitions: &[TopicPartition],
    ) -> Result<Offsets, Failure> {
        let committed = async || self.committed(group, true).await;
        let plan = self.resetter.scenario(io, group, partitions, committed).await?;
        plan.ok_or_else(|| {
            self.args().usage(
                "Option '[reset-offsets]' requires one of the following scenarios: [[to-offset], [shift-by], [to-datetime], \
                 [by-duration], [to-earliest], [to-latest], [to-current], [from-file]]",
            )
        })
    }

    async fn delete_topics_of(&self, io: &mut Io, group: &Str) -> Result<(), Failure> {
        let topics: Vec<Str> = match self.args().has("delete-all-internal-topics") {
            true => self.internal_topics(io, group).await?,
            false => self.args().values("delete-internal-topic").into_iter().map(Str::from).collect(),
        };
        if topics.is_empty() {
            return Ok(());
        }
        let options = DeleteTopicsOptions { timeout: self.resetter.timeout, ..Default::default() };
        let done = self.admin().delete_topics(&topics, &options).await;
        if let Some(error) = done.into_values().find_map(Result::err) {
            if error.code() == Some(ErrorCode::UnknownTopicOrPartition) {
                outln!(
                    io,
                    "\nError: Deleting internal topics for group '{group}' failed because the topics do not exist."
                );
            } else if is_unsupported(&error) {
                outln!(
                    io,
                    "\nError: Deleting internal topics is not supported by the broker version.\nInternal topics: ({}).\n\
                     Use 'kafka-topics.sh' to delete the group's internal topics.",
                    topics.join(",")
                );
            } else {
                let why = Failure::in_future(error);
                outln!(
                    io,
                    "\nError: Deleting internal topics for group '{group}' failed due to {}",
                    why.text()
                );
            }
        }
        Ok(())
    }

    fn export(&self, io: &mut Io, plans: &BTreeMap<Str, Offsets>) {
        let single = self.args().values("group").len() == 1;
        for (group, plan) in plans {
            for (key, offset) in plan {
                let group = if single { String::new() } else { format!("{group},") };
                outln!(io, "{group}{},{},{offset}", key.topic, key.partition);
            }
        }
        outln!(io);
    }

    pub(super) async fn delete_offsets(&self, io: &mut Io) -> Result<(), Failure> {
        let group = Str::from(self.args().text("group")?);
        let mut results: BTreeMap<TopicPartition, Option<String>> = BTreeMap::new();
        let mut partitions = BTreeSet::new();
        if self.args().has("all-input-topics") {
            partitions.extend(self.committed(&group, false).await?.into_keys());
        } else {
            let (single, whole): (Vec<&str>, Vec<&str>) =
                self.args().values("input-topic").into_iter().partition(|topic| topic.contains(':'));
            for topic in single {
                partitions.extend(parse_topic_partitions(topic)?);
            }
            let whole: Vec<Str> = whole.into_iter().map(Str::from).collect();
            let options = DescribeTopicsOptions { timeout: self.resetter.timeout, ..Default::default() };
            for (topic, described) in self.admin().describe_topics(&whole, &options).await {
                match described {
                    Ok(it) => partitions.extend(
                        it.partitions.iter().map(|p| TopicPartition::new(topic.clone(), p.partition)),
                    ),
                    Err(error) => {
                        let why = Failure::in_future(error).text().to_owned();
                        results.insert(TopicPartition::new(topic, -1), Some(why));
                    }
                }
            }
        }
        let done = self.admin().delete_streams_group_offsets(&group, &partitions, &self.options()).await;
        let top = match &done {
            Ok(done) => done.values().find_map(|result| result.as_ref().err().cloned()),
            Err(error) => Some(error.clone()),
        };
        for key in partitions {
            let error = match &done {
                Ok(done) => done.get(&key).and_then(|result| result.as_ref().err().cloned()),
                Err(error) => Some(error.clone()),
            };
            results.insert(key, error.map(|error| Failure::in_future(error).text().to_owned()));
        }
        summary(io, &group, top.as_ref());
        statuses(io, &results);
        Ok(())
    }
}

fn summary(io: &mut Io, group: &str, top: Option<&Error>) {
    let Some(error) = top else {
        return outln!(io, "Request succeeded for deleting offsets from group {group}.");
    };
    match error.code() {
        Some(
            code @ (ErrorCode::InvalidGroupId
            | ErrorCode::GroupIdNotFound
            | ErrorCode::GroupAuthorizationFailed
            | ErrorCode::NonEmptyGroup),
        ) => outln!(io, "\nError: {}", code.message()),
        Some(
            ErrorCode::GroupSubscribedToTopic
            | ErrorCode::TopicAuthorizationFailed
            | ErrorCode::UnknownTopicOrPartition,
        ) => {
            outln!(io, "\nError: Encountered some partition-level error, see the follow-up details.");
        }
        code => {
            let code = code.unwrap_or(ErrorCode::UnknownServerError);
            outln!(io, "\nError: Encountered some unknown error: {code}");
        }
    }
}

fn statuses(io: &mut Io, results: &BTreeMap<TopicPartition, Option<String>>) {
    let width = results.keys().map(|key| key.topic.chars().count()).max().unwrap_or(0).max(15);
    out!(io, "\n{:width$} {:10} {:15}", "TOPIC", "PARTITION", "STATUS");
    for (key, error) in results {
        let partition = if key.partition < 0 { "-".to_owned() } else { key.partition.to_string() };
        let status = error.as_ref().map_or_else(|| "Successful".to_owned(), |why| format!("Error: {why}"));
        out!(io, "\n{:width$} {partition:10} {status:15}", &*key.topic);
    }
    outln!(io);
}

/// The table of this tool, whose columns are wider than those of others.
fn print(io: &mut Io, plans: &BTreeMap<Str, Offsets>) {
    if io.json() {
        return crate::consumer_groups::reset::print(io, plans);
    }
    if !plans.is_empty() {
        out!(io, "\n{:30} {:30} {:10} {:15}", "GROUP", "TOPIC", "PARTITION", "NEW-OFFSET");
    }
    for (group, plan) in plans {
        for (key, offset) in plan {
            out!(io, "\n{:30} {:30} {:<10} {offset:<15}", &**group, &*key.topic, key.partition);
        }
    }
    outln!(io);
}

//! New offsets for groups without members.

use std::collections::BTreeMap;

use ottla_client::admin::{DescribeGroupsOptions, GroupState, OffsetAndMetadata, TimeoutOptions};
use ottla_protocol::{ErrorCode, Str, TopicPartition};
use serde_json::{Value, json};

use super::{Groups, SCENARIOS};
use crate::failure::Failure;
use crate::io::Io;
use crate::offset_reset::Offsets;
use crate::progress::Progress;
use crate::{out, outln};

impl Groups<'_> {
    pub(super) async fn reset(&self, io: &mut Io) -> Result<(), Failure> {
        let chosen = self.chosen().await?;
        let options = DescribeGroupsOptions { timeout: self.resetter.timeout, ..Default::default() };
        let described = self.admin().describe_consumer_groups(&chosen, &options).await;
        let mut plans: BTreeMap<Str, Offsets> = BTreeMap::new();
        let (groups, mut progress) = (described.len(), Progress::new("Resetting"));
        for (id, result) in described {
            progress.at(io, plans.len() as u64, groups as u64);
            let state = match result {
                Ok(group) => group.state,
                Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => GroupState::Dead,
                Err(error) => return Err(Failure::wrapped(error)),
            };
            let plan = if matches!(state, GroupState::Empty | GroupState::Dead) {
                self.reset_group(io, &id).await?
            } else {
                outln!(
                    io,
                    "\nError: Assignments can only be reset if the group '{id}' is inactive, but the current state is {state}."
                );
                Offsets::new()
            };
            plans.insert(id, plan);
        }
        progress.clear(io);
        if self.args().has("export") && !io.json() {
            self.export(io, &plans);
        } else {
            print(io, &plans);
        }
        Ok(())
    }

    async fn reset_group(&self, io: &mut Io, group: &Str) -> Result<Offsets, Failure> {
        let partitions = self.partitions(group).await?;
        let plan = self.plan(io, group, &partitions).await?;
        if self.args().has("execute") && !plan.is_empty() {
            let offsets = plan
                .iter()
                .map(|(key, offset)| {
                    (key.clone(), OffsetAndMetadata { offset: *offset, ..Default::default() })
                })
                .collect();
            let options = TimeoutOptions { timeout: self.resetter.timeout };
            let done = self.admin().alter_consumer_group_offsets(group, &offsets, &options).await?;
            done.into_values().collect::<Result<(), _>>()?;
        }
        Ok(plan)
    }

    /// The scope: what is reset.
    async fn partitions(&self, group: &Str) -> Result<Vec<TopicPartition>, Failure> {
        let args = self.args();
        if args.has("all-topics") {
            Ok(self.committed(group).await?.into_keys().collect())
        } else if args.has("topic") {
            self.resetter.partitions_of(&args.values("topic")).await
        } else if args.has("from-file") {
            Ok(Vec::new())
        } else {
            Err(args.usage("One of the reset scopes should be defined: --all-topics, --topic."))
        }
    }

    async fn plan(
        &self,
        io: &mut Io,
        group: &Str,
        partitions: &[TopicPartition],
    ) -> Result<Offsets, Failure> {
        let (args, resetter) = (self.args(), &self.resetter);
        resetter.check_valid(partitions).await?;
        let plan = resetter.scenario(io, group, partitions, async || self.committed(group).await).await?;
        plan.ok_or_else(|| {
            let all: Vec<String> = SCENARIOS.iter().map(|scenario| args.spec(scenario)).collect();
            args.usage(format!(
                "Option '[reset-offsets]' requires one of the following scenarios: [{}]",
                all.join(", ")
            ))
        })
    }

    fn export(&self, io: &mut Io, plans: &BTreeMap<Str, Offsets>) {
        let single = self.args().values("group").len() == 1;
        for (group, plan) in plans {
            for (key, offset) in plan {
                let group = if single { String::new() } else { format!("{},", csv(group)) };
                outln!(io, "{group}{},{},{offset}", csv(&key.topic), key.partition);
            }
        }
        outln!(io);
    }
}

/// A cell of CSV: quoted where it must be.
fn csv(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r', ' ']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// `OffsetsUtils.printOffsetsToReset`.
pub(crate) fn print(io: &mut Io, plans: &BTreeMap<Str, Offsets>) {
    let rows =
        || plans.iter().flat_map(|(group, plan)| plan.iter().map(move |(key, offset)| (group, key, offset)));
    if io.json() {
        let rows = rows().map(|(group, key, offset)| {
            json!({
                "group": group.to_string(),
                "topic": key.topic.to_string(),
                "partition": key.partition,
                "new_offset": offset,
            })
        });
        return io.print_json(&Value::Array(rows.collect()));
    }
    let widest = |texts: &mut dyn Iterator<Item = &Str>| {
        texts.map(|text| text.chars().count()).max().unwrap_or(0).max(15)
    };
    let (groups, topics) = (widest(&mut plans.keys()), widest(&mut rows().map(|(_, key, _)| &key.topic)));
    if !plans.is_empty() {
        out!(io, "\n{:groups$} {:topics$} {:10} NEW-OFFSET", "GROUP", "TOPIC", "PARTITION");
    }
    for (group, key, offset) in rows() {
        let (group, topic): (&str, &str) = (group, &key.topic);
        out!(io, "\n{group:groups$} {topic:topics$} {:<10} {offset}", key.partition);
    }
    outln!(io);
}

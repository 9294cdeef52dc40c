//! Where the input topics are to be read from.

use std::collections::BTreeMap;

use ottla_client::Error;
use ottla_client::admin::{ListGroupOffsetsOptions, ListOffsetsOptions, OffsetSpec};
use ottla_protocol::TopicPartition;

use super::Reset;
use crate::failure::Failure;
use crate::io::Io;
use crate::offset_reset::{Offsets, parse_datetime};
use crate::outln;

const PARSE: &str = "java.text.ParseException";

impl Reset<'_> {
    pub(super) async fn input_offsets(
        &self,
        io: &mut Io,
        partitions: &[TopicPartition],
    ) -> Result<Offsets, Failure> {
        let (args, resetter) = (self.args(), &self.resetter);
        if let Some(offset) = args.number::<i64>("to-offset")? {
            let wanted = partitions.iter().map(|key| (key.clone(), offset)).collect();
            self.within_range(io, wanted).await
        } else if args.has("to-latest") {
            resetter.ends(partitions).await
        } else if let Some(by) = args.number::<i64>("shift-by")? {
            let mut wanted = self.positions(partitions).await?;
            wanted.values_mut().for_each(|offset| *offset = offset.saturating_add(by));
            self.within_range(io, wanted).await
        } else if args.has("to-datetime") {
            let time_ms =
                parse_datetime(args.text("to-datetime")?).map_err(|why| Failure::exception(PARSE, why))?;
            self.at_time(io, partitions, time_ms).await
        } else if args.has("by-duration") {
            let text = args.text("by-duration")?;
            let back = ottla_config::iso_duration::parse_millis(text).ok_or_else(|| {
                Failure::exception(
                    "java.time.format.DateTimeParseException",
                    "Text cannot be parsed to a Duration",
                )
            })?;
            self.at_time(io, partitions, resetter.now_ms.saturating_sub(back)).await
        } else if let Some(path) = args.value("from-file")? {
            let mut plan = parse_plan(&crate::partitions_file::read(path)?)?;
            plan.retain(|key, _| partitions.contains(key));
            self.within_range(io, plan).await
        } else {
            resetter.beginnings(partitions).await
        }
    }

    /// What is committed; the end of partitions without.
    async fn positions(&self, partitions: &[TopicPartition]) -> Result<Offsets, Failure> {
        let mut positions = self.resetter.ends(partitions).await?;
        let wanted = BTreeMap::from([(self.group.clone(), Some(partitions.to_vec()))]);
        let options = ListGroupOffsetsOptions::default();
        let listed = self.admin().list_consumer_group_offsets(&wanted, &options).await;
        for (key, offset) in listed.into_values().collect::<Result<Vec<_>, Error>>()?.into_iter().flatten() {
            if let Some(committed) = offset {
                positions.insert(key, committed.offset);
            }
        }
        Ok(positions)
    }

    async fn at_time(
        &self,
        io: &mut Io,
        partitions: &[TopicPartition],
        time_ms: i64,
    ) -> Result<Offsets, Failure> {
        let wanted = partitions.iter().map(|key| (key.clone(), OffsetSpec::Timestamp(time_ms))).collect();
        let listed = self.admin().list_offsets(&wanted, &ListOffsetsOptions::default()).await;
        let ends = self.resetter.ends(partitions).await?;
        let mut offsets = Offsets::new();
        for (key, info) in listed {
            let offset = info?.offset;
            let end = ends.get(&key).copied().unwrap_or(0);
            if offset == -1 {
                outln!(
                    io,
                    "Partition {} from topic {} is empty, without a committed record. Falling back to latest known offset.",
                    key.partition,
                    key.topic
                );
            }
            offsets.insert(key, if offset == -1 { end } else { offset });
        }
        Ok(offsets)
    }

    async fn within_range(&self, io: &mut Io, wanted: Offsets) -> Result<Offsets, Failure> {
        let partitions: Vec<TopicPartition> = wanted.keys().cloned().collect();
        let starts = self.resetter.beginnings(&partitions).await?;
        let ends = self.resetter.ends(&partitions).await?;
        let range = |key: &TopicPartition| {
            (starts.get(key).copied().unwrap_or(0), ends.get(key).copied().unwrap_or(0))
        };
        Ok(wanted
            .into_iter()
            .map(|(key, offset)| {
                let moved = clamp(io, offset, range(&key));
                (key, moved)
            })
            .collect())
    }
}

/// An offset within what there is, as this tool says it: also an offset at the very beginning or end is told.
fn clamp(io: &mut Io, offset: i64, (start, end): (i64, i64)) -> i64 {
    if offset >= end {
        outln!(io, "New offset ({offset}) is higher than latest offset. Value will be set to {end}");
        end
    } else if offset <= start {
        outln!(io, "New offset ({offset}) is lower than earliest offset. Value will be set to {start}");
        start
    } else {
        offset
    }
}

fn parse_plan(text: &str) -> Result<Offsets, Failure> {
    if text.is_empty() {
        return Err(Failure::exception(PARSE, "Error parsing reset plan CSV file. It is empty,"));
    }
    let mut plan = Offsets::new();
    for line in text.trim_end_matches('\n').split('\n') {
        let parts: Vec<&str> = line.split(',').collect();
        let [topic, partition, offset] = parts.as_slice() else {
            return Err(Failure::exception(
                PARSE,
                "Reset plan CSV file is not following the format `TOPIC,PARTITION,OFFSET`.",
            ));
        };
        let key = TopicPartition::new(*topic, crate::java::parse_int(partition)?);
        plan.insert(key, crate::java::parse_long(offset)?);
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_stay_within_what_there_is() {
        let (mut io, captured) = Io::captured("");
        assert_eq!([1, 2, 5, 9, 12].map(|offset| clamp(&mut io, offset, (2, 9))), [2, 2, 5, 9, 9]);
        assert_eq!(captured.out().lines().count(), 4);
    }

    #[test]
    fn plans_are_lines_of_three() {
        let plan = parse_plan("t,0,5\nt,1,7\n").unwrap();
        assert_eq!(plan[&TopicPartition::new("t", 1)], 7);
        assert!(parse_plan("").is_err() && parse_plan("t,0").is_err());
    }
}

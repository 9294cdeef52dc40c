//! New offsets for groups, by all the ways that Kafka's group tools have (`OffsetsUtils`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_client::admin::{
    Admin, DescribeTopicsOptions, ListOffsetsOptions, OffsetAndMetadata, OffsetSpec, TopicDescription,
};
use ottla_protocol::{Str, TopicPartition};

use crate::args::Args;
use crate::failure::Failure;
use crate::io::Io;
use crate::{errln, outln};

/// Offsets by partition.
pub(crate) type Offsets = BTreeMap<TopicPartition, i64>;

/// Committed offsets of a group.
pub(crate) type Committed = BTreeMap<TopicPartition, Option<OffsetAndMetadata>>;

/// What the ways have in common.
pub(crate) struct Resetter<'a> {
    pub admin: &'a Admin,
    pub args: &'a Args,
    pub timeout: Option<Duration>,
    /// Now, in Unix ms: for `--by-duration`.
    pub now_ms: i64,
}

impl Resetter<'_> {
    /// The partitions of `--topic`s: all of a topic, or those behind its colon.
    pub async fn partitions_of(&self, topics: &[&str]) -> Result<Vec<TopicPartition>, Failure> {
        let mut partitions = Vec::new();
        let mut whole = Vec::new();
        for topic in topics {
            if topic.contains(':') {
                partitions.extend(parse_topic_partitions(topic)?);
            } else {
                whole.push(Str::from(*topic));
            }
        }
        for (topic, described) in self.describe(&whole).await? {
            partitions
                .extend(described.partitions.iter().map(|p| TopicPartition::new(topic.clone(), p.partition)));
        }
        Ok(partitions)
    }

    async fn describe(&self, topics: &[Str]) -> ottla_client::Result<BTreeMap<Str, TopicDescription>> {
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
        let options = DescribeTopicsOptions { timeout: self.timeout, ..Default::default() };
        let described = self.admin.describe_topics(topics, &options).await;
        described.into_iter().map(|(topic, result)| result.map(|description| (topic, description))).collect()
    }

    async fn describe_topics_of(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<Str, TopicDescription>, Failure> {
        let topics: BTreeSet<Str> = partitions.iter().map(|key| key.topic.clone()).collect();
        let topics: Vec<Str> = topics.into_iter().collect();
        self.describe(&topics).await.map_err(Failure::wrapped)
    }

    /// Partitions without a leader.
    pub async fn without_leader(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<TopicPartition>, Failure> {
        let topics = self.describe_topics_of(partitions).await?;
        let leaderless = |key: &&TopicPartition| {
            let infos = topics.get(&key.topic).map_or(&[][..], |topic| &topic.partitions);
            infos.iter().any(|info| info.partition == key.partition && info.leader.is_none())
        };
        Ok(partitions.iter().filter(leaderless).cloned().collect())
    }

    /// All must exist, and have a leader.
    pub async fn check_valid(&self, partitions: &[TopicPartition]) -> Result<(), Failure> {
        let topics = self.describe_topics_of(partitions).await?;
        let missing = |key: &&TopicPartition| {
            let infos = topics.get(&key.topic).map_or(&[][..], |topic| &topic.partitions);
            !infos.iter().any(|info| info.partition == key.partition)
        };
        let join =
            |keys: Vec<&TopicPartition>| keys.iter().map(|key| key.to_string()).collect::<Vec<_>>().join(",");
        let absent: Vec<&TopicPartition> = partitions.iter().filter(missing).collect();
        if !absent.is_empty() {
            return Err(Failure::exception(
                "org.apache.kafka.common.errors.UnknownTopicOrPartitionException",
                format!("The partitions \"{}\" do not exist", join(absent)),
            ));
        }
        let leaderless = self.without_leader(partitions).await?;
        if !leaderless.is_empty() {
            return Err(Failure::exception(
                "org.apache.kafka.common.errors.LeaderNotAvailableException",
                format!("The partitions \"{}\" have no leader", join(leaderless.iter().collect())),
            ));
        }
        Ok(())
    }

    async fn list(&self, partitions: &[TopicPartition], spec: OffsetSpec) -> Result<Offsets, Failure> {
        if partitions.is_empty() {
            return Ok(Offsets::new());
        }
        let wanted = partitions.iter().map(|key| (key.clone(), spec)).collect();
        let options = ListOffsetsOptions { timeout: self.timeout, ..Default::default() };
        let listed = self.admin.list_offsets(&wanted, &options).await;
        let offset = |(key, result): (_, ottla_client::Result<_>)| {
            result.map(|info: ottla_client::admin::ListOffsetsResultInfo| (key, info.offset))
        };
        listed.into_iter().map(offset).collect::<Result<_, _>>().map_err(Failure::wrapped)
    }

    /// The ends of partitions.
    pub async fn ends(&self, partitions: &[TopicPartition]) -> Result<Offsets, Failure> {
        self.list(partitions, OffsetSpec::Latest).await
    }

    /// The beginnings of partitions.
    pub async fn beginnings(&self, partitions: &[TopicPartition]) -> Result<Offsets, Failure> {
        self.list(partitions, OffsetSpec::Earliest).await
    }

    /// Offsets of a time; the end of partitions that have no record so late.
    async fn at_time(
        &self,
        io: &mut Io,
        partitions: &[TopicPartition],
        time_ms: i64,
    ) -> Result<Offsets, Failure> {
        let mut found = self.list(partitions, OffsetSpec::Timestamp(time_ms)).await?;
        let none: Vec<TopicPartition> =
            found.iter().filter(|(_, offset)| **offset == -1).map(|(key, _)| key.clone()).collect();
        for key in &none {
            let text = format!(
                "\nWarn: Partition {} from topic {} is empty. Falling back to latest known offset.",
                key.partition, key.topic
            );
            if io.json() { errln!(io, "{text}") } else { outln!(io, "{text}") }
        }
        found.extend(self.ends(&none).await?);
        Ok(found)
    }

    /// Offsets of `--to-datetime`.
    pub async fn to_datetime(&self, io: &mut Io, partitions: &[TopicPartition]) -> Result<Offsets, Failure> {
        let text = self.args.values("to-datetime").into_iter().next().unwrap_or_default();
        let time_ms = parse_datetime(text)
            .map_err(|why| Failure::runtime(format!("java.text.ParseException: {why}")))?;
        self.at_time(io, partitions, time_ms).await
    }

    /// Offsets of `--by-duration`.
    pub async fn by_duration(&self, io: &mut Io, partitions: &[TopicPartition]) -> Result<Offsets, Failure> {
        let text = self.args.text("by-duration")?;
        let back = ottla_config::iso_duration::parse_millis(text).ok_or_else(|| {
            Failure::exception(
                "java.time.format.DateTimeParseException",
                "Text cannot be parsed to a Duration",
            )
        })?;
        self.at_time(io, partitions, self.now_ms.saturating_sub(back)).await
    }

    /// The offset of `--to-offset` for each, within what there is.
    pub async fn to_offset(&self, io: &mut Io, partitions: &[TopicPartition]) -> Result<Offsets, Failure> {
        let offset = self.args.numbers("to-offset")?.first().copied().unwrap_or(0);
        self.within_range(io, partitions.iter().map(|key| (key.clone(), offset)).collect()).await
    }

    /// The committed offsets moved by `--shift-by`, within what there is.
    pub async fn shift_by(
        &self,
        io: &mut Io,
        partitions: &[TopicPartition],
        committed: &Committed,
    ) -> Result<Offsets, Failure> {
        let by: i64 = self.args.number("shift-by")?.unwrap_or(0);
        let mut wanted = Offsets::new();
        for key in partitions {
            let Some(Some(current)) = committed.get(key) else {
                return Err(Failure::illegal_argument(format!(
                    "Cannot shift offset for partition {key} since there is no current committed offset"
                )));
            };
            wanted.insert(key.clone(), current.offset.saturating_add(by));
        }
        self.within_range(io, wanted).await
    }

    /// The committed offsets; the end of partitions without one.
    pub async fn to_current(
        &self,
        partitions: &[TopicPartition],
        committed: &Committed,
    ) -> Result<Offsets, Failure> {
        let mut offsets = Offsets::new();
        let mut without = Vec::new();
        for key in partitions {
            match committed.get(key) {
                Some(Some(current)) => drop(offsets.insert(key.clone(), current.offset)),
                _ => without.push(key.clone()),
            }
        }
        offsets.extend(self.ends(&without).await?);
        Ok(offsets)
    }

    /// The offsets of whichever way the command line names; none without one. `committed` is asked only where it matters.
    pub async fn scenario(
        &self,
        io: &mut Io,
        group: &Str,
        partitions: &[TopicPartition],
        committed: impl AsyncFn() -> Result<Committed, Failure>,
    ) -> Result<Option<Offsets>, Failure> {
        let args = self.args;
        let offsets = if args.has("to-offset") {
            self.to_offset(io, partitions).await
        } else if args.has("to-earliest") {
            self.beginnings(partitions).await
        } else if args.has("to-latest") {
            self.ends(partitions).await
        } else if args.has("shift-by") {
            self.shift_by(io, partitions, &committed().await?).await
        } else if args.has("to-datetime") {
            self.to_datetime(io, partitions).await
        } else if args.has("by-duration") {
            self.by_duration(io, partitions).await
        } else if args.has("from-file") {
            self.of_file(io, group).await
        } else if args.has("to-current") {
            self.to_current(partitions, &committed().await?).await
        } else {
            return Ok(None);
        };
        offsets.map(Some)
    }

    /// The offsets that the file of `--from-file` has for a group.
    pub async fn of_file(&self, io: &mut Io, group: &str) -> Result<Offsets, Failure> {
        let path = self.args.values("from-file").into_iter().next().unwrap_or_default();
        let groups = self.args.values("group");
        let single = match groups.as_slice() {
            [one] => Some(*one),
            _ => None,
        };
        let text = std::fs::read_to_string(path)
            .map_err(|_| Failure::runtime(format!("java.io.IOException: Unable to read file {path}")))?;
        match parse_plan(&text, single)?.remove(group) {
            Some(plan) => self.within_range(io, plan).await,
            None => {
                outln!(io, "\nError: No reset plan for group {group} found");
                Ok(Offsets::new())
            }
        }
    }

    /// What lies before the beginning or behind the end becomes those.
    pub async fn within_range(&self, io: &mut Io, wanted: Offsets) -> Result<Offsets, Failure> {
        let partitions: Vec<TopicPartition> = wanted.keys().cloned().collect();
        let (starts, ends) = (self.beginnings(&partitions).await?, self.ends(&partitions).await?);
        let mut offsets = Offsets::new();
        for (key, offset) in wanted {
            let (start, end) = (starts.get(&key).copied(), ends.get(&key).copied());
            let (moved, how) = match (start, end) {
                (_, Some(end)) if offset > end => (end, "higher than latest"),
                (Some(start), _) if offset < start => (start, "lower than earliest"),
                _ => (offset, ""),
            };
            if !how.is_empty() {
                errln!(
                    io,
                    "New offset ({offset}) is {how} offset for topic partition {key}. Value will be set to {moved}"
                );
            }
            offsets.insert(key, moved);
        }
        Ok(offsets)
    }
}

/// `topic:0,1,2`.
pub(crate) fn parse_topic_partitions(text: &str) -> Result<Vec<TopicPartition>, Failure> {
    let mut parts: Vec<&str> = text.split(':').collect();
    while parts.last() == Some(&"") {
        parts.pop();
    }
    let [topic, partitions] = parts.as_slice() else {
        return Err(Failure::illegal_argument(format!(
            "Invalid topic arg '{text}', expected topic name and partitions"
        )));
    };
    let number = |partition: &str| {
        partition.parse().map(|number| TopicPartition::new(*topic, number)).map_err(|_| {
            Failure::illegal_argument(format!(
                "Invalid partition '{partition}' specified in topic arg '{text}''"
            ))
        })
    };
    partitions.split(',').map(number).collect()
}

/// Lines `topic,partition,offset` for the one group, or `group,topic,partition,offset`.
pub(crate) fn parse_plan(text: &str, group: Option<&str>) -> Result<BTreeMap<String, Offsets>, Failure> {
    let mut plan: BTreeMap<String, Offsets> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let fields: Vec<String> =
            line.split(',').map(|field| field.trim().trim_matches('"').to_owned()).collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let (group, topic, partition, offset) = match (fields.as_slice(), group) {
            ([topic, partition, offset], Some(group)) => (group, *topic, *partition, *offset),
            ([group, topic, partition, offset], _) => (*group, *topic, *partition, *offset),
            _ => return Err(not_a_plan(line)),
        };
        let (Ok(partition), Ok(offset)) = (partition.parse::<i32>(), offset.parse::<i64>()) else {
            return Err(not_a_plan(line));
        };
        plan.entry(group.to_owned()).or_default().insert(TopicPartition::new(topic, partition), offset);
    }
    Ok(plan)
}

fn not_a_plan(line: &str) -> Failure {
    Failure::runtime(format!(
        "the line \"{line}\" is neither topic,partition,offset nor group,topic,partition,offset"
    ))
}

/// `YYYY-MM-DDThh:mm:ss.sss`, with a zone or in UTC, as Unix ms (`Utils.getDateTime`).
pub(crate) fn parse_datetime(text: &str) -> Result<i64, String> {
    let Some((date, time)) = text.split_once('T').filter(|(_, time)| !time.is_empty()) else {
        return Err(
            "Error parsing timestamp. It does not contain a 'T' according to ISO8601 format".to_owned()
        );
    };
    let shown = if time.contains(['+', '-', 'Z']) { text.to_owned() } else { format!("{text}Z") };
    datetime(date, time).ok_or(format!("Unparseable date: \"{shown}\""))
}

fn datetime(date: &str, time: &str) -> Option<i64> {
    let (time, zone) = match time.find(['+', '-', 'Z']) {
        Some(at) => time.split_at(at),
        None => (time, "Z"),
    };
    let numbers = |text: &str, separators: &[char]| -> Option<Vec<i64>> {
        text.split(separators).map(|part| part.parse().ok().filter(|_| !part.starts_with('+'))).collect()
    };
    let [year, month, day] = numbers(date, &['-'])?[..] else { return None };
    let [hour, minute, second, millis] = numbers(time, &[':', '.'])?[..] else { return None };
    let in_range = (0..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of_month(year, month)).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..60).contains(&second)
        && (0..1000).contains(&millis);
    if !in_range {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some((seconds - zone_seconds(zone)?) * 1000 + millis)
}

fn zone_seconds(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let text = zone.get(1..)?;
    let (hours, minutes) = match text.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None => (text, "0"),
    };
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..24).contains(&hours) && (0..60).contains(&minutes)).then_some(sign * (hours * 3600 + minutes * 60))
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, by the calendar of today.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day comes last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_javas_format_reads_them() {
        assert_eq!(parse_datetime("1970-01-01T00:00:00.000"), Ok(0));
        assert_eq!(parse_datetime("2000-02-29T12:00:00.500Z"), Ok(951_825_600_500));
        assert_eq!(parse_datetime("2000-02-29T12:00:00.500+01:00"), Ok(951_822_000_500));
        assert_eq!(parse_datetime("2017-04-20T12:14:23.1-05"), Ok(1_492_708_463_001));
        assert_eq!(
            parse_datetime("2017-04-20").unwrap_err(),
            "Error parsing timestamp. It does not contain a 'T' according to ISO8601 format"
        );
        for wrong in ["2017-13-01T00:00:00.000", "2017-02-29T00:00:00.000", "2017-04-20T12:14:23"] {
            assert_eq!(parse_datetime(wrong).unwrap_err(), format!("Unparseable date: \"{wrong}Z\""));
        }
    }

    #[test]
    fn plans_have_lines_with_or_without_a_group() {
        let plan = parse_plan("t,0,5\nt,1,6\n", Some("g")).unwrap();
        assert_eq!(plan["g"][&TopicPartition::new("t", 1)], 6);
        let plan = parse_plan("g1,t,0,5\ng2,t,0,6\n", None).unwrap();
        assert_eq!(plan["g2"][&TopicPartition::new("t", 0)], 6);
        assert!(parse_plan("t,0,5\n", None).is_err() && parse_plan("t,x,5\n", Some("g")).is_err());
    }

    #[test]
    fn topics_with_partitions() {
        let keys = parse_topic_partitions("t:0,2").unwrap();
        assert_eq!(keys, [TopicPartition::new("t", 0), TopicPartition::new("t", 2)]);
        let text = |text: &str| parse_topic_partitions(text).unwrap_err().text().to_owned();
        assert_eq!(text("t:"), "Invalid topic arg 't:', expected topic name and partitions");
        assert_eq!(text("t:x"), "Invalid partition 'x' specified in topic arg 't:x''");
    }
}

//! What a view shows, before it is drawn: rows of cells that know how they are sorted.

use std::cmp::Ordering;

use ottla_client::admin::{GroupState, GroupType};
use ottla_protocol::{Str, TopicPartition};
use serde_json::{Map, Value};

use super::history::{History, add, bars};
use super::sample::{Broker, GroupSample, Partition, Sample};
use crate::table::json_key;
use crate::words;

/// What is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// All topics.
    Topics,
    /// All groups.
    Groups,
    /// All brokers.
    Brokers,
    /// The partitions of a topic.
    Partitions(Str),
    /// Where a group is.
    Offsets(Str),
}

impl View {
    /// Its name on the screen.
    pub fn title(&self) -> String {
        match self {
            View::Topics => "Topics".to_owned(),
            View::Groups => "Groups".to_owned(),
            View::Brokers => "Brokers".to_owned(),
            View::Partitions(topic) => format!("Topic {topic}"),
            View::Offsets(group) => format!("Group {group}"),
        }
    }

    /// Its columns: heading, and whether numbers stand in it.
    pub fn columns(&self) -> &'static [(&'static str, bool)] {
        match self {
            View::Topics => &[
                ("TOPIC", false),
                ("PARTITIONS", true),
                ("RECORDS", true),
                ("SIZE", true),
                ("IN/S", true),
                ("OUT/S", true),
                ("BYTES IN/S", true),
                ("STATE", false),
            ],
            View::Groups => &[
                ("GROUP", false),
                ("TYPE", false),
                ("STATE", false),
                ("MEMBERS", true),
                ("TAKEN/S", true),
                ("LAG", true),
                ("TREND", false),
            ],
            View::Brokers => &[
                ("BROKER", true),
                ("ADDRESS", false),
                ("LEADS", true),
                ("REPLICAS", true),
                ("IN/S", true),
                ("LOGS", true),
                ("DISK USED", true),
                ("STATE", false),
            ],
            View::Partitions(_) => &[
                ("PARTITION", true),
                ("LEADER", true),
                ("IN SYNC", false),
                ("START", true),
                ("END", true),
                ("SIZE", true),
                ("IN/S", true),
                ("OUT/S", true),
            ],
            View::Offsets(_) => &[
                ("TOPIC", false),
                ("PARTITION", true),
                ("OFFSET", true),
                ("END", true),
                ("LAG", true),
                ("IN/S", true),
                ("TAKEN/S", true),
            ],
        }
    }

    /// The rows, unsorted.
    pub fn rows(&self, history: &History, internal: bool) -> Vec<Row> {
        let Some(sample) = history.last() else { return Vec::new() };
        match self {
            View::Topics => topics(sample, history, internal),
            View::Groups => sample.groups.iter().map(|(id, group)| group_row(id, group, history)).collect(),
            View::Brokers => {
                sample.brokers.iter().map(|(id, broker)| broker_row(*id, broker, sample, history)).collect()
            }
            View::Partitions(topic) => partitions_of(sample, topic)
                .map(|(key, partition)| partition_row(key, partition, history))
                .collect(),
            View::Offsets(group) => offsets(sample, group, history),
        }
    }
}

/// How a row is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// Something to look at.
    Warning,
    /// Something is wrong.
    Alarm,
}

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it is about: a topic, a group, ...
    pub name: Str,
    /// One for each column.
    pub cells: Vec<Cell>,
    /// How it is drawn.
    pub tone: Tone,
}

/// A cell: what is shown, and by what it is sorted.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// What is shown.
    pub text: String,
    /// The number that is shown; `None` for texts, and for what is not known.
    pub number: Option<f64>,
}

impl Cell {
    fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), number: None }
    }

    fn count(number: Option<i64>) -> Self {
        Self::number(number.map(|number| number as f64), |number| words::count(number as i64))
    }

    fn number(number: Option<f64>, show: impl Fn(f64) -> String) -> Self {
        Self { text: number.map_or_else(|| "-".to_owned(), show), number }
    }

    /// In order of numbers, else of texts; what is not known comes first.
    pub fn compare(&self, other: &Cell) -> Ordering {
        match (self.number, other.number) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (None, None) => self.text.cmp(&other.text),
            (a, b) => a.is_some().cmp(&b.is_some()),
        }
    }

    fn to_json(&self) -> Value {
        match self.number {
            Some(number) if number.fract() == 0.0 && number.abs() < 9e15 => Value::from(number as i64),
            Some(number) => Value::from(number),
            None if self.text == "-" => Value::Null,
            None => Value::from(self.text.as_str()),
        }
    }
}

impl Row {
    /// An object by the headings of the columns.
    pub fn to_json(&self, columns: &[(&str, bool)]) -> Value {
        let key = |heading: &str| json_key(&heading.replace("/S", " PER SECOND"));
        let cells = columns.iter().zip(&self.cells);
        Value::Object(cells.map(|((heading, _), cell)| (key(heading), cell.to_json())).collect::<Map<_, _>>())
    }
}

fn partitions_of<'a>(
    sample: &'a Sample,
    topic: &Str,
) -> impl Iterator<Item = (&'a TopicPartition, &'a Partition)> {
    let (first, last) = (TopicPartition::new(topic.clone(), 0), TopicPartition::new(topic.clone(), i32::MAX));
    sample.partitions.range(first..=last)
}

fn topics(sample: &Sample, history: &History, internal: bool) -> Vec<Row> {
    let mut names: Vec<&Str> = sample.partitions.keys().map(|key| &key.topic).collect();
    names.dedup();
    names.retain(|name| internal || !sample.internal.contains(*name));
    names.into_iter().map(|name| topic_row(name, sample, history)).collect()
}

fn topic_row(name: &Str, sample: &Sample, history: &History) -> Row {
    let all: Vec<(&TopicPartition, &Partition)> = partitions_of(sample, name).collect();
    let sum = |read: fn(&Partition) -> Option<i64>| {
        let known = all.iter().filter_map(|(_, it)| read(it));
        known.fold(None, |sum: Option<i64>, it| Some(sum.unwrap_or(0).saturating_add(it)))
    };
    let rate = |of: &dyn Fn(&TopicPartition) -> Option<f64>| add(all.iter().map(|(key, _)| of(key)));
    let offline = all.iter().filter(|(_, it)| it.leader.is_none()).count();
    let under = all.iter().filter(|(_, it)| it.in_sync < it.replicas.len()).count();
    let (state, tone) = match (offline, under) {
        (0, 0) => (String::new(), Tone::Plain),
        (0, under) => (format!("{under} not in sync"), Tone::Warning),
        (offline, _) => (format!("{offline} offline"), Tone::Alarm),
    };
    let cells = vec![
        Cell::text(&**name),
        Cell::count(Some(all.len() as i64)),
        Cell::count(sum(Partition::records)),
        Cell::number(sum(|it| it.bytes).map(|bytes| bytes as f64), words::bytes),
        Cell::number(rate(&|key| history.records_in(key)), words::per_second),
        Cell::number(rate(&|key| history.records_out(key)), words::per_second),
        Cell::number(rate(&|key| history.bytes_in(key)), words::bytes),
        Cell::text(state),
    ];
    Row { name: name.clone(), cells, tone }
}

fn group_row(id: &Str, group: &GroupSample, history: &History) -> Row {
    let lags = history.lags(id);
    let lag = group.lag();
    let rebalancing = !matches!(group.state, GroupState::Stable | GroupState::Empty | GroupState::Unknown);
    let known: Vec<i64> = lags.iter().flatten().copied().collect();
    let grows = known.len() >= 4 && known.windows(2).all(|pair| matches!(pair, [a, b] if b > a));
    let tone = match group.state {
        GroupState::Dead | GroupState::NotReady => Tone::Alarm,
        GroupState::Empty if lag.is_some_and(|lag| lag > 0) => Tone::Alarm,
        _ if rebalancing || grows => Tone::Warning,
        _ => Tone::Plain,
    };
    let kind = if group.kind == GroupType::Unknown { "-" } else { group.kind.name() };
    let taken = add(group.positions.keys().map(|key| history.taken(id, key)));
    let cells = vec![
        Cell::text(&**id),
        Cell::text(kind.to_lowercase()),
        Cell::text(group.state.name()),
        Cell::count(group.members.map(|members| members as i64)),
        Cell::number(taken, words::per_second),
        Cell::count(lag),
        Cell::text(bars(&lags)),
    ];
    Row { name: id.clone(), cells, tone }
}

fn broker_row(id: i32, broker: &Broker, sample: &Sample, history: &History) -> Row {
    let leads = || sample.partitions.iter().filter(|(_, it)| it.leader == Some(id));
    let replicas = sample.partitions.values().filter(|it| it.replicas.contains(&id)).count();
    let used = broker.disk_bytes.filter(|total| *total > 0).zip(broker.free_bytes);
    let used = used.map(|(total, free)| total.saturating_sub(free).max(0) as f64 * 100.0 / total as f64);
    let mut states = Vec::new();
    states.extend((sample.controller == Some(id)).then_some("controller"));
    states.extend(broker.is_fenced.then_some("fenced"));
    let tone = match (broker.is_fenced, used) {
        (true, _) => Tone::Alarm,
        (false, Some(used)) if used > 90.0 => Tone::Warning,
        _ => Tone::Plain,
    };
    let cells = vec![
        Cell::number(Some(f64::from(id)), |_| id.to_string()),
        Cell::text(broker.address.as_str()),
        Cell::count(Some(leads().count() as i64)),
        Cell::count(Some(replicas as i64)),
        Cell::number(add(leads().map(|(key, _)| history.records_in(key))), words::per_second),
        Cell::number(broker.log_bytes.map(|bytes| bytes as f64), words::bytes),
        Cell::number(used, |used| format!("{used:.0} %")),
        Cell::text(states.join(", ")),
    ];
    Row { name: Str::from(id.to_string()), cells, tone }
}

fn partition_row(key: &TopicPartition, it: &Partition, history: &History) -> Row {
    let tone = match it.leader {
        None => Tone::Alarm,
        Some(_) if it.in_sync < it.replicas.len() => Tone::Warning,
        Some(_) => Tone::Plain,
    };
    let cells = vec![
        Cell::count(Some(key.partition.into())),
        Cell::count(it.leader.map(i64::from)),
        Cell::text(format!("{} of {}", it.in_sync, it.replicas.len())),
        Cell::count(it.start),
        Cell::count(it.end),
        Cell::number(it.bytes.map(|bytes| bytes as f64), words::bytes),
        Cell::number(history.records_in(key), words::per_second),
        Cell::number(history.records_out(key), words::per_second),
    ];
    Row { name: Str::from(key.partition.to_string()), cells, tone }
}

fn offsets(sample: &Sample, id: &Str, history: &History) -> Vec<Row> {
    let Some(group) = sample.groups.get(id) else { return Vec::new() };
    let row = |(key, position): (&TopicPartition, &super::sample::GroupPosition)| Row {
        name: Str::from(key.to_string()),
        cells: vec![
            Cell::text(&*key.topic),
            Cell::count(Some(key.partition.into())),
            Cell::count(Some(position.offset)),
            Cell::count(sample.partitions.get(key).and_then(|it| it.end)),
            Cell::count(position.lag),
            Cell::number(history.records_in(key), words::per_second),
            Cell::number(history.taken(id, key), words::per_second),
        ],
        tone: Tone::Plain,
    };
    group.positions.iter().map(row).collect()
}

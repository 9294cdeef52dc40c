//! The last samples, and what changed between them.

use std::collections::{BTreeMap, VecDeque};

use ottla_protocol::{Str, TopicPartition};

use super::sample::{GroupSample, Sample};

/// Samples that are kept: as many as a trend shows.
pub const SAMPLES_MAX: usize = 12;

/// The last samples, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    samples: VecDeque<Sample>,
    /// Records that all groups have taken a second, by partition: added up once, there may be many groups.
    out: BTreeMap<TopicPartition, f64>,
}

impl History {
    /// Adds a sample, and lets the oldest go.
    pub fn push(&mut self, sample: Sample) {
        // A clock that was set back would show rates that never were.
        if self.samples.back().is_some_and(|last| last.at_ms >= sample.at_ms) {
            self.samples.clear();
        }
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        self.out = self.all_taken();
    }

    fn all_taken(&self) -> BTreeMap<TopicPartition, f64> {
        let mut out = BTreeMap::new();
        for (id, group) in self.last().into_iter().flat_map(|last| &last.groups) {
            for key in group.positions.keys() {
                if let Some(rate) = self.taken(id, key) {
                    *out.entry(key.clone()).or_insert(0.0) += rate;
                }
            }
        }
        out
    }

    /// The newest.
    pub fn last(&self) -> Option<&Sample> {
        self.samples.back()
    }

    /// The newest two, and the seconds between them.
    fn pair(&self) -> Option<(&Sample, &Sample, f64)> {
        let last = self.samples.back()?;
        let before = self.samples.get(self.samples.len().checked_sub(2)?)?;
        Some((before, last, (last.at_ms - before.at_ms) as f64 / 1_000.0))
    }

    /// What changed a second between the newest two samples, by what is read off each for a partition.
    fn rate_of(
        &self,
        key: &TopicPartition,
        read: impl Fn(&Sample, &TopicPartition) -> Option<i64>,
    ) -> Option<f64> {
        let (before, last, seconds) = self.pair()?;
        let change = read(last, key)?.saturating_sub(read(before, key)?);
        Some(change.max(0) as f64 / seconds)
    }

    /// Records appended to a partition a second.
    pub fn records_in(&self, key: &TopicPartition) -> Option<f64> {
        self.rate_of(key, |sample, key| sample.partitions.get(key)?.end)
    }

    /// Bytes by which a partition's log has grown a second; 0 where more was deleted.
    pub fn bytes_in(&self, key: &TopicPartition) -> Option<f64> {
        self.rate_of(key, |sample, key| sample.partitions.get(key)?.bytes)
    }

    /// Records that a group has taken from a partition a second.
    pub fn taken(&self, group: &Str, key: &TopicPartition) -> Option<f64> {
        self.rate_of(key, |sample, key| Some(sample.groups.get(group)?.positions.get(key)?.offset))
    }

    /// Records that all groups have taken from a partition a second; nothing when no group reads it.
    pub fn records_out(&self, key: &TopicPartition) -> Option<f64> {
        self.out.get(key).copied()
    }

    /// How far a group was behind, oldest sample first; `None` where that is not known.
    pub fn lags(&self, group: &Str) -> Vec<Option<i64>> {
        self.samples.iter().map(|sample| sample.groups.get(group).and_then(GroupSample::lag)).collect()
    }
}

/// The sum of what is known; `None` when nothing is.
pub fn add(rates: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    rates.flatten().fold(None, |sum, rate| Some(sum.unwrap_or(0.0) + rate))
}

/// Bars for numbers, the highest for the greatest of them; a blank for what is not known.
pub fn bars(numbers: &[Option<i64>]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = numbers.iter().flatten().copied().max().unwrap_or(0).max(1);
    let bar = |number: i64| {
        let height = i128::from(number.max(0)) * (BARS.len() as i128 - 1) / i128::from(most);
        usize::try_from(height).ok().and_then(|at| BARS.get(at)).copied().unwrap_or(' ')
    };
    numbers.iter().map(|number| number.map_or(' ', bar)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{GroupPosition, Partition};
    use super::*;
    use ottla_client::admin::{GroupState, GroupType};

    fn sample(at_ms: i64, end: i64, offset: i64) -> Sample {
        let key = TopicPartition::new("t", 0);
        let partition = Partition { end: Some(end), bytes: Some(end * 10), ..Default::default() };
        let group = GroupSample {
            kind: GroupType::Consumer,
            state: GroupState::Stable,
            members: Some(1),
            positions: [(key.clone(), GroupPosition { offset, lag: Some(end - offset) })].into(),
        };
        Sample {
            at_ms,
            partitions: [(key, partition)].into(),
            groups: [(Str::from("g"), group)].into(),
            ..Default::default()
        }
    }

    #[test]
    fn rates_are_those_between_the_newest_two() {
        let key = TopicPartition::new("t", 0);
        let mut history = History::default();
        history.push(sample(0, 0, 0));
        assert_eq!(history.records_in(&key), None, "one sample has no rates");
        history.push(sample(1_000, 1_000, 10));
        history.push(sample(3_000, 1_100, 30));
        assert_eq!((history.records_in(&key), history.bytes_in(&key)), (Some(50.0), Some(500.0)));
        assert_eq!(history.records_out(&key), Some(10.0));
        assert_eq!(history.records_out(&TopicPartition::new("u", 0)), None);
        assert_eq!(history.lags(&"g".into()), [Some(0), Some(990), Some(1_070)]);
        history.push(sample(2_000, 2_000, 40));
        assert_eq!(history.records_in(&key), None, "the clock was set back");
        for at in 0..100 {
            history.push(sample(10_000 + at, at, at));
        }
        assert_eq!(history.lags(&"g".into()).len(), SAMPLES_MAX);
    }

    #[test]
    fn bars_are_as_high_as_their_numbers() {
        assert_eq!(bars(&[Some(0), None, Some(50), Some(100)]), "▁ ▄█");
        assert_eq!(bars(&[Some(0), Some(-3)]), "▁▁");
        assert_eq!(bars(&[Some(i64::MAX), Some(1)]), "█▁");
    }
}

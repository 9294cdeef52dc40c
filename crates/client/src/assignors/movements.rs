//! Which partitions moved from whom to whom in a run: of two partitions of a topic that would change places, one stays.

use std::collections::HashMap;

use ottla_protocol::{Str, TopicPartition};

use super::java::PartitionSet;

/// From, to.
type Pair = (usize, usize);

/// Movements of a run.
#[derive(Debug, Default)]
pub struct Movements {
    by_topic: HashMap<Str, HashMap<Pair, PartitionSet>>,
    by_partition: HashMap<TopicPartition, Pair>,
}

impl Movements {
    /// A partition moves.
    pub fn record(&mut self, partition: &TopicPartition, from: usize, to: usize) {
        match self.forget(partition) {
            // It moved before: what counts is where it came from, and nothing if it goes back there.
            Some((origin, _)) if origin == to => {}
            Some((origin, _)) => self.remember(partition, (origin, to)),
            None => self.remember(partition, (from, to)),
        }
    }

    /// The partition to move instead: one of the same topic that came the other way, if there is one.
    pub fn instead_of(&self, partition: &TopicPartition, from: usize, to: usize) -> TopicPartition {
        let origin = self.by_partition.get(partition).map_or(from, |(origin, _)| *origin);
        self.by_topic
            .get(&partition.topic)
            .and_then(|pairs| pairs.get(&(to, origin)))
            .and_then(PartitionSet::first)
            .unwrap_or(partition)
            .clone()
    }

    fn forget(&mut self, partition: &TopicPartition) -> Option<Pair> {
        let pair = self.by_partition.remove(partition)?;
        if let Some(pairs) = self.by_topic.get_mut(&partition.topic) {
            if let Some(set) = pairs.get_mut(&pair) {
                set.remove(partition);
                if set.is_empty() {
                    pairs.remove(&pair);
                }
            }
            if pairs.is_empty() {
                self.by_topic.remove(&partition.topic);
            }
        }
        Some(pair)
    }

    fn remember(&mut self, partition: &TopicPartition, pair: Pair) {
        self.by_partition.insert(partition.clone(), pair);
        let pairs = self.by_topic.entry(partition.topic.clone()).or_default();
        pairs.entry(pair).or_insert_with(PartitionSet::new).insert(partition.clone());
    }
}

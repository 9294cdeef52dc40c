//! Which partition a record goes to, when the record itself does not say.

use std::collections::HashMap;

use ottla_protocol::Str;
use parking_lot::Mutex;

use super::murmur2::to_positive;

/// What a partitioner may look at.
#[derive(Clone, Copy, Debug)]
pub struct PartitionContext<'a> {
    /// The record's topic.
    pub topic: &'a Str,
    /// The record's key as bytes.
    pub key: Option<&'a [u8]>,
    /// The record's value as bytes.
    pub value: Option<&'a [u8]>,
    /// How many partitions the topic has; at least 1.
    pub partitions: i32,
    /// Those that have a leader, ascending.
    pub available: &'a [i32],
}

/// A rule of one's own (`partitioner.class`, `org.apache.kafka.clients.producer.Partitioner`). It is asked for every
/// record without a partition, also for those with a key.
pub trait Partitioner: Send + Sync + 'static {
    /// The partition, from 0 to `partitions - 1`; any other number makes `send` fail.
    fn partition(&self, context: PartitionContext<'_>) -> i32;
}

impl<F: Fn(PartitionContext<'_>) -> i32 + Send + Sync + 'static> Partitioner for F {
    fn partition(&self, context: PartitionContext<'_>) -> i32 {
        self(context)
    }
}

/// One partition after the other, whatever the key
/// (`org.apache.kafka.clients.producer.RoundRobinPartitioner`).
#[derive(Debug, Default)]
pub struct RoundRobinPartitioner {
    /// Records so far, by topic.
    counters: Mutex<HashMap<Str, i32>>,
}

impl Partitioner for RoundRobinPartitioner {
    fn partition(&self, context: PartitionContext<'_>) -> i32 {
        let next = {
            let mut counters = self.counters.lock();
            match counters.get_mut(context.topic) {
                Some(counter) => {
                    *counter = counter.wrapping_add(1);
                    *counter
                }
                None => {
                    counters.insert(context.topic.clone(), 0);
                    0
                }
            }
        };
        let next = to_positive(next);
        if context.available.is_empty() {
            return next.checked_rem(context.partitions).unwrap_or(0);
        }
        context.available.get(next as usize % context.available.len()).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_robin_takes_the_available_in_turn() {
        let partitioner = RoundRobinPartitioner::default();
        let topic = Str::from("t");
        let place = |available: &[i32]| {
            partitioner.partition(PartitionContext {
                topic: &topic,
                key: Some(b"same"),
                value: None,
                partitions: 3,
                available,
            })
        };
        assert_eq!([0; 4].map(|_| place(&[0, 2])), [0, 2, 0, 2]);
        assert_eq!([0; 3].map(|_| place(&[])), [1, 2, 0]);
    }
}

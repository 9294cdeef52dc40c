//! The default rule for records without a key (KIP-794, `BuiltInPartitioner`): stay with a partition for `batch.size`
//! bytes, then draw another. Uniform draws, unless the queues tell that some partitions take records more slowly than
//! others: then a partition is drawn by how much shorter its queue is than the longest one.
//!
//! Pure: random numbers and what is known of the partitions are arguments.

use super::murmur2::to_positive;

/// Where records without a key of one topic go.
#[derive(Clone, Debug)]
pub(super) struct StickyPartitioner {
    batch_size: usize,
    current: Option<Current>,
    load: Option<Load>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    partition: i32,
    bytes: usize,
}

/// Partitions with the running sum of their weights.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Load {
    cumulative: Vec<u32>,
    partitions: Vec<i32>,
}

/// The partitions of a topic that a draw is among.
#[derive(Clone, Copy, Debug)]
struct Candidates<'a> {
    /// How many there are.
    partitions: i32,
    /// Those that have a leader.
    available: &'a [i32],
}

impl StickyPartitioner {
    /// `batch_size` is `batch.size`, at least 1.
    pub fn new(batch_size: usize) -> Self {
        Self { batch_size: batch_size.max(1), current: None, load: None }
    }

    /// The partition to stay with, if one was drawn.
    pub fn current(&self) -> Option<i32> {
        self.current.map(|current| current.partition)
    }

    /// The partition to use now; `draw` gives a random number when one has to be chosen.
    pub fn partition(
        &mut self,
        draw: impl FnOnce() -> i32,
        candidates: impl FnOnce() -> Vec<i32>,
        partitions: i32,
    ) -> i32 {
        if let Some(current) = &self.current {
            return current.partition;
        }
        let available = candidates();
        self.switch(draw(), Candidates { partitions, available: &available })
    }

    /// Whether `appended` more bytes end the stay: `batch.size` were reached and the batch is full (`may_switch`), or
    /// twice as much came together.
    pub fn add(&mut self, appended: usize, may_switch: bool) -> bool {
        let Some(current) = &mut self.current else { return false };
        current.bytes = current.bytes.saturating_add(appended);
        current.bytes >= self.batch_size && may_switch || current.bytes >= self.batch_size.saturating_mul(2)
    }

    /// Draws another partition.
    fn switch(&mut self, random: i32, candidates: Candidates<'_>) -> i32 {
        let partition = self.next(to_positive(random), candidates);
        self.current = Some(Current { partition, bytes: 0 });
        partition
    }

    /// Forgets the partition: the next record draws anew.
    pub fn forget(&mut self) {
        self.current = None;
    }

    fn next(&self, random: i32, candidates: Candidates<'_>) -> i32 {
        if let Some(load) = &self.load
            && let Some(sum) = load.cumulative.last()
        {
            let weighted = (random as u32).checked_rem(*sum).unwrap_or(0);
            // The first partition whose running sum is above the number.
            let at = load.cumulative.partition_point(|sum| *sum <= weighted);
            return load.partitions.get(at).copied().unwrap_or(0);
        }
        if candidates.available.is_empty() {
            return random.checked_rem(candidates.partitions).unwrap_or(0);
        }
        candidates.available.get(random as usize % candidates.available.len()).copied().unwrap_or(0)
    }

    /// Learns the lengths of the queues. `queues` holds partition and length of those to be drawn from; `known` is how
    /// many partitions with a leader were looked at, those included that are left out because their node does not take
    /// requests (`partitioner.availability.timeout.ms`).
    pub fn update_load(&mut self, queues: &[(i32, u32)], known: usize) {
        let longest = queues.iter().map(|(_, length)| *length).max();
        let (Some(longest), true) = (longest, known >= 2) else {
            self.load = None;
            return;
        };
        let all_equal = queues.iter().all(|(_, length)| *length == longest);
        if all_equal && queues.len() == known {
            self.load = None;
            return;
        }
        let mut sum = 0u32;
        let mut load = Load { cumulative: Vec::with_capacity(queues.len()), partitions: Vec::new() };
        for (partition, length) in queues {
            sum = sum.saturating_add(longest.saturating_sub(*length).saturating_add(1));
            load.cumulative.push(sum);
            load.partitions.push(*partition);
        }
        self.load = Some(load);
    }

    /// Draws are uniform again.
    pub fn forget_load(&mut self) {
        self.load = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(partitions: i32) -> Vec<i32> {
        (0..partitions).collect()
    }

    #[test]
    fn stays_for_a_batch_and_then_moves() {
        let mut sticky = StickyPartitioner::new(100);
        assert_eq!(sticky.partition(|| 4, || all(3), 3), 1);
        assert_eq!(sticky.partition(|| unreachable!(), || unreachable!(), 3), 1);
        assert!(!sticky.add(99, true));
        assert!(!sticky.add(1, false), "the batch is not full yet");
        assert!(sticky.add(0, true));
        assert_eq!(sticky.switch(-1, Candidates { partitions: 3, available: &[0, 1, 2] }), i32::MAX % 3);
        assert!(sticky.add(200, false), "twice the size ends the stay in any case");
    }

    #[test]
    fn prefers_partitions_with_a_leader() {
        let mut sticky = StickyPartitioner::new(1);
        assert_eq!(sticky.switch(5, Candidates { partitions: 9, available: &[7, 8] }), 8);
        assert_eq!(sticky.switch(5, Candidates { partitions: 9, available: &[] }), 5);
    }

    /// Weights are the queue lengths turned round: the longest has 1.
    #[test]
    fn draws_by_inverted_queue_lengths() {
        let mut sticky = StickyPartitioner::new(1);
        let queues = [(0, 5), (1, 0), (2, 3), (3, 0), (4, 1)];
        sticky.update_load(&queues, 5);
        let mut drawn = [0; 5];
        for random in 0..21 {
            drawn[sticky.switch(random, Candidates { partitions: 5, available: &[] }) as usize] += 1;
        }
        assert_eq!(drawn, [1, 6, 3, 6, 5]);
    }

    #[test]
    fn equal_queues_are_drawn_from_alike_unless_some_are_left_out() {
        let mut sticky = StickyPartitioner::new(1);
        sticky.update_load(&[(0, 2), (1, 2)], 2);
        assert_eq!(sticky.load, None);
        sticky.update_load(&[(0, 2), (2, 2)], 3);
        let drawn = [0, 1, 2, 3].map(|n| sticky.switch(n, Candidates { partitions: 3, available: &[] }));
        assert_eq!(drawn, [0, 2, 0, 2]);
        sticky.update_load(&[], 3);
        assert_eq!(sticky.load, None);
        sticky.update_load(&[(1, 9)], 1);
        assert_eq!(sticky.load, None, "one partition leaves nothing to choose");
    }
}

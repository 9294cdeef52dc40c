//! What was fetched from the replicas of partitions, compared (`ReplicaVerificationTool.ReplicaBuffer`).

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use ottla_protocol::TopicPartition;
use ottla_protocol::records::BatchIter;

/// Where the comparison is.
#[derive(Clone, Debug)]
pub struct Buffer {
    offsets: BTreeMap<TopicPartition, i64>,
}

/// What a replica has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its high watermark; -1 when it has not answered.
    pub high_watermark: i64,
    /// Batches.
    pub records: Bytes,
}

impl Default for Fetched {
    fn default() -> Self {
        Self { high_watermark: -1, records: Bytes::new() }
    }
}

/// Two replicas that differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// One has a batch where the other has none.
    Offset {
        /// Where.
        partition: TopicPartition,
        /// Replica, and last offset of its batch.
        first: (i32, i64),
        /// The other.
        other: (i32, i64),
    },
    /// A batch has other bytes.
    Checksum {
        /// Where.
        partition: TopicPartition,
        /// Last offset of the batch.
        offset: i64,
        /// Replica and checksum.
        first: (i32, u32),
        /// The other.
        other: (i32, u32),
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mismatch::Offset { partition, first, other } => write!(
                f,
                "partition {partition}: replica {}'s offset {} doesn't match replica {}'s offset {}",
                first.0, first.1, other.0, other.1
            ),
            Mismatch::Checksum { partition, offset, first, other } => write!(
                f,
                "partition {partition} has unmatched checksum at offset {offset}; replica {}'s checksum {}; replica \
                 {}'s checksum {}",
                first.0, first.1, other.0, other.1
            ),
        }
    }
}

/// What one round has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// What does not match. The last of these may be an offset; nothing was compared after it.
    pub mismatches: Vec<Mismatch>,
    /// Bytes that are no batches: nothing was compared after it.
    pub failure: Option<String>,
    /// How far the comparison is.
    pub report: Report,
}

/// How far the comparison is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Records between what was compared and the high watermark, where it is most; -1 before anything was.
    pub lag: i64,
    /// Where that is.
    pub partition: Option<TopicPartition>,
    /// What was compared there.
    pub offset: i64,
    /// All partitions.
    pub partitions: usize,
}

impl Default for Report {
    fn default() -> Self {
        Self { lag: -1, partition: None, offset: -1, partitions: 0 }
    }
}

/// Whether to go on with the next partition.
type Stopped = bool;

impl Buffer {
    /// Begins at these offsets.
    pub fn new(offsets: BTreeMap<TopicPartition, i64>) -> Self {
        Self { offsets }
    }

    /// From where on a partition is to be fetched.
    pub fn offset(&self, key: &TopicPartition) -> i64 {
        self.offsets.get(key).copied().unwrap_or(0)
    }

    /// Compares what the replicas of each partition have answered.
    pub fn verify(&mut self, fetched: &BTreeMap<TopicPartition, BTreeMap<i32, Fetched>>) -> Round {
        let mut round = Round::default();
        round.report.partitions = fetched.len();
        for (key, replicas) in fetched {
            if self.compare(key, replicas, &mut round) {
                return round;
            }
            let high_watermark = replicas.values().map(|it| it.high_watermark).max().unwrap_or(-1);
            let offset = self.offset(key);
            let lag = high_watermark.saturating_sub(offset);
            if lag > round.report.lag {
                let partitions = round.report.partitions;
                round.report = Report { lag, partition: Some(key.clone()), offset, partitions };
            }
        }
        round
    }

    /// Batch by batch, as long as every replica has one below its high watermark.
    fn compare(
        &mut self,
        key: &TopicPartition,
        replicas: &BTreeMap<i32, Fetched>,
        round: &mut Round,
    ) -> Stopped {
        let mut batches: Vec<(i32, i64, BatchIter<'_>)> =
            replicas.iter().map(|(id, it)| (*id, it.high_watermark, BatchIter::new(&it.records))).collect();
        loop {
            let mut first: Option<(i32, i64, i64, u32)> = None;
            let mut is_in_all = !batches.is_empty();
            for (id, high_watermark, batches) in &mut batches {
                let header = match batches.next() {
                    None => {
                        is_in_all = false;
                        continue;
                    }
                    Some(Ok(batch)) => *batch.header(),
                    Some(Err(_)) => {
                        let offset = self.offset(key);
                        round.failure = Some(format!(
                            "Error in processing replica {id} in partition {key} at offset {offset}"
                        ));
                        return true;
                    }
                };
                let last = header.last_offset();
                if last >= *high_watermark {
                    is_in_all = false;
                    continue;
                }
                let Some((first_id, first_last, _, first_crc)) = first else {
                    first = Some((*id, last, header.next_offset(), header.crc()));
                    continue;
                };
                let partition = key.clone();
                if first_last != last {
                    let (first, other) = ((first_id, first_last), (*id, last));
                    round.mismatches.push(Mismatch::Offset { partition, first, other });
                    return true;
                }
                if first_crc != header.crc() {
                    let (first, other) = ((first_id, first_crc), (*id, header.crc()));
                    round.mismatches.push(Mismatch::Checksum { partition, offset: last, first, other });
                }
            }
            match first.filter(|_| is_in_all) {
                Some((_, _, next, _)) => self.offsets.insert(key.clone(), next),
                None => return false,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::records::{BatchBuilder, BatchOptions};

    fn key(topic: &'static str, partition: i32) -> TopicPartition {
        TopicPartition::new(topic, partition)
    }

    /// A batch of records whose first offset is this.
    fn batch(base_offset: i64, values: &[&str]) -> Vec<u8> {
        let mut builder = BatchBuilder::new(BatchOptions { base_offset, ..Default::default() });
        for value in values {
            builder.append(1, Some(b"key"), Some(value.as_bytes()), &[]).expect("it fits");
        }
        builder.build().expect("it is not empty").to_vec()
    }

    fn fetched(high_watermark: i64, batches: &[Vec<u8>]) -> Fetched {
        Fetched { high_watermark, records: Bytes::from(batches.concat()) }
    }

    const SIX: [&str; 6] = ["0", "1", "2", "3", "4", "5"];

    #[test]
    fn the_greatest_lag_is_told() {
        // As Kafka's own test has it.
        let replicas = |count| (0..count).map(|id| (id, fetched(20, &[batch(4, &SIX)]))).collect();
        let all = [(key("a", 0), replicas(3)), (key("a", 1), replicas(3)), (key("b", 0), replicas(2))].into();
        let mut buffer = Buffer::new(BTreeMap::new());
        let round = buffer.verify(&all);
        assert_eq!((round.mismatches, round.failure), (vec![], None));
        let expect = Report { lag: 10, partition: Some(key("a", 0)), offset: 10, partitions: 3 };
        assert_eq!((round.report, buffer.offset(&key("b", 0))), (expect, 10));
    }

    #[test]
    fn only_what_all_replicas_have_below_their_high_watermark_is_compared() {
        let two = [batch(0, &SIX), batch(6, &SIX)];
        for (first, other, expect) in [
            (fetched(12, &two), fetched(12, &two), 12),
            (fetched(12, &two), fetched(11, &two), 6),
            (fetched(12, &two), fetched(12, &two[..1]), 6),
            (fetched(12, &two), Fetched::default(), 0),
        ] {
            let all = [(key("a", 0), [(1, first), (2, other)].into())].into();
            let mut buffer = Buffer::new(BTreeMap::new());
            let round = buffer.verify(&all);
            assert_eq!((buffer.offset(&key("a", 0)), round.report.lag), (expect, 12 - expect));
        }
        let mut buffer = Buffer::new(BTreeMap::new());
        let alone = [(key("a", 0), [(1, fetched(12, &two))].into())].into();
        buffer.verify(&alone);
        assert_eq!(buffer.offset(&key("a", 0)), 12, "one replica agrees with itself");
    }

    #[test]
    fn what_differs_is_told() {
        let other = ["0", "1", "2", "3", "4", "x"];
        let replicas = [(1, fetched(20, &[batch(0, &SIX)])), (2, fetched(20, &[batch(0, &other)]))];
        let round = Buffer::new(BTreeMap::new()).verify(&[(key("a", 0), replicas.into())].into());
        let [mismatch @ Mismatch::Checksum { offset: 5, .. }] = &round.mismatches[..] else {
            panic!("{round:?}");
        };
        assert!(
            mismatch
                .to_string()
                .starts_with("partition a-0 has unmatched checksum at offset 5; replica 1's checksum ")
        );

        let replicas = [(1, fetched(20, &[batch(0, &SIX)])), (2, fetched(20, &[batch(0, &SIX[..5])]))];
        let all = [(key("a", 0), replicas.into()), (key("b", 0), [(1, fetched(90, &[]))].into())].into();
        let round = Buffer::new(BTreeMap::new()).verify(&all);
        let text = "partition a-0: replica 1's offset 5 doesn't match replica 2's offset 4";
        assert_eq!(round.mismatches.iter().map(ToString::to_string).collect::<Vec<_>>(), [text]);
        assert_eq!(round.report.lag, -1, "nothing is compared after it");
    }

    #[test]
    fn bytes_that_are_no_batch_end_it() {
        let mut wrong = batch(0, &SIX);
        wrong[16] = 9; // the magic
        let all = [(key("a", 0), [(1, fetched(20, &[wrong]))].into())].into();
        let round = Buffer::new(BTreeMap::new()).verify(&all);
        assert_eq!(
            round.failure.as_deref(),
            Some("Error in processing replica 1 in partition a-0 at offset 0")
        );
    }
}

use bytes::Bytes;
use ottla_protocol::messages::fetch_response::{AbortedTransaction, PartitionData};
use ottla_protocol::records::{
    BatchBuilder, BatchOptions, Compression, EndTransactionMarker, end_transaction_batch,
};
use ottla_protocol::{ErrorCode, Records, TopicPartition};

use super::super::IsolationLevel;
use super::super::state::{AutoOffsetReset, FetchPosition, LeaderAndEpoch, SubscriptionState};
use super::*;
use crate::record::ConsumerRecord;

const READ: ReadOptions = ReadOptions { isolation: IsolationLevel::ReadUncommitted, check_crcs: true };
const COMMITTED: ReadOptions = ReadOptions { isolation: IsolationLevel::ReadCommitted, check_crcs: true };

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

/// A batch of `count` records from `base_offset` on, with their offsets as values.
fn batch(base_offset: i64, count: i64, options: BatchOptions) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions { base_offset, partition_leader_epoch: 5, ..options });
    for offset in base_offset..base_offset + count {
        builder.append(1000 + offset, None, Some(offset.to_string().as_bytes()), &[]).unwrap();
    }
    builder.build().unwrap()
}

fn plain(base_offset: i64, count: i64) -> Bytes {
    batch(base_offset, count, BatchOptions::default())
}

fn transactional(producer_id: i64, base_offset: i64, count: i64) -> Bytes {
    let options = BatchOptions {
        producer_id,
        producer_epoch: 0,
        base_sequence: 0,
        is_transactional: true,
        ..BatchOptions::default()
    };
    batch(base_offset, count, options)
}

fn marker(producer_id: i64, base_offset: i64, committed: bool) -> Bytes {
    let marker = EndTransactionMarker { committed, coordinator_epoch: 0 };
    let bytes = end_transaction_batch(producer_id, 0, 1000, marker).unwrap();
    // The base offset lies outside the checksum.
    [&base_offset.to_be_bytes()[..], &bytes[8..]].concat().into()
}

fn data(batches: &[Bytes]) -> PartitionData {
    PartitionData { records: Some(Records::Bytes(batches.concat().into())), ..PartitionData::default() }
}

fn fetch(fetch_offset: i64, batches: &[Bytes]) -> CompletedFetch {
    CompletedFetch::new(tp(0), 1, fetch_offset, data(batches))
}

/// Takes everything, a few records at a time.
fn take_all(fetch: &mut CompletedFetch, options: ReadOptions) -> Vec<ConsumerRecord> {
    let mut out = Vec::new();
    while !fetch.is_consumed() {
        fetch.take(3, options, &mut out).unwrap();
    }
    out
}

fn offsets(records: &[ConsumerRecord]) -> Vec<i64> {
    records.iter().map(|record| record.offset).collect()
}

#[test]
fn records_come_from_the_offset_that_was_asked_for() {
    let mut fetch = fetch(2, &[plain(0, 5), plain(5, 1)]);
    assert_eq!(fetch.end_offset(), Some(6));
    let mut out = Vec::new();
    fetch.take(2, READ, &mut out).unwrap();
    assert_eq!((offsets(&out), fetch.next_offset()), (vec![2, 3], 4));
    let rest = take_all(&mut fetch, READ);
    assert_eq!((offsets(&rest), fetch.next_offset()), (vec![4, 5], 6));
    assert_eq!(rest[1].value.as_deref(), Some(&b"5"[..]));
    assert_eq!((rest[1].timestamp_ms, rest[1].leader_epoch), (1005, Some(5)));
}

#[test]
fn compressed_batches_are_read_and_cut_off_ones_left() {
    for compression in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let options = BatchOptions { compression, ..BatchOptions::default() };
        let cut = plain(4, 1).slice(..40);
        let mut fetch = fetch(0, &[batch(0, 4, options), cut]);
        assert_eq!(fetch.end_offset(), Some(4));
        assert_eq!(offsets(&take_all(&mut fetch, READ)), [0, 1, 2, 3]);
    }
    let fetch = fetch(0, &[plain(0, 1).slice(..40)]);
    assert!(fetch.is_cut_off());
}

#[test]
fn keys_and_values_are_slices_of_the_answer() {
    let data = data(&[plain(0, 2)]);
    let frame = data.records.as_ref().unwrap().bytes().unwrap().as_ptr_range();
    let mut fetch = CompletedFetch::new(tp(0), 1, 0, data.clone());
    for record in take_all(&mut fetch, READ) {
        assert!(frame.contains(&record.value.unwrap().as_ptr()));
    }
}

#[test]
fn aborted_transactions_are_hidden_from_readers_of_committed_records() {
    let batches = [
        transactional(7, 0, 2),
        transactional(8, 2, 2),
        plain(4, 1),
        marker(7, 5, false),
        transactional(7, 6, 1),
        marker(8, 7, true),
        marker(7, 8, true),
    ];
    let mut with_aborted = data(&batches);
    with_aborted.aborted_transactions = Some(vec![AbortedTransaction { producer_id: 7, first_offset: 0 }]);
    let mut fetch = CompletedFetch::new(tp(0), 1, 0, with_aborted.clone());
    assert_eq!(offsets(&take_all(&mut fetch, COMMITTED)), [2, 3, 4, 6]);
    assert_eq!(fetch.next_offset(), 9, "markers count");
    let mut fetch = CompletedFetch::new(tp(0), 1, 0, with_aborted);
    assert_eq!(offsets(&take_all(&mut fetch, READ)), [0, 1, 2, 3, 4, 6]);
}

/// Histories of transactions of three producers, as a broker writes them; what a reader of committed records sees is
/// compared with what the history says.
#[test]
fn seeded_histories_of_transactions() {
    for seed in 0..200u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = move |bound: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % bound
        };
        let mut open: [Vec<i64>; 3] = Default::default();
        let (mut batches, mut visible, mut aborted, mut offset) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for _ in 0..40 {
            let producer = next(3) as usize;
            let id = producer as i64 + 10;
            match next(4) {
                0 if !open[producer].is_empty() => {
                    let committed = next(2) == 0;
                    let written = std::mem::take(&mut open[producer]);
                    if committed {
                        visible.extend(written);
                    } else {
                        aborted.push(AbortedTransaction { producer_id: id, first_offset: written[0] });
                    }
                    batches.push(marker(id, offset, committed));
                    offset += 1;
                }
                1 => {
                    batches.push(plain(offset, 1));
                    visible.push(offset);
                    offset += 1;
                }
                _ => {
                    let count = next(3) as i64 + 1;
                    batches.push(transactional(id, offset, count));
                    open[producer].extend(offset..offset + count);
                    offset += count;
                }
            }
        }
        // The broker answers up to the last stable offset; what is behind it here ends committed.
        for (producer, written) in open.into_iter().enumerate().filter(|(_, written)| !written.is_empty()) {
            visible.extend(written);
            batches.push(marker(producer as i64 + 10, offset, true));
            offset += 1;
        }
        visible.sort_unstable();
        let mut data = data(&batches);
        data.aborted_transactions = Some(aborted);
        let mut fetch = CompletedFetch::new(tp(0), 1, 0, data);
        assert_eq!(offsets(&take_all(&mut fetch, COMMITTED)), visible, "seed {seed}");
        assert_eq!(fetch.next_offset(), offset, "seed {seed}");
    }
}

#[test]
fn a_broken_batch_is_told_after_the_records_before_it_and_every_time() {
    let mut broken = plain(2, 2).to_vec();
    *broken.last_mut().unwrap() ^= 1;
    let mut fetch = fetch(0, &[plain(0, 2), broken.into()]);
    let mut out = Vec::new();
    fetch.take(10, READ, &mut out).unwrap();
    assert_eq!(offsets(&out), [0, 1]);
    for _ in 0..2 {
        let error = fetch.take(10, READ, &mut out).unwrap_err().to_string();
        assert!(error.contains("t-0") && error.contains("offset 2"), "{error}");
    }
    assert_eq!(fetch.next_offset(), 2);
}

#[test]
fn any_bytes_end() {
    let whole = [plain(0, 3), transactional(7, 3, 2), marker(7, 5, false)].concat();
    for at in 0..whole.len() {
        for bit in [0x01, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= bit;
            for check_crcs in [true, false] {
                let mut fetch = fetch(0, &[bytes.clone().into()]);
                let mut out = Vec::new();
                let options = ReadOptions { check_crcs, ..COMMITTED };
                while !fetch.is_consumed() && fetch.take(2, options, &mut out).is_ok() {
                    assert!(out.len() <= 64);
                }
            }
        }
    }
}

struct Bench {
    state: SubscriptionState,
    buffer: FetchBuffer,
    options: CollectOptions,
}

impl Bench {
    /// Two partitions at offset 0.
    fn new(reset: AutoOffsetReset) -> Self {
        let mut state = SubscriptionState::new(reset);
        state.assign_from_user([tp(0), tp(1)]).unwrap();
        let current_leader = LeaderAndEpoch { leader: Some(1), epoch: Some(5) };
        for partition in [tp(0), tp(1)] {
            let position = FetchPosition { current_leader, ..FetchPosition::at(0) };
            state.assigned(&partition).unwrap().seek_validated(position);
        }
        let options =
            CollectOptions { read: READ, max_records: 3, read_replica_expires_ms: 100, retry_at_ms: 50 };
        Self { state, buffer: FetchBuffer::default(), options }
    }

    fn add(&mut self, partition: i32, fetch_offset: i64, data: PartitionData) {
        self.buffer.add(CompletedFetch::new(tp(partition), 1, fetch_offset, data));
    }

    /// Partitions and offsets of what a poll gets.
    fn poll(&mut self) -> Result<Vec<(i32, i64)>, String> {
        let collected =
            self.buffer.collect(&mut self.state, self.options).map_err(|error| error.to_string())?;
        Ok(collected.records.iter().map(|record| (record.partition, record.offset)).collect())
    }

    fn position(&self, partition: i32) -> Option<i64> {
        Some(self.state.get(&tp(partition))?.valid_position()?.offset)
    }
}

#[test]
fn polls_take_partition_by_partition() {
    let mut bench = Bench::new(AutoOffsetReset::Latest);
    bench.add(0, 0, data(&[plain(0, 4)]));
    bench.add(1, 0, data(&[plain(0, 2)]));
    assert_eq!(bench.poll().unwrap(), [(0, 0), (0, 1), (0, 2)]);
    assert_eq!((bench.position(0), bench.position(1)), (Some(3), Some(0)));
    assert_eq!(
        bench.buffer.next_fetch_offset(&tp(0), 3),
        Some(4),
        "what is in use need not be fetched again"
    );
    assert_eq!(bench.buffer.next_fetch_offset(&tp(1), 0), Some(0));
    assert_eq!(bench.poll().unwrap(), [(0, 3), (1, 0), (1, 1)]);
    assert_eq!(bench.poll().unwrap(), []);
    assert!(bench.buffer.is_empty());
}

#[test]
fn what_follows_can_be_fetched_while_records_are_in_use() {
    let mut bench = Bench::new(AutoOffsetReset::Latest);
    bench.add(0, 0, data(&[plain(0, 4)]));
    bench.poll().unwrap();
    bench.add(0, 4, data(&[plain(4, 4)]));
    assert_eq!(bench.poll().unwrap(), [(0, 3), (0, 4), (0, 5)]);
    bench.state.assigned(&tp(0)).unwrap().seek_validated(FetchPosition::at(20));
    assert_eq!(bench.poll().unwrap(), [], "records of before a seek are dropped");
    assert_eq!(bench.position(0), Some(20));
}

#[test]
fn paused_partitions_keep_their_records() {
    let mut bench = Bench::new(AutoOffsetReset::Latest);
    bench.add(0, 0, data(&[plain(0, 4)]));
    bench.add(1, 0, data(&[plain(0, 1)]));
    bench.poll().unwrap();
    bench.state.assigned(&tp(0)).unwrap().paused = true;
    assert_eq!(bench.poll().unwrap(), [(1, 0)]);
    assert_eq!(bench.poll().unwrap(), []);
    bench.state.assigned(&tp(0)).unwrap().paused = false;
    assert_eq!(bench.poll().unwrap(), [(0, 3)]);
}

fn failed(error: ErrorCode) -> PartitionData {
    PartitionData { error_code: error as i16, ..PartitionData::default() }
}

#[test]
fn errors_of_a_partition() {
    let mut bench = Bench::new(AutoOffsetReset::Earliest);
    bench.add(0, 0, failed(ErrorCode::NotLeaderOrFollower));
    let collected = bench.buffer.collect(&mut bench.state, bench.options).unwrap();
    assert!(collected.refresh_metadata);
    assert_eq!(bench.state.fetchable(49, |_| true).len(), 1, "not at once again");
    assert_eq!(bench.state.fetchable(50, |_| true).len(), 2);

    bench.add(0, 0, failed(ErrorCode::OffsetOutOfRange));
    bench.poll().unwrap();
    assert!(bench.state.get(&tp(0)).unwrap().is_awaiting_reset());

    bench.add(1, 0, failed(ErrorCode::TopicAuthorizationFailed));
    assert_eq!(bench.poll().unwrap_err(), "Not authorized to access topics: [t]");
    assert_eq!(bench.poll().unwrap(), [], "told once");
}

#[test]
fn out_of_range_without_a_strategy_is_an_error_but_not_of_a_follower() {
    let mut bench = Bench::new(AutoOffsetReset::None);
    bench.state.assigned(&tp(0)).unwrap().update_preferred_read_replica(2, 100);
    bench.add(0, 0, failed(ErrorCode::OffsetOutOfRange));
    bench.poll().unwrap();
    assert_eq!(bench.state.assigned(&tp(0)).unwrap().preferred_read_replica(0), None);
    bench.add(0, 0, failed(ErrorCode::OffsetOutOfRange));
    assert!(bench.poll().unwrap_err().contains("Fetch position 0 is out of range for partition t-0"));
}

#[test]
fn an_error_behind_records_waits_for_the_next_poll() {
    let mut bench = Bench::new(AutoOffsetReset::Latest);
    bench.add(0, 0, data(&[plain(0, 1)]));
    bench.add(1, 0, failed(ErrorCode::TopicAuthorizationFailed));
    assert_eq!(bench.poll().unwrap(), [(0, 0)]);
    bench.poll().unwrap_err();
}

#[test]
fn answers_tell_of_the_partition() {
    let mut bench = Bench::new(AutoOffsetReset::Latest);
    let told = PartitionData {
        high_watermark: 9,
        last_stable_offset: 8,
        log_start_offset: 0,
        preferred_read_replica: 3,
        ..PartitionData::default()
    };
    bench.add(0, 0, told);
    bench.poll().unwrap();
    assert_eq!(bench.state.lag(&tp(0), IsolationLevel::ReadUncommitted), Some(9));
    assert_eq!(bench.state.lag(&tp(0), IsolationLevel::ReadCommitted), Some(8));
    assert_eq!(bench.state.assigned(&tp(0)).unwrap().preferred_read_replica(100), Some(3));
    bench.add(1, 0, data(&[plain(0, 1).slice(..40)]));
    assert!(bench.poll().unwrap_err().contains("no complete records were found"));
}

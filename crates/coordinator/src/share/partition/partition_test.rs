//! One operation at a time.

use ottla_protocol::Str;

use super::*;

const LOCK_MS: i64 = 30_000;

fn log(batches: &[(i64, i64)]) -> Vec<FetchedBatch> {
    let batch = |&(base_offset, last_offset): &(i64, i64)| FetchedBatch {
        base_offset,
        last_offset,
        producer_id: -1,
        is_transactional: false,
        is_abort_marker: false,
    };
    batches.iter().map(batch).collect()
}

fn partition(start_offset: i64, batches: &[(i64, i64, RecordState, i16)]) -> SharePartition {
    let batches: Vec<StateBatch> = batches
        .iter()
        .map(|&(first_offset, last_offset, state, delivery_count)| StateBatch {
            first_offset,
            last_offset,
            delivery_state: state.id(),
            delivery_count,
        })
        .collect();
    SharePartition::new(SharePartitionConfig::default(), 3, 7, start_offset, &batches).unwrap()
}

fn acquire_with(
    partition: &mut SharePartition,
    member: &str,
    mode: AcquireMode,
    (batch_size, max_records): (i32, i32),
    batches: &[(i64, i64)],
    now_ms: i64,
) -> Vec<(i64, i64, i16)> {
    let fetch_offset = partition.next_fetch_offset();
    let request = Acquire {
        member_id: &Str::from(member),
        mode,
        batch_size,
        max_records,
        fetch_offset,
        batches: &log(batches),
        aborted_transactions: &[],
    };
    let taken = partition.acquire(&request, now_ms);
    taken.iter().map(|taken| (taken.first_offset, taken.last_offset, taken.delivery_count)).collect()
}

fn acquire(partition: &mut SharePartition, member: &str, batches: &[(i64, i64)]) -> Vec<(i64, i64, i16)> {
    acquire_with(partition, member, AcquireMode::BatchOptimized, (500, 500), batches, 0)
}

fn acknowledge(
    partition: &mut SharePartition,
    member: &str,
    first_offset: i64,
    last_offset: i64,
    types: &[i8],
) -> Result<Option<PendingWrite>, AcknowledgeError> {
    let batch = AcknowledgementBatch { first_offset, last_offset, acknowledge_types: types.to_vec() };
    partition.acknowledge(&member.into(), &[batch], 0)
}

fn state(partition: &SharePartition, offset: i64) -> Option<(RecordState, i16)> {
    partition.record(offset).map(|(state, delivery_count, _)| (state, delivery_count))
}

fn states(write: &PendingWrite) -> Vec<(i64, i64, i8, i16)> {
    let of = |batch: &StateBatch| {
        (batch.first_offset, batch.last_offset, batch.delivery_state, batch.delivery_count)
    };
    write.state_batches.iter().map(of).collect()
}

#[test]
fn accepted_records_move_the_start_offset_once_written() {
    let mut partition = partition(0, &[]);
    assert_eq!(acquire(&mut partition, "a", &[(0, 4), (5, 9)]), [(0, 9, 1)]);
    assert_eq!(partition.next_fetch_offset(), 10);
    let write = acknowledge(&mut partition, "a", 0, 9, &[1]).unwrap().unwrap();
    assert_eq!((write.state_epoch, write.leader_epoch, write.start_offset), (7, 3, 0));
    assert_eq!(write.delivery_complete_count, 10);
    assert_eq!(states(&write), [(0, 9, 2, 1)]);
    assert_eq!(partition.start_offset(), 0);
    assert!(partition.complete_write(&write, true));
    assert_eq!((partition.start_offset(), partition.end_offset(), partition.locks_len()), (10, 10, 0));
    assert_eq!(partition.delivery_complete_count(), 0);
}

#[test]
fn a_failed_write_takes_the_acknowledgement_back() {
    let mut partition = partition(0, &[]);
    acquire(&mut partition, "a", &[(0, 9)]);
    let write = acknowledge(&mut partition, "a", 0, 9, &[1]).unwrap().unwrap();
    assert!(partition.complete_write(&write, false));
    assert_eq!(state(&partition, 3), Some((RecordState::Acquired, 1)));
    assert_eq!(partition.delivery_complete_count(), 0);
    // Not so when the lock has run out meanwhile.
    let write = acknowledge(&mut partition, "a", 0, 9, &[1]).unwrap().unwrap();
    assert_eq!(partition.on_deadline(LOCK_MS), None);
    let _ = partition.complete_write(&write, false);
    assert_eq!(state(&partition, 3), Some((RecordState::Available, 1)));
    assert_eq!(partition.next_fetch_offset(), 0);
}

#[test]
fn records_acknowledged_one_by_one_go_different_ways() {
    let mut partition = partition(0, &[]);
    acquire(&mut partition, "a", &[(0, 4)]);
    let write = acknowledge(&mut partition, "a", 0, 4, &[1, 2, 3, 0, 1]).unwrap().unwrap();
    assert_eq!(states(&write), [(0, 0, 2, 1), (1, 1, 0, 1), (2, 2, 4, 1), (3, 3, 4, 1), (4, 4, 2, 1)]);
    let _ = partition.complete_write(&write, true);
    assert_eq!((partition.start_offset(), partition.delivery_complete_count()), (1, 3));
    assert_eq!(partition.next_fetch_offset(), 1);
    assert_eq!(acquire(&mut partition, "b", &[(0, 4)]), [(1, 1, 2)]);
    let write = acknowledge(&mut partition, "b", 1, 1, &[1]).unwrap().unwrap();
    let _ = partition.complete_write(&write, true);
    assert_eq!((partition.start_offset(), partition.in_flight_len()), (5, 0));
}

#[test]
fn only_the_owner_can_acknowledge_and_only_what_it_has() {
    let mut partition = partition(0, &[]);
    acquire(&mut partition, "a", &[(0, 4)]);
    let refused = |result: Result<_, AcknowledgeError>| result.unwrap_err().to_string();
    assert_eq!(
        refused(acknowledge(&mut partition, "b", 0, 4, &[1])),
        "Member is not the owner of batch record"
    );
    assert_eq!(
        refused(acknowledge(&mut partition, "a", 0, 7, &[1])),
        "Batch record not found. The last offset in request is past acquired records."
    );
    assert_eq!(
        refused(acknowledge(&mut partition, "a", 20, 21, &[1])),
        "Batch record not found. The first offset in request is past acquired records."
    );
    assert_eq!(refused(acknowledge(&mut partition, "a", 0, 4, &[9])), "Invalid acknowledge type: [9]");
    // A request that fails in the middle changes nothing.
    let write = acknowledge(&mut partition, "a", 2, 2, &[1]).unwrap().unwrap();
    assert!(acknowledge(&mut partition, "a", 0, 4, &[1]).is_err());
    assert_eq!(state(&partition, 0), Some((RecordState::Acquired, 1)));
    let _ = partition.complete_write(&write, true);
    assert_eq!(state(&partition, 2), Some((RecordState::Acknowledged, 1)));
}

#[test]
fn locks_run_out_and_can_be_renewed() {
    let mut partition = partition(0, &[]);
    acquire(&mut partition, "a", &[(0, 4)]);
    let renew = AcknowledgementBatch { first_offset: 0, last_offset: 4, acknowledge_types: vec![4] };
    assert_eq!(partition.acknowledge(&"a".into(), std::slice::from_ref(&renew), 20_000), Ok(None));
    assert_eq!(partition.next_deadline_ms(), Some(20_000 + LOCK_MS));
    assert_eq!(partition.on_deadline(LOCK_MS), None);
    let write = partition.on_deadline(20_000 + LOCK_MS).unwrap();
    assert_eq!(states(&write), [(0, 4, 0, 1)]);
    assert_eq!(acquire(&mut partition, "b", &[(0, 4)]), [(0, 4, 2)]);
    assert!(!partition.complete_write(&write, false), "such a write changes nothing when it fails");
    assert_eq!(state(&partition, 0), Some((RecordState::Acquired, 2)));
    partition.set_config(SharePartitionConfig { renew_acknowledge_enabled: false, ..Default::default() });
    assert!(partition.acknowledge(&"b".into(), &[renew], 0).is_err());
}

#[test]
fn a_member_that_leaves_gives_back_what_it_had() {
    let mut partition = partition(0, &[]);
    acquire(&mut partition, "a", &[(0, 4)]);
    acquire(&mut partition, "b", &[(5, 9)]);
    let write = partition.release_acquired_records(&"a".into()).unwrap();
    assert_eq!(states(&write), [(0, 4, 0, 1)]);
    assert_eq!(partition.next_fetch_offset(), 10, "in transition");
    assert!(partition.complete_write(&write, true));
    assert_eq!(partition.next_fetch_offset(), 0);
    assert_eq!(acquire(&mut partition, "b", &[(0, 4), (5, 9), (10, 14)]), [(0, 4, 2), (10, 14, 1)]);
    assert_eq!(partition.release_acquired_records(&"a".into()), None);
}

#[test]
fn records_that_were_delivered_often_enough_are_archived() {
    let mut partition = partition(0, &[]);
    for delivery_count in 1..=5 {
        let taken = acquire(&mut partition, "a", &[(0, 0)]);
        assert_eq!(taken, [(0, 0, delivery_count)]);
        let write = acknowledge(&mut partition, "a", 0, 0, &[2]).unwrap().unwrap();
        let _ = partition.complete_write(&write, true);
    }
    assert_eq!((partition.start_offset(), partition.in_flight_len()), (1, 0));
}

#[test]
fn bad_records_come_in_smaller_and_smaller_portions() {
    let mut partition = partition(0, &[(0, 15, RecordState::Available, 3)]);
    // The limit is 5 deliveries, half of it 3: the fourth brings half of the batch.
    assert_eq!(acquire(&mut partition, "a", &[(0, 15)]), [(0, 7, 4)]);
    let write = acknowledge(&mut partition, "a", 0, 7, &[2]).unwrap().unwrap();
    let _ = partition.complete_write(&write, true);
    // The fifth is the last: alone.
    assert_eq!(acquire(&mut partition, "a", &[(0, 15)]), [(0, 0, 5)]);
    assert_eq!(acquire(&mut partition, "b", &[(0, 15)]), [(1, 1, 5)]);
}

#[test]
fn the_limit_of_records_is_kept_or_rounded_up() {
    let limit = AcquireMode::RecordLimit;
    let mut one = partition(0, &[]);
    assert_eq!(acquire_with(&mut one, "a", limit, (500, 3), &[(0, 9)], 0), [(0, 2, 1)]);
    assert_eq!(one.next_fetch_offset(), 3);
    assert_eq!(acquire_with(&mut one, "b", limit, (500, 4), &[(0, 9)], 0), [(3, 6, 1)]);
    assert_eq!(acquire_with(&mut one, "b", limit, (500, 400), &[(0, 9)], 0), [(7, 9, 1)]);
    assert_eq!(one.next_fetch_offset(), 10);
    let mut rounded = partition(0, &[]);
    let batches = [(0, 9), (10, 19), (20, 29)];
    let mode = AcquireMode::BatchOptimized;
    assert_eq!(acquire_with(&mut rounded, "a", mode, (10, 13), &batches, 0), [(0, 9, 1), (10, 19, 1)]);
}

#[test]
fn no_more_than_so_many_records_are_locked() {
    let mut partition = partition(0, &[]);
    partition.set_config(SharePartitionConfig { max_in_flight_records: 10, ..Default::default() });
    assert_eq!(acquire(&mut partition, "a", &[(0, 4), (5, 11), (12, 20)]), [(0, 11, 1)]);
    assert!(!partition.can_acquire_records());
    let write = acknowledge(&mut partition, "a", 3, 4, &[2]).unwrap().unwrap();
    let _ = partition.complete_write(&write, true);
    assert!(partition.can_acquire_records(), "what is in flight already may be had again");
    assert_eq!(acquire(&mut partition, "b", &[(0, 4), (5, 11), (12, 20)]), [(3, 4, 2)]);
}

#[test]
fn offsets_that_the_state_says_nothing_of_are_delivered() {
    let acknowledged = RecordState::Acknowledged;
    let mut partition = partition(0, &[(5, 9, acknowledged, 1), (15, 19, RecordState::Available, 1)]);
    assert_eq!(partition.next_fetch_offset(), 0);
    let batches = [(0, 4), (5, 9), (10, 14), (15, 19), (20, 24)];
    assert_eq!(acquire(&mut partition, "a", &batches), [(0, 4, 1), (10, 14, 1), (15, 19, 2), (20, 24, 1)]);
    for (first_offset, last_offset) in [(0, 4), (10, 14), (15, 19), (20, 24)] {
        let write = acknowledge(&mut partition, "a", first_offset, last_offset, &[1]).unwrap().unwrap();
        let _ = partition.complete_write(&write, true);
    }
    assert_eq!((partition.start_offset(), partition.in_flight_len()), (25, 0));
}

#[test]
fn what_was_compacted_away_is_archived() {
    let mut partition = partition(0, &[]);
    acquire(&mut partition, "a", &[(0, 9)]);
    let write = partition.release_acquired_records(&"a".into()).unwrap();
    let _ = partition.complete_write(&write, true);
    assert_eq!(partition.next_fetch_offset(), 0);
    assert_eq!(acquire(&mut partition, "a", &[(20, 24)]), [(20, 24, 1)]);
    assert_eq!(partition.start_offset(), 20);
    let write = acknowledge(&mut partition, "a", 20, 24, &[1]).unwrap().unwrap();
    let _ = partition.complete_write(&write, true);
    assert_eq!((partition.start_offset(), partition.in_flight_len()), (25, 0));
}

#[test]
fn the_start_of_the_log_moves() {
    let mut one = partition(0, &[]);
    one.on_log_start_offset(10);
    assert_eq!((one.start_offset(), one.end_offset()), (10, 10));
    let mut two = partition(0, &[]);
    acquire(&mut two, "a", &[(0, 9)]);
    acquire(&mut two, "a", &[(10, 19)]);
    let write = acknowledge(&mut two, "a", 0, 9, &[2]).unwrap().unwrap();
    let _ = two.complete_write(&write, true);
    two.on_log_start_offset(5);
    assert_eq!(state(&two, 4), Some((RecordState::Archived, 1)));
    assert_eq!(state(&two, 5), Some((RecordState::Available, 1)));
    two.on_log_start_offset(15);
    assert_eq!(state(&two, 12), Some((RecordState::Acquired, 1)), "its owner still has it");
    let write = acknowledge(&mut two, "a", 10, 19, &[1]).unwrap().unwrap();
    assert_eq!(write.state_batches.first().map(|batch| batch.first_offset), Some(15));
    let _ = two.complete_write(&write, true);
    // Below the start offset nothing is waited for.
    assert_eq!((two.start_offset(), two.in_flight_len(), two.locks_len()), (20, 0, 0));
    two.on_log_start_offset(2);
    assert_eq!(two.start_offset(), 20);
}

#[test]
fn aborted_records_are_not_delivered() {
    let mut partition = partition(0, &[]);
    let batch = |base_offset, last_offset, producer_id| FetchedBatch {
        base_offset,
        last_offset,
        producer_id,
        is_transactional: producer_id >= 0,
        is_abort_marker: false,
    };
    let marker = FetchedBatch { is_abort_marker: true, ..batch(10, 10, 8) };
    let batches = [batch(0, 2, -1), batch(3, 5, 8), batch(6, 9, 9), marker, batch(11, 12, 8)];
    let aborted = [AbortedTransaction { producer_id: 8, first_offset: 3 }];
    let request = Acquire {
        member_id: &"a".into(),
        mode: AcquireMode::BatchOptimized,
        batch_size: 500,
        max_records: 500,
        fetch_offset: 0,
        batches: &batches,
        aborted_transactions: &aborted,
    };
    let taken: Vec<_> =
        partition.acquire(&request, 0).iter().map(|taken| (taken.first_offset, taken.last_offset)).collect();
    assert_eq!(taken, [(0, 2), (6, 12)]);
    assert_eq!(state(&partition, 4), Some((RecordState::Archived, 1)));
    assert_eq!(partition.delivery_complete_count(), 3);
}

#[test]
fn state_that_makes_no_sense_is_refused() {
    let check = |start_offset, first_offset, last_offset, delivery_state| {
        let batch = StateBatch { first_offset, last_offset, delivery_state, delivery_count: 1 };
        SharePartition::new(SharePartitionConfig::default(), 0, 0, start_offset, &[batch]).map(drop)
    };
    assert_eq!(check(0, 0, 9, 0), Ok(()));
    assert_eq!(check(5, 0, 9, 0), Err(InvalidState::BeforeStart { first_offset: 0, start_offset: 5 }));
    assert!(matches!(check(0, 9, 0, 0), Err(InvalidState::Range { .. })));
    assert!(matches!(check(0, 0, i64::MAX, 0), Err(InvalidState::Range { .. })));
    assert_eq!(check(0, 0, 9, 7), Err(InvalidState::State(7)));
}

#[test]
fn holes_behind_what_is_done_with_do_not_stop_a_partition_that_is_full() {
    // The log's compaction has removed 4 to 6 and 9 to 13; the persister knows of what is between and behind.
    let known = [
        (7, 7, RecordState::Acknowledged, 1),
        (8, 8, RecordState::Archived, 1),
        (14, 15, RecordState::Archived, 3),
    ];
    let mut partition = partition(4, &known);
    partition.set_config(SharePartitionConfig { max_in_flight_records: 10, ..Default::default() });
    // A read brings one batch.
    for _ in 0..3 {
        let fetch_offset = partition.next_fetch_offset();
        let read = [(7, 7), (8, 8), (14, 15), (16, 20)].into_iter().find(|(_, last)| *last >= fetch_offset);
        acquire(&mut partition, "a", read.as_slice());
    }
    assert_eq!(state(&partition, 16), Some((RecordState::Acquired, 1)), "{partition:?}");
}

#[test]
fn what_is_below_the_start_offset_is_not_taken_again() {
    let mut partition = partition(0, &[]);
    acquire(&mut partition, "a", &[(0, 9)]);
    // The log begins in the middle of what is given back, locks run out meanwhile, and the write fails.
    partition.on_log_start_offset(3);
    let write = partition.release_acquired_records(&"a".into()).unwrap();
    partition.on_deadline(LOCK_MS);
    let _ = partition.complete_write(&write, false);
    assert_eq!(acquire(&mut partition, "b", &[(0, 9)]), [(3, 9, 2)]);
}

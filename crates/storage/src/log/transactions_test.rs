//! Transactions as the log sees them.

use ottla_protocol::ErrorCode;
use ottla_protocol::records::{AppendOrigin, EndTransactionMarker, end_transaction_batch};

use super::*;
use crate::context::ContextOptions;
use crate::producer_state::append_info::TransactionVersion;
use crate::producer_state::verification::VerificationGuard;
use crate::test_support::*;

#[test]
fn the_last_stable_offset_waits_for_the_first_open_transaction() {
    let f = Fixture::new();
    let stable = || {
        f.log.set_high_watermark(f.log.log_end_offset());
        f.log.last_stable_offset()
    };
    f.append(&record(10));
    assert_eq!(stable(), 1);
    f.append(&transactional(1, 0, 0, 2)); // 1..3
    assert_eq!(stable(), 1);
    f.append(&transactional(2, 0, 0, 2)); // 3..5
    f.end_txn(1, 0, true).expect("commit"); // 5
    assert_eq!(stable(), 3, "the second is open");
    f.end_txn(2, 0, false).expect("abort"); // 6
    assert_eq!(stable(), 7);
    assert_eq!(f.log.first_unstable_offset(), None);
}

#[test]
fn an_end_counts_when_it_is_replicated() {
    let f = Fixture::new();
    f.append(&transactional(1, 0, 0, 3));
    f.end_txn(1, 0, true).expect("commit");
    f.append(&record(10));
    f.log.set_high_watermark(3);
    assert_eq!(f.log.last_stable_offset(), 0);
    f.log.set_high_watermark(4);
    assert_eq!(f.log.last_stable_offset(), 4);
}

#[test]
fn read_committed_sees_what_is_decided() {
    let f = Fixture::with(LogConfig { segment_bytes: 1000, index_interval_bytes: 100, ..Default::default() });
    let mut aborted = Vec::new();
    for i in 0..30 {
        f.append(&transactional(1, 0, i * 2, 2));
        f.append(&idempotent(2, 0, i, 1));
        let commit = i % 4 != 0;
        let end = f.end_txn(1, 0, commit).expect("marker");
        if !commit {
            aborted.push((i64::from(i) * 4, end.last_offset));
        }
    }
    f.append(&transactional(1, 0, 60, 2));
    f.log.set_high_watermark(f.log.log_end_offset());
    let stable = f.log.last_stable_offset();
    assert_eq!(stable, 120);
    let options =
        |offset| ReadOptions { offset, max_bytes: 300, min_one_message: true, on_cold: OnCold::Wait };
    let mut offset = 0;
    while offset < stable {
        let data = f.log.read_committed(options(offset)).expect("read");
        let offsets = offsets_of(&bytes_of(&data));
        let last = offsets.last().expect("some").1;
        assert!(last < stable);
        for (first, end) in &aborted {
            let overlaps = *end >= offset && *first <= last;
            let listed = data.aborted_transactions.iter().any(|a| a.first_offset == *first);
            assert!(listed || !overlaps, "{offset}..={last} needs the transaction at {first}");
            if listed {
                assert!(*end >= offset, "the transaction at {first} is over before {offset}");
            }
        }
        offset = last + 1;
    }
    let data = f.log.read_committed(options(stable)).expect("read");
    assert!(data.pieces.is_empty() && data.aborted_transactions.is_empty());
}

#[test]
fn states_that_do_not_fit_are_refused() {
    let f = Fixture::new();
    let code = |result: Result<AppendInfo, AppendError>| result.expect_err("refused").code();
    f.append(&transactional(1, 3, 0, 1));
    assert_eq!(code(f.try_append(&idempotent(1, 3, 1, 1))), ErrorCode::InvalidTxnState);
    assert_eq!(code(f.end_txn(1, 2, true)), ErrorCode::InvalidProducerEpoch);
    f.end_txn(1, 3, true).expect("commit");
    f.end_txn(1, 3, true).expect("a marker without a transaction is written and has no effect");
    f.end_txn(1, 4, false).expect("a marker may bring a new epoch");
    assert_eq!(code(f.try_append(&transactional(1, 3, 1, 1))), ErrorCode::InvalidProducerEpoch);
    f.append(&transactional(1, 4, 0, 1));
    let marker = EndTransactionMarker { committed: true, coordinator_epoch: 5 };
    let options = AppendOptions { origin: AppendOrigin::Coordinator, now_ms: NOW, ..Default::default() };
    let batch = end_transaction_batch(1, 4, NOW, marker).expect("marker");
    f.log.append_as_leader(&batch, &options).expect("commit");
    assert_eq!(code(f.end_txn(1, 4, true)), ErrorCode::TransactionCoordinatorFenced);
}

#[test]
fn markers_of_transactions_v2_need_a_new_epoch() {
    let f = Fixture::new();
    f.append(&transactional(1, 3, 0, 1));
    let end = |epoch| {
        let marker = EndTransactionMarker { committed: true, coordinator_epoch: 0 };
        let options = AppendOptions {
            origin: AppendOrigin::Coordinator,
            transaction_version: TransactionVersion::V2,
            now_ms: NOW,
            ..Default::default()
        };
        f.log.append_as_leader(&end_transaction_batch(1, epoch, NOW, marker).expect("marker"), &options)
    };
    assert_eq!(end(3).expect_err("same epoch").code(), ErrorCode::InvalidProducerEpoch);
    end(4).expect("new epoch");
    end(4).expect("the coordinator may repeat itself");
    assert_eq!(end(3).expect_err("old epoch").code(), ErrorCode::InvalidProducerEpoch);
}

#[test]
fn transactional_appends_need_a_verified_transaction() {
    let mut f = Fixture::new();
    f.log.abandon();
    f.context = StorageContext::new(&ContextOptions::default());
    f.log = PartitionLog::open(&f.context, &f.log_dir, &f.dir(), &f.options).expect("open");
    let append = |sequence, guard| {
        let options = AppendOptions { now_ms: NOW, verification_guard: guard, ..Default::default() };
        f.log.append_as_leader(&transactional(1, 0, sequence, 1), &options)
    };
    let start = |sequence| f.log.start_transaction_verification(1, sequence, 0, false, NOW).expect("start");
    let refused = append(0, VerificationGuard::SENTINEL).expect_err("no guard");
    assert_eq!(refused.code(), ErrorCode::InvalidTxnState);
    let guard = start(0);
    assert_eq!(start(0), guard, "the same verification");
    // Another request overtook the one with the lowest sequence.
    let overtaken = append(1, guard).expect_err("order");
    assert_eq!(overtaken.code(), ErrorCode::OutOfOrderSequenceNumber);
    append(0, guard).expect("verified");
    assert_eq!(start(1), VerificationGuard::SENTINEL, "the transaction is open now");
    append(1, VerificationGuard::SENTINEL).expect("open");
    f.end_txn(1, 0, true).expect("commit");
    // A late answer for the transaction before does not open the next one.
    assert_eq!(append(2, guard).expect_err("stale").code(), ErrorCode::InvalidTxnState);
    let stale = f.log.start_transaction_verification(1, 0, -1, false, NOW).expect_err("epoch");
    assert_eq!(stale.error, ErrorCode::InvalidProducerEpoch);
}

#[test]
fn late_transactions_are_seen() {
    let f = Fixture::new();
    f.append(&transactional(1, 0, 0, 1));
    let late = 15 * 60 * 1000 + 5 * 60 * 1000;
    assert!(!f.log.has_late_transaction(NOW + late));
    assert!(f.log.has_late_transaction(NOW + late + 1));
    f.log.remove_expired_producers(NOW + 1_000_000_000);
    assert_eq!(f.log.active_producers()[0].current_txn_start_offset, 0, "not while a transaction is open");
}

#[test]
fn a_transaction_whose_start_was_deleted_is_unstable_from_the_start() {
    let f = Fixture::new();
    f.append(&transactional(1, 0, 0, 5));
    f.append(&record(10));
    f.log.set_high_watermark(6);
    f.log.delete_records_before(3).expect("delete");
    assert_eq!(f.log.first_unstable_offset(), Some(3));
    assert_eq!(f.log.last_stable_offset(), 3);
}

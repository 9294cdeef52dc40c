//! Share fetches of a log, with a keeper or with the test in its place.

use std::pin::pin;
use std::time::Duration;

use ottla_coordinator::share::coordinator::{ReadState, SharePartitionKey};
use ottla_coordinator::share::partition::{AcquireMode, StateBatch};
use ottla_protocol::{ErrorCode, Uuid};
use ottla_storage::{ContextOptions, LogDir, OnCold, Piece, ReadOptions, StorageContext};

use self::slow_disks::ColdDisk;
use super::testing::*;
use super::*;

#[path = "../../../storage/src/test_support/slow_disks.rs"]
mod slow_disks;

const DONE: Result<(), ShareError> = Ok(());

/// A fetch that is patient.
fn patient(fetch: ShareFetch) -> ShareFetch {
    ShareFetch { max_wait: Duration::from_secs(600), ..fetch }
}

#[tokio::test]
async fn members_get_different_records_and_what_is_accepted_does_not_come_back() {
    let (fixture, _task) = Fixture::new();
    fixture.loaded();
    for _ in 0..3 {
        fixture.append(10);
    }
    let fetched = fixture.run(&fixture.request("a", 10)).await;
    assert_eq!(acquired(&fetched), [(0, 9, 1)]);
    let taken = fetched[0].result.as_ref().expect("records");
    let bytes: usize = taken.pieces.iter().map(Piece::len).sum();
    assert_eq!(bytes, taken.size);
    assert_eq!(
        batches::scan(&taken.pieces, i64::MAX).expect("batches").len(),
        1,
        "only what was acquired is sent"
    );
    assert_eq!(fixture.take("b", 15).await, [(10, 29, 1)]);
    assert_eq!(fixture.take("c", 10).await, []);

    let accepting = fixture.acknowledge("a", (0, 9), 1);
    let written = fixture.keep(&DONE);
    let batch = StateBatch { first_offset: 0, last_offset: 9, delivery_state: 2, delivery_count: 1 };
    assert_eq!(written.len(), 1);
    assert_eq!((&written[0].state_batches[..], written[0].start_offset), (&[batch][..], 0));
    assert_eq!(accepting.finish().await[0].result, Ok(()));

    let releasing = fixture.acknowledge("b", (10, 14), 2);
    assert_eq!(fixture.keep(&DONE)[0].start_offset, 10);
    assert_eq!(releasing.finish().await[0].result, Ok(()));
    assert_eq!(fixture.take("a", 10).await, [(10, 14, 2)]);
}

#[tokio::test]
async fn acknowledging_what_another_member_has_is_refused() {
    let (fixture, _task) = Fixture::new();
    fixture.loaded();
    fixture.append(10);
    assert_eq!(fixture.take("a", 10).await, [(0, 9, 1)]);
    let code = async |acknowledging: manager::Acknowledging| {
        acknowledging.finish().await[0].result.clone().expect_err("refused").code
    };
    assert_eq!(code(fixture.acknowledge("b", (0, 9), 1)).await, ErrorCode::InvalidRecordState);
    assert_eq!(code(fixture.acknowledge("a", (0, 20), 1)).await, ErrorCode::InvalidRequest);
    let elsewhere = fixture.manager.acknowledge("other", &"a".into(), vec![(TOPIC, 0, vec![])], NOW_MS);
    assert_eq!(code(elsewhere).await, ErrorCode::UnknownTopicOrPartition);
    assert!(fixture.keep(&DONE).is_empty());
}

#[tokio::test]
async fn locks_run_out() {
    let (fixture, _task) = Fixture::new();
    fixture.loaded();
    fixture.append(10);
    assert_eq!(fixture.take("a", 10).await, [(0, 9, 1)]);
    fixture.now_ms.set(NOW_MS + LOCK_MS - 1);
    assert!(fixture.keep(&DONE).is_empty());
    assert_eq!(fixture.take("b", 10).await, []);
    fixture.now_ms.set(NOW_MS + LOCK_MS);
    let request = patient(fixture.request("b", 10));
    let mut waiting = pin!(fixture.run(&request));
    assert!(poll_once(&mut waiting).await.is_none());
    let written = fixture.keep(&DONE);
    assert_eq!((written[0].state_batches[0].delivery_state, written[0].state_batches[0].last_offset), (0, 9));
    let fetched = poll_once(&mut waiting).await.expect("woken");
    assert_eq!(acquired(&fetched), [(0, 9, 2)]);
}

#[tokio::test]
async fn a_write_that_fails_leaves_the_records_with_their_owner() {
    let (fixture, _task) = Fixture::new();
    fixture.loaded();
    fixture.append(10);
    assert_eq!(fixture.take("a", 10).await, [(0, 9, 1)]);
    let accepting = fixture.acknowledge("a", (0, 9), 1);
    fixture.keep(&Err(ErrorCode::CoordinatorNotAvailable.into()));
    let outcome = accepting.finish().await.remove(0).result;
    assert_eq!(outcome.expect_err("not written").code, ErrorCode::CoordinatorNotAvailable);
    assert_eq!(fixture.take("b", 10).await, []);
    let accepting = fixture.acknowledge("a", (0, 9), 1);
    fixture.keep(&DONE);
    assert_eq!(accepting.finish().await[0].result, Ok(()));
}

#[tokio::test]
async fn waits_for_records_and_for_enough_of_them() {
    let (fixture, _task) = Fixture::new();
    fixture.loaded();
    let request = patient(ShareFetch { min_bytes: 400, ..fixture.request("a", 100) });
    let mut waiting = pin!(fixture.run(&request));
    assert!(poll_once(&mut waiting).await.is_none());
    fixture.append(10);
    assert!(poll_once(&mut waiting).await.is_none(), "some 230 bytes are not enough");
    fixture.append(10);
    let fetched = poll_once(&mut waiting).await.expect("woken");
    assert_eq!(acquired(&fetched), [(0, 19, 1)]);
    let none = ShareFetch { max_records: 0, ..fixture.request("a", 0) };
    assert!(fixture.run(&none).await.is_empty());
}

#[tokio::test]
async fn two_wait_and_one_gets_the_record() {
    let (fixture, _task) = Fixture::new();
    fixture.loaded();
    let (a, b) = (patient(fixture.request("a", 10)), patient(fixture.request("b", 10)));
    let (mut a, mut b) = (pin!(fixture.run(&a)), pin!(fixture.run(&b)));
    assert!(poll_once(&mut a).await.is_none() && poll_once(&mut b).await.is_none());
    fixture.append(1);
    assert_eq!(acquired(&poll_once(&mut a).await.expect("woken")), [(0, 0, 1)]);
    assert!(poll_once(&mut b).await.is_none());
    // What the first gives back is for the second.
    let releasing = fixture.acknowledge("a", (0, 0), 2);
    fixture.keep(&DONE);
    assert_eq!(releasing.finish().await[0].result, Ok(()));
    assert_eq!(acquired(&poll_once(&mut b).await.expect("woken")), [(0, 0, 2)]);
}

/// Two batches of ten records that are in files only.
fn on_disk(fixture: &Fixture) {
    fixture.append(10);
    fixture.append(10);
    fixture.partition.replace_log(None);
    let log = open_log(fixture.dir.path());
    log.set_high_watermark(log.log_end_offset());
    fixture.partition.replace_log(Some(log));
}

#[tokio::test]
async fn records_in_files_leave_as_they_lie_there() {
    let (fixture, _task) = Fixture::new();
    on_disk(&fixture);
    fixture.loaded();
    let fetched = fixture.run(&fixture.request("a", 10)).await;
    assert_eq!(acquired(&fetched), [(0, 9, 1)]);
    let taken = fetched[0].result.as_ref().expect("records");
    assert!(matches!(taken.pieces[..], [Piece::File(_)]), "{:?}", taken.pieces);
}

#[tokio::test]
async fn a_member_waits_for_the_disk_that_knows_where_its_records_are() {
    let (fixture, _task) = Fixture::new();
    on_disk(&fixture);
    let (disk, path) = (ColdDisk::new(), fixture.dir.path().to_path_buf());
    let (context, log_dir) =
        (StorageContext::new(&ContextOptions::default()), LogDir::new(path, Uuid::ZERO, disk.clone(), None));
    let log = open_log_in(&context, &log_dir);
    log.set_high_watermark(log.log_end_offset());
    fixture.partition.replace_log(Some(log));
    fixture.loaded();
    disk.evict(&fixture.dir.path().join("t-0"));
    disk.gate.close();
    let a = patient(ShareFetch { min_bytes: 100, ..fixture.request("a", 10) });
    let mut a = pin!(fixture.run(&a));
    assert!(poll_once(&mut a).await.is_none());
    disk.gate.until_somebody_waits();
    fixture.append(10);
    disk.gate.open();
    assert_eq!(acquired(&a.await), [(0, 9, 1)]);
    assert!(disk.warmed() > 0);
    assert_eq!(acquired(&fixture.run(&fixture.request("b", 10)).await), [(10, 19, 1)]);
}

#[tokio::test]
async fn records_on_disk_are_for_one_member_while_they_are_looked_at() {
    let (fixture, _task) = Fixture::new();
    on_disk(&fixture);
    let shared = fixture.loaded();
    let settings = *fixture.settings.lock();
    let options = ReadOptions { offset: 0, max_bytes: 1 << 20, min_one_message: true, on_cold: OnCold::Wait };
    let read = fixture.partition.read(options, settings.bound).expect("reads");
    let cold = shared.cold_read(&mut shared.state.lock(), 0, read, 9);
    let b = patient(fixture.request("b", 10));
    let mut b = pin!(fixture.run(&b));
    assert!(poll_once(&mut b).await.is_none());
    let found = batches::scan(&cold.pieces(), cold.last_offset).expect("batches");
    assert_eq!(found.len(), 1, "what nobody will be given is not looked at");
    let a = &"a".into();
    let wanted = take::Wanted {
        member_id: a,
        settings: &settings,
        mode: AcquireMode::BatchOptimized,
        batch_size: 10,
        max_records: 10,
        max_bytes: 1 << 20,
        min_one_message: true,
        on_cold: OnCold::Wait,
        now_ms: NOW_MS,
    };
    let take::Taken::Records(taken) = cold.finish(&found, &wanted) else { panic!("no records") };
    assert_eq!((taken.acquired[0].first_offset, taken.acquired[0].last_offset), (0, 9));
    assert_eq!(acquired(&b.await), [(10, 19, 1)]);
}

#[tokio::test]
async fn records_that_were_deleted_are_passed_over() {
    let (fixture, _task) = Fixture::new();
    fixture.loaded();
    for _ in 0..3 {
        fixture.append(10);
    }
    let log = fixture.partition.log().expect("a log");
    log.delete_records_before(20).expect("deleted");
    assert_eq!(fixture.take("a", 100).await, [(20, 29, 1)]);
}

#[tokio::test]
async fn a_partition_that_is_gone_is_answered_at_once() {
    let (fixture, _task) = Fixture::new();
    fixture.loaded();
    let request = patient(fixture.request("a", 10));
    let mut waiting = pin!(fixture.run(&request));
    assert!(poll_once(&mut waiting).await.is_none());
    fixture.manager.topics_deleted(&[TOPIC]);
    let fetched = poll_once(&mut waiting).await.expect("woken");
    let error = fetched[0].result.as_ref().expect_err("gone");
    assert_eq!(error.code, ErrorCode::UnknownTopicOrPartition);
    assert!(fixture.manager.is_empty());
    let elsewhere = ShareFetch { partitions: vec![(TOPIC, 7)], ..fixture.request("a", 10) };
    let fetched = fixture.run(&elsewhere).await;
    assert_eq!(fetched[0].result.as_ref().expect_err("not here").code, ErrorCode::NotLeaderOrFollower);
}

fn open(fixture: &Fixture, member_id: &str, connection: &ConnectionGuard) {
    let named = vec![SharedTopicPartition { topic_id: TOPIC, partition: 0, is_known: true }];
    let request = SessionRequest {
        group_id: "g".into(),
        member_id: member_id.into(),
        epoch: INITIAL_EPOCH,
        named,
        forgotten: Vec::new(),
        has_acknowledgements: false,
        connection: connection.id(),
    };
    fixture.manager.sessions.context(request).expect("a session");
}

#[tokio::test]
async fn the_end_of_a_session_releases_and_the_end_of_a_group_forgets() {
    let (fixture, _task) = Fixture::new();
    fixture.loaded();
    fixture.append(10);
    fixture.append(10);
    let (a, b) = (fixture.manager.connection(), fixture.manager.connection());
    open(&fixture, "a", &a);
    open(&fixture, "b", &b);
    assert_eq!(fixture.take("a", 10).await, [(0, 9, 1)]);
    assert_eq!(fixture.take("b", 10).await, [(10, 19, 1)]);
    fixture.manager.release_session(&"g".into(), &"a".into());
    assert_eq!(fixture.keep(&DONE)[0].state_batches[0].last_offset, 9);
    assert_eq!(fixture.take("b", 10).await, [(0, 9, 2)]);
    drop(a);
    let shared = fixture.manager.get("g", TOPIC, 0).expect("there");
    assert!(!shared.may_retire(), "a member is left");
    drop(b);
    assert!(!shared.may_retire(), "what it owned is not written yet");
    assert_eq!(fixture.keep(&DONE).len(), 1);
    assert!(shared.may_retire());
    fixture.manager.take_away_retired(&shared);
    assert!(fixture.manager.is_empty() && fixture.manager.sessions.is_empty());
}

#[tokio::test]
async fn a_keeper_reads_and_writes_the_state() {
    let (fixture, task) = Fixture::new();
    tokio::spawn(task);
    fixture.now_ms.set(crate::clock::now_ms());
    fixture.append(10);
    fixture.append(10);
    let key = SharePartitionKey { group_id: "g".into(), topic_id: TOPIC, partition: 0 };
    let batch = StateBatch { first_offset: 5, last_offset: 9, delivery_state: 0, delivery_count: 3 };
    let state = ReadState { state_epoch: 4, start_offset: 5, state_batches: vec![batch] };
    fixture.persister.0.lock().states.insert(key, state);
    let fetched = fixture.run(&patient(fixture.request("a", 100))).await;
    assert_eq!(acquired(&fetched)[0].0, 5);
    assert_eq!(acquired(&fetched)[0].2, 4);
    let last_offset = acquired(&fetched)[0].1;
    let accepting = fixture.acknowledge("a", (5, last_offset), 1);
    assert_eq!(accepting.finish().await[0].result, Ok(()));
    let written = fixture.persister.0.lock().writes.remove(0);
    assert_eq!((written.state_epoch, written.state_batches[0].delivery_state), (4, 2));
}

#[tokio::test]
async fn a_group_that_is_new_begins_where_its_settings_say() {
    for (reset, expected) in [(AutoOffsetReset::Earliest, 0), (AutoOffsetReset::Latest, 10)] {
        let (fixture, task) = Fixture::new();
        tokio::spawn(task);
        fixture.settings.lock().auto_offset_reset = reset;
        fixture.now_ms.set(crate::clock::now_ms());
        fixture.append(10);
        let request = patient(fixture.request("a", 10));
        let mut waiting = pin!(fixture.run(&request));
        let mut fetched = poll_once(&mut waiting).await;
        // The keeper has its turn here.
        while fetched.is_none() && matches!(shared_turn(&fixture), take::Turn::Busy) {
            tokio::task::yield_now().await;
            fetched = poll_once(&mut waiting).await;
        }
        if fetched.is_none() {
            fixture.append(10);
            fetched = Some(waiting.await);
        }
        assert_eq!(acquired(&fetched.expect("records"))[0].0, expected, "{reset:?}");
    }
}

fn shared_turn(fixture: &Fixture) -> take::Turn {
    fixture.manager.get("g", TOPIC, 0).expect("there").turn(&SETTINGS)
}

#[tokio::test]
async fn who_is_fenced_is_told_and_begins_anew() {
    let (fixture, task) = Fixture::new();
    tokio::spawn(task);
    fixture.now_ms.set(crate::clock::now_ms());
    fixture.append(10);
    let fetched = fixture.run(&patient(fixture.request("a", 10))).await;
    assert_eq!(acquired(&fetched), [(0, 9, 1)]);
    fixture.persister.0.lock().error = Some(ErrorCode::FencedStateEpoch.into());
    let outcome = fixture.acknowledge("a", (0, 9), 1).finish().await.remove(0).result;
    assert_eq!(outcome.expect_err("fenced").code, ErrorCode::NotLeaderOrFollower);
    fixture.persister.0.lock().error = Some(ErrorCode::GroupIdNotFound.into());
    // Once the keeper has taken the partition away, the state is read again, which fails now.
    while fixture.manager.get("g", TOPIC, 0).is_some() {
        tokio::task::yield_now().await;
    }
    let fetched = fixture.run(&patient(fixture.request("a", 10))).await;
    assert_eq!(fetched[0].result.as_ref().expect_err("no group").code, ErrorCode::GroupIdNotFound);
    fixture.persister.0.lock().error = None;
    let fetched = fixture.run(&patient(fixture.request("a", 10))).await;
    assert_eq!(acquired(&fetched), [(0, 9, 1)]);
}

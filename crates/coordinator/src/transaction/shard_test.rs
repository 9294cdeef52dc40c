use std::sync::Arc;

use ottla_protocol::ErrorCode::*;

use super::*;
use crate::transaction::TransactionState::{CompleteAbort, CompleteCommit, Ongoing, PrepareCommit};
use crate::transaction::testing::{ID, World, replayed};
use crate::transaction::{ListFilter, TransactionState};

#[test]
fn a_decision_outlives_its_coordinator() {
    let mut world = World::new(2);
    let who = world.init(Option::None).unwrap();
    world.add(who, &[("foo", 0)]).unwrap();
    world.end(who, true).unwrap();
    let mut world = world.restart();
    assert_eq!(world.end(who, true), Err(ConcurrentTransactions));
    assert!(world.write_markers()[0].committed);
    assert_eq!(world.state(), CompleteCommit);
}

#[test]
fn an_open_transaction_outlives_its_coordinator() {
    let mut world = World::new(2);
    let who = world.init(Option::None).unwrap();
    world.add(who, &[("foo", 0)]).unwrap();
    let mut world = world.restart();
    assert_eq!(world.state(), Ongoing);
    world.end(who, true).unwrap();
}

#[test]
fn what_takes_too_long_is_aborted_and_fenced() {
    for version in [0, 1, 2] {
        let mut world = World::new(version);
        let who = world.init(Option::None).unwrap();
        world.add(who, &[("foo", 0)]).unwrap();
        world.advance(60_000);
        assert_eq!(world.state(), Ongoing);
        world.advance(10_001);
        assert_eq!(world.state(), TransactionState::PrepareAbort);
        assert_eq!(world.write_markers()[0].producer.producer_epoch, who.1 + 1);
        assert_eq!(world.state(), CompleteAbort);
        assert_eq!(world.add(who, &[("foo", 0)]), Err(ProducerFenced));
        let ended = world.end(who, true).unwrap_err();
        // With epoch bumps the abort looks like one that this producer has asked for.
        assert_eq!(ended, if version == 2 { InvalidTxnState } else { ProducerFenced });
    }
}

#[test]
fn a_failed_decision_leaves_the_transaction_open() {
    let mut world = World::new(2);
    let who = world.init(Option::None).unwrap();
    world.add(who, &[("foo", 0)]).unwrap();
    world.log.fails = Some(NotEnoughReplicas);
    assert_eq!(world.end(who, true), Err(CoordinatorNotAvailable));
    assert_eq!(world.state(), Ongoing);
    world.log.fails = Option::None;
    world.end(who, true).unwrap();
}

#[test]
fn the_record_that_closes_a_transaction_is_tried_again() {
    let mut world = World::new(2);
    let who = world.init(Option::None).unwrap();
    world.add(who, &[("foo", 0)]).unwrap();
    world.end(who, true).unwrap();
    world.log.fails = Some(NotEnoughReplicas);
    world.write_markers();
    assert_eq!(world.state(), PrepareCommit);
    world.log.fails = Option::None;
    world.advance(1_000);
    world.write_markers();
    assert_eq!(world.state(), CompleteCommit);
}

#[test]
fn a_decision_whose_commit_comes_late_is_carried_out_then() {
    let mut world = World::new(2);
    let who = world.init(Option::None).unwrap();
    world.add(who, &[("foo", 0)]).unwrap();
    world.log.holds = true;
    let _ = world.end(who, true);
    world.advance(40_000);
    assert!(world.markers.is_empty());
    assert_eq!(world.init(Option::None), Err(ConcurrentTransactions));
    world.log.holds = false;
    world.commit_log();
    world.advance(1_000);
    world.write_markers();
    assert_eq!(world.state(), CompleteCommit);
}

#[test]
fn ids_that_nobody_uses_are_forgotten() {
    let mut world = World::new(2);
    let who = world.init(Option::None).unwrap();
    world.advance(604_800_000 - 3_600_001);
    assert_eq!(world.runtime.shard().transactions().count(), 1);
    world.advance(2 * 3_600_000);
    assert_eq!(world.runtime.shard().transactions().count(), 0);
    assert_eq!(world.add(who, &[("foo", 0)]), Err(InvalidProducerIdMapping));
    assert_eq!(replayed(&world.config, &world.log).transactions().count(), 0);
}

#[test]
fn ids_are_described_and_listed() {
    let mut world = World::new(2);
    let who = world.init(Option::None).unwrap();
    world.add(who, &[("foo", 1), ("foo", 0), ("bar", 2)]).unwrap();
    world.advance(500);
    let shard = world.runtime.shard();
    let described = shard.describe_transaction(&ID.into());
    assert_eq!((described.producer_id, described.producer_epoch), who);
    assert_eq!(&*described.transaction_state, "Ongoing");
    assert_eq!(described.topics.len(), 2);
    assert_eq!(described.topics[1].partitions, [0, 1]);
    let missing = shard.describe_transaction(&"other".into());
    assert_eq!(missing.error_code, TransactionalIdNotFound.code());
    let list = |filter: ListFilter| shard.list_transactions(&filter, &|_| true, world.now_ms).len();
    let all = ListFilter { duration_ms: -1, ..Default::default() };
    assert_eq!(list(all.clone()), 1);
    assert_eq!(list(ListFilter { duration_ms: 499, ..all.clone() }), 1);
    assert_eq!(list(ListFilter { duration_ms: 500, ..all.clone() }), 0);
    assert_eq!(list(ListFilter { producer_ids: vec![who.0 + 1], ..all.clone() }), 0);
    assert_eq!(list(ListFilter { states: vec!["Empty".into()], ..all.clone() }), 0);
    let unknown = ListFilter { states: vec!["Ongoing".into(), "Strange".into()], ..all };
    assert_eq!((list(unknown.clone()), unknown.unknown_states()), (1, vec!["Strange".into()]));
    assert!(shard.list_transactions(&unknown, &|_| false, 0).is_empty());
}

#[test]
fn strange_records_are_left_alone_and_broken_ones_told() {
    let mut shard = TransactionCoordinatorShard::new(Arc::default(), 0);
    let newer = Bytes::from_static(&[0, 7]);
    assert_eq!(shard.replay(0, Option::None, &newer, Option::None), Ok(Replayed::Ignored(7)));
    let broken = Bytes::from_static(&[0]);
    assert_eq!(shard.replay(1, Option::None, &broken, Option::None).unwrap_err().offset, 1);
    assert_eq!(shard.log_end_offset(), 2);
}

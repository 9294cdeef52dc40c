use ottla_protocol::ErrorCode::*;

use crate::transaction::TransactionState;
use crate::transaction::testing::World;

#[test]
fn the_first_partition_begins_a_transaction() {
    let mut world = World::new(2);
    let who = world.init(Option::None).unwrap();
    world.add(who, &[("foo", 0)]).unwrap();
    let began_ms = world.metadata().txn_start_timestamp_ms;
    world.advance(5);
    world.add(who, &[("foo", 1), ("bar", 0)]).unwrap();
    let metadata = world.metadata();
    assert_eq!((metadata.state, metadata.txn_start_timestamp_ms), (TransactionState::Ongoing, began_ms));
    assert_eq!(metadata.partitions.len(), 3);
    let records = world.log.records.len();
    world.add(who, &[("bar", 0)]).unwrap();
    assert_eq!(world.log.records.len(), records, "nothing new, nothing written");
}

#[test]
fn only_the_current_session_may_add() {
    let mut world = World::new(2);
    assert_eq!(world.add((1, 0), &[("foo", 0)]), Err(InvalidProducerIdMapping));
    let (id, epoch) = world.init(Option::None).unwrap();
    assert_eq!(world.add((id + 1, epoch), &[("foo", 0)]), Err(InvalidProducerIdMapping));
    assert_eq!(world.add((id, epoch + 1), &[("foo", 0)]), Err(ProducerFenced));
    world.add((id, epoch), &[("foo", 0)]).unwrap();
    world.end((id, epoch), true).unwrap();
    assert_eq!(world.add((id, epoch + 1), &[("foo", 0)]), Err(ConcurrentTransactions));
    world.write_markers();
    world.add((id, epoch + 1), &[("foo", 0)]).unwrap();
}

#[test]
fn a_look_tells_each_partition() {
    let mut world = World::new(1);
    let who = world.init(Option::None).unwrap();
    world.add(who, &[("foo", 0)]).unwrap();
    assert_eq!(world.verify(who, &[("bar", 0), ("foo", 0)]), Ok(vec![TransactionAbortable, None]));
    assert_eq!(world.verify((who.0, who.1 + 1), &[("foo", 0)]), Err(ProducerFenced));
    assert_eq!(world.verify((0, 0), &[("foo", 0)]), Err(InvalidProducerIdMapping));
    world.end(who, true).unwrap();
    assert_eq!(world.verify(who, &[("foo", 0)]), Err(ConcurrentTransactions));
}

#[test]
fn a_look_sees_what_is_committed() {
    let mut world = World::new(1);
    let who = world.init(Option::None).unwrap();
    world.log.holds = true;
    let _ = world.add(who, &[("foo", 0)]);
    assert_eq!(world.verify(who, &[("foo", 0)]), Ok(vec![TransactionAbortable]));
    world.commit_log();
    assert_eq!(world.verify(who, &[("foo", 0)]), Ok(vec![None]));
}

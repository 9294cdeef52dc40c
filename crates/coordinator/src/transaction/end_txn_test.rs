use ottla_protocol::ErrorCode::*;

use crate::transaction::TransactionState::*;
use crate::transaction::testing::World;

#[test]
fn a_commit_is_decided_then_marked_then_closed() {
    let mut world = World::new(1);
    let who = world.init(Option::None).unwrap();
    world.add(who, &[("foo", 0), ("foo", 1)]).unwrap();
    assert_eq!(world.end(who, true), Ok((-1, -1)));
    assert_eq!(world.state(), PrepareCommit);
    assert_eq!(world.end(who, true), Err(ConcurrentTransactions));
    let markers = world.write_markers();
    assert_eq!((markers.len(), markers[0].partitions.len(), markers[0].committed), (1, 2, true));
    assert_eq!((markers[0].producer.producer_epoch, markers[0].coordinator_epoch), (0, 5));
    assert_eq!(world.state(), CompleteCommit);
    assert!(world.metadata().partitions.is_empty());
}

#[test]
fn without_epoch_bumps_a_retry_is_told_by_the_state() {
    let mut world = World::new(1);
    let who = world.init(Option::None).unwrap();
    assert_eq!(world.end(who, true), Err(InvalidTxnState));
    assert_eq!(world.end(who, false), Err(InvalidTxnState));
    world.add(who, &[("foo", 0)]).unwrap();
    world.end(who, false).unwrap();
    world.write_markers();
    assert_eq!(world.end(who, false), Ok((-1, -1)));
    assert_eq!(world.end(who, true), Err(InvalidTxnState));
    assert_eq!(world.end((who.0, who.1 + 1), false), Err(ProducerFenced));
    assert_eq!(world.end((who.0 + 1, who.1), false), Err(InvalidProducerIdMapping));
}

#[test]
fn with_epoch_bumps_a_retry_is_told_by_the_epoch() {
    let mut world = World::new(2);
    let (id, _) = world.init(Option::None).unwrap();
    // Empty: an abort is a wish for an epoch.
    assert_eq!(world.end((id, 0), true), Err(InvalidTxnState));
    assert_eq!(world.end((id, 0), false), Ok((id, 1)));
    assert_eq!(world.state(), CompleteAbort, "no partitions, no markers");
    assert_eq!(world.end((id, 0), false), Ok((id, 1)), "a retry");
    assert_eq!(world.end((id, 0), true), Err(InvalidTxnState));
    assert_eq!(world.end((id, 1), true), Err(InvalidTxnState));
    world.add((id, 1), &[("foo", 0)]).unwrap();
    assert_eq!(world.end((id, 1), true), Ok((id, 2)));
    assert_eq!(world.end((id, 1), true), Err(ConcurrentTransactions));
    let markers = world.write_markers();
    assert_eq!((markers[0].producer.producer_epoch, markers[0].transaction_version), (2, 2));
    assert_eq!(world.end((id, 1), true), Ok((id, 2)), "a retry");
    assert_eq!(world.end((id, 1), false), Err(InvalidTxnState));
    assert_eq!(world.end((id, 0), true), Err(ProducerFenced));
    assert_eq!(world.end((id, 2), false), Ok((id, 3)));
}

#[test]
fn the_last_epoch_ends_with_a_new_id() {
    let mut world = World::new(2);
    let (id, mut epoch) = world.init(Option::None).unwrap();
    while epoch < i16::MAX - 1 {
        epoch = world.end((id, epoch), false).unwrap().1;
    }
    world.add((id, epoch), &[("foo", 0)]).unwrap();
    let (next, first) = world.end((id, epoch), true).unwrap();
    assert_ne!(next, id);
    assert_eq!(first, 0);
    let markers = world.write_markers();
    assert_eq!((markers[0].producer.producer_id, markers[0].producer.producer_epoch), (id, i16::MAX));
    assert_eq!(world.end((id, epoch), true), Ok((next, 0)), "a retry");
    world.add((next, 0), &[("foo", 0)]).unwrap();
}

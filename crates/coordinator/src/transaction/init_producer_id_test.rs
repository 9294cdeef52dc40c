use ottla_protocol::ErrorCode::*;

use super::*;
use crate::transaction::testing::{ID, World, init};

#[test]
fn what_is_wrong_is_told_in_kafkas_order() {
    let config = TransactionCoordinatorConfig::default();
    let check = |change: fn(&mut InitProducerId), expected| {
        let mut request = init(ID, Option::None);
        change(&mut request);
        assert_eq!(validate_init_producer_id(&config, &request), expected);
    };
    check(|_| {}, Ok(()));
    check(|r| r.transactional_id = Str::new(), Err(InvalidRequest));
    check(|r| r.enable_2pc = true, Err(TransactionalIdAuthorizationFailed));
    check(|r| r.keep_prepared_txn = true, Err(UnsupportedVersion));
    check(|r| r.transaction_timeout_ms = 0, Err(InvalidTransactionTimeout));
    check(|r| r.transaction_timeout_ms = 900_001, Err(InvalidTransactionTimeout));
}

#[test]
fn each_session_has_a_new_epoch() {
    let mut world = World::new(2);
    let first = world.init(Option::None).unwrap();
    assert_eq!(first.1, 0);
    assert_eq!(world.init(Option::None), Ok((first.0, 1)));
    assert_eq!(world.init(Option::None), Ok((first.0, 2)));
    assert_eq!(world.state(), TransactionState::Empty);
}

#[test]
fn a_producer_that_goes_on_is_known_by_its_epoch() {
    let mut world = World::new(2);
    let (id, _) = world.init(Option::None).unwrap();
    assert_eq!(world.init(Some((id, 0))), Ok((id, 1)));
    // The answer was lost.
    assert_eq!(world.init(Some((id, 0))), Ok((id, 1)));
    assert_eq!(world.init(Some((id + 1, 0))), Err(ProducerFenced));
    assert_eq!(world.init(Option::None), Ok((id, 2)));
    // Another session has begun meanwhile.
    assert_eq!(world.init(Some((id, 1))), Err(ProducerFenced));
}

#[test]
fn a_stranger_gets_an_id_of_its_own_for_a_new_name() {
    let mut world = World::new(2);
    assert_eq!(world.init(Some((7, 3))), Ok((101, 0)));
}

#[test]
fn an_open_transaction_is_aborted_first() {
    for version in [0, 2] {
        let mut world = World::new(version);
        let old = world.init(Option::None).unwrap();
        world.add(old, &[("foo", 0)]).unwrap();
        assert_eq!(world.init(Option::None), Err(ConcurrentTransactions));
        assert_eq!(world.state(), TransactionState::PrepareAbort);
        assert_eq!(world.init(Option::None), Err(ConcurrentTransactions));
        let markers = world.write_markers();
        assert_eq!((markers[0].committed, markers[0].producer.producer_epoch), (false, 1));
        assert_eq!(world.state(), TransactionState::CompleteAbort);
        assert_eq!(world.init(Option::None), Ok((old.0, 2)));
        assert_eq!(world.add(old, &[("foo", 0)]), Err(ProducerFenced));
    }
}

#[test]
fn used_up_epochs_bring_a_new_id() {
    let mut world = World::new(0);
    let (id, _) = world.init(Option::None).unwrap();
    for epoch in 1..i16::MAX {
        assert_eq!(world.init(Option::None), Ok((id, epoch)));
    }
    assert_eq!(world.init(Option::None), Ok((id + 1, 0)));
    // Who did not hear of it may ask again.
    assert_eq!(world.init(Some((id, i16::MAX - 1))), Err(ProducerFenced));
}

#[test]
fn nothing_is_promised_before_it_is_written() {
    let mut world = World::new(2);
    world.log.fails = Some(NotEnoughReplicas);
    assert_eq!(world.init(Option::None), Err(CoordinatorNotAvailable));
    world.log.fails = Option::None;
    world.log.holds = true;
    assert_eq!(world.init(Option::None), Err(RequestTimedOut), "no answer yet");
    assert_eq!(world.init(Option::None), Err(ConcurrentTransactions));
    world.commit_log();
    world.log.holds = false;
    assert_eq!(world.init(Option::None).map(|(_, epoch)| epoch), Ok(1));
}

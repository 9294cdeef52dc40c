use ottla_protocol::{ErrorCode, Str, TopicPartition};

use super::*;

const KEY: PartitionKey = PartitionKey { topic: 0, partition: 3 };

fn manager(version: i16) -> TransactionManager {
    let mut manager = TransactionManager::new(TransactionSettings {
        transactional_id: Some(Str::from("id")),
        retry_backoff_ms: 100,
    });
    manager.see_transaction_version(version);
    let operation = manager.init_transactions().unwrap();
    let request = manager.next_request(false).unwrap();
    reply(&mut manager, request, init_reply(ErrorCode::None, 5, 0));
    assert_eq!(outcome(&operation), Some(Ok(())));
    operation.ack();
    manager.update_v2(true);
    manager
}

fn init_reply(code: ErrorCode, id: i64, epoch: i16) -> TxnReply {
    TxnReply::InitProducerId { code, producer: ProducerIdAndEpoch { id, epoch }, can_bump_epoch: true }
}

fn reply(manager: &mut TransactionManager, request: TxnRequest, reply: TxnReply) -> Vec<Effect> {
    manager.handle_reply(request, reply)
}

/// The end of an operation: nothing yet, fine, or the code of its error.
fn outcome(operation: &Operation) -> Option<Result<(), Option<ErrorCode>>> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match operation.outcome.poll_with(&mut cx, &mut None, Clone::clone) {
        std::task::Poll::Pending => None,
        std::task::Poll::Ready(outcome) => Some(outcome.map_err(|error| error.code())),
    }
}

fn with_transaction(version: i16) -> TransactionManager {
    let mut manager = manager(version);
    manager.begin_transaction().unwrap();
    manager.check_can_send().unwrap();
    manager.add_partition(KEY);
    if version < 2 {
        let request = manager.next_request(false).unwrap();
        reply(&mut manager, request, TxnReply::AddPartitions(vec![(KEY, ErrorCode::None)]));
    }
    assert!(manager.is_send_allowed(KEY));
    manager
}

fn end(manager: &mut TransactionManager, commit: bool, code: ErrorCode) -> (Arc<Operation>, Vec<Effect>) {
    let operation = if commit { manager.begin_commit().unwrap() } else { manager.begin_abort().unwrap() };
    let request = manager.next_request(false).unwrap();
    assert!(matches!(request.ask, Ask::EndTxn { commit: is_commit, .. } if is_commit == commit));
    let effects = reply(manager, request, TxnReply::EndTxn { code, producer: None });
    (operation, effects)
}

#[test]
fn tv1_announces_partitions_before_their_records_leave() {
    let mut manager = manager(1);
    manager.begin_transaction().unwrap();
    assert!(manager.add_partition(KEY), "the sender has to know");
    assert!(!manager.add_partition(KEY), "once is enough");
    assert!(!manager.is_send_allowed(KEY));
    let request = manager.next_request(true).unwrap();
    let partitions = vec![KEY];
    assert_eq!(
        request.ask,
        Ask::AddPartitions { producer: ProducerIdAndEpoch { id: 5, epoch: 0 }, partitions }
    );
    assert!(!manager.is_send_allowed(KEY));
    reply(&mut manager, request, TxnReply::AddPartitions(vec![(KEY, ErrorCode::None)]));
    assert!(manager.is_send_allowed(KEY));

    let (operation, effects) = end(&mut manager, true, ErrorCode::None);
    assert_eq!((outcome(&operation), effects), (Some(Ok(())), vec![]));
    assert_eq!(manager.state(), State::Ready);
    assert!(!manager.is_send_allowed(KEY), "the next transaction begins anew");
}

#[test]
fn tv2_announces_nothing_and_takes_the_next_epoch_from_the_end() {
    let mut manager = with_transaction(2);
    let operation = manager.begin_commit().unwrap();
    assert!(manager.next_request(true).is_none(), "waits for the records");
    let request = manager.next_request(false).unwrap();
    assert!(matches!(request.ask, Ask::EndTxn { v2: true, .. }));
    let next = ProducerIdAndEpoch { id: 5, epoch: 1 };
    let answer = TxnReply::EndTxn { code: ErrorCode::None, producer: Some(next) };
    assert_eq!(reply(&mut manager, request, answer), [Effect::ResetSequences]);
    assert_eq!((outcome(&operation), manager.producer()), (Some(Ok(())), next));
}

#[test]
fn an_empty_transaction_ends_without_a_request() {
    for version in [0, 2] {
        let mut manager = manager(version);
        manager.begin_transaction().unwrap();
        let operation = manager.begin_commit().unwrap();
        assert!(manager.next_request(false).is_none());
        assert_eq!((outcome(&operation), manager.state()), (Some(Ok(())), State::Ready));
    }
}

#[test]
fn a_failed_record_makes_the_transaction_abortable_and_abort_mends_it() {
    for version in [1, 2] {
        let mut manager = with_transaction(version);
        manager.see_error(&Error::api(ErrorCode::MessageTooLarge, None));
        assert_eq!(manager.state(), State::AbortableError);
        assert_eq!(manager.begin_commit().unwrap_err().code(), Some(ErrorCode::MessageTooLarge));
        assert!(manager.check_can_send().is_err());
        let operation = manager.begin_abort().unwrap();
        let request = manager.next_request(false).unwrap();
        reply(&mut manager, request, TxnReply::EndTxn { code: ErrorCode::None, producer: None });
        if version == 1 {
            // The coordinator must not take late records for those of the next transaction.
            assert_eq!((outcome(&operation), manager.state()), (None, State::Initializing));
            let bump = manager.next_request(false).unwrap();
            assert!(matches!(bump.ask, Ask::InitProducerId { is_epoch_bump: true, .. }));
            let effects = reply(&mut manager, bump, init_reply(ErrorCode::None, 5, 1));
            assert_eq!(effects, [Effect::ResetSequences]);
            assert_eq!(manager.producer().epoch, 1);
        }
        assert_eq!((outcome(&operation), manager.state()), (Some(Ok(())), State::Ready));
    }
}

#[test]
fn retriable_errors_of_records_are_told_as_abortable() {
    let mut manager = with_transaction(2);
    manager.see_error(&Error::Timeout("late".to_owned()));
    assert_eq!(manager.last_error().and_then(Error::code), Some(ErrorCode::TransactionAbortable));
}

#[test]
fn who_is_fenced_can_only_close() {
    for code in [ErrorCode::ProducerFenced, ErrorCode::InvalidProducerEpoch] {
        let mut manager = with_transaction(1);
        let (operation, _) = end(&mut manager, true, code);
        assert_eq!(outcome(&operation), Some(Err(Some(ErrorCode::ProducerFenced))));
        operation.ack();
        let error = manager.begin_transaction().unwrap_err();
        assert!(error.to_string().contains("has been fenced by another producer"), "{error}");
        assert!(manager.begin_abort().is_err());
        assert!(!manager.is_send_allowed(KEY));
    }
}

#[test]
fn answers_of_coordinators_lead_to_the_states_of_kafka() {
    use ErrorCode::*;
    for (code, commit, expect) in [
        (ConcurrentTransactions, true, State::CommittingTransaction),
        (CoordinatorLoadInProgress, true, State::CommittingTransaction),
        (NotCoordinator, true, State::CommittingTransaction),
        (TransactionAbortable, true, State::AbortableError),
        (TransactionAbortable, false, State::FatalError),
        (UnknownProducerId, true, State::AbortableError),
        (InvalidTxnState, true, State::FatalError),
        (InvalidProducerIdMapping, true, State::FatalError),
        (TransactionalIdAuthorizationFailed, true, State::FatalError),
        (UnknownServerError, true, State::FatalError),
    ] {
        let mut manager = with_transaction(1);
        let (operation, effects) = end(&mut manager, commit, code);
        assert_eq!(manager.state(), expect, "{code:?}");
        let forgets = code == NotCoordinator;
        assert_eq!(effects.contains(&Effect::ForgetTransactionCoordinator), forgets, "{code:?}");
        if code.is_retriable() {
            assert_eq!(outcome(&operation), Option::None);
            let again = manager.next_request(false).unwrap();
            assert_eq!(again.backoff_ms, 100);
            reply(&mut manager, again, TxnReply::EndTxn { code: None, producer: Option::None });
            assert_eq!(outcome(&operation), Some(Ok(())));
        } else {
            assert_eq!(outcome(&operation), Some(Err(Some(code))), "{code:?}");
        }
    }
}

#[test]
fn add_partitions_waits_shortly_for_the_transaction_before() {
    let mut manager = manager(1);
    manager.begin_transaction().unwrap();
    manager.add_partition(KEY);
    let request = manager.next_request(false).unwrap();
    let busy = TxnReply::AddPartitions(vec![(KEY, ErrorCode::ConcurrentTransactions)]);
    reply(&mut manager, request, busy);
    assert_eq!(manager.next_request(false).unwrap().backoff_ms, ADD_PARTITIONS_BACKOFF_MS);
}

#[test]
fn a_partition_that_is_refused_makes_the_transaction_abortable() {
    for (code, told) in [
        (ErrorCode::TopicAuthorizationFailed, ErrorCode::TopicAuthorizationFailed),
        (ErrorCode::UnknownServerError, ErrorCode::UnknownServerError),
    ] {
        let mut manager = manager(1);
        manager.begin_transaction().unwrap();
        let other = PartitionKey { topic: 1, partition: 0 };
        manager.add_partition(KEY);
        manager.add_partition(other);
        let request = manager.next_request(false).unwrap();
        let results = vec![(other, ErrorCode::OperationNotAttempted), (KEY, code)];
        reply(&mut manager, request, TxnReply::AddPartitions(results));
        assert_eq!(manager.last_error().and_then(Error::code), Some(told));
        assert!(!manager.is_send_allowed(KEY) && !manager.is_send_allowed(other));
        // Nothing was added: the end needs no request but for the next epoch.
        let operation = manager.begin_abort().unwrap();
        assert!(manager.next_request(false).is_none());
        assert_eq!((outcome(&operation), manager.state()), (Some(Ok(())), State::Ready));
    }
}

fn offsets() -> Offsets {
    let offset = CommittedOffset { offset: 9, leader_epoch: -1, metadata: Str::new() };
    [0, 1].map(|partition| (TopicPartition::new("in", partition), offset.clone())).into()
}

#[test]
fn offsets_are_committed_until_all_are_taken() {
    for version in [1, 2] {
        let mut manager = manager(version);
        manager.begin_transaction().unwrap();
        let group = GroupIdentity { group_id: Str::from("g"), generation_id: -1, ..Default::default() };
        let operation = manager.send_offsets(offsets(), group).unwrap();
        let mut request = manager.next_request(false).unwrap();
        if version == 1 {
            assert!(matches!(request.ask, Ask::AddOffsets { .. }));
            reply(&mut manager, request, TxnReply::AddOffsets(ErrorCode::None));
            request = manager.next_request(false).unwrap();
        }
        let results = vec![
            (TopicPartition::new("in", 0), ErrorCode::None),
            (TopicPartition::new("in", 1), ErrorCode::NotCoordinator),
        ];
        let effects = reply(&mut manager, request, TxnReply::TxnOffsetCommit(results));
        assert_eq!(effects, [Effect::ForgetGroupCoordinator(Str::from("g"))]);
        assert_eq!(outcome(&operation), None);
        let again = manager.next_request(false).unwrap();
        let Ask::TxnOffsetCommit { offsets, v2, .. } = &again.ask else { panic!("{again:?}") };
        assert_eq!((offsets.len(), *v2), (1, version == 2));
        let results = vec![(TopicPartition::new("in", 1), ErrorCode::None)];
        reply(&mut manager, again, TxnReply::TxnOffsetCommit(results));
        assert_eq!(outcome(&operation), Some(Ok(())));
        // A transaction of offsets only has an end to be told.
        manager.begin_commit().unwrap();
        assert!(manager.next_request(false).unwrap().ask.is_end());
    }
}

#[test]
fn offsets_of_a_member_that_is_none_any_more_abort() {
    let mut manager = manager(2);
    manager.begin_transaction().unwrap();
    let operation = manager.send_offsets(offsets(), GroupIdentity::default()).unwrap();
    let request = manager.next_request(false).unwrap();
    let results = vec![(TopicPartition::new("in", 0), ErrorCode::IllegalGeneration)];
    reply(&mut manager, request, TxnReply::TxnOffsetCommit(results));
    assert_eq!(outcome(&operation), Some(Err(None)), "no code of a broker: CommitFailedException in Java");
    assert_eq!(manager.state(), State::AbortableError);
    assert!(matches!(manager.begin_commit().unwrap_err(), Error::CommitFailed(_)));
    assert!(manager.begin_abort().is_ok());
}

#[test]
fn a_call_that_timed_out_is_taken_up_by_the_same_call_only() {
    let mut manager = with_transaction(2);
    let first = manager.begin_commit().unwrap();
    let error = manager.begin_abort().unwrap_err();
    assert!(error.to_string().contains("`commitTransaction` timed out and must be retried"), "{error}");
    let again = manager.begin_commit().unwrap();
    assert!(Arc::ptr_eq(&first, &again));
}

#[test]
fn the_order_of_calls_is_checked() {
    let mut manager = manager(2);
    assert!(manager.check_can_send().unwrap_err().to_string().contains("begin_transaction"));
    let error = manager.begin_commit().unwrap_err();
    assert!(error.to_string().contains("from state READY to state COMMITTING_TRANSACTION"), "{error}");
    manager.begin_transaction().unwrap();
    assert!(manager.begin_transaction().is_err());
}

#[test]
fn going_over_to_tv2_raises_the_epoch_once() {
    let mut manager = with_transaction(1);
    manager.see_transaction_version(2);
    let operation = manager.begin_commit().unwrap();
    let request = manager.next_request(false).unwrap();
    assert!(matches!(request.ask, Ask::EndTxn { v2: false, .. }), "it ends as it began");
    reply(&mut manager, request, TxnReply::EndTxn { code: ErrorCode::None, producer: None });
    let bump = manager.next_request(false).unwrap();
    reply(&mut manager, bump, init_reply(ErrorCode::None, 5, 1));
    assert_eq!(outcome(&operation), Some(Ok(())));
    operation.ack();
    manager.begin_transaction().unwrap();
    assert!(manager.is_v2());
}

#[test]
fn who_may_not_use_the_id_may_try_again() {
    let mut manager = TransactionManager::new(TransactionSettings {
        transactional_id: Some(Str::from("id")),
        retry_backoff_ms: 100,
    });
    let operation = manager.init_transactions().unwrap();
    let request = manager.next_request(false).unwrap();
    let code = ErrorCode::TransactionalIdAuthorizationFailed;
    reply(&mut manager, request, init_reply(code, -1, -1));
    assert_eq!(outcome(&operation), Some(Err(Some(code))));
    assert!(manager.handle_authorization_error().is_some());
    assert_eq!(manager.state(), State::Uninitialized);
    assert!(manager.init_transactions().is_ok());
}

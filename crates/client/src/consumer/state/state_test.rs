use super::*;

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn assigned(reset: AutoOffsetReset) -> SubscriptionState {
    let mut state = SubscriptionState::new(reset);
    state.assign_from_user([tp(0), tp(1)]).unwrap();
    state
}

fn leader(node: i32, epoch: i32) -> LeaderAndEpoch {
    LeaderAndEpoch { leader: Some(node), epoch: Some(epoch) }
}

fn position(offset: i64, epoch: Option<i32>, current_leader: LeaderAndEpoch) -> FetchPosition {
    FetchPosition { offset, offset_epoch: epoch, current_leader }
}

#[test]
fn ways_of_subscribing_exclude_each_other() {
    let mut state = assigned(AutoOffsetReset::Latest);
    assert!(state.subscribe(BTreeSet::new()).is_err());
    assert!(state.subscribe_pattern("t.*".into()).is_err());
    state.unsubscribe();
    state.subscribe(["t".into()].into()).unwrap();
    assert!(state.assign_from_user([tp(0)]).is_err());
    state.assign_from_group(&[tp(0)], &[tp(0)]);
    assert!(state.get(&tp(0)).is_some());
}

#[test]
fn positions_survive_a_new_assignment() {
    let mut state = assigned(AutoOffsetReset::Latest);
    state.assigned(&tp(0)).unwrap().seek_validated(FetchPosition::at(7));
    state.assign_from_user([tp(0), tp(2)]).unwrap();
    assert_eq!(state.get(&tp(0)).unwrap().position(), Some(FetchPosition::at(7)));
    assert!(state.get(&tp(1)).is_none());
    assert_eq!(state.initializing(), [tp(2)]);
    assert!(state.assigned(&tp(1)).is_err());
}

#[test]
fn partitions_take_turns() {
    let mut state = assigned(AutoOffsetReset::Latest);
    for partition in [tp(0), tp(1)] {
        state.assigned(&partition).unwrap().seek_validated(FetchPosition::at(0));
    }
    let order = |state: &SubscriptionState| -> Vec<i32> {
        state.fetchable(0, |_| true).iter().map(|(tp, _)| tp.partition).collect()
    };
    assert_eq!(order(&state), [0, 1]);
    state.move_to_end(&tp(0));
    assert_eq!(order(&state), [1, 0]);
    state.assigned(&tp(1)).unwrap().paused = true;
    assert_eq!(order(&state), [0]);
    state.mark_pending_revocation(&[tp(0)]);
    assert!(order(&state).is_empty());
}

#[test]
fn a_reset_counts_only_while_it_is_waited_for() {
    let mut state = assigned(AutoOffsetReset::Earliest);
    state.reset_initializing(&[tp(0), tp(1)]).unwrap();
    assert_eq!(state.resets_due(0).len(), 2);
    state.set_next_retry([&tp(0)], 100);
    assert_eq!(state.resets_due(99), [(tp(1), AutoOffsetReset::Earliest)]);
    assert_eq!(state.resets_due(100).len(), 2);
    state.complete_reset(&tp(0), AutoOffsetReset::Latest, FetchPosition::at(9));
    assert!(!state.get(&tp(0)).unwrap().has_valid_position(), "another strategy was asked for");
    state.complete_reset(&tp(0), AutoOffsetReset::Earliest, FetchPosition::at(3));
    state.assigned(&tp(1)).unwrap().seek_validated(FetchPosition::at(5));
    state.complete_reset(&tp(1), AutoOffsetReset::Earliest, FetchPosition::at(3));
    let consumed: Vec<_> =
        state.all_consumed().into_iter().map(|(tp, at)| (tp.partition, at.offset)).collect();
    assert_eq!(consumed, [(0, 3), (1, 5)], "the application's seek wins");
}

#[test]
fn without_a_strategy_a_missing_offset_is_an_error() {
    let mut state = assigned(AutoOffsetReset::None);
    let error = state.reset_initializing(&[tp(1), tp(0)]).unwrap_err();
    assert_eq!(error.to_string(), "Undefined offset with no reset policy for partitions: [t-0, t-1]");
}

#[test]
fn a_new_leader_has_the_position_checked() {
    let mut state = assigned(AutoOffsetReset::Latest);
    let start = position(10, Some(3), leader(1, 3));
    state.assigned(&tp(0)).unwrap().seek_validated(start);
    state.update_leaders(|_| (leader(1, 3), true));
    assert!(state.get(&tp(0)).unwrap().is_fetchable());
    state.update_leaders(|_| (LeaderAndEpoch::default(), true));
    assert!(state.get(&tp(0)).unwrap().is_fetchable(), "no leader at the moment is no new leader");

    state.update_leaders(|_| (leader(2, 4), true));
    let checked = position(10, Some(3), leader(2, 4));
    assert_eq!(state.validations_due(0), [(tp(0), checked)]);
    assert!(!state.get(&tp(0)).unwrap().is_fetchable());
    assert_eq!(state.complete_validation(&tp(0), start, 3, 10), None, "of a position before");
    assert!(state.get(&tp(0)).unwrap().is_awaiting_validation());
    state.complete_validation(&tp(0), checked, 3, 10);
    assert!(state.get(&tp(0)).unwrap().is_fetchable());

    state.update_leaders(|_| (leader(2, 5), false));
    assert!(state.get(&tp(0)).unwrap().is_fetchable(), "old brokers can't check");
}

/// Checks a position 10 of epoch 3.
fn truncation(
    reset: AutoOffsetReset,
    epoch: i32,
    end_offset: i64,
) -> (SubscriptionState, Option<LogTruncation>) {
    let mut state = assigned(reset);
    state.assigned(&tp(0)).unwrap().seek_unvalidated(position(10, Some(3), leader(2, 4)));
    let found = state.complete_validation(&tp(0), position(10, Some(3), leader(2, 4)), epoch, end_offset);
    (state, found)
}

#[test]
fn a_truncated_log_is_followed_back() {
    let (state, found) = truncation(AutoOffsetReset::Latest, 2, 6);
    assert_eq!(found, None);
    assert_eq!(state.get(&tp(0)).unwrap().valid_position(), Some(position(6, Some(2), leader(2, 4))));

    let (state, found) = truncation(AutoOffsetReset::Latest, -1, -1);
    assert_eq!(found, None);
    assert!(state.get(&tp(0)).unwrap().is_awaiting_reset());

    let (state, found) = truncation(AutoOffsetReset::None, 2, 6);
    let divergent = found.unwrap().divergent.unwrap();
    assert_eq!((divergent.offset, divergent.leader_epoch), (6, Some(2)));
    assert!(state.get(&tp(0)).unwrap().is_awaiting_validation());

    assert_eq!(truncation(AutoOffsetReset::None, -1, -1).1.unwrap().divergent, None);
}

#[test]
fn a_follower_is_read_from_until_it_expires() {
    let mut state = PartitionState::new(0);
    state.update_preferred_read_replica(3, 100);
    state.update_preferred_read_replica(3, 200);
    assert_eq!(state.preferred_read_replica(100), Some(3));
    assert_eq!(state.preferred_read_replica(101), None, "the time counts from when it was first named");
    state.update_preferred_read_replica(4, 200);
    assert_eq!(state.clear_preferred_read_replica(), Some(4));
    assert_eq!(state.preferred_read_replica(0), None);
}

#[test]
fn lag_and_lead() {
    let mut state = assigned(AutoOffsetReset::Latest);
    assert_eq!(state.lag(&tp(0), IsolationLevel::ReadUncommitted), None);
    let partition = state.assigned(&tp(0)).unwrap();
    partition.seek_validated(FetchPosition::at(10));
    partition.high_watermark = Some(15);
    partition.last_stable_offset = Some(12);
    partition.log_start_offset = Some(4);
    assert_eq!(state.lag(&tp(0), IsolationLevel::ReadUncommitted), Some(5));
    assert_eq!(state.lag(&tp(0), IsolationLevel::ReadCommitted), Some(2));
    assert_eq!(state.lead(&tp(0)), Some(6));
}

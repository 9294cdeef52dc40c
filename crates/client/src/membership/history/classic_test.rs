//! The classic protocol.

use ottla_protocol::messages::{HeartbeatResponse, JoinGroupResponse, LeaveGroupResponse, SyncGroupResponse};
use ottla_protocol::{ErrorCode, TopicPartition};

use super::super::{
    Action, Callback, ClassicMembership, CloseOperation, Event, GroupAnswer, GroupConfig, GroupRequest,
    MemberState, Membership, Subscription,
};
use super::classic_group::ClassicGroup;
use super::{World, config, metadata, partitions};
use crate::Error;
use crate::assignors::{Assignment, by_names, encode_assignment};

const TOPICS: [(&str, i32); 2] = [("a", 5), ("b", 3)];

fn member(seed: u64, names: &[&str]) -> Box<dyn Membership> {
    Box::new(ClassicMembership::new(config(seed), by_names(names.iter().copied()).unwrap()).unwrap())
}

fn history(seed: u64, names: &[&str], is_calm: bool) {
    let mut world = World::new(seed, ClassicGroup::default(), metadata(&TOPICS));
    world.check_overlap = is_calm;
    for client in 0..3 + seed % 3 {
        let client = world.add(member(seed * 10 + client, names));
        world.event(client, Event::Subscribed(Subscription::names(["a", "b"])));
    }
    world.loss = if is_calm { 0 } else { 12 };
    for _ in 0..300 {
        for client in 0..world.clients.len() {
            match world.rng.next(8) {
                0..=2 if world.clients[client].left == 0 => world.event(client, Event::PollStarted),
                3 => world.event(client, Event::PollEnded),
                _ => {}
            }
        }
        if world.rng.next(60) == 0 && !is_calm {
            world.expire();
        }
        if world.rng.next(100) == 0 && world.clients.iter().filter(|c| c.left == 0).count() > 1 {
            let client = world.rng.next(world.clients.len());
            if world.clients[client].left == 0 {
                world.event(client, Event::PollStarted);
                world.event(client, Event::Close(CloseOperation::Default));
                world.call_back(client);
            }
        }
        world.step();
    }
    world.settle();
    assert_eq!(world.owned(), partitions(&TOPICS), "seed {seed} {names:?}");
    for client in &world.clients {
        assert!(client.failed.is_empty(), "seed {seed}: {:?}", client.failed);
        let owned: Vec<_> = client.owned.iter().cloned().collect();
        assert_eq!(client.member.assignment(), owned, "seed {seed}");
    }
}

#[test]
fn eager_members_end_with_everything_assigned_once() {
    for seed in 0..40 {
        history(seed, &["range", "cooperative-sticky"], seed.is_multiple_of(2));
        history(seed, &["sticky"], false);
    }
}

#[test]
fn cooperative_members_end_with_everything_assigned_once() {
    for seed in 0..60 {
        history(seed, &["cooperative-sticky"], seed.is_multiple_of(2));
    }
}

#[test]
fn a_changed_subscription_and_new_partitions_begin_a_rebalance() {
    let mut world = World::new(1, ClassicGroup::default(), metadata(&TOPICS));
    for seed in 0..2 {
        let client = world.add(member(seed, &["range"]));
        world.event(client, Event::Subscribed(Subscription::names(["a"])));
    }
    world.settle();
    assert_eq!(world.owned(), partitions(&[("a", 5)]));
    for client in 0..2 {
        world.event(client, Event::Subscribed(Subscription::pattern(|name, _| name < "c")));
    }
    world.settle();
    assert_eq!(world.owned(), partitions(&TOPICS));
    let before = world.coordinator.rebalances;
    world.metadata = metadata(&[("a", 6), ("b", 3), ("c", 1)]);
    for client in 0..2 {
        world.event(client, Event::Metadata(world.metadata.clone()));
    }
    world.settle();
    assert_eq!(world.owned(), partitions(&[("a", 6), ("b", 3)]));
    assert!(world.coordinator.rebalances > before);
}

#[test]
fn a_member_that_does_not_poll_leaves_and_loses_its_partitions() {
    let mut world = World::new(2, ClassicGroup::default(), metadata(&TOPICS));
    for seed in 0..2 {
        let client = world.add(member(seed, &["range"]));
        world.event(client, Event::Subscribed(Subscription::names(["a", "b"])));
    }
    world.settle();
    world.event(0, Event::PollEnded);
    for _ in 0..400 {
        world.event(1, Event::PollStarted);
        world.step();
    }
    assert_eq!(world.clients[1].owned.len(), 8);
    assert_eq!(world.clients[0].member.state(), MemberState::Unsubscribed);
    let owned_still = world.clients[0].owned.len();
    world.settle();
    assert_eq!((world.clients[0].lost, world.owned()), (owned_still, partitions(&TOPICS)));
}

/// One member, with its actions.
struct One(ClassicMembership, i64);

impl One {
    fn new(config: GroupConfig) -> Self {
        let mut one = Self(ClassicMembership::new(config, by_names(["range"]).unwrap()).unwrap(), 0);
        one.tell(Event::Metadata(metadata(&TOPICS)));
        one.tell(Event::Subscribed(Subscription::names(["a", "b"])));
        one
    }

    fn tell(&mut self, event: Event) -> Vec<Action> {
        self.0.handle(self.1, event);
        std::iter::from_fn(|| self.0.next_action()).collect()
    }

    fn answer(&mut self, id: u64, answer: GroupAnswer) -> Vec<Action> {
        self.tell(Event::Answered { id, answer: Ok(answer) })
    }

    /// Up to the answer to JoinGroup.
    fn joining(&mut self) -> u64 {
        sent(&self.tell(Event::PollStarted)).0
    }

    fn joined(&mut self) -> u64 {
        let id = self.joining();
        let response = JoinGroupResponse {
            generation_id: 3,
            protocol_name: Some("range".into()),
            leader: "other".into(),
            member_id: "me".into(),
            ..Default::default()
        };
        sent(&self.answer(id, GroupAnswer::JoinGroup(response))).0
    }

    fn stable(config: GroupConfig) -> Self {
        let mut one = Self::new(config);
        let id = one.joined();
        let assignment =
            encode_assignment(&Assignment { partitions: vec![TopicPartition::new("a", 1)], user_data: None });
        let response = SyncGroupResponse { assignment: assignment.unwrap(), ..Default::default() };
        let actions = one.answer(id, GroupAnswer::SyncGroup(response));
        let (id, callback) = call(&actions);
        assert_eq!(callback, Callback::Assigned);
        one.tell(Event::Called { id, result: Ok(()) });
        assert_eq!(one.0.state(), MemberState::Stable);
        one
    }

    fn heartbeat(&mut self) -> u64 {
        self.1 += 1000;
        let (id, request) = sent(&self.tell(Event::Tick));
        assert!(matches!(request, GroupRequest::Heartbeat(_)));
        id
    }
}

fn sent(actions: &[Action]) -> (u64, GroupRequest) {
    let sent = actions.iter().find_map(|action| match action {
        Action::Send { id, request, .. } => Some((*id, request.clone())),
        _ => None,
    });
    sent.unwrap_or_else(|| panic!("nothing sent: {actions:?}"))
}

fn call(actions: &[Action]) -> (u64, Callback) {
    let call = actions.iter().find_map(|action| match action {
        Action::Call { id, callback, .. } => Some((*id, *callback)),
        _ => None,
    });
    call.unwrap_or_else(|| panic!("no call: {actions:?}"))
}

fn failure(actions: &[Action]) -> Option<ErrorCode> {
    actions.iter().find_map(|action| match action {
        Action::Fail(Error::Api { code, .. }) => Some(*code),
        _ => None,
    })
}

fn quiet() -> GroupConfig {
    GroupConfig { auto_commit: false, ..config(1) }
}

#[test]
fn every_error_of_join_group() {
    use ErrorCode::*;
    let at_once = [UnknownMemberId, MemberIdRequired, RebalanceInProgress];
    let later = [CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator];
    let fatal = [
        FencedInstanceId,
        InconsistentGroupProtocol,
        InvalidSessionTimeout,
        InvalidGroupId,
        GroupAuthorizationFailed,
        GroupMaxSizeReached,
        UnsupportedVersion,
        UnknownServerError,
    ];
    for code in at_once.into_iter().chain(later).chain(fatal) {
        let mut one = One::new(quiet());
        let id = one.joining();
        let response =
            JoinGroupResponse { error_code: code as i16, member_id: "given".into(), ..Default::default() };
        let actions = one.answer(id, GroupAnswer::JoinGroup(response));
        assert_eq!(failure(&actions).is_some(), fatal.contains(&code), "{code:?}: {actions:?}");
        let sends = actions.iter().any(|action| matches!(action, Action::Send { .. }));
        assert_eq!(sends, at_once.contains(&code), "{code:?}");
        let forgets = actions.iter().any(|action| matches!(action, Action::ForgetCoordinator));
        assert_eq!(forgets, [CoordinatorNotAvailable, NotCoordinator].contains(&code), "{code:?}");
        if code == MemberIdRequired {
            let (_, GroupRequest::JoinGroup(request)) = sent(&actions) else { panic!() };
            assert_eq!(request.member_id, "given");
        }
        if later.contains(&code) {
            one.1 = one.0.wake_at_ms().unwrap();
            assert!(one.1 > 0);
            sent(&one.tell(Event::Tick));
        }
        if fatal.contains(&code) {
            assert!(one.tell(Event::Tick).is_empty(), "the application hears of it first");
            sent(&one.tell(Event::PollStarted));
        }
    }
}

#[test]
fn every_error_of_sync_group() {
    use ErrorCode::*;
    for (code, is_fatal, member_id) in [
        (UnknownMemberId, false, ""),
        (IllegalGeneration, false, "me"),
        (RebalanceInProgress, false, "me"),
        (CoordinatorNotAvailable, false, "me"),
        (NotCoordinator, false, "me"),
        (FencedInstanceId, true, "me"),
        (GroupAuthorizationFailed, true, "me"),
        (UnknownServerError, true, "me"),
    ] {
        let mut one = One::new(quiet());
        let id = one.joined();
        let response = SyncGroupResponse { error_code: code as i16, ..Default::default() };
        let mut actions = one.answer(id, GroupAnswer::SyncGroup(response));
        assert_eq!(failure(&actions), is_fatal.then_some(code));
        if is_fatal {
            actions = one.tell(Event::PollStarted);
        } else if !actions.iter().any(|action| matches!(action, Action::Send { .. })) {
            one.1 += 500;
            actions = one.tell(Event::Tick);
        }
        let (_, GroupRequest::JoinGroup(request)) = sent(&actions) else { panic!("{code:?}") };
        assert_eq!(request.member_id, member_id, "{code:?}");
    }
}

#[test]
fn every_error_of_heartbeat() {
    use ErrorCode::*;
    for (code, state) in [
        (None, MemberState::Stable),
        (CoordinatorNotAvailable, MemberState::Stable),
        (NotCoordinator, MemberState::Stable),
        (GroupAuthorizationFailed, MemberState::Stable),
        (UnknownServerError, MemberState::Stable),
    ] {
        let mut one = One::stable(quiet());
        let id = one.heartbeat();
        one.answer(
            id,
            GroupAnswer::Heartbeat(HeartbeatResponse { error_code: code as i16, ..Default::default() }),
        );
        assert_eq!(one.0.state(), state, "{code:?}");
        one.heartbeat();
    }
    for (code, callback) in [
        (RebalanceInProgress, Callback::Revoked),
        (IllegalGeneration, Callback::Lost),
        (UnknownMemberId, Callback::Lost),
    ] {
        let mut one = One::stable(quiet());
        let id = one.heartbeat();
        let response = HeartbeatResponse { error_code: code as i16, ..Default::default() };
        let actions = one.answer(id, GroupAnswer::Heartbeat(response));
        assert_eq!(call(&actions).1, callback, "{code:?}");
    }
    let mut one = One::stable(quiet());
    let id = one.heartbeat();
    let response = HeartbeatResponse { error_code: FencedInstanceId as i16, ..Default::default() };
    let actions = one.answer(id, GroupAnswer::Heartbeat(response));
    assert_eq!(failure(&actions), Some(FencedInstanceId));
    assert_eq!(call(&one.tell(Event::PollStarted)).1, Callback::Lost);
}

#[test]
fn refused_commits_end_the_generation() {
    for (code, is_lost) in [
        (ErrorCode::UnknownMemberId, true),
        (ErrorCode::IllegalGeneration, true),
        (ErrorCode::RebalanceInProgress, false),
    ] {
        let mut one = One::stable(quiet());
        let event = Event::CommitRefused { code, generation_id: 3, member_id: "me".into() };
        let (_, callback) = call(&one.tell(event));
        assert_eq!(callback == Callback::Lost, is_lost, "{code:?}");
    }
}

#[test]
fn static_members_stay_unless_told_otherwise() {
    for (instance, operation, leaves) in [
        (None, CloseOperation::Default, true),
        (None, CloseOperation::RemainInGroup, false),
        (Some("i"), CloseOperation::Default, false),
        (Some("i"), CloseOperation::LeaveGroup, true),
    ] {
        let mut one = One::stable(GroupConfig { group_instance_id: instance.map(Into::into), ..quiet() });
        let (id, callback) = call(&one.tell(Event::Close(operation)));
        assert_eq!(callback, Callback::Revoked);
        let mut actions = one.tell(Event::Called { id, result: Ok(()) });
        let leave = actions.iter().find_map(|action| match action {
            Action::Send { id, request: GroupRequest::LeaveGroup(request), .. } => {
                Some((*id, request.clone()))
            }
            _ => None,
        });
        assert_eq!(leave.is_some(), leaves);
        if let Some((id, request)) = leave {
            assert_eq!(request.members[0].member_id, "me");
            actions = one.answer(id, GroupAnswer::LeaveGroup(LeaveGroupResponse::default()));
        }
        assert!(actions.iter().any(|action| matches!(action, Action::Left)));
        assert!(one.0.wake_at_ms().is_none());
    }
}

#[test]
fn before_a_rebalance_positions_are_committed_and_fetching_stops() {
    let mut one = One::stable(GroupConfig { auto_commit: true, ..quiet() });
    let id = one.heartbeat();
    let response =
        HeartbeatResponse { error_code: ErrorCode::RebalanceInProgress as i16, ..Default::default() };
    let actions = one.answer(id, GroupAnswer::Heartbeat(response));
    let [Action::PauseFetching(paused), Action::Commit { id, deadline_ms }] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!((paused.len(), *deadline_ms), (1, one.1 + 20_000));
    let failed = Err(Error::Timeout("late".into()));
    let (_, callback) = call(&one.tell(Event::Committed { id: *id, result: failed }));
    assert_eq!(callback, Callback::Revoked);
}

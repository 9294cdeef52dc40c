//! The consumer protocol and share groups.

use std::collections::BTreeMap;

use ottla_protocol::ErrorCode;
use ottla_protocol::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use ottla_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ShareGroupHeartbeatResponse,
};

use super::super::{
    Action, Callback, CloseOperation, EpochMembership, Event, GroupAnswer, GroupConfig, GroupRequest,
    MemberState, Membership, MetadataTopics, Subscription,
};
use super::epoch_group::EpochGroup;
use super::{World, config, metadata, partitions, topic_id};
use crate::Error;

const TOPICS: [(&str, i32); 2] = [("a", 5), ("b", 3)];

fn group() -> EpochGroup {
    let ids = TOPICS.iter().flat_map(|(name, count)| (0..*count).map(|index| (topic_id(name), index)));
    EpochGroup::new(ids.collect())
}

fn history(seed: u64, is_calm: bool) {
    let mut world = World::new(seed, group(), metadata(&TOPICS));
    world.check_overlap = is_calm;
    for client in 0..3 + seed % 3 {
        let member = EpochMembership::consumer(config(seed * 10 + client), format!("m{client}").into(), None);
        let client = world.add(Box::new(member));
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
    assert_eq!(world.owned(), partitions(&TOPICS), "seed {seed}");
    for client in &world.clients {
        assert!(client.failed.is_empty(), "seed {seed}: {:?}", client.failed);
        let expected = if client.left > 0 { MemberState::Unsubscribed } else { MemberState::Stable };
        assert_eq!(client.member.state(), expected, "seed {seed}");
    }
}

#[test]
fn members_end_with_everything_assigned_once() {
    for seed in 0..80 {
        history(seed, seed.is_multiple_of(2));
    }
}

#[test]
fn share_members_get_everything_each() {
    let mut world = World::new(3, group(), metadata(&TOPICS));
    for client in 0..3 {
        let member = EpochMembership::share(config(client), format!("m{client}").into());
        let client = world.add(Box::new(member));
        world.event(client, Event::Subscribed(Subscription::names(["a", "b"])));
    }
    world.loss = 6;
    for _ in 0..100 {
        for client in 0..3 {
            world.event(client, Event::PollStarted);
        }
        world.step();
    }
    world.expire();
    world.settle();
    for client in &world.clients {
        assert_eq!(client.member.assignment(), partitions(&TOPICS));
        assert_eq!(client.member.state(), MemberState::Stable);
    }
    world.event(0, Event::Close(CloseOperation::Default));
    world.settle();
    assert_eq!((world.clients[0].left, world.coordinator.left.clone()), (1, vec![-1]));
}

struct One(EpochMembership, i64);

impl One {
    fn new(config: GroupConfig) -> Self {
        let mut one = Self(EpochMembership::consumer(config, "me".into(), Some("uniform".into())), 0);
        one.tell(Event::Metadata(metadata(&TOPICS)));
        one.tell(Event::Subscribed(Subscription::names(["a"])));
        one
    }

    fn tell(&mut self, event: Event) -> Vec<Action> {
        self.0.handle(self.1, event);
        std::iter::from_fn(|| self.0.next_action()).collect()
    }

    fn answer(&mut self, id: u64, response: ConsumerGroupHeartbeatResponse) -> Vec<Action> {
        self.tell(Event::Answered { id, answer: Ok(GroupAnswer::ConsumerGroupHeartbeat(response)) })
    }

    fn stable(config: GroupConfig) -> Self {
        let mut one = Self::new(config);
        let (id, _) = sent(&one.tell(Event::PollStarted));
        let actions = one.answer(id, granted(1, &[("a", &[0, 1])]));
        let (id, _) = call(&actions);
        let (id, request) = sent(&one.tell(Event::Called { id, result: Ok(()) }));
        assert_eq!(request.topic_partitions.unwrap()[0].partitions, [0, 1]);
        one.answer(id, ConsumerGroupHeartbeatResponse { member_epoch: 2, ..beat() });
        assert_eq!(one.0.state(), MemberState::Stable);
        one
    }

    fn heartbeat(&mut self) -> (u64, ConsumerGroupHeartbeatRequest) {
        self.1 += 1000;
        sent(&self.tell(Event::Tick))
    }
}

fn beat() -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse { heartbeat_interval_ms: 1000, ..Default::default() }
}

fn granted(member_epoch: i32, topics: &[(&str, &[i32])]) -> ConsumerGroupHeartbeatResponse {
    let topics: BTreeMap<_, _> = topics.iter().map(|(name, list)| (topic_id(name), list.to_vec())).collect();
    let topic_partitions =
        topics.into_iter().map(|(topic_id, partitions)| TopicPartitions { topic_id, partitions }).collect();
    ConsumerGroupHeartbeatResponse {
        member_epoch,
        assignment: Some(Assignment { topic_partitions }),
        ..beat()
    }
}

fn sent(actions: &[Action]) -> (u64, ConsumerGroupHeartbeatRequest) {
    let sent = actions.iter().find_map(|action| match action {
        Action::Send { id, request: GroupRequest::ConsumerGroupHeartbeat(request), .. } => {
            Some((*id, request.clone()))
        }
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

fn quiet() -> GroupConfig {
    GroupConfig { auto_commit: false, ..config(1) }
}

#[test]
fn a_heartbeat_says_only_what_changed() {
    let mut one = One::new(GroupConfig { rack_id: Some("r".into()), ..quiet() });
    assert!(one.tell(Event::Tick).is_empty(), "members join inside of poll");
    let (id, first) = sent(&one.tell(Event::PollStarted));
    assert_eq!((first.member_epoch, first.rebalance_timeout_ms), (0, 20_000));
    assert_eq!((first.rack_id.as_deref(), first.server_assignor.as_deref()), (Some("r"), Some("uniform")));
    assert_eq!(first.topic_partitions, Some(Vec::new()));
    one.answer(id, granted(1, &[]));
    let (id, next) = one.heartbeat();
    let expected = ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: "me".into(),
        member_epoch: 1,
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    };
    // The first assignment is another than none, though both are empty.
    assert_eq!(
        next,
        ConsumerGroupHeartbeatRequest { topic_partitions: next.topic_partitions.clone(), ..expected.clone() }
    );
    one.answer(id, ConsumerGroupHeartbeatResponse { member_epoch: 1, ..beat() });
    one.tell(Event::Subscribed(Subscription::names(["b"])));
    let (id, next) = one.heartbeat();
    assert_eq!(next.subscribed_topic_names.as_deref(), Some(&["b".into()][..]));
    one.answer(id, ConsumerGroupHeartbeatResponse { member_epoch: 1, ..beat() });
    one.tell(Event::Subscribed(Subscription::Regex("a.*".into())));
    let (id, next) = one.heartbeat();
    assert_eq!(next.subscribed_topic_regex.as_deref(), Some("a.*"));
    one.answer(id, ConsumerGroupHeartbeatResponse { member_epoch: 1, ..beat() });
    one.tell(Event::Subscribed(Subscription::names(["b"])));
    assert_eq!(one.heartbeat().1.subscribed_topic_regex.as_deref(), Some(""));
}

#[test]
fn topics_of_a_broker_matched_pattern_are_known_by_id() {
    let mut one = One(EpochMembership::consumer(quiet(), "me".into(), None), 0);
    one.tell(Event::Metadata(metadata(&[])));
    one.tell(Event::Subscribed(Subscription::Regex(".*".into())));
    let (id, _) = sent(&one.tell(Event::PollStarted));
    let actions = one.answer(id, granted(1, &[("a", &[0])]));
    let wanted = actions
        .iter()
        .any(|action| matches!(action, Action::Topics(MetadataTopics::Ids(ids)) if *ids == [topic_id("a")]));
    let asked = actions.iter().any(|action| matches!(action, Action::RefreshMetadata { .. }));
    assert!(wanted && asked, "{actions:?}");
    assert_eq!(one.0.state(), MemberState::Reconciling);
    let actions = one.tell(Event::Metadata(metadata(&TOPICS)));
    assert_eq!(call(&actions).1, Callback::Assigned);
}

#[test]
fn a_reconciliation_commits_revokes_assigns_and_acknowledges() {
    let mut one = One::stable(GroupConfig { auto_commit: true, ..quiet() });
    let (id, _) = one.heartbeat();
    one.tell(Event::PollEnded);
    assert!(one.answer(id, granted(3, &[("a", &[1, 2])])).is_empty(), "that waits for poll");
    let actions = one.tell(Event::PollStarted);
    let [Action::PauseFetching(paused), Action::Commit { id, .. }] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(paused[0].to_string(), "a-0");
    let (id, callback) = call(&one.tell(Event::Committed { id: *id, result: Ok(()) }));
    assert_eq!(callback, Callback::Revoked);
    let actions = one.tell(Event::Called { id, result: Ok(()) });
    let [Action::Assign { partitions, added }, Action::Call { id, callback: Callback::Assigned, .. }] =
        &actions[..]
    else {
        panic!("{actions:?}")
    };
    assert_eq!((partitions.len(), added[0].to_string()), (2, "a-2".to_owned()));
    let actions = one.tell(Event::Called { id: *id, result: Ok(()) });
    let (_, request) = sent(&actions);
    assert_eq!(
        (request.member_epoch, &request.topic_partitions.unwrap()[0].partitions[..]),
        (3, &[1, 2][..])
    );
    assert_eq!(one.0.state(), MemberState::Stable);
}

#[test]
fn every_error_of_a_heartbeat() {
    use ErrorCode::*;
    for code in [NotCoordinator, CoordinatorNotAvailable, CoordinatorLoadInProgress] {
        let mut one = One::stable(quiet());
        let (id, _) = one.heartbeat();
        let actions = one.answer(id, refused(code));
        let forgets = actions.iter().any(|action| matches!(action, Action::ForgetCoordinator));
        assert_eq!(forgets, code != CoordinatorLoadInProgress);
        assert_eq!(one.0.state(), MemberState::Stable);
        let (_, next) = one.heartbeat();
        assert!(next.subscribed_topic_names.is_some(), "{code:?}: all is said again");
    }
    for code in [FencedMemberEpoch, UnknownMemberId] {
        let mut one = One::stable(quiet());
        let (id, _) = one.heartbeat();
        let (id, callback) = call(&one.answer(id, refused(code)));
        assert_eq!((callback, one.0.state()), (Callback::Lost, MemberState::Fenced));
        let (_, next) = sent(&one.tell(Event::Called { id, result: Ok(()) }));
        assert_eq!((next.member_epoch, one.0.state()), (0, MemberState::Joining));
    }
    let fatal = [
        GroupAuthorizationFailed,
        InvalidRequest,
        GroupMaxSizeReached,
        UnsupportedAssignor,
        InvalidRegularExpression,
        GroupIdNotFound,
        UnsupportedVersion,
        UnreleasedInstanceId,
        FencedInstanceId,
        UnknownServerError,
    ];
    for code in fatal {
        let mut one = One::stable(quiet());
        let (id, _) = one.heartbeat();
        let actions = one.answer(id, refused(code));
        assert!(matches!(actions[0], Action::Fail(_)), "{code:?}");
        assert_eq!((call(&actions).1, one.0.state()), (Callback::Lost, MemberState::Fatal));
        assert!(one.0.wake_at_ms().is_none());
    }
    let mut one = One::stable(quiet());
    let (id, _) = one.heartbeat();
    let actions = one.answer(id, refused(TopicAuthorizationFailed));
    assert!(matches!(actions[0], Action::Fail(_)));
    assert_eq!(one.0.state(), MemberState::Stable);
    one.heartbeat();
    for error in [Error::UnsupportedVersion("no".into()), Error::Protocol("no".into())] {
        let mut one = One::stable(quiet());
        let (id, _) = one.heartbeat();
        one.tell(Event::failed(id, error));
        assert_eq!(one.0.state(), MemberState::Fatal);
    }
}

fn refused(code: ErrorCode) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse { error_code: code as i16, ..Default::default() }
}

#[test]
fn epochs_of_those_who_leave() {
    for (instance, operation, epoch) in [
        (None, CloseOperation::Default, Some(-1)),
        (None, CloseOperation::RemainInGroup, None),
        (Some("i"), CloseOperation::Default, Some(-2)),
        (Some("i"), CloseOperation::RemainInGroup, Some(-2)),
        (Some("i"), CloseOperation::LeaveGroup, Some(-1)),
    ] {
        let mut one = One::stable(GroupConfig { group_instance_id: instance.map(Into::into), ..quiet() });
        let (id, callback) = call(&one.tell(Event::Close(operation)));
        assert_eq!(callback, Callback::Revoked);
        let mut actions = one.tell(Event::Called { id, result: Ok(()) });
        if let Some(epoch) = epoch {
            let (id, request) = sent(&actions);
            assert_eq!(request.member_epoch, epoch);
            actions = one.answer(id, ConsumerGroupHeartbeatResponse { member_epoch: epoch, ..beat() });
        }
        assert!(actions.iter().any(|action| matches!(action, Action::Left)), "{actions:?}");
        assert_eq!(one.0.state(), MemberState::Unsubscribed);
    }
}

#[test]
fn a_member_that_does_not_poll_is_stale_until_it_does() {
    let mut one = One::stable(quiet());
    one.tell(Event::PollEnded);
    one.1 += 20_000;
    let actions = one.tell(Event::Tick);
    assert_eq!(sent(&actions).1.member_epoch, -1);
    let (id, callback) = call(&actions);
    assert_eq!((callback, one.0.state()), (Callback::Lost, MemberState::Stale));
    one.tell(Event::PollStarted);
    let (_, request) = sent(&one.tell(Event::Called { id, result: Ok(()) }));
    assert_eq!((request.member_epoch, one.0.state()), (0, MemberState::Joining));
}

#[test]
fn share_groups_refuse_in_words() {
    let mut member = EpochMembership::share(quiet(), "me".into());
    member.handle(0, Event::Subscribed(Subscription::names(["a"])));
    member.handle(0, Event::PollStarted);
    let actions: Vec<Action> = std::iter::from_fn(|| member.next_action()).collect();
    let Some(Action::Send { id, .. }) = actions.last() else { panic!("{actions:?}") };
    let error_code = ErrorCode::UnsupportedVersion as i16;
    let response = ShareGroupHeartbeatResponse { error_code, ..Default::default() };
    member.handle(0, Event::Answered { id: *id, answer: Ok(GroupAnswer::ShareGroupHeartbeat(response)) });
    let Some(Action::Fail(error)) = member.next_action() else { panic!() };
    assert!(error.to_string().contains("share group protocol"));
}

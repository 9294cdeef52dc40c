use ottla_protocol::ErrorCode;
use ottla_protocol::messages::ConsumerGroupHeartbeatRequest;

use crate::TimerKey;
use crate::consumer_testing::{Consumer, image_of};
use crate::testing::{CommitSpec, GROUP, World, replayed};

const NAMES: &[&str] = &["foo", "bar", "food"];

fn world() -> World {
    let mut world = World::new();
    world.set_topics(&[("foo", 6), ("bar", 2)]);
    world
}

fn message(world: &mut World, request: &ConsumerGroupHeartbeatRequest) -> (ErrorCode, String) {
    let response = world.consumer_request(request);
    let text = response.error_message.map(|text| text.to_string()).unwrap_or_default();
    (ErrorCode::from_code(response.error_code), text)
}

#[test]
fn requests_are_checked_in_order() {
    let mut world = world();
    let good = Consumer::new("a", &["foo"]).request();
    type Change = fn(&mut ConsumerGroupHeartbeatRequest);
    let cases: &[(Change, &str)] = &[
        (|r| r.member_id = " ".into(), "MemberId can't be empty."),
        (|r| r.group_id = "".into(), "GroupId can't be empty."),
        (|r| r.instance_id = Some("".into()), "InstanceId can't be empty."),
        (|r| r.rack_id = Some("".into()), "RackId can't be empty."),
        (|r| r.rebalance_timeout_ms = -1, "RebalanceTimeoutMs must be provided in first request."),
        (|r| r.topic_partitions = None, "TopicPartitions must be empty when (re-)joining."),
        (
            |r| r.subscribed_topic_names = None,
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        ),
        (|r| r.member_epoch = -2, "InstanceId can't be null."),
        (|r| r.member_epoch = -3, "MemberEpoch is invalid."),
    ];
    for (change, expect) in cases {
        let mut request = good.clone();
        change(&mut request);
        assert_eq!(message(&mut world, &request), (ErrorCode::InvalidRequest, (*expect).to_owned()));
    }
    let request = ConsumerGroupHeartbeatRequest { server_assignor: Some("x".into()), ..good.clone() };
    let expect = "ServerAssignor x is not supported. Supported assignors: uniform, range.";
    assert_eq!(message(&mut world, &request), (ErrorCode::UnsupportedAssignor, expect.to_owned()));
    let request = ConsumerGroupHeartbeatRequest { member_epoch: 1, ..good };
    let expect = "Consumer group group not found.";
    assert_eq!(message(&mut world, &request), (ErrorCode::GroupIdNotFound, expect.to_owned()));
}

#[test]
fn partitions_go_over_only_when_they_were_given_up() {
    let mut world = world();
    let mut first = Consumer::new("a", &["foo"]);
    assert_eq!(world.beat(&mut first, NAMES), ErrorCode::None);
    assert_eq!((first.epoch, first.load(), world.state()), (2, 6, "Stable"));
    // The second is told its epoch, and waits for what the first still has.
    world.advance(1_000);
    let mut second = Consumer::new("b", &["foo"]);
    world.beat(&mut second, NAMES);
    assert_eq!((second.epoch, second.load(), world.state()), (3, 0, "Reconciling"));
    let keeps = first.clone();
    world.beat(&mut first, NAMES);
    assert_eq!((first.epoch, first.load()), (2, 3), "told to give up three, and stays in its epoch");
    world.beat(&mut second, NAMES);
    assert_eq!(second.load(), 0);
    // As long as the first says that it has them, nothing moves.
    let mut still = keeps.clone();
    world.beat(&mut still, NAMES);
    world.beat(&mut second, NAMES);
    assert_eq!((still.epoch, second.load()), (2, 0));
    world.beat(&mut first, NAMES);
    assert_eq!((first.epoch, first.load()), (3, 3));
    world.beat(&mut second, NAMES);
    assert_eq!((second.load(), world.state()), (3, "Stable"));
    let explained = world.explain();
    assert_eq!((explained.generation_id, explained.waiting_for.len()), (3, 0));
}

#[test]
fn a_member_that_does_not_let_go_is_removed() {
    let mut world = world();
    let mut first = Consumer::new("a", &["foo"]);
    world.beat(&mut first, NAMES);
    world.advance(1_000);
    let mut second = Consumer::new("b", &["foo"]);
    world.beat(&mut second, NAMES);
    let stubborn = first.clone();
    world.beat(&mut first, NAMES);
    for _ in 0..40 {
        world.advance(1_000);
        world.consumer_request(&stubborn.request());
        world.beat(&mut second, NAMES);
    }
    assert_eq!(second.load(), 6);
    let response = world.consumer_request(&stubborn.request());
    assert_eq!(ErrorCode::from_code(response.error_code), ErrorCode::UnknownMemberId);
}

#[test]
fn epochs_fence() {
    let mut world = world();
    let mut first = Consumer::new("a", &["foo"]);
    world.beat(&mut first, NAMES);
    let greater = Consumer { epoch: first.epoch + 1, ..first.clone() };
    let expect = "The consumer group member has a greater member epoch (3) than the one known by the group \
                  coordinator (2). The member must abandon all its partitions and rejoin.";
    let told = message(&mut world, &greater.request());
    assert_eq!(told, (ErrorCode::FencedMemberEpoch, expect.to_owned()));
    // The answer that told of the epoch was lost: the one before is good, unless it has more than it was given.
    let mut lost = first.clone();
    world.advance(1_000);
    world.set_topics(&[("foo", 7), ("bar", 2)]);
    world.beat(&mut first, NAMES);
    assert_eq!((first.epoch, first.load()), (3, 7));
    assert_eq!(world.beat(&mut lost.clone(), NAMES), ErrorCode::None);
    lost.owned[0].1.push(99);
    assert_eq!(world.beat(&mut lost, NAMES), ErrorCode::FencedMemberEpoch);
}

#[test]
fn static_members_keep_their_place() {
    let mut world = world();
    let mut first = Consumer::new("a", &["foo"]).instance("i");
    let mut second = Consumer::new("b", &["foo"]);
    world.beat(&mut first, NAMES);
    world.beat(&mut second, NAMES);
    let mut both = [first, second];
    world.converge(&mut both, NAMES);
    let [first, mut second] = both;
    assert_eq!((first.load(), second.load()), (3, 3));
    // The instance is in use.
    let mut other = Consumer::new("c", &["foo"]).instance("i");
    assert_eq!(world.beat(&mut other, NAMES), ErrorCode::UnreleasedInstanceId);
    assert_eq!(world.consumer_leave(&other, -1), ErrorCode::FencedInstanceId);
    assert_eq!(world.consumer_leave(&first, -2), ErrorCode::None);
    world.advance(1_000);
    world.beat(&mut second, NAMES);
    assert_eq!(second.load(), 3, "nothing moves while it is away");
    assert_eq!(world.beat(&mut other, NAMES), ErrorCode::None);
    assert_eq!((other.owned.clone(), other.epoch), (first.owned.clone(), first.epoch));
    assert_eq!(world.beat(&mut first.clone(), NAMES), ErrorCode::FencedInstanceId);
    // Away for longer than a session: its partitions go to the other.
    assert_eq!(world.consumer_leave(&other, -2), ErrorCode::None);
    for _ in 0..50 {
        world.advance(1_000);
        world.beat(&mut second, NAMES);
    }
    assert_eq!(second.load(), 6);
}

#[test]
fn members_leave_and_sessions_end() {
    let mut world = world();
    let mut members = [Consumer::new("a", &["foo"]), Consumer::new("b", &["foo", "bar"])];
    world.converge(&mut members, NAMES);
    assert_eq!(members.iter().map(Consumer::load).sum::<usize>(), 8);
    assert_eq!(world.consumer_leave(&members[0], -1), ErrorCode::None);
    world.converge(&mut members[1..], NAMES);
    assert_eq!(members[1].load(), 8);
    world.advance(44_999);
    assert_eq!(world.state(), "Stable");
    world.advance(2);
    assert_eq!(world.state(), "Empty");
    assert_eq!(world.runtime.timers().len(), 1, "nothing but the look for expired offsets");
    assert_eq!(world.consumer_leave(&members[1], -1), ErrorCode::UnknownMemberId);
}

#[test]
fn expressions_are_matched_and_follow_new_topics() {
    let mut world = world();
    let mut member = Consumer::regex("a", "foo.*");
    assert_eq!(world.beat(&mut member, NAMES), ErrorCode::None);
    assert_eq!(member.load(), 0, "matching comes after the answer");
    world.advance(1_000);
    world.beat(&mut member, NAMES);
    assert_eq!(member.load(), 6);
    world.advance(11_000);
    world.set_topics(&[("foo", 6), ("bar", 2), ("food", 4)]);
    world.beat(&mut member, NAMES);
    world.advance(1_000);
    world.beat(&mut member, NAMES);
    assert_eq!(member.load(), 10);
    let invalid = Consumer::regex("b", "[");
    let expect = "SubscribedTopicRegex `[` is not a valid regular expression: missing closing ].";
    let told = message(&mut world, &invalid.request());
    assert_eq!(told, (ErrorCode::InvalidRegularExpression, expect.to_owned()));
    // Names take the place of the expression.
    member.regex = Some("".into());
    member.topics = Some(vec!["bar".into()]);
    let mut members = [member];
    world.converge(&mut members, NAMES);
    assert_eq!((members[0].load(), world.state()), (2, "Stable"));
}

#[test]
fn targets_are_not_computed_too_often() {
    let mut world = world();
    let mut first = Consumer::new("a", &["foo"]);
    world.beat(&mut first, NAMES);
    let mut second = Consumer::new("b", &["foo"]);
    world.beat(&mut second, NAMES);
    assert_eq!((second.epoch, world.state()), (2, "Assigning"), "within consumer.assignment.interval.ms");
    world.advance(1_000);
    world.beat(&mut second, NAMES);
    assert_eq!((second.epoch, world.state()), (3, "Reconciling"));
}

#[test]
fn offsets_are_fenced_by_epochs() {
    let mut world = world();
    let mut first = Consumer::new("a", &["foo"]);
    world.beat(&mut first, NAMES);
    let commit = |world: &mut World, member: &str, epoch: i32, version: i16| {
        let spec = CommitSpec { version, ..CommitSpec::new(&[("foo", 1, 5)]).by(member, epoch) };
        let id = world.commit_offsets(&spec);
        world.commit_errors(id)[0]
    };
    assert_eq!(commit(&mut world, "a", 2, 9), ErrorCode::None);
    assert_eq!(commit(&mut world, "a", 2, 8), ErrorCode::UnsupportedVersion);
    assert_eq!(commit(&mut world, "a", 3, 9), ErrorCode::StaleMemberEpoch);
    assert_eq!(commit(&mut world, "x", 2, 9), ErrorCode::UnknownMemberId);
    assert_eq!(commit(&mut world, "", -1, 9), ErrorCode::UnknownMemberId);
    // An older epoch is good for what the member had then.
    world.advance(1_000);
    world.set_topics(&[("foo", 7), ("bar", 2)]);
    world.beat(&mut first, NAMES);
    assert_eq!((first.epoch, commit(&mut world, "a", 2, 9)), (3, ErrorCode::None));
    let newer = CommitSpec { version: 9, ..CommitSpec::new(&[("foo", 6, 5)]).by("a", 2) };
    let id = world.commit_offsets(&newer);
    assert_eq!(world.commit_errors(id), [ErrorCode::StaleMemberEpoch]);
    assert_eq!(commit(&mut world, "a", 1, 9), ErrorCode::StaleMemberEpoch);
}

#[test]
fn the_log_gives_the_same_group() {
    let mut world = world();
    let mut members = [Consumer::new("a", &["foo"]), Consumer::new("b", &["foo"]).instance("i")];
    world.converge(&mut members, NAMES);
    let before = world.runtime.shard().consumer_group_describe(&[GROUP.into()]);
    let mut world = world.restart();
    world.set_image(image_of(&[("foo", 6), ("bar", 2)], 1));
    assert_eq!(world.runtime.shard().consumer_group_describe(&[GROUP.into()]), before);
    assert_eq!(before[0].group_state, "Stable");
    assert_eq!((before[0].assignor_name.as_ref(), before[0].members.len()), ("uniform", 2));
    let session = TimerKey::ConsumerSession { group_id: GROUP.into(), member_id: "a".into() };
    assert_eq!(world.deadline_in(&session), Some(45_000));
    assert_eq!(world.beat(&mut members[0], NAMES), ErrorCode::None);
}

#[test]
fn plain_reads_show_what_is_committed() {
    let mut world = world();
    world.log.holds = true;
    let request = Consumer::new("a", &["foo"]).request();
    let now_ms = world.now_ms;
    let context = crate::testing::context(1);
    let id = world
        .run(|shard, id| shard.consumer_group_heartbeat(&context, &request, id, Default::default(), now_ms));
    assert!(world.is_waiting(id));
    let list = |world: &World| world.runtime.shard().list_groups(&Default::default());
    assert!(list(&world).is_empty());
    world.commit();
    assert!(!world.is_waiting(id));
    let listed = list(&world);
    assert_eq!((listed[0].group_state.as_ref(), listed[0].group_type.as_ref()), ("Stable", "consumer"));
    let fresh = replayed(&world.config, &world.log);
    assert_eq!(fresh.list_groups(&Default::default()), listed);
}

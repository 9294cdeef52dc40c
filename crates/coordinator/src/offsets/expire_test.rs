use ottla_protocol::messages::TxnOffsetCommitRequest;
use ottla_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};

use crate::records::GroupRecord;
use crate::testing::{CommitSpec, GROUP, JoinSpec, World};
use crate::{GroupEvent, TimerKey};

const CHECK_MS: i64 = 1_000;

/// Offsets are kept for 10 s, and looked at every second.
fn world() -> World {
    World::with(|config| {
        config.offsets_retention_ms = 10_000;
        config.offsets_retention_check_interval_ms = CHECK_MS;
    })
}

fn offsets(world: &World) -> Vec<String> {
    world.runtime.shard().offsets().map(|(key, _)| key.topic.to_string()).collect()
}

#[test]
fn offsets_without_a_group_expire_after_their_commit_and_the_group_with_the_last() {
    let mut world = world();
    world.commit_offsets(&CommitSpec::new(&[("a", 0, 1)]));
    world.advance(5_000);
    world.commit_offsets(&CommitSpec::new(&[("b", 0, 1)]));
    world.advance(4_999);
    assert_eq!(offsets(&world), ["a", "b"]);
    world.advance(1);
    assert_eq!((offsets(&world), world.state()), (vec!["b".to_owned()], "Empty"));
    world.advance(5_000);
    assert_eq!((offsets(&world), world.state()), (vec![], "-"));
    assert!(matches!(world.log().last(), Some(GroupRecord::ClassicGroup(_, None))));
    assert!(world.events.contains(&GroupEvent::Expired { tombstones: 2 }));
    assert_eq!(world.deadline_in(&TimerKey::GroupExpiration), Some(CHECK_MS), "and so on");
}

#[test]
fn offsets_of_an_empty_group_expire_after_it_became_empty() {
    let mut world = world();
    let ids = world.stable_group(&[JoinSpec::new().session(100_000)]);
    world.commit_offsets(&CommitSpec::new(&[("foo", 0, 1)]).by(&ids[0], 1));
    world.advance(30_000);
    world.leave(&[(&ids[0], None)]);
    world.advance(9_999);
    assert_eq!(offsets(&world), ["foo"]);
    world.advance(1_000);
    assert_eq!((offsets(&world), world.state()), (vec![], "-"));
}

#[test]
fn offsets_of_a_stable_group_expire_if_their_topic_is_not_read() {
    let mut world = world();
    let ids = world.stable_group(&[JoinSpec::new().topics(&["foo"]).session(100_000)]);
    world.commit_offsets(&CommitSpec::new(&[("foo", 0, 1), ("bar", 0, 1)]).by(&ids[0], 1));
    world.advance(9_000);
    assert_eq!(offsets(&world), ["bar", "foo"]);
    world.advance(2_000);
    assert_eq!((offsets(&world), world.state()), (vec!["foo".to_owned()], "Stable"));
}

#[test]
fn offsets_do_not_expire_in_a_rebalance_or_where_topics_are_not_known() {
    let mut world = world();
    let ids = world.stable_group(&[JoinSpec::new().session(1_000_000), JoinSpec::new().session(1_000_000)]);
    world.commit_offsets(&CommitSpec::new(&[("bar", 0, 1)]).by(&ids[0], 1));
    world.join(&JoinSpec::new().topics(&["x"]).member(&ids[0]));
    world.advance(30_000);
    assert_eq!((offsets(&world), world.state()), (vec!["bar".to_owned()], "PreparingRebalance"));

    let mut world = self::world();
    let ids = world.stable_group(&[JoinSpec::new().protocol_type("connect").session(1_000_000)]);
    world.commit_offsets(&CommitSpec::new(&[("bar", 0, 1)]).by(&ids[0], 1));
    world.advance(30_000);
    assert_eq!(offsets(&world), ["bar"]);
}

#[test]
fn a_retention_time_of_the_request_goes_before_that_of_the_broker() {
    let mut world = world();
    let commit =
        |topic, retention_time_ms| CommitSpec { retention_time_ms, ..CommitSpec::new(&[(topic, 0, 1)]) };
    world.commit_offsets(&commit("short", 1_500));
    world.commit_offsets(&commit("long", 20_000));
    world.advance(1_000);
    assert_eq!(offsets(&world), ["long", "short"]);
    world.advance(1_000);
    assert_eq!(offsets(&world), ["long"]);
    world.advance(17_000);
    assert_eq!(offsets(&world), ["long"]);
    world.advance(1_000);
    assert_eq!(offsets(&world), [] as [&str; 0]);
}

#[test]
fn an_empty_group_without_offsets_goes_at_once() {
    let mut world = world();
    world.join(&JoinSpec::new());
    assert_eq!(world.state(), "Empty");
    world.advance(CHECK_MS);
    assert_eq!(world.state(), "-");
    world.stable_group(&[JoinSpec::new()]);
    world.advance(CHECK_MS);
    assert_eq!(world.state(), "Stable");
}

#[test]
fn offsets_with_an_open_transaction_stay_and_so_does_their_group() {
    let mut world = world();
    let partition = TxnOffsetCommitRequestPartition { committed_offset: 2, ..Default::default() };
    let topic =
        |name: &str| TxnOffsetCommitRequestTopic { name: name.into(), partitions: vec![partition.clone()] };
    let request = TxnOffsetCommitRequest {
        group_id: GROUP.into(),
        producer_id: 5,
        generation_id: -1,
        topics: vec![topic("foo"), topic("only-pending")],
        ..Default::default()
    };
    world.commit_offsets(&CommitSpec::new(&[("bar", 0, 1), ("foo", 0, 1)]));
    let now_ms = world.now_ms;
    world.run(|shard, id| shard.commit_transactional_offset(&request, id, now_ms));
    world.advance(10_000);
    assert_eq!((offsets(&world), world.state()), (vec!["foo".to_owned()], "Empty"));
    world.end_transaction(5, false);
    world.advance(CHECK_MS);
    assert_eq!((offsets(&world), world.state()), (vec![], "-"));
}

#[test]
fn what_could_not_be_written_is_tried_again() {
    let mut world = world();
    world.commit_offsets(&CommitSpec::new(&[("a", 0, 1)]));
    world.log.fails = Some(ottla_protocol::ErrorCode::NotEnoughReplicas);
    world.advance(15_000);
    assert_eq!(offsets(&world), ["a"]);
    world.log.fails = None;
    world.advance(CHECK_MS);
    assert_eq!((offsets(&world), world.state()), (vec![], "-"));
}

use ottla_protocol::Str;

use crate::group::GroupType;
use crate::offsets::OffsetKey;
use crate::testing::{CommitSpec, GROUP, JoinSpec, World, context};
use crate::transaction::testing::World as TransactionWorld;
use crate::transaction::{TransactionState, TransactionSummary};

#[test]
fn groups_and_offsets_come_in_pieces() {
    let mut world = World::new();
    world.stable_group(&[JoinSpec::new(), JoinSpec::new()]);
    let mut request = CommitSpec::new(&[("foo", 0, 7), ("foo", 1, 8), ("bar", 0, 9)]).request();
    request.group_id = "another".into();
    let now_ms = world.now_ms;
    world.run(|shard, id| shard.commit_offset(&context(8), &request, id, now_ms));

    let shard = world.runtime.shard();
    let first = shard.groups_after(None, 1);
    assert_eq!((&*first[0].group_id, first[0].state, first[0].members), ("another", "Empty", 0));
    let second = shard.groups_after(Some(&first[0].group_id), 5);
    assert_eq!((&*second[0].group_id, second[0].state, second[0].members), (GROUP, "Stable", 2));
    assert!(second.len() == 1 && second[0].group_type == GroupType::Classic);

    let mut found: Vec<(Str, i32, i64)> = Vec::new();
    let mut after: Option<OffsetKey> = None;
    loop {
        let piece = shard.offsets_after(after.as_ref(), 2);
        assert!(piece.len() <= 2);
        let Some((last, _)) = piece.last() else { break };
        after = Some(last.clone());
        found.extend(piece.into_iter().map(|(key, offset)| (key.topic, key.partition, offset)));
    }
    assert_eq!(found, [("bar".into(), 0, 9), ("foo".into(), 0, 7), ("foo".into(), 1, 8)]);
}

#[test]
fn transactions_come_in_pieces() {
    let mut world = TransactionWorld::new(2);
    let who = world.init(None).unwrap();
    world.add(who, &[("foo", 0)]).unwrap();
    let found = world.runtime.shard().transactions_after(None, 10);
    let [TransactionSummary { transactional_id, state, start_ms }] = &found[..] else { panic!("{found:?}") };
    assert!(*state == TransactionState::Ongoing && *start_ms >= 0);
    assert!(world.runtime.shard().transactions_after(Some(transactional_id), 10).is_empty());
}

use ottla_protocol::ErrorCode::*;
use ottla_protocol::Str;

use crate::group::classic::{ClassicGroup, ClassicGroupState, CommitValidation};
use crate::offsets::ExpirationBase;

fn in_state(state: ClassicGroupState, protocol_type: Option<&'static str>) -> ClassicGroup {
    let mut group = ClassicGroup::new("group".into(), Some(77));
    group.state = state;
    group.protocol_type = protocol_type.map(Str::from_static);
    group
}

#[test]
fn offsets_expire_as_the_group_is() {
    use ClassicGroupState::*;
    let check = |state, protocol_type, topics_known: bool, expect| {
        let mut group = in_state(state, protocol_type);
        group.subscribed_topics = topics_known.then(Default::default);
        assert_eq!(group.expiration_base(), expect, "{state:?} {protocol_type:?}");
    };
    for state in [Empty, PreparingRebalance, CompletingRebalance, Stable] {
        check(state, Option::None, false, Some(ExpirationBase::CommitTimestamp));
    }
    check(Empty, Some("consumer"), false, Some(ExpirationBase::StateTimestamp(77)));
    check(Empty, Some("connect"), false, Some(ExpirationBase::StateTimestamp(77)));
    check(Stable, Some("consumer"), true, Some(ExpirationBase::CommitTimestamp));
    check(Stable, Some("consumer"), false, Option::None);
    check(Stable, Some("connect"), true, Option::None);
    check(PreparingRebalance, Some("consumer"), true, Option::None);
    check(CompletingRebalance, Some("consumer"), true, Option::None);

    let mut old = in_state(Empty, Some("consumer"));
    old.state_timestamp_ms = Option::None;
    assert_eq!(old.expiration_base(), Some(ExpirationBase::CommitTimestamp));
}

#[test]
fn only_what_is_empty_can_be_deleted() {
    use ClassicGroupState::*;
    for state in [PreparingRebalance, CompletingRebalance, Stable] {
        assert_eq!(in_state(state, Some("connect")).validate_delete(), Err(NonEmptyGroup));
        assert_eq!(in_state(state, Some("connect")).validate_offset_delete(), Err(NonEmptyGroup));
        assert_eq!(in_state(state, Some("consumer")).validate_delete(), Err(NonEmptyGroup));
        assert_eq!(in_state(state, Some("consumer")).validate_offset_delete(), Ok(()));
    }
    assert_eq!(in_state(Empty, Some("connect")).validate_delete(), Ok(()));
    assert_eq!(in_state(Empty, Some("connect")).validate_offset_delete(), Ok(()));
    assert_eq!(in_state(Dead, Some("connect")).validate_delete(), Err(GroupIdNotFound));
    assert_eq!(in_state(Dead, Some("connect")).validate_offset_delete(), Err(GroupIdNotFound));
}

#[test]
fn a_dead_group_takes_no_offsets() {
    let group = in_state(ClassicGroupState::Dead, Option::None);
    let commit = CommitValidation {
        member_id: &Str::new(),
        group_instance_id: Option::None,
        generation_id: -1,
        is_transactional: false,
    };
    assert_eq!(group.validate_offset_commit(&commit), Err(CoordinatorNotAvailable));
}

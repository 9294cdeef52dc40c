use super::*;
use crate::why::facts::Session;
use crate::why::testing::{key, look, member};

fn texts(first: &Look, last: &Look) -> Vec<(Level, &'static str, String)> {
    findings(first, last).into_iter().map(|it| (it.level, it.what, it.text)).collect()
}

fn detail(waiting_for: &[&str]) -> Detail {
    let session = Session { timeout_ms: 45_000, silent_ms: Some(1_000), must_act_within_ms: Some(280_000) };
    Detail {
        in_state_ms: Some(12_300),
        generation_id: 7,
        reason: "b has left".to_owned(),
        waiting_for: waiting_for.iter().map(|&id| id.to_owned()).collect(),
        leader: Some("a".to_owned()),
        sessions: [("a".to_owned(), session)].into(),
    }
}

#[test]
fn who_has_not_joined_is_named_where_the_coordinator_tells() {
    let mut last = look(6_000).with("a", &[0]).with("c", &[1]).state(GroupState::PreparingRebalance);
    let first = Look { at_ms: 0, ..last.clone() };
    let told = texts(&first, &last);
    assert_eq!((told[0].0, told[0].1), (Level::Cause, "waits for members to join"));
    assert!(told[0].2.contains("(2 are known)") && told[0].2.contains("It was so 6.0 s before."), "{told:?}");
    assert_eq!(told[1].1, "no more known");

    last.detail = Some(detail(&["a"]));
    let told = texts(&first, &last);
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0].2,
        "the group has waited for 12.3 s (because: b has left) for 1 member to join again, at most 4 min 40 s longer: \
         a-client (10.0.0.1). It was so 6.0 s before."
    );
}

#[test]
fn the_one_that_assigns_is_named() {
    let mut last = look(6_000).with("a", &[]).state(GroupState::CompletingRebalance);
    last.detail = Some(detail(&["a", "z"]));
    let told = texts(&last.clone(), &last);
    assert_eq!(
        told[0].2,
        "all have joined, and the group waits for 12.3 s (because: b has left) for a-client (10.0.0.1), which assigns \
         the partitions. Not heard of yet: a-client (10.0.0.1), z."
    );
}

#[test]
fn who_holds_what_another_waits_for_is_the_cause() {
    let mut last = look(6_000).state(GroupState::Reconciling);
    last.epochs = Some((5, 5));
    let mut holder = member("holder", &[0, 1]);
    holder.target = Some([key(0)].into());
    holder.epoch = Some(4);
    let mut waiter = member("waiter", &[]);
    waiter.target = Some([key(1)].into());
    waiter.epoch = Some(4);
    last.members = vec![holder, waiter];
    let first = Look { at_ms: 0, ..last.clone() };
    let told = texts(&first, &last);
    assert_eq!(told[0].1, "waits for partitions");
    assert_eq!(
        told[0].2,
        "holder-client (10.0.0.1) still has t-1 and has to give it up; waiter-client (10.0.0.1) wait for it. It was so \
         6.0 s before."
    );
    assert!(told.iter().all(|it| it.1 != "missing heartbeat"), "the one that waits is not blamed: {told:?}");
}

#[test]
fn a_member_that_waits_for_nobody_misses_heartbeats() {
    let mut last = look(6_000).state(GroupState::Reconciling);
    last.epochs = Some((5, 5));
    last.members = vec![member("a", &[0]), super::Member { epoch: Some(5), ..member("b", &[1]) }];
    let first = Look { at_ms: 0, ..last.clone() };
    let told = texts(&first, &last);
    assert_eq!((told[0].0, told[0].1), (Level::Cause, "missing heartbeat"));
    assert!(
        told[0].2.starts_with("a-client (10.0.0.1) is in epoch 3, the assignment in epoch 5"),
        "{told:?}"
    );
    assert!(told[0].2.contains("as it was 6.0 s before"));
    // One look does not tell whether its heartbeat is late.
    let told = texts(&last.clone(), &last);
    assert!(told.contains(&(
        Level::Note,
        "missing heartbeat",
        told.iter().find(|it| it.1 == "missing heartbeat").expect("it is told").2.clone()
    )));
}

#[test]
fn other_states_are_explained() {
    for (state, level, what) in [
        (GroupState::Empty, Level::Fine, "no member"),
        (GroupState::Stable, Level::Fine, "stable"),
        (GroupState::Dead, Level::Note, "no such group"),
        (GroupState::Assigning, Level::Cause, "assignment is due"),
        (GroupState::NotReady, Level::Cause, "topology not ready"),
    ] {
        let last = look(0).with("a", &[0]).state(state);
        let told = texts(&last.clone(), &last);
        assert_eq!((told[0].0, told[0].1), (level, what));
    }
}

#[test]
fn a_group_that_has_rebalanced_in_between_is_not_calm() {
    let first = look(0).with("a", &[0]).with("b", &[1]);
    let last = look(6_000).with("a", &[0]).with("c", &[1]);
    let told = texts(&first, &last);
    assert_eq!((told[0].0, told[0].1), (Level::Cause, "rebalances often"));
    assert!(told[0].2.ends_with("came c-client (10.0.0.1), went b-client (10.0.0.1)."), "{told:?}");
    let mut other_epoch = Look { at_ms: 6_000, ..first.clone() };
    other_epoch.epochs = Some((4, 4));
    assert_eq!(texts(&first, &other_epoch)[0].1, "rebalances often");
}

use super::*;
use crate::why::facts::{Detail, KnownTransaction, OpenTransaction, Session};
use crate::why::testing::{key, look};

/// Kinds and levels of what is found, the worst first.
fn told(first: &Look, last: &Look) -> Vec<(Level, &'static str)> {
    findings(first, last).iter().map(|finding| (finding.level, finding.what)).collect()
}

/// The text of the worst.
fn worst(first: &Look, last: &Look) -> String {
    findings(first, last).remove(0).text
}

type Case = (&'static str, Look, Look, Vec<(Level, &'static str)>);

fn check(cases: Vec<Case>) {
    for (name, first, last, expect) in cases {
        assert_eq!(told(&first, &last), expect, "{name}");
    }
}

/// A group of two members with a partition each.
fn two(at_ms: i64) -> Look {
    look(at_ms).with("a", &[0]).with("b", &[1])
}

#[test]
fn members_that_do_not_keep_up_are_told_apart() {
    use Level::{Cause, Fine, Note};
    check(vec![
        (
            "no data",
            look(0).with("a", &[0]).at(0, 5, 5),
            look(9).with("a", &[0]).at(0, 5, 5),
            vec![(Fine, "no data")],
        ),
        (
            "keeps up",
            look(0).with("a", &[0]).at(0, 5, 5),
            look(9).with("a", &[0]).at(0, 8, 8),
            vec![(Fine, "keeps up")],
        ),
        (
            "nobody",
            look(0).at(0, 5, 9),
            look(9).at(0, 5, 9).state(GroupState::Empty),
            vec![(Cause, "no member")],
        ),
        (
            "nobody, nothing",
            look(0).at(0, 9, 9),
            look(9).at(0, 9, 9).state(GroupState::Empty),
            vec![(Note, "no member"), (Fine, "no data")],
        ),
        (
            "slow",
            two(0).at(0, 0, 9).at(1, 9, 9),
            two(9).at(0, 2, 19).at(1, 18, 18),
            vec![(Cause, "slow member")],
        ),
        (
            "all slow",
            two(0).at(0, 0, 9).at(1, 0, 9),
            two(9).at(0, 2, 19).at(1, 2, 19),
            vec![(Cause, "group too slow")],
        ),
        (
            "stands still",
            two(0).at(0, 0, 9).at(1, 9, 9),
            two(9).at(0, 0, 9).at(1, 9, 9),
            vec![(Cause, "member stands still")],
        ),
        (
            "paused",
            look(0).with("a", &[0, 1]).at(0, 0, 9).at(1, 0, 9),
            look(9).with("a", &[0, 1]).at(0, 0, 9).at(1, 9, 9),
            vec![(Cause, "partition stands still")],
        ),
    ]);
}

#[test]
fn what_is_behind_is_told_apart() {
    use Level::{Cause, Fine, Note};
    check(vec![
        ("one look", two(9).at(0, 0, 9).at(1, 9, 9), two(9).at(0, 0, 9).at(1, 9, 9), vec![(Note, "behind")]),
        (
            "catches up",
            two(0).at(0, 0, 9).at(1, 9, 9),
            two(9).at(0, 5, 9).at(1, 9, 9),
            vec![(Fine, "catches up")],
        ),
        (
            "hot",
            two(0).at(0, 0, 0).at(1, 0, 0),
            two(9).at(0, 50, 1_000).at(1, 100, 100),
            vec![(Cause, "slow member"), (Cause, "hot partition")],
        ),
    ]);
}

#[test]
fn what_has_just_come_is_not_behind() {
    check(vec![(
        "between two commits",
        look(0).with("a", &[0]).at(0, 900, 941),
        look(1_000).with("a", &[0]).at(0, 1_102, 1_141),
        vec![(Level::Fine, "keeps up")],
    )]);
}

#[test]
fn partitions_that_nobody_reads_are_told_of() {
    use Level::{Cause, Fine, Note};
    check(vec![
        (
            "idle",
            look(9).with("a", &[0]).with("b", &[]).at(0, 9, 9),
            look(9).with("a", &[0]).with("b", &[]).at(0, 9, 9),
            vec![(Note, "idle member"), (Fine, "keeps up")],
        ),
        (
            "not assigned",
            look(0).with("a", &[0]).at(0, 9, 9).at(1, 0, 9),
            look(9).with("a", &[0]).at(0, 9, 9).at(1, 0, 9),
            vec![(Cause, "not assigned")],
        ),
        (
            "ahead",
            two(0).at(0, 9, 3).at(1, 1, 1),
            two(9).at(0, 9, 3).at(1, 1, 1),
            vec![(Cause, "ahead of the end")],
        ),
    ]);
}

#[test]
fn offsets_and_topics_that_are_wrong_are_told_of() {
    use Level::{Cause, Fine, Note};
    let mut gone = look(10_000).at(0, 5, 5);
    gone.missing_topics.insert("t".into());
    let mut half_gone = look(10_000).with("a", &[0]).at(0, 5, 5);
    half_gone.missing_topics.insert("u".into());
    let mut leaderless = look(10_000).with("a", &[0]).at(0, 5, 5);
    leaderless.partitions.get_mut(&key(0)).expect("it is there").leaderless = true;
    let mut deleted = look(10_000).with("a", &[0]).at(0, 5, 20);
    deleted.partitions.get_mut(&key(0)).expect("it is there").start = Some(8);
    let mut uncommitted = look(10_000).with("a", &[0]).at(0, 0, 20);
    uncommitted.partitions.get_mut(&key(0)).expect("it is there").committed = None;
    check(vec![
        ("topic gone", gone.clone(), gone.state(GroupState::Dead), vec![(Cause, "topic missing")]),
        ("topic half gone", half_gone.clone(), half_gone, vec![(Note, "topic missing"), (Fine, "keeps up")]),
        ("leaderless", leaderless.clone(), leaderless, vec![(Cause, "no leader")]),
        ("deleted", deleted.clone(), deleted, vec![(Note, "deleted unread"), (Note, "behind")]),
        (
            "uncommitted",
            uncommitted.clone(),
            uncommitted,
            vec![(Note, "nothing committed"), (Fine, "keeps up")],
        ),
        ("nothing", look(9).with("a", &[]), look(9).with("a", &[]), vec![(Fine, "nothing to read")]),
    ]);
}

#[test]
fn a_slow_member_is_told_of_with_its_numbers() {
    let first = look(0).with("a", &[0]).with("b", &[1]).at(0, 0, 1_000).at(1, 0, 0);
    let last = look(10_000).with("a", &[0]).with("b", &[1]).at(0, 500, 2_500).at(1, 900, 900);
    assert_eq!(
        worst(&first, &last),
        "a-client (10.0.0.1) takes 50 records a second of its 1 partition, where 150 come: 2,000 records behind, 100 \
         more each second."
    );
    let found = findings(&first, &last).remove(0);
    assert!(found.numbers.contains(&("lag", 2_000.into())) && found.cure.contains("compare it"), "{found:?}");
}

#[test]
fn a_transaction_that_stays_open_is_the_cause_for_who_stands_before_it() {
    let open = |known: Option<KnownTransaction>, committed| {
        let look = |at_ms| {
            let mut look = look(at_ms).with("a", &[0]).at(0, committed, 100);
            let position = look.partitions.get_mut(&key(0)).expect("it is there");
            position.stable = Some(40);
            let it = OpenTransaction {
                producer_id: 4_000,
                start_offset: 40,
                last_ms: 1_000,
                known: known.clone(),
            };
            position.open = vec![it];
            look
        };
        (look(50_000), look(61_000))
    };
    let known =
        KnownTransaction { transactional_id: "pay".into(), start_ms: Some(1_000), timeout_ms: 60_000 };
    let (first, last) = open(Some(known.clone()), 40);
    assert_eq!(told(&first, &last), [(Level::Cause, "stuck transaction")], "the member is not blamed");
    let text = worst(&first, &last);
    assert!(
        text.contains("`pay` (producer 4000) has been open for 1 min 0 s, in t-0 since offset 40"),
        "{text}"
    );
    assert!(text.contains("60 records behind its start") && text.ends_with("right before it."), "{text}");

    let (first, last) = open(None, 40);
    let finding = findings(&first, &last).remove(0);
    assert!(finding.text.contains("of which no coordinator knows"), "{}", finding.text);
    assert!(finding.cure.contains("transactions abort --topic t --partition 0 --start-offset 40"));

    let (first, last) = open(Some(known), 10);
    assert!(told(&first, &last).contains(&(Level::Note, "stuck transaction")), "the group is not there yet");
}

#[test]
fn a_rebalance_is_the_cause_while_it_lasts() {
    let first = look(0).with("a", &[0]).at(0, 0, 9).state(GroupState::PreparingRebalance);
    let last = look(9).with("a", &[0]).at(0, 0, 9).state(GroupState::PreparingRebalance);
    assert_eq!(
        told(&first, &last),
        [(Level::Cause, "rebalance under way")],
        "members are not blamed meanwhile"
    );
}

#[test]
fn a_silent_member_is_told_of_where_the_coordinator_tells() {
    let mut last = look(9).with("a", &[0]).at(0, 9, 9);
    let session =
        |silent_ms| Session { timeout_ms: 45_000, silent_ms: Some(silent_ms), must_act_within_ms: None };
    last.detail = Some(Detail { sessions: [("a".to_owned(), session(22_000))].into(), ..Default::default() });
    assert_eq!(told(&last.clone(), &last), [(Level::Fine, "keeps up")]);
    last.detail = Some(Detail { sessions: [("a".to_owned(), session(30_000))].into(), ..Default::default() });
    assert_eq!(
        worst(&last.clone(), &last),
        "a-client (10.0.0.1) was last heard of 30.0 s ago; without a heartbeat it is removed in 15.0 s."
    );
}

#[test]
fn a_share_group_takes_what_it_acknowledges_behind_its_start() {
    let position = |lag| super::super::facts::Position {
        committed: Some(3),
        end: Some(100),
        counted_lag: Some(lag),
        ..Default::default()
    };
    let mut first = look(0).with("a", &[0]);
    first.kind = GroupType::Share;
    first.partitions.insert(key(0), position(90));
    let mut last = Look { at_ms: 10_000, ..first.clone() };
    last.partitions.insert(key(0), position(30));
    assert_eq!(told(&first, &last), [(Level::Fine, "catches up")]);
    assert!(
        worst(&first, &last).contains(
            "30 records behind, but 0 records a second come, 6.0 are taken: caught up in about 5.0 s"
        )
    );
}

#[test]
fn many_names_are_cut_short() {
    assert_eq!(list(&["a", "b", "c", "d", "e"]), "a, b, c, d, e");
    assert_eq!(list(&["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
}

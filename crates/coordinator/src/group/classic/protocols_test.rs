use std::collections::BTreeSet;

use bytes::Bytes;
use ottla_protocol::Str;

use crate::group::classic::ClassicGroup;
use crate::group::classic::member::{ClassicGroupMember, MemberProtocol};
use crate::testing::subscription;

fn group(members: &[&[&'static str]]) -> ClassicGroup {
    group_of(members, &Bytes::new())
}

fn group_of(members: &[&[&'static str]], metadata: &Bytes) -> ClassicGroup {
    let mut group = ClassicGroup::new("group".into(), None);
    group.protocol_type = Some("consumer".into());
    for (at, names) in members.iter().enumerate() {
        group.add(ClassicGroupMember {
            member_id: Str::from(format!("m{at}")),
            group_instance_id: None,
            client_id: Str::new(),
            client_host: Str::new(),
            rebalance_timeout_ms: at as i32 * 1000,
            session_timeout_ms: 10_000,
            protocols: (names.iter())
                .map(|name| MemberProtocol { name: Str::from_static(name), metadata: metadata.clone() })
                .collect(),
            assignment: Bytes::new(),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
        });
    }
    group
}

#[test]
fn the_protocol_with_most_votes_is_selected() {
    let check = |members: &[&[&'static str]], expect: Option<&str>| {
        assert_eq!(group(members).select_protocol().as_deref(), expect);
    };
    check(&[], None);
    check(&[&["range", "roundrobin"]], Some("range"));
    check(
        &[&["range", "roundrobin"], &["roundrobin", "range"], &["roundrobin", "range"]],
        Some("roundrobin"),
    );
    // Only what all support counts, whatever is preferred.
    check(&[&["range", "roundrobin"], &["range", "roundrobin"], &["roundrobin", "blah"]], Some("roundrobin"));
    check(&[&["a", "b", "c"], &["c", "b"], &["d", "b", "c"]], Some("b"));
    check(&[&["b", "a"], &["a", "b"]], Some("a"));
}

#[test]
fn the_rebalance_timeout_is_the_longest() {
    assert_eq!(group(&[]).rebalance_timeout_ms(), 0);
    assert_eq!(group(&[&["a"], &["a"], &["a"]]).rebalance_timeout_ms(), 2_000);
}

#[test]
fn topics_of_consumers_are_read_from_any_version_of_their_subscription() {
    let topics = |metadata: Bytes| {
        let mut group = group_of(&[&["range"]], &metadata);
        group.protocol_name = Some("range".into());
        group.compute_subscribed_topics()
    };
    let expect = |names: &[&'static str]| Some(names.iter().map(|name| Str::from_static(name)).collect());
    assert_eq!(topics(subscription(&["foo", "bar"])), expect(&["bar", "foo"]));
    let mut newer = subscription(&["foo"]).to_vec();
    newer[1] = 99;
    newer.extend(b"whatever");
    assert_eq!(topics(newer.into()), expect(&["foo"]));
    for end in 0..subscription(&["foo"]).len() {
        // Cut anywhere, it is either readable or not, and never a panic.
        let _: Option<BTreeSet<Str>> = topics(subscription(&["foo"]).slice(..end));
    }
    assert_eq!(topics(Bytes::from_static(b"\0")), None);
    assert_eq!(topics(Bytes::from_static(b"\0\0\x7f\xff\xff\xff")), None);
}

#[test]
fn other_groups_have_no_topics() {
    let mut group = group_of(&[&["range"]], &subscription(&["foo"]));
    assert_eq!(group.compute_subscribed_topics(), None, "no protocol yet");
    assert!(group.is_subscribed_to("anything"), "of consumers that is not known, all is assumed");
    group.protocol_name = Some("range".into());
    group.protocol_type = Some("connect".into());
    assert_eq!(group.compute_subscribed_topics(), None);
    assert!(!group.is_subscribed_to("foo"));
    let empty =
        ClassicGroup { protocol_type: Some("consumer".into()), ..ClassicGroup::new("g".into(), None) };
    assert_eq!(empty.compute_subscribed_topics(), Some(BTreeSet::new()));
}

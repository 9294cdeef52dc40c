use super::describe::{members, print_offsets, states};
use super::*;
use crate::run_captured;
use ottla_client::admin::{ShareGroupDescription, ShareMemberDescription, SharePartitionOffsetInfo};
use ottla_client::cluster::Node;

#[test]
fn command_lines_are_refused_in_kafkas_words() {
    let check = |arguments: &str, expect: &str| {
        let arguments = format!("--bootstrap-server localhost:1 {arguments}");
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let (code, _, err) = run_captured("share-groups", &arguments, "").unwrap();
        assert_eq!((code, err.lines().next().unwrap_or_default()), (1, expect), "{arguments:?}");
    };
    check("--describe", "Option [describe] takes one of these options: [all-groups], [group]");
    check(
        "--describe --group g --members --offsets",
        "Option [describe] takes at most one of these options: [members], [offsets], [state]",
    );
    check("--describe --group g --state Stable", "Option [describe] does not take a value for [state]");
    check("--delete", "Option [delete] takes the options [group] or [all-groups]");
    check("--delete --group g --topic t", "Option [delete] does not take the option: [topic]");
    check(
        "--delete-offsets --group g",
        "Option [delete-offsets] takes the following options: [group], [topic]",
    );
    check(
        "--reset-offsets --group g --topic t --to-latest",
        "Option [reset-offsets] takes the option: [execute] or [dry-run]",
    );
    check(
        "--reset-offsets --group g --topic t --execute",
        "Option [reset-offsets] takes one of these options: [to-datetime], [to-earliest], [to-latest]",
    );
    check(
        "--reset-offsets --group g --topic t --execute --to-latest --to-earliest",
        "Option \"[to-earliest]\" can't be used with option \"[to-latest]\"",
    );
    check("--list --group g", "Option \"[group]\" can't be used with option \"[list]\"");
    check(
        "--group g",
        "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets.",
    );
    check("--list --state Bad", "Invalid state list 'Bad'. Valid states are: Stable, Dead, Empty");
}

fn group() -> ShareGroupDescription {
    ShareGroupDescription {
        group_id: "g".into(),
        members: vec![ShareMemberDescription {
            member_id: "m".into(),
            rack_id: None,
            client_id: "c".into(),
            host: "/127.0.0.1".into(),
            member_epoch: 4,
            assignment: BTreeSet::from([TopicPartition::new("t", 0), TopicPartition::new("t", 1)]),
        }],
        state: GroupState::Stable,
        coordinator: Node { id: 1, host: "localhost".into(), port: 9092, rack: None },
        group_epoch: 3,
        target_assignment_epoch: 2,
        authorized_operations: None,
    }
}

#[test]
fn members_and_states_have_kafkas_columns() {
    let groups = BTreeMap::from([(Str::from("g"), group())]);
    let (mut io, captured) = Io::captured("");
    states(&mut io, &groups, true);
    members(&mut io, &groups, false);
    assert_eq!(
        captured.out(),
        "\nGROUP           COORDINATOR (ID)          STATE           GROUP-EPOCH  ASSIGNMENT-EPOCH  #MEMBERS\
         \ng               localhost:9092  (1)       Stable          3            2                 1\n\
         \nGROUP           CONSUMER-ID     HOST            CLIENT-ID       #PARTITIONS  ASSIGNMENT\
         \ng               m               /127.0.0.1      c               2            t:0,1\n"
    );
}

#[test]
fn offsets_have_kafkas_columns() {
    let info = SharePartitionOffsetInfo { start_offset: 7, leader_epoch: Some(2), lag: None };
    let offsets =
        BTreeMap::from([(TopicPartition::new("t", 0), Some(info)), (TopicPartition::new("t", 1), None)]);
    let groups = BTreeMap::from([(Str::from("e"), BTreeMap::new()), (Str::from("g"), offsets)]);
    let (mut io, captured) = Io::captured("");
    print_offsets(&mut io, &groups, true);
    assert_eq!(
        captured.out(),
        "\nShare group 'e' has no offset information.\n\
         \nGROUP           TOPIC           PARTITION  LEADER-EPOCH  START-OFFSET  LAG\
         \ng               t               0          2             7             -\
         \ng               t               1          -             -             -\n"
    );
}

#[test]
fn groups_with_members_are_not_deleted() {
    let listing = |state| GroupListing {
        group_id: "g".into(),
        group_type: Some(GroupType::Share),
        protocol: "share".into(),
        state,
    };
    assert_eq!(refusal("g", Some(&listing(Some(GroupState::Empty)))), None);
    assert_eq!(
        refusal("g", Some(&listing(Some(GroupState::Stable)))).unwrap(),
        "org.apache.kafka.common.errors.GroupNotEmptyException: Share group 'g' is not EMPTY."
    );
    assert_eq!(
        refusal("g", None).unwrap(),
        "java.lang.IllegalArgumentException: Group 'g' is not a share group."
    );
}

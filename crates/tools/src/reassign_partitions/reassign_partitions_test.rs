use std::collections::BTreeMap;

use ottla_client::admin::PartitionReassignment;
use ottla_protocol::TopicPartition;

use super::plan::{Plan, parse_topics, to_json};
use super::throttles::moves;
use crate::run_captured;

fn check(arguments: &str, expect: &str) {
    let arguments: Vec<&str> = arguments.split(' ').filter(|part| !part.is_empty()).collect();
    let (code, out, err) = run_captured("reassign-partitions", &arguments, "").expect("it is a tool");
    let first = err.lines().next().or(out.lines().next()).unwrap_or_default().to_owned();
    assert_eq!((code, first.as_str()), (1, expect), "{arguments:?}");
}

#[test]
fn command_lines_are_refused_in_kafkas_words() {
    let actions =
        "Command must include exactly one action: --generate, --execute, --verify, --cancel, --list";
    check("--bootstrap-server a:1", actions);
    check("--bootstrap-server a:1 --list --verify", actions);
    check("--list", "Please specify either --bootstrap-server or --bootstrap-controller");
    check(
        "--list --bootstrap-server a:1 --bootstrap-controller b:1",
        "Please don't specify both --bootstrap-server and --bootstrap-controller",
    );
    check("--bootstrap-server a:1 --execute", "Missing required argument \"[reassignment-json-file]\"");
    check(
        "--bootstrap-server a:1 --generate --broker-list 1 --topics-to-move-json-file f --throttle 3",
        "Option \"[throttle]\" can't be used with action \"[generate]\"",
    );
    check(
        "--bootstrap-server a:1 --verify --reassignment-json-file /no/such/file",
        "Error: Unable to read file /no/such/file",
    );
}

#[test]
fn plans_are_read_and_written() {
    let text = r#"{"version":1,"partitions":[{"topic":"t","partition":1,"replicas":[1,2],"log_dirs":["any","/d"]}]}"#;
    let (replicas, directories) = Plan::parse(text).unwrap().executable().unwrap();
    assert_eq!(replicas[&TopicPartition::new("t", 1)], [1, 2]);
    assert_eq!(directories.len(), 1);
    let expect = r#"{"version":1,"partitions":[{"topic":"t","partition":1,"replicas":[1,2],"log_dirs":["any","/d"]}]}"#;
    assert_eq!(to_json(&replicas, &directories).to_string(), expect);
    assert_eq!(parse_topics(r#"{"topics":[{"topic":"a"},{"topic":"b"}]}"#).unwrap(), ["a", "b"]);
}

#[test]
fn wrong_plans_are_refused_in_kafkas_words() {
    let text = |plan: &str| Plan::parse(plan).and_then(Plan::executable).unwrap_err().text().to_owned();
    assert_eq!(text(r#"{"version":2}"#), "Not supported version field value 2");
    assert_eq!(text(r#"{"version":1,"partitions":[]}"#), "Partition reassignment list cannot be empty");
    let with =
        |replicas: &str| format!(r#"{{"partitions":[{{"topic":"t","partition":0,"replicas":{replicas}}}]}}"#);
    assert_eq!(text(&with("[]")), "Partition replica list cannot be empty");
    assert_eq!(
        text(&with("[1,1]")),
        "Partition replica lists may not contain duplicate entries: t-0 contains multiple entries for 1"
    );
    let twice = r#"{"partitions":[{"topic":"t","partition":0,"replicas":[1]},{"topic":"t","partition":0,"replicas":[2]}]}"#;
    assert_eq!(text(twice), "Partition reassignment contains duplicate topic partitions: t-0");
    let sizes = r#"{"partitions":[{"topic":"t","partition":0,"replicas":[1,2],"log_dirs":["any"]}]}"#;
    assert_eq!(
        text(sizes),
        "Size of replicas list [1, 2] is different from size of log dirs list [any] for partition t-0"
    );
}

#[test]
fn moves_go_from_where_replicas_are() {
    let key = |partition| TopicPartition::new("t", partition);
    let under_way = BTreeMap::from([(
        key(0),
        PartitionReassignment {
            replicas: vec![1, 2, 3],
            adding_replicas: vec![3],
            removing_replicas: vec![1],
        },
    )]);
    let proposed = BTreeMap::from([(key(0), vec![2, 4]), (key(1), vec![1, 5])]);
    let now = BTreeMap::from([(key(0), vec![1, 2, 3]), (key(1), vec![1, 2])]);
    let moves = moves(&under_way, &proposed, &now);
    let topic = &moves["t"];
    assert_eq!((&topic[&0].sources, &topic[&0].destinations), (&[1, 2].into(), &[4].into()));
    assert_eq!((&topic[&1].sources, &topic[&1].destinations), (&[1, 2].into(), &[5].into()));
}

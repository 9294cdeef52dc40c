use super::change::parse_assignment;
use crate::run_captured;

fn check(arguments: &str, expect_code: i32, expect: &str) {
    let arguments: Vec<&str> = arguments.split(' ').filter(|part| !part.is_empty()).collect();
    let (code, out, err) = run_captured("topics", &arguments, "").expect("it is a tool");
    let first = err.lines().next().or_else(|| out.lines().next()).unwrap_or_default().to_owned();
    assert_eq!((code, first.as_str()), (expect_code, expect), "{arguments:?}");
}

#[test]
fn command_lines_are_refused_in_kafkas_words() {
    check("", 1, "Creates, lists, describes, grows and deletes topics.");
    check("--help", 1, "Creates, lists, describes, grows and deletes topics.");
    check("--version", 0, "4.3.1");
    let actions =
        "Command must include exactly one action: --list, --describe, --create, --alter or --delete";
    check("--bootstrap-server a:1", 1, actions);
    check("--bootstrap-server a:1 --list --create", 1, actions);
    check("--list", 1, "--bootstrap-server must be specified");
    check("--bootstrap-server a:1 --create", 1, "Missing required argument \"[topic]\"");
    check("--bootstrap-server a:1 --alter --topic t", 1, "Missing required argument \"[partitions]\"");
    check(
        "--bootstrap-server a:1 --alter --topic t --partitions 2 --config a=b",
        1,
        "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" (To alter topic \
         configurations, the kafka-configs tool can be used.)",
    );
    check(
        "--bootstrap-server a:1 --create --topic t --replica-assignment 1:2 --partitions 3",
        1,
        "Option \"[replica-assignment]\" can't be used with option \"[partitions]\"",
    );
    check(
        "--bootstrap-server a:1 --list --topic t --if-exists",
        1,
        "Option \"[if-exists]\" can't be used with option \"[list]\"",
    );
    check(
        "--bootstrap-server a:1 --describe --if-exists",
        1,
        "--topic or --topic-id is required to describe a topic",
    );
    check(
        "--zookeeper a:2181 --list",
        1,
        "zookeeper is not a recognized option: there is no ZooKeeper; use --bootstrap-server host:port",
    );
}

#[test]
fn assignments_are_read_as_kafka_reads_them() {
    let text = |text: &str| parse_assignment(text).unwrap_err().text().to_owned();
    let expect = [(0, vec![1, 2]), (1, vec![2, 3])].into();
    assert_eq!(parse_assignment("1:2, 2:3").unwrap(), expect);
    assert_eq!(text("1:1"), "Partition replica lists may not contain duplicate entries: 1");
    assert_eq!(text("1:2,3"), "Partition 1 has different replication factor: [3]");
    assert_eq!(text("x"), "For input string: \"x\"");
}

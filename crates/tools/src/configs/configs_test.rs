use super::masked;
use super::parse::pairs;
use crate::run_captured;

fn check(arguments: &str, expect: &str) {
    let arguments: Vec<&str> = arguments.split(' ').filter(|part| !part.is_empty()).collect();
    let (code, out, err) = run_captured("configs", &arguments, "").expect("it is a tool");
    assert_eq!(
        (code, out.as_str(), err.lines().next().unwrap_or_default()),
        (1, "", expect),
        "{arguments:?}"
    );
}

#[test]
fn command_lines_are_refused_in_kafkas_words() {
    const S: &str = "--bootstrap-server a:1";
    let actions = "Command must include exactly one action: --describe, --alter";
    check(S, actions);
    check(&format!("{S} --alter --describe"), actions);
    check("--describe --topic t", "Either --bootstrap-server or --bootstrap-controller must be specified.");
    check(&format!("{S} --describe"), "At least one entity type must be specified");
    check(
        &format!("{S} --describe --topic t --add-config a=b"),
        "Option \"[describe]\" can't be used with option \"[add-config]\"",
    );
    check(
        &format!("{S} --describe --entity-type topics --entity-type brokers"),
        "Only 'users' and 'clients' entity types may be specified together",
    );
    check(
        &format!("{S} --describe --entity-type topic"),
        "Invalid entity type topic, the entity type must be one of topics, clients, users, brokers, ips, client-metrics, \
         groups, broker-loggers with a --bootstrap-server or --bootstrap-controller argument",
    );
    check(
        &format!("{S} --describe --entity-type topics --topic t"),
        "Duplicate entity type(s) specified: topics",
    );
    check(
        &format!("{S} --describe --broker x"),
        "The entity name for brokers must be a valid integer broker id, but it is: x",
    );
    check(
        &format!("{S} --alter --topic t"),
        "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
    );
    check(
        &format!("{S} --alter --entity-type topics --add-config a=b"),
        "An entity name must be specified with --alter of topics",
    );
    check(
        &format!("{S} --describe --entity-type topics --entity-default"),
        "--entity-default must not be specified with --describe of topics",
    );
}

#[test]
fn brackets_keep_commas_together() {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        pairs("k1=v1,k2=[v1,v2],k3=").unwrap(),
        [pair("k1", "v1"), pair("k2", "v1,v2"), pair("k3", "")]
    );
    assert_eq!(
        pairs("SCRAM-SHA-256=[iterations=8192,password=a]").unwrap(),
        [pair("SCRAM-SHA-256", "iterations=8192,password=a")]
    );
    assert!(pairs("k1").unwrap_err().text().starts_with("requirement failed: Invalid entity config"));
}

#[test]
fn passwords_are_not_repeated() {
    let shown = masked(
        "--add-config SCRAM-SHA-256=[iterations=8192,password=a=b],SCRAM-SHA-512=[password=c] --alter",
    );
    assert_eq!(
        shown,
        "--add-config SCRAM-SHA-256=[iterations=8192,password=[hidden]],SCRAM-SHA-512=[password=[hidden]] --alter"
    );
    assert_eq!(masked("--add-config password=x y"), "--add-config password=[hidden]");
}

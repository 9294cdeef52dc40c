use super::is_internal;
use crate::run_captured;

#[test]
fn command_lines_are_refused_in_kafkas_words() {
    let check = |arguments: &str, expect: &str| {
        let arguments = format!("--bootstrap-server localhost:1 {arguments}");
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let (code, _, err) = run_captured("streams-groups", &arguments, "").unwrap();
        assert_eq!((code, err.lines().next().unwrap_or_default()), (1, expect), "{arguments:?}");
    };
    check("--describe", "Option [describe] takes one of these options: [all-groups], [group]");
    check(
        "--describe --group g --state --offsets",
        "Option [describe] takes at most one of these options: [members], [offsets], [state]",
    );
    check(
        "--delete --group g --input-topic t",
        "Kafka Streams does not support topic-specific offset deletion from a streams group.",
    );
    check(
        "--delete-offsets --group g",
        "Option [delete-offsets] takes the [group] and one of these options: [all-input-topics], [input-topic]",
    );
    check(
        "--delete-offsets --group g --group h --all-input-topics",
        "Option [delete-offsets] supports only one [group] at a time, but found: [g, h]",
    );
    check(
        "--reset-offsets --group g --to-latest",
        "Option [reset-offsets] takes the option: [execute] or [dry-run]",
    );
    check(
        "--reset-offsets --group g --execute --to-latest --shift-by 5",
        "Option \"[to-latest]\" can't be used with option \"[shift-by]\"",
    );
    check(
        "--reset-offsets --group g --dry-run --to-latest --delete-all-internal-topics",
        "Option [delete-all-internal-topics] takes [execute] when [reset-offsets] is used.",
    );
    check("--list --execute", "Only Option [reset-offsets] accepts [execute] or [dry-run]");
    check(
        "--group g",
        "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, or --delete-offsets.",
    );
    check(
        "--list --state Bad",
        "Invalid state list 'Bad'. Valid states are: Stable, Dead, Empty, Assigning, Reconciling, NotReady",
    );
}

#[test]
fn internal_topics_are_known_by_their_names() {
    for (topic, expect) in [
        ("app-store-changelog", true),
        ("app-x-repartition", true),
        ("other-store-changelog", false),
        ("app2-store-changelog", false),
        ("app-input", false),
        ("app-KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-0000000005-topic", true),
        ("app-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-x-topic", false),
    ] {
        assert_eq!(is_internal(topic, "app"), expect, "{topic}");
    }
}

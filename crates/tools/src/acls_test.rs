use super::select::by_filter;
use super::*;
use crate::refused;

fn entries(arguments: &str) -> Result<Vec<String>, Failure> {
    let (mut io, _) = Io::captured("");
    let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
    let args = TOOL.parse(&mut io, &arguments)?;
    let mut lines = Vec::new();
    for (filter, entries) in by_filter(&args)? {
        for it in entries {
            let pattern = &filter.0;
            lines.push(format!(
                "{} {} {}: {} {} {} {}",
                pattern.resource_type,
                pattern.pattern_type,
                pattern.name,
                it.permission_type,
                it.principal,
                it.host,
                it.operation
            ));
        }
    }
    Ok(lines)
}

#[test]
fn a_consumer_and_a_producer_get_what_they_need() {
    let lines = entries(
        "--bootstrap-server a:1 --add --producer --consumer --topic t --group g --transactional-id x --allow-principal User:a",
    )
    .unwrap();
    assert_eq!(
        lines,
        [
            "TOPIC LITERAL t: ALLOW User:a * READ",
            "TOPIC LITERAL t: ALLOW User:a * WRITE",
            "TOPIC LITERAL t: ALLOW User:a * CREATE",
            "TOPIC LITERAL t: ALLOW User:a * DESCRIBE",
            "GROUP LITERAL g: ALLOW User:a * READ",
            "TRANSACTIONAL_ID LITERAL x: ALLOW User:a * WRITE",
            "TRANSACTIONAL_ID LITERAL x: ALLOW User:a * DESCRIBE",
        ]
    );
}

#[test]
fn allowing_and_denying_have_hosts_of_their_own() {
    let lines = entries(
        "--bootstrap-server a:1 --add --topic t --operation read --operation DescribeConfigs --resource-pattern-type prefixed \
         --allow-principal User:a --allow-host h --deny-principal User:b",
    )
    .unwrap();
    assert_eq!(
        lines,
        [
            "TOPIC PREFIXED t: ALLOW User:a h READ",
            "TOPIC PREFIXED t: ALLOW User:a h DESCRIBE_CONFIGS",
            "TOPIC PREFIXED t: DENY User:b * READ",
            "TOPIC PREFIXED t: DENY User:b * DESCRIBE_CONFIGS",
        ]
    );
}

#[test]
fn command_lines_are_refused_in_kafkas_words() {
    let check = |arguments: &str, expect: &str| refused("acls", arguments, expect);
    check("--list", "One of --bootstrap-server or --bootstrap-controller must be specified");
    check("--bootstrap-server a:1", "Command must include exactly one action: --list, --add, --remove. ");
    check(
        "--bootstrap-server a:1 --add --principal User:a",
        "The --principal option is only available if --list is set",
    );
    check("--bootstrap-server a:1 --add --producer", "With --producer you must specify a --topic");
    check(
        "--bootstrap-server a:1 --add --topic t --idempotent",
        "The --idempotent option is only available if --producer is set",
    );
    check(
        "--bootstrap-server a:1 --list --producer --topic t",
        "Option \"[list]\" can't be used with option \"[producer]\"",
    );
    check(
        "--bootstrap-server a:1 --add --allow-principal User:a",
        "You must provide at least one resource: --topic <topic> or --cluster or --group <group> or --delegation-token <Delegation Token ID>",
    );
    check(
        "--bootstrap-server a:1 --add --topic t",
        "You must specify one of: --allow-principal, --deny-principal when trying to add ACLs.",
    );
    check(
        "--bootstrap-server a:1 --add --topic t --allow-principal User:a --operation CreateTokens",
        "ResourceType TOPIC only supports operations [READ, WRITE, CREATE, DESCRIBE, DELETE, ALTER, DESCRIBE_CONFIGS, ALTER_CONFIGS, ALL]",
    );
    check(
        "--bootstrap-server a:1 --add --topic t --allow-principal User:a --resource-pattern-type any",
        "A '--resource-pattern-type' value of 'ANY' is not valid when adding acls.",
    );
}

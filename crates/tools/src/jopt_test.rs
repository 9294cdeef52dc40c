use super::*;
use crate::option::Kind;
use crate::tool::{Group, Syntax};

static OPTIONS: [Opt; 6] = [
    opt("topic", "A topic.").value("topic"),
    opt("partitions", "How many.").value("number").kind(Kind::Int),
    opt("list", "Lists."),
    opt("key", "A list.").value("keys").separated_by(','),
    opt("throttle", "A number or nothing.").optional_value("bytes").kind(Kind::Long),
    opt("verbose", "More.").alias(&["v"]),
];
static TOOL: Tool = Tool {
    name: "try",
    script: "",
    group: Group::Topics,
    about: "Tries.",
    examples: "ottla try",
    syntax: Syntax::Options(&OPTIONS),
    run: |_, _, _| Ok(()),
};

fn parse_line(line: &str) -> Result<Args, String> {
    let arguments: Vec<String> = line.split(' ').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    parse(&TOOL, &OPTIONS, &arguments).map_err(|failure| failure.text().to_owned())
}

#[test]
fn values_follow_or_are_attached_with_one_dash_or_two() {
    for line in ["--topic a --partitions 3", "--topic=a --partitions=3", "-topic a -partitions=3"] {
        let args = parse_line(line).unwrap();
        assert_eq!(args.value("topic").unwrap(), Some("a"), "{line}");
        assert_eq!(args.number::<i32>("partitions").unwrap(), Some(3), "{line}");
        assert!(!args.has("list"));
    }
    assert_eq!(parse_line("--topic=").unwrap().value("topic").unwrap(), Some(""));
    assert_eq!(parse_line("--topic --list").unwrap().value("topic").unwrap(), Some("--list"));
}

#[test]
fn errors_are_in_joptsimples_words() {
    assert_eq!(parse_line("--topics a").unwrap_err(), "topics is not a recognized option");
    assert_eq!(parse_line("--top a").unwrap_err(), "top is not a recognized option");
    assert_eq!(parse_line("-xyz").unwrap_err(), "x is not a recognized option");
    assert_eq!(parse_line("--list --topic").unwrap_err(), "Option topic requires an argument");
    let args = parse_line("--topic a --topic b --partitions many").unwrap();
    assert_eq!(
        args.value("topic").unwrap_err().text(),
        "Found multiple arguments for option topic, but you asked for only one"
    );
    assert_eq!(args.values("topic"), ["a", "b"]);
    assert_eq!(
        args.number::<i32>("partitions").unwrap_err().text(),
        "Cannot parse argument 'many' of option partitions"
    );
}

#[test]
fn lists_letters_optional_values_and_the_rest() {
    let args = parse_line("-v --key a,,b --key c --throttle -5 x -- --list").unwrap();
    assert!(args.has("verbose") && !args.has("list"));
    assert_eq!(args.values("key"), ["a", "b", "c"]);
    assert_eq!(args.number::<i64>("throttle").unwrap(), Some(-5));
    assert_eq!(args.rest, ["x", "--list"]);
    let args = parse_line("--throttle --list").unwrap();
    assert!(args.is_bare("throttle") && args.has("list"));
}

#[test]
fn checks_are_in_kafkas_words() {
    let args = parse_line("--topic a -v").unwrap();
    let text = |result: Result<(), Failure>| result.unwrap_err().text().to_owned();
    assert_eq!(text(args.require(&["topic", "key"])), "Missing required argument \"[key]\"");
    assert_eq!(
        text(args.forbid("topic", &["list", "verbose"])),
        "Option \"[topic]\" can't be used with option \"[v, verbose]\""
    );
    assert_eq!(
        text(args.exactly_one(&["list", "key"])),
        "Exactly one of the following arguments is required: [list], [key]"
    );
    assert!(args.exactly_one(&["topic", "key"]).is_ok() && args.forbid("list", &["topic"]).is_ok());
}

#[test]
fn help_has_two_columns_and_all_options_in_order() {
    let help = crate::help::options(&TOOL);
    let lines: Vec<&str> = help.lines().collect();
    assert!(lines[0].starts_with("Option  ") && lines[0].ends_with("  Description"), "{help}");
    let partitions = lines.iter().find(|line| line.starts_with("--partitions <Integer: number> "));
    assert!(partitions.is_some_and(|line| line.ends_with("  How many.")), "{help}");
    assert!(lines.iter().any(|line| line.starts_with("-v, --verbose ")), "{help}");
    assert!(lines.iter().all(|line| line.len() <= 80));
}

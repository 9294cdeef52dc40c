use super::*;
use crate::option::Kind;
use crate::tool::{Group, Syntax};

static SUBS: [Command; 2] = [
    Command {
        name: "describe",
        about: "Describes.",
        options: &[
            opt("status", "The status.").alias(&["s"]).exclusive(1, true),
            opt("replication", "The replication.").alias(&["r"]).exclusive(1, true),
        ],
        metavar: "",
        commands: &[],
        help_code: 0,
    },
    Command {
        name: "remove",
        about: "Removes.",
        options: &[
            opt("id", "Which.").value("").kind(Kind::Int).required(),
            opt("name", "Names.").positional(),
        ],
        metavar: "",
        commands: &[],
        help_code: 0,
    },
];
static MAIN: Command = Command {
    name: "kafka-try",
    about: "Tries.",
    options: &[
        opt("bootstrap-server", "Where.").value("").exclusive(1, true),
        opt("bootstrap-controller", "Where.").value("").exclusive(1, true),
        opt("command-config", "File.").value(""),
    ],
    metavar: "",
    commands: &SUBS,
    help_code: 0,
};
static TOOL: Tool = Tool {
    name: "try",
    script: "",
    group: Group::Cluster,
    about: "Tries.",
    examples: "ottla try",
    syntax: Syntax::Commands(&MAIN),
    run: |_, _, _| Ok(()),
};

fn parse_line(line: &str) -> Result<Args, String> {
    let arguments: Vec<String> = line.split(' ').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    parse(&TOOL, &MAIN, &arguments).map_err(|failure| failure.text().to_owned())
}

fn check_error(line: &str, message: &str) {
    let error = parse_line(line).unwrap_err();
    assert!(error.contains(&format!("kafka-try: error: {message}\n")), "{line}: {error}");
}

#[test]
fn options_and_commands_may_be_abbreviated() {
    let args = parse_line("--bootstrap-s a:1 desc --repl").unwrap();
    assert_eq!(args.commands, ["describe"]);
    assert_eq!(args.value("bootstrap-server").unwrap(), Some("a:1"));
    assert!(args.has("replication") && !args.has("status"));
    let args = parse_line("--bootstrap-controller=c:1 remove --id 3 x").unwrap();
    assert_eq!((args.number::<i32>("id").unwrap(), args.value("name").unwrap()), (Some(3), Some("x")));
    assert!(parse_line("--bootstrap-server a:1 describe -s").unwrap().has("status"));
}

#[test]
fn errors_are_in_argparse4js_words() {
    check_error("", "too few arguments");
    check_error(
        "--bootstrap a:1 describe",
        "ambiguous option: --bootstrap could match --bootstrap-controller, --bootstrap-server",
    );
    check_error(
        "--bootstrap-server a:1 nothing",
        "invalid choice: 'nothing' (choose from 'describe', 'remove')",
    );
    check_error(
        "describe --status",
        "one of the arguments --bootstrap-server --bootstrap-controller is required",
    );
    check_error(
        "--bootstrap-server a:1 describe -s -r",
        "argument --replication/-r: not allowed with argument --status/-s",
    );
    check_error(
        "--bootstrap-server a:1 describe",
        "one of the arguments --status/-s --replication/-r is required",
    );
    check_error("--bootstrap-server a:1 remove x", "argument --id is required");
    check_error(
        "--bootstrap-server a:1 remove --id no x",
        "argument --id: could not convert 'no' to Integer (For input string: \"no\")",
    );
    check_error("--bootstrap-server", "argument --bootstrap-server: expected one argument");
    check_error("--bootstrap-server a:1 describe -s y", "unrecognized arguments: 'y'");
}

#[test]
fn a_slip_is_answered_with_what_was_meant() {
    let error = parse_line("--bootstrap-server a:1 descibe").unwrap_err();
    assert!(error.ends_with("\nDid you mean:\n\tdescribe\n"), "{error}");
    let error = parse_line("--botstrap-server a:1 describe").unwrap_err();
    assert!(error.contains("unrecognized arguments: '--botstrap-server'"), "{error}");
    assert!(error.ends_with("\nDid you mean:\n\t--bootstrap-server\n"), "{error}");
}

#[test]
fn the_synopsis_names_what_is_required_above() {
    let error = parse_line("--bootstrap-server a:1 describe").unwrap_err();
    assert!(
        error.starts_with(
            "usage: kafka-try (--bootstrap-server BOOTSTRAP_SERVER | --bootstrap-controller BOOTSTRAP_CONTROLLER)"
        ),
        "{error}"
    );
    let help = parse_line("-h").unwrap_err();
    assert!(help.contains("positional arguments:\n  {describe,remove}\n"), "{help}");
}

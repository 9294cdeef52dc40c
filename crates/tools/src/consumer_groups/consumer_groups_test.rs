use crate::run_captured;

fn check(arguments: &str, code: i32, expect: &str) {
    let arguments: Vec<&str> = arguments.split(' ').filter(|part| !part.is_empty()).collect();
    let (have, out, err) = run_captured("consumer-groups", &arguments, "").expect("it is a tool");
    let first = err.lines().find(|line| !line.starts_with("WARN:")).or(out.lines().next());
    assert_eq!((have, first.unwrap_or_default()), (code, expect), "{arguments:?}");
}

#[test]
fn command_lines_are_refused_in_kafkas_words() {
    const S: &str = "--bootstrap-server a:1";
    check("--list", 1, "Missing required argument \"[bootstrap-server]\"");
    let actions = "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, \
                   --delete-offsets, --validate-regex";
    check(S, 1, actions);
    check(&format!("{S} --list --describe --all-groups"), 1, actions);
    check(
        &format!("{S} --describe"),
        1,
        "Option [describe] takes one of these options: [group], [all-groups]",
    );
    check(
        &format!("{S} --describe --group g --members --state"),
        1,
        "Option [describe] takes at most one of these options: [members], [offsets], [state]",
    );
    check(
        &format!("{S} --describe --group g --state Stable"),
        1,
        "Option [describe] does not take a value for [state]",
    );
    check(
        &format!("{S} --list --members"),
        1,
        "Option(s) [members] are unavailable given other options on the command line",
    );
    check(&format!("{S} --list --group g"), 1, "Option \"[group]\" can't be used with option \"[list]\"");
    check(
        &format!("{S} --reset-offsets --group g --dry-run --execute"),
        1,
        "Option [reset-offsets] only accepts one of [execute] and [dry-run]",
    );
    check(
        &format!("{S} --reset-offsets --group g --to-earliest --to-latest"),
        1,
        "Option \"[to-earliest]\" can't be used with option \"[to-latest]\"",
    );
    check(
        &format!("{S} --delete-offsets --group g"),
        1,
        "Option [delete-offsets] takes the following options: [group], [topic]",
    );
    let arguments = ["--bootstrap-server", "a:1", "--list", "--timeout", "x"];
    let (code, out, _) = run_captured("consumer-groups", &arguments, "").expect("it is a tool");
    let expect = "\nError: Executing consumer group command failed due to Cannot parse argument 'x' of option timeout\n";
    assert_eq!((code, out.as_str()), (0, expect));
}

#[test]
fn regular_expressions_are_tried() {
    check("--validate-regex a.*", 0, "The regular expression `a.*` is valid.");
    check("--validate-regex a(", 0, "The regular expression `a(` is invalid: missing closing ).");
    check("--validate-regex [a", 0, "The regular expression `[a` is invalid: missing closing ].");
}

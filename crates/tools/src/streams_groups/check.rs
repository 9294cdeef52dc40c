//! What a command line of `streams-groups` may say.

use crate::args::Args;
use crate::failure::Failure;
use crate::group_tool::check_describe;
use crate::java;

/// The ways to reset, in the order of the checks.
const SCENARIOS: [&str; 8] = [
    "to-offset",
    "to-datetime",
    "by-duration",
    "to-earliest",
    "to-latest",
    "to-current",
    "shift-by",
    "from-file",
];

/// The checks of `StreamsGroupCommandOptions`, in its order.
pub(super) fn check(args: &Args) -> Result<(), Failure> {
    args.require(&["bootstrap-server"])?;
    let refuse = |text: &str| Err(args.usage(text));
    let no_group = !args.has("group") && !args.has("all-groups");
    check_describe(args, "[all-groups], [group]")?;
    let no_topic = !args.has("input-topic") && !args.has("all-input-topics");
    if args.has("delete") {
        if no_group {
            return refuse("Option [delete] takes one of these options: [all-groups], [group]");
        }
        if !no_topic {
            return refuse(
                "Kafka Streams does not support topic-specific offset deletion from a streams group.",
            );
        }
    }
    if args.has("delete-offsets") {
        if no_topic || !args.has("group") {
            return refuse(
                "Option [delete-offsets] takes the [group] and one of these options: [all-input-topics], [input-topic]",
            );
        }
        let groups = args.values("group");
        if groups.len() > 1 {
            let groups = java::list(groups);
            return Err(args.usage(format!(
                "Option [delete-offsets] supports only one [group] at a time, but found: {groups}"
            )));
        }
    }
    if args.has("reset-offsets") {
        check_reset(args)?;
    }
    check_internal_topics(args)?;
    if (args.has("dry-run") || args.has("execute")) && !args.has("reset-offsets") {
        return refuse("Only Option [reset-offsets] accepts [execute] or [dry-run]");
    }
    args.forbid("list", &["members", "offsets"])?;
    args.forbid("group", &["all-groups"])?;
    args.forbid("group", &["list"])?;
    args.forbid("input-topic", &["list", "describe", "delete"])?;
    let actions = ["list", "describe", "reset-offsets", "delete", "delete-offsets"];
    if actions.iter().filter(|action| args.has(action)).count() != 1 {
        return refuse(
            "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, or --delete-offsets.",
        );
    }
    Ok(())
}

fn check_reset(args: &Args) -> Result<(), Failure> {
    let refuse = |text: &str| Err(args.usage(format!("Option [reset-offsets] {text}")));
    match (args.has("dry-run"), args.has("execute")) {
        (true, true) => return refuse("only accepts one of [execute] and [dry-run]"),
        (false, false) => return refuse("takes the option: [execute] or [dry-run]"),
        _ => {}
    }
    if !args.has("group") && !args.has("all-groups") {
        return refuse("takes one of these options: [all-groups], [group]");
    }
    args.at_most_one(&SCENARIOS)
}

fn check_internal_topics(args: &Args) -> Result<(), Failure> {
    let reset = args.has("reset-offsets");
    if args.has("delete-all-internal-topics") {
        if !reset && !args.has("delete") {
            return Err(args.usage(
                "Option [delete-all-internal-topics] takes one of these options: [delete], [reset-offsets]",
            ));
        }
        if reset && !args.has("execute") {
            return Err(args
                .usage("Option [delete-all-internal-topics] takes [execute] when [reset-offsets] is used."));
        }
    } else if args.has("delete-internal-topic") && !(reset && args.has("execute")) {
        return Err(
            args.usage("Option [delete-internal-topic] takes [reset-offsets] when [execute] is used.")
        );
    }
    Ok(())
}

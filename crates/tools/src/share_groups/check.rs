//! What a command line of `share-groups` may say.

use crate::args::Args;
use crate::failure::Failure;
use crate::group_tool::check_describe;

const RESETS: [&str; 3] = ["to-datetime", "to-earliest", "to-latest"];

/// The checks of `ShareGroupCommandOptions`, in its order.
pub(super) fn check(args: &Args) -> Result<(), Failure> {
    args.require(&["bootstrap-server"])?;
    let refuse = |text: String| Err(args.usage(text));
    check_describe(args, "[all-groups], [group]")?;
    if args.has("delete") {
        match (args.has("group"), args.has("all-groups")) {
            (false, false) => {
                return refuse("Option [delete] takes the options [group] or [all-groups]".to_owned());
            }
            (true, true) => {
                return refuse("Option [delete] takes either [group] or [all-groups], not both.".to_owned());
            }
            _ => {}
        }
        if args.has("topic") {
            return refuse("Option [delete] does not take the option: [topic]".to_owned());
        }
    }
    if args.has("delete-offsets") && !(args.has("group") && args.has("topic")) {
        return refuse("Option [delete-offsets] takes the following options: [group], [topic]".to_owned());
    }
    if args.has("reset-offsets") {
        check_reset(args)?;
    }
    args.forbid("group", &["all-groups"])?;
    args.forbid("group", &["list"])?;
    args.forbid("topic", &["list", "describe"])?;
    let actions = ["list", "describe", "delete", "reset-offsets", "delete-offsets"];
    if actions.iter().filter(|action| args.has(action)).count() != 1 {
        return refuse(
            "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets."
                .to_owned(),
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
    if !args.has("group") {
        return refuse("takes the option: [group]");
    }
    if !args.has("topic") && !args.has("all-topics") {
        return refuse("takes one of these options: [all-topics], [topic]");
    }
    if !RESETS.iter().any(|name| args.has(name)) {
        return refuse("takes one of these options: [to-datetime], [to-earliest], [to-latest]");
    }
    args.at_most_one(&RESETS)
}

//! What may not be together on the command line.

use crate::args::Args;
use crate::errln;
use crate::failure::Failure;
use crate::group_tool::check_describe;
use crate::io::Io;

pub(super) fn check(io: &mut Io, args: &Args) -> Result<(), Failure> {
    if !args.has("validate-regex") {
        args.require(&["bootstrap-server"])?;
    }
    let no_group = !args.has("group") && !args.has("all-groups");
    check_describe(args, "[group], [all-groups]")?;
    if args.has("delete") {
        if no_group {
            return Err(args.usage("Option [delete] takes one of these options: [group], [all-groups]"));
        }
        if args.has("topic") {
            return Err(args.usage(
                "The consumer does not support topic-specific offset deletion from a consumer group.",
            ));
        }
    }
    if args.has("delete-offsets") && (!args.has("group") || !args.has("topic")) {
        return Err(args.usage("Option [delete-offsets] takes the following options: [group], [topic]"));
    }
    if args.has("reset-offsets") {
        check_reset(io, args, no_group)?;
    }
    args.forbid("group", &["all-groups"])?;
    args.forbid("group", &["list"])?;
    args.forbid("topic", &["list", "describe"])
}

fn check_reset(io: &mut Io, args: &Args, no_group: bool) -> Result<(), Failure> {
    if args.has("dry-run") && args.has("execute") {
        return Err(args.usage("Option [reset-offsets] only accepts one of [execute] and [dry-run]"));
    }
    if !args.has("dry-run") && !args.has("execute") {
        errln!(
            io,
            "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command will \
             require either --dry-run or --execute to be specified. You should add the --dry-run option explicitly if \
             you are scripting this command and want to keep the current default behavior without prompting."
        );
    }
    if no_group {
        return Err(args.usage("Option [reset-offsets] takes one of these options: [group], [all-groups]"));
    }
    const ORDER: [&str; 8] = [
        "to-offset",
        "to-datetime",
        "by-duration",
        "to-earliest",
        "to-latest",
        "to-current",
        "shift-by",
        "from-file",
    ];
    args.at_most_one(&ORDER)
}

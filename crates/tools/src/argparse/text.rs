//! Synopsis, help and suggestions in argparse4j's layout.

use std::fmt::Write;

use super::HELP;
use crate::option::{Opt, Takes, dashed};
use crate::tool::Command;

/// Columns of help and synopsis.
const WIDTH: usize = 75;

/// How messages name an option.
pub(crate) fn textual_name(option: &Opt) -> String {
    if option.positional { option.name.to_owned() } else { spellings(option).join("/") }
}

fn spellings(option: &Opt) -> Vec<String> {
    if option.name == HELP.name {
        return vec!["-h".to_owned(), "--help".to_owned()];
    }
    std::iter::once(option.name).chain(option.aliases.iter().copied()).map(dashed).collect()
}

/// What stands for the values.
fn metavar(option: &Opt) -> String {
    let name = if !option.value_name.is_empty() {
        option.value_name.to_owned()
    } else if !option.choices.is_empty() {
        format!("{{{}}}", option.choices.join(","))
    } else if option.positional {
        option.name.to_owned()
    } else {
        option.name.replace('-', "_").to_uppercase()
    };
    match option.takes {
        Takes::Nothing => String::new(),
        Takes::One => name,
        Takes::Optional => format!("[{name}]"),
        Takes::Some => format!("{name} [{name} ...]"),
        Takes::Any => format!("[{name} [{name} ...]]"),
    }
}

fn bare(option: &Opt) -> String {
    if option.positional {
        return metavar(option);
    }
    let first = spellings(option).swap_remove(0);
    match metavar(option) {
        values if values.is_empty() => first,
        values => format!("{first} {values}"),
    }
}

fn bracketed(option: &Opt) -> String {
    if option.required || option.positional { bare(option) } else { format!("[{}]", bare(option)) }
}

/// The options of one exclusive group, joined.
fn group(command: &Command, number: u8) -> Option<String> {
    let members: Vec<&Opt> = command.options.iter().filter(|option| option.exclusive == number).collect();
    let required = members.iter().any(|option| option.exclusive_required);
    let all = members.iter().map(|option| bare(option)).collect::<Vec<_>>().join(" | ");
    match (members.len(), required) {
        (0, _) => None,
        (1, true) => Some(all),
        (_, true) => Some(format!("({all})")),
        (_, false) => Some(format!("[{all}]")),
    }
}

fn groups(command: &Command) -> Vec<u8> {
    let mut numbers: Vec<u8> =
        command.options.iter().map(|option| option.exclusive).filter(|n| *n != 0).collect();
    numbers.dedup();
    numbers
}

/// The synopsis.
pub(crate) fn usage(path: &[&'static Command]) -> String {
    let (Some(main), Some(command)) = (path.first(), path.last()) else { return String::new() };
    let mut parts = Vec::new();
    for (depth, upper) in path.iter().enumerate().take(path.len() - 1) {
        if depth > 0 {
            parts.push(upper.name.to_owned());
        }
        parts.extend(
            upper.options.iter().filter(|o| o.required && !o.positional && o.exclusive == 0).map(bracketed),
        );
        let required = |n: &u8| upper.options.iter().any(|o| o.exclusive == *n && o.exclusive_required);
        parts.extend(groups(upper).into_iter().filter(required).filter_map(|n| group(upper, n)));
        parts.extend(upper.options.iter().filter(|o| o.positional).map(metavar));
    }
    if path.len() > 1 {
        parts.push(command.name.to_owned());
    }
    parts.push("[-h]".to_owned());
    parts.extend(command.options.iter().filter(|o| !o.positional && o.exclusive == 0).map(bracketed));
    parts.extend(groups(command).into_iter().filter_map(|number| group(command, number)));
    parts.extend(command.options.iter().filter(|o| o.positional).map(metavar));
    if !command.commands.is_empty() {
        parts.push(commands_metavar(command));
        parts.push("...".to_owned());
    }
    wrap_usage(&format!("usage: {}", main.name), &parts)
}

fn wrap_usage(head: &str, parts: &[String]) -> String {
    let mut out = head.to_owned();
    let indent = if head.chars().count() > 30 {
        out.push_str("\n      ");
        6
    } else {
        head.chars().count()
    };
    let mut width = indent;
    for (at, part) in parts.iter().enumerate() {
        let length = part.chars().count() + 1;
        if at > 0 && width + length > WIDTH {
            let _ = write!(out, "\n{:indent$}", "");
            width = indent;
        }
        let _ = write!(out, " {part}");
        width += length;
    }
    out.push('\n');
    out
}

fn commands_metavar(command: &Command) -> String {
    if command.metavar.is_empty() {
        let names: Vec<&str> = command.commands.iter().map(|command| command.name).collect();
        format!("{{{}}}", names.join(","))
    } else {
        command.metavar.to_owned()
    }
}

/// The whole help.
pub(crate) fn help(path: &[&'static Command]) -> String {
    let Some(command) = path.last() else { return String::new() };
    let mut out = usage(path);
    let _ = write!(out, "\n{}\n", crate::help::wrap(command.about, WIDTH, "").join("\n"));
    let positional: Vec<&Opt> = command.options.iter().filter(|option| option.positional).collect();
    if !positional.is_empty() || !command.commands.is_empty() {
        out.push_str("\npositional arguments:\n");
        positional.iter().for_each(|option| entry(&mut out, &metavar(option), &described(option)));
        if !command.commands.is_empty() {
            entry(&mut out, &commands_metavar(command), "");
            command.commands.iter().for_each(|sub| entry(&mut out, &format!("  {}", sub.name), sub.about));
        }
    }
    out.push_str("\noptional arguments:\n");
    let common = crate::tool::COMMON.iter().filter(|_| path.len() == 1);
    for option in std::iter::once(&HELP).chain(command.options.iter().filter(|o| !o.positional)).chain(common)
    {
        let values = metavar(option);
        let names: Vec<String> =
            spellings(option).iter().map(|name| format!("{name} {values}").trim_end().to_owned()).collect();
        entry(&mut out, &names.join(", "), &described(option));
    }
    out
}

fn described(option: &Opt) -> String {
    match option.default {
        Some(default) => format!("{} (default: {default})", option.doc),
        None => option.doc.to_owned(),
    }
}

fn entry(out: &mut String, title: &str, text: &str) {
    const INDENT: usize = 25;
    let _ = write!(out, "  {title}");
    if text.is_empty() {
        out.push('\n');
        return;
    }
    let lines = crate::help::wrap(text, WIDTH - INDENT, "");
    let width = title.chars().count() + 2;
    let first = if width <= 23 { " ".repeat(INDENT - width) } else { format!("\n{:INDENT$}", "") };
    let _ = writeln!(out, "{first}{}", lines.join(&format!("\n{:INDENT$}", "")));
}

/// "Did you mean" for an option that is none.
pub(super) fn flag_suggestions(options: &[&'static Opt], term: &str) -> String {
    let wanted = term.trim_start_matches('-');
    if wanted.len() < 2 {
        return String::new();
    }
    let names = options.iter().filter(|option| !option.beyond_kafka).flat_map(|option| spellings(option));
    suggestions(names.filter(|name| name.starts_with("--")).map(|name| (name[2..].to_owned(), name)), wanted)
}

/// "Did you mean" for a sub-command that is none.
pub(super) fn command_suggestions(commands: &[Command], term: &str) -> String {
    suggestions(commands.iter().map(|command| (command.name.to_owned(), command.name.to_owned())), term)
}

fn suggestions(names: impl Iterator<Item = (String, String)>, wanted: &str) -> String {
    let cost = |body: &str| if body.starts_with(wanted) { 0 } else { distance(wanted, body) };
    let mut candidates: Vec<(usize, String)> = names.map(|(body, shown)| (cost(&body), shown)).collect();
    candidates.sort();
    let Some((best, _)) = candidates.first().filter(|(best, _)| *best < 7) else { return String::new() };
    let best = *best;
    let mut out = "\nDid you mean:\n".to_owned();
    for (_, shown) in candidates.iter().filter(|(cost, _)| *cost == best) {
        let _ = writeln!(out, "\t{shown}");
    }
    out
}

/// How much must be changed to make `b` of `a`: a swap is free, a letter added costs 1, replaced 2, taken away 4.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().collect());
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut cost = last[j] + if x == y { 0 } else { 2 };
            if i > 0 && j > 0 && x != y && a[i - 1] == *y && b[j - 1] == *x {
                cost = cost.min(before[j - 1]);
            }
            row.push(cost.min(last[j + 1] + 4).min(row[j] + 1));
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

//! Help of tools in JOptSimple's manner: two columns, 80 wide.

use std::fmt::Write;

use crate::jopt::DEFAULTS;
use crate::option::{Opt, Takes, dashed};
use crate::tool::{COMMON, Syntax, Tool};

const WIDTH: usize = 80;
const GAP: usize = 2;

/// The help of a tool: its options, or its synopsis.
pub(crate) fn options(tool: &Tool) -> String {
    let options = match &tool.syntax {
        Syntax::Options(options) => options,
        Syntax::Commands(command) => return crate::argparse::text::usage(&[command]),
        Syntax::Own(synopsis) => {
            return format!("usage: ottla {} {synopsis}\n{}", tool.name, examples(tool, ""));
        }
    };
    let mut all: Vec<&Opt> = options.iter().collect();
    all.extend(
        DEFAULTS.iter().chain(&COMMON).filter(|common| !options.iter().any(|own| own.is_called(common.name))),
    );
    all.sort_by_key(|option| option.names().first().copied().unwrap_or_default());
    let head = if all.iter().any(|option| option.required) { "Option (* = required)" } else { "Option" };
    let mut rows = vec![(head.to_owned(), "Description".to_owned())];
    rows.push(("-".repeat(head.len()), "-".repeat("Description".len())));
    rows.extend(all.iter().map(|option| (left(option), right(option))));
    columns(&rows) + &examples(tool, "")
}

/// A tool's examples, or those with a sub-command, as they are called by the one binary; nothing when there are none.
pub(crate) fn examples(tool: &Tool, command: &str) -> String {
    let has_command = |line: &&str| command.is_empty() || line.split(' ').any(|word| word == command);
    let script = format!("{}.sh ", tool.script);
    let mut out = String::new();
    for line in tool.examples.lines().filter(has_command) {
        let head = if out.is_empty() { "\nExamples:\n" } else { "" };
        let _ = match line.strip_prefix(&script) {
            Some(arguments) => writeln!(out, "{head}  ottla {} {arguments}", tool.name),
            None => writeln!(out, "{head}  {line}"),
        };
    }
    out
}

/// `--name <Type: what it is>`.
pub(crate) fn left(option: &Opt) -> String {
    let names: Vec<String> = option.names().into_iter().map(dashed).collect();
    let mut text = if option.required { "* ".to_owned() } else { String::new() };
    text += &names.join(", ");
    let value = match option.value_name {
        "" => option.kind.name().to_owned(),
        name => format!("{}: {name}", option.kind.name()),
    };
    match option.takes {
        Takes::Nothing => {}
        Takes::One | Takes::Some => _ = write!(text, " <{value}>"),
        Takes::Optional | Takes::Any => _ = write!(text, " [{value}]"),
    }
    text
}

fn right(option: &Opt) -> String {
    let mut text = match option.deprecated {
        Some(instead) => format!("Deprecated; use --{instead}. {}", option.doc),
        None => option.doc.to_owned(),
    };
    if let Some(default) = option.default {
        let _ = write!(text, " (default: {default})");
    }
    text
}

fn columns(rows: &[(String, String)]) -> String {
    let widest =
        |texts: &mut dyn Iterator<Item = &String>| texts.map(|text| text.chars().count()).max().unwrap_or(0);
    let left_width = widest(&mut rows.iter().map(|(left, _)| left)).min((WIDTH - GAP) / 2);
    let right_width = widest(&mut rows.iter().map(|(_, right)| right)).min(WIDTH - left_width - GAP);
    let mut out = String::new();
    for (left, right) in rows {
        let (left, right) = (wrap(left, left_width, "  "), wrap(right, right_width, "  "));
        for at in 0..left.len().max(right.len()) {
            let (left, right) =
                (left.get(at).map_or("", String::as_str), right.get(at).map_or("", String::as_str));
            let _ = writeln!(out, "{}", format!("{left:left_width$}  {right}").trim_end());
        }
    }
    out
}

/// Breaks a text into lines of at most `width` columns where words allow it; `indent` begins the continued ones.
pub(crate) fn wrap(text: &str, width: usize, indent: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.trim().split('\n') {
        let mut line = String::new();
        for word in paragraph.split_inclusive(' ') {
            if !line.is_empty() && line.chars().count() + word.trim_end().chars().count() > width {
                lines.push(line.trim_end().to_owned());
                line = indent.to_owned();
            }
            line.push_str(word);
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_ends_with_examples() {
        let of = |name: &str, command: &str| examples(crate::find(name).expect("a tool"), command);
        assert_eq!(
            of("delete-records", ""),
            "\nExamples:\n  ottla delete-records --bootstrap-server localhost:9092 --offset-json-file offsets.json\n"
        );
        assert!(
            options(crate::find("topics").expect("a tool")).contains("\n  ottla topics --bootstrap-server")
        );
        let abort = of("transactions", "abort");
        assert!(abort.lines().count() == 3 && abort.contains("ottla transactions --bootstrap"), "{abort}");
        assert_eq!(of("transactions", "force-terminate"), "");
    }
}

//! A page of documentation for each tool: `docs/tools/<tool>.md`, and their list.

use std::fmt::Write;

use crate::jopt::DEFAULTS;
use crate::option::{Opt, Takes, dashed};
use crate::registry::TOOLS;
use crate::tool::{COMMON, Command, Group, Syntax, Tool};

/// Every page as (file name, text), with `README.md` as the list.
pub fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<(String, String)> = TOOLS
        .iter()
        .filter(|tool| !matches!(tool.syntax, Syntax::Own("...")))
        .map(|tool| (format!("{}.md", tool.name), page(tool)))
        .collect();
    pages.push(("README.md".to_owned(), list()));
    pages.sort();
    pages
}

fn list() -> String {
    let mut out = "# Tools\n\nKafka's command line tools are part of the one binary `ottla`. Flags, output and exit codes are Kafka's; \
                   `bin/` has a script of Kafka's name for each, and a link with such a name to `ottla` does as well. Pages and \
                   scripts are written from the declarations in `crates/tools`.\n"
        .to_owned();
    for group in Group::ALL {
        let mut tools: Vec<&&Tool> = TOOLS.iter().filter(|tool| tool.group == group).collect();
        if tools.is_empty() {
            continue;
        }
        tools.sort_by_key(|tool| tool.name);
        let _ = write!(
            out,
            "\n## {}\n\n| Tool | Kafka's script | What it does |\n| --- | --- | --- |\n",
            group.title()
        );
        for tool in tools {
            let script = if tool.script.is_empty() { String::new() } else { format!("`{}.sh`", tool.script) };
            let name = match tool.syntax {
                Syntax::Own("...") => format!("`{}`", tool.name),
                _ => format!("[{0}]({0}.md)", tool.name),
            };
            let _ = writeln!(out, "| {name} | {script} | {} |", tool.about);
        }
    }
    out
}

fn page(tool: &Tool) -> String {
    let mut out = format!("# ottla {}\n\n{}", tool.name, tool.about);
    if !tool.script.is_empty() {
        let _ = write!(out, " Kafka's `{}.sh`.", tool.script);
    }
    let _ = write!(out, "\n\n```sh\n{}\n```\n", tool.examples);
    match &tool.syntax {
        Syntax::Options(options) => {
            let common = DEFAULTS.iter().chain(&COMMON);
            let all: Vec<&Opt> = options
                .iter()
                .chain(common.filter(|common| !options.iter().any(|own| own.is_called(common.name))))
                .collect();
            out += &table(&all);
        }
        Syntax::Commands(command) => commands(&mut out, command, ""),
        Syntax::Own(synopsis) => _ = write!(out, "\nSynopsis: `ottla {} {synopsis}`\n", tool.name),
    }
    out
}

fn commands(out: &mut String, command: &Command, path: &str) {
    if !path.is_empty() {
        let _ = write!(out, "\n## {path}\n\n{}\n", command.about);
    }
    let options: Vec<&Opt> = command.options.iter().collect();
    if !options.is_empty() {
        *out += &table(&options);
    }
    for sub in command.commands {
        let path = if path.is_empty() { sub.name.to_owned() } else { format!("{path} {}", sub.name) };
        commands(out, sub, &path);
    }
}

fn table(options: &[&Opt]) -> String {
    let mut out = "\n| Option | Value | Default | What it does |\n| --- | --- | --- | --- |\n".to_owned();
    for option in options {
        let spelled = |name: &'static str| {
            format!("`{}`", if option.positional { name.to_owned() } else { dashed(name) })
        };
        let names: Vec<String> =
            std::iter::once(option.name).chain(option.aliases.iter().copied()).map(spelled).collect();
        let value = match option.takes {
            Takes::Nothing => String::new(),
            _ if !option.choices.is_empty() => option.choices.join(", "),
            _ if option.value_name.is_empty() => option.kind.name().to_lowercase(),
            _ => option.value_name.to_owned(),
        };
        let mut doc = option.doc.to_owned();
        if option.required {
            doc = format!("Required. {doc}");
        }
        if let Some(instead) = option.deprecated {
            doc = format!("Deprecated; use `--{instead}`. {doc}");
        }
        if option.beyond_kafka {
            doc += " Beyond Kafka.";
        }
        let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        let default = option.default.map(|default| format!("`{default}`")).unwrap_or_default();
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            names.join(", "),
            cell(&value),
            cell(&default),
            cell(&doc)
        );
    }
    out
}

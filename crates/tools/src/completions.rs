//! `ottla completions`: what a shell must know to complete tools and their options.

use std::fmt::Write;

use crate::failure::Failure;
use crate::io::Io;
use crate::jopt::DEFAULTS;
use crate::option::{Opt, dashed};
use crate::out;
use crate::registry::TOOLS;
use crate::tool::{COMMON, Command, Group, Syntax, Tool};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "completions",
    script: "",
    group: Group::Server,
    about: "Prints a script that lets a shell complete tools and options.",
    examples: "ottla completions bash > /etc/bash_completion.d/ottla\n\
               ottla completions zsh > ~/.zfunc/_ottla\n\
               ottla completions fish > ~/.config/fish/completions/ottla.fish",
    syntax: Syntax::Own("bash|zsh|fish"),
    run,
};

fn run(_: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    match arguments.first().map(String::as_str) {
        Some("bash") => out!(io, "{}", bash()),
        Some("zsh") => out!(io, "{}", zsh()),
        Some("fish") => out!(io, "{}", fish()),
        _ => return Err(Failure::message("usage: ottla completions bash|zsh|fish")),
    }
    Ok(())
}

/// What may follow a tool's name: option, or name of a sub-command; and what it does.
fn words(tool: &Tool) -> Vec<(String, &'static str)> {
    fn of(option: &Opt) -> Option<(String, &'static str)> {
        (!option.positional && option.deprecated.is_none()).then(|| (dashed(option.name), option.doc))
    }
    fn within(command: &Command, words: &mut Vec<(String, &'static str)>) {
        words.extend(command.options.iter().filter_map(of));
        for sub in command.commands {
            words.push((sub.name.to_owned(), sub.about));
            within(sub, words);
        }
    }
    let mut words = Vec::new();
    match &tool.syntax {
        Syntax::Options(options) => {
            words.extend(options.iter().chain(&DEFAULTS).chain(&COMMON).filter_map(of))
        }
        Syntax::Commands(command) => {
            within(command, &mut words);
            words.extend(COMMON.iter().filter_map(of));
        }
        Syntax::Own(_) => {}
    }
    words.sort();
    words.dedup_by(|a, b| a.0 == b.0);
    words
}

fn names() -> Vec<(&'static str, &'static str)> {
    let mut names: Vec<_> = TOOLS.iter().map(|tool| (tool.name, tool.about)).collect();
    names.extend([
        ("server", "Runs a node."),
        ("server-start", "Runs a node, with the arguments of Kafka's script."),
    ]);
    names.sort_unstable();
    names
}

fn bash() -> String {
    let all: Vec<&str> = names().into_iter().map(|(name, _)| name).collect();
    let mut out = format!(
        "_ottla() {{\n  local word=\"${{COMP_WORDS[COMP_CWORD]}}\" tool=\"${{COMP_WORDS[0]##*/}}\" words\n\
         \x20 if [ \"$tool\" = ottla ]; then\n\
         \x20   if [ \"$COMP_CWORD\" = 1 ]; then\n      COMPREPLY=($(compgen -W \"{}\" -- \"$word\"))\n      return\n    fi\n\
         \x20   tool=\"${{COMP_WORDS[1]}}\"\n  fi\n  case \"$tool\" in\n",
        all.join(" ")
    );
    for tool in TOOLS {
        let words: Vec<String> = words(tool).into_iter().map(|(word, _)| word).collect();
        let script = if tool.script.is_empty() { String::new() } else { format!("|{}.sh", tool.script) };
        let _ = writeln!(out, "    {}{script}) words=\"{}\";;", tool.name, words.join(" "));
    }
    out += "    *) words=;;\n  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\ncomplete -o default -F _ottla ottla";
    for tool in TOOLS.iter().filter(|tool| !tool.script.is_empty()) {
        let _ = write!(out, " {}.sh", tool.script);
    }
    out.push('\n');
    out
}

fn zsh() -> String {
    let quoted = |word: &str, doc: &str| {
        let doc = doc.split('\n').next().unwrap_or_default();
        format!("'{}:{}'", word, doc.replace('\'', "'\\''").replace(':', "\\:"))
    };
    let mut out = "#compdef ottla\n_ottla() {\n  local -a choices\n".to_owned();
    out += "  if (( CURRENT == 2 )); then\n    choices=(\n";
    for (name, about) in names() {
        let _ = writeln!(out, "      {}", quoted(name, about));
    }
    out += "    )\n    _describe tool choices\n    return\n  fi\n  case \"${words[2]}\" in\n";
    for tool in TOOLS {
        let _ = writeln!(out, "    {}) choices=(", tool.name);
        for (word, doc) in words(tool) {
            let _ = writeln!(out, "      {}", quoted(&word, doc));
        }
        out += "    );;\n";
    }
    out += "    *) _files; return;;\n  esac\n  _describe option choices || _files\n}\n_ottla \"$@\"\n";
    out
}

fn fish() -> String {
    let quote =
        |text: &str| text.split('\n').next().unwrap_or_default().replace('\\', "\\\\").replace('\'', "\\'");
    let mut out = String::new();
    for (name, about) in names() {
        let _ =
            writeln!(out, "complete -c ottla -n __fish_use_subcommand -f -a {name} -d '{}'", quote(about));
    }
    for tool in TOOLS {
        for (word, doc) in words(tool) {
            let what = match word.strip_prefix("--") {
                Some(long) => format!("-l {long}"),
                None => format!("-a {word}"),
            };
            let _ = writeln!(
                out,
                "complete -c ottla -n '__fish_seen_subcommand_from {}' {what} -d '{}'",
                tool.name,
                quote(doc)
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::run_captured;

    #[test]
    fn each_shell_is_told_of_each_tool() {
        for shell in ["bash", "zsh", "fish"] {
            let (code, out, err) = run_captured("completions", &[shell], "").unwrap();
            assert_eq!((code, err.as_str()), (0, ""));
            for tool in crate::registry::TOOLS {
                assert!(out.contains(tool.name), "{shell}: {}", tool.name);
            }
        }
        assert_eq!(run_captured("completions", &["csh"], "").unwrap().0, 1);
    }
}

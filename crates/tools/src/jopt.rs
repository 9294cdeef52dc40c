//! The syntax of JOptSimple 5.0.4, as Kafka's tools configure it: without abbreviations, options and other
//! arguments mixed, one dash as good as two.

use std::collections::BTreeMap;

use crate::args::Args;
use crate::failure::Failure;
use crate::option::{Opt, Takes, opt};
use crate::tool::{COMMON, Tool};

/// What every tool of this syntax has (`CommandDefaultOptions`).
pub(crate) static DEFAULTS: [Opt; 2] =
    [opt("help", "Prints how the tool is used."), opt("version", "Prints the version of Kafka.")];

/// Reads `arguments` by `options`.
pub(crate) fn parse(
    tool: &'static Tool,
    options: &'static [Opt],
    arguments: &[String],
) -> Result<Args, Failure> {
    let mut all: Vec<&'static Opt> = options.iter().collect();
    all.extend(
        DEFAULTS.iter().chain(&COMMON).filter(|common| !options.iter().any(|own| own.is_called(common.name))),
    );
    let mut parser = Parser {
        options: &all,
        left: arguments,
        found: BTreeMap::new(),
        sequence: Vec::new(),
        rest: Vec::new(),
    };
    parser.parse()?;
    let Parser { found, sequence, rest, .. } = parser;
    if !found.contains_key("help") && !found.contains_key("version") {
        check_together(&all, &found)?;
    }
    Ok(Args { tool, commands: Vec::new(), options: all, found, sequence, rest })
}

/// What must be there, and what may not be there alone.
fn check_together(all: &[&'static Opt], found: &BTreeMap<&'static str, Vec<String>>) -> Result<(), Failure> {
    let names = |wrong: &dyn Fn(&&&Opt) -> bool| {
        let names: Vec<String> = all.iter().filter(wrong).map(|option| option.names().join("/")).collect();
        if names.is_empty() { None } else { Some(names.join(", ")) }
    };
    let has = |name: &str| found.contains_key(name);
    if let Some(missing) = names(&|option| option.required && !has(option.name)) {
        return Err(Failure::exception(
            "joptsimple.MissingRequiredOptionsException",
            format!("Missing required option(s) [{missing}]"),
        ));
    }
    let alone = |option: &&&Opt| {
        has(option.name) && !option.only_with.is_empty() && !option.only_with.iter().any(|name| has(name))
    };
    match names(&alone) {
        None => Ok(()),
        Some(alone) => Err(Failure::exception(
            "joptsimple.UnavailableOptionException",
            format!("Option(s) [{alone}] are unavailable given other options on the command line"),
        )),
    }
}

struct Parser<'a> {
    options: &'a [&'static Opt],
    left: &'a [String],
    found: BTreeMap<&'static str, Vec<String>>,
    sequence: Vec<&'static str>,
    rest: Vec<String>,
}

impl Parser<'_> {
    fn parse(&mut self) -> Result<(), Failure> {
        while let Some(argument) = self.next() {
            if argument == "--" {
                self.rest.extend(self.left.iter().cloned());
                self.left = &[];
            } else if let Some(long) = argument.strip_prefix("--") {
                self.long(long)?;
            } else if let Some(short) = argument.strip_prefix('-').filter(|name| !name.is_empty()) {
                self.short(short)?;
            } else {
                self.rest.push(argument);
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Option<String> {
        let (first, left) = self.left.split_first()?;
        self.left = left;
        Some(first.clone())
    }

    fn option(&self, name: &str) -> Option<&'static Opt> {
        self.options.iter().find(|option| option.is_called(name)).copied()
    }

    fn long(&mut self, text: &str) -> Result<(), Failure> {
        let (name, value) = split(text);
        let option = self.option(name).ok_or_else(|| unrecognized(name))?;
        self.handle(option, value)
    }

    /// `-partitions`, `-t`, or several flags of one letter in a row, the last of which may have its value attached.
    fn short(&mut self, text: &str) -> Result<(), Failure> {
        let (name, value) = split(text);
        if let Some(option) = self.option(name) {
            return self.handle(option, value);
        }
        // All letters are checked before the first takes effect.
        for letter in text.chars() {
            let option = self.letter(letter)?;
            if option.takes != Takes::Nothing {
                break;
            }
        }
        for (at, letter) in text.char_indices() {
            let option = self.letter(letter)?;
            let attached = text.get(at + letter.len_utf8()..).filter(|rest| !rest.is_empty());
            if option.takes != Takes::Nothing && attached.is_some() {
                return self.handle(option, attached);
            }
            self.handle(option, None)?;
        }
        Ok(())
    }

    fn letter(&self, letter: char) -> Result<&'static Opt, Failure> {
        let name = letter.to_string();
        self.option(&name).ok_or_else(|| unrecognized(&name))
    }

    fn handle(&mut self, option: &'static Opt, attached: Option<&str>) -> Result<(), Failure> {
        let value = match (option.takes, attached) {
            (Takes::Nothing, _) => None,
            (_, Some(value)) => Some(value.to_owned()),
            (Takes::Optional, None) => self.value_if_it_is_one(option),
            (_, None) => Some(self.next().ok_or_else(|| requires(option))?),
        };
        let values = self.found.entry(option.name).or_default();
        let before = values.len();
        match (value, option.separator) {
            (None, _) => {}
            (Some(value), Some(separator)) if value.chars().any(|c| c != separator) => {
                values.extend(value.split(separator).filter(|part| !part.is_empty()).map(str::to_owned));
            }
            (Some(value), _) => values.push(value),
        }
        let times = (values.len() - before).max(1);
        self.sequence.extend(std::iter::repeat_n(option.name, times));
        Ok(())
    }

    fn value_if_it_is_one(&mut self, option: &Opt) -> Option<String> {
        let candidate = self.left.first()?;
        let parts_fit = match option.separator {
            Some(separator) => candidate.split(separator).all(|part| option.kind.accepts(part)),
            None => option.kind.accepts(candidate),
        };
        let looks_like_an_option = candidate.starts_with('-') && candidate != "-" && candidate != "--";
        if parts_fit && (!looks_like_an_option || option.kind.is_number()) { self.next() } else { None }
    }
}

fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    }
}

fn unrecognized(name: &str) -> Failure {
    // Old notes still have it.
    let hint =
        if name == "zookeeper" { ": there is no ZooKeeper; use --bootstrap-server host:port" } else { "" };
    Failure::exception(
        "joptsimple.UnrecognizedOptionException",
        format!("{name} is not a recognized option{hint}"),
    )
}

fn requires(option: &Opt) -> Failure {
    Failure::exception(
        "joptsimple.OptionMissingRequiredArgumentException",
        format!("Option {} requires an argument", option.names().join("/")),
    )
}

#[cfg(test)]
#[path = "jopt_test.rs"]
mod tests;

//! The syntax of argparse4j 0.7.0: options, positional arguments and sub-commands. Long options and
//! sub-commands may be abbreviated as long as that is unambiguous. Texts are in [`text`].

pub(crate) mod text;

use std::collections::BTreeMap;

use crate::args::Args;
use crate::failure::Failure;
use crate::option::{Kind, Opt, Takes, dashed, opt};
use crate::tool::{COMMON, Command, Tool};

/// What every parser of this syntax has.
pub(crate) static HELP: Opt = opt("help", "Prints how the tool is used.").alias(&["h"]);

/// Reads `arguments` by the command's declarations.
pub(crate) fn parse(
    tool: &'static Tool,
    command: &'static Command,
    arguments: &[String],
) -> Result<Args, Failure> {
    let mut parser = Parser {
        tool,
        path: vec![command],
        left: arguments,
        separated: false,
        found: BTreeMap::new(),
        options: Vec::new(),
        deferred: None,
    };
    parser.level()?;
    if let Some(failure) = parser.deferred {
        return Err(failure);
    }
    let commands = parser.path.iter().skip(1).map(|command| command.name).collect();
    Ok(Args {
        tool,
        commands,
        options: parser.options,
        found: parser.found,
        sequence: Vec::new(),
        rest: Vec::new(),
    })
}

struct Parser<'a> {
    tool: &'static Tool,
    /// The main parser, then the sub-commands chosen so far.
    path: Vec<&'static Command>,
    left: &'a [String],
    /// `--` was seen: what follows is positional.
    separated: bool,
    found: BTreeMap<&'static str, Vec<String>>,
    options: Vec<&'static Opt>,
    /// A required option is missing: said when nothing else is wrong.
    deferred: Option<Failure>,
}

/// What one level (the main parser, or a sub-command) has seen.
struct Level {
    command: &'static Command,
    positional: Vec<&'static Opt>,
    next: usize,
    texts: Vec<(usize, String)>,
    used: Vec<&'static str>,
    groups: BTreeMap<u8, &'static Opt>,
}

impl Parser<'_> {
    fn level(&mut self) -> Result<(), Failure> {
        let Some(command) = self.path.last().copied() else { return Ok(()) };
        let common = COMMON.iter().filter(|option| self.path.len() == 1 && !self.tool.declares(option.name));
        self.options.extend(command.options.iter().chain(common));
        let mut level = Level {
            command,
            positional: command.options.iter().filter(|option| option.positional).collect(),
            next: 0,
            texts: Vec::new(),
            used: Vec::new(),
            groups: BTreeMap::new(),
        };
        while let Some(term) = self.left.first().cloned() {
            if term == "--" && !self.separated {
                self.separated = true;
                self.advance();
            } else if self.is_flag(&term) {
                self.flag(&mut level, &term)?;
            } else if let Some(option) = level.positional.get(level.next) {
                level.texts.push((level.next, term));
                self.advance();
                if !matches!(option.takes, Takes::Some | Takes::Any) {
                    level.next += 1;
                }
            } else if !self.separated && !level.command.commands.is_empty() {
                self.finish(&level)?;
                return self.descend(&term);
            } else {
                let all = self.left.join(" ");
                return Err(self.error(format!("unrecognized arguments: '{all}'")));
            }
        }
        if !level.command.commands.is_empty() {
            return Err(self.error("too few arguments".to_owned()));
        }
        self.finish(&level)
    }

    fn advance(&mut self) {
        self.left = self.left.get(1..).unwrap_or_default();
    }

    fn is_flag(&self, term: &str) -> bool {
        let negative_number = term
            .strip_prefix('-')
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
        let is_name = term.starts_with('-') && !term.trim_start_matches('-').is_empty() && !negative_number;
        !self.separated && (is_name || term == "--")
    }

    fn flag(&mut self, level: &mut Level, term: &str) -> Result<(), Failure> {
        let (flag, attached) = match term.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (term, None),
        };
        if let Some(option) = self.resolve(flag)? {
            self.advance();
            return self.apply(level, option, attached);
        }
        self.letters(level, term)
    }

    /// `-vx`: flags of one letter in a row; the first that takes a value has the rest.
    fn letters(&mut self, level: &mut Level, term: &str) -> Result<(), Failure> {
        let letters = term.strip_prefix('-').filter(|rest| !rest.starts_with('-')).unwrap_or_default();
        let mut chosen = Vec::new();
        for (at, letter) in letters.char_indices() {
            let Some(option) = self.exact(&letter.to_string()) else {
                chosen.clear();
                break;
            };
            let rest = letters.get(at + letter.len_utf8()..).unwrap_or_default();
            if option.takes != Takes::Nothing {
                chosen.push((option, (!rest.is_empty()).then(|| rest.to_owned())));
                break;
            }
            chosen.push((option, None));
        }
        if chosen.is_empty() {
            let suggestions = text::flag_suggestions(&self.visible(), term);
            return Err(self.error_with(format!("unrecognized arguments: '{term}'"), &suggestions));
        }
        self.advance();
        chosen.into_iter().try_for_each(|(option, attached)| self.apply(level, option, attached))
    }

    /// Options of the innermost level, `-h` included.
    fn visible(&self) -> Vec<&'static Opt> {
        let own = self.path.last().map_or(&[][..], |command| command.options);
        let common = COMMON.iter().filter(|option| self.path.len() == 1 && !self.tool.declares(option.name));
        std::iter::once(&HELP).chain(own.iter().filter(|option| !option.positional)).chain(common).collect()
    }

    fn exact(&self, name: &str) -> Option<&'static Opt> {
        self.visible().into_iter().find(|option| option.is_called(name))
    }

    fn resolve(&self, flag: &str) -> Result<Option<&'static Opt>, Failure> {
        let visible = self.visible();
        let mut candidates: Vec<(String, &'static Opt)> = Vec::new();
        for option in visible {
            for name in std::iter::once(option.name).chain(option.aliases.iter().copied()) {
                let spelled = dashed(name);
                if spelled == flag {
                    return Ok(Some(option));
                }
                // Ours are not abbreviated: they would make Kafka's abbreviations ambiguous.
                if spelled.starts_with(flag) && !option.beyond_kafka {
                    candidates.push((spelled, option));
                }
            }
        }
        candidates.sort_by(|a, b| a.0.cmp(&b.0));
        match candidates.as_slice() {
            [] => Ok(None),
            [(_, one)] => Ok(Some(one)),
            several => {
                let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
                Err(self.error(format!("ambiguous option: {flag} could match {}", names.join(", "))))
            }
        }
    }

    fn apply(
        &mut self,
        level: &mut Level,
        option: &'static Opt,
        attached: Option<String>,
    ) -> Result<(), Failure> {
        if option.exclusive != 0 {
            match level.groups.get(&option.exclusive) {
                Some(other) if other.name != option.name => {
                    let other = text::textual_name(other);
                    return Err(self.at(option, format!("not allowed with argument {other}")));
                }
                _ => drop(level.groups.insert(option.exclusive, option)),
            }
        }
        level.used.push(option.name);
        if option.name == HELP.name {
            let command = if self.path.len() > 1 { level.command.name } else { "" };
            let text = text::help(&self.path) + &crate::help::examples(self.tool, command);
            let code = self.path.first().map_or(0, |command| command.help_code);
            return Err(Failure::Help { text, code });
        }
        let values = self.values_of(option, attached)?;
        for value in &values {
            self.check(option, value)?;
        }
        if option.append {
            self.found.entry(option.name).or_default().extend(values);
        } else {
            self.found.insert(option.name, values);
        }
        Ok(())
    }

    fn values_of(&mut self, option: &'static Opt, attached: Option<String>) -> Result<Vec<String>, Failure> {
        match (option.takes, attached) {
            (Takes::Nothing, None) => Ok(Vec::new()),
            (Takes::Nothing, Some(value)) => {
                Err(self.at(option, format!("ignore implicit argument '{value}'")))
            }
            (_, Some(value)) => Ok(vec![value]),
            (takes, None) => {
                let limit = if matches!(takes, Takes::Some | Takes::Any) { usize::MAX } else { 1 };
                let mut values = Vec::new();
                while values.len() < limit
                    && let Some(term) = self.left.first().cloned()
                    && !self.is_flag(&term)
                {
                    values.push(term);
                    self.advance();
                }
                match (takes, values.is_empty()) {
                    (Takes::One, true) => Err(self.at(option, "expected one argument".to_owned())),
                    (Takes::Some, true) => Err(self.at(option, "expected 1 argument(s)".to_owned())),
                    _ => Ok(values),
                }
            }
        }
    }

    fn check(&self, option: &'static Opt, value: &str) -> Result<(), Failure> {
        if !option.kind.accepts(value) {
            let why = match option.kind {
                Kind::Bool => "(choose from {true,false})".to_owned(),
                kind => format!("to {} (For input string: \"{value}\")", kind.name()),
            };
            return Err(self.at(option, format!("could not convert '{value}' {why}")));
        }
        if !option.choices.is_empty() && !option.choices.contains(&value) {
            let choices = option.choices.join(",");
            return Err(self.at(option, format!("invalid choice: '{value}' (choose from {{{choices}}})")));
        }
        Ok(())
    }

    /// The level is complete: positional arguments get their values, and what is required must be there.
    fn finish(&mut self, level: &Level) -> Result<(), Failure> {
        for (place, option) in level.positional.iter().enumerate() {
            let values: Vec<String> =
                level.texts.iter().filter(|(at, _)| *at == place).map(|(_, text)| text.clone()).collect();
            if values.is_empty() {
                if matches!(option.takes, Takes::One | Takes::Some) {
                    return Err(self.error("too few arguments".to_owned()));
                }
                continue;
            }
            for value in &values {
                self.check(option, value)?;
            }
            self.found.insert(option.name, values);
        }
        if self.deferred.is_some() {
            return Ok(());
        }
        let mut deferred = None;
        for option in level.command.options.iter().filter(|option| option.required && !option.positional) {
            if !level.used.contains(&option.name) {
                deferred = Some(format!("argument {} is required", text::textual_name(option)));
            }
        }
        if deferred.is_none() {
            deferred = missing_group(level);
        }
        self.deferred = deferred.map(|message| self.error(message));
        Ok(())
    }

    fn descend(&mut self, term: &str) -> Result<(), Failure> {
        let commands = self.path.last().map_or(&[][..], |command| command.commands);
        let fitting: Vec<&'static Command> = match commands.iter().find(|command| command.name == term) {
            Some(exact) => vec![exact],
            None => {
                commands.iter().filter(|command| !term.is_empty() && command.name.starts_with(term)).collect()
            }
        };
        match fitting.as_slice() {
            [one] => {
                self.path.push(one);
                self.advance();
                self.level()
            }
            [] => {
                let names: Vec<String> =
                    commands.iter().map(|command| format!("'{}'", command.name)).collect();
                let message = format!("invalid choice: '{term}' (choose from {})", names.join(", "));
                Err(self.error_with(message, &text::command_suggestions(commands, term)))
            }
            several => {
                let mut names: Vec<&str> = several.iter().map(|command| command.name).collect();
                names.sort_unstable();
                Err(self.error(format!("ambiguous command: {term} could match {}", names.join(", "))))
            }
        }
    }

    fn at(&self, option: &Opt, message: String) -> Failure {
        self.error(format!("argument {}: {message}", text::textual_name(option)))
    }

    fn error(&self, message: String) -> Failure {
        self.error_with(message, "")
    }

    fn error_with(&self, message: String, suggestions: &str) -> Failure {
        let program = self.path.first().map_or("", |command| command.name);
        let usage = text::usage(&self.path);
        Failure::Syntax { text: format!("{usage}{program}: error: {message}\n{suggestions}"), code: 1 }
    }
}

fn missing_group(level: &Level) -> Option<String> {
    let required =
        level.command.options.iter().filter(|option| option.exclusive != 0 && option.exclusive_required);
    let group = required.map(|option| option.exclusive).find(|group| !level.groups.contains_key(group))?;
    let names: String = level
        .command
        .options
        .iter()
        .filter(|option| option.exclusive == group)
        .map(|option| text::textual_name(option) + " ")
        .collect();
    Some(format!("one of the arguments {names}is required"))
}

#[cfg(test)]
#[path = "argparse_test.rs"]
mod tests;

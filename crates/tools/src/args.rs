//! What a command line said.

use std::collections::BTreeMap;

use crate::failure::Failure;
use crate::option::{Opt, Takes};
use crate::tool::Tool;

/// A parsed command line.
///
/// Names are those of the declarations, without dashes. Values are converted when they are asked for, as
/// JOptSimple does: a wrong number is an error only where it is used.
#[derive(Debug)]
pub struct Args {
    pub(crate) tool: &'static Tool,
    /// The sub-commands that were chosen, outermost first.
    pub commands: Vec<&'static str>,
    /// Options in force: those of the tool, and of its sub-commands.
    pub(crate) options: Vec<&'static Opt>,
    /// Values by the option's name; an entry without values was given without one.
    pub(crate) found: BTreeMap<&'static str, Vec<String>>,
    /// Names of the options in the order of the command line, one for each value.
    pub sequence: Vec<&'static str>,
    /// What stands without an option.
    pub rest: Vec<String>,
}

impl Args {
    /// Whether the option was given.
    pub fn has(&self, name: &str) -> bool {
        debug_assert!(self.declared(name).is_some(), "--{name} is not declared");
        self.found.contains_key(name)
    }

    /// Its values, or else its defaults.
    pub fn values(&self, name: &str) -> Vec<&str> {
        match self.found.get(name) {
            Some(values) if !values.is_empty() => values.iter().map(String::as_str).collect(),
            _ => match self.declared(name).and_then(|option| option.default) {
                Some(default) if self.takes_many(name) => default.split(',').collect(),
                Some(default) => vec![default],
                None => Vec::new(),
            },
        }
    }

    /// Its one value, or else its default.
    ///
    /// # Errors
    /// When it was given more than once, in JOptSimple's words.
    pub fn value(&self, name: &str) -> Result<Option<&str>, Failure> {
        let values = self.values(name);
        match values.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(Failure::exception(
                "joptsimple.MultipleArgumentsForOptionException",
                format!(
                    "Found multiple arguments for option {}, but you asked for only one",
                    self.slashed(name)
                ),
            )),
        }
    }

    /// Its one value as text; empty when there is none.
    ///
    /// # Errors
    /// As [`Args::value`].
    pub fn text(&self, name: &str) -> Result<&str, Failure> {
        Ok(self.value(name)?.unwrap_or_default())
    }

    /// Its one value as a number.
    ///
    /// # Errors
    /// As [`Args::value`]; or when it is none of the kind, in JOptSimple's words.
    pub fn number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, Failure> {
        let Some(text) = self.value(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.not_convertible(name, text))
    }

    /// Its one value as text, if it is of the kind that the option declares.
    ///
    /// # Errors
    /// As [`Args::number`].
    pub fn checked(&self, name: &str) -> Result<Option<&str>, Failure> {
        let Some(text) = self.value(name)? else { return Ok(None) };
        let accepts = self.declared(name).is_none_or(|option| option.kind.accepts(text));
        if accepts { Ok(Some(text)) } else { Err(self.not_convertible(name, text)) }
    }

    /// All its values as numbers.
    ///
    /// # Errors
    /// When one is none of the kind, in JOptSimple's words.
    pub fn numbers<N: std::str::FromStr>(&self, name: &str) -> Result<Vec<N>, Failure> {
        let convert = |text: &str| text.parse().map_err(|_| self.not_convertible(name, text));
        self.values(name).into_iter().map(convert).collect()
    }

    /// How the option prints itself in messages: `[name]`.
    pub fn spec(&self, name: &str) -> String {
        self.declared(name).map_or_else(|| format!("[{name}]"), Opt::spec)
    }

    /// Whether the option was given without a value of its own.
    pub fn is_bare(&self, name: &str) -> bool {
        self.found.get(name).is_some_and(Vec::is_empty)
    }

    fn not_convertible(&self, name: &str, text: &str) -> Failure {
        Failure::exception(
            "joptsimple.OptionArgumentConversionException",
            format!("Cannot parse argument '{text}' of option {}", self.slashed(name)),
        )
    }

    fn slashed(&self, name: &str) -> String {
        self.declared(name).map_or_else(|| name.to_owned(), |option| option.names().join("/"))
    }

    fn takes_many(&self, name: &str) -> bool {
        self.declared(name).is_some_and(|option| {
            option.separator.is_some() || matches!(option.takes, Takes::Some | Takes::Any)
        })
    }

    fn declared(&self, name: &str) -> Option<&'static Opt> {
        self.options.iter().find(|option| option.name == name).copied()
    }
}

/// The checks of Kafka's `CommandLineUtils`; each refuses with a message, then help, and code 1.
impl Args {
    /// All of these must be given.
    ///
    /// # Errors
    /// For the first that is missing.
    pub fn require(&self, names: &[&str]) -> Result<(), Failure> {
        match names.iter().find(|name| !self.has(name)) {
            None => Ok(()),
            Some(missing) => Err(self.usage(format!("Missing required argument \"{}\"", self.spec(missing)))),
        }
    }

    /// With `used` none of `invalid` may be given.
    ///
    /// # Errors
    /// For the first that is.
    pub fn forbid(&self, used: &str, invalid: &[&str]) -> Result<(), Failure> {
        if !self.has(used) {
            return Ok(());
        }
        match invalid.iter().find(|name| self.has(name)) {
            None => Ok(()),
            Some(name) => {
                let (used, name) = (self.spec(used), self.spec(name));
                Err(self.usage(format!("Option \"{used}\" can't be used with option \"{name}\"")))
            }
        }
    }

    /// With all of `used` none of `invalid` may be given; `trailing` is appended to the message.
    ///
    /// # Errors
    /// For the first that is.
    pub fn forbid_combination(&self, used: &[&str], invalid: &[&str], trailing: &str) -> Result<(), Failure> {
        if !used.iter().all(|name| self.has(name)) {
            return Ok(());
        }
        match invalid.iter().find(|name| self.has(name)) {
            None => Ok(()),
            Some(name) => {
                let specs: Vec<String> = used.iter().map(|name| self.spec(name)).collect();
                Err(self.usage(format!(
                    "Option combination \"[{}]\" can't be used with option \"{}\"{trailing}",
                    specs.join(", "),
                    self.spec(name)
                )))
            }
        }
    }

    /// No two of `names` together; the first that has company is the one complained of.
    pub fn at_most_one(&self, names: &[&str]) -> Result<(), Failure> {
        names.iter().try_for_each(|name| {
            let others: Vec<&str> = names.iter().copied().filter(|other| other != name).collect();
            self.forbid(name, &others)
        })
    }

    /// Exactly one of these must be given.
    ///
    /// # Errors
    /// When it is none, or more.
    pub fn exactly_one(&self, names: &[&str]) -> Result<(), Failure> {
        if names.iter().filter(|name| self.has(name)).count() == 1 {
            return Ok(());
        }
        let specs: Vec<String> = names.iter().map(|name| self.spec(name)).collect();
        Err(self.usage(format!("Exactly one of the following arguments is required: {}", specs.join(", "))))
    }

    /// A message, then the tool's help, and code 1.
    pub fn usage(&self, message: impl Into<String>) -> Failure {
        Failure::Usage { tool: self.tool, message: message.into() }
    }
}

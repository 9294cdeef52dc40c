//! Declarations of options: constants, so that starting a tool costs nothing for the others.

/// One option or positional argument of a tool, or of a sub-command.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    /// Its name without dashes; what [`Args`](crate::Args) is asked by.
    pub name: &'static str,
    /// Other spellings without dashes; those of one letter are written with one dash.
    pub aliases: &'static [&'static str],
    /// Whether values follow it.
    pub takes: Takes,
    /// What its values are.
    pub kind: Kind,
    /// What stands for the value in help: JOptSimple's `describedAs`, argparse4j's `metavar`.
    pub value_name: &'static str,
    /// The values it has when it is not given; several are separated by commas.
    pub default: Option<&'static str>,
    /// A value is split here.
    pub separator: Option<char>,
    /// The parser itself refuses a command line without it.
    pub required: bool,
    /// Values it may have; empty for any.
    pub choices: &'static [&'static str],
    /// Options of one number exclude each other; 0 is no group. For argparse4j only.
    pub exclusive: u8,
    /// One of its group must be given.
    pub exclusive_required: bool,
    /// It may only be given together with one of these; empty for always. For JOptSimple only.
    pub only_with: &'static [&'static str],
    /// Given again it adds to its values instead of replacing them. For argparse4j only.
    pub append: bool,
    /// It stands without dashes, by its place. For argparse4j only.
    pub positional: bool,
    /// What to use instead, when it is an older spelling.
    pub deprecated: Option<&'static str>,
    /// Kafka's tool does not have it.
    pub beyond_kafka: bool,
    /// What it does, in a sentence or two.
    pub doc: &'static str,
}

/// Whether values follow an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// None: it is there or not.
    Nothing,
    /// Exactly one.
    One,
    /// One, or none.
    Optional,
    /// At least one (argparse4j's `+`).
    Some,
    /// Any number (argparse4j's `*`).
    Any,
}

/// What the values of an option are; converted when they are asked for, as JOptSimple does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// 32 bits, signed.
    Int,
    /// 64 bits, signed.
    Long,
    /// 64 bits, floating.
    Double,
    /// `true` or `false`.
    Bool,
}

impl Kind {
    /// Java's name of the type, as help shows it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Text => "String",
            Kind::Int => "Integer",
            Kind::Long => "Long",
            Kind::Double => "Double",
            Kind::Bool => "Boolean",
        }
    }

    /// Whether Java's conversion takes the text.
    pub fn accepts(self, text: &str) -> bool {
        match self {
            Kind::Text => true,
            Kind::Int => text.parse::<i32>().is_ok(),
            Kind::Long => text.parse::<i64>().is_ok(),
            Kind::Double => text.trim().parse::<f64>().is_ok(),
            Kind::Bool => true,
        }
    }

    /// Whether it is a number.
    pub fn is_number(self) -> bool {
        matches!(self, Kind::Int | Kind::Long | Kind::Double)
    }
}

/// A flag; with the methods below it takes values.
pub const fn opt(name: &'static str, doc: &'static str) -> Opt {
    Opt {
        name,
        aliases: &[],
        takes: Takes::Nothing,
        kind: Kind::Text,
        value_name: "",
        default: None,
        separator: None,
        required: false,
        choices: &[],
        exclusive: 0,
        exclusive_required: false,
        only_with: &[],
        append: false,
        positional: false,
        deprecated: None,
        beyond_kafka: false,
        doc,
    }
}

impl Opt {
    /// It takes one value; `name` stands for it in help.
    pub const fn value(mut self, name: &'static str) -> Self {
        self.takes = Takes::One;
        self.value_name = name;
        self
    }

    /// It takes a value or none.
    pub const fn optional_value(mut self, name: &'static str) -> Self {
        self.takes = Takes::Optional;
        self.value_name = name;
        self
    }

    /// It takes one value or more (argparse4j's `+`).
    pub const fn some_values(mut self, name: &'static str) -> Self {
        self.takes = Takes::Some;
        self.value_name = name;
        self
    }

    /// It takes any number of values (argparse4j's `*`).
    pub const fn any_values(mut self, name: &'static str) -> Self {
        self.takes = Takes::Any;
        self.value_name = name;
        self
    }

    /// Its values are of this kind.
    pub const fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// What it is when it is not given.
    pub const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }

    /// Its value is a list, split here.
    pub const fn separated_by(mut self, separator: char) -> Self {
        self.separator = Some(separator);
        self
    }

    /// Other spellings.
    pub const fn alias(mut self, names: &'static [&'static str]) -> Self {
        self.aliases = names;
        self
    }

    /// The parser refuses a command line without it.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Values other than these are refused.
    pub const fn choices(mut self, values: &'static [&'static str]) -> Self {
        self.choices = values;
        self
    }

    /// It excludes the others of `group` (from 1); with `required` one of them must be given.
    pub const fn exclusive(mut self, group: u8, required: bool) -> Self {
        self.exclusive = group;
        self.exclusive_required = required;
        self
    }

    /// It may only be given together with one of these (JOptSimple's `availableIf`).
    pub const fn only_with(mut self, names: &'static [&'static str]) -> Self {
        self.only_with = names;
        self
    }

    /// Given again it adds to its values (argparse4j's `append`).
    pub const fn append(mut self) -> Self {
        self.append = true;
        self
    }

    /// It stands without dashes, by its place.
    pub const fn positional(mut self) -> Self {
        self.positional = true;
        self.takes = Takes::One;
        self
    }

    /// An older spelling; what to use instead.
    pub const fn deprecated(mut self, instead: &'static str) -> Self {
        self.deprecated = Some(instead);
        self
    }

    /// Kafka's tool does not have it.
    pub const fn beyond_kafka(mut self) -> Self {
        self.beyond_kafka = true;
        self
    }

    /// Its spellings in JOptSimple's order: of one letter, then the others; each sorted.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names = vec![self.name];
        names.extend(self.aliases);
        if names.len() > 1 {
            names.sort_by_key(|name| (name.chars().count() > 1, *name));
        }
        names
    }

    /// Whether it is spelled so (without dashes).
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }

    /// As JOptSimple's options print themselves in messages: `[name]`.
    pub fn spec(&self) -> String {
        format!("[{}]", self.names().join(", "))
    }
}

/// A name with its dashes: one for a letter, else two.
pub fn dashed(name: &str) -> String {
    if name.chars().count() == 1 { format!("-{name}") } else { format!("--{name}") }
}

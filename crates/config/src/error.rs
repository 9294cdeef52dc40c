//! Errors and warnings about configurations.

use std::fmt;

use crate::key_def::KeyDef;
use crate::layers::Origin;

/// Which of Kafka's exceptions an error stands for. The wire error code follows from it and from who
/// validates: the controller answers `Config`, `InvalidConfiguration` and `Unsupported` with
/// INVALID_CONFIG, `InvalidRequest` with INVALID_REQUEST and the rest with UNKNOWN_SERVER_ERROR; a broker
/// that validates a change of its own configuration answers `InvalidConfiguration` with INVALID_CONFIG and
/// everything else with INVALID_REQUEST (KAFKA-13609).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// `ConfigException`: a value that cannot be, or values that contradict each other.
    Config,
    /// `InvalidConfigurationException`: an unknown key, or topic or group values that contradict each other.
    InvalidConfiguration,
    /// `InvalidRequestException`.
    InvalidRequest,
    /// `IllegalArgumentException`.
    IllegalArgument,
    /// `IllegalArgumentException` of Scala's `require`, which puts "requirement failed: " before the text.
    Requirement,
    /// Kafka would take the value, Ottla does not serve it.
    Unsupported,
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// Which of Kafka's exceptions this is.
    pub kind: ErrorKind,
    /// Kafka's text.
    pub message: String,
    /// What else is known.
    pub context: Box<ErrorContext>,
}

/// What is known of an error beside Kafka's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorContext {
    /// The key at fault, if it is one.
    pub key: Option<String>,
    /// The value at fault, hidden if it is a secret.
    pub value: Option<String>,
    /// What is allowed.
    pub allowed: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where the value came from.
    pub origin: Option<Origin>,
}

impl ConfigError {
    /// An error with Kafka's text.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> ConfigError {
        ConfigError { kind, message: message.into(), context: Box::default() }
    }

    /// A `ConfigException` with a text of its own.
    pub fn config(message: impl Into<String>) -> ConfigError {
        ConfigError::new(ErrorKind::Config, message)
    }

    /// An `InvalidConfigurationException`.
    pub fn invalid_configuration(message: impl Into<String>) -> ConfigError {
        ConfigError::new(ErrorKind::InvalidConfiguration, message)
    }

    /// An `InvalidRequestException`.
    pub fn invalid_request(message: impl Into<String>) -> ConfigError {
        ConfigError::new(ErrorKind::InvalidRequest, message)
    }

    /// A failed `require` of Scala.
    pub fn requirement(message: impl Into<String>) -> ConfigError {
        ConfigError::new(ErrorKind::Requirement, message)
    }

    /// Something Ottla does not serve.
    pub fn unsupported(message: impl Into<String>) -> ConfigError {
        ConfigError::new(ErrorKind::Unsupported, message)
    }

    /// The `ConfigException` for a value: "Invalid value v for configuration k: why".
    pub fn invalid_value(key: &str, value: impl fmt::Display, why: impl fmt::Display) -> ConfigError {
        let value = value.to_string();
        let error = ConfigError::config(format!("Invalid value {value} for configuration {key}: {why}"));
        error.for_key(key).with_value(value)
    }

    /// Adds what the declaration of the key says.
    pub fn about(mut self, def: &KeyDef) -> ConfigError {
        let context = &mut *self.context;
        context.key.get_or_insert_with(|| def.name.to_owned());
        context.allowed.get_or_insert_with(|| def.allowed());
        context.hint.get_or_insert_with(|| format!("{} Default: {}.", def.doc, shown_default(def)));
        if def.sensitive() {
            context.value = Some(crate::value::HIDDEN.to_owned());
        }
        self
    }

    /// Names the key at fault.
    pub fn for_key(mut self, key: &str) -> ConfigError {
        self.context.key = Some(key.to_owned());
        self
    }

    /// Names the value at fault.
    pub fn with_value(mut self, value: impl Into<String>) -> ConfigError {
        self.context.value = Some(value.into());
        self
    }

    /// Says what is allowed.
    pub fn allowed(mut self, allowed: impl Into<String>) -> ConfigError {
        self.context.allowed = Some(allowed.into());
        self
    }

    /// Says what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> ConfigError {
        self.context.hint = Some(hint.into());
        self
    }

    /// Says where the value came from.
    pub fn at_origin(mut self, origin: Option<Origin>) -> ConfigError {
        self.context.origin = origin;
        self
    }

    /// The text as Kafka sends it to a client.
    pub fn kafka_message(&self) -> String {
        match self.kind {
            ErrorKind::Requirement => format!("requirement failed: {}", self.message),
            _ => self.message.clone(),
        }
    }

    /// All there is to say, over several lines, for somebody who starts a server.
    pub fn explain(&self) -> String {
        let ErrorContext { key, value, allowed, hint, origin } = &*self.context;
        let mut text = String::new();
        if let Some(key) = key {
            text.push_str(key);
            if let Some(value) = value {
                text.push_str(&format!(" = {value}"));
            }
            if let Some(origin) = origin {
                text.push_str(&format!(" ({origin})"));
            }
            text.push_str("\n  ");
        }
        text.push_str(&self.message);
        for (label, part) in [("allowed", allowed), ("hint", hint)] {
            if let Some(part) = part {
                text.push_str(&format!("\n  {label}: {part}"));
            }
        }
        text
    }
}

fn shown_default(def: &KeyDef) -> String {
    match def.default_text() {
        text if text.is_empty() => "empty".to_owned(),
        text if text == "null" => "not set".to_owned(),
        text => text,
    }
}

/// Something odd that does not stop a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A key that nobody knows.
    UnknownKey {
        /// The key as given.
        key: String,
        /// The known key that looks most like it, or what became of it.
        suggestion: Option<String>,
    },
    /// A key was set that changes nothing.
    WithoutEffect {
        /// The key.
        key: String,
        /// Why it changes nothing.
        why: &'static str,
    },
    /// A list named something twice; once is enough.
    DuplicatesRemoved {
        /// The key.
        key: String,
    },
    /// Anything else.
    Note(String),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::UnknownKey { key, suggestion: None } => {
                write!(f, "unknown configuration key {key}: ignored")
            }
            Warning::UnknownKey { key, suggestion: Some(suggestion) } => {
                write!(f, "unknown configuration key {key}: ignored ({suggestion})")
            }
            Warning::WithoutEffect { key, why } => write!(f, "{key} has no effect: {why}"),
            Warning::DuplicatesRemoved { key } => {
                write!(f, "{key} contains duplicate values; they are removed")
            }
            Warning::Note(text) => f.write_str(text),
        }
    }
}

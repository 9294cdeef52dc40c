//! What a value must fulfil beyond its type, with the texts of Kafka's `ConfigDef` validators.

use std::fmt;

use crate::error::ConfigError;
use crate::java;
use crate::value::Value;

/// A bound of a range, as written in Kafka's source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// A whole number.
    Int(i64),
    /// A fraction.
    Double(f64),
}

impl Bound {
    fn value(self) -> f64 {
        match self {
            // Kafka compares as doubles too.
            Bound::Int(value) => value as f64,
            Bound::Double(value) => value,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Int(value) => write!(f, "{value}"),
            Bound::Double(value) => f.write_str(&java::double_to_string(*value)),
        }
    }
}

/// A condition on values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Validator {
    /// None.
    Any,
    /// A number within bounds, both included. Null is refused.
    Range {
        /// Lower bound.
        min: Option<Bound>,
        /// Upper bound.
        max: Option<Bound>,
    },
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these texts, in any case of letters; they stand here in capitals.
    OneOfIgnoringCase(&'static [&'static str]),
    /// Null, or a text with at least one character.
    NonEmpty,
    /// Not null.
    NonNull,
    /// A list without doubles (KIP-1161).
    List {
        /// The elements that are allowed; empty: all but the empty text.
        elements: &'static [&'static str],
        /// Whether the list may have no element.
        empty_allowed: bool,
        /// Whether it may be null.
        null_allowed: bool,
    },
    /// 1 to 9, or -1 for the library's choice.
    GzipLevel,
    /// Entries `id@host:port`.
    QuorumVoters,
    /// Entries `host:port`.
    QuorumBootstrapServers,
    /// Null, or `host:port`.
    HostPort,
    /// `*`, or entries `partition:broker`.
    ThrottledReplicas,
    /// `earliest`, `latest` or `by_duration:` and an ISO 8601 duration.
    ShareAutoOffsetReset,
    /// As [`Validator::ShareAutoOffsetReset`], or `none`.
    AutoOffsetReset,
    /// `implicit` or `explicit`.
    ShareAcknowledgementMode,
    /// `batch_optimized` or `record_limit`, in any case of letters.
    ShareAcquireMode,
}

impl Validator {
    /// Checks a value of the key's type; Kafka's text if it fails.
    pub fn ensure_valid(&self, name: &str, value: &Value) -> Result<(), ConfigError> {
        let fail = |why: String| Err(ConfigError::invalid_value(name, value, why));
        match *self {
            Validator::Any => Ok(()),
            Validator::Range { min, max } => ensure_in_range(name, value, min, max),
            Validator::OneOf(texts) => match value.as_str() {
                Some(text) if texts.contains(&text) => Ok(()),
                _ => fail(format!("String must be one of: {}", texts.join(", "))),
            },
            Validator::OneOfIgnoringCase(texts) => match value.as_str() {
                Some(text) if texts.contains(&text.to_uppercase().as_str()) => Ok(()),
                _ => fail(format!("String must be one of (case insensitive): {}", texts.join(", "))),
            },
            Validator::NonEmpty => match value.as_str() {
                Some("") => fail("String must be non-empty".to_owned()),
                _ => Ok(()),
            },
            Validator::NonNull => match value {
                Value::Null => fail("entry must be non null".to_owned()),
                _ => Ok(()),
            },
            Validator::List { elements, empty_allowed, null_allowed } => {
                ensure_list(name, value, elements, empty_allowed, null_allowed)
            }
            Validator::GzipLevel => match value.as_i64() {
                Some(-1 | 1..=9) => Ok(()),
                Some(_) => fail("Value must be between 1 and 9 or equal to -1".to_owned()),
                None => fail("Value must be non-null".to_owned()),
            },
            Validator::QuorumVoters => {
                crate::quorum_address::parse_voters(value.as_list().unwrap_or_default()).map(|_| ())
            }
            Validator::QuorumBootstrapServers => {
                crate::quorum_address::parse_bootstrap_servers(value.as_list().unwrap_or_default())
                    .map(|_| ())
            }
            Validator::HostPort => match value.as_str() {
                Some(text) if crate::quorum_address::HostPort::parse(text).is_none() => {
                    fail("It must be host:port, such as 0.0.0.0:9404".to_owned())
                }
                _ => Ok(()),
            },
            Validator::ThrottledReplicas => ensure_throttled_replicas(name, value),
            Validator::ShareAutoOffsetReset => ensure_share_auto_offset_reset(name, value),
            Validator::AutoOffsetReset => ensure_auto_offset_reset(name, value),
            Validator::ShareAcknowledgementMode => ensure_mode(name, value, "implicit", "explicit", str::eq),
            Validator::ShareAcquireMode => {
                ensure_mode(name, value, "batch_optimized", "record_limit", str::eq_ignore_ascii_case)
            }
        }
    }

    /// The condition for people, as a part of a sentence; empty if there is none.
    pub fn condition(&self) -> String {
        match *self {
            Validator::Any | Validator::NonNull => String::new(),
            Validator::Range { min: Some(min), max: None } => format!("at least {min}"),
            Validator::Range { min: None, max: Some(max) } => format!("at most {max}"),
            Validator::Range { min: Some(min), max: Some(max) } => format!("from {min} to {max}"),
            Validator::Range { min: None, max: None } => String::new(),
            Validator::OneOf(texts) => format!("one of {}", texts.join(", ")),
            Validator::OneOfIgnoringCase(texts) => format!("one of {} in any case", texts.join(", ")),
            Validator::NonEmpty => "not empty".to_owned(),
            Validator::List { elements: [], empty_allowed: true, .. } => "nothing twice".to_owned(),
            Validator::List { elements: [], .. } => "at least one element, nothing twice".to_owned(),
            Validator::List { elements, .. } => format!("elements of {}", elements.join(", ")),
            Validator::GzipLevel => "from 1 to 9, or -1".to_owned(),
            Validator::QuorumVoters => "entries id@host:port".to_owned(),
            Validator::QuorumBootstrapServers => "entries host:port".to_owned(),
            Validator::HostPort => "host:port".to_owned(),
            Validator::ThrottledReplicas => "entries partition:broker, or *".to_owned(),
            Validator::ShareAutoOffsetReset => "earliest, latest or by_duration:PnDTnHnMn.nS".to_owned(),
            Validator::AutoOffsetReset => "earliest, latest, none or by_duration:PnDTnHnMn.nS".to_owned(),
            Validator::ShareAcknowledgementMode => "implicit or explicit".to_owned(),
            Validator::ShareAcquireMode => "batch_optimized or record_limit".to_owned(),
        }
    }
}

/// As the "valid values" of Kafka's documentation.
impl fmt::Display for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Validator::Any => Ok(()),
            Validator::Range { min, max } => match (min, max) {
                (None, None) => f.write_str("[...]"),
                (None, Some(max)) => write!(f, "[...,{max}]"),
                (Some(min), None) => write!(f, "[{min},...]"),
                (Some(min), Some(max)) => write!(f, "[{min},...,{max}]"),
            },
            Validator::OneOf(texts) => write!(f, "[{}]", texts.join(", ")),
            Validator::OneOfIgnoringCase(texts) => write!(f, "(case insensitive) [{}]", texts.join(", ")),
            Validator::NonEmpty => f.write_str("non-empty string"),
            Validator::NonNull => f.write_str("non-null string"),
            Validator::List { elements: [], .. } => Ok(()),
            Validator::List { elements, .. } => write!(f, "[{}]", elements.join(", ")),
            Validator::GzipLevel => f.write_str("[1,...,9] or -1"),
            Validator::QuorumVoters | Validator::QuorumBootstrapServers => f.write_str("non-empty list"),
            Validator::HostPort => f.write_str("host:port"),
            Validator::ThrottledReplicas => {
                f.write_str("[partitionId]:[brokerId],[partitionId]:[brokerId],...")
            }
            Validator::ShareAutoOffsetReset => f.write_str("[latest, earliest, by_duration:PnDTnHnMn.nS]"),
            Validator::AutoOffsetReset => f.write_str("[latest, earliest, none, by_duration:PnDTnHnMn.nS]"),
            Validator::ShareAcknowledgementMode => f.write_str("[implicit, explicit]"),
            Validator::ShareAcquireMode => f.write_str("[batch_optimized, record_limit]"),
        }
    }
}

fn ensure_in_range(
    name: &str,
    value: &Value,
    min: Option<Bound>,
    max: Option<Bound>,
) -> Result<(), ConfigError> {
    let Some(number) = value.as_f64() else {
        return Err(ConfigError::invalid_value(name, value, "Value must be non-null"));
    };
    if let Some(min) = min
        && number < min.value()
    {
        return Err(ConfigError::invalid_value(name, value, format!("Value must be at least {min}")));
    }
    if let Some(max) = max
        && number > max.value()
    {
        return Err(ConfigError::invalid_value(name, value, format!("Value must be no more than {max}")));
    }
    Ok(())
}

/// Kafka removes doubles before it validates, so only emptiness and the elements are left to check.
fn ensure_list(
    name: &str,
    value: &Value,
    elements: &[&str],
    empty_allowed: bool,
    null_allowed: bool,
) -> Result<(), ConfigError> {
    let Some(list) = value.as_list() else {
        if null_allowed {
            return Ok(());
        }
        return Err(
            ConfigError::config(format!("Configuration '{name}' values must not be null.")).for_key(name)
        );
    };
    if list.is_empty() && !empty_allowed {
        let valid = match elements {
            [] => "any non-empty value".to_owned(),
            _ => java::list_to_string(elements),
        };
        let message = format!("Configuration '{name}' must not be empty. Valid values include: {valid}");
        return Err(ConfigError::config(message).for_key(name));
    }
    for element in list {
        if element.is_empty() {
            return Err(ConfigError::config(format!("Configuration '{name}' values must not be empty."))
                .for_key(name));
        }
        if !elements.is_empty() && !elements.contains(&element.as_str()) {
            let why = format!("String must be one of: {}", elements.join(", "));
            return Err(ConfigError::invalid_value(name, element, why));
        }
    }
    Ok(())
}

fn ensure_throttled_replicas(name: &str, value: &Value) -> Result<(), ConfigError> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_replica = |text: &str| {
        text.is_empty()
            || text
                .split_once(':')
                .is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
    };
    let list = value.as_list().unwrap_or_default();
    let trimmed: Vec<&str> = list.iter().map(|element| java::trim(element)).collect();
    if trimmed.iter().all(|element| is_replica(element)) || trimmed.concat() == "*" {
        return Ok(());
    }
    let why = format!(
        "{name} must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
    );
    Err(ConfigError::invalid_value(name, value, why))
}

fn ensure_share_auto_offset_reset(name: &str, value: &Value) -> Result<(), ConfigError> {
    let text = value.as_str().unwrap_or("null");
    if matches!(text, "earliest" | "latest")
        || text
            .strip_prefix("by_duration:")
            .is_some_and(|duration| crate::iso_duration::parse_millis(duration).is_some())
    {
        return Ok(());
    }
    let why = format!(
        "Invalid value `{text}` for configuration {name}. The value must be either 'earliest', 'latest' or \
         of the format 'by_duration:<PnDTnHnMn.nS>'."
    );
    Err(ConfigError::invalid_value(name, value, why))
}

fn ensure_auto_offset_reset(name: &str, value: &Value) -> Result<(), ConfigError> {
    let text = value.as_str().unwrap_or("null");
    if matches!(text, "earliest" | "latest" | "none")
        || text
            .strip_prefix("by_duration:")
            .is_some_and(|duration| crate::iso_duration::parse_millis(duration).is_some())
    {
        return Ok(());
    }
    let why = format!(
        "Invalid value `{text}` for configuration {name}. The value must be either 'earliest', 'latest', 'none' or \
         of the format 'by_duration:<PnDTnHnMn.nS.>'."
    );
    Err(ConfigError::invalid_value(name, value, why))
}

/// One of two words, for the share consumer.
fn ensure_mode(
    name: &str,
    value: &Value,
    first: &str,
    second: &str,
    equal: impl Fn(&str, &str) -> bool,
) -> Result<(), ConfigError> {
    let text = value.as_str().unwrap_or("null");
    if equal(text, first) || equal(text, second) {
        return Ok(());
    }
    let why = format!(
        "Invalid value `{text}` for configuration {name}. The value must either be '{first}' or '{second}'."
    );
    Err(ConfigError::invalid_value(name, value, why))
}

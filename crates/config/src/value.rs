//! Values of configuration keys, and how they are read from text (Kafka's `ConfigDef.parseType`).

use std::fmt;

use crate::error::ConfigError;
use crate::java;
use crate::key_def::{DefaultValue, KeyDef, Type};
use crate::validator::Validator;

/// What stands in place of a secret.
pub const HIDDEN: &str = "[hidden]";

/// A secret text. It shows itself as [`HIDDEN`].
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Password {
        Password(secret.into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// A value of a configuration key.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Not set.
    Null,
    /// BOOLEAN.
    Boolean(bool),
    /// SHORT.
    Short(i16),
    /// INT.
    Int(i32),
    /// LONG.
    Long(i64),
    /// DOUBLE.
    Double(f64),
    /// STRING.
    String(String),
    /// LIST.
    List(Vec<String>),
    /// CLASS, by name.
    Class(String),
    /// PASSWORD.
    Password(Password),
}

impl Value {
    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Short(value) => Some(i64::from(*value)),
            Value::Int(value) => Some(i64::from(*value)),
            Value::Long(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Double(value) => Some(*value),
            _ => self.as_i64().map(|value| value as f64),
        }
    }

    /// The text or class name, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(value) | Value::Class(value) => Some(value),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_list(&self) -> Option<&[String]> {
        match self {
            Value::List(value) => Some(value),
            _ => None,
        }
    }

    /// Kafka's `ConfigDef.convertToString`: what DescribeConfigs shows. `None` for null; secrets are hidden.
    pub fn to_config_string(&self) -> Option<String> {
        match self {
            Value::Null => None,
            Value::List(list) => Some(list.join(",")),
            other => Some(other.to_string()),
        }
    }

    /// The default of a declaration; `Null` if it has none.
    pub fn default_of(def: &KeyDef) -> Value {
        match def.default {
            DefaultValue::Required | DefaultValue::Null => Value::Null,
            DefaultValue::Boolean(value) => Value::Boolean(value),
            DefaultValue::Short(value) => Value::Short(value),
            DefaultValue::Int(value) => Value::Int(value),
            DefaultValue::Long(value) => Value::Long(value),
            DefaultValue::Double(value) => Value::Double(value),
            DefaultValue::String(value) if def.ty == Type::Class => Value::Class(value.to_owned()),
            DefaultValue::String(value) => Value::String(value.to_owned()),
            DefaultValue::List(value) => {
                Value::List(value.iter().map(|&element| element.to_owned()).collect())
            }
        }
    }
}

/// As Java prints it in messages: lists in brackets, null as `null`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Boolean(value) => write!(f, "{value}"),
            Value::Short(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Long(value) => write!(f, "{value}"),
            Value::Double(value) => f.write_str(&java::double_to_string(*value)),
            Value::String(value) | Value::Class(value) => f.write_str(value),
            Value::List(value) => f.write_str(&java::list_to_string(value)),
            Value::Password(value) => write!(f, "{value}"),
        }
    }
}

/// Reads and validates the value of a key: the text if it is set, else the default.
///
/// # Errors
/// Kafka's `ConfigException` for a text that is not of the type or fails the validator, or for a key
/// without default that is not set.
pub fn parse(def: &KeyDef, raw: Option<&str>) -> Result<Value, ConfigError> {
    let value = match raw {
        Some(text) => parse_type(def, text)?,
        None if matches!(def.default, DefaultValue::Required) => {
            let message =
                format!("Missing required configuration \"{}\" which has no default value.", def.name);
            return Err(ConfigError::config(message).about(def));
        }
        None => Value::default_of(def),
    };
    let value = match (def.validator, value) {
        (Validator::List { .. }, Value::List(list)) => Value::List(without_duplicates(list)),
        (_, value) => value,
    };
    def.validator.ensure_valid(def.name, &value).map_err(|error| error.about(def))?;
    Ok(value)
}

/// Whether a list that must not name anything twice does so; Kafka removes the doubles and warns.
pub fn has_removed_duplicates(def: &KeyDef, raw: &str) -> bool {
    match (def.validator, parse_type(def, raw)) {
        (Validator::List { .. }, Ok(Value::List(list))) => {
            without_duplicates(list.clone()).len() < list.len()
        }
        _ => false,
    }
}

/// Reads a text of the key's type, and checks no more.
pub(crate) fn parse_type(def: &KeyDef, raw: &str) -> Result<Value, ConfigError> {
    let text = java::trim(raw);
    let not_a_number = || {
        let why = format!("Not a number of type {}", def.ty.name());
        ConfigError::invalid_value(def.name, raw, why).about(def)
    };
    Ok(match def.ty {
        Type::Boolean if text.eq_ignore_ascii_case("true") => Value::Boolean(true),
        Type::Boolean if text.eq_ignore_ascii_case("false") => Value::Boolean(false),
        Type::Boolean => {
            let error =
                ConfigError::invalid_value(def.name, raw, "Expected value to be either true or false");
            return Err(error.about(def));
        }
        Type::String => Value::String(text.to_owned()),
        Type::Class => Value::Class(text.to_owned()),
        Type::Password => Value::Password(Password::new(text)),
        Type::Short => Value::Short(text.parse().map_err(|_| not_a_number())?),
        Type::Int => Value::Int(text.parse().map_err(|_| not_a_number())?),
        Type::Long => Value::Long(text.parse().map_err(|_| not_a_number())?),
        Type::Double => Value::Double(java::parse_double(text).ok_or_else(not_a_number)?),
        Type::List if text.is_empty() => Value::List(Vec::new()),
        Type::List => Value::List(java::split_commas(text).into_iter().map(str::to_owned).collect()),
    })
}

fn without_duplicates(list: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    list.into_iter().filter(|element| seen.insert(element.clone())).collect()
}

#[cfg(test)]
#[path = "value_test.rs"]
mod tests;

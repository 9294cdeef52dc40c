//! Incremental changes of configurations (KIP-339): what a key holds after one operation.

use crate::error::ConfigError;
use crate::key_def::{KeyDef, Scope, Type};
use crate::keys;
use crate::value::Value;

/// The longest value that can be kept, in UTF-16 units, as Kafka's record format bounds it.
pub const VALUE_LENGTH_MAX: usize = i16::MAX as usize;

/// An operation on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlterOp {
    /// Gives it a value.
    Set,
    /// Takes its value away.
    Delete,
    /// Adds elements to a list.
    Append,
    /// Takes elements out of a list.
    Subtract,
}

impl AlterOp {
    /// By Kafka's number.
    pub const fn from_id(id: i8) -> Option<AlterOp> {
        match id {
            0 => Some(AlterOp::Set),
            1 => Some(AlterOp::Delete),
            2 => Some(AlterOp::Append),
            3 => Some(AlterOp::Subtract),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            AlterOp::Set => "SET",
            AlterOp::Delete => "DELETE",
            AlterOp::Append => "APPEND",
            AlterOp::Subtract => "SUBTRACT",
        }
    }
}

/// What a key holds after an operation, as the controller computes it (Kafka's
/// `ConfigurationControlManager`): `None` for nothing. `current` is what it held before.
///
/// # Errors
/// Adding to or taking from a key that is no list (INVALID_CONFIG), or a value that is too long.
pub fn alter(
    scope: Scope,
    key: &str,
    op: AlterOp,
    current: Option<&str>,
    operand: Option<&str>,
) -> Result<Option<String>, ConfigError> {
    let operand = operand.unwrap_or_default();
    let new = match op {
        AlterOp::Set => operand.to_owned(),
        AlterOp::Delete => return Ok(None),
        AlterOp::Append | AlterOp::Subtract => {
            let def = keys::lookup(scope, key).filter(|def| def.ty == Type::List).ok_or_else(|| {
                let message = format!("Can't {} to key {key} because its type is not LIST.", op.name());
                ConfigError::invalid_configuration(message).for_key(key)
            })?;
            alter_list(def, op, current, operand)
        }
    };
    if new.encode_utf16().count() > VALUE_LENGTH_MAX {
        let message = format!(
            "The configuration value cannot be added because it exceeds the maximum value size of \
             {VALUE_LENGTH_MAX} bytes."
        );
        return Err(ConfigError::invalid_configuration(message).for_key(key));
    }
    Ok(Some(new))
}

/// As [`alter`] for a broker's own configuration, which the broker checks before it passes the change on
/// (Kafka's `ConfigAdminManager`).
///
/// # Errors
/// Adding to or taking from a key that is unknown or no list (INVALID_CONFIG).
pub fn alter_broker(
    key: &str,
    op: AlterOp,
    current: Option<&str>,
    operand: Option<&str>,
) -> Result<Option<String>, ConfigError> {
    if matches!(op, AlterOp::Append | AlterOp::Subtract) {
        let message = match keys::lookup(Scope::Broker, key) {
            None => format!("Unknown config name: {key}"),
            Some(def) if def.ty != Type::List => {
                format!("Config value {} is not allowed for config key: {key}", op.name().to_lowercase())
            }
            Some(_) => return alter(Scope::Broker, key, op, current, operand),
        };
        return Err(ConfigError::invalid_configuration(message).for_key(key));
    }
    alter(Scope::Broker, key, op, current, operand)
}

fn alter_list(def: &KeyDef, op: AlterOp, current: Option<&str>, operand: &str) -> String {
    let default = Value::default_of(def).to_config_string();
    let current = current.or(default.as_deref()).unwrap_or_default();
    let mut elements: Vec<&str> = current.split(',').filter(|element| !element.is_empty()).collect();
    for element in operand.split(',') {
        let position = elements.iter().position(|other| *other == element);
        match (op, position) {
            (AlterOp::Append, None) => elements.push(element),
            (AlterOp::Subtract, Some(position)) => {
                elements.remove(position);
            }
            _ => {}
        }
    }
    elements.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, op: AlterOp, current: Option<&str>, operand: &str, expect: Option<&str>) {
        let new = alter(Scope::Topic, key, op, current, Some(operand)).unwrap();
        assert_eq!(new.as_deref(), expect);
    }

    #[test]
    fn lists_grow_and_shrink() {
        check("cleanup.policy", AlterOp::Append, None, "compact", Some("delete,compact"));
        check("cleanup.policy", AlterOp::Append, Some("delete"), "delete", Some("delete"));
        check("cleanup.policy", AlterOp::Subtract, Some("delete,compact"), "delete", Some("compact"));
        check("cleanup.policy", AlterOp::Subtract, None, "delete", Some(""));
        check("cleanup.policy", AlterOp::Delete, Some("compact"), "", None);
        check("segment.ms", AlterOp::Set, None, "5", Some("5"));
    }

    #[test]
    fn only_lists_do() {
        let error = alter(Scope::Topic, "segment.ms", AlterOp::Append, None, Some("5")).unwrap_err();
        assert_eq!(error.message, "Can't APPEND to key segment.ms because its type is not LIST.");
        let error = alter_broker("num.io.threads", AlterOp::Subtract, None, Some("5")).unwrap_err();
        assert_eq!(error.message, "Config value subtract is not allowed for config key: num.io.threads");
        let error = alter_broker("no.such.key", AlterOp::Append, None, Some("5")).unwrap_err();
        assert_eq!(error.message, "Unknown config name: no.such.key");
    }

    #[test]
    fn values_are_bounded() {
        let long = "x".repeat(VALUE_LENGTH_MAX + 1);
        assert!(alter(Scope::Topic, "segment.ms", AlterOp::Set, None, Some(&long)).is_err());
        assert!(alter(Scope::Topic, "segment.ms", AlterOp::Set, None, long.get(1..)).is_ok());
    }
}

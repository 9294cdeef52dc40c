//! The parsed values of all broker keys.

use std::collections::HashMap;

use crate::broker_config::authorization::AUTHORIZER_KEYS;
use crate::error::{ConfigError, Warning};
use crate::key_def::{KeyDef, Support};
use crate::keys;
use crate::layers::RawMap;
use crate::suggest;
use crate::value::{self, Value};

/// Defaults of a node that is told nothing of roles: it is broker and controller in one, alone, and must
/// come up so. Kafka has no default for the first three and wants three replicas of its internal topics;
/// see `DEVIATIONS`.
pub const STANDALONE_DEFAULTS: &[(&str, &str)] = &[
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("broker.id", "1"),
    ("controller.listener.names", ""),
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
];

/// Whether [`STANDALONE_DEFAULTS`] hold: nothing says which roles this node plays.
pub fn is_standalone(raw: &RawMap) -> bool {
    !raw.contains_key("process.roles")
}

/// The default of a broker key under the given configuration, as text; `None` for null and for keys without
/// default.
pub fn effective_default(def: &KeyDef, raw: &RawMap) -> Option<String> {
    standalone_default(def, raw).map(str::to_owned).or_else(|| Value::default_of(def).to_config_string())
}

fn standalone_default(def: &KeyDef, raw: &RawMap) -> Option<&'static str> {
    if !is_standalone(raw) {
        return None;
    }
    STANDALONE_DEFAULTS.iter().find(|(key, _)| *key == def.name).map(|(_, value)| *value)
}

/// The values of all broker keys, set or default.
#[derive(Clone, Debug)]
pub struct Values {
    values: HashMap<&'static str, Value>,
}

impl Values {
    /// Reads the values of all broker keys.
    ///
    /// # Errors
    /// All values that are not of their type, fail their validator, or are refused.
    pub fn parse(raw: &RawMap) -> Result<Values, Vec<ConfigError>> {
        let mut values = HashMap::with_capacity(keys::broker_keys().len());
        let mut errors = Vec::new();
        for def in keys::broker_keys() {
            let set = raw.get(def.name).map(String::as_str);
            let parsed = match (set, standalone_default(def, raw)) {
                (None, Some(default)) => value::parse_type(def, default),
                _ => value::parse(def, set),
            };
            match parsed.and_then(|value| refuse(def, set, &value).map(|()| value)) {
                Ok(value) => {
                    values.insert(def.name, value);
                }
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Values { values }) } else { Err(errors) }
    }

    /// The value of a broker key; `None` for a name that is none.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// A BOOLEAN.
    pub(crate) fn boolean(&self, key: &str) -> bool {
        self.expect(key, Value::as_bool)
    }

    /// An INT.
    pub(crate) fn int(&self, key: &str) -> i32 {
        self.expect(key, as_int)
    }

    /// A SHORT.
    pub(crate) fn short(&self, key: &str) -> i16 {
        self.expect(key, |value| match value {
            Value::Short(value) => Some(*value),
            _ => None,
        })
    }

    /// A LONG.
    pub(crate) fn long(&self, key: &str) -> i64 {
        self.expect(key, Value::as_i64)
    }

    /// A DOUBLE.
    pub(crate) fn double(&self, key: &str) -> f64 {
        self.expect(key, Value::as_f64)
    }

    /// A STRING or CLASS.
    pub(crate) fn string(&self, key: &str) -> &str {
        self.opt_string(key).unwrap_or_default()
    }

    /// A STRING or CLASS or null.
    pub(crate) fn opt_string(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }

    /// An INT or null.
    pub(crate) fn opt_int(&self, key: &str) -> Option<i32> {
        self.get(key).and_then(as_int)
    }

    /// A LIST.
    pub(crate) fn list(&self, key: &str) -> &[String] {
        self.opt_list(key).unwrap_or_default()
    }

    /// A LIST or null.
    pub(crate) fn opt_list(&self, key: &str) -> Option<&[String]> {
        self.get(key).and_then(Value::as_list)
    }

    /// Types are declared, keys are constants of this crate: that they fit is tested, not an input.
    fn expect<'a, T>(&'a self, key: &str, as_type: impl Fn(&'a Value) -> Option<T>) -> T {
        match self.get(key).and_then(as_type) {
            Some(value) => value,
            None => unreachable!("{key} is not declared with this type"),
        }
    }
}

fn as_int(value: &Value) -> Option<i32> {
    match value {
        Value::Int(value) => Some(*value),
        _ => None,
    }
}

/// An error if a refused key is set to anything but its default.
fn refuse(def: &KeyDef, set: Option<&str>, value: &Value) -> Result<(), ConfigError> {
    if def.support != Support::Refused || set.is_none() || *value == Value::default_of(def) {
        return Ok(());
    }
    let message = format!("{} cannot be set to {value}: {}", def.name, def.note);
    let allowed = match def.default_text() {
        text if text.is_empty() || text == "null" => "nothing".to_owned(),
        text => format!("only {text}"),
    };
    let error = ConfigError::unsupported(message).for_key(def.name).with_value(value.to_string());
    Err(error.allowed(allowed).hint("remove the setting"))
}

/// What is odd about a static configuration: unknown keys, settings without effect, lists with doubles.
pub fn warnings(raw: &RawMap, values: &Values) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (key, text) in raw {
        let Some(def) = keys::lookup(crate::Scope::Broker, key) else {
            if AUTHORIZER_KEYS.contains(&key.as_str()) {
                continue;
            }
            warnings.extend(suggest::unknown_key(key));
            continue;
        };
        if value::has_removed_duplicates(def, text) {
            warnings.push(Warning::DuplicatesRemoved { key: key.clone() });
        }
        let changed = values.get(key).is_some_and(|value| *value != Value::default_of(def));
        if def.support == Support::AcceptedWithoutEffect && changed {
            warnings.push(Warning::WithoutEffect { key: key.clone(), why: def.note });
        }
    }
    warnings
}

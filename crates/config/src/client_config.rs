//! The parsed values of a client's keys.

use std::collections::HashMap;

use crate::error::{ConfigError, Warning};
use crate::key_def::{DefaultValue, Scope, Support, Type};
use crate::keys;
use crate::layers::RawMap;
use crate::suggest;
use crate::value::{self, Password, Value};

/// Keys of plug-ins and of tools that Kafka's clients leave to them.
const OF_OTHERS: &[&str] = &["config.providers.", "metrics.context.", "metrics.jmx."];

/// The values of all keys of a client, set or default.
#[derive(Clone, Debug)]
pub struct ClientValues {
    scope: Scope,
    values: HashMap<&'static str, Value>,
    set: Vec<&'static str>,
    warnings: Vec<Warning>,
}

impl ClientValues {
    /// Reads the values of a client's keys; `scope` is [`Scope::Producer`], [`Scope::Consumer`] or [`Scope::Admin`].
    /// Classes that have no default (serializers) may be missing: in Rust they are types.
    ///
    /// # Errors
    /// Kafka's `ConfigException` for the first value that is not of its type, fails its validator, or is missing.
    pub fn parse(scope: Scope, raw: &RawMap) -> Result<ClientValues, ConfigError> {
        let mut values = HashMap::with_capacity(keys::keys(scope).len());
        let mut set = Vec::new();
        let mut warnings = Vec::new();
        for def in keys::keys(scope) {
            let text = raw.get(def.name).map(String::as_str);
            if text.is_none() && def.ty == Type::Class && matches!(def.default, DefaultValue::Required) {
                values.insert(def.name, Value::Null);
                continue;
            }
            let value = value::parse(def, text)?;
            if let Some(text) = text {
                set.push(def.name);
                if value::has_removed_duplicates(def, text) {
                    warnings.push(Warning::DuplicatesRemoved { key: def.name.to_owned() });
                }
                if def.support == Support::AcceptedWithoutEffect && value != Value::default_of(def) {
                    warnings.push(Warning::WithoutEffect { key: def.name.to_owned(), why: def.note });
                }
            }
            values.insert(def.name, value);
        }
        for key in raw.keys() {
            let known = keys::lookup(scope, key).is_some() || OF_OTHERS.iter().any(|of| key.starts_with(of));
            if !known {
                let suggestion = suggest::nearest_of(scope, key).map(|name| format!("did you mean {name}?"));
                warnings.push(Warning::UnknownKey { key: key.clone(), suggestion });
            }
        }
        Ok(ClientValues { scope, values, set, warnings })
    }

    /// Whose keys these are.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Unknown keys, settings without effect, lists with doubles.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Whether a key was set, and not left to its default.
    pub fn is_set(&self, key: &str) -> bool {
        self.set.contains(&key)
    }

    /// The value of a key; `None` for a name that is none.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// A BOOLEAN; false for a key that is none.
    pub fn boolean(&self, key: &str) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or_default()
    }

    /// An INT; 0 for a key that is none.
    pub fn int(&self, key: &str) -> i32 {
        self.get(key).and_then(Value::as_i64).and_then(|value| i32::try_from(value).ok()).unwrap_or_default()
    }

    /// A LONG, INT or SHORT; 0 for a key that is none.
    pub fn long(&self, key: &str) -> i64 {
        self.get(key).and_then(Value::as_i64).unwrap_or_default()
    }

    /// A DOUBLE; 0 for a key that is none.
    pub fn double(&self, key: &str) -> f64 {
        self.get(key).and_then(Value::as_f64).unwrap_or_default()
    }

    /// A STRING or CLASS; empty for null.
    pub fn string(&self, key: &str) -> &str {
        self.opt_string(key).unwrap_or_default()
    }

    /// A STRING or CLASS or null.
    pub fn opt_string(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }

    /// A LIST; empty for null.
    pub fn list(&self, key: &str) -> &[String] {
        self.get(key).and_then(Value::as_list).unwrap_or_default()
    }

    /// A PASSWORD or null.
    pub fn password(&self, key: &str) -> Option<&Password> {
        match self.get(key) {
            Some(Value::Password(password)) => Some(password),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(scope: Scope, entries: &[(&str, &str)]) -> Result<ClientValues, ConfigError> {
        let entries = entries.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        ClientValues::parse(scope, &entries.collect())
    }

    fn refused(scope: Scope, key: &str, value: &str) -> String {
        parse(scope, &[("bootstrap.servers", "a:1"), (key, value)]).unwrap_err().to_string()
    }

    #[test]
    fn values_are_typed() {
        let values = parse(
            Scope::Producer,
            &[
                ("bootstrap.servers", "a:1,b:2"),
                ("linger.ms", "7"),
                ("sasl.jaas.config", "x"),
                ("ssl.provider", "y"),
            ],
        )
        .unwrap();
        assert_eq!(values.list("bootstrap.servers"), ["a:1", "b:2"]);
        assert_eq!((values.long("linger.ms"), values.int("batch.size")), (7, 16_384));
        assert!(values.boolean("enable.idempotence") && values.is_set("linger.ms") && !values.is_set("acks"));
        assert_eq!(values.opt_string("transactional.id"), None);
        assert_eq!(values.password("sasl.jaas.config").unwrap().expose(), "x");
        let warnings: Vec<String> = values.warnings().iter().map(Warning::to_string).collect();
        let why = "ssl.provider has no effect: rustls has no such choice; a JVM class cannot be loaded";
        assert_eq!(warnings, [why]);
    }

    #[test]
    fn wrong_values_are_refused_with_kafkas_words() {
        assert_eq!(
            parse(Scope::Consumer, &[]).unwrap_err().to_string(),
            "Missing required configuration \"bootstrap.servers\" which has no default value."
        );
        assert_eq!(
            refused(Scope::Producer, "acks", "2"),
            "Invalid value 2 for configuration acks: String must be one of: all, -1, 0, 1"
        );
        assert_eq!(
            refused(Scope::Consumer, "auto.offset.reset", "first"),
            "Invalid value first for configuration auto.offset.reset: Invalid value `first` for configuration \
             auto.offset.reset. The value must be either 'earliest', 'latest', 'none' or of the format \
             'by_duration:<PnDTnHnMn.nS.>'."
        );
        assert!(refused(Scope::Consumer, "share.acknowledgement.mode", "EXPLICIT").contains("'implicit'"));
        parse(Scope::Consumer, &[("bootstrap.servers", "a:1"), ("share.acquire.mode", "Record_Limit")])
            .unwrap();
    }

    #[test]
    fn unknown_keys_are_named_with_the_nearest_one() {
        let values = parse(Scope::Admin, &[("bootstrap.server", "a:1"), ("my.own", "1")]).unwrap();
        let warnings: Vec<String> = values.warnings().iter().map(Warning::to_string).collect();
        assert_eq!(
            warnings,
            [
                "unknown configuration key bootstrap.server: ignored (did you mean bootstrap.servers?)",
                "unknown configuration key my.own: ignored"
            ]
        );
    }
}

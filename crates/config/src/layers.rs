//! The static configuration, layered: `server.properties`, then the environment, then `--override` on the
//! command line; the later layer wins.
//!
//! **Environment.** `OTTLA_` followed by the key in capitals with underscores for dots sets a broker key:
//! `OTTLA_LOG_DIRS=/data` is `log.dirs=/data`. A key of one listener works too:
//! `OTTLA_LISTENER_NAME_INTERNAL_MAX_CONNECTIONS` is `listener.name.internal.max.connections`; where that
//! could be read in two ways the longer key counts. Broker keys contain no underscores, so no two keys
//! share a variable.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::{ConfigError, Warning};
use crate::java_options;
use crate::keys;
use crate::suggest;

/// Keys and values as written.
pub type RawMap = BTreeMap<String, String>;

/// What the variables of the environment begin with.
pub const ENVIRONMENT_PREFIX: &str = "OTTLA_";

/// Variables with the prefix that are no configuration keys.
pub const RESERVED_ENVIRONMENT: &[&str] = &["OTTLA_LOG", "OTTLA_CONFIG"];

/// Where a value of the static configuration came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The properties file.
    File,
    /// This variable of the environment.
    Environment(String),
    /// `--override` on the command line.
    Override,
    /// The program chose it, because nobody else did.
    Chosen,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File => f.write_str("from the properties file"),
            Origin::Environment(variable) => write!(f, "from the environment variable {variable}"),
            Origin::Override => f.write_str("from --override"),
            Origin::Chosen => f.write_str("chosen by the program"),
        }
    }
}

/// The static configuration of a broker, before it is read.
#[derive(Clone, Debug, Default)]
pub struct StaticProperties {
    values: RawMap,
    origins: BTreeMap<String, Origin>,
}

impl StaticProperties {
    /// Nothing set.
    pub fn new() -> StaticProperties {
        StaticProperties::default()
    }

    /// Sets a key, over whatever was there.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>, origin: Origin) {
        let key = key.into();
        self.origins.insert(key.clone(), origin);
        self.values.insert(key, value.into());
    }

    /// Sets the entries of a properties file.
    pub fn apply_file(&mut self, entries: impl IntoIterator<Item = (String, String)>) {
        for (key, value) in entries {
            self.set(key, value, Origin::File);
        }
    }

    /// Sets what the environment says; warns of variables with the prefix that fit no key.
    pub fn apply_environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut allowed_urls = None;
        for (variable, value) in variables {
            if variable == java_options::KAFKA_OPTS {
                let allowed = java_options::system_property(&value, java_options::OAUTH_ALLOWED_URLS);
                allowed_urls = allowed.map(str::to_owned);
            }
            let Some(name) = variable.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
            if RESERVED_ENVIRONMENT.contains(&variable.as_str()) {
                continue;
            }
            match key_of_variable(name) {
                Some(key) => self.set(key, value, Origin::Environment(variable)),
                None => {
                    let suggestion = suggest::nearest(&name.to_ascii_lowercase().replace('_', "."))
                        .map(|key| format!("did you mean {ENVIRONMENT_PREFIX}{}?", variable_of_key(key)));
                    warnings.push(Warning::UnknownKey { key: variable, suggestion });
                }
            }
        }
        if let Some(urls) = allowed_urls.filter(|_| !self.values.contains_key(keys::own::OAUTH_ALLOWED_URLS))
        {
            let variable = java_options::KAFKA_OPTS.to_owned();
            self.set(keys::own::OAUTH_ALLOWED_URLS, urls, Origin::Environment(variable));
        }
        warnings
    }

    /// Sets entries `key=value` of the command line.
    ///
    /// # Errors
    /// An entry without `=` or without a key.
    pub fn apply_overrides<'a>(
        &mut self,
        entries: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), ConfigError> {
        for entry in entries {
            match entry.split_once('=') {
                Some((key, value)) if !key.trim().is_empty() => self.set(key.trim(), value, Origin::Override),
                _ => {
                    let error = ConfigError::config(format!("Invalid override '{entry}'"));
                    return Err(error.hint("give it as key=value, for example --override log.dirs=/data"));
                }
            }
        }
        Ok(())
    }

    /// Gives the data a place if neither `log.dirs` nor `log.dir` does; whether it was needed.
    pub fn choose_log_dir(&mut self, directory: &str) -> bool {
        let missing = !self.values.contains_key("log.dirs") && !self.values.contains_key("log.dir");
        if missing {
            self.set("log.dirs", directory, Origin::Chosen);
        }
        missing
    }

    /// Keys and values.
    pub fn values(&self) -> &RawMap {
        &self.values
    }

    /// Where the value of a key came from.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }
}

impl From<RawMap> for StaticProperties {
    fn from(values: RawMap) -> StaticProperties {
        StaticProperties { values, origins: BTreeMap::new() }
    }
}

/// The variable of the environment that sets a key, without the prefix.
pub fn variable_of_key(key: &str) -> String {
    // Ottla's own keys need no second prefix: OTTLA_HTTP_LISTENER.
    let key = key.strip_prefix(keys::own::OWN_PREFIX).unwrap_or(key);
    key.to_ascii_uppercase().replace('.', "_")
}

fn key_of_variable(name: &str) -> Option<String> {
    if let Some(def) = keys::broker_keys().iter().find(|def| variable_of_key(def.name) == name) {
        return Some(def.name.to_owned());
    }
    let listener_key = name.strip_prefix("LISTENER_NAME_")?;
    let split = |def: &'static crate::KeyDef| {
        let listener = listener_key.strip_suffix(&variable_of_key(def.name))?.strip_suffix('_')?;
        (!listener.is_empty()).then(|| (listener.to_ascii_lowercase(), def.name))
    };
    let (listener, key) = keys::broker_keys().iter().filter_map(split).max_by_key(|(_, key)| key.len())?;
    Some(format!("listener.name.{listener}.{key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> (StaticProperties, Vec<Warning>) {
        let mut properties = StaticProperties::new();
        let variables = variables.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        let warnings = properties.apply_environment(variables);
        (properties, warnings)
    }

    #[test]
    fn the_environment_names_keys_in_capitals() {
        let (properties, warnings) = environment(&[
            ("OTTLA_LOG_DIRS", "/data"),
            ("OTTLA_LISTENER_NAME_INTERNAL_MAX_CONNECTIONS", "5"),
            ("OTTLA_LISTENER_NAME_MY_OWN_MAX_CONNECTIONS_PER_IP", "6"),
            ("OTTLA_LOG", "debug"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(warnings, []);
        let expect = [
            ("listener.name.internal.max.connections", "5"),
            ("listener.name.my_own.max.connections.per.ip", "6"),
            ("log.dirs", "/data"),
        ];
        assert_eq!(
            properties.values().iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(),
            expect
        );
        assert_eq!(properties.origin("log.dirs"), Some(&Origin::Environment("OTTLA_LOG_DIRS".to_owned())));
    }

    #[test]
    fn unknown_variables_are_named_with_the_nearest_one() {
        let (_, warnings) = environment(&[("OTTLA_LOG_DIRZ", "/data")]);
        assert_eq!(
            warnings[0].to_string(),
            "unknown configuration key OTTLA_LOG_DIRZ: ignored (did you mean OTTLA_LOG_DIRS?)"
        );
    }

    #[test]
    fn no_two_keys_share_a_variable() {
        let mut variables: Vec<String> =
            keys::broker_keys().iter().map(|def| variable_of_key(def.name)).collect();
        let count = variables.len();
        variables.sort();
        variables.dedup();
        assert_eq!(variables.len(), count);
        for reserved in RESERVED_ENVIRONMENT {
            assert!(!variables.iter().any(|variable| format!("{ENVIRONMENT_PREFIX}{variable}") == *reserved));
        }
    }

    #[test]
    fn the_command_line_wins() {
        let mut properties = StaticProperties::new();
        properties.apply_file([("num.partitions".to_owned(), "2".to_owned())]);
        properties.apply_environment([("OTTLA_NUM_PARTITIONS".to_owned(), "3".to_owned())]);
        assert_eq!(properties.values()["num.partitions"], "3");
        properties.apply_overrides(["num.partitions=4", " a.b = c=d "]).unwrap();
        assert_eq!(properties.values()["num.partitions"], "4");
        assert_eq!(properties.values()["a.b"], " c=d ");
        assert!(properties.apply_overrides(["nonsense"]).is_err());
        assert!(properties.choose_log_dir("/home/me/data"));
        assert!(!properties.choose_log_dir("/elsewhere"));
        assert_eq!(properties.values()["log.dirs"], "/home/me/data");
    }
}

//! Log levels that can be changed at run time: the BROKER_LOGGER resource of the configuration APIs (KIP-412).
//!
//! Loggers are named after this program's own parts, not after Kafka's classes; `root` stands for all of them, as in Kafka.

use std::collections::BTreeMap;

use ottla_controller::ApiError;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::incremental_alter_configs_request::AlterableConfig;
use parking_lot::Mutex;

use crate::authorization::AUDIT;

/// The log of the authorizer's decisions, by the name that it has in Kafka.
const AUTHORIZER: &str = "kafka.authorizer.logger";
/// The logger of which all others are children.
pub const ROOT: &str = "root";
/// The parts that log.
const NAMES: [&str; 8] = [
    ROOT,
    AUTHORIZER,
    "ottla_broker",
    "ottla_controller",
    "ottla_coordinator",
    "ottla_metadata",
    "ottla_net",
    "ottla_storage",
];
/// Kafka's names of levels, and what they mean here.
const LEVELS: [(&str, &str); 7] = [
    ("DEBUG", "debug"),
    ("ERROR", "error"),
    ("FATAL", "error"),
    ("INFO", "info"),
    ("OFF", "off"),
    ("TRACE", "trace"),
    ("WARN", "warn"),
];

/// Puts a filter of the form `warn,ottla_net=debug` in force.
pub type ApplyFilter = Box<dyn Fn(&str) + Send + Sync>;

/// The loggers and their levels.
pub struct Loggers {
    levels: Mutex<BTreeMap<&'static str, &'static str>>,
    apply: ApplyFilter,
}

impl Loggers {
    /// Loggers that start with a level for all.
    pub fn new(root_level: &str, apply: ApplyFilter) -> Self {
        let level = LEVELS.iter().find(|(name, _)| name.eq_ignore_ascii_case(root_level));
        let levels = BTreeMap::from([(ROOT, level.map_or("INFO", |(name, _)| name))]);
        Self { levels: Mutex::new(levels), apply }
    }

    /// Every logger with its level: its own, or that of `root`.
    pub fn all(&self) -> Vec<(&'static str, &'static str)> {
        let levels = self.levels.lock();
        let root = levels.get(ROOT).copied().unwrap_or("INFO");
        NAMES.iter().map(|name| (*name, levels.get(name).copied().unwrap_or(root))).collect()
    }

    /// Changes levels, all or none (`ConfigAdminManager.alterLogLevelConfigs`).
    ///
    /// # Errors
    /// Kafka's for an unknown logger or level, or an operation that makes no sense.
    pub fn alter(&self, changes: &[AlterableConfig], validate_only: bool) -> Result<(), ApiError> {
        let changes = changes.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        if validate_only {
            return Ok(());
        }
        let mut levels = self.levels.lock();
        for (name, level) in changes {
            match level {
                Some(level) => levels.insert(name, level),
                None => levels.remove(name),
            };
        }
        (self.apply)(&filter(&levels));
        Ok(())
    }
}

/// A logger, and its new level; none to take the level of `root`.
fn parse(change: &AlterableConfig) -> Result<(&'static str, Option<&'static str>), ApiError> {
    const SET: i8 = 0;
    const DELETE: i8 = 1;
    const APPEND: i8 = 2;
    let known = || {
        let name = NAMES.iter().copied().find(|name| **name == *change.name);
        name.ok_or_else(|| ApiError::invalid_config(format!("Logger {} does not exist!", change.name)))
    };
    match change.config_operation {
        SET => {
            let name = known()?;
            let wanted = change.value.as_deref().unwrap_or_default();
            let level = LEVELS.iter().find(|(level, _)| *level == wanted);
            let (level, _) = level.ok_or_else(|| {
                let valid: Vec<&str> = LEVELS.iter().map(|(level, _)| *level).collect();
                ApiError::invalid_config(format!(
                    "Cannot set the log level of {name} to {wanted} as it is not a supported log level. Valid log levels are {}",
                    valid.join(", ")
                ))
            })?;
            Ok((name, Some(level)))
        }
        DELETE => {
            let name = known()?;
            if name == ROOT {
                let why = "Removing the log level of the root logger is not allowed";
                return Err(ApiError::invalid_request(why));
            }
            Ok((name, None))
        }
        operation => {
            let operation = if operation == APPEND { "APPEND" } else { "SUBTRACT" };
            let why = format!("{operation} operation is not allowed for the BROKER_LOGGER resource");
            Err(ApiError::new(ErrorCode::InvalidRequest, why))
        }
    }
}

fn filter(levels: &BTreeMap<&str, &str>) -> String {
    let meaning = |level: &str| LEVELS.iter().find(|(name, _)| *name == level).map_or("info", |(_, m)| m);
    let root = meaning(levels.get(ROOT).copied().unwrap_or("INFO"));
    let others = levels.iter().filter(|(name, _)| **name != ROOT);
    let others = others.map(|(name, level)| {
        let target = if *name == AUTHORIZER { AUDIT } else { name };
        format!(",{target}={}", meaning(level))
    });
    root.to_string() + &others.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn change(name: &str, operation: i8, value: Option<&str>) -> AlterableConfig {
        AlterableConfig { name: name.into(), config_operation: operation, value: value.map(Into::into) }
    }

    #[test]
    fn levels_are_inherited_from_root_and_put_in_force() {
        let applied = Arc::new(Mutex::new(String::new()));
        let seen = applied.clone();
        let loggers = Loggers::new("warn", Box::new(move |filter| *seen.lock() = filter.to_string()));
        assert!(loggers.all().contains(&("ottla_net", "WARN")));
        loggers.alter(&[change("ottla_net", 0, Some("TRACE"))], false).expect("valid");
        assert_eq!(*applied.lock(), "warn,ottla_net=trace");
        loggers.alter(&[change("ottla_net", 1, None), change(ROOT, 0, Some("OFF"))], false).expect("valid");
        assert_eq!(*applied.lock(), "off");
        assert!(loggers.all().contains(&("ottla_net", "OFF")));
        // The filter knows no names with dots.
        loggers.alter(&[change(AUTHORIZER, 0, Some("DEBUG"))], false).expect("valid");
        assert_eq!(*applied.lock(), "off,ottla_authorizer=debug");
    }

    #[test]
    fn one_bad_change_spoils_all() {
        let loggers = Loggers::new("info", Box::new(|_| panic!("nothing to apply")));
        let good = change("ottla_net", 0, Some("TRACE"));
        for (bad, error) in [
            (change("no.such", 0, Some("INFO")), ErrorCode::InvalidConfig),
            (change(ROOT, 0, Some("LOUD")), ErrorCode::InvalidConfig),
            (change(ROOT, 1, None), ErrorCode::InvalidRequest),
            (change(ROOT, 2, Some("INFO")), ErrorCode::InvalidRequest),
        ] {
            let refused = loggers.alter(&[good.clone(), bad], false).expect_err("refused");
            assert_eq!(refused.code, error);
        }
        assert!(loggers.all().contains(&("ottla_net", "INFO")));
    }
}

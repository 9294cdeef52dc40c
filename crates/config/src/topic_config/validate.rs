//! Whether the configuration of a topic may be as somebody wants it (Kafka's `LogConfig.validate`).

use super::TopicConfig;
use crate::error::ConfigError;
use crate::key_def::Scope;
use crate::keys;
use crate::layers::RawMap;

impl TopicConfig {
    /// Checks the keys that a topic sets after a change or at its creation. `self` is what the broker gives
    /// to topics that set nothing; `existing` what the topic sets before the change; `remote_storage`
    /// whether tiered storage is on.
    ///
    /// # Errors
    /// Kafka's: an unknown key, a value that is not of its type or fails its validator, values that
    /// contradict each other.
    pub fn validate(&self, existing: &RawMap, new: &RawMap, remote_storage: bool) -> Result<(), ConfigError> {
        if let Some(unknown) = new.keys().find(|key| keys::lookup(Scope::Topic, key).is_none()) {
            let message = format!("Unknown topic config name: {unknown}");
            return Err(ConfigError::invalid_configuration(message).for_key(unknown));
        }
        let config = self.with_overrides(new)?;
        config.validate_compaction_lags()?;
        if config.remote_storage_enable {
            config.validate_remote_storage(remote_storage)
        } else {
            config.validate_leaving_remote_storage(existing)
        }
    }

    /// Checks what a broker gives to topics (Kafka's `LogConfig.validateBrokerLogConfigValues`).
    pub(crate) fn validate_broker_defaults(&self, remote_storage: bool) -> Result<(), ConfigError> {
        self.validate_compaction_lags()?;
        if remote_storage {
            self.validate_local_retention()?;
        }
        Ok(())
    }

    fn validate_compaction_lags(&self) -> Result<(), ConfigError> {
        let (min, max) = (self.min_compaction_lag_ms, self.max_compaction_lag_ms);
        if min > max {
            return Err(ConfigError::invalid_configuration(format!(
                "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
            )));
        }
        Ok(())
    }

    fn validate_remote_storage(&self, remote_storage: bool) -> Result<(), ConfigError> {
        if !remote_storage {
            return Err(ConfigError::config(
                "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with \
                 remote log storage.",
            ));
        }
        if self.compact {
            return Err(ConfigError::config(
                "Remote log storage only supports topics with cleanup.policy=delete or cleanup.policy \
                 being an empty list.",
            ));
        }
        self.validate_local_retention()?;
        if !self.remote_log_copy_disable {
            return Ok(());
        }
        let differ = |local: i64, whole: i64| local != -2 && local != whole;
        let unit = if differ(self.local_retention_bytes, self.retention_bytes) {
            "bytes"
        } else if differ(self.local_retention_ms, self.retention_ms) {
            "ms"
        } else {
            return Ok(());
        };
        Err(ConfigError::invalid_configuration(format!(
            "When `remote.log.copy.disable` is set to true, the `local.retention.{unit}` and \
             `retention.{unit}` must be set to the identical value because there will be no more logs \
             copied to the remote storage."
        )))
    }

    fn validate_local_retention(&self) -> Result<(), ConfigError> {
        let check = |unit: &str, local: i64, whole: i64| {
            if whole < 0 || local == -2 || (0..=whole).contains(&local) {
                return Ok(());
            }
            let why = match local {
                -1 => format!("Value must not be -1 as retention.{unit} value is set as {whole}."),
                _ => format!("Value must not be more than retention.{unit} property value: {whole}"),
            };
            Err(ConfigError::invalid_value(&format!("local.retention.{unit}"), local, why))
        };
        check("bytes", self.local_retention_bytes, self.retention_bytes)?;
        check("ms", self.local_retention_ms, self.retention_ms)
    }

    fn validate_leaving_remote_storage(&self, existing: &RawMap) -> Result<(), ConfigError> {
        let was_enabled =
            existing.get("remote.storage.enable").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        if was_enabled && !self.remote_log_delete_on_disable {
            return Err(ConfigError::invalid_configuration(
                "It is invalid to disable remote storage without deleting remote data. If you want to keep \
                 the remote data and turn to read only, please set \
                 `remote.storage.enable=true,remote.log.copy.disable=true`. If you want to disable remote \
                 storage and delete all remote data, please set \
                 `remote.storage.enable=false,remote.log.delete.on.disable=true`.",
            ));
        }
        Ok(())
    }
}

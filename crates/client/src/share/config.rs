//! What a share consumer can be told.

use ottla_config::ConfigError;
use ottla_protocol::{ErrorCode, Str};

use crate::config::Properties;
use crate::consumer::{ConsumerConfig, GroupProtocol};
use crate::{ClientConfig, Error, Result};

/// Who acknowledges (`share.acknowledgement.mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AcknowledgementMode {
    /// The next `poll` or `commit` accepts what the one before returned.
    #[default]
    Implicit,
    /// The application, record by record.
    Explicit,
}

/// How many records are locked at once (`share.acquire.mode`, KIP-1206).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AcquireMode {
    /// Whole batches; `max.poll.records` may be exceeded: 0.
    #[default]
    BatchOptimized,
    /// At most `max.poll.records`, from one node at a time: 1.
    RecordLimit,
}

/// The settings of a share consumer, each under the name of Kafka's key.
#[derive(Clone, Debug)]
pub struct ShareConsumerConfig {
    /// What it has in common with consumers: `group.id`, `fetch.*`, `max.poll.*`, `check.crcs`, `client.rack`.
    pub consumer: ConsumerConfig,
    /// `share.acknowledgement.mode`.
    pub acknowledgement_mode: AcknowledgementMode,
    /// `share.acquire.mode`.
    pub acquire_mode: AcquireMode,
}

/// Keys that mean nothing to a share consumer (`ShareConsumerConfig.SHARE_GROUP_UNSUPPORTED_CONFIGS`).
const UNSUPPORTED: [&str; 10] = [
    "auto.offset.reset",
    "enable.auto.commit",
    "group.instance.id",
    "isolation.level",
    "partition.assignment.strategy",
    "interceptor.classes",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "group.protocol",
    "group.remote.assignor",
];

impl ShareConsumerConfig {
    /// Kafka's defaults for a member of a group.
    pub fn new(client: ClientConfig, group_id: impl Into<Str>) -> Self {
        let consumer = ConsumerConfig { group_id: Some(group_id.into()), ..ConsumerConfig::new(client) };
        Self {
            consumer,
            acknowledgement_mode: AcknowledgementMode::Implicit,
            acquire_mode: AcquireMode::BatchOptimized,
        }
    }

    /// Reads Kafka's own keys.
    ///
    /// # Errors
    /// When a value is wrong, a key is only for consumers, or there is no `group.id`.
    pub fn from_properties(properties: &Properties) -> Result<Self> {
        let unsupported: Vec<&str> =
            UNSUPPORTED.into_iter().filter(|key| properties.contains_key(*key)).collect();
        if !unsupported.is_empty() {
            let text = format!("{} cannot be set when using a share group.", unsupported.join(", "));
            return Err(ConfigError::config(text).into());
        }
        let mut config = Self {
            consumer: ConsumerConfig::from_properties(properties)?,
            acknowledgement_mode: AcknowledgementMode::Implicit,
            acquire_mode: AcquireMode::BatchOptimized,
        };
        config.consumer.enable_auto_commit = false;
        config.consumer.group_protocol = GroupProtocol::Consumer;
        if let Some(mode) = properties.get("share.acknowledgement.mode") {
            config.acknowledgement_mode = match mode.to_ascii_lowercase().as_str() {
                "implicit" => AcknowledgementMode::Implicit,
                "explicit" => AcknowledgementMode::Explicit,
                _ => return Err(invalid("share.acknowledgement.mode", mode, "implicit, explicit")),
            };
        }
        if let Some(mode) = properties.get("share.acquire.mode") {
            config.acquire_mode = match mode.to_ascii_lowercase().as_str() {
                "batch_optimized" => AcquireMode::BatchOptimized,
                "record_limit" => AcquireMode::RecordLimit,
                _ => return Err(invalid("share.acquire.mode", mode, "batch_optimized, record_limit")),
            };
        }
        config.check()?;
        Ok(config)
    }

    /// Checks what single settings can't show.
    ///
    /// # Errors
    /// Without a `group.id`.
    pub fn check(&self) -> Result<()> {
        if self.consumer.group_id.as_deref().is_none_or(str::is_empty) {
            let text = "To use the share group management APIs, you must provide a valid group.id in the consumer \
                        configuration.";
            return Err(Error::api(ErrorCode::InvalidGroupId, Some(text)));
        }
        Ok(())
    }
}

fn invalid(key: &str, value: &str, known: &str) -> Error {
    ConfigError::invalid_value(key, value, format_args!("String must be one of: {known}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<ShareConsumerConfig> {
        let base = [("bootstrap.servers", "localhost:9092")];
        let all = base.iter().chain(settings).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        ShareConsumerConfig::from_properties(&all.collect())
    }

    #[test]
    fn modes_and_what_is_only_for_consumers() {
        let config = read(&[
            ("group.id", "g"),
            ("share.acknowledgement.mode", "explicit"),
            ("share.acquire.mode", "record_limit"),
        ]);
        let config = config.unwrap();
        assert_eq!(config.acknowledgement_mode, AcknowledgementMode::Explicit);
        assert_eq!(config.acquire_mode, AcquireMode::RecordLimit);
        assert!(!config.consumer.enable_auto_commit);
        assert!(read(&[]).is_err());
        for (key, value) in [
            ("share.acquire.mode", "x"),
            ("share.acknowledgement.mode", "x"),
            ("isolation.level", "read_committed"),
        ] {
            let error = read(&[("group.id", "g"), (key, value)]).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}

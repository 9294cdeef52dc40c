//! What a consumer can be told.

use std::time::Duration;

use ottla_config::{ClientValues, ConfigError, Scope};
use ottla_protocol::{ErrorCode, Str};

use super::IsolationLevel;
use super::state::AutoOffsetReset;
use crate::config::Properties;
use crate::{ClientConfig, Error, Result};

/// How a group gives out partitions (`group.protocol`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupProtocol {
    /// A member that the group elects does it.
    #[default]
    Classic,
    /// The broker does it (KIP-848).
    Consumer,
}

/// The settings of a consumer, each under the name of Kafka's key.
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// What all clients have in common.
    pub client: ClientConfig,
    /// `group.id`. Without one nothing can be subscribed to or committed.
    pub group_id: Option<Str>,
    /// `group.instance.id`: makes a static member.
    pub group_instance_id: Option<Str>,
    /// `group.protocol`.
    pub group_protocol: GroupProtocol,
    /// `group.remote.assignor`; the broker's choice when there is none.
    pub group_remote_assignor: Option<Str>,
    /// `partition.assignment.strategy`, as names of assignors or of Kafka's classes.
    pub partition_assignment_strategy: Vec<String>,
    /// `session.timeout.ms`; classic groups only.
    pub session_timeout_ms: i32,
    /// `heartbeat.interval.ms`; classic groups only.
    pub heartbeat_interval_ms: i32,
    /// `max.poll.interval.ms`.
    pub max_poll_interval_ms: i32,
    /// `max.poll.records`.
    pub max_poll_records: usize,
    /// `enable.auto.commit`. Here it is false until it is set; in properties its default is true with a group.
    pub enable_auto_commit: bool,
    /// `auto.commit.interval.ms`.
    pub auto_commit_interval: Duration,
    /// `auto.offset.reset`.
    pub auto_offset_reset: AutoOffsetReset,
    /// `isolation.level`.
    pub isolation_level: IsolationLevel,
    /// `fetch.min.bytes`.
    pub fetch_min_bytes: i32,
    /// `fetch.max.bytes`: of one answer of one node. Two answers of each node are held at most.
    pub fetch_max_bytes: i32,
    /// `fetch.max.wait.ms`.
    pub fetch_max_wait_ms: i32,
    /// `max.partition.fetch.bytes`.
    pub max_partition_fetch_bytes: i32,
    /// `check.crcs`.
    pub check_crcs: bool,
    /// `client.rack`; empty: none.
    pub client_rack: Str,
    /// `allow.auto.create.topics`.
    pub allow_auto_create_topics: bool,
    /// `exclude.internal.topics`: a pattern does not match Kafka's own topics.
    pub exclude_internal_topics: bool,
}

impl ConsumerConfig {
    /// Kafka's defaults for all but what all clients have in common.
    pub fn new(client: ClientConfig) -> Self {
        Self {
            client: ClientConfig { kind: "consumer", ..client },
            group_id: None,
            group_instance_id: None,
            group_protocol: GroupProtocol::Classic,
            group_remote_assignor: None,
            partition_assignment_strategy: vec!["range".to_owned(), "cooperative-sticky".to_owned()],
            session_timeout_ms: 45_000,
            heartbeat_interval_ms: 3_000,
            max_poll_interval_ms: 300_000,
            max_poll_records: 500,
            enable_auto_commit: false,
            auto_commit_interval: Duration::from_secs(5),
            auto_offset_reset: AutoOffsetReset::Latest,
            isolation_level: IsolationLevel::ReadUncommitted,
            fetch_min_bytes: 1,
            fetch_max_bytes: 50 << 20,
            fetch_max_wait_ms: 500,
            max_partition_fetch_bytes: 1 << 20,
            check_crcs: true,
            client_rack: Str::new(),
            allow_auto_create_topics: true,
            exclude_internal_topics: true,
        }
    }

    /// Reads Kafka's own keys; those it does not know are ignored with a warning in the log, as Java's clients do.
    ///
    /// # Errors
    /// When a value is wrong, with Kafka's words.
    pub fn from_properties(properties: &Properties) -> Result<Self> {
        let values = ClientConfig::read(Scope::Consumer, properties)?;
        let mut config = Self::new(ClientConfig::from_values(&values)?);
        config.read_group(&values)?;
        config.read_fetch(&values)?;
        config.check()?;
        Ok(config)
    }

    fn read_group(&mut self, values: &ClientValues) -> Result<()> {
        let text = |key| values.opt_string(key).map(Str::from);
        self.group_id = text("group.id");
        self.group_instance_id = text("group.instance.id");
        self.group_remote_assignor = text("group.remote.assignor");
        self.group_protocol = match values.string("group.protocol").eq_ignore_ascii_case("consumer") {
            true => GroupProtocol::Consumer,
            false => GroupProtocol::Classic,
        };
        self.partition_assignment_strategy = values.list("partition.assignment.strategy").to_vec();
        self.session_timeout_ms = values.int("session.timeout.ms");
        self.heartbeat_interval_ms = values.int("heartbeat.interval.ms");
        self.max_poll_interval_ms = values.int("max.poll.interval.ms");
        // Kafka's default means a group; without one only an explicit setting is a contradiction.
        let is_explicit = values.is_set("enable.auto.commit");
        self.enable_auto_commit =
            values.boolean("enable.auto.commit") && (is_explicit || self.group_id.is_some());
        let interval_ms = u64::try_from(values.int("auto.commit.interval.ms")).unwrap_or(0);
        self.auto_commit_interval = Duration::from_millis(interval_ms);
        self.allow_auto_create_topics = values.boolean("allow.auto.create.topics");
        self.exclude_internal_topics = values.boolean("exclude.internal.topics");
        let others: &[&str] = match self.group_protocol {
            GroupProtocol::Classic => &["group.remote.assignor"],
            GroupProtocol::Consumer => {
                &["partition.assignment.strategy", "heartbeat.interval.ms", "session.timeout.ms"]
            }
        };
        match others.iter().find(|key| values.is_set(key)) {
            None => Ok(()),
            Some(key) => {
                let protocol = values.string("group.protocol").to_ascii_uppercase();
                let text = format!("{key} cannot be set when group.protocol={protocol}");
                Err(ConfigError::config(text).for_key(key).into())
            }
        }
    }

    fn read_fetch(&mut self, values: &ClientValues) -> Result<()> {
        self.auto_offset_reset = AutoOffsetReset::parse(values.string("auto.offset.reset"))?;
        self.isolation_level =
            IsolationLevel::from_name(values.string("isolation.level")).unwrap_or_default();
        self.max_poll_records = usize::try_from(values.int("max.poll.records")).unwrap_or(1);
        self.fetch_min_bytes = values.int("fetch.min.bytes");
        self.fetch_max_bytes = values.int("fetch.max.bytes");
        self.fetch_max_wait_ms = values.int("fetch.max.wait.ms");
        self.max_partition_fetch_bytes = values.int("max.partition.fetch.bytes");
        self.check_crcs = values.boolean("check.crcs");
        self.client_rack = values.string("client.rack").into();
        Ok(())
    }

    /// Checks what single settings can't show.
    ///
    /// # Errors
    /// With Kafka's words.
    pub fn check(&self) -> Result<()> {
        if self.group_id.as_deref().is_some_and(|id| id.trim().is_empty()) {
            let text = "The configured group.id should not be an empty string or whitespace.";
            return Err(Error::api(ErrorCode::InvalidGroupId, Some(text)));
        }
        if self.group_id.is_none() && self.enable_auto_commit {
            return Err(ConfigError::config(
                "enable.auto.commit cannot be set to true when default group id (null) is used.",
            )
            .into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<ConsumerConfig> {
        let mut properties =
            Properties::from([("bootstrap.servers".to_owned(), "localhost:9092".to_owned())]);
        properties.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        ConsumerConfig::from_properties(&properties)
    }

    #[test]
    fn keys_of_kafka_are_read() {
        let config = read(&[
            ("group.id", "g"),
            ("group.protocol", "Consumer"),
            ("auto.offset.reset", "by_duration:PT1M"),
            ("isolation.level", "read_committed"),
            ("max.poll.records", "7"),
            ("auto.commit.interval.ms", "100"),
        ])
        .unwrap();
        assert_eq!(config.group_protocol, GroupProtocol::Consumer);
        assert_eq!(config.auto_offset_reset, AutoOffsetReset::ByDuration(60_000));
        assert_eq!(config.isolation_level, IsolationLevel::ReadCommitted);
        assert_eq!((config.max_poll_records, config.auto_commit_interval), (7, Duration::from_millis(100)));
        assert!(config.enable_auto_commit);
        assert!(!read(&[]).unwrap().enable_auto_commit, "there is no group to commit for");
    }

    #[test]
    fn wrong_values_are_named() {
        for (key, value) in [
            ("max.poll.records", "0"),
            ("max.poll.records", "x"),
            ("fetch.max.bytes", "-1"),
            ("check.crcs", "yes"),
            ("isolation.level", "serializable"),
            ("auto.offset.reset", "newest"),
            ("group.protocol", "share"),
            ("enable.auto.commit", "true"),
            ("group.remote.assignor", "uniform"),
        ] {
            let error = read(&[(key, value)]).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}

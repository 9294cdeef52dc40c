//! What all clients can be told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ottla_config::{ClientValues, ConfigError, Scope, Warning};
use ottla_protocol::Str;
use tracing::{info, warn};

use crate::Result;
pub use crate::cluster::SocketBuffers;
pub use crate::security::Security;

/// Settings by Kafka's own keys, as they stand in a properties file.
pub type Properties = BTreeMap<String, String>;

/// What producer, consumer, share consumer and admin have in common.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// `bootstrap.servers`.
    pub bootstrap_servers: Vec<String>,
    /// `bootstrap.controllers` (KIP-919): speak with the controllers instead of the brokers.
    pub bootstrap_controllers: Vec<String>,
    /// `client.id`.
    pub client_id: Str,
    /// `client.dns.lookup`.
    pub dns_lookup: DnsLookup,
    /// `security.protocol`, `ssl.*` and `sasl.*`.
    pub security: Security,
    /// `request.timeout.ms`.
    pub request_timeout: Duration,
    /// `default.api.timeout.ms`: how long an operation may take with all its attempts; producers have `max.block.ms`.
    pub default_api_timeout: Duration,
    /// `retry.backoff.ms`.
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`.
    pub retry_backoff_max: Duration,
    /// `reconnect.backoff.ms`.
    pub reconnect_backoff: Duration,
    /// `reconnect.backoff.max.ms`.
    pub reconnect_backoff_max: Duration,
    /// `socket.connection.setup.timeout.ms`.
    pub socket_setup_timeout: Duration,
    /// `socket.connection.setup.timeout.max.ms`.
    pub socket_setup_timeout_max: Duration,
    /// `connections.max.idle.ms`; never closed for idleness when there is none.
    pub connections_max_idle: Option<Duration>,
    /// `send.buffer.bytes` and `receive.buffer.bytes`.
    pub socket_buffers: SocketBuffers,
    /// `metadata.max.age.ms`.
    pub metadata_max_age: Duration,
    /// `metadata.max.idle.ms` (producers).
    pub metadata_max_idle: Duration,
    /// `metadata.recovery.strategy`: whether to begin anew with the bootstrap servers when no known node can be reached.
    pub rebootstrap: bool,
    /// `metadata.recovery.rebootstrap.trigger.ms`.
    pub rebootstrap_trigger: Duration,
    /// `enable.metrics.push` (KIP-714).
    pub enable_metrics_push: bool,
    /// What kind of client this is, as the names of its figures begin: `producer`, `consumer`, `admin-client`.
    pub kind: &'static str,
    /// What the figures that are pushed say of the client, such as `group_id`.
    pub telemetry_labels: BTreeMap<&'static str, String>,
    /// The largest response that is taken from a broker, in bytes. Memory is taken as the bytes come in.
    pub response_bytes_max: usize,
}

/// What is done with a name that has several addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnsLookup {
    /// `use_all_dns_ips`: one after the other is tried.
    #[default]
    UseAllDnsIps,
    /// `resolve_canonical_bootstrap_servers_only`: each address of a bootstrap server is a server of its own.
    ResolveCanonicalBootstrapServersOnly,
}

/// Keys whose values are labels of the figures that are pushed.
const LABELS: [(&str, &str); 4] = [
    ("transactional.id", "transactional_id"),
    ("group.id", "group_id"),
    ("group.instance.id", "group_instance_id"),
    ("client.rack", "client_rack"),
];

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl ClientConfig {
    /// Kafka's defaults for a producer, with these bootstrap servers.
    pub fn for_producer(bootstrap_servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut config = Self::new(bootstrap_servers);
        config.kind = "producer";
        config.socket_buffers.receive_bytes = Some(32_768);
        config.enable_metrics_push = true;
        config
    }

    /// Kafka's defaults for a consumer or share consumer, with these bootstrap servers.
    pub fn for_consumer(bootstrap_servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut config = Self::new(bootstrap_servers);
        config.kind = "consumer";
        config.enable_metrics_push = true;
        config
    }

    /// Kafka's defaults, with these bootstrap servers; an admin client's where clients differ, but for the time after
    /// which an idle connection is closed.
    pub fn new(bootstrap_servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into_iter().map(Into::into).collect(),
            bootstrap_controllers: Vec::new(),
            client_id: Str::new(),
            dns_lookup: DnsLookup::default(),
            security: Security::default(),
            request_timeout: ms(30_000),
            default_api_timeout: ms(60_000),
            retry_backoff: ms(100),
            retry_backoff_max: ms(1000),
            reconnect_backoff: ms(50),
            reconnect_backoff_max: ms(1000),
            socket_setup_timeout: ms(10_000),
            socket_setup_timeout_max: ms(30_000),
            connections_max_idle: Some(ms(540_000)),
            socket_buffers: SocketBuffers { send_bytes: Some(131_072), receive_bytes: Some(65_536) },
            metadata_max_age: ms(300_000),
            metadata_max_idle: ms(300_000),
            rebootstrap: true,
            rebootstrap_trigger: ms(300_000),
            enable_metrics_push: false,
            kind: "admin-client",
            telemetry_labels: BTreeMap::new(),
            response_bytes_max: 1 << 30,
        }
    }

    /// Reads the keys that all clients share as an admin client's; the others are left to the client's own
    /// configuration.
    ///
    /// # Errors
    /// When a value is wrong, with Kafka's words.
    pub fn from_properties(properties: &Properties) -> Result<Self> {
        Ok(Self::from_values(&Self::read(Scope::Admin, properties)?)?)
    }

    /// Reads all keys of a client, and warns in the log of those that are unknown or have no effect.
    ///
    /// # Errors
    /// When a value is wrong, with Kafka's words.
    pub fn read(scope: Scope, properties: &Properties) -> Result<ClientValues, ConfigError> {
        let values = ClientValues::parse(scope, properties)?;
        let mut unknown = Vec::new();
        for warning in values.warnings() {
            match warning {
                Warning::UnknownKey { key, suggestion: None } => unknown.push(key.as_str()),
                Warning::UnknownKey { key, suggestion: Some(suggestion) } => {
                    warn!("{key} was supplied but is not used: {suggestion}");
                }
                other => warn!("{other}"),
            }
        }
        if !unknown.is_empty() {
            let unknown = unknown.join(", ");
            info!("These configurations '[{unknown}]' were supplied but are not used yet.");
        }
        Ok(values)
    }

    /// What all clients have in common, out of the values of a client's keys.
    ///
    /// # Errors
    /// When values contradict each other, with Kafka's words, or stores of TLS and credentials of SASL can't be used.
    pub fn from_values(values: &ClientValues) -> Result<Self, ConfigError> {
        let admin = values.scope() == Scope::Admin;
        if admin {
            one_bootstrap(values)?;
        }
        let time = |key| ms(u64::try_from(values.long(key)).unwrap_or(0));
        let bytes = |key| u32::try_from(values.int(key)).ok();
        let mut config = Self {
            bootstrap_controllers: values.list("bootstrap.controllers").to_vec(),
            client_id: client_id(values),
            security: Security::from_values(values)?,
            request_timeout: time("request.timeout.ms"),
            retry_backoff: time("retry.backoff.ms"),
            retry_backoff_max: time("retry.backoff.max.ms"),
            reconnect_backoff: time("reconnect.backoff.ms"),
            reconnect_backoff_max: time("reconnect.backoff.max.ms"),
            socket_setup_timeout: time("socket.connection.setup.timeout.ms"),
            socket_setup_timeout_max: time("socket.connection.setup.timeout.max.ms"),
            // Negative: never.
            connections_max_idle: u64::try_from(values.long("connections.max.idle.ms")).ok().map(ms),
            socket_buffers: SocketBuffers {
                send_bytes: bytes("send.buffer.bytes"),
                receive_bytes: bytes("receive.buffer.bytes"),
            },
            metadata_max_age: time("metadata.max.age.ms"),
            rebootstrap: !values.string("metadata.recovery.strategy").eq_ignore_ascii_case("none"),
            rebootstrap_trigger: time("metadata.recovery.rebootstrap.trigger.ms"),
            ..Self::new(values.list("bootstrap.servers"))
        };
        config.enable_metrics_push = values.boolean("enable.metrics.push");
        config.kind = match values.scope() {
            Scope::Producer => "producer",
            Scope::Consumer => "consumer",
            _ => "admin-client",
        };
        for (key, label) in LABELS {
            if let Some(value) = values.opt_string(key).filter(|value| !value.is_empty()) {
                config.telemetry_labels.insert(label, value.to_owned());
            }
        }
        if values.string("client.dns.lookup") == "resolve_canonical_bootstrap_servers_only" {
            config.dns_lookup = DnsLookup::ResolveCanonicalBootstrapServersOnly;
        }
        if values.get("metadata.max.idle.ms").is_some() {
            config.metadata_max_idle = time("metadata.max.idle.ms");
        }
        if values.get("default.api.timeout.ms").is_some() {
            config.default_api_timeout = time("default.api.timeout.ms");
        }
        config.settle(values)?;
        Ok(config)
    }

    /// Settings that depend on which others were set.
    fn settle(&mut self, values: &ClientValues) -> Result<(), ConfigError> {
        if values.is_set("reconnect.backoff.ms") && !values.is_set("reconnect.backoff.max.ms") {
            warn!(
                "Disabling exponential reconnect backoff because reconnect.backoff.ms is set, but \
                 reconnect.backoff.max.ms is not."
            );
            self.reconnect_backoff_max = self.reconnect_backoff;
        }
        if values.scope() == Scope::Admin && self.default_api_timeout < self.request_timeout {
            if values.is_set("default.api.timeout.ms") {
                return Err(ConfigError::config(
                    "The specified value of default.api.timeout.ms must be no smaller than the value of \
                     request.timeout.ms.",
                )
                .for_key("default.api.timeout.ms"));
            }
            self.default_api_timeout = self.request_timeout;
        }
        Ok(())
    }
}

fn one_bootstrap(values: &ClientValues) -> Result<(), ConfigError> {
    let given = |key| !values.list(key).is_empty();
    match (given("bootstrap.servers"), given("bootstrap.controllers")) {
        (false, false) => {
            Err(ConfigError::config("You must set either bootstrap.servers or bootstrap.controllers")
                .for_key("bootstrap.servers"))
        }
        (true, true) => {
            Err(ConfigError::config("You cannot set both bootstrap.servers and bootstrap.controllers")
                .for_key("bootstrap.controllers"))
        }
        _ => Ok(()),
    }
}

/// The client's name; one is made up as Kafka does when there is none.
fn client_id(values: &ClientValues) -> Str {
    static PRODUCERS: AtomicU32 = AtomicU32::new(1);
    static CONSUMERS: AtomicU32 = AtomicU32::new(1);
    static ADMINS: AtomicU32 = AtomicU32::new(1);
    let next = |counter: &AtomicU32| counter.fetch_add(1, Ordering::Relaxed).to_string();
    let id = values.string("client.id");
    if !id.is_empty() || (values.scope() == Scope::Producer && values.is_set("client.id")) {
        return id.into();
    }
    let name = match values.scope() {
        Scope::Producer => {
            let own = values.opt_string("transactional.id");
            format!("producer-{}", own.map_or_else(|| next(&PRODUCERS), str::to_owned))
        }
        Scope::Consumer => {
            let group = values.opt_string("group.id").unwrap_or("null");
            let own = values.opt_string("group.instance.id");
            format!("consumer-{group}-{}", own.map_or_else(|| next(&CONSUMERS), str::to_owned))
        }
        _ => format!("adminclient-{}", next(&ADMINS)),
    };
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(scope: Scope, entries: &[(&str, &str)]) -> Result<ClientConfig, ConfigError> {
        let mut properties: Properties =
            entries.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        properties.entry("bootstrap.servers".into()).or_insert_with(|| "a:1".into());
        ClientConfig::from_values(&ClientConfig::read(scope, &properties)?)
    }

    #[test]
    fn defaults_are_kafkas() {
        // Kafka's values for producer, consumer and admin (`ConfigDef` of 4.3.1).
        let expect = [
            (Scope::Producer, "producer", 540_000, 32_768, true),
            (Scope::Consumer, "consumer", 540_000, 65_536, true),
            (Scope::Admin, "admin-client", 300_000, 65_536, false),
        ];
        for (scope, kind, idle_ms, receive_bytes, push) in expect {
            let config = config(scope, &[]).unwrap();
            assert_eq!(config.kind, kind);
            assert_eq!(config.connections_max_idle, Some(ms(idle_ms)), "{kind}");
            assert_eq!(config.socket_buffers.receive_bytes, Some(receive_bytes), "{kind}");
            assert_eq!(config.socket_buffers.send_bytes, Some(131_072), "{kind}");
            assert_eq!(config.enable_metrics_push, push, "{kind}");
            assert_eq!(config.request_timeout, ms(30_000), "{kind}");
            assert_eq!(config.default_api_timeout, ms(60_000), "{kind}");
            assert_eq!((config.retry_backoff, config.retry_backoff_max), (ms(100), ms(1000)), "{kind}");
            assert_eq!(
                (config.reconnect_backoff, config.reconnect_backoff_max),
                (ms(50), ms(1000)),
                "{kind}"
            );
            assert_eq!(config.socket_setup_timeout, ms(10_000), "{kind}");
            assert_eq!(config.socket_setup_timeout_max, ms(30_000), "{kind}");
            assert_eq!(
                (config.metadata_max_age, config.metadata_max_idle),
                (ms(300_000), ms(300_000)),
                "{kind}"
            );
            assert_eq!((config.rebootstrap, config.rebootstrap_trigger), (true, ms(300_000)), "{kind}");
            assert_eq!(config.dns_lookup, DnsLookup::UseAllDnsIps, "{kind}");
        }
    }

    #[test]
    fn defaults_with_and_without_a_file_are_the_same() {
        let shown = |config: ClientConfig| format!("{:?}", ClientConfig { client_id: Str::new(), ..config });
        let producer = config(Scope::Producer, &[]).unwrap();
        assert_eq!(shown(ClientConfig::for_producer(["a:1"])), shown(producer));
        let consumer = config(Scope::Consumer, &[]).unwrap();
        assert_eq!(shown(ClientConfig::for_consumer(["a:1"])), shown(consumer));
        let admin = config(Scope::Admin, &[]).unwrap();
        let admin = ClientConfig { connections_max_idle: Some(ms(540_000)), ..admin };
        assert_eq!(shown(ClientConfig::new(["a:1"])), shown(admin));
    }

    #[test]
    fn clients_without_a_name_are_given_one() {
        let id = |scope, entries: &[(&str, &str)]| config(scope, entries).unwrap().client_id.to_string();
        assert_eq!(id(Scope::Producer, &[("transactional.id", "t")]), "producer-t");
        assert_eq!(id(Scope::Consumer, &[("group.id", "g"), ("group.instance.id", "i")]), "consumer-g-i");
        assert!(id(Scope::Consumer, &[]).starts_with("consumer-null-"));
        assert!(id(Scope::Admin, &[]).starts_with("adminclient-"));
        assert_eq!(id(Scope::Admin, &[("client.id", "me")]), "me");
    }

    #[test]
    fn contradictions_are_refused() {
        let why = |entries: &[(&str, &str)]| config(Scope::Admin, entries).unwrap_err().to_string();
        assert!(
            why(&[("security.protocol", "SASL_SSL"), ("sasl.mechanism", "")]).contains("mechanism must be")
        );
        assert!(why(&[("bootstrap.controllers", "a:2")]).starts_with("You cannot set both"));
        assert!(why(&[("bootstrap.servers", "")]).starts_with("You must set either"));
        assert!(why(&[("default.api.timeout.ms", "10")]).starts_with("The specified value of default.api"));
        let long = config(Scope::Admin, &[("request.timeout.ms", "90000")]).unwrap();
        assert_eq!(long.default_api_timeout, ms(90_000));
        let constant = config(Scope::Admin, &[("reconnect.backoff.ms", "7")]).unwrap();
        assert_eq!(constant.reconnect_backoff_max, ms(7));
    }
}

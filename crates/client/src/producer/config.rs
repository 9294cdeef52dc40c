//! What a producer can be told (`org.apache.kafka.clients.producer.ProducerConfig`).

use std::time::Duration;

use ottla_config::{ClientValues, ConfigError, Scope};
use ottla_protocol::Str;
use ottla_protocol::records::{Compression, CompressionLevel};
use tracing::warn;

use crate::config::Properties;
use crate::{ClientConfig, Result};

const ROUND_ROBIN: &str = "org.apache.kafka.clients.producer.RoundRobinPartitioner";

/// How many requests in flight an idempotent producer may have: as many batches as a broker remembers.
const IN_FLIGHT_MAX_IDEMPOTENT: i64 = 5;

/// Who must have a record before it counts as written (`acks`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acks {
    /// `0`: nobody; no answer is waited for, and offsets are unknown.
    None,
    /// `1`: the leader.
    Leader,
    /// `all`: all replicas in sync.
    #[default]
    All,
}

impl Acks {
    /// Its number on the wire.
    pub fn id(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

/// Settings of a producer; the defaults are Kafka's.
#[derive(Clone, Debug)]
pub struct ProducerConfig {
    /// What all clients share.
    pub client: ClientConfig,
    /// `acks`.
    pub acks: Acks,
    /// `batch.size`: bytes of a batch, after compression as estimated.
    pub batch_size: usize,
    /// `linger.ms`: how long a batch that is not full waits for more records.
    pub linger: Duration,
    /// `buffer.memory`: bytes that all batches may take together.
    pub buffer_memory: usize,
    /// `max.block.ms`: how long `send` waits for memory and metadata, and the calls about transactions for their end.
    pub max_block: Duration,
    /// `max.request.size`: bytes of a request, and of the largest record.
    pub max_request_size: usize,
    /// `delivery.timeout.ms`: how long a record may take in all.
    pub delivery_timeout: Duration,
    /// `retries`.
    pub retries: u32,
    /// `max.in.flight.requests.per.connection`.
    pub max_in_flight: usize,
    /// `compression.type`.
    pub compression: Compression,
    /// `compression.gzip.level`, `compression.lz4.level` or `compression.zstd.level`, by the type.
    pub compression_level: CompressionLevel,
    /// `enable.idempotence`.
    pub idempotence: bool,
    /// `transactional.id`.
    pub transactional_id: Option<Str>,
    /// `transaction.timeout.ms`.
    pub transaction_timeout: Duration,
    /// `partitioner.class` names `RoundRobinPartitioner`.
    pub round_robin: bool,
    /// `partitioner.ignore.keys`.
    pub partitioner_ignore_keys: bool,
    /// `partitioner.adaptive.partitioning.enable`.
    pub partitioner_adaptive: bool,
    /// `partitioner.availability.timeout.ms`; zero: never.
    pub partitioner_availability_timeout: Duration,
}

impl ProducerConfig {
    /// The defaults with these bootstrap servers.
    pub fn new(bootstrap_servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::with_client(ClientConfig::for_producer(bootstrap_servers))
    }

    /// The defaults with these settings of all clients.
    pub fn with_client(client: ClientConfig) -> Self {
        Self {
            client: ClientConfig { kind: "producer", ..client },
            acks: Acks::All,
            batch_size: 16_384,
            linger: Duration::from_millis(5),
            buffer_memory: 32 << 20,
            max_block: Duration::from_secs(60),
            max_request_size: 1 << 20,
            delivery_timeout: Duration::from_secs(120),
            retries: i32::MAX as u32,
            max_in_flight: 5,
            compression: Compression::None,
            compression_level: CompressionLevel::DEFAULT,
            idempotence: true,
            transactional_id: None,
            transaction_timeout: Duration::from_secs(60),
            round_robin: false,
            partitioner_ignore_keys: false,
            partitioner_adaptive: true,
            partitioner_availability_timeout: Duration::ZERO,
        }
    }

    /// Reads Kafka's own keys; those it does not know are ignored with a warning in the log, as Java's clients do, and so
    /// are the serializers' classes: records hold bytes.
    ///
    /// # Errors
    /// When a value is wrong or values contradict each other, with Kafka's words; and for classes of the JVM.
    pub fn from_properties(properties: &Properties) -> Result<Self> {
        let values = ClientConfig::read(Scope::Producer, properties)?;
        let mut config = Self::with_client(ClientConfig::from_values(&values)?);
        config.read_batches(&values)?;
        config.read_transactions(&values);
        config.read_partitioner(&values)?;
        no_interceptors(&values)?;
        config.reconcile(values.is_set("enable.idempotence"), values.is_set("delivery.timeout.ms"))?;
        two_phase_commit(&values)?;
        Ok(config)
    }

    fn read_batches(&mut self, values: &ClientValues) -> Result<()> {
        self.acks = match values.string("acks") {
            "0" => Acks::None,
            "1" => Acks::Leader,
            _ => Acks::All,
        };
        self.batch_size = size(values, "batch.size");
        self.linger = time(values, "linger.ms");
        self.buffer_memory = size(values, "buffer.memory");
        self.max_block = time(values, "max.block.ms");
        self.max_request_size = size(values, "max.request.size");
        self.delivery_timeout = time(values, "delivery.timeout.ms");
        self.retries = u32::try_from(values.int("retries")).unwrap_or(0);
        self.max_in_flight = size(values, "max.in.flight.requests.per.connection");
        let codec = Compression::from_name(values.string("compression.type")).unwrap_or(Compression::None);
        self.compression = codec;
        let key = match codec {
            Compression::Gzip => "compression.gzip.level",
            Compression::Lz4 => "compression.lz4.level",
            Compression::Zstd => "compression.zstd.level",
            Compression::None | Compression::Snappy => return Ok(()),
        };
        let level = values.int(key);
        self.compression_level =
            CompressionLevel::new(codec, level).map_err(|why| ConfigError::invalid_value(key, level, why))?;
        Ok(())
    }

    fn read_transactions(&mut self, values: &ClientValues) {
        self.idempotence = values.boolean("enable.idempotence");
        self.transactional_id = values.opt_string("transactional.id").map(Str::from);
        self.transaction_timeout = time(values, "transaction.timeout.ms");
    }

    fn read_partitioner(&mut self, values: &ClientValues) -> Result<()> {
        self.round_robin = match values.string("partitioner.class") {
            "" => false,
            ROUND_ROBIN => true,
            class => return Err(foreign_class("partitioner.class", class, "ProducerBuilder::partitioner")),
        };
        self.partitioner_ignore_keys = values.boolean("partitioner.ignore.keys");
        self.partitioner_adaptive = values.boolean("partitioner.adaptive.partitioning.enable");
        self.partitioner_availability_timeout = time(values, "partitioner.availability.timeout.ms");
        Ok(())
    }

    /// Checks what must fit together; settings that nobody asked for give way.
    ///
    /// # Errors
    /// When settings contradict each other.
    pub(super) fn reconcile(&mut self, asked_for_idempotence: bool, asked_for_timeout: bool) -> Result<()> {
        let conflict = |text: String| Err(ConfigError::config(text).into());
        if self.idempotence {
            if self.retries == 0 {
                if asked_for_idempotence {
                    return conflict(
                        "Must set retries to non-zero when using the idempotent producer.".to_owned(),
                    );
                }
                self.idempotence = false;
            }
            if self.acks != Acks::All {
                if asked_for_idempotence {
                    return conflict(
                        "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee \
                         idempotence."
                            .to_owned(),
                    );
                }
                self.idempotence = false;
            }
            if self.max_in_flight as i64 > IN_FLIGHT_MAX_IDEMPOTENT {
                return conflict(format!(
                    "To use the idempotent producer, max.in.flight.requests.per.connection must be set to at most 5. \
                     Current value is {}.",
                    self.max_in_flight
                ));
            }
        }
        if !self.idempotence && self.transactional_id.is_some() {
            return conflict("Cannot set a transactional.id without also enabling idempotence.".to_owned());
        }
        let least = self.linger.saturating_add(self.client.request_timeout);
        if self.delivery_timeout < least {
            if asked_for_timeout {
                return conflict(
                    "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms"
                        .to_owned(),
                );
            }
            self.delivery_timeout = least;
        }
        Ok(())
    }
}

/// A number of bytes or of things; 0 for what is below.
fn size(values: &ClientValues, key: &str) -> usize {
    usize::try_from(values.long(key)).unwrap_or(0)
}

/// A number of ms; 0 for what is below.
fn time(values: &ClientValues, key: &str) -> Duration {
    Duration::from_millis(u64::try_from(values.long(key)).unwrap_or(0))
}

/// KIP-939 is half there in Kafka 4.3: its producer takes the setting, and asks the coordinator for nothing, because
/// the request that could (InitProducerId 6) is not stable. So does this one, and says so.
fn two_phase_commit(values: &ClientValues) -> Result<()> {
    const KEY: &str = "transaction.two.phase.commit.enable";
    if !values.boolean(KEY) {
        return Ok(());
    }
    if values.is_set("transaction.timeout.ms") {
        let text = "Cannot set transaction.timeout.ms when transaction.two.phase.commit.enable is set to true. \
                    Transactions will not expire with two-phase commit enabled.";
        return Err(ConfigError::config(text).for_key(KEY).into());
    }
    warn!("{KEY} has no effect: as with Kafka 4.3's producer, transactions expire and can't be prepared");
    Ok(())
}

fn no_interceptors(values: &ClientValues) -> Result<()> {
    match values.list("interceptor.classes").join(",") {
        classes if classes.is_empty() => Ok(()),
        classes => Err(foreign_class("interceptor.classes", &classes, "ProducerBuilder::interceptor")),
    }
}

fn foreign_class(key: &str, class: &str, instead: &str) -> crate::Error {
    let why = format!("classes of the JVM can't be loaded; give one of your own to {instead}");
    ConfigError::invalid_value(key, class, why).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ProducerConfig> {
        let pairs = [("bootstrap.servers", "localhost:9092")].iter().chain(pairs);
        ProducerConfig::from_properties(
            &pairs.map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        )
    }

    #[track_caller]
    fn check_error(pairs: &[(&str, &str)], expect: &str) {
        assert_eq!(read(pairs).unwrap_err().to_string(), expect);
    }

    #[test]
    fn defaults_are_kafkas() {
        let config = read(&[]).unwrap();
        assert!(config.idempotence);
        assert_eq!((config.acks, config.batch_size, config.max_in_flight), (Acks::All, 16_384, 5));
        assert_eq!((config.linger.as_millis(), config.buffer_memory), (5, 33_554_432));
        assert_eq!(config.retries, 2_147_483_647);
        let mut new = ProducerConfig::new(["localhost:9092"]);
        new.client.client_id = config.client.client_id.clone();
        assert_eq!(format!("{new:?}"), format!("{config:?}"), "with and without a file");
    }

    #[test]
    fn keys_of_kafka_are_read() {
        let config = read(&[
            ("acks", "-1"),
            ("batch.size", "1"),
            ("buffer.memory", "5000000000"),
            ("client.id", "me"),
            ("compression.type", "zstd"),
            ("compression.zstd.level", "7"),
            ("connections.max.idle.ms", "-1"),
            ("enable.metrics.push", "false"),
            ("max.block.ms", "9223372036854775807"),
            ("metadata.max.idle.ms", "5000"),
            ("partitioner.availability.timeout.ms", "8"),
            ("partitioner.ignore.keys", "true"),
            ("receive.buffer.bytes", "-1"),
            ("retries", "3"),
            ("transactional.id", "t"),
            ("transaction.timeout.ms", "900"),
        ])
        .unwrap();
        assert_eq!((config.acks, config.batch_size, config.buffer_memory), (Acks::All, 1, 5_000_000_000));
        assert_eq!((config.compression, config.retries), (Compression::Zstd, 3));
        assert_eq!(config.compression_level, CompressionLevel::new(Compression::Zstd, 7).unwrap());
        assert_eq!(config.max_block, Duration::from_millis(i64::MAX as u64));
        assert_eq!(config.partitioner_availability_timeout.as_millis(), 8);
        assert!(config.partitioner_ignore_keys && config.partitioner_adaptive && !config.round_robin);
        assert_eq!(
            (config.transactional_id, config.transaction_timeout.as_millis()),
            (Some("t".into()), 900)
        );
        let client = config.client;
        assert_eq!((&*client.client_id, client.connections_max_idle), ("me", None));
        assert_eq!((client.enable_metrics_push, client.metadata_max_idle.as_secs()), (false, 5));
        assert_eq!((client.kind, client.socket_buffers.receive_bytes), ("producer", None));
        assert_eq!(client.telemetry_labels["transactional_id"], "t");
    }

    #[test]
    fn idempotence_gives_way_unless_it_was_asked_for() {
        assert!(!read(&[("acks", "1")]).unwrap().idempotence);
        assert!(!read(&[("retries", "0")]).unwrap().idempotence);
        check_error(
            &[("acks", "1"), ("enable.idempotence", "true")],
            "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence.",
        );
        check_error(
            &[("max.in.flight.requests.per.connection", "6")],
            "To use the idempotent producer, max.in.flight.requests.per.connection must be set to at most 5. Current \
             value is 6.",
        );
        check_error(
            &[("transactional.id", "a"), ("acks", "0")],
            "Cannot set a transactional.id without also enabling idempotence.",
        );
    }

    #[test]
    fn two_phase_commit_is_taken_as_by_kafkas_client() {
        let on = ("transaction.two.phase.commit.enable", "true");
        assert!(read(&[("transactional.id", "a"), on]).is_ok());
        check_error(
            &[("transactional.id", "a"), on, ("transaction.timeout.ms", "5000")],
            "Cannot set transaction.timeout.ms when transaction.two.phase.commit.enable is set to true. Transactions \
             will not expire with two-phase commit enabled.",
        );
    }

    #[test]
    fn timeouts_must_fit() {
        check_error(
            &[("delivery.timeout.ms", "100")],
            "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms",
        );
        let config = read(&[("linger.ms", "200000")]).unwrap();
        assert_eq!(config.delivery_timeout.as_millis(), 230_000);
    }

    #[test]
    fn wrong_values_are_named() {
        check_error(
            &[("batch.size", "-1")],
            "Invalid value -1 for configuration batch.size: Value must be at least 0",
        );
        check_error(
            &[("batch.size", "many")],
            "Invalid value many for configuration batch.size: Not a number of type INT",
        );
        check_error(
            &[("compression.zstd.level", "23")],
            "Invalid value 23 for configuration compression.zstd.level: Value must be no more than 22",
        );
        check_error(
            &[("acks", "2")],
            "Invalid value 2 for configuration acks: String must be one of: all, -1, 0, 1",
        );
        assert!(read(&[("compression.type", "uncompressed")]).is_err());
        assert!(read(&[("compression.gzip.level", "0")]).is_err());
        assert!(read(&[("interceptor.classes", "com.example.I")]).is_err());
        assert!(read(&[("partitioner.class", ROUND_ROBIN)]).unwrap().round_robin);
    }
}

//! Settings of a producer, with types, and what no properties file can hold.

use std::sync::Arc;
use std::time::Duration;

use ottla_protocol::Str;
use ottla_protocol::records::{Compression, CompressionLevel};

use super::client::Producer;
use super::config::{Acks, ProducerConfig};
use super::interceptor::ProducerInterceptor;
use super::partitioner::{Partitioner, RoundRobinPartitioner};
use super::shared::Shared;
use crate::cluster::{Cluster, Topics};
use crate::config::Properties;
use crate::{ClientConfig, Result};

/// Makes a [`Producer`]. What is not set has Kafka's default.
#[must_use = "a builder does nothing until it builds"]
pub struct ProducerBuilder {
    config: ProducerConfig,
    asked_for_idempotence: bool,
    asked_for_timeout: bool,
    interceptors: Vec<Arc<dyn ProducerInterceptor>>,
    partitioner: Option<Arc<dyn Partitioner>>,
}

impl ProducerBuilder {
    /// For the cluster with these bootstrap servers.
    pub fn new(bootstrap_servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::with_config(ProducerConfig::new(bootstrap_servers))
    }

    /// With settings by Kafka's keys.
    ///
    /// # Errors
    /// When one is wrong.
    pub fn from_properties(properties: &Properties) -> Result<Self> {
        Ok(Self::with_config(ProducerConfig::from_properties(properties)?))
    }

    /// With these settings.
    pub fn with_config(config: ProducerConfig) -> Self {
        Self {
            config,
            asked_for_idempotence: false,
            asked_for_timeout: false,
            interceptors: Vec::new(),
            partitioner: None,
        }
    }

    /// Settings that all clients share.
    pub fn client(mut self, set: impl FnOnce(&mut ClientConfig)) -> Self {
        set(&mut self.config.client);
        self
    }

    /// `client.id`.
    pub fn client_id(mut self, id: impl Into<Str>) -> Self {
        self.config.client.client_id = id.into();
        self
    }

    /// `acks`. Anything but all switches idempotence off.
    pub fn acks(mut self, acks: Acks) -> Self {
        self.config.acks = acks;
        self
    }

    /// `batch.size` in bytes.
    pub fn batch_size(mut self, bytes: usize) -> Self {
        self.config.batch_size = bytes;
        self
    }

    /// `linger.ms`.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.config.linger = linger;
        self
    }

    /// `buffer.memory` in bytes.
    pub fn buffer_memory(mut self, bytes: usize) -> Self {
        self.config.buffer_memory = bytes;
        self
    }

    /// `max.block.ms`.
    pub fn max_block(mut self, time: Duration) -> Self {
        self.config.max_block = time;
        self
    }

    /// `max.request.size` in bytes.
    pub fn max_request_size(mut self, bytes: usize) -> Self {
        self.config.max_request_size = bytes;
        self
    }

    /// `delivery.timeout.ms`.
    pub fn delivery_timeout(mut self, time: Duration) -> Self {
        self.config.delivery_timeout = time;
        self.asked_for_timeout = true;
        self
    }

    /// `retries`. 0 switches idempotence off.
    pub fn retries(mut self, retries: u32) -> Self {
        self.config.retries = retries;
        self
    }

    /// `max.in.flight.requests.per.connection`; at most 5 with idempotence.
    pub fn max_in_flight(mut self, requests: usize) -> Self {
        self.config.max_in_flight = requests.max(1);
        self
    }

    /// `compression.type`, with the level of that type.
    pub fn compression(mut self, compression: Compression, level: CompressionLevel) -> Self {
        (self.config.compression, self.config.compression_level) = (compression, level);
        self
    }

    /// `enable.idempotence`.
    pub fn idempotence(mut self, on: bool) -> Self {
        self.config.idempotence = on;
        self.asked_for_idempotence = on;
        self
    }

    /// `transactional.id`: makes a producer with transactions.
    pub fn transactional_id(mut self, id: impl Into<Str>) -> Self {
        self.config.transactional_id = Some(id.into());
        self
    }

    /// `transaction.timeout.ms`: how long a transaction may take before the coordinator aborts it.
    pub fn transaction_timeout(mut self, time: Duration) -> Self {
        self.config.transaction_timeout = time;
        self
    }

    /// `partitioner.ignore.keys`: records with a key are spread as those without.
    pub fn partitioner_ignore_keys(mut self, ignore: bool) -> Self {
        self.config.partitioner_ignore_keys = ignore;
        self
    }

    /// A partitioner of one's own instead of the default rule.
    pub fn partitioner(mut self, partitioner: impl Partitioner) -> Self {
        self.partitioner = Some(Arc::new(partitioner));
        self
    }

    /// An interceptor behind those added before.
    pub fn interceptor(mut self, interceptor: impl ProducerInterceptor) -> Self {
        self.interceptors.push(Arc::new(interceptor));
        self
    }

    /// Starts the producer, on the tokio runtime that this is called on.
    ///
    /// # Errors
    /// When settings are wrong or contradict each other; outside of a runtime.
    pub fn build(self) -> Result<Producer> {
        let mut client = self.config.client.clone();
        client.default_api_timeout = self.config.max_block;
        let cluster = Cluster::new(client)?;
        cluster.set_topics(Topics::Named(Vec::new()), true);
        self.start(cluster, true)
    }

    /// Likewise, with connections and metadata that other clients use too.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_with(self, cluster: Cluster) -> Result<Producer> {
        self.start(cluster, false)
    }

    fn start(mut self, cluster: Cluster, owns_cluster: bool) -> Result<Producer> {
        self.config.reconcile(self.asked_for_idempotence, self.asked_for_timeout)?;
        if self.config.round_robin && self.partitioner.is_none() {
            self.partitioner = Some(Arc::new(RoundRobinPartitioner::default()));
        }
        let shared = Shared::new(cluster, self.config, self.interceptors, self.partitioner);
        Ok(Producer::start(shared, owns_cluster))
    }
}

//! The consumer: what it holds, how it begins, and what it reads.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use ottla_protocol::{Str, TopicPartition};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::fetcher::Fetcher;
use super::group::Group;
use super::interceptor::ConsumerInterceptor;
use super::metrics::ConsumerMetrics;
use super::rebalance::{Listener, RebalanceListener};
use super::requests::Done;
use super::shared::{Clock, Shared, Wakeup, millis};
use super::state::{Subscription, SubscriptionState};
use super::{ConsumerConfig, ConsumerGroupMetadata};
use crate::cluster::Topics;
use crate::config::Properties;
use crate::{Cluster, Error, Result};

/// Reads records, of assigned partitions or as a member of a group (`org.apache.kafka.clients.consumer.KafkaConsumer`).
///
/// Methods take `&mut self`: one task uses a consumer. Requests and heartbeats run in the background on the caller's
/// tokio runtime and end when the consumer is dropped; to leave a group in order, call [`Consumer::close`]. A future of
/// this type may be dropped at any time without losing records.
///
/// ```no_run
/// use std::time::Duration;
///
/// use ottla_client::config::Properties;
/// use ottla_client::consumer::Consumer;
///
/// # async fn example() -> ottla_client::Result<()> {
/// let settings = [("bootstrap.servers", "localhost:9092"), ("group.id", "readers"), ("auto.offset.reset", "earliest")];
/// let properties: Properties = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
/// let mut consumer = Consumer::from_properties(&properties)?;
/// consumer.subscribe(["orders"]).await?;
/// for _ in 0..10 {
///     for record in &consumer.poll(Duration::from_secs(1)).await? {
///         println!("{} {:?}", record.offset, record.value);
///     }
/// }
/// consumer.close(Duration::from_secs(30)).await
/// # }
/// ```
pub struct Consumer {
    pub(super) shared: Arc<Shared>,
    pub(super) state: SubscriptionState,
    pub(super) fetcher: Fetcher,
    pub(super) tasks: JoinSet<Done>,
    pub(super) group: Option<Group>,
    pub(super) listener: Option<Listener>,
    pub(super) interceptors: Vec<Box<dyn ConsumerInterceptor>>,
    pub(super) metrics: Arc<ConsumerMetrics>,
    pub(super) wakeup: Arc<Wakeup>,
    /// Errors that the next poll reports.
    pub(super) errors: VecDeque<Error>,
    /// Some position may need a look-up.
    pub(super) positions_pending: bool,
    /// Committed offsets are being looked up.
    pub(super) committed_pending: bool,
    /// Not before this time, Unix ms, are they looked up again.
    pub(super) committed_retry_ms: i64,
    pub(super) next_auto_commit_ms: i64,
    pub(super) commits_under_way: usize,
    /// Closed when the commit that was begun last in the background has ended. Stays here while somebody waits: who gives
    /// up waiting must not take it away from those who come after.
    pub(super) last_commit: Option<watch::Receiver<()>>,
    pub(super) metadata_generation: Option<u64>,
    pub(super) is_closed: bool,
}

impl Consumer {
    /// A consumer by Kafka's own keys. Nothing is connected to yet. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// When a setting is missing or wrong.
    pub fn from_properties(properties: &Properties) -> Result<Self> {
        Self::new(ConsumerConfig::from_properties(properties)?)
    }

    /// A consumer by typed settings. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// When no address of `bootstrap.servers` is usable, or settings contradict each other.
    pub fn new(config: ConsumerConfig) -> Result<Self> {
        let cluster = Cluster::new(config.client.clone())?;
        Self::on_cluster(config, cluster)
    }

    /// A consumer on connections that it shares with others.
    ///
    /// # Errors
    /// When settings contradict each other.
    pub fn on_cluster(config: ConsumerConfig, cluster: Cluster) -> Result<Self> {
        config.check()?;
        let clock = Clock::new();
        let next_auto_commit_ms = clock.now_ms().saturating_add(millis(config.auto_commit_interval));
        let state = SubscriptionState::new(config.auto_offset_reset);
        let shared = Arc::new(Shared::new(cluster, config, clock));
        let metrics: Arc<ConsumerMetrics> = Arc::default();
        let (figures, client_id) = (metrics.clone(), shared.config.client.client_id.clone());
        let read = move || figures.figures(&client_id, clock.now_ms());
        shared.cluster.metrics_registry().add_source(read);
        Ok(Self {
            state,
            shared,
            fetcher: Fetcher::default(),
            tasks: JoinSet::new(),
            group: None,
            listener: None,
            interceptors: Vec::new(),
            metrics,
            wakeup: Arc::default(),
            errors: VecDeque::new(),
            positions_pending: false,
            committed_pending: false,
            committed_retry_ms: 0,
            next_auto_commit_ms,
            commits_under_way: 0,
            last_commit: None,
            metadata_generation: None,
            is_closed: false,
        })
    }

    /// Its settings.
    pub fn config(&self) -> &ConsumerConfig {
        &self.shared.config
    }

    /// Has every batch of records and every commit pass through this too, behind those that were added before.
    pub fn add_interceptor(&mut self, interceptor: impl ConsumerInterceptor + 'static) {
        self.interceptors.push(Box::new(interceptor));
    }

    /// Reads a share of these topics, in place of those subscribed to before. The group gives out the partitions in the
    /// polls that follow. No topics: as [`Consumer::unsubscribe`].
    ///
    /// # Errors
    /// Without `group.id`, with an empty name, or when partitions are assigned or a pattern is subscribed to.
    pub async fn subscribe<T: Into<Str>>(&mut self, topics: impl IntoIterator<Item = T>) -> Result<()> {
        self.subscribe_topics(topics.into_iter().map(Into::into).collect(), None).await
    }

    /// Likewise, with a listener that is told of partitions that come and go.
    ///
    /// # Errors
    /// As [`Consumer::subscribe`].
    pub async fn subscribe_with<T: Into<Str>>(
        &mut self,
        topics: impl IntoIterator<Item = T>,
        listener: impl RebalanceListener + 'static,
    ) -> Result<()> {
        let listener = Listener::new(Box::new(listener));
        self.subscribe_topics(topics.into_iter().map(Into::into).collect(), Some(listener)).await
    }

    async fn subscribe_topics(&mut self, topics: BTreeSet<Str>, listener: Option<Listener>) -> Result<()> {
        self.check_open()?;
        self.shared.group_id()?;
        if topics.is_empty() {
            return self.unsubscribe().await;
        }
        if topics.iter().any(|topic| topic.trim().is_empty()) {
            return Err(Error::Illegal(
                "Topic collection to subscribe to cannot contain null or empty topic".to_owned(),
            ));
        }
        self.state.subscribe(topics.clone())?;
        self.listener = listener;
        self.join(crate::membership::Subscription::Names(topics))
    }

    /// Reads a share of all topics whose whole names match a regular expression, also those that are created later.
    /// In groups of the classic protocol the consumer matches; with `group.protocol=consumer` the broker does, in RE2's
    /// syntax (KIP-848).
    ///
    /// # Errors
    /// Without `group.id`, with a wrong pattern, or when partitions are assigned or topics are subscribed to.
    pub fn subscribe_pattern(&mut self, pattern: &str) -> Result<()> {
        self.subscribe_matching(pattern, None)
    }

    /// Likewise, with a listener that is told of partitions that come and go.
    ///
    /// # Errors
    /// As [`Consumer::subscribe_pattern`].
    pub fn subscribe_pattern_with(
        &mut self,
        pattern: &str,
        listener: impl RebalanceListener + 'static,
    ) -> Result<()> {
        self.subscribe_matching(pattern, Some(Listener::new(Box::new(listener))))
    }

    fn subscribe_matching(&mut self, pattern: &str, listener: Option<Listener>) -> Result<()> {
        self.check_open()?;
        self.shared.group_id()?;
        let subscription = super::group::pattern_subscription(&self.shared.config, pattern)?;
        self.state.subscribe_pattern(pattern.to_owned().into())?;
        self.listener = listener;
        self.join(subscription)
    }

    /// Reads these partitions, in place of those assigned before, without a group giving them out. Partitions that stay
    /// keep their positions. No partitions: nothing is read.
    ///
    /// # Errors
    /// When topics are subscribed to.
    pub fn assign(&mut self, partitions: impl IntoIterator<Item = TopicPartition>) -> Result<()> {
        self.check_open()?;
        self.state.assign_from_user(partitions)?;
        if self.state.is_empty() {
            self.state.unsubscribe();
        }
        self.assignment_changed();
        let topics: BTreeSet<Str> = self.state.iter().map(|(tp, _)| tp.topic.clone()).collect();
        self.shared.set_topics(Topics::Named(topics.into_iter().collect()));
        Ok(())
    }

    /// What follows from another assignment.
    pub(super) fn assignment_changed(&mut self) {
        self.fetcher.buffer.retain_assigned(&self.state);
        self.fetcher.dirty = true;
        self.positions_pending = true;
        self.metadata_generation = None;
    }

    /// What is assigned at this moment, in order.
    pub fn assignment(&self) -> BTreeSet<TopicPartition> {
        self.state.assignment()
    }

    /// The topics that are subscribed to by name, in order.
    pub fn subscription(&self) -> BTreeSet<Str> {
        match self.state.subscription() {
            Subscription::Topics(topics) => topics.clone(),
            _ => BTreeSet::new(),
        }
    }

    /// What a transactional producer must present to commit this consumer's offsets.
    ///
    /// # Errors
    /// Without `group.id`.
    pub fn group_metadata(&self) -> Result<ConsumerGroupMetadata> {
        match &self.group {
            Some(group) => Ok(group.metadata()),
            None => self.shared.without_membership(),
        }
    }

    /// Figures of what it does, that can be read from elsewhere.
    pub fn metrics(&self) -> Arc<ConsumerMetrics> {
        self.metrics.clone()
    }

    /// The figures of consumer and connections under the names of Kafka's `metrics()`.
    pub fn figures(&self) -> Vec<crate::metrics::Metric> {
        self.shared.cluster.metrics()
    }

    pub(super) fn check_open(&self) -> Result<()> {
        if self.is_closed {
            return Err(Error::Closed("This consumer has already been closed.".to_owned()));
        }
        Ok(())
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.shared.clock.now_ms()
    }
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("group_id", &self.shared.config.group_id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

//! The share consumer: the driver.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ottla_protocol::messages::{ShareAcknowledgeResponse, ShareFetchResponse};
use ottla_protocol::{Str, TopicPartition};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::acknowledge::{AcknowledgeType, AcknowledgementCommitCallback};
use super::answers::Brought;
use super::completed::Completed;
use super::in_flight::{InFlight, Taken};
use super::metrics::ShareMetrics;
use super::requests::{RequestConfig, Requests, ShareRequest};
use super::session::FetchLimits;
use super::{AcknowledgementMode, AcquireMode, ShareConsumerConfig, TopicIdPartition};
use crate::cluster::Target;
use crate::config::Properties;
use crate::consumer::internals::{Clock, Group, Shared, Wakeup, after, millis};
use crate::consumer::{ConsumerGroupMetadata, WakeupHandle};
use crate::membership::{Action, CloseOperation, EpochMembership, Event, GroupConfig, Subscription};
use crate::record::ConsumerRecord;
use crate::{Cluster, Error, Result};

/// No waiting is longer than this: what was overlooked is found then.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// What became of a commit, by partition.
pub type CommitResults = BTreeMap<TopicIdPartition, Result<()>>;

/// A node's answer.
enum Done {
    /// After so long.
    Fetched(i32, Result<ShareFetchResponse>, Duration),
    Acknowledged(i32, Result<ShareAcknowledgeResponse>),
}

/// A member of a share group (`org.apache.kafka.clients.consumer.KafkaShareConsumer`).
///
/// `poll` gives records that the group has locked for this member. In implicit mode the next `poll` or commit accepts them;
/// in explicit mode the application acknowledges each before it polls again. What is not acknowledged when the lock
/// ends, or when the consumer is dropped, goes to another member.
pub struct ShareConsumer {
    shared: Arc<Shared>,
    config: ShareConsumerConfig,
    group: Option<Group>,
    requests: Requests,
    tasks: JoinSet<Done>,
    in_flight: InFlight,
    buffer: VecDeque<Completed>,
    assigned: BTreeSet<TopicPartition>,
    subscription: BTreeSet<Str>,
    callback: Option<AcknowledgementCommitCallback>,
    /// Errors that the next poll reports.
    errors: VecDeque<Error>,
    wakeup: Arc<Wakeup>,
    tickets: u64,
    results: BTreeMap<u64, CommitResults>,
    metrics: Arc<ShareMetrics>,
    is_closed: bool,
}

impl ShareConsumer {
    /// A share consumer by Kafka's own keys. Nothing is connected to yet. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// When a setting is missing or wrong.
    pub fn from_properties(properties: &Properties) -> Result<Self> {
        Self::new(ShareConsumerConfig::from_properties(properties)?)
    }

    /// A share consumer by typed settings. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// When no address of `bootstrap.servers` is usable, or settings contradict each other.
    pub fn new(config: ShareConsumerConfig) -> Result<Self> {
        let cluster = Cluster::new(config.consumer.client.clone())?;
        Self::on_cluster(config, cluster)
    }

    /// A share consumer on connections that it shares with others.
    ///
    /// # Errors
    /// When settings contradict each other.
    pub fn on_cluster(config: ShareConsumerConfig, cluster: Cluster) -> Result<Self> {
        config.check()?;
        let consumer = &config.consumer;
        let max_records = i32::try_from(consumer.max_poll_records).unwrap_or(i32::MAX);
        let record_limit = config.acquire_mode == AcquireMode::RecordLimit;
        let limits = FetchLimits {
            max_wait_ms: consumer.fetch_max_wait_ms,
            min_bytes: consumer.fetch_min_bytes,
            max_bytes: consumer.fetch_max_bytes,
            max_records,
            acquire_mode: i8::from(record_limit),
        };
        let requests = Requests::new(RequestConfig {
            group_id: consumer.group_id.clone().unwrap_or_default(),
            member_id: crate::random::uuid().to_string().into(),
            limits,
            record_limit,
            retry_backoff_ms: millis(consumer.client.retry_backoff).max(1),
        });
        let clock = Clock::new();
        let shared = Arc::new(Shared::new(cluster, consumer.clone(), clock));
        let metrics: Arc<ShareMetrics> = Arc::default();
        let (figures, client_id) = (metrics.clone(), consumer.client.client_id.clone());
        let read = move || figures.figures(&client_id, clock.now_ms());
        shared.cluster.metrics_registry().add_source(read);
        Ok(Self {
            metrics,
            shared,
            config,
            group: None,
            requests,
            tasks: JoinSet::new(),
            in_flight: InFlight::default(),
            buffer: VecDeque::new(),
            assigned: BTreeSet::new(),
            subscription: BTreeSet::new(),
            callback: None,
            errors: VecDeque::new(),
            wakeup: Arc::default(),
            tickets: 0,
            results: BTreeMap::new(),
            is_closed: false,
        })
    }

    /// Its settings.
    pub fn config(&self) -> &ShareConsumerConfig {
        &self.config
    }

    /// Reads these topics, in place of those subscribed to before. The next `poll` joins the group.
    ///
    /// # Errors
    /// When there are none, or one has an empty name.
    pub fn subscribe<T: Into<Str>>(&mut self, topics: impl IntoIterator<Item = T>) -> Result<()> {
        self.check_open()?;
        let topics: BTreeSet<Str> = topics.into_iter().map(Into::into).collect();
        if topics.is_empty() || topics.iter().any(|topic| topic.trim().is_empty()) {
            let text = "Topic collection to subscribe to cannot be empty, nor contain an empty topic";
            return Err(Error::Illegal(text.to_owned()));
        }
        self.subscription.clone_from(&topics);
        let group = match &self.group {
            Some(group) => group,
            None => {
                let membership = self.membership();
                self.group.insert(Group::new(self.shared.clone(), membership))
            }
        };
        group.handle(Event::Subscribed(Subscription::Names(topics)));
        Ok(())
    }

    fn membership(&self) -> Box<dyn crate::membership::Membership> {
        let consumer = &self.config.consumer;
        let config = GroupConfig {
            group_id: self.requests.config.group_id.clone(),
            group_instance_id: None,
            rack_id: Some(consumer.client_rack.clone()).filter(|rack| !rack.is_empty()),
            session_timeout_ms: consumer.session_timeout_ms,
            heartbeat_interval_ms: consumer.heartbeat_interval_ms,
            max_poll_interval_ms: consumer.max_poll_interval_ms,
            retry_backoff_ms: millis(consumer.client.retry_backoff),
            retry_backoff_max_ms: millis(consumer.client.retry_backoff_max),
            request_timeout_ms: millis(consumer.client.request_timeout),
            auto_commit: false,
            seed: crate::random::next_u64(),
        };
        Box::new(EpochMembership::share(config, self.requests.config.member_id.clone()))
    }

    /// The figures of consumer and connections under the names of Kafka's `metrics()`.
    pub fn figures(&self) -> Vec<crate::metrics::Metric> {
        self.shared.cluster.metrics()
    }

    /// Topics that are subscribed to.
    pub fn subscription(&self) -> &BTreeSet<Str> {
        &self.subscription
    }

    /// Partitions that the group gave this member now.
    pub fn assignment(&self) -> &BTreeSet<TopicPartition> {
        &self.assigned
    }

    /// What identifies the member.
    pub fn group_metadata(&self) -> ConsumerGroupMetadata {
        match &self.group {
            Some(group) => group.metadata(),
            None => ConsumerGroupMetadata::new(self.requests.config.group_id.clone()),
        }
    }

    /// How long records are locked for this member, ms, as the last answer said.
    pub fn acquisition_lock_timeout_ms(&self) -> Option<i32> {
        self.in_flight.lock_timeout_ms
    }

    /// Is told what became of acknowledgements, inside of `poll`, commits and `close`.
    pub fn set_acknowledgement_commit_callback(&mut self, callback: Option<AcknowledgementCommitCallback>) {
        self.callback = callback;
    }

    /// A handle that ends a `poll` or commit from elsewhere.
    pub fn wakeup_handle(&self) -> WakeupHandle {
        WakeupHandle::new(self.wakeup.clone())
    }

    /// Leaves the group; acknowledgements that were not sent go first.
    ///
    /// # Errors
    /// When the time for it (`default.api.timeout.ms`) is up.
    pub async fn unsubscribe(&mut self) -> Result<()> {
        let deadline = self.shared.api_deadline();
        self.leave(deadline).await
    }

    /// Records, as soon as there are any, or none after `timeout`. Must be called again within `max.poll.interval.ms`.
    ///
    /// # Errors
    /// In explicit mode, when a record of the last call is not acknowledged. [`Error::Wakeup`] after a wakeup, what brokers
    /// refuse, and records that can't be read: those are rejected unless the application acknowledges them otherwise.
    pub async fn poll(&mut self, timeout: Duration) -> Result<Vec<ConsumerRecord>> {
        self.check_open()?;
        self.metrics.poll_began(self.shared.clock.now_ms());
        let polled = self.poll_within(timeout).await;
        self.metrics.poll_ended(self.shared.clock.now_ms());
        polled
    }

    async fn poll_within(&mut self, timeout: Duration) -> Result<Vec<ConsumerRecord>> {
        self.take_note().await?;
        self.accept_implicitly();
        if self.is_explicit() && !self.in_flight.is_acknowledged() {
            let text = "All records must be acknowledged in explicit acknowledgement mode.";
            return Err(Error::Illegal(text.to_owned()));
        }
        if self.subscription.is_empty() {
            return Err(Error::Illegal("Consumer is not subscribed to any topics.".to_owned()));
        }
        let deadline = after(timeout);
        let _polling = self.group.as_ref().map(Group::polling);
        let mut wants_fetch = true;
        loop {
            self.wakeup.check()?;
            self.take_note().await?;
            self.errors.extend(self.shared.cluster.take_refusal());
            if let Some(error) = self.errors.pop_front() {
                return Err(error);
            }
            let (records, error) = self.collect(&mut wants_fetch);
            if !records.is_empty() {
                self.errors.extend(error);
                return Ok(records);
            }
            if let Some(error) = error {
                return Err(error);
            }
            if Instant::now() >= deadline {
                tokio::task::yield_now().await;
                return Ok(Vec::new());
            }
            self.send();
            self.wait(deadline, true).await;
        }
    }

    /// Takes records out of what came; asks for more where there are none.
    fn collect(&mut self, wants_fetch: &mut bool) -> (Vec<ConsumerRecord>, Option<Error>) {
        let acks = self.in_flight.take();
        if self.in_flight.has_renewals() {
            self.in_flight.take_renewed();
        }
        let mut error = None;
        if self.in_flight.is_empty() && !self.in_flight.has_renewals() {
            error = self.fill();
        }
        // After an error the application has its say first, even if nothing could be read.
        let only_gaps = error.is_none() && self.in_flight.is_empty();
        let gaps = if only_gaps { self.in_flight.take() } else { Taken::new() };
        if std::mem::take(wants_fetch) && self.in_flight.is_empty() && error.is_none() {
            self.requests.fetch(acks);
        } else {
            self.commit_unattended(acks);
        }
        self.commit_unattended(gaps);
        self.send();
        (self.in_flight.records().cloned().collect(), error)
    }

    /// Hands records of answers to the application, up to about `max.poll.records`.
    fn fill(&mut self) -> Option<Error> {
        let max = self.config.consumer.max_poll_records;
        while self.in_flight.len() < max {
            let completed = self.buffer.front_mut()?;
            let bytes_before = completed.bytes_read();
            let (batch, error) = completed.take(max.saturating_sub(self.in_flight.len()));
            if completed.lock_timeout_ms.is_some() {
                self.in_flight.lock_timeout_ms = completed.lock_timeout_ms;
            }
            let bytes = completed.bytes_read().saturating_sub(bytes_before);
            self.metrics.consumed(batch.records.len(), bytes, self.shared.clock.now_ms());
            let partition = completed.partition.clone();
            if completed.is_consumed() {
                self.buffer.pop_front();
            }
            self.in_flight.add(partition, batch);
            if error.is_some() {
                return error;
            }
        }
        None
    }

    fn is_explicit(&self) -> bool {
        self.config.acknowledgement_mode == AcknowledgementMode::Explicit
    }

    fn accept_implicitly(&mut self) {
        if !self.is_explicit() {
            self.in_flight.acknowledge_all(AcknowledgeType::Accept);
        }
    }

    /// Says what became of a record of the last `poll`; sent with the next `poll` or commit. In explicit mode only.
    ///
    /// # Errors
    /// In implicit mode, and for records that the last `poll` did not return.
    pub fn acknowledge(&mut self, record: &ConsumerRecord, kind: AcknowledgeType) -> Result<()> {
        self.acknowledge_offset(&record.topic, record.partition, record.offset, kind)
    }

    /// Likewise by its offset; also for a record that could not be read.
    ///
    /// # Errors
    /// As [`ShareConsumer::acknowledge`].
    pub fn acknowledge_offset(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
        kind: AcknowledgeType,
    ) -> Result<()> {
        self.check_open()?;
        if !self.is_explicit() {
            return Err(Error::Illegal("Implicit acknowledgement of delivery is being used.".to_owned()));
        }
        self.in_flight.acknowledge(topic, partition, offset, kind)
    }

    /// Sends acknowledgements and waits for what becomes of them (`commitSync`), `default.api.timeout.ms` at most.
    ///
    /// # Errors
    /// [`Error::Wakeup`], or when the consumer is closed; refusals are in the result.
    pub async fn commit(&mut self) -> Result<CommitResults> {
        self.check_open()?;
        self.take_note().await?;
        self.accept_implicitly();
        let acks = self.in_flight.take();
        if acks.is_empty() {
            return Ok(CommitResults::new());
        }
        let deadline = self.shared.api_deadline();
        let ticket = self.ticket();
        let deadline_ms = self.deadline_ms(self.config.consumer.client.default_api_timeout);
        self.requests.commit(&self.shared.cluster.metadata(), acks, Some(ticket), deadline_ms);
        let settled = self.settle(ticket, deadline, true).await;
        let results = self.results.remove(&ticket).unwrap_or_default();
        settled.map(|()| results)
    }

    /// Sends acknowledgements; the callback is told what becomes of them (`commitAsync`).
    ///
    /// # Errors
    /// When the consumer is closed.
    pub fn commit_async(&mut self) -> Result<()> {
        self.check_open()?;
        self.accept_implicitly();
        let acks = self.in_flight.take();
        self.commit_unattended(acks);
        self.send();
        Ok(())
    }

    fn commit_unattended(&mut self, acks: Taken) {
        if !acks.is_empty() {
            let deadline_ms = self.deadline_ms(self.config.consumer.client.default_api_timeout);
            self.requests.commit(&self.shared.cluster.metadata(), acks, None, deadline_ms);
        }
    }

    /// Sends what is acknowledged, gives back the rest, and leaves the group; ends after `timeout` in any case.
    ///
    /// # Errors
    /// When the time is up before all is done.
    pub async fn close(mut self, timeout: Duration) -> Result<()> {
        let result = self.leave(after(timeout)).await;
        self.is_closed = true;
        result
    }

    /// Ends the sessions, then the membership.
    async fn leave(&mut self, deadline: Instant) -> Result<()> {
        self.check_open()?;
        self.accept_implicitly();
        let acks = self.in_flight.take();
        let ticket = self.ticket();
        let deadline_ms = self.deadline_ms(deadline.saturating_duration_since(Instant::now()));
        self.requests.close(&self.shared.cluster.metadata(), acks, ticket, deadline_ms);
        self.buffer.clear();
        let settled = self.settle(ticket, deadline, false).await;
        // Also what came meanwhile: the broker gives it to others now.
        self.buffer.clear();
        self.results.remove(&ticket);
        self.in_flight = InFlight::default();
        self.subscription.clear();
        self.assigned.clear();
        let left = self.leave_group(deadline).await;
        // Not before: the membership ends with its handle, and the future may be dropped while it says good-bye.
        self.group = None;
        left.and(settled)
    }

    /// `&mut`, for a future that may go from thread to thread.
    async fn leave_group(&mut self, deadline: Instant) -> Result<()> {
        let Some(group) = &self.group else { return Ok(()) };
        group.handle(Event::Close(CloseOperation::Default));
        loop {
            while let Some(action) = group.next_action() {
                group.action_done();
                if let Action::Left = action {
                    return Ok(());
                }
            }
            tokio::select! {
                () = group.acts() => {}
                () = tokio::time::sleep_until(deadline) => {
                    return Err(Error::Timeout("the group was not left in time; its session ends by itself".to_owned()));
                }
            }
        }
    }

    /// Waits until a commit is through.
    async fn settle(&mut self, ticket: u64, deadline: Instant, wakeable: bool) -> Result<()> {
        loop {
            self.send();
            self.conclude();
            if !self.requests.is_pending(ticket) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Error::Timeout("acknowledgements were not answered in time".to_owned()));
            }
            if wakeable {
                self.wakeup.check()?;
            }
            self.wait(deadline, wakeable).await;
            self.take_note().await?;
        }
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        // Whoever waited before is gone.
        self.results.clear();
        self.results.insert(self.tickets, CommitResults::new());
        self.tickets
    }

    #[cfg(test)]
    pub(super) fn results_kept(&self) -> usize {
        self.results.len()
    }

    fn deadline_ms(&self, timeout: Duration) -> i64 {
        self.shared.clock.now_ms().saturating_add(millis(timeout))
    }

    fn check_open(&self) -> Result<()> {
        if self.is_closed {
            Err(Error::Closed("This consumer has already been closed.".to_owned()))
        } else {
            Ok(())
        }
    }

    /// Takes note of what has happened.
    async fn take_note(&mut self) -> Result<()> {
        while let Some(done) = self.tasks.try_join_next() {
            match done {
                Ok(done) => self.handle(done),
                Err(error) => tracing::error!(%error, "a request of the share consumer ended badly"),
            }
        }
        self.follow_group();
        self.conclude();
        Ok(())
    }

    fn follow_group(&mut self) {
        let Some(group) = &self.group else { return };
        while let Some(action) = group.next_action() {
            group.action_done();
            match action {
                Action::Assign { partitions, .. } => {
                    tracing::info!(?partitions, "the share group assigned partitions");
                    self.metrics.rebalanced();
                    self.assigned = partitions.into_iter().collect();
                }
                Action::Fail(error) => self.errors.push_back(error),
                // A share group's membership asks for nothing else of the application's side.
                _ => {}
            }
        }
    }

    /// Tells what became of acknowledgements.
    fn conclude(&mut self) {
        while let Some(outcome) = self.requests.next_outcome() {
            let is_taken = outcome.error.is_none();
            self.metrics.acknowledged(outcome.acks.len(), is_taken, self.shared.clock.now_ms());
            self.in_flight.answered(&outcome.partition, &outcome.acks, is_taken, outcome.lock_timeout_ms);
            if let Some(callback) = &mut self.callback {
                callback(&outcome.partition, &outcome.acks.offsets(), outcome.error.as_ref());
            }
            if let Some(results) = outcome.ticket.and_then(|ticket| self.results.get_mut(&ticket)) {
                results.insert(outcome.partition, outcome.error.map_or(Ok(()), Err));
            }
        }
    }

    /// Sends what is due.
    fn send(&mut self) {
        let metadata = self.shared.cluster.metadata();
        let now_ms = self.shared.clock.now_ms();
        while let Some((node, request)) = self.requests.next(now_ms, &metadata, &self.assigned) {
            let cluster = self.shared.cluster.clone();
            let deadline = after(self.config.consumer.client.request_timeout);
            self.tasks.spawn(async move {
                let target = Target::Node(node);
                match request {
                    ShareRequest::Fetch(request) => {
                        let began = Instant::now();
                        let answer = cluster.call(target, request, deadline).await;
                        Done::Fetched(node, answer, began.elapsed())
                    }
                    ShareRequest::Acknowledge(request) => {
                        Done::Acknowledged(node, cluster.call(target, request, deadline).await)
                    }
                }
            });
        }
    }

    fn handle(&mut self, done: Done) {
        let now_ms = self.shared.clock.now_ms();
        match done {
            Done::Fetched(node, answer, took) => {
                if let Ok(response) = &answer {
                    self.metrics.fetched(millis(took), response.throttle_time_ms, now_ms);
                }
                let brought = self.requests.fetched(now_ms, node, answer);
                self.take_over(node, brought);
            }
            Done::Acknowledged(node, answer) => {
                let brought = self.requests.acknowledged(now_ms, node, answer);
                self.take_over(node, brought);
            }
        }
    }

    fn take_over(&mut self, node: i32, brought: Brought) {
        let check_crcs = self.config.consumer.check_crcs;
        for (partition, data) in brought.records {
            match Completed::new(partition, node, brought.lock_timeout_ms, data, check_crcs) {
                Ok(completed) => self.buffer.push_back(completed),
                Err(error) => self.errors.push_back(error),
            }
        }
        self.errors.extend(brought.errors);
        for (tip, leader, epoch) in brought.leaders {
            self.shared.cluster.learn_leader(&tip.topic, tip.partition, leader, epoch, &brought.nodes);
        }
        if brought.refresh {
            self.shared.cluster.request_refresh();
        }
    }

    /// Until something happens.
    async fn wait(&mut self, deadline: Instant, wakeable: bool) {
        let mut until = deadline.min(after(WAIT_MAX));
        if let Some(at_ms) = self.requests.wake_at_ms() {
            until = until.min(self.shared.clock.instant(at_ms));
        }
        let group = self.group.clone();
        let group_acts = async {
            match &group {
                Some(group) => group.acts().await,
                None => std::future::pending().await,
            }
        };
        let shared = self.shared.clone();
        let done = tokio::select! {
            biased;
            () = self.wakeup.called(), if wakeable => None,
            done = self.tasks.join_next(), if !self.tasks.is_empty() => done,
            () = group_acts => None,
            () = shared.cluster.changed() => None,
            () = tokio::time::sleep_until(until) => None,
        };
        if let Some(Ok(done)) = done {
            self.handle(done);
        }
    }
}

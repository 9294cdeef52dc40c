//! Positions as the application asks for and sets them, and offsets and partitions of any topic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_protocol::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use ottla_protocol::messages::metadata_response::MetadataResponseTopic;
use ottla_protocol::{ErrorCode, Str, TopicPartition};

use super::client::Consumer;
use super::poll::Heeds;
use super::positions::leader_of;
use super::requests;
use super::shared::Wakeup;
use super::state::{AutoOffsetReset, EARLIEST_TIMESTAMP, FetchPosition, LATEST_TIMESTAMP};
use super::{OffsetAndMetadata, OffsetAndTimestamp};
use crate::cluster::Target;
use crate::{Error, Result};

/// A partition as the cluster describes it (`org.apache.kafka.common.PartitionInfo`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Topic.
    pub topic: Str,
    /// Number.
    pub partition: i32,
    /// Node that leads it, if any does.
    pub leader: Option<i32>,
    /// Nodes that have it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those in sync with the leader.
    pub in_sync_replicas: Vec<i32>,
    /// Those that are away.
    pub offline_replicas: Vec<i32>,
}

/// Ends a consumer's waiting from elsewhere (`KafkaConsumer.wakeup`).
#[derive(Clone, Debug)]
pub struct WakeupHandle(Arc<Wakeup>);

impl WakeupHandle {
    pub(crate) fn new(wakeup: Arc<Wakeup>) -> Self {
        Self(wakeup)
    }

    /// The call that waits, or else the next one that would, ends with [`Error::Wakeup`].
    pub fn wakeup(&self) {
        self.0.wake();
    }
}

impl Consumer {
    /// A handle to end waiting from elsewhere.
    pub fn wakeup_handle(&self) -> WakeupHandle {
        WakeupHandle(self.wakeup.clone())
    }

    /// The offset of the next record that poll returns of a partition, looked up if it is not known yet; waits at most
    /// `default.api.timeout.ms`.
    ///
    /// # Errors
    /// When the partition is not assigned, nothing says where to begin, or the time is up.
    pub async fn position(&mut self, partition: &TopicPartition) -> Result<i64> {
        self.check_open()?;
        let deadline = self.shared.api_deadline();
        loop {
            if let Some(position) = self.state.assigned(partition)?.valid_position() {
                return Ok(position.offset);
            }
            self.wakeup.check()?;
            self.positions_pending = true;
            self.advance_positions()?;
            if self.state.assigned(partition)?.has_valid_position() {
                continue;
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(Error::Timeout(format!(
                    "Timeout of {}ms expired before the position for partition {partition} could be determined",
                    self.shared.config.client.default_api_timeout.as_millis()
                )));
            }
            self.wait(deadline, Heeds { wakeup: true, group: false }).await;
        }
    }

    /// What [`Consumer::advance`] does, without the group and without fetches.
    fn advance_positions(&mut self) -> Result<()> {
        while let Some(done) = self.tasks.try_join_next() {
            self.handle_done(done);
        }
        self.errors.extend(self.shared.cluster.take_refusal());
        self.check_metadata();
        self.update_positions()?;
        match self.errors.pop_front() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Has the next poll begin at an offset.
    ///
    /// # Errors
    /// When the partition is not assigned, or the offset is negative.
    pub fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<()> {
        self.seek_to(partition, &OffsetAndMetadata::new(offset))
    }

    /// Likewise, at an offset with the epoch of the leader that appended the record before it: if the log was truncated
    /// since, that is found out.
    ///
    /// # Errors
    /// As [`Consumer::seek`].
    pub fn seek_to(&mut self, partition: &TopicPartition, offset: &OffsetAndMetadata) -> Result<()> {
        self.check_open()?;
        if offset.offset < 0 {
            return Err(Error::Illegal("seek offset must not be a negative number".to_owned()));
        }
        let current_leader = leader_of(&self.shared.cluster.metadata(), partition);
        self.state.assigned(partition)?.seek_unvalidated(FetchPosition {
            offset: offset.offset,
            offset_epoch: offset.leader_epoch,
            current_leader,
        });
        self.positions_pending = true;
        self.fetcher.dirty = true;
        Ok(())
    }

    /// Has the next poll begin at the oldest record, of all assigned partitions when none are named.
    ///
    /// # Errors
    /// When a partition is not assigned.
    pub fn seek_to_beginning(&mut self, partitions: impl IntoIterator<Item = TopicPartition>) -> Result<()> {
        self.request_resets(partitions, AutoOffsetReset::Earliest)
    }

    /// Has the next poll begin behind the last record, of all assigned partitions when none are named.
    ///
    /// # Errors
    /// When a partition is not assigned.
    pub fn seek_to_end(&mut self, partitions: impl IntoIterator<Item = TopicPartition>) -> Result<()> {
        self.request_resets(partitions, AutoOffsetReset::Latest)
    }

    fn request_resets(
        &mut self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        strategy: AutoOffsetReset,
    ) -> Result<()> {
        self.check_open()?;
        let mut partitions: BTreeSet<TopicPartition> = partitions.into_iter().collect();
        if partitions.is_empty() {
            partitions = self.assignment();
        }
        for partition in &partitions {
            self.state.assigned(partition)?;
        }
        for partition in &partitions {
            self.state.assigned(partition)?.request_reset(strategy);
        }
        self.positions_pending = true;
        self.fetcher.dirty = true;
        Ok(())
    }

    /// Polls return nothing of these partitions until they are resumed. The group keeps them assigned.
    ///
    /// # Errors
    /// When a partition is not assigned.
    pub fn pause(&mut self, partitions: impl IntoIterator<Item = TopicPartition>) -> Result<()> {
        self.set_paused(partitions, true)
    }

    /// Polls return records of these partitions again.
    ///
    /// # Errors
    /// When a partition is not assigned.
    pub fn resume(&mut self, partitions: impl IntoIterator<Item = TopicPartition>) -> Result<()> {
        self.set_paused(partitions, false)
    }

    fn set_paused(
        &mut self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        paused: bool,
    ) -> Result<()> {
        self.check_open()?;
        for partition in partitions {
            self.state.assigned(&partition)?.paused = paused;
        }
        self.fetcher.dirty = true;
        Ok(())
    }

    /// The partitions that are paused, in order.
    pub fn paused(&self) -> BTreeSet<TopicPartition> {
        self.state.iter().filter(|(_, state)| state.paused).map(|(tp, _)| tp.clone()).collect()
    }

    /// Records between the position of a partition and its end, as far as known without waiting; the end is asked for if
    /// it is not.
    ///
    /// # Errors
    /// When the partition is not assigned.
    pub fn current_lag(&mut self, partition: &TopicPartition) -> Result<Option<i64>> {
        self.check_open()?;
        self.state.assigned(partition)?;
        while let Some(done) = self.tasks.try_join_next() {
            self.handle_done(done);
        }
        let lag = self.state.lag(partition, self.shared.config.isolation_level);
        if lag.is_none() {
            self.request_end(partition);
        }
        Ok(lag)
    }

    /// The first offsets of partitions, assigned or not.
    ///
    /// # Errors
    /// When a topic may not be read, or the time (`default.api.timeout.ms`) is up.
    pub async fn beginning_offsets(
        &mut self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, i64>> {
        self.edge_offsets(partitions, EARLIEST_TIMESTAMP).await
    }

    /// The offsets behind the last records that are visible, of partitions assigned or not.
    ///
    /// # Errors
    /// As [`Consumer::beginning_offsets`].
    pub async fn end_offsets(
        &mut self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, i64>> {
        self.edge_offsets(partitions, LATEST_TIMESTAMP).await
    }

    async fn edge_offsets(
        &mut self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        timestamp: i64,
    ) -> Result<BTreeMap<TopicPartition, i64>> {
        let wanted = partitions.into_iter().map(|tp| (tp, timestamp)).collect();
        let found = self.look_up(wanted).await?;
        Ok(found.into_iter().filter_map(|(tp, listed)| Some((tp, listed?.offset))).collect())
    }

    /// The first records at or after times (Unix ms), of partitions assigned or not; nothing where all are older.
    ///
    /// # Errors
    /// For negative times, and as [`Consumer::beginning_offsets`].
    pub async fn offsets_for_times(
        &mut self,
        times: BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndTimestamp>>> {
        if let Some((tp, time)) = times.iter().find(|(_, time)| **time < 0) {
            return Err(Error::Illegal(format!(
                "The target time for partition {tp} is {time}. The target time cannot be negative."
            )));
        }
        let found = self.look_up(times).await?;
        let entry = |listed: super::offsets::ListedOffset| OffsetAndTimestamp {
            offset: listed.offset,
            timestamp_ms: listed.timestamp_ms,
            leader_epoch: listed.leader_epoch,
        };
        Ok(found.into_iter().map(|(tp, listed)| (tp, listed.map(entry))).collect())
    }

    async fn look_up(
        &mut self,
        wanted: BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, Option<super::offsets::ListedOffset>>> {
        self.check_open()?;
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        for tp in wanted.keys() {
            self.shared.need_topic(&tp.topic);
        }
        let deadline = self.shared.api_deadline();
        self.wakeup
            .clone()
            .interrupts(requests::offsets_for_times(self.shared.clone(), wanted, deadline))
            .await
    }

    /// The partitions of a topic; none when it does not exist.
    ///
    /// # Errors
    /// When the topic may not be described, or the time (`default.api.timeout.ms`) is up.
    pub async fn partitions_for(&mut self, topic: impl Into<Str>) -> Result<Vec<PartitionInfo>> {
        let topic = topic.into();
        let wanted = MetadataRequestTopic { name: Some(topic.clone()), ..MetadataRequestTopic::default() };
        let mut topics = self.describe_topics(Some(vec![wanted])).await?;
        Ok(topics.remove(&topic).unwrap_or_default())
    }

    /// All topics that may be described, with their partitions.
    ///
    /// # Errors
    /// When the time (`default.api.timeout.ms`) is up.
    pub async fn list_topics(&mut self) -> Result<BTreeMap<Str, Vec<PartitionInfo>>> {
        self.describe_topics(None).await
    }

    async fn describe_topics(
        &mut self,
        topics: Option<Vec<MetadataRequestTopic>>,
    ) -> Result<BTreeMap<Str, Vec<PartitionInfo>>> {
        self.check_open()?;
        let shared = self.shared.clone();
        let deadline = shared.api_deadline();
        let work = async {
            let mut failures = 0;
            loop {
                let request = MetadataRequest {
                    topics: topics.clone(),
                    allow_auto_topic_creation: topics.is_some() && shared.config.allow_auto_create_topics,
                    ..MetadataRequest::default()
                };
                let attempt = shared.request_deadline(deadline);
                let result = shared.cluster.call(Target::Any, request, attempt).await;
                match result.and_then(|response| read_topics(response.topics)) {
                    Err(error) if error.is_retriable() => {
                        shared.back_off(failures, deadline, error, "Topics are not known").await?;
                        failures += 1;
                    }
                    result => return result,
                }
            }
        };
        self.wakeup.clone().interrupts(work).await
    }
}

/// The topics of an answer.
///
/// # Errors
/// When a topic may not be described, or has no leader yet (just created: try again).
fn read_topics(topics: Vec<MetadataResponseTopic>) -> Result<BTreeMap<Str, Vec<PartitionInfo>>> {
    let mut found = BTreeMap::new();
    for topic in topics {
        let name = topic.name.unwrap_or_default();
        match ErrorCode::from_code(topic.error_code) {
            ErrorCode::None => {}
            ErrorCode::UnknownTopicOrPartition => continue,
            ErrorCode::TopicAuthorizationFailed => {
                let text = format!("Not authorized to access topics: [{name}]");
                return Err(Error::api(ErrorCode::TopicAuthorizationFailed, Some(&text)));
            }
            ErrorCode::InvalidTopicException => {
                let text = format!("Topic '{name}' is invalid");
                return Err(Error::api(ErrorCode::InvalidTopicException, Some(&text)));
            }
            code => return Err(Error::api(code, None)),
        }
        let partition =
            |partition: ottla_protocol::messages::metadata_response::MetadataResponsePartition| {
                PartitionInfo {
                    topic: name.clone(),
                    partition: partition.partition_index,
                    leader: (partition.leader_id >= 0).then_some(partition.leader_id),
                    replicas: partition.replica_nodes,
                    in_sync_replicas: partition.isr_nodes,
                    offline_replicas: partition.offline_replicas,
                }
            };
        found.insert(name.clone(), topic.partitions.into_iter().map(partition).collect());
    }
    Ok(found)
}

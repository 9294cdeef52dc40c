//! The controller (`QuorumController`).

use std::sync::Arc;

use ottla_metadata::image::TopicsImage;
use ottla_metadata::{
    ConfigMap, ConfigResource, ConfigResourceType, MetadataImage, MetadataVersion, ReplayError, VersionRange,
};
use ottla_protocol::messages::metadata::MetadataRecord;

use crate::broker_sessions::BrokerSessions;
use crate::state::State;
use crate::{ConfigSchema, ControllerOptions, TopicConfigLayers};

/// Key of the configuration that says how many replicas must be in sync.
pub(crate) const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";
const UNCLEAN_LEADER_ELECTION_ENABLE: &str = "unclean.leader.election.enable";

/// Decides what happens to the cluster.
///
/// Every operation looks at the state and returns records and a response; none changes the replicated
/// state. The driver appends the records to the metadata log, replays each with its offset here, and gives the
/// response once they are committed. A controller that is not active only replays.
pub struct Controller {
    pub(crate) options: ControllerOptions,
    pub(crate) schema: Arc<dyn ConfigSchema>,
    pub(crate) state: State,
    /// The state before the open transaction, with the offset at which that began.
    pub(crate) transaction: Option<(i64, State)>,
    /// Offset that the next record appended will get.
    pub(crate) next_write_offset: i64,
    /// Only while this controller is active.
    pub(crate) sessions: Option<BrokerSessions>,
}

/// A state to come back to; see [`Controller::checkpoint`].
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    state: State,
    transaction: Option<(i64, State)>,
    next_write_offset: i64,
}

impl Controller {
    /// A controller before the first record of the log, not active.
    pub fn new(options: ControllerOptions, schema: Arc<dyn ConfigSchema>) -> Self {
        Self {
            options,
            schema,
            state: State::default(),
            transaction: None,
            next_write_offset: 0,
            sessions: None,
        }
    }

    /// Notes the level of `kraft.version` that the quorum has finalized: its own log says so, no metadata record.
    pub fn set_kraft_version(&mut self, level: i16) {
        self.options.kraft_version = level;
    }

    /// Applies a record that was appended at `offset`, or, with the offset of a snapshot, one of its records.
    ///
    /// # Errors
    /// When the record contradicts the state: the log or this software is broken, and the
    /// node must not go on. The state is then as before.
    pub fn replay(&mut self, record: &MetadataRecord, offset: i64) -> Result<(), ReplayError> {
        match record {
            MetadataRecord::BeginTransaction(_) => {
                if let Some((start, _)) = self.transaction {
                    return Err(ReplayError::NestedTransaction { start });
                }
                self.transaction = Some((offset, self.state.clone()));
            }
            MetadataRecord::EndTransaction(_) => {
                self.transaction.take().ok_or(ReplayError::NoTransaction { name: record.name() })?;
            }
            MetadataRecord::AbortTransaction(_) => {
                let before =
                    self.transaction.take().ok_or(ReplayError::NoTransaction { name: record.name() })?;
                self.state = before.1;
            }
            MetadataRecord::Config(config)
                if !self
                    .schema
                    .is_supported(ConfigResourceType::from_code(config.resource_type), &config.name) => {}
            _ => {
                self.check_feature(record)?;
                self.state.replay(record, offset)?;
                self.update_sessions(record);
            }
        }
        self.next_write_offset = offset.saturating_add(1);
        Ok(())
    }

    fn check_feature(&self, record: &MetadataRecord) -> Result<(), ReplayError> {
        let MetadataRecord::FeatureLevel(feature) = record else { return Ok(()) };
        let range = self.local_feature(&feature.name);
        if range.contains(feature.feature_level) {
            return Ok(());
        }
        Err(ReplayError::UnsupportedFeatureLevel { name: feature.name.clone(), level: feature.feature_level })
    }

    fn update_sessions(&mut self, record: &MetadataRecord) {
        let Some(sessions) = &mut self.sessions else { return };
        let changed = match record {
            MetadataRecord::RegisterBroker(broker) => {
                sessions.remove(broker.broker_id);
                broker.broker_id
            }
            MetadataRecord::UnregisterBroker(broker) => {
                sessions.remove(broker.broker_id);
                return;
            }
            MetadataRecord::FenceBroker(broker) => broker.id,
            MetadataRecord::UnfenceBroker(broker) => broker.id,
            MetadataRecord::BrokerRegistrationChange(broker) => broker.broker_id,
            _ => return,
        };
        if let Some(broker) = self.state.image.cluster.broker(changed) {
            sessions.register(changed, broker.fenced);
        }
    }

    /// The state of now, to be restored if what comes after it turns out not to be committed. Cheap at any size.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            state: self.state.clone(),
            transaction: self.transaction.clone(),
            next_write_offset: self.next_write_offset,
        }
    }

    /// Goes back to an earlier state, as a controller must that has lost leadership with records uncommitted.
    pub fn restore(&mut self, checkpoint: Checkpoint) {
        self.state = checkpoint.state;
        self.transaction = checkpoint.transaction;
        self.next_write_offset = checkpoint.next_write_offset;
    }

    /// Stops deciding: another node leads.
    pub fn deactivate(&mut self) {
        self.sessions = None;
    }

    /// Whether this controller is active.
    pub fn is_active(&self) -> bool {
        self.sessions.is_some()
    }

    /// Everything replayed so far, uncommitted records and open transactions included.
    pub fn image(&self) -> &MetadataImage {
        &self.state.image
    }

    /// Takes `topics` in the place of the equal ones of its own image, so that they are in memory once where somebody else in this
    /// process follows the log, too.
    pub fn share_topics(&mut self, topics: &TopicsImage) {
        debug_assert_eq!(self.state.image.topics, *topics);
        self.state.image.topics = topics.clone();
    }

    /// Offset that the next record appended will get: one more than that of the last record replayed.
    pub fn next_write_offset(&self) -> i64 {
        self.next_write_offset
    }

    /// Offset at which the open transaction began.
    pub fn transaction_start_offset(&self) -> Option<i64> {
        self.transaction.as_ref().map(|(offset, _)| *offset)
    }

    /// When, in Unix milliseconds, [`Controller::maybe_fence_one_stale_broker`] may next have something to do.
    pub fn next_session_expiry_ms(&self) -> Option<i64> {
        self.sessions.as_ref().and_then(BrokerSessions::next_expiry_ms)
    }

    /// The finalized metadata version; the lowest while there is none, as in an empty log.
    pub(crate) fn metadata_version(&self) -> MetadataVersion {
        self.state.image.features.metadata_version().unwrap_or(MetadataVersion::MINIMUM)
    }

    pub(crate) fn is_elr_enabled(&self) -> bool {
        self.state.image.features.is_elr_enabled()
    }

    /// What this node supports of a feature.
    pub(crate) fn local_feature(&self, name: &str) -> VersionRange {
        self.options.supported_features.get(name).copied().unwrap_or(VersionRange::DISABLED)
    }

    pub(crate) fn topic_layers<'a>(&'a self, topic: &'a ConfigMap) -> TopicConfigLayers<'a> {
        let configs = &self.state.image.configs;
        TopicConfigLayers {
            topic,
            broker: configs.get(&ConfigResource::broker(self.options.node_id)),
            cluster: configs.get(&ConfigResource::default_broker()),
        }
    }

    fn topic_config(&self, topic: &str, key: &str) -> Option<String> {
        let configs = self.state.image.configs.get(&ConfigResource::topic(topic));
        self.schema.effective_topic_config(key, self.topic_layers(configs))
    }

    /// Whether a replica that is not in sync may lead rather than none.
    pub(crate) fn is_unclean_election_enabled(&self, topic: &str) -> bool {
        let value = self.topic_config(topic, UNCLEAN_LEADER_ELECTION_ENABLE);
        value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// How many replicas of a topic must be in sync, at most as many as it has.
    pub(crate) fn effective_min_isr(&self, topic: &str) -> usize {
        let configured = self.topic_config(topic, MIN_INSYNC_REPLICAS);
        let configured = configured.and_then(|value| value.trim().parse().ok()).unwrap_or(1);
        let topic = self.state.image.topics.topic(topic);
        let first = topic.and_then(|topic| topic.partitions.iter().next());
        configured.min(first.map_or(usize::MAX, |(_, partition)| partition.replicas.len()))
    }
}

#[cfg(test)]
#[path = "controller_test.rs"]
mod controller_test;

//! The broker follows the metadata: partitions come and go, settings change, then the image is shown to everybody
//! (`BrokerMetadataPublisher`).

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ottla_metadata::{ConfigResourceType, LocalReplica, LocalReplicaChanges, MetadataImage, PublishedImage};
use ottla_protocol::messages::BrokerHeartbeatRequest;
use ottla_protocol::{Str, TopicPartition, Uuid};
use ottla_storage::{CreateOptions, LogManager};

use crate::authentication::Authentication;
use crate::authorization::Authorization;
use crate::clock::now_ms;
use crate::cordon;
use crate::directories::{DirectoryNews, Placement};
use crate::drivers::group_coordinator::GroupCoordinator;
use crate::drivers::share_coordinator::ShareCoordinator;
use crate::drivers::transaction_coordinator::TransactionCoordinator;
use crate::dynamic_config::SharedConfig;
use crate::internal_topics::{CONSUMER_OFFSETS, SHARE_GROUP_STATE, TRANSACTION_STATE, is_internal};
use crate::partitions::{HostedTopic, Partition, Partitions};
use crate::quotas::Quotas;
use crate::share::ShareManager;

/// Applies images to the parts of a broker. Lives on the control thread.
pub struct Follower {
    /// `node.id`.
    pub node_id: i32,
    /// Partitions to keep.
    pub partitions: Arc<Partitions>,
    /// Their logs.
    pub logs: Arc<LogManager>,
    /// Groups follow the partitions of the offsets topic.
    pub groups: GroupCoordinator,
    /// Transactional ids follow the partitions of the transaction topic.
    pub transactions: TransactionCoordinator,
    /// The state of share groups follows the partitions of its topic.
    pub share_states: ShareCoordinator,
    /// Share groups' records in flight go with their topics.
    pub shares: Arc<ShareManager>,
    /// Told of replicas that lie elsewhere than the metadata says.
    pub directories: DirectoryNews,
    /// Settings.
    pub config: Arc<SharedConfig>,
    /// Who listeners know: delegation tokens come and go.
    pub authentication: Arc<Authentication>,
    /// Who may do what.
    pub authorization: Arc<Authorization>,
    /// How fast clients may go.
    pub quotas: Arc<Quotas>,
    /// Called when the quotas of addresses may have changed.
    pub on_ip_quotas: Box<dyn Fn(&MetadataImage) + Send>,
    /// What everybody sees.
    pub image: Arc<ArcSwap<MetadataImage>>,
    /// Called when the broker's own settings were set, if only to what they are.
    pub on_broker_config: Box<dyn Fn(&SharedConfig) + Send>,
    /// Whether the partitions of the first image may be new although their logs are missing.
    pub is_first: bool,
}

impl Follower {
    /// Makes the broker what the image says, then shows the image. What it returns is to be told to the controller.
    pub fn follow(&mut self, published: &PublishedImage) -> Option<BrokerHeartbeatRequest> {
        let changes = published.changes();
        let image = &published.image;
        if published.delta.names_broker_configs() {
            self.config.update(image);
            (self.on_broker_config)(&self.config);
            self.update_all_logs(image);
        }
        let local = published.delta.local_changes(self.node_id);
        self.delete(&local);
        self.lead(image, &local);
        for resource in &changes.configs {
            if resource.resource_type == ConfigResourceType::Topic {
                self.update_logs_of(image, &resource.name);
            }
        }
        self.groups
            .topics_deleted(changes.deleted_topics.iter().map(|(id, name)| (*id, name.clone())).collect());
        if self.is_first || !changes.acls.is_empty() {
            self.authorization.follow(image);
        }
        if self.is_first || !changes.client_quotas.is_empty() {
            self.quotas.follow(image);
            (self.on_ip_quotas)(image);
        }
        // Before the image: who sees a token there finds what belongs to it.
        if self.is_first {
            let tokens = image.delegation_tokens.iter();
            self.authentication.follow_tokens(image, tokens.map(|token| &token.token_id));
        } else {
            self.authentication.follow_tokens(image, &changes.delegation_tokens);
        }
        // Before the image too: who sees a topic there and joins a group of it stands behind this in the coordinator's queue.
        self.groups.metadata(image.clone());
        self.transactions.metadata(image.clone());
        self.share_states.metadata(image.clone());
        self.image.store(image.clone());
        if image.features.level("share.version") == 0 {
            self.shares.clear();
        }
        self.directories.placed(self.misplaced(&local));
        self.elect_coordinators(&local);
        self.is_first = false;
        cordon::heartbeat(self.node_id, &self.config.broker(), &self.logs, image)
    }

    fn delete(&self, local: &LocalReplicaChanges) {
        let mut gone: Vec<TopicPartition> = Vec::new();
        let mut topics: Vec<Uuid> = Vec::new();
        for deleted in &local.deletes {
            if &*deleted.topic == CONSUMER_OFFSETS {
                self.groups.resigned(deleted.partition);
            }
            if &*deleted.topic == TRANSACTION_STATE {
                self.transactions.resigned(deleted.partition);
            }
            if &*deleted.topic == SHARE_GROUP_STATE {
                self.share_states.resigned(deleted.partition);
            }
            gone.push(TopicPartition::new(deleted.topic.clone(), deleted.partition));
            if deleted.is_topic_deleted && !topics.contains(&deleted.topic_id) {
                topics.push(deleted.topic_id);
            }
        }
        self.shares.topics_deleted(&topics);
        for id in topics {
            if let Some(topic) = self.partitions.remove(id) {
                // Nobody is told that the topic is gone but by asking again.
                topic.partitions.iter().flatten().for_each(|p| p.fetch_waiters.wake_all());
            }
        }
        for (partition, why) in self.logs.delete(&gone, now_ms()) {
            tracing::error!(%partition, %why, "a log could not be deleted");
        }
    }

    fn lead(&self, image: &MetadataImage, local: &LocalReplicaChanges) {
        let mut by_topic: BTreeMap<(Uuid, Str), Vec<&LocalReplica>> = BTreeMap::new();
        for replica in local.leaders.iter().chain(&local.followers) {
            by_topic.entry((replica.topic_id, replica.topic.clone())).or_default().push(replica);
        }
        for ((id, name), replicas) in by_topic {
            let mut topic = match self.partitions.topic_by_id(id) {
                Some(topic) => HostedTopic::clone(&topic),
                None => HostedTopic { name: name.clone(), id, partitions: Vec::new() },
            };
            let config = Arc::new(self.config.log_config(image, &name));
            for replica in replicas {
                let at = usize::try_from(replica.partition).unwrap_or(0);
                if topic.partitions.len() <= at {
                    topic.partitions.resize(at + 1, None);
                }
                match &topic.partitions[at] {
                    Some(partition) => partition.set_leader_epoch(replica.registration.leader_epoch),
                    None => topic.partitions[at] = Some(Arc::new(self.host(replica, &config))),
                }
            }
            self.partitions.put(topic);
        }
    }

    /// The replicas that lie in another directory than the metadata says, if it says any. Where a broker has but one,
    /// the controller knows which without being told.
    fn misplaced(&self, local: &LocalReplicaChanges) -> Vec<Placement> {
        let placement = |replica: &LocalReplica| {
            let partition = self.partitions.get(&replica.topic, replica.partition)?;
            let directory = partition.log().ok()?.log_dir().id();
            let known = replica.registration.directory(self.node_id)?;
            let placement = Placement { topic: replica.topic_id, partition: replica.partition, directory };
            (known != directory).then_some(placement)
        };
        local.leaders.iter().chain(&local.followers).filter_map(placement).collect()
    }

    fn host(&self, replica: &LocalReplica, config: &Arc<ottla_storage::LogConfig>) -> Partition {
        let partition = TopicPartition::new(replica.topic.clone(), replica.partition);
        let options = CreateOptions {
            topic_id: Some(replica.topic_id),
            config: config.clone(),
            is_new: !self.is_first && replica.registration.leader_epoch == 0,
            directory_id: self.directory(),
            now_ms: now_ms(),
        };
        let leader_epoch = replica.registration.leader_epoch;
        let log = match self.logs.get_or_create(&partition, &options) {
            Ok(log) => {
                // The only replica: all of it is replicated.
                log.set_high_watermark(log.log_end_offset());
                Some(log)
            }
            Err(why) => {
                tracing::error!(%partition, %why, "the partition is offline");
                None
            }
        };
        Partition::new(replica.topic.clone(), replica.topic_id, replica.partition, leader_epoch, log)
    }

    /// Where a new log goes when some directories take none: the one with the fewest logs among the others.
    fn directory(&self) -> Option<Uuid> {
        let cordoned = cordon::directories(&self.config.broker(), &self.logs);
        if cordoned.is_empty() {
            return None;
        }
        let open = self.logs.live_dirs().filter(|dir| !cordoned.contains(&dir.id()));
        open.min_by_key(|dir| self.logs.logs_in(dir).len()).map(|dir| dir.id())
    }

    fn update_all_logs(&self, image: &MetadataImage) {
        for topic in self.partitions.all() {
            self.update_logs_of(image, &topic.name);
        }
    }

    fn update_logs_of(&self, image: &MetadataImage, name: &str) {
        let Some(topic) = self.partitions.topic(name) else { return };
        let config = Arc::new(self.config.log_config(image, name));
        for log in topic.partitions.iter().flatten().filter_map(|partition| partition.log().ok()) {
            log.update_config(config.clone());
        }
        // Retention looks at them, too.
        for copy in self.logs.future_logs().iter().filter(|copy| *copy.partition().topic == *name) {
            copy.update_config(config.clone());
        }
    }

    fn elect_coordinators(&self, local: &LocalReplicaChanges) {
        for replica in &local.leaders {
            if !is_internal(&replica.topic) {
                continue;
            }
            let Some(partition) = self.partitions.get(&replica.topic, replica.partition) else { continue };
            match &*replica.topic {
                CONSUMER_OFFSETS => self.groups.elected(partition),
                TRANSACTION_STATE => self.transactions.elected(partition),
                SHARE_GROUP_STATE => self.share_states.elected(partition),
                _ => {}
            }
        }
    }
}

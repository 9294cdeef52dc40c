//! Topics that the broker creates by itself: those that clients ask for, and its own (`AutoTopicCreationManager`).

use std::sync::Arc;

use ottla_controller::RequestOrigin;
use ottla_protocol::messages::CreateTopicsRequest;
use ottla_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla_protocol::{ErrorCode, Str};

use crate::broker::Broker;
use crate::clock::now_ms;
use crate::internal_topics::{CONSUMER_OFFSETS, SHARE_GROUP_STATE, TRANSACTION_STATE};
use crate::quotas::PartitionChanges;

/// Version in which the requests are made.
const CREATE_TOPICS_VERSION: i16 = 7;

impl Broker {
    /// Creates topics with the broker's defaults, as far as the quota of whoever asked allows. Failures are logged: whoever
    /// asked for the topic asks again.
    pub(crate) async fn auto_create(&self, names: Vec<Str>, quota: Option<Arc<PartitionChanges>>) {
        if names.is_empty() {
            return;
        }
        let topics = names.into_iter().map(|name| self.creatable(name)).collect();
        for (topic, why) in self.create_all(topics, quota).await {
            tracing::warn!(%topic, why, "a topic was not created");
        }
    }

    /// Creates topics. Returns those that are not there now, and why.
    pub(crate) async fn create_all(
        &self,
        topics: Vec<CreatableTopic>,
        quota: Option<Arc<PartitionChanges>>,
    ) -> Vec<(Str, String)> {
        let names: Vec<Str> = topics.iter().map(|topic| topic.name.clone()).collect();
        let request = CreateTopicsRequest { topics, timeout_ms: 30_000, ..Default::default() };
        let created = self
            .controller
            .run(CREATE_TOPICS_VERSION, RequestOrigin::Forwarded, move |controller, ctx| {
                if let Some(quota) = quota {
                    ctx.partition_changes =
                        Some(Box::new(move |partitions| quota.record(partitions, now_ms())));
                }
                controller.create_topics(&request, ctx)
            })
            .await;
        let response = match created {
            Err(error) => return names.into_iter().map(|name| (name, error.to_string())).collect(),
            Ok(response) => response,
        };
        let refused = response.topics.into_iter().filter_map(|topic| {
            let error = ErrorCode::from_code(topic.error_code);
            let is_refused = error.is_err() && error != ErrorCode::TopicAlreadyExists;
            let why = topic.error_message.filter(|message| !message.is_empty());
            is_refused
                .then(|| (topic.name, why.map_or_else(|| error.message().to_owned(), |why| why.to_string())))
        });
        refused.collect()
    }

    /// Creates one of the broker's own topics.
    pub async fn create_internal_topic(&self, name: &'static str) {
        self.auto_create(vec![Str::from_static(name)], None).await;
    }

    fn creatable(&self, name: Str) -> CreatableTopic {
        let alive = self.image().cluster.brokers().filter(|broker| !broker.fenced).count() as i16;
        let alive = alive.max(1);
        match &*name {
            CONSUMER_OFFSETS => self.consumer_offsets(name, alive),
            TRANSACTION_STATE => self.transaction_state(name, alive),
            SHARE_GROUP_STATE => self.share_group_state(name, alive),
            _ => CreatableTopic { name, num_partitions: -1, replication_factor: -1, ..Default::default() },
        }
    }

    fn consumer_offsets(&self, name: Str, alive: i16) -> CreatableTopic {
        let groups = &self.config.groups;
        CreatableTopic {
            name,
            num_partitions: groups.offsets_topic_num_partitions,
            // As far as there are brokers: a single node must serve groups whatever the default is.
            replication_factor: groups.offsets_topic_replication_factor.min(alive),
            configs: vec![
                config("cleanup.policy", "compact".into()),
                config("compression.type", "producer".into()),
                config("segment.bytes", groups.offsets_topic_segment_bytes.to_string()),
            ],
            ..Default::default()
        }
    }

    /// As `ShareCoordinatorService.shareGroupStateTopicConfigs` has it: the coordinator itself deletes what it
    /// does not need any more.
    fn share_group_state(&self, name: Str, alive: i16) -> CreatableTopic {
        let share = &self.config.share_coordinator;
        CreatableTopic {
            name,
            num_partitions: share.state_topic_num_partitions,
            replication_factor: share.state_topic_replication_factor.min(alive),
            configs: vec![
                config("cleanup.policy", "delete".into()),
                config("compression.type", "producer".into()),
                config("segment.bytes", share.state_topic_segment_bytes.to_string()),
                config("min.insync.replicas", share.state_topic_min_isr.to_string()),
                config("retention.ms", "-1".into()),
            ],
            ..Default::default()
        }
    }

    /// As `TransactionStateManager.transactionTopicConfigs` has it.
    fn transaction_state(&self, name: Str, alive: i16) -> CreatableTopic {
        let transactions = &self.config.transactions;
        CreatableTopic {
            name,
            num_partitions: transactions.state_log_num_partitions,
            replication_factor: transactions.state_log_replication_factor.min(alive),
            configs: vec![
                config("unclean.leader.election.enable", "false".into()),
                config("compression.type", "uncompressed".into()),
                config("cleanup.policy", "compact".into()),
                config("min.insync.replicas", transactions.state_log_min_isr.to_string()),
                config("segment.bytes", transactions.state_log_segment_bytes.to_string()),
            ],
            ..Default::default()
        }
    }
}

fn config(name: &'static str, value: String) -> CreatableTopicConfig {
    CreatableTopicConfig { name: Str::from_static(name), value: Some(Str::from(value)) }
}

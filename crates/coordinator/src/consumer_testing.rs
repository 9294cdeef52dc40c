//! What tests of consumer groups need beside [`World`]: topics, and members that speak the new protocol.

use std::sync::Arc;

use ottla_metadata::MetadataImage;
use ottla_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, PartitionRecord, TopicRecord,
};
use ottla_protocol::{ErrorCode, Str, Uuid};

use crate::testing::{GROUP, World, context};
use crate::{CoordinatorShard, Reply};

/// The id of a test's topic.
pub fn topic_id(name: &str) -> Uuid {
    let number = name.bytes().fold(7u64, |number, byte| number.wrapping_mul(31).wrapping_add(byte.into()));
    Uuid::from_parts(number, 1)
}

/// Metadata with these topics, as of `version`.
pub fn image_of(topics: &[(&str, i32)], version: i64) -> Arc<MetadataImage> {
    let mut image = MetadataImage::default();
    for (name, partitions) in topics {
        let record = TopicRecord { name: (*name).into(), topic_id: topic_id(name) };
        image.replay(&MetadataRecord::Topic(record)).unwrap();
        for partition_id in 0..*partitions {
            let record = PartitionRecord {
                partition_id,
                topic_id: topic_id(name),
                replicas: vec![1],
                isr: vec![1],
                leader: 1,
                ..Default::default()
            };
            image.replay(&MetadataRecord::Partition(record)).unwrap();
        }
    }
    image.provenance.last_contained_offset = version;
    Arc::new(image)
}

/// A member as its client sees it.
#[derive(Clone, Debug)]
pub struct Consumer {
    pub member_id: Str,
    pub instance_id: Option<Str>,
    pub epoch: i32,
    pub topics: Option<Vec<Str>>,
    pub regex: Option<Str>,
    pub assignor: Option<Str>,
    pub owned: Vec<(Str, Vec<i32>)>,
    pub rebalance_timeout_ms: i32,
}

impl Consumer {
    pub fn new(member_id: &str, topics: &[&str]) -> Self {
        Self {
            member_id: member_id.into(),
            instance_id: None,
            epoch: 0,
            topics: Some(topics.iter().map(|topic| Str::from(*topic)).collect()),
            regex: None,
            assignor: None,
            owned: Vec::new(),
            rebalance_timeout_ms: 30_000,
        }
    }

    pub fn instance(self, instance_id: &str) -> Self {
        Self { instance_id: Some(instance_id.into()), ..self }
    }

    pub fn regex(member_id: &str, regex: &str) -> Self {
        Self { topics: None, regex: Some(regex.into()), ..Self::new(member_id, &[]) }
    }

    /// A full request.
    pub fn request(&self) -> ConsumerGroupHeartbeatRequest {
        let owned = self.owned.iter().map(|(topic, partitions)| TopicPartitions {
            topic_id: topic_id(topic),
            partitions: partitions.clone(),
        });
        ConsumerGroupHeartbeatRequest {
            group_id: GROUP.into(),
            member_id: self.member_id.clone(),
            member_epoch: self.epoch,
            instance_id: self.instance_id.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            subscribed_topic_names: self.topics.clone(),
            subscribed_topic_regex: self.regex.clone(),
            server_assignor: self.assignor.clone(),
            topic_partitions: Some(if self.epoch == 0 { Vec::new() } else { owned.collect() }),
            ..Default::default()
        }
    }

    /// Takes over what the coordinator says; a client gives up at once what it is not to have.
    pub fn take(&mut self, response: &ConsumerGroupHeartbeatResponse, names: &[&str]) {
        self.epoch = response.member_epoch;
        let Some(assignment) = &response.assignment else { return };
        let topics = assignment.topic_partitions.iter().map(|topic| {
            let name = names.iter().find(|name| topic_id(name) == topic.topic_id).expect("a known topic");
            (Str::from(*name), topic.partitions.clone())
        });
        self.owned = topics.collect();
    }

    /// How many partitions the member has.
    pub fn load(&self) -> usize {
        self.owned.iter().map(|(_, partitions)| partitions.len()).sum()
    }
}

impl World {
    pub fn set_image(&mut self, image: Arc<MetadataImage>) {
        let now_ms = self.now_ms;
        let outcome = self.runtime.run(&mut self.log, now_ms, |shard| shard.on_metadata(image, now_ms));
        assert!(outcome.replies.is_empty());
    }

    pub fn set_topics(&mut self, topics: &[(&str, i32)]) {
        let version = self.log.records.len() as i64 + self.now_ms;
        self.set_image(image_of(topics, version));
    }

    pub fn consumer_request(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> ConsumerGroupHeartbeatResponse {
        let now_ms = self.now_ms;
        let uuid = Uuid::from_parts(9, self.requests_len() as u64);
        let id = self.run(|shard, id| shard.consumer_group_heartbeat(&context(1), request, id, uuid, now_ms));
        match self.replies.remove(&id) {
            Some(Reply::ConsumerGroupHeartbeat(response)) => response,
            other => panic!("{other:?}"),
        }
    }

    /// Sends a full heartbeat; the member takes over the answer.
    pub fn beat(&mut self, consumer: &mut Consumer, names: &[&str]) -> ErrorCode {
        let response = self.consumer_request(&consumer.request());
        let error = ErrorCode::from_code(response.error_code);
        match error {
            ErrorCode::None => consumer.take(&response, names),
            // The client gives everything up and joins anew.
            ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId | ErrorCode::GroupIdNotFound => {
                consumer.epoch = 0;
                consumer.owned.clear();
            }
            _ => {}
        }
        error
    }

    /// Leaves with this epoch: -1 for good, -2 for a while.
    pub fn consumer_leave(&mut self, consumer: &Consumer, epoch: i32) -> ErrorCode {
        let request = ConsumerGroupHeartbeatRequest {
            group_id: GROUP.into(),
            member_id: consumer.member_id.clone(),
            instance_id: consumer.instance_id.clone(),
            member_epoch: epoch,
            ..Default::default()
        };
        ErrorCode::from_code(self.consumer_request(&request).error_code)
    }

    /// All send heartbeats until nothing changes any more, a second apart.
    pub fn converge(&mut self, consumers: &mut [Consumer], names: &[&str]) {
        for _ in 0..12 {
            self.advance(1_000);
            for consumer in consumers.iter_mut() {
                self.beat(consumer, names);
            }
        }
    }
}

//! DescribeProducers (KIP-664), and the ending of one transaction at a partition.

use std::collections::BTreeSet;
use std::time::Duration;

use ottla_protocol::messages::describe_producers_request::TopicRequest;
use ottla_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState as ProducerData,
};
use ottla_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use ottla_protocol::messages::{
    DescribeProducersRequest, DescribeProducersResponse, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use ottla_protocol::{ErrorCode, TopicPartition};

use super::keyed::{Answer, Keyed};
use super::lookup::{Fixed, Leaders};
use super::offsets::by_topic;
use super::types::{known, known_epoch};
use super::{Admin, PerKey, TimeoutOptions};
use crate::cluster::Node;
use crate::{Error, Result};

/// Options of [`Admin::describe_producers`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeProducersOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// The replica that is asked; the leader when there is none.
    pub broker_id: Option<i32>,
}

/// A producer that a partition remembers (`ProducerState`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerState {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i32,
    /// Its last sequence number; -1 when there is none.
    pub last_sequence: i32,
    /// Time of its last record, in Unix ms; -1 when there is none.
    pub last_timestamp: i64,
    /// Epoch of the coordinator that wrote its last marker.
    pub coordinator_epoch: Option<i32>,
    /// Where its open transaction begins.
    pub current_transaction_start_offset: Option<i64>,
}

/// The transaction to end at a partition (`AbortTransactionSpec`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbortTransactionSpec {
    /// The partition.
    pub partition: TopicPartition,
    /// The producer.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// Epoch of the coordinator.
    pub coordinator_epoch: i32,
}

impl Admin {
    /// The producers that partitions remember.
    ///
    /// # Errors
    /// For each partition: NOT_LEADER_OR_FOLLOWER, TOPIC_AUTHORIZATION_FAILED, INVALID_TOPIC_EXCEPTION, ...
    pub async fn describe_producers(
        &self,
        partitions: &BTreeSet<TopicPartition>,
        options: &DescribeProducersOptions,
    ) -> PerKey<TopicPartition, Vec<ProducerState>> {
        let deadline = self.deadline(options.timeout);
        let handler = DescribeProducers { broker_id: options.broker_id };
        let keys = partitions.iter().cloned();
        match options.broker_id {
            Some(broker) => self.run_keyed(&handler, &Fixed(broker), keys, deadline).await,
            None => self.run_keyed(&handler, &Leaders { tolerate_unknown: true }, keys, deadline).await,
        }
    }

    /// Ends a transaction at a partition by a marker, without its coordinator: for one that hangs.
    ///
    /// # Errors
    /// CLUSTER_AUTHORIZATION_FAILED, INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED, ...
    pub async fn abort_transaction(
        &self,
        spec: &AbortTransactionSpec,
        options: &TimeoutOptions,
    ) -> Result<()> {
        let deadline = self.deadline(options.timeout);
        let route = Leaders { tolerate_unknown: true };
        let done = self.run_keyed(&Abort { spec }, &route, [spec.partition.clone()], deadline).await;
        let first = done.into_values().next();
        first.unwrap_or_else(|| Err(Error::Protocol("The answer holds no result for the partition".into())))
    }
}

struct DescribeProducers {
    broker_id: Option<i32>,
}

impl Keyed for DescribeProducers {
    type Key = TopicPartition;
    type Value = Vec<ProducerState>;
    type Request = DescribeProducersRequest;
    const NAME: &'static str = "describeProducers";

    fn request(&self, keys: &[TopicPartition], _: i16, _: i32) -> Result<DescribeProducersRequest> {
        let topics = by_topic(keys).into_iter().map(|(name, keys)| TopicRequest {
            name: name.clone(),
            partition_indexes: keys.into_iter().map(|key| key.partition).collect(),
        });
        Ok(DescribeProducersRequest { topics: topics.collect() })
    }

    fn respond(
        &self,
        _: &Node,
        _: &[TopicPartition],
        _: i16,
        response: DescribeProducersResponse,
    ) -> Answer<TopicPartition, Vec<ProducerState>> {
        let mut answer = Answer::default();
        for topic in response.topics {
            for partition in topic.partitions {
                let key = TopicPartition::new(topic.name.clone(), partition.partition_index);
                self.take(&mut answer, key, partition);
            }
        }
        answer
    }
}

impl DescribeProducers {
    fn take(
        &self,
        answer: &mut Answer<TopicPartition, Vec<ProducerState>>,
        key: TopicPartition,
        partition: PartitionResponse,
    ) {
        let code = ErrorCode::from_code(partition.error_code);
        let text = match (code, self.broker_id) {
            (ErrorCode::None, _) => {
                let producers = partition.active_producers.into_iter().map(producer);
                return answer.complete(key, producers.collect());
            }
            (ErrorCode::NotLeaderOrFollower, None) => return answer.unmapped.push(key),
            (ErrorCode::UnknownTopicOrPartition, _) => return,
            (ErrorCode::NotLeaderOrFollower, Some(broker)) => {
                format!("Failed to describe active producers for partition {key} on brokerId {broker}")
            }
            (ErrorCode::InvalidTopicException, _) => {
                let said = partition.error_message.as_deref().unwrap_or_else(|| code.message());
                format!("Failed to fetch metadata for partition {key} due to invalid topic error: {said}")
            }
            (ErrorCode::TopicAuthorizationFailed, _) => format!(
                "Failed to describe active producers for partition {key} due to authorization failure on topic `{}`",
                key.topic
            ),
            _ => {
                format!("Failed to describe active producers for partition {key} due to unexpected error")
            }
        };
        answer.fail(key, Error::api(code, Some(&text)));
    }
}

fn producer(data: ProducerData) -> ProducerState {
    ProducerState {
        producer_id: data.producer_id,
        producer_epoch: data.producer_epoch,
        last_sequence: data.last_sequence,
        last_timestamp: data.last_timestamp,
        coordinator_epoch: known_epoch(data.coordinator_epoch),
        current_transaction_start_offset: known(data.current_txn_start_offset),
    }
}

struct Abort<'a> {
    spec: &'a AbortTransactionSpec,
}

impl Keyed for Abort<'_> {
    type Key = TopicPartition;
    type Value = ();
    type Request = WriteTxnMarkersRequest;
    const NAME: &'static str = "abortTransaction";

    fn request(&self, keys: &[TopicPartition], _: i16, _: i32) -> Result<WriteTxnMarkersRequest> {
        let topics = by_topic(keys).into_iter().map(|(name, keys)| WritableTxnMarkerTopic {
            name: name.clone(),
            partition_indexes: keys.into_iter().map(|key| key.partition).collect(),
        });
        let marker = WritableTxnMarker {
            producer_id: self.spec.producer_id,
            producer_epoch: self.spec.producer_epoch,
            transaction_result: false,
            topics: topics.collect(),
            coordinator_epoch: self.spec.coordinator_epoch,
            ..Default::default()
        };
        Ok(WriteTxnMarkersRequest { markers: vec![marker] })
    }

    fn respond(
        &self,
        _: &Node,
        _: &[TopicPartition],
        _: i16,
        response: WriteTxnMarkersResponse,
    ) -> Answer<TopicPartition, ()> {
        let mut answer = Answer::default();
        let key = self.spec.partition.clone();
        let markers = response.markers.iter().filter(|marker| marker.producer_id == self.spec.producer_id);
        let topics = markers.flat_map(|marker| &marker.topics).filter(|topic| topic.name == key.topic);
        let mut partitions = topics.flat_map(|topic| &topic.partitions);
        let Some(found) = partitions.find(|it| it.partition_index == key.partition) else {
            let text = format!("WriteTxnMarkers response holds no entry for topic partition {key}");
            answer.fail(key, Error::Protocol(text));
            return answer;
        };
        let code = ErrorCode::from_code(found.error_code);
        let spec = self.spec;
        let why = match code {
            ErrorCode::None => {
                answer.complete(key, ());
                return answer;
            }
            ErrorCode::NotLeaderOrFollower
            | ErrorCode::ReplicaNotAvailable
            | ErrorCode::BrokerNotAvailable
            | ErrorCode::UnknownTopicOrPartition => {
                answer.unmapped.push(key);
                return answer;
            }
            ErrorCode::ClusterAuthorizationFailed => "failed due to cluster authorization error".to_owned(),
            ErrorCode::InvalidProducerEpoch => "failed due an invalid producer epoch".to_owned(),
            ErrorCode::TransactionCoordinatorFenced => format!(
                "failed since the provided coordinator epoch {} has been fenced by the active coordinator",
                spec.coordinator_epoch
            ),
            code => format!("failed due to unexpected error: {}", code.message()),
        };
        answer.fail(key, Error::api(code, Some(&format!("WriteTxnMarkers request with {spec} {why}"))));
        answer
    }
}

impl std::fmt::Display for AbortTransactionSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "AbortTransactionSpec(topicPartition={}, producerId={}, producerEpoch={}, coordinatorEpoch={})",
            self.partition, self.producer_id, self.producer_epoch, self.coordinator_epoch
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::write_txn_markers_response::{
        WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
    };

    fn node() -> Node {
        Node { id: 1, host: "h".into(), port: 9092, rack: None }
    }

    #[test]
    fn a_replica_that_was_chosen_is_not_looked_up_again() {
        let respond = |broker_id| {
            let partition =
                PartitionResponse { error_code: ErrorCode::NotLeaderOrFollower as i16, ..Default::default() };
            let mut answer = Answer::default();
            DescribeProducers { broker_id }.take(&mut answer, TopicPartition::new("t", 0), partition);
            (answer.settled.len(), answer.unmapped.len())
        };
        assert_eq!(respond(None), (0, 1));
        assert_eq!(respond(Some(1)), (1, 0));
    }

    #[test]
    fn one_marker_is_written_and_answered() {
        let spec = AbortTransactionSpec {
            partition: TopicPartition::new("t", 2),
            producer_id: 7,
            producer_epoch: 1,
            coordinator_epoch: 3,
        };
        let handler = Abort { spec: &spec };
        let request = handler.request(std::slice::from_ref(&spec.partition), 1, 0).unwrap();
        assert_eq!(request.markers[0].topics[0].partition_indexes, [2]);
        let respond = |producer_id, code: ErrorCode| {
            let partition = WritableTxnMarkerPartitionResult { partition_index: 2, error_code: code as i16 };
            let topic = WritableTxnMarkerTopicResult { name: "t".into(), partitions: vec![partition] };
            let marker = WritableTxnMarkerResult { producer_id, topics: vec![topic] };
            handler.respond(&node(), &[], 1, WriteTxnMarkersResponse { markers: vec![marker] })
        };
        assert!(respond(7, ErrorCode::None).settled[0].1.is_ok());
        assert!(respond(8, ErrorCode::None).settled[0].1.is_err());
        assert_eq!(respond(7, ErrorCode::NotLeaderOrFollower).unmapped.len(), 1);
        assert_eq!(
            respond(7, ErrorCode::InvalidProducerEpoch).settled[0].1.as_ref().unwrap_err().to_string(),
            "WriteTxnMarkers request with AbortTransactionSpec(topicPartition=t-2, producerId=7, \
             producerEpoch=1, coordinatorEpoch=3) failed due an invalid producer epoch"
        );
    }
}

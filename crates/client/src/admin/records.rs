//! DeleteRecords: records before an offset.

use std::collections::BTreeMap;

use ottla_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use ottla_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use ottla_protocol::{ErrorCode, TopicPartition};

use super::keyed::{Answer, Keyed};
use super::lookup::Leaders;
use super::offsets::{by_topic, fail_missing};
use super::{Admin, PerKey, TimeoutOptions};
use crate::cluster::Node;
use crate::{Error, Result};

/// The end of a partition, as an offset before which records are deleted.
pub const HIGH_WATERMARK: i64 = -1;

impl Admin {
    /// Deletes the records before an offset of each partition ([`HIGH_WATERMARK`]: all there are); gives the first
    /// offset that is left.
    ///
    /// # Errors
    /// For each partition: OFFSET_OUT_OF_RANGE, POLICY_VIOLATION (the topic is compacted), ...
    pub async fn delete_records(
        &self,
        before: &BTreeMap<TopicPartition, i64>,
        options: &TimeoutOptions,
    ) -> PerKey<TopicPartition, i64> {
        let deadline = self.deadline(options.timeout);
        let route = Leaders { tolerate_unknown: true };
        self.run_keyed(&DeleteRecords { before }, &route, before.keys().cloned(), deadline).await
    }
}

struct DeleteRecords<'a> {
    before: &'a BTreeMap<TopicPartition, i64>,
}

/// Errors after which the leader is looked up again (`InvalidMetadataException`).
fn means_other_leader(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotLeaderOrFollower
            | ErrorCode::LeaderNotAvailable
            | ErrorCode::ReplicaNotAvailable
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::KafkaStorageError
            | ErrorCode::ListenerNotFound
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::UnknownTopicId
            | ErrorCode::InconsistentTopicId
            | ErrorCode::NetworkException
    )
}

impl Keyed for DeleteRecords<'_> {
    type Key = TopicPartition;
    type Value = i64;
    type Request = DeleteRecordsRequest;
    const NAME: &'static str = "deleteRecords";

    fn request(&self, keys: &[TopicPartition], _: i16, timeout_ms: i32) -> Result<DeleteRecordsRequest> {
        let partition = |key: &TopicPartition| DeleteRecordsPartition {
            partition_index: key.partition,
            offset: self.before.get(key).copied().unwrap_or(0),
        };
        let topics = by_topic(keys).into_iter().map(|(name, keys)| DeleteRecordsTopic {
            name: name.clone(),
            partitions: keys.into_iter().map(partition).collect(),
        });
        Ok(DeleteRecordsRequest { topics: topics.collect(), timeout_ms })
    }

    fn respond(
        &self,
        broker: &Node,
        keys: &[TopicPartition],
        _: i16,
        response: DeleteRecordsResponse,
    ) -> Answer<TopicPartition, i64> {
        let mut answer = Answer::default();
        let mut seen = Vec::new();
        for topic in response.topics {
            for it in topic.partitions {
                let key = TopicPartition::new(topic.name.clone(), it.partition_index);
                seen.push(key.clone());
                match ErrorCode::from_code(it.error_code) {
                    ErrorCode::None => answer.complete(key, it.low_watermark),
                    code if means_other_leader(code) => answer.unmapped.push(key),
                    code if code.is_retriable() => {}
                    code => answer.fail(key, Error::api(code, None)),
                }
            }
        }
        fail_missing(&mut answer, broker, keys, &seen);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::delete_records_response::{
        DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
    };

    #[test]
    fn requests_and_answers_go_by_topic() {
        let key = |it| TopicPartition::new("t", it);
        let before = BTreeMap::from([(key(0), 5), (key(1), HIGH_WATERMARK), (key(2), 9)]);
        let handler = DeleteRecords { before: &before };
        let keys: Vec<_> = before.keys().cloned().collect();
        let request = handler.request(&keys, 2, 100).unwrap();
        let offsets: Vec<i64> = request.topics[0].partitions.iter().map(|it| it.offset).collect();
        assert_eq!(offsets, [5, -1, 9]);
        let partition = |index, code: ErrorCode| DeleteRecordsPartitionResult {
            partition_index: index,
            low_watermark: 5,
            error_code: code as i16,
        };
        let topic = DeleteRecordsTopicResult {
            name: "t".into(),
            partitions: vec![
                partition(0, ErrorCode::None),
                partition(1, ErrorCode::NotLeaderOrFollower),
                partition(2, ErrorCode::OffsetOutOfRange),
            ],
        };
        let response = DeleteRecordsResponse { topics: vec![topic], ..Default::default() };
        let broker = Node { id: 1, host: "h".into(), port: 1, rack: None };
        let answer = handler.respond(&broker, &keys, 2, response);
        assert_eq!(answer.unmapped, [key(1)]);
        assert_eq!(answer.settled.len(), 2);
        assert_eq!(*answer.settled[0].1.as_ref().unwrap(), 5);
    }
}

//! ListOffsets: the earliest, the latest and other offsets of partitions.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use ottla_protocol::{ErrorCode, Message, TopicPartition};

use super::keyed::{Answer, Keyed};
use super::lookup::Leaders;
use super::types::known_epoch;
use super::{Admin, IsolationLevel, PerKey};
use crate::cluster::Node;
use crate::{Error, Result};

/// Which offset of a partition is meant (`OffsetSpec`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first there is.
    Earliest,
    /// The one that the next record gets.
    Latest,
    /// The first at or after this time, in Unix ms.
    Timestamp(i64),
    /// That of the record with the greatest time (brokers from 3.0 on).
    MaxTimestamp,
    /// The first on the broker's own disk (3.4).
    EarliestLocal,
    /// The last in tiered storage (3.9).
    LatestTiered,
    /// The first that waits to be moved to tiered storage (4.2).
    EarliestPendingUpload,
}

impl OffsetSpec {
    /// The time that stands for it on the wire.
    pub fn timestamp(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::MaxTimestamp => -3,
            Self::EarliestLocal => -4,
            Self::LatestTiered => -5,
            Self::EarliestPendingUpload => -6,
            Self::Timestamp(ms) => ms,
        }
    }

    /// First version of ListOffsets that has it.
    fn version(self) -> i16 {
        match self {
            Self::EarliestPendingUpload => 11,
            Self::LatestTiered => 9,
            Self::EarliestLocal => 8,
            Self::MaxTimestamp => 7,
            _ => 1,
        }
    }
}

/// Options of [`Admin::list_offsets`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOffsetsOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// Whether open transactions end what is seen.
    pub isolation_level: IsolationLevel,
}

/// An offset that was asked for (`ListOffsetsResultInfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListOffsetsResultInfo {
    /// The offset; -1 when there is none.
    pub offset: i64,
    /// Time of the record there, in Unix ms; -1 when that was not asked for.
    pub timestamp: i64,
    /// Epoch of the leader that appended it.
    pub leader_epoch: Option<i32>,
}

impl Admin {
    /// Offsets of partitions, as their leaders know them.
    ///
    /// # Errors
    /// For each partition: UNKNOWN_TOPIC_OR_PARTITION, TOPIC_AUTHORIZATION_FAILED, UNSUPPORTED_VERSION, ...
    pub async fn list_offsets(
        &self,
        offsets: &BTreeMap<TopicPartition, OffsetSpec>,
        options: &ListOffsetsOptions,
    ) -> PerKey<TopicPartition, ListOffsetsResultInfo> {
        let handler = ListOffsets { offsets, options };
        let deadline = self.deadline(options.timeout);
        let route = Leaders { tolerate_unknown: false };
        self.run_keyed(&handler, &route, offsets.keys().cloned(), deadline).await
    }
}

struct ListOffsets<'a> {
    offsets: &'a BTreeMap<TopicPartition, OffsetSpec>,
    options: &'a ListOffsetsOptions,
}

impl ListOffsets<'_> {
    fn spec(&self, key: &TopicPartition) -> OffsetSpec {
        self.offsets.get(key).copied().unwrap_or(OffsetSpec::Latest)
    }
}

impl Keyed for ListOffsets<'_> {
    type Key = TopicPartition;
    type Value = ListOffsetsResultInfo;
    type Request = ListOffsetsRequest;
    const NAME: &'static str = "listOffsets";

    fn versions(&self, keys: &[TopicPartition]) -> (i16, i16) {
        let committed = self.options.isolation_level == IsolationLevel::ReadCommitted;
        let special = keys.iter().map(|key| self.spec(key).version()).max().unwrap_or(1);
        (special.max(if committed { 2 } else { 1 }), ListOffsetsRequest::MAX_VERSION)
    }

    fn request(&self, keys: &[TopicPartition], _: i16, timeout_ms: i32) -> Result<ListOffsetsRequest> {
        let partition = |key: &TopicPartition| ListOffsetsPartition {
            partition_index: key.partition,
            timestamp: self.spec(key).timestamp(),
            ..Default::default()
        };
        Ok(ListOffsetsRequest {
            replica_id: -1,
            isolation_level: self.options.isolation_level.id(),
            topics: by_topic(keys)
                .into_iter()
                .map(|(name, keys)| ListOffsetsTopic {
                    name: name.clone(),
                    partitions: keys.into_iter().map(partition).collect(),
                })
                .collect(),
            timeout_ms,
        })
    }

    fn respond(
        &self,
        broker: &Node,
        keys: &[TopicPartition],
        _: i16,
        response: ListOffsetsResponse,
    ) -> Answer<TopicPartition, ListOffsetsResultInfo> {
        let mut answer = Answer::default();
        let mut seen = Vec::new();
        for topic in response.topics {
            for partition in topic.partitions {
                let key = TopicPartition::new(topic.name.clone(), partition.partition_index);
                seen.push(key.clone());
                match ErrorCode::from_code(partition.error_code) {
                    ErrorCode::None => answer.complete(
                        key,
                        ListOffsetsResultInfo {
                            offset: partition.offset,
                            timestamp: partition.timestamp,
                            leader_epoch: known_epoch(partition.leader_epoch),
                        },
                    ),
                    ErrorCode::NotLeaderOrFollower | ErrorCode::LeaderNotAvailable => {
                        answer.unmapped.push(key)
                    }
                    code if code.is_retriable() => {}
                    code => answer.fail(key, Error::api(code, None)),
                }
            }
        }
        fail_missing(&mut answer, broker, keys, &seen);
        answer
    }

    /// Only the partitions for which something newer was asked fail; the others are asked for again without them.
    fn unsupported(
        &self,
        keys: &[TopicPartition],
        error: &Error,
    ) -> Vec<(TopicPartition, Result<ListOffsetsResultInfo>)> {
        let newer: Vec<&TopicPartition> = keys.iter().filter(|key| self.spec(key).version() > 1).collect();
        let failed = if newer.is_empty() { keys.iter().collect() } else { newer };
        failed.into_iter().map(|key| (key.clone(), Err(error.clone()))).collect()
    }
}

/// Partitions grouped by their topic.
pub(super) fn by_topic(keys: &[TopicPartition]) -> BTreeMap<&ottla_protocol::Str, Vec<&TopicPartition>> {
    let mut topics: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for key in keys {
        topics.entry(&key.topic).or_default().push(key);
    }
    topics
}

/// Partitions that a leader was asked for and did not mention fail, unless others moved away meanwhile.
pub(super) fn fail_missing<V>(
    answer: &mut Answer<TopicPartition, V>,
    broker: &Node,
    keys: &[TopicPartition],
    seen: &[TopicPartition],
) {
    if !answer.unmapped.is_empty() {
        return;
    }
    for key in keys.iter().filter(|key| !seen.contains(key)) {
        let text = format!(
            "The response from broker {} did not contain a result for topic partition {key}",
            broker.id
        );
        answer.fail(key.clone(), Error::Protocol(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::list_offsets_response::{
        ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
    };

    fn key(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    #[test]
    fn newer_offsets_need_newer_brokers() {
        let offsets = BTreeMap::from([
            (key(0), OffsetSpec::Latest),
            (key(1), OffsetSpec::MaxTimestamp),
            (key(2), OffsetSpec::Timestamp(5)),
        ]);
        let options = ListOffsetsOptions::default();
        let handler = ListOffsets { offsets: &offsets, options: &options };
        assert_eq!(handler.versions(&[key(0), key(2)]).0, 1);
        assert_eq!(handler.versions(&[key(0), key(1)]).0, 7);
        let error = Error::UnsupportedVersion("old".into());
        let failed = handler.unsupported(&[key(0), key(1)], &error);
        assert_eq!(failed.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), [key(1)]);
        assert_eq!(handler.unsupported(&[key(0), key(2)], &error).len(), 2);
        let request = handler.request(&[key(0), key(1), key(2)], 9, 10).unwrap();
        let times: Vec<i64> = request.topics[0].partitions.iter().map(|it| it.timestamp).collect();
        assert_eq!(times, [-1, -3, 5]);
    }

    #[test]
    fn answers_are_sorted() {
        let offsets: BTreeMap<_, _> = (0..4).map(|it| (key(it), OffsetSpec::Latest)).collect();
        let options = ListOffsetsOptions::default();
        let handler = ListOffsets { offsets: &offsets, options: &options };
        let partition = |index, code: ErrorCode| ListOffsetsPartitionResponse {
            partition_index: index,
            error_code: code as i16,
            offset: 9,
            ..Default::default()
        };
        let respond = |partitions: Vec<ListOffsetsPartitionResponse>| {
            let topics = vec![ListOffsetsTopicResponse { name: "t".into(), partitions }];
            let keys: Vec<_> = (0..3).map(key).collect();
            let broker = Node { id: 4, host: "h".into(), port: 1, rack: None };
            handler.respond(&broker, &keys, 9, ListOffsetsResponse { topics, ..Default::default() })
        };
        let answer =
            respond(vec![partition(0, ErrorCode::None), partition(1, ErrorCode::NotLeaderOrFollower)]);
        assert_eq!(answer.settled.len(), 1);
        assert_eq!(answer.unmapped, [key(1)]);
        let answer =
            respond(vec![partition(0, ErrorCode::None), partition(1, ErrorCode::OffsetNotAvailable)]);
        assert_eq!(answer.settled.len(), 2);
        assert_eq!(
            answer.settled[1].1.as_ref().unwrap_err().to_string(),
            "The response from broker 4 did not contain a result for topic partition t-2"
        );
    }
}

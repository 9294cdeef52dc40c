//! Answers with an error for each topic, or for each of its partitions.

use bytes::Bytes;
use ottla_protocol::messages::*;
use ottla_protocol::{Records, Str, Uuid};

use super::{CODE, Failure, Refuse, each};

/// First version of Fetch whose clients look at the error of the whole alone.
const FETCH_WHOLE_VERSION: i16 = 13;
/// First version of AddPartitionsToTxn that is about many transactions.
const MANY_TRANSACTIONS_VERSION: i16 = 4;
/// First version of OffsetFetch with an error of the whole, and first that asks for many groups.
const OFFSETS_WHOLE_VERSION: i16 = 2;
const MANY_GROUPS_VERSION: i16 = 8;

impl Refuse for ProduceRequest {
    fn refuse(self, failure: &Failure) -> Option<ProduceResponse> {
        use produce_response::{PartitionProduceResponse, TopicProduceResponse};
        if self.acks == 0 {
            return None;
        }
        let responses = each(self.topic_data, |topic| TopicProduceResponse {
            name: topic.name,
            topic_id: topic.topic_id,
            partition_responses: each(topic.partition_data, |partition| PartitionProduceResponse {
                index: partition.index,
                error_code: CODE,
                base_offset: -1,
                log_start_offset: -1,
                error_message: failure.particular(),
                ..Default::default()
            }),
        });
        Some(ProduceResponse { responses, ..Default::default() })
    }
}

impl Refuse for FetchRequest {
    fn refuse(self, failure: &Failure) -> Option<FetchResponse> {
        use fetch_response::{FetchableTopicResponse, PartitionData};
        let topics = if failure.version < FETCH_WHOLE_VERSION { self.topics } else { Vec::new() };
        let responses = each(topics, |topic| FetchableTopicResponse {
            topic: topic.topic,
            topic_id: topic.topic_id,
            partitions: each(topic.partitions, |partition| PartitionData {
                partition_index: partition.partition,
                error_code: CODE,
                high_watermark: -1,
                records: Some(Records::Bytes(Bytes::new())),
                ..Default::default()
            }),
        });
        Some(FetchResponse { error_code: CODE, session_id: self.session_id, responses, ..Default::default() })
    }
}

impl Refuse for ListOffsetsRequest {
    fn refuse(self, _: &Failure) -> Option<ListOffsetsResponse> {
        use list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
        let topics = each(self.topics, |topic| ListOffsetsTopicResponse {
            name: topic.name,
            partitions: each(topic.partitions, |partition| ListOffsetsPartitionResponse {
                partition_index: partition.partition_index,
                error_code: CODE,
                ..Default::default()
            }),
        });
        Some(ListOffsetsResponse { topics, ..Default::default() })
    }
}

impl Refuse for MetadataRequest {
    fn refuse(self, _: &Failure) -> Option<MetadataResponse> {
        let topics =
            each(self.topics.unwrap_or_default(), |topic| metadata_response::MetadataResponseTopic {
                error_code: CODE,
                name: Some(topic.name.unwrap_or_default()),
                topic_id: topic.topic_id,
                ..Default::default()
            });
        Some(MetadataResponse { topics, error_code: CODE, ..Default::default() })
    }
}

impl Refuse for DescribeTopicPartitionsRequest {
    fn refuse(self, _: &Failure) -> Option<DescribeTopicPartitionsResponse> {
        use describe_topic_partitions_response::DescribeTopicPartitionsResponseTopic;
        let topics = each(self.topics, |topic| DescribeTopicPartitionsResponseTopic {
            error_code: CODE,
            name: Some(topic.name),
            ..Default::default()
        });
        Some(DescribeTopicPartitionsResponse { topics, ..Default::default() })
    }
}

impl Refuse for OffsetCommitRequest {
    fn refuse(self, _: &Failure) -> Option<OffsetCommitResponse> {
        use offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
        let topics = each(self.topics, |topic| OffsetCommitResponseTopic {
            name: topic.name,
            topic_id: topic.topic_id,
            partitions: each(topic.partitions, |partition| OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: CODE,
            }),
        });
        Some(OffsetCommitResponse { topics, ..Default::default() })
    }
}

impl Refuse for TxnOffsetCommitRequest {
    fn refuse(self, _: &Failure) -> Option<TxnOffsetCommitResponse> {
        use txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic};
        let topics = each(self.topics, |topic| TxnOffsetCommitResponseTopic {
            name: topic.name,
            partitions: each(topic.partitions, |partition| TxnOffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: CODE,
            }),
        });
        Some(TxnOffsetCommitResponse { topics, ..Default::default() })
    }
}

impl Refuse for OffsetFetchRequest {
    fn refuse(self, failure: &Failure) -> Option<OffsetFetchResponse> {
        use offset_fetch_response::{
            OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponseTopic,
        };
        if failure.version >= MANY_GROUPS_VERSION {
            let groups = each(self.groups, |group| OffsetFetchResponseGroup {
                group_id: group.group_id,
                error_code: CODE,
                ..Default::default()
            });
            return Some(OffsetFetchResponse { groups, ..Default::default() });
        }
        if failure.version >= OFFSETS_WHOLE_VERSION {
            return Some(OffsetFetchResponse { error_code: CODE, ..Default::default() });
        }
        let topics = each(self.topics.unwrap_or_default(), |topic| OffsetFetchResponseTopic {
            name: topic.name,
            partitions: each(topic.partition_indexes, |partition_index| OffsetFetchResponsePartition {
                partition_index,
                committed_offset: -1,
                metadata: Some(Str::new()),
                error_code: CODE,
                ..Default::default()
            }),
        });
        Some(OffsetFetchResponse { topics, ..Default::default() })
    }
}

impl Refuse for OffsetForLeaderEpochRequest {
    fn refuse(self, _: &Failure) -> Option<OffsetForLeaderEpochResponse> {
        use offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
        let topics = each(self.topics, |topic| OffsetForLeaderTopicResult {
            topic: topic.topic,
            partitions: each(topic.partitions, |partition| EpochEndOffset {
                partition: partition.partition,
                error_code: CODE,
                ..Default::default()
            }),
        });
        Some(OffsetForLeaderEpochResponse { topics, ..Default::default() })
    }
}

impl Refuse for CreateTopicsRequest {
    fn refuse(self, failure: &Failure) -> Option<CreateTopicsResponse> {
        let topics = each(self.topics, |topic| create_topics_response::CreatableTopicResult {
            name: topic.name,
            error_code: CODE,
            error_message: failure.particular(),
            ..Default::default()
        });
        Some(CreateTopicsResponse { topics, ..Default::default() })
    }
}

impl Refuse for DeleteTopicsRequest {
    fn refuse(self, _: &Failure) -> Option<DeleteTopicsResponse> {
        use delete_topics_response::DeletableTopicResult;
        let by_name = self.topic_names.into_iter().map(|name| (Some(name), Uuid::ZERO));
        let topics = by_name.chain(self.topics.into_iter().map(|topic| (topic.name, topic.topic_id)));
        let responses = each(topics, |(name, topic_id)| DeletableTopicResult {
            name,
            topic_id,
            error_code: CODE,
            ..Default::default()
        });
        Some(DeleteTopicsResponse { responses, ..Default::default() })
    }
}

impl Refuse for CreatePartitionsRequest {
    fn refuse(self, failure: &Failure) -> Option<CreatePartitionsResponse> {
        let results = each(self.topics, |topic| create_partitions_response::CreatePartitionsTopicResult {
            name: topic.name,
            error_code: CODE,
            error_message: failure.particular(),
        });
        Some(CreatePartitionsResponse { results, ..Default::default() })
    }
}

impl Refuse for DeleteRecordsRequest {
    fn refuse(self, _: &Failure) -> Option<DeleteRecordsResponse> {
        use delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
        let topics = each(self.topics, |topic| DeleteRecordsTopicResult {
            name: topic.name,
            partitions: each(topic.partitions, |partition| DeleteRecordsPartitionResult {
                partition_index: partition.partition_index,
                low_watermark: -1,
                error_code: CODE,
            }),
        });
        Some(DeleteRecordsResponse { topics, ..Default::default() })
    }
}

impl Refuse for AddPartitionsToTxnRequest {
    fn refuse(self, failure: &Failure) -> Option<AddPartitionsToTxnResponse> {
        use add_partitions_to_txn_response::{
            AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
        };
        if failure.version >= MANY_TRANSACTIONS_VERSION {
            return Some(AddPartitionsToTxnResponse { error_code: CODE, ..Default::default() });
        }
        let topics = each(self.v3_and_below_topics, |topic| AddPartitionsToTxnTopicResult {
            name: topic.name,
            results_by_partition: each(topic.partitions, |partition_index| {
                AddPartitionsToTxnPartitionResult { partition_index, partition_error_code: CODE }
            }),
        });
        Some(AddPartitionsToTxnResponse { results_by_topic_v3_and_below: topics, ..Default::default() })
    }
}

impl Refuse for WriteTxnMarkersRequest {
    fn refuse(self, _: &Failure) -> Option<WriteTxnMarkersResponse> {
        use write_txn_markers_response::{
            WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
        };
        let markers = each(self.markers, |marker| WritableTxnMarkerResult {
            producer_id: marker.producer_id,
            topics: each(marker.topics, |topic| WritableTxnMarkerTopicResult {
                name: topic.name,
                partitions: each(topic.partition_indexes, |partition_index| {
                    WritableTxnMarkerPartitionResult { partition_index, error_code: CODE }
                }),
            }),
        });
        Some(WriteTxnMarkersResponse { markers })
    }
}

impl Refuse for AlterReplicaLogDirsRequest {
    fn refuse(self, _: &Failure) -> Option<AlterReplicaLogDirsResponse> {
        use alter_replica_log_dirs_response::{
            AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
        };
        let topics = self.dirs.into_iter().flat_map(|dir| dir.topics);
        let results = each(topics, |topic| AlterReplicaLogDirTopicResult {
            topic_name: topic.name,
            partitions: each(topic.partitions, |partition_index| AlterReplicaLogDirPartitionResult {
                partition_index,
                error_code: CODE,
            }),
        });
        Some(AlterReplicaLogDirsResponse { results, ..Default::default() })
    }
}

impl Refuse for ElectLeadersRequest {
    fn refuse(self, failure: &Failure) -> Option<ElectLeadersResponse> {
        use elect_leaders_response::{PartitionResult, ReplicaElectionResult};
        let results = each(self.topic_partitions.unwrap_or_default(), |topic| ReplicaElectionResult {
            topic: topic.topic,
            partition_result: each(topic.partitions, |partition_id| PartitionResult {
                partition_id,
                error_code: CODE,
                error_message: failure.particular(),
            }),
        });
        Some(ElectLeadersResponse {
            // Version 0 has no error of the whole.
            error_code: if failure.version > 0 { CODE } else { 0 },
            replica_election_results: results,
            ..Default::default()
        })
    }
}

impl Refuse for AlterPartitionReassignmentsRequest {
    fn refuse(self, failure: &Failure) -> Option<AlterPartitionReassignmentsResponse> {
        use alter_partition_reassignments_response::{
            ReassignablePartitionResponse, ReassignableTopicResponse,
        };
        let responses = each(self.topics, |topic| ReassignableTopicResponse {
            name: topic.name,
            partitions: each(topic.partitions, |partition| ReassignablePartitionResponse {
                partition_index: partition.partition_index,
                error_code: CODE,
                error_message: failure.particular(),
            }),
        });
        Some(AlterPartitionReassignmentsResponse {
            error_code: CODE,
            error_message: failure.particular(),
            responses,
            ..Default::default()
        })
    }
}

impl Refuse for ListPartitionReassignmentsRequest {
    fn refuse(self, failure: &Failure) -> Option<ListPartitionReassignmentsResponse> {
        use list_partition_reassignments_response::{OngoingPartitionReassignment, OngoingTopicReassignment};
        let topics = each(self.topics.unwrap_or_default(), |topic| OngoingTopicReassignment {
            name: topic.name,
            partitions: each(topic.partition_indexes, |partition_index| OngoingPartitionReassignment {
                partition_index,
                ..Default::default()
            }),
        });
        Some(ListPartitionReassignmentsResponse {
            error_code: CODE,
            error_message: failure.particular(),
            topics,
            ..Default::default()
        })
    }
}

impl Refuse for DescribeProducersRequest {
    fn refuse(self, _: &Failure) -> Option<DescribeProducersResponse> {
        use describe_producers_response::{PartitionResponse, TopicResponse};
        let topics = each(self.topics, |topic| TopicResponse {
            name: topic.name,
            partitions: each(topic.partition_indexes, |partition_index| PartitionResponse {
                partition_index,
                error_code: CODE,
                ..Default::default()
            }),
        });
        Some(DescribeProducersResponse { topics, ..Default::default() })
    }
}

/// The requests of the share coordinator's state are alike.
macro_rules! state {
    ($($request:ident: $response:ident of $result:ident in $module:ident, $message:expr $(, $more:tt)?;)*) => {$(
        impl Refuse for $request {
            fn refuse(self, failure: &Failure) -> Option<$response> {
                let results = each(self.topics, |topic| $module::$result {
                    topic_id: topic.topic_id,
                    partitions: each(topic.partitions, |partition| $module::PartitionResult {
                        partition: partition.partition,
                        error_code: CODE,
                        error_message: $message(failure),
                        $($more Default::default())?
                    }),
                });
                Some($response { results })
            }
        }
    )*};
}

fn unsaid(_: &Failure) -> Option<Str> {
    None
}

state! {
    InitializeShareGroupStateRequest: InitializeShareGroupStateResponse of InitializeStateResult
        in initialize_share_group_state_response, unsaid;
    ReadShareGroupStateRequest: ReadShareGroupStateResponse of ReadStateResult in read_share_group_state_response, Failure::general, ..;
    WriteShareGroupStateRequest: WriteShareGroupStateResponse of WriteStateResult in write_share_group_state_response, Failure::general;
    DeleteShareGroupStateRequest: DeleteShareGroupStateResponse of DeleteStateResult in delete_share_group_state_response, unsaid;
    ReadShareGroupStateSummaryRequest: ReadShareGroupStateSummaryResponse of ReadStateSummaryResult
        in read_share_group_state_summary_response, Failure::general, ..;
}

//! DescribeQuorum (key 55), versions 0-2: the metadata quorum (KIP-595, KIP-836), here a quorum of one.

use ottla_metadata::AclOperation;
use ottla_protocol::messages::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use ottla_protocol::messages::{DescribeQuorumRequest, DescribeQuorumResponse};
use ottla_protocol::{ErrorCode, Str};

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

const METADATA_TOPIC: &str = "__cluster_metadata";

/// Answers for the metadata partition; any other is unknown.
pub fn handle(
    ctx: &RequestContext,
    broker: &Broker,
    request: DescribeQuorumRequest,
) -> DescribeQuorumResponse {
    if !broker.may(ctx, AclOperation::Describe, Resource::Cluster) {
        let error = ErrorCode::ClusterAuthorizationFailed;
        return DescribeQuorumResponse {
            error_code: error.code(),
            error_message: Some(Str::from(ctx.not_authorized())),
            ..Default::default()
        };
    }
    let is_metadata = matches!(
        request.topics.as_slice(),
        [topic] if &*topic.topic_name == METADATA_TOPIC
            && matches!(topic.partitions.as_slice(), [p] if p.partition_index == 0)
    );
    if !is_metadata {
        return unknown(request);
    }
    let quorum = broker.controller.quorum_state();
    let voter = ReplicaState {
        replica_id: broker.node_id,
        replica_directory_id: quorum.directory_id,
        log_end_offset: quorum.log_end_offset,
        last_fetch_timestamp: ctx.now_ms,
        last_caught_up_timestamp: ctx.now_ms,
    };
    let partition = PartitionData {
        partition_index: 0,
        leader_id: broker.node_id,
        leader_epoch: quorum.leader_epoch,
        high_watermark: quorum.high_watermark,
        current_voters: vec![voter],
        ..Default::default()
    };
    let listeners = quorum
        .listeners
        .iter()
        .map(|l| Listener { name: l.name.clone(), host: l.host.clone(), port: l.port })
        .collect();
    DescribeQuorumResponse {
        topics: vec![TopicData { topic_name: Str::from_static(METADATA_TOPIC), partitions: vec![partition] }],
        nodes: vec![Node { node_id: broker.node_id, listeners }],
        ..Default::default()
    }
}

fn unknown(request: DescribeQuorumRequest) -> DescribeQuorumResponse {
    let error = ErrorCode::UnknownTopicOrPartition;
    let partition = |index| PartitionData {
        partition_index: index,
        error_code: error.code(),
        error_message: Some(Str::from_static(error.message())),
        ..Default::default()
    };
    let topics = request
        .topics
        .into_iter()
        .map(|topic| TopicData {
            topic_name: topic.topic_name,
            partitions: topic.partitions.iter().map(|p| partition(p.partition_index)).collect(),
        })
        .collect();
    DescribeQuorumResponse { topics, ..Default::default() }
}

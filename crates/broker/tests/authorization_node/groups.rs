//! What the APIs of groups and transactions need.

use ottla_metadata::AclOperation::{ClusterAction, Delete, Describe, IdempotentWrite, Read, Write};
use ottla_metadata::AclResourceType::{Cluster, Group, Topic, TransactionalId};
use ottla_protocol::ErrorCode::{
    ClusterAuthorizationFailed, GroupAuthorizationFailed, TransactionalIdAuthorizationFailed,
};
use ottla_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use ottla_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use ottla_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use ottla_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla_protocol::messages::streams_group_heartbeat_request::{Subtopology, Topology};
use ottla_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use ottla_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use ottla_protocol::messages::*;

use super::{Node, until};

const CLUSTER: &str = "kafka-cluster";

pub fn classic(node: &mut Node) {
    let request = FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() };
    node.needs(&[(Group, "g", Describe)], GroupAuthorizationFailed, &request, 4);
    let request =
        FindCoordinatorRequest { key_type: 1, coordinator_keys: vec!["x".into()], ..Default::default() };
    node.needs(&[(TransactionalId, "x", Describe)], TransactionalIdAuthorizationFailed, &request, 4);
    let request = FindCoordinatorRequest { key: "g".into(), ..Default::default() };
    node.needs(&[(Group, "g", Describe)], GroupAuthorizationFailed, &request, 2);
    let key = format!("g:{}:0", node.topic_id("t"));
    let request =
        FindCoordinatorRequest { key_type: 2, coordinator_keys: vec![key.into()], ..Default::default() };
    node.needs(&[(Cluster, CLUSTER, ClusterAction)], ClusterAuthorizationFailed, &request, 6);
    let read = [(Group, "g", Read)];
    let protocol = JoinGroupRequestProtocol { name: "range".into(), metadata: Default::default() };
    let request = JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..Default::default()
    };
    node.needs(&read, GroupAuthorizationFailed, &request, 9);
    let request = SyncGroupRequest {
        group_id: "g".into(),
        member_id: "m".into(),
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        ..Default::default()
    };
    node.needs(&read, GroupAuthorizationFailed, &request, 5);
    let request = HeartbeatRequest { group_id: "g".into(), member_id: "m".into(), ..Default::default() };
    node.needs(&read, GroupAuthorizationFailed, &request, 4);
    let request = LeaveGroupRequest { group_id: "g".into(), ..Default::default() };
    node.needs(&read, GroupAuthorizationFailed, &request, 5);
    let request = DescribeGroupsRequest { groups: vec!["g".into()], ..Default::default() };
    node.needs(&[(Group, "g", Describe)], GroupAuthorizationFailed, &request, 5);
    let request = DeleteGroupsRequest { groups_names: vec!["gone".into()] };
    node.needs(&[(Group, "gone", Delete)], GroupAuthorizationFailed, &request, 2);
}

pub fn offsets(node: &mut Node) {
    let partitions = vec![OffsetCommitRequestPartition { committed_offset: 1, ..Default::default() }];
    let topics = vec![OffsetCommitRequestTopic { name: "t".into(), partitions, ..Default::default() }];
    let mut request = OffsetCommitRequest {
        group_id: "simple".into(),
        generation_id_or_member_epoch: -1,
        topics,
        ..Default::default()
    };
    let read_both = [(Group, "simple", Read), (Topic, "t", Read)];
    node.needs(&read_both, GroupAuthorizationFailed, &request, 9);
    request.topics[0].topic_id = node.topic_id("t");
    node.needs(&read_both, GroupAuthorizationFailed, &request, 10);
    let topics =
        vec![OffsetFetchRequestTopics { name: "t".into(), partition_indexes: vec![0], ..Default::default() }];
    let group =
        OffsetFetchRequestGroup { group_id: "simple".into(), topics: Some(topics), ..Default::default() };
    let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
    let describe_both = [(Group, "simple", Describe), (Topic, "t", Describe)];
    node.needs(&describe_both, GroupAuthorizationFailed, &request, 9);
    let partitions = vec![OffsetDeleteRequestPartition { partition_index: 0 }];
    let topics = vec![OffsetDeleteRequestTopic { name: "t".into(), partitions }];
    let request = OffsetDeleteRequest { group_id: "simple".into(), topics };
    let rights = [(Group, "simple", Delete), (Topic, "t", Read)];
    node.needs(&rights, GroupAuthorizationFailed, &request, 0);
}

pub fn newer(node: &mut Node) {
    let names = Some(vec!["t".into()]);
    let rights = |group: &'static str| [(Group, group, Read), (Topic, "t", Describe)];
    let request = ConsumerGroupHeartbeatRequest {
        group_id: "c".into(),
        member_id: "m".into(),
        rebalance_timeout_ms: 1000,
        subscribed_topic_names: names.clone(),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    };
    node.needs(&rights("c"), GroupAuthorizationFailed, &request, 1);
    // The group has a member with partitions of the topic from now on.
    until(
        || node.admin.call(&request, 1),
        |response| response.assignment.as_ref().is_some_and(|all| !all.topic_partitions.is_empty()),
    );
    let request = ConsumerGroupDescribeRequest { group_ids: vec!["c".into()], ..Default::default() };
    node.needs(&[(Group, "c", Describe), (Topic, "t", Describe)], GroupAuthorizationFailed, &request, 1);
    let subtopology =
        Subtopology { subtopology_id: "0".into(), source_topics: vec!["t".into()], ..Default::default() };
    let request = StreamsGroupHeartbeatRequest {
        group_id: "s".into(),
        member_id: "m".into(),
        rebalance_timeout_ms: 1000,
        topology: Some(Topology { epoch: 0, subtopologies: vec![subtopology] }),
        active_tasks: Some(Vec::new()),
        standby_tasks: Some(Vec::new()),
        warmup_tasks: Some(Vec::new()),
        process_id: Some("p".into()),
        ..Default::default()
    };
    node.needs(&rights("s"), GroupAuthorizationFailed, &request, 0);
    until(|| node.admin.call(&request, 0), |response| response.error_code == 0);
    let request = StreamsGroupDescribeRequest { group_ids: vec!["s".into()], ..Default::default() };
    node.needs(&[(Group, "s", Describe), (Topic, "t", Describe)], GroupAuthorizationFailed, &request, 0);
}

pub fn share(node: &mut Node) {
    let topic_id = node.topic_id("t");
    let mut request = ShareGroupHeartbeatRequest {
        group_id: "h".into(),
        member_id: "m".into(),
        subscribed_topic_names: Some(vec!["t".into()]),
        ..Default::default()
    };
    node.needs(&[(Group, "h", Read), (Topic, "t", Describe)], GroupAuthorizationFailed, &request, 1);
    until(
        || {
            let response = node.admin.call(&request, 1);
            request.member_epoch = response.member_epoch;
            response
        },
        |response| response.assignment.as_ref().is_some_and(|all| !all.topic_partitions.is_empty()),
    );
    let request = ShareGroupDescribeRequest { group_ids: vec!["h".into()], ..Default::default() };
    node.needs(&[(Group, "h", Describe), (Topic, "t", Describe)], GroupAuthorizationFailed, &request, 1);
    let partitions = vec![share_fetch_request::FetchPartition::default()];
    let request = ShareFetchRequest {
        group_id: Some("h".into()),
        member_id: Some("m".into()),
        max_records: 1,
        batch_size: 1,
        topics: vec![share_fetch_request::FetchTopic { topic_id, partitions }],
        ..Default::default()
    };
    let read_both = [(Group, "h", Read), (Topic, "t", Read)];
    node.needs(&read_both, GroupAuthorizationFailed, &request, 2);
    // Outside a session: what is asked for after the session is not.
    let request = ShareAcknowledgeRequest {
        group_id: Some("h".into()),
        member_id: Some("m".into()),
        share_session_epoch: 9,
        ..Default::default()
    };
    node.needs(&[(Group, "h", Read)], GroupAuthorizationFailed, &request, 2);
    let topics = vec![describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestTopic {
        topic_name: "t".into(),
        partitions: vec![0],
    }];
    let group = describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup {
        group_id: "h".into(),
        topics: Some(topics),
    };
    let request = DescribeShareGroupOffsetsRequest { groups: vec![group] };
    let describe_both = [(Group, "h", Describe), (Topic, "t", Describe)];
    node.needs(&describe_both, GroupAuthorizationFailed, &request, 1);
    // Groups without members, as members would be an error of the group.
    let read_both = [(Group, "h2", Read), (Topic, "t", Read)];
    let topics = vec![alter_share_group_offsets_request::AlterShareGroupOffsetsRequestTopic {
        topic_name: "t".into(),
        partitions: vec![Default::default()],
    }];
    let request = AlterShareGroupOffsetsRequest { group_id: "h2".into(), topics };
    node.needs(&read_both, GroupAuthorizationFailed, &request, 0);
    let topics = vec![delete_share_group_offsets_request::DeleteShareGroupOffsetsRequestTopic {
        topic_name: "t".into(),
    }];
    let request = DeleteShareGroupOffsetsRequest { group_id: "h2".into(), topics };
    let rights = [(Group, "h2", Delete), (Topic, "t", Read)];
    node.needs(&rights, GroupAuthorizationFailed, &request, 0);
}

pub fn transactions(node: &mut Node) {
    let write = (TransactionalId, "x", Write);
    let refused = TransactionalIdAuthorizationFailed;
    let request = InitProducerIdRequest {
        transactional_id: Some("x".into()),
        transaction_timeout_ms: 1000,
        ..Default::default()
    };
    node.needs(&[write], refused, &request, 4);
    let request = InitProducerIdRequest { transactional_id: None, ..Default::default() };
    node.needs(&[(Cluster, CLUSTER, IdempotentWrite)], ClusterAuthorizationFailed, &request, 4);
    node.needs(&[(Topic, "any", Write)], ClusterAuthorizationFailed, &request, 4);
    let topics = vec![AddPartitionsToTxnTopic { name: "t".into(), partitions: vec![0] }];
    let request = AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: "x".into(),
        v3_and_below_topics: topics.clone(),
        ..Default::default()
    };
    node.needs(&[write, (Topic, "t", Write)], refused, &request, 3);
    let transaction =
        AddPartitionsToTxnTransaction { transactional_id: "x".into(), topics, ..Default::default() };
    let request = AddPartitionsToTxnRequest { transactions: vec![transaction], ..Default::default() };
    node.needs(&[(Cluster, CLUSTER, ClusterAction)], ClusterAuthorizationFailed, &request, 4);
    let request = AddOffsetsToTxnRequest {
        transactional_id: "x".into(),
        group_id: "simple".into(),
        ..Default::default()
    };
    let read = (Group, "simple", Read);
    node.needs(&[write, read], refused, &request, 3);
    let partitions = vec![TxnOffsetCommitRequestPartition::default()];
    let topics = vec![TxnOffsetCommitRequestTopic { name: "t".into(), partitions }];
    let request = TxnOffsetCommitRequest {
        transactional_id: "x".into(),
        group_id: "simple".into(),
        topics,
        ..Default::default()
    };
    node.needs(&[write, read, (Topic, "t", Read)], refused, &request, 3);
    let request = EndTxnRequest { transactional_id: "x".into(), ..Default::default() };
    node.needs(&[write], refused, &request, 3);
    let topics = vec![WritableTxnMarkerTopic { name: "t".into(), partition_indexes: vec![0] }];
    let marker = WritableTxnMarker { producer_id: 77, topics, ..Default::default() };
    let request = WriteTxnMarkersRequest { markers: vec![marker] };
    node.needs(&[(Cluster, CLUSTER, ClusterAction)], ClusterAuthorizationFailed, &request, 1);
    let request = DescribeTransactionsRequest { transactional_ids: vec!["x".into()] };
    node.needs(&[(TransactionalId, "x", Describe)], refused, &request, 0);
}

//! What the APIs of records, topics and configurations need.

use ottla_metadata::AclOperation::{
    Alter, AlterConfigs, ClusterAction, Create, Delete, Describe, DescribeConfigs, Read, Write,
};
use ottla_metadata::AclResourceType::{Cluster, Group, Topic, TransactionalId};
use ottla_metadata::ConfigResourceType;
use ottla_protocol::ErrorCode::{
    ClusterAuthorizationFailed, GroupAuthorizationFailed, TopicAuthorizationFailed,
    TransactionalIdAuthorizationFailed,
};
use ottla_protocol::Str;
use ottla_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use ottla_protocol::messages::delete_topics_request::DeleteTopicState;
use ottla_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_protocol::messages::metadata_request::MetadataRequestTopic;
use ottla_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use ottla_protocol::messages::*;
use ottla_protocol::records::BatchOptions;

use super::{Node, produce_request};

const CLUSTER: &str = "kafka-cluster";

pub fn records(node: &mut Node) {
    node.needs(
        &[(Topic, "t", Write)],
        TopicAuthorizationFailed,
        &produce_request(&["t"], BatchOptions::default()),
        12,
    );
    let options = BatchOptions {
        producer_id: 9,
        producer_epoch: 0,
        base_sequence: 0,
        is_transactional: true,
        ..Default::default()
    };
    let mut request = produce_request(&["t"], options);
    request.transactional_id = Some("x".into());
    let rights = [(TransactionalId, "x", Write), (Topic, "t", Write)];
    node.needs(&rights, TransactionalIdAuthorizationFailed, &request, 12);
    node.needs(&[(Topic, "t", Read)], TopicAuthorizationFailed, &fetch_request(&["t"], -1, 0, -1), 12);
    // Followers ask for the cluster's sake; their topics are refused.
    let mut request = fetch_request(&["t"], -1, 0, -1);
    request.replica_id = 7;
    node.needs(&[(Cluster, CLUSTER, ClusterAction)], TopicAuthorizationFailed, &request, 12);
    let partitions = vec![ListOffsetsPartition { timestamp: -1, ..Default::default() }];
    let topics = vec![ListOffsetsTopic { name: "t".into(), partitions }];
    let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
    node.needs(&[(Topic, "t", Describe)], TopicAuthorizationFailed, &request, 9);
    let partitions = vec![OffsetForLeaderPartition { leader_epoch: 0, ..Default::default() }];
    let topics = vec![OffsetForLeaderTopic { topic: "t".into(), partitions }];
    let request = OffsetForLeaderEpochRequest { topics, ..Default::default() };
    node.needs(&[(Topic, "t", Describe)], TopicAuthorizationFailed, &request, 4);
    node.needs(&[(Cluster, CLUSTER, ClusterAction)], TopicAuthorizationFailed, &request, 4);
    let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset: 0 }];
    let topics = vec![DeleteRecordsTopic { name: "t".into(), partitions }];
    let request = DeleteRecordsRequest { topics, ..Default::default() };
    node.needs(&[(Topic, "t", Delete)], TopicAuthorizationFailed, &request, 2);
    let topics =
        vec![describe_producers_request::TopicRequest { name: "t".into(), partition_indexes: vec![0] }];
    let request = DescribeProducersRequest { topics };
    node.needs(&[(Topic, "t", Read)], TopicAuthorizationFailed, &request, 0);
}

/// A fetch of partition 0 of topics, in a session.
pub fn fetch_request(topics: &[&str], epoch: i32, session_id: i32, offset: i64) -> FetchRequest {
    let partition =
        FetchPartition { fetch_offset: offset.max(0), partition_max_bytes: 1 << 20, ..Default::default() };
    let topic = |name: &&str| FetchTopic {
        topic: (*name).into(),
        partitions: vec![partition.clone()],
        ..Default::default()
    };
    FetchRequest {
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: 1 << 20,
        session_epoch: epoch,
        session_id,
        topics: topics.iter().map(topic).collect(),
        ..Default::default()
    }
}

pub fn topics(node: &mut Node) {
    let topic = MetadataRequestTopic { name: Some("t".into()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
    node.needs(&[(Topic, "t", Describe)], TopicAuthorizationFailed, &request, 12);
    let topics = vec![describe_topic_partitions_request::TopicRequest { name: "t".into() }];
    let request = DescribeTopicPartitionsRequest { topics, ..Default::default() };
    node.needs(&[(Topic, "t", Describe)], TopicAuthorizationFailed, &request, 0);
    let topic =
        CreatableTopic { name: "new".into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], validate_only: true, ..Default::default() };
    let describe = (Topic, "new", DescribeConfigs);
    node.needs(&[(Topic, "new", Create), describe], TopicAuthorizationFailed, &request, 7);
    node.needs(&[(Cluster, CLUSTER, Create), describe], TopicAuthorizationFailed, &request, 7);
    let topics = vec![CreatePartitionsTopic { name: "t".into(), count: 2, assignments: None }];
    let request = CreatePartitionsRequest { topics, validate_only: true, ..Default::default() };
    node.needs(&[(Topic, "t", Alter)], TopicAuthorizationFailed, &request, 3);
    let topic = DeleteTopicState { name: Some("doomed".into()), ..Default::default() };
    let request = DeleteTopicsRequest { topics: vec![topic], ..Default::default() };
    node.create_topic("doomed");
    node.needs(&[(Topic, "doomed", Delete)], TopicAuthorizationFailed, &request, 6);
    node.create_topic("doomed");
    let request = DeleteTopicsRequest { topic_names: vec!["doomed".into()], ..Default::default() };
    node.needs(&[(Cluster, CLUSTER, Delete)], TopicAuthorizationFailed, &request, 5);
}

pub fn configs(node: &mut Node) {
    let node_id = "1";
    for (kind, name, right, error) in [
        (ConfigResourceType::Topic, "t", (Topic, "t"), TopicAuthorizationFailed),
        (ConfigResourceType::Broker, node_id, (Cluster, CLUSTER), ClusterAuthorizationFailed),
        (ConfigResourceType::BrokerLogger, node_id, (Cluster, CLUSTER), ClusterAuthorizationFailed),
        (ConfigResourceType::ClientMetrics, "m", (Cluster, CLUSTER), ClusterAuthorizationFailed),
        (ConfigResourceType::Group, "g", (Group, "g"), GroupAuthorizationFailed),
    ] {
        let (resource_type, resource_name) = (kind.code(), Str::from(name));
        let (right_kind, right_name) = right;
        let resource = describe_configs_request::DescribeConfigsResource {
            resource_type,
            resource_name: resource_name.clone(),
            ..Default::default()
        };
        let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
        node.needs(&[(right_kind, right_name, DescribeConfigs)], error, &request, 4);
        let configs = Vec::new();
        let resource = incremental_alter_configs_request::AlterConfigsResource {
            resource_type,
            resource_name: resource_name.clone(),
            configs,
        };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: true };
        node.needs(&[(right_kind, right_name, AlterConfigs)], error, &request, 1);
        if kind == ConfigResourceType::BrokerLogger {
            continue;
        }
        let configs = Vec::new();
        let resource = alter_configs_request::AlterConfigsResource { resource_type, resource_name, configs };
        let request = AlterConfigsRequest { resources: vec![resource], validate_only: true };
        node.needs(&[(right_kind, right_name, AlterConfigs)], error, &request, 2);
    }
}

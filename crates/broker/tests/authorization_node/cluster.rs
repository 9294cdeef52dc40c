//! What the APIs of the cluster need.

use ottla_metadata::AclOperation::{Alter, AlterConfigs, ClusterAction, Describe, DescribeConfigs};
use ottla_metadata::AclResourceType::Cluster;
use ottla_protocol::ErrorCode::ClusterAuthorizationFailed;
use ottla_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use ottla_protocol::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use ottla_protocol::messages::alter_user_scram_credentials_request::ScramCredentialDeletion;
use ottla_protocol::messages::create_acls_request::AclCreation;
use ottla_protocol::messages::delete_acls_request::DeleteAclsFilter;
use ottla_protocol::messages::*;
use ottla_protocol::{Request, Uuid};

use super::{ANONYMOUS, Node};

const CLUSTER: &str = "kafka-cluster";

fn describes<R: Request<Response: std::fmt::Debug>>(node: &mut Node, request: &R, version: i16) {
    node.needs(&[(Cluster, CLUSTER, Describe)], ClusterAuthorizationFailed, request, version);
}

fn alters<R: Request<Response: std::fmt::Debug>>(node: &mut Node, request: &R, version: i16) {
    node.needs(&[(Cluster, CLUSTER, Alter)], ClusterAuthorizationFailed, request, version);
}

fn acts<R: Request<Response: std::fmt::Debug>>(node: &mut Node, request: &R, version: i16) {
    node.needs(&[(Cluster, CLUSTER, ClusterAction)], ClusterAuthorizationFailed, request, version);
}

pub fn administration(node: &mut Node) {
    describes(node, &DescribeLogDirsRequest::default(), 4);
    describes(node, &DescribeQuorumRequest::default(), 2);
    describes(node, &ListPartitionReassignmentsRequest::default(), 0);
    let topics = vec![AlterReplicaLogDirTopic { name: "t".into(), partitions: vec![0] }];
    let request =
        AlterReplicaLogDirsRequest { dirs: vec![AlterReplicaLogDir { path: "/nowhere".into(), topics }] };
    alters(node, &request, 2);
    let topics = vec![elect_leaders_request::TopicPartitions { topic: "t".into(), partitions: vec![0] }];
    alters(node, &ElectLeadersRequest { topic_partitions: Some(topics), ..Default::default() }, 2);
    alters(node, &AlterPartitionReassignmentsRequest::default(), 0);
    alters(node, &UpdateFeaturesRequest { validate_only: true, ..Default::default() }, 1);
    alters(node, &UnregisterBrokerRequest { broker_id: 99 }, 0);
    describes(node, &DescribeUserScramCredentialsRequest::default(), 0);
    let deletions = vec![ScramCredentialDeletion { name: "nobody".into(), mechanism: 1 }];
    alters(node, &AlterUserScramCredentialsRequest { deletions, ..Default::default() }, 0);
    let configs = [(Cluster, CLUSTER, DescribeConfigs)];
    let request = DescribeClientQuotasRequest::default();
    node.needs(&configs, ClusterAuthorizationFailed, &request, 1);
    let entity = vec![EntityData { entity_type: "user".into(), entity_name: Some("nobody".into()) }];
    let ops = vec![OpData { key: "producer_byte_rate".into(), value: 1.0, remove: false }];
    let request = AlterClientQuotasRequest { entries: vec![EntryData { entity, ops }], validate_only: true };
    node.needs(&[(Cluster, CLUSTER, AlterConfigs)], ClusterAuthorizationFailed, &request, 1);
    let request = ListConfigResourcesRequest::default();
    node.needs(&configs, ClusterAuthorizationFailed, &request, 1);
}

/// Only with an authorizer: without one there is nothing to list.
pub fn acls(node: &mut Node) {
    let request = DescribeAclsRequest {
        resource_type_filter: 1,
        resource_name_filter: None,
        principal_filter: None,
        host_filter: None,
        operation: 1,
        permission_type: 1,
        ..Default::default()
    };
    describes(node, &request, 3);
    let creation = AclCreation {
        resource_type: 2,
        resource_name: "other".into(),
        principal: ANONYMOUS.into(),
        host: "127.0.0.9".into(),
        operation: 3,
        permission_type: 3,
        ..Default::default()
    };
    alters(node, &CreateAclsRequest { creations: vec![creation] }, 3);
    let filter = DeleteAclsFilter {
        resource_type_filter: 2,
        host_filter: Some("127.0.0.9".into()),
        operation: 1,
        permission_type: 1,
        ..Default::default()
    };
    alters(node, &DeleteAclsRequest { filters: vec![filter] }, 3);
}

pub fn share_states(node: &mut Node) {
    let topic_id = Uuid::from_parts(1, 2);
    macro_rules! state {
        ($module:ident, $request:ident, $data:ident, $version:literal) => {
            let partitions = vec![$module::PartitionData::default()];
            let topics = vec![$module::$data { topic_id, partitions }];
            acts(node, &$request { group_id: "h".into(), topics }, $version);
        };
    }
    state!(initialize_share_group_state_request, InitializeShareGroupStateRequest, InitializeStateData, 0);
    state!(read_share_group_state_request, ReadShareGroupStateRequest, ReadStateData, 0);
    state!(write_share_group_state_request, WriteShareGroupStateRequest, WriteStateData, 0);
    state!(delete_share_group_state_request, DeleteShareGroupStateRequest, DeleteStateData, 0);
    state!(
        read_share_group_state_summary_request,
        ReadShareGroupStateSummaryRequest,
        ReadStateSummaryData,
        0
    );
}

//! AlterPartitionReassignments (key 45), versions 0-1: moves replicas to other brokers (KIP-455).

use std::sync::Arc;

use ottla_metadata::AclOperation;
use ottla_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use ottla_protocol::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};
use ottla_protocol::{ErrorCode, Str};

use super::controller_request::run;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the controller's decision is committed.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let refused = refusal(&request);
    if !broker.may(&ctx, AclOperation::Alter, Resource::Cluster) {
        return refused(ErrorCode::ClusterAuthorizationFailed);
    }
    run(&ctx, &broker, move |controller, context| controller.alter_partition_reassignments(&request, context))
        .await
        .unwrap_or_else(refused)
}

/// The answer to a request that failed as a whole: its error, and the same of each partition, where Kafka's admin client looks for it.
fn refusal(
    request: &AlterPartitionReassignmentsRequest,
) -> impl Fn(ErrorCode) -> AlterPartitionReassignmentsResponse + use<> {
    let asked: Vec<(Str, Vec<i32>)> = request
        .topics
        .iter()
        .map(|topic| (topic.name.clone(), topic.partitions.iter().map(|p| p.partition_index).collect()))
        .collect();
    move |error| {
        let message = || Some(Str::from_static(error.message()));
        let partition = |&partition_index: &i32| ReassignablePartitionResponse {
            partition_index,
            error_code: error.code(),
            error_message: message(),
        };
        let responses = asked.iter().map(|(name, partitions)| ReassignableTopicResponse {
            name: name.clone(),
            partitions: partitions.iter().map(partition).collect(),
        });
        AlterPartitionReassignmentsResponse {
            error_code: error.code(),
            error_message: message(),
            responses: responses.collect(),
            ..Default::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use ottla_protocol::messages::alter_partition_reassignments_request::{
        ReassignablePartition, ReassignableTopic,
    };

    use super::*;

    #[test]
    fn each_partition_is_told_why() {
        let partition = |partition_index| ReassignablePartition { partition_index, replicas: None };
        let request = AlterPartitionReassignmentsRequest {
            topics: vec![ReassignableTopic {
                name: Str::from_static("orders"),
                partitions: vec![partition(0), partition(3)],
            }],
            ..Default::default()
        };
        let response = refusal(&request)(ErrorCode::ClusterAuthorizationFailed);
        let told: Vec<_> =
            response.responses[0].partitions.iter().map(|p| (p.partition_index, p.error_code)).collect();
        let code = ErrorCode::ClusterAuthorizationFailed.code();
        assert_eq!((response.error_code, told), (code, vec![(0, code), (3, code)]));
    }
}

//! ListPartitionReassignments (key 46), version 0: replicas that are on the move (KIP-455).

use std::sync::Arc;

use ottla_controller::ControllerResult;
use ottla_metadata::AclOperation;
use ottla_protocol::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};
use ottla_protocol::{ErrorCode, Str};

use super::controller_request::run;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers from the controller's state.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    let failed = |error: ErrorCode| ListPartitionReassignmentsResponse {
        error_code: error.code(),
        error_message: Some(Str::from_static(error.message())),
        ..Default::default()
    };
    if !broker.may(&ctx, AclOperation::Describe, Resource::Cluster) {
        return failed(ErrorCode::ClusterAuthorizationFailed);
    }
    run(&ctx, &broker, move |controller, _| {
        ControllerResult::answer(controller.list_partition_reassignments(&request))
    })
    .await
    .unwrap_or_else(failed)
}

//! AlterPartitionReassignments (key 45), versions 0-1: moves replicas to other brokers (KIP-455).

use std::sync::Arc;

use ottla_protocol::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};
use ottla_protocol::{ErrorCode, Str};

use super::controller_request::run;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the controller's decision is committed.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let failed = |error: ErrorCode| AlterPartitionReassignmentsResponse {
        error_code: error.code(),
        error_message: Some(Str::from_static(error.message())),
        ..Default::default()
    };
    run(&ctx, &broker, move |controller, context| controller.alter_partition_reassignments(&request, context))
        .await
        .unwrap_or_else(failed)
}

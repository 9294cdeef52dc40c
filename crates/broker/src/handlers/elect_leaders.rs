//! ElectLeaders (key 43), versions 0-2: elects the preferred leader, or any. v1 unclean elections.

use std::sync::Arc;

use ottla_metadata::AclOperation;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};

use super::controller_request::run;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the controller's decision is committed.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: ElectLeadersRequest,
) -> ElectLeadersResponse {
    let failed = |error: ErrorCode| ElectLeadersResponse { error_code: error.code(), ..Default::default() };
    if !broker.may(&ctx, AclOperation::Alter, Resource::Cluster) {
        return failed(ErrorCode::ClusterAuthorizationFailed);
    }
    run(&ctx, &broker, move |controller, context| controller.elect_leaders(&request, context))
        .await
        .unwrap_or_else(failed)
}

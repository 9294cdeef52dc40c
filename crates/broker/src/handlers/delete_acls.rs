//! DeleteAcls (key 31), versions 1-3: takes the entries away that filters mean. v2 flexible · v3 users as resources
//! (KIP-373).

use std::sync::Arc;

use ottla_metadata::AclOperation;
use ottla_protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use ottla_protocol::messages::{DeleteAclsRequest, DeleteAclsResponse};
use ottla_protocol::{ErrorCode, Str};

use super::controller_request::run;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Needs ALTER on the cluster. Answers when the entries are gone and this broker heeds that.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: DeleteAclsRequest,
) -> DeleteAclsResponse {
    let count = request.filters.len();
    let refuse = |error: ErrorCode, why: &str| {
        let refused = DeleteAclsFilterResult {
            error_code: error.code(),
            error_message: Some(Str::from(why)),
            matching_acls: Vec::new(),
        };
        DeleteAclsResponse { filter_results: vec![refused; count], ..Default::default() }
    };
    if !broker.may(&ctx, AclOperation::Alter, Resource::Cluster) {
        return refuse(ErrorCode::ClusterAuthorizationFailed, &ctx.not_authorized());
    }
    if !broker.authorization.is_enabled() {
        return refuse(ErrorCode::SecurityDisabled, "No Authorizer is configured.");
    }
    run(&ctx, &broker, move |controller, context| controller.delete_acls(&request, context))
        .await
        .unwrap_or_else(|error| refuse(error, error.message()))
}

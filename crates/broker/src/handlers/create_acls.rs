//! CreateAcls (key 30), versions 1-3: new entries for the authorizer. v2 flexible · v3 users as resources (KIP-373).

use std::sync::Arc;

use ottla_metadata::AclOperation;
use ottla_protocol::messages::create_acls_response::AclCreationResult;
use ottla_protocol::messages::{CreateAclsRequest, CreateAclsResponse};
use ottla_protocol::{ErrorCode, Str};

use super::controller_request::run;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Needs ALTER on the cluster. Answers when the entries are committed and this broker heeds them.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: CreateAclsRequest,
) -> CreateAclsResponse {
    let count = request.creations.len();
    let refuse = |error: ErrorCode, why: &str| {
        let refused = AclCreationResult { error_code: error.code(), error_message: Some(Str::from(why)) };
        CreateAclsResponse { results: vec![refused; count], ..Default::default() }
    };
    if !broker.may(&ctx, AclOperation::Alter, Resource::Cluster) {
        return refuse(ErrorCode::ClusterAuthorizationFailed, &ctx.not_authorized());
    }
    if !broker.authorization.is_enabled() {
        return refuse(ErrorCode::SecurityDisabled, "No Authorizer is configured.");
    }
    run(&ctx, &broker, move |controller, context| controller.create_acls(&request, context))
        .await
        .unwrap_or_else(|error| refuse(error, error.message()))
}

//! CreateAcls (key 30), versions 1-3. No authorizer can be configured yet: Kafka's answer without one.

use ottla_protocol::messages::create_acls_response::AclCreationResult;
use ottla_protocol::messages::{CreateAclsRequest, CreateAclsResponse};
use ottla_protocol::{ErrorCode, Str};

use crate::broker::Broker;
use crate::context::RequestContext;

/// Refuses each entry as a Kafka without `authorizer.class.name` does.
pub fn handle(_ctx: &RequestContext, _broker: &Broker, request: CreateAclsRequest) -> CreateAclsResponse {
    let refused = AclCreationResult {
        error_code: ErrorCode::SecurityDisabled.code(),
        error_message: Some(Str::from_static("No Authorizer is configured.")),
    };
    CreateAclsResponse { results: vec![refused; request.creations.len()], ..Default::default() }
}

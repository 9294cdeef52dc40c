//! DeleteAcls (key 31), versions 1-3. No authorizer can be configured yet: Kafka's answer without one.

use ottla_protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use ottla_protocol::messages::{DeleteAclsRequest, DeleteAclsResponse};
use ottla_protocol::{ErrorCode, Str};

use crate::broker::Broker;
use crate::context::RequestContext;

/// Refuses each filter as a Kafka without `authorizer.class.name` does.
pub fn handle(_ctx: &RequestContext, _broker: &Broker, request: DeleteAclsRequest) -> DeleteAclsResponse {
    let refused = DeleteAclsFilterResult {
        error_code: ErrorCode::SecurityDisabled.code(),
        error_message: Some(Str::from_static("No Authorizer is configured.")),
        matching_acls: Vec::new(),
    };
    DeleteAclsResponse { filter_results: vec![refused; request.filters.len()], ..Default::default() }
}

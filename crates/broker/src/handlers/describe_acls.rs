//! DescribeAcls (key 29), versions 1-3. No authorizer can be configured yet: Kafka's answer without one.

use ottla_protocol::messages::{DescribeAclsRequest, DescribeAclsResponse};
use ottla_protocol::{ErrorCode, Str};

use crate::broker::Broker;
use crate::context::RequestContext;

/// Refuses as a Kafka without `authorizer.class.name` does.
pub fn handle(
    _ctx: &RequestContext,
    _broker: &Broker,
    _request: DescribeAclsRequest,
) -> DescribeAclsResponse {
    DescribeAclsResponse {
        error_code: ErrorCode::SecurityDisabled.code(),
        error_message: Some(Str::from_static("No Authorizer is configured on the broker")),
        ..Default::default()
    }
}

//! DescribeClientQuotas (key 48), versions 0-1: the quotas that a filter selects (KIP-546).

use ottla_metadata::AclOperation;
use ottla_protocol::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
use ottla_protocol::{ErrorCode, Str};

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers from the image.
pub fn handle(
    ctx: &RequestContext,
    broker: &Broker,
    request: DescribeClientQuotasRequest,
) -> DescribeClientQuotasResponse {
    if !broker.may(ctx, AclOperation::DescribeConfigs, Resource::Cluster) {
        let error = ErrorCode::ClusterAuthorizationFailed;
        return DescribeClientQuotasResponse {
            error_code: error.code(),
            error_message: Some(Str::from_static(error.message())),
            entries: None,
            ..Default::default()
        };
    }
    match broker.image().client_quotas.describe(&request) {
        Ok(entries) => {
            DescribeClientQuotasResponse { error_message: None, entries: Some(entries), ..Default::default() }
        }
        Err(invalid) => DescribeClientQuotasResponse {
            error_code: invalid.code.code(),
            error_message: Some(Str::from(invalid.message)),
            entries: None,
            ..Default::default()
        },
    }
}

//! DescribeClientQuotas (key 48), versions 0-1: the quotas that a filter selects (KIP-546).

use ottla_protocol::Str;
use ottla_protocol::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};

use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers from the image.
pub fn handle(
    _ctx: &RequestContext,
    broker: &Broker,
    request: DescribeClientQuotasRequest,
) -> DescribeClientQuotasResponse {
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

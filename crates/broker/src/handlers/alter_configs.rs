//! AlterConfigs (key 33), versions 0-2: replaces configurations whole; what older clients send.

use std::sync::Arc;

use ottla_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use ottla_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};
use ottla_protocol::{ErrorCode, Str};

use super::controller_request::{deny_altering, run};
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the change is committed and this broker follows it.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let asked: Vec<(i8, Str)> =
        request.resources.iter().map(|r| (r.resource_type, r.resource_name.clone())).collect();
    let failed = |error: ErrorCode| AlterConfigsResponse {
        responses: asked
            .iter()
            .map(|(resource_type, resource_name)| AlterConfigsResourceResponse {
                error_code: error.code(),
                error_message: Some(Str::from_static(error.message())),
                resource_type: *resource_type,
                resource_name: resource_name.clone(),
            })
            .collect(),
        ..Default::default()
    };
    let denied =
        deny_altering(&ctx, &broker, request.resources.iter().map(|r| (r.resource_type, &r.resource_name)));
    run(&ctx, &broker, move |controller, context| controller.alter_configs(&request, denied, context))
        .await
        .unwrap_or_else(failed)
}

//! IncrementalAlterConfigs (key 44), versions 0-1: changes single keys of configurations (KIP-339).

use std::sync::Arc;

use ottla_controller::{ApiError, Preprocessed, check_altered_keys};
use ottla_metadata::{AclOperation, ConfigResourceType};
use ottla_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use ottla_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use ottla_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use ottla_protocol::{ErrorCode, Str};

use super::controller_request::{Named, deny_altering, run};
use crate::apis::ListenerKind;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the change is committed and this broker follows it.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let asked: Vec<(i8, Str)> =
        request.resources.iter().map(|r| (r.resource_type, r.resource_name.clone())).collect();
    let failed = |error: ErrorCode| IncrementalAlterConfigsResponse {
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
    let handled = alter_loggers(&ctx, &broker, &request);
    let denied =
        deny_altering(&ctx, &broker, request.resources.iter().map(|r| (r.resource_type, &r.resource_name)));
    run(&ctx, &broker, move |controller, context| {
        controller.incremental_alter_configs(&request, handled, denied, context)
    })
    .await
    .unwrap_or_else(failed)
}

/// Log levels are this broker's own: they are changed here, and the controller only passes the answers on.
fn alter_loggers(
    ctx: &RequestContext,
    broker: &Broker,
    request: &IncrementalAlterConfigsRequest,
) -> Preprocessed {
    let kind = broker.listener_kind(ctx.listener());
    let operation = match kind {
        ListenerKind::Broker => AclOperation::AlterConfigs,
        ListenerKind::Controller => AclOperation::ClusterAction,
    };
    let identity = |r: &AlterConfigsResource| (r.resource_type, r.resource_name.clone());
    let resources = Named::of(request.resources.iter().map(identity));
    let mut answers = Preprocessed::new();
    for (at, resource) in request.resources.iter().enumerate() {
        let resource_type = ConfigResourceType::from_code(resource.resource_type);
        // The controller refuses what is named twice.
        if resource_type != ConfigResourceType::BrokerLogger || resources.is_repeated(&identity(resource)) {
            continue;
        }
        let wrong = check_altered_keys(resource).err().filter(|_| kind == ListenerKind::Broker);
        let answer = if let Some(wrong) = wrong {
            wrong
        } else if let Err(error) = broker.authorize(ctx, operation, Resource::Cluster) {
            ApiError::with_default_message(error)
        } else if resource.resource_name.parse() == Ok(broker.node_id) {
            broker.loggers.alter(&resource.configs, request.validate_only).err().unwrap_or(ApiError::NONE)
        } else {
            let (expected, got) = (broker.node_id, &resource.resource_name);
            ApiError::invalid_request(format!("Unexpected broker id, expected {expected} but received {got}"))
        };
        answers.insert(at, answer);
    }
    answers
}

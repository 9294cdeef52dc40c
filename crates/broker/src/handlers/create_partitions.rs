//! CreatePartitions (key 37), versions 0-3: adds partitions to topics.

use std::sync::Arc;

use ottla_metadata::AclOperation;
use ottla_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use ottla_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use ottla_protocol::{ErrorCode, Str};

use super::controller_request::{Named, run_changing_partitions};
use crate::broker::Broker;
use crate::context::RequestContext;

/// First version whose clients know THROTTLING_QUOTA_EXCEEDED.
const STRICT_QUOTA_VERSION: i16 = 3;

/// Answers when the controller's decision is committed.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    mut request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let denied = refuse(&ctx, &broker, &mut request);
    if request.topics.is_empty() {
        return CreatePartitionsResponse { results: denied, ..Default::default() };
    }
    let names: Vec<Str> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let failed = |error: ErrorCode| CreatePartitionsResponse {
        results: names
            .iter()
            .map(|name| CreatePartitionsTopicResult {
                name: name.clone(),
                error_code: error.code(),
                error_message: Some(Str::from_static(error.message())),
            })
            .collect(),
        ..Default::default()
    };
    let created = run_changing_partitions(&ctx, &broker, STRICT_QUOTA_VERSION, move |controller, context| {
        controller.create_partitions(&request, context)
    })
    .await;
    let mut response = created.unwrap_or_else(failed);
    response.results.extend(denied);
    response
}

/// Takes out the topics that may not be altered, and answers for them. What is named twice is an error of its own.
fn refuse(
    ctx: &RequestContext,
    broker: &Broker,
    request: &mut CreatePartitionsRequest,
) -> Vec<CreatePartitionsTopicResult> {
    let mut denied = Vec::new();
    let names = Named::of(request.topics.iter().map(|topic| topic.name.clone()));
    let mut allowed = broker.topics(ctx, AclOperation::Alter);
    request.topics.retain(|topic| {
        let is_kept = names.is_repeated(&topic.name) || allowed.allow(&topic.name);
        if !is_kept {
            denied.push(CreatePartitionsTopicResult {
                name: topic.name.clone(),
                error_code: ErrorCode::TopicAuthorizationFailed.code(),
                ..Default::default()
            });
        }
        is_kept
    });
    denied
}

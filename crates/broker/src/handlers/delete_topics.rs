//! DeleteTopics (key 20), versions 1-6: deletes topics. v6 by id.

use std::sync::Arc;

use ottla_protocol::messages::delete_topics_response::DeletableTopicResult;
use ottla_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use ottla_protocol::{ErrorCode, Str, Uuid};

use super::controller_request::run;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the controller's decision is committed.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let asked: Vec<(Option<Str>, Uuid)> = if ctx.api_version >= 6 {
        request.topics.iter().map(|topic| (topic.name.clone(), topic.topic_id)).collect()
    } else {
        request.topic_names.iter().map(|name| (Some(name.clone()), Uuid::ZERO)).collect()
    };
    let failed = |error: ErrorCode| DeleteTopicsResponse {
        responses: asked
            .iter()
            .map(|(name, topic_id)| DeletableTopicResult {
                name: name.clone(),
                topic_id: *topic_id,
                error_code: error.code(),
                error_message: Some(Str::from_static(error.message())),
            })
            .collect(),
        ..Default::default()
    };
    run(&ctx, &broker, move |controller, context| controller.delete_topics(&request, context))
        .await
        .unwrap_or_else(failed)
}

//! CreateTopics (key 19), versions 2-7: creates topics.
//!
//! v4 defaults of the broker · v5 the effective configuration in the answer · v7 topic ids. The answer comes when the partitions can be used.

use std::sync::Arc;

use ottla_protocol::messages::create_topics_response::CreatableTopicResult;
use ottla_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use ottla_protocol::{ErrorCode, Str};

use super::controller_request::run;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the controller's decision is committed.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let names: Vec<Str> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let failed = |error: ErrorCode| CreateTopicsResponse {
        topics: names
            .iter()
            .map(|name| CreatableTopicResult {
                name: name.clone(),
                error_code: error.code(),
                error_message: Some(Str::from_static(error.message())),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    run(&ctx, &broker, move |controller, context| controller.create_topics(&request, context))
        .await
        .unwrap_or_else(failed)
}

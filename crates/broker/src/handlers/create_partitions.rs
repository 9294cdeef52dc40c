//! CreatePartitions (key 37), versions 0-3: adds partitions to topics.

use std::sync::Arc;

use ottla_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use ottla_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use ottla_protocol::{ErrorCode, Str};

use super::controller_request::run;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the controller's decision is committed.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
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
    run(&ctx, &broker, move |controller, context| controller.create_partitions(&request, context))
        .await
        .unwrap_or_else(failed)
}

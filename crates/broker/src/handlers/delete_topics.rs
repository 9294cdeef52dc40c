//! DeleteTopics (key 20), versions 1-6: deletes topics. v6 by id.

use std::sync::Arc;

use ottla_metadata::AclOperation;
use ottla_protocol::messages::delete_topics_response::DeletableTopicResult;
use ottla_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use ottla_protocol::{ErrorCode, Str, Uuid};

use super::controller_request::{Named, run_changing_partitions};
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// First version whose clients know THROTTLING_QUOTA_EXCEEDED.
const STRICT_QUOTA_VERSION: i16 = 5;

/// Answers when the controller's decision is committed.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    mut request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let denied = refuse(&ctx, &broker, &mut request);
    if request.topics.is_empty() && request.topic_names.is_empty() {
        return DeleteTopicsResponse { responses: denied, ..Default::default() };
    }
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
    let deleted = run_changing_partitions(&ctx, &broker, STRICT_QUOTA_VERSION, move |controller, context| {
        controller.delete_topics(&request, context)
    })
    .await;
    let mut response = deleted.unwrap_or_else(failed);
    response.responses.extend(denied);
    response
}

/// Takes out the topics that may not be deleted, and answers for them: whether they are there learns only who may
/// describe them. What is named twice, or not at all, is an error of its own.
fn refuse(
    ctx: &RequestContext,
    broker: &Broker,
    request: &mut DeleteTopicsRequest,
) -> Vec<DeletableTopicResult> {
    let mut denied = Vec::new();
    let is_enabled = broker.config.topics.delete_topic_enable;
    if !is_enabled || broker.may_see(ctx, AclOperation::Delete, Resource::Cluster) {
        return denied;
    }
    let image = broker.image();
    let named = request.topics.iter().filter_map(|topic| topic.name.clone());
    let names = Named::of(request.topic_names.iter().cloned().chain(named));
    let nameless = request.topics.iter().filter(|topic| topic.name.is_none());
    let ids = Named::of(nameless.map(|topic| topic.topic_id));
    let mut describable = broker.topics(ctx, AclOperation::Describe);
    let mut deletable = broker.topics(ctx, AclOperation::Delete);
    let mut is_kept = |name: Option<&Str>, topic_id: Uuid| {
        let by_id = image.topics.topic_name(topic_id).filter(|_| name.is_none());
        let Some(topic) = name.filter(|_| topic_id.is_zero()).or(by_id) else { return true };
        if names.is_repeated(topic) && name.is_some() || name.is_none() && ids.is_repeated(&topic_id) {
            return true;
        }
        let (can_see, can_delete) = (describable.allow(topic), deletable.allow(topic));
        let is_kept = match name {
            Some(name) => can_see && (can_delete || image.topics.topic(name).is_none()),
            None => can_delete,
        };
        if !is_kept {
            let shown = name.or(by_id.filter(|_| can_see));
            denied.push(refusal(shown.cloned(), topic_id));
        }
        is_kept
    };
    request.topic_names.retain(|name| is_kept(Some(name), Uuid::ZERO));
    request.topics.retain(|topic| is_kept(topic.name.as_ref(), topic.topic_id));
    denied
}

fn refusal(name: Option<Str>, topic_id: Uuid) -> DeletableTopicResult {
    let error = ErrorCode::TopicAuthorizationFailed;
    let error_message = Some(Str::from_static(error.message()));
    DeletableTopicResult { name, topic_id, error_code: error.code(), error_message }
}

//! CreateTopics (key 19), versions 2-7: creates topics.
//!
//! v4 defaults of the broker · v5 the effective configuration in the answer · v7 topic ids. The answer comes when the partitions can be used.

use std::sync::Arc;

use ottla_controller::topic_name::CLUSTER_METADATA_TOPIC_NAME;
use ottla_metadata::AclOperation;
use ottla_protocol::messages::create_topics_response::CreatableTopicResult;
use ottla_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use ottla_protocol::{ErrorCode, Str};

use super::controller_request::{Named, run_changing_partitions};
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// First version whose clients know THROTTLING_QUOTA_EXCEEDED.
const STRICT_QUOTA_VERSION: i16 = 6;

/// Answers when the controller's decision is committed.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    mut request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let denied = refuse(&ctx, &broker, &mut request);
    if request.topics.is_empty() {
        return CreateTopicsResponse { topics: denied, ..Default::default() };
    }
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
    let created = run_changing_partitions(&ctx, &broker, STRICT_QUOTA_VERSION, move |controller, context| {
        controller.create_topics(&request, context)
    })
    .await;
    let mut response = created.unwrap_or_else(failed);
    response
        .topics
        .iter_mut()
        .filter(|topic| topic.error_code == 0)
        .for_each(|topic| hide(&ctx, &broker, topic));
    response.topics.extend(denied);
    response
}

/// Takes out the topics that may not be created, and answers for them. What is named twice and what nobody may create is
/// an error of its own.
fn refuse(
    ctx: &RequestContext,
    broker: &Broker,
    request: &mut CreateTopicsRequest,
) -> Vec<CreatableTopicResult> {
    let mut denied = Vec::new();
    if broker.may_see(ctx, AclOperation::Create, Resource::Cluster) {
        return denied;
    }
    let names = Named::of(request.topics.iter().map(|topic| topic.name.clone()));
    let mut allowed = broker.topics(ctx, AclOperation::Create);
    request.topics.retain(|topic| {
        let is_error = &*topic.name == CLUSTER_METADATA_TOPIC_NAME || names.is_repeated(&topic.name);
        let is_kept = is_error || allowed.allow(&topic.name);
        if !is_kept {
            denied.push(CreatableTopicResult {
                name: topic.name.clone(),
                error_code: ErrorCode::TopicAuthorizationFailed.code(),
                error_message: Some("Authorization failed.".into()),
                ..Default::default()
            });
        }
        is_kept
    });
    denied
}

/// Takes out what only those learn who may describe the topic's configuration.
fn hide(ctx: &RequestContext, broker: &Broker, topic: &mut CreatableTopicResult) {
    if !broker.may_see(ctx, AclOperation::DescribeConfigs, Resource::Topic(&topic.name)) {
        *topic = CreatableTopicResult {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            topic_config_error_code: ErrorCode::TopicAuthorizationFailed.code(),
            ..Default::default()
        };
    }
}

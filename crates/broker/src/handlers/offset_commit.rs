//! OffsetCommit (key 8), versions 2-10: a group notes how far it has read.
//!
//! v7 static members · v9 member epochs (KIP-848) · v10 topics by id.

use std::sync::Arc;

use ottla_coordinator::{Reply, errors::offset_commit_error};
use ottla_metadata::{AclOperation, MetadataImage};
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::offset_commit_request::OffsetCommitRequestTopic;
use ottla_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use ottla_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};

use super::group_request::{group_context, run};
use crate::authorization::{Resource, Topics};
use crate::broker::Broker;
use crate::context::RequestContext;

/// First version that names topics by id.
const TOPIC_ID_VERSION: i16 = 10;

/// Answers when the offsets are persisted.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    mut request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    if let Err(error) = broker.authorize(&ctx, AclOperation::Read, Resource::Group(&request.group_id)) {
        return offset_commit_error(&request, error);
    }
    let image = broker.image();
    let mut allowed = broker.topics(&ctx, AclOperation::Read);
    let mut refused = Vec::new();
    let asked = std::mem::take(&mut request.topics);
    for topic in asked {
        request.topics.extend(validate(&image, &mut allowed, ctx.api_version, topic, &mut refused));
    }
    drop((image, allowed));
    if request.topics.is_empty() {
        return OffsetCommitResponse { topics: merge(refused, Vec::new()), ..Default::default() };
    }
    let context = group_context(&ctx);
    let shown = request.clone();
    let group_id = request.group_id.clone();
    let reply =
        run(&broker, &group_id, move |shard, id, now_ms| shard.commit_offset(&context, &request, id, now_ms));
    let response = match reply.await {
        Ok(Reply::OffsetCommit(response)) => response,
        Ok(_) => offset_commit_error(&shown, ErrorCode::UnknownServerError),
        Err(error) => offset_commit_error(&shown, error),
    };
    OffsetCommitResponse { topics: merge(refused, response.topics), ..response }
}

/// The partitions of a topic that exist; the others are answered at once.
fn validate(
    image: &MetadataImage,
    allowed: &mut Topics<'_>,
    version: i16,
    mut topic: OffsetCommitRequestTopic,
    refused: &mut Vec<OffsetCommitResponseTopic>,
) -> Option<OffsetCommitRequestTopic> {
    let by_id = version >= TOPIC_ID_VERSION;
    let known =
        if by_id { image.topics.topic_by_id(topic.topic_id) } else { image.topics.topic(&topic.name) };
    let mut refuse = |indexes: Vec<i32>, topic: &OffsetCommitRequestTopic, error: ErrorCode| {
        if !indexes.is_empty() {
            refused.push(OffsetCommitResponseTopic {
                name: topic.name.clone(),
                topic_id: topic.topic_id,
                partitions: indexes
                    .into_iter()
                    .map(|index| OffsetCommitResponsePartition {
                        partition_index: index,
                        error_code: error.code(),
                    })
                    .collect(),
            });
        }
    };
    let name = known.map_or(&topic.name, |known| &known.name);
    if !(by_id && known.is_none() || allowed.allow(name)) {
        let error = ErrorCode::TopicAuthorizationFailed;
        refuse(topic.partitions.iter().map(|p| p.partition_index).collect(), &topic, error);
        return None;
    }
    let Some(known) = known else {
        let error = if by_id { ErrorCode::UnknownTopicId } else { ErrorCode::UnknownTopicOrPartition };
        refuse(topic.partitions.iter().map(|p| p.partition_index).collect(), &topic, error);
        return None;
    };
    topic.name = known.name.clone();
    topic.topic_id = known.id;
    let (there, missing): (Vec<_>, Vec<_>) = std::mem::take(&mut topic.partitions)
        .into_iter()
        .partition(|p| known.partitions.get(p.partition_index).is_some());
    refuse(missing.iter().map(|p| p.partition_index).collect(), &topic, ErrorCode::UnknownTopicOrPartition);
    topic.partitions = there;
    (!topic.partitions.is_empty()).then_some(topic)
}

/// One entry per topic: clients look a topic up once.
fn merge(
    mut topics: Vec<OffsetCommitResponseTopic>,
    more: Vec<OffsetCommitResponseTopic>,
) -> Vec<OffsetCommitResponseTopic> {
    for topic in more {
        match topics.iter_mut().find(|t| t.name == topic.name && t.topic_id == topic.topic_id) {
            Some(same) => same.partitions.extend(topic.partitions),
            None => topics.push(topic),
        }
    }
    topics
}

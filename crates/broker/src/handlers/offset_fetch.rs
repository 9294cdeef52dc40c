//! OffsetFetch (key 9), versions 1-10: how far groups have read.
//!
//! v2 all partitions · v7 stable offsets only (KIP-447) · v8 many groups · v9 member epochs (KIP-848) · v10 topics by id.

use std::sync::Arc;

use ottla_coordinator::{Reply, offset_fetch_group_error, offset_fetch_groups, offset_fetch_response};
use ottla_metadata::{AclOperation, MetadataImage};
use ottla_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use ottla_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse};
use ottla_protocol::{ErrorCode, Str};

use super::group_request::run;
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// First version that names topics by id.
const TOPIC_ID_VERSION: i16 = 10;

/// Answers group by group.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    let mut groups = Vec::new();
    for group in offset_fetch_groups(ctx.api_version, &request) {
        groups.push(fetch_group(&ctx, &broker, group, request.require_stable).await);
    }
    offset_fetch_response(ctx.api_version, groups)
}

async fn fetch_group(
    ctx: &RequestContext,
    broker: &Broker,
    mut group: OffsetFetchRequestGroup,
    require_stable: bool,
) -> OffsetFetchResponseGroup {
    let version = ctx.api_version;
    if let Err(error) = broker.authorize(ctx, AclOperation::Describe, Resource::Group(&group.group_id)) {
        return offset_fetch_group_error(version, &group, error);
    }
    let by_id = version >= TOPIC_ID_VERSION;
    let asked = group.clone();
    let mut refused = Vec::new();
    let all = group.topics.is_none();
    if let (true, Some(topics)) = (by_id, &mut group.topics) {
        resolve(&broker.image(), topics, &mut refused);
    }
    group.topics.iter_mut().for_each(|topics| authorize(ctx, broker, topics, &mut refused));
    let group_id = group.group_id.clone();
    let reply = run(broker, &group_id, move |shard, id, _| shard.fetch_offsets(&group, require_stable, id));
    let mut response = match reply.await {
        Ok(Reply::OffsetFetch(response)) => response,
        Ok(_) => return offset_fetch_group_error(version, &asked, ErrorCode::UnknownServerError),
        Err(error) => return offset_fetch_group_error(version, &asked, error),
    };
    if response.error_code != ErrorCode::None.code() {
        return response;
    }
    if all {
        // Offsets of topics that may not be described are nobody's business.
        let mut allowed = broker.topics(ctx, AclOperation::Describe);
        response.topics.retain(|topic| allowed.allow(&topic.name));
    }
    if all && by_id {
        let image = broker.image();
        for topic in &mut response.topics {
            if topic.topic_id.is_zero() {
                topic.topic_id = image.topics.topic_id(&topic.name).unwrap_or_default();
            }
        }
        // A topic without an id can't be named in this version.
        response.topics.retain(|topic| !topic.topic_id.is_zero());
    }
    response.topics.extend(refused);
    response
}

/// Fills in the names of topics that are given by id; unknown ids are answered at once.
fn resolve(
    image: &MetadataImage,
    topics: &mut Vec<OffsetFetchRequestTopics>,
    unknown: &mut Vec<OffsetFetchResponseTopics>,
) {
    topics.retain_mut(|topic| match image.topics.topic_name(topic.topic_id) {
        Some(name) => {
            topic.name = name.clone();
            true
        }
        None => {
            unknown.push(refuse(topic, ErrorCode::UnknownTopicId));
            false
        }
    });
}

/// Takes out the topics that may not be described, and answers for them.
fn authorize(
    ctx: &RequestContext,
    broker: &Broker,
    topics: &mut Vec<OffsetFetchRequestTopics>,
    refused: &mut Vec<OffsetFetchResponseTopics>,
) {
    let mut allowed = broker.topics(ctx, AclOperation::Describe);
    topics.retain(|topic| {
        let is_allowed = allowed.allow(&topic.name);
        if !is_allowed {
            refused.push(refuse(topic, ErrorCode::TopicAuthorizationFailed));
        }
        is_allowed
    });
}

fn refuse(topic: &OffsetFetchRequestTopics, error: ErrorCode) -> OffsetFetchResponseTopics {
    let partitions = topic.partition_indexes.iter().map(|index| OffsetFetchResponsePartitions {
        partition_index: *index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some(Str::new()),
        error_code: error.code(),
    });
    OffsetFetchResponseTopics {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: partitions.collect(),
    }
}

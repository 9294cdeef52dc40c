//! FindCoordinator (key 10), versions 0-6: which broker coordinates a group, a transactional id or a share partition.
//!
//! v1 key types · v4 many keys at once · v6 share partitions. The internal topic is created when the first
//! client asks; until it exists the answer is COORDINATOR_NOT_AVAILABLE, and the client asks again.

use std::sync::Arc;

use ottla_protocol::messages::find_coordinator_response::Coordinator;
use ottla_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use ottla_protocol::{ErrorCode, Str, Uuid};

use crate::broker::Broker;
use crate::context::RequestContext;
use crate::internal_topics::{CONSUMER_OFFSETS, SHARE_GROUP_STATE, TRANSACTION_STATE};
use crate::metadata_view::MetadataView;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;
/// First version that knows share partitions.
const SHARE_VERSION: i16 = 6;
/// First version that asks for many keys.
const BATCH_VERSION: i16 = 4;

/// Answers from the image; creates the internal topic when it is missing.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let batch = ctx.api_version >= BATCH_VERSION;
    let keys = if batch { request.coordinator_keys } else { vec![request.key] };
    if let Some(topic) = topic_of(request.key_type)
        && broker.image().topics.topic(topic).is_none()
    {
        broker.create_internal_topic(topic).await;
    }
    let coordinators: Vec<Coordinator> =
        keys.into_iter().map(|key| find(&ctx, &broker, request.key_type, key)).collect();
    if batch {
        return FindCoordinatorResponse { coordinators, ..Default::default() };
    }
    let Some(found) = coordinators.into_iter().next() else { return FindCoordinatorResponse::default() };
    let error = ErrorCode::from_code(found.error_code);
    FindCoordinatorResponse {
        error_code: found.error_code,
        error_message: Some(if error.is_err() { Str::from_static(error.message()) } else { "NONE".into() }),
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..Default::default()
    }
}

/// The internal topic whose leaders coordinate a type of keys.
fn topic_of(key_type: i8) -> Option<&'static str> {
    match key_type {
        GROUP => Some(CONSUMER_OFFSETS),
        TRANSACTION => Some(TRANSACTION_STATE),
        SHARE => Some(SHARE_GROUP_STATE),
        _ => None,
    }
}

/// Whether a key reads `group:topicId:partition` (`SharePartitionKey.validate`). The group may hold colons.
fn is_share_partition(key: &str) -> bool {
    let mut parts = key.rsplitn(3, ':');
    let (partition, topic_id, group) = (parts.next(), parts.next(), parts.next());
    partition.is_some_and(|partition| partition.parse::<i32>().is_ok())
        && topic_id.is_some_and(|topic_id| topic_id.parse::<Uuid>().is_ok())
        && group.is_some_and(|group| !group.trim().is_empty())
}

fn find(ctx: &RequestContext, broker: &Broker, key_type: i8, key: Str) -> Coordinator {
    let none = |error: ErrorCode, key: Str| Coordinator {
        key,
        node_id: -1,
        port: -1,
        error_code: error.code(),
        error_message: Some(Str::new()),
        ..Default::default()
    };
    let Some(topic) = topic_of(key_type) else { return none(ErrorCode::InvalidRequest, key) };
    if key_type == SHARE && (ctx.api_version < SHARE_VERSION || !is_share_partition(&key)) {
        return none(ErrorCode::InvalidRequest, key);
    }
    let image = broker.image();
    let leader = image
        .topics
        .topic(topic)
        .and_then(|topic| {
            let partition = ottla_coordinator::partition_for(&key, topic.partitions.len() as i32);
            topic.partitions.get(partition)
        })
        .map(|partition| partition.leader);
    let view = MetadataView::new(&image, ctx.listener());
    let node = leader.and_then(|leader| view.alive_brokers().find(|(broker, _)| broker.id == leader));
    match node {
        None => none(ErrorCode::CoordinatorNotAvailable, key),
        Some((broker, endpoint)) => Coordinator {
            key,
            node_id: broker.id,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            error_code: ErrorCode::None.code(),
            error_message: Some(Str::new()),
        },
    }
}

//! FindCoordinator (key 10), versions 0-6: which broker coordinates a group, a transactional id or a share partition.
//!
//! v1 key types · v4 many keys at once · v6 share partitions. The internal topic is created when the first
//! client asks; until it exists the answer is COORDINATOR_NOT_AVAILABLE, and the client asks again.

use std::sync::Arc;

use ottla_metadata::AclOperation;
use ottla_protocol::messages::find_coordinator_response::Coordinator;
use ottla_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use ottla_protocol::{ErrorCode, Str, Uuid};

use crate::authorization::Resource;
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
    let checked: Vec<(Str, Result<&'static str, ErrorCode>)> = keys
        .into_iter()
        .map(|key| {
            let topic = check(&ctx, &broker, request.key_type, &key);
            (key, topic)
        })
        .collect();
    // All keys are of one type, hence of one topic.
    if let Some(topic) = checked.iter().find_map(|(_, topic)| topic.ok())
        && broker.image().topics.topic(topic).is_none()
    {
        broker.create_internal_topic(topic).await;
    }
    let coordinators: Vec<Coordinator> =
        checked.into_iter().map(|(key, topic)| find(&ctx, &broker, key, topic)).collect();
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

/// The internal topic of a key that may be asked for.
fn check(ctx: &RequestContext, broker: &Broker, key_type: i8, key: &Str) -> Result<&'static str, ErrorCode> {
    match key_type {
        GROUP => broker.authorize(ctx, AclOperation::Describe, Resource::Group(key))?,
        TRANSACTION => broker.authorize(ctx, AclOperation::Describe, Resource::TransactionalId(key))?,
        SHARE if ctx.api_version < SHARE_VERSION => return Err(ErrorCode::InvalidRequest),
        SHARE => {
            broker.authorize(ctx, AclOperation::ClusterAction, Resource::Cluster)?;
            if !is_share_partition(key) {
                return Err(ErrorCode::InvalidRequest);
            }
        }
        _ => {}
    }
    topic_of(key_type).ok_or(ErrorCode::InvalidRequest)
}

fn find(
    ctx: &RequestContext,
    broker: &Broker,
    key: Str,
    topic: Result<&'static str, ErrorCode>,
) -> Coordinator {
    let none = |error: ErrorCode, key: Str| Coordinator {
        key,
        node_id: -1,
        port: -1,
        error_code: error.code(),
        error_message: Some(match error {
            // Kafka's error of a whole request comes with its text, that of one key without.
            ErrorCode::ClusterAuthorizationFailed => Str::from_static(error.message()),
            _ => Str::new(),
        }),
        ..Default::default()
    };
    let topic = match topic {
        Ok(topic) => topic,
        Err(error) => return none(error, key),
    };
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

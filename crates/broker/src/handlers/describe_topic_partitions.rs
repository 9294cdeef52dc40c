//! DescribeTopicPartitions (key 75), version 0: topics in pages (KIP-966).

use std::collections::BTreeSet;

use ottla_controller::topic_name;
use ottla_metadata::{AclOperation, TopicImage};
use ottla_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use ottla_protocol::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};
use ottla_protocol::{ErrorCode, Str, Uuid};

use crate::authorization::Resource;
use crate::authorized_operations;
use crate::broker::Broker;
use crate::context::RequestContext;
use crate::internal_topics;
use crate::metadata_view::MetadataView;

/// Answers with as many partitions as fit the page, from the cursor on.
pub fn handle(
    ctx: &RequestContext,
    broker: &Broker,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let image = broker.image();
    let view = MetadataView::new(&image, ctx.listener());
    let cursor = request.cursor.as_ref();
    let from = cursor.map_or("", |c| &c.topic_name);
    let all = request.topics.is_empty();
    let names: BTreeSet<Str> = if all {
        image.topics.iter().map(|t| t.name.clone()).filter(|n| &**n >= from).collect()
    } else {
        request.topics.iter().map(|t| t.name.clone()).filter(|n| &**n >= from).collect()
    };
    let bad_cursor =
        cursor.is_some_and(|c| c.partition_index < 0 || (!all && !names.contains(&c.topic_name)));
    if bad_cursor {
        return invalid(&request);
    }
    let mut left =
        request.response_partition_limit.min(broker.config.topics.max_request_partition_size_limit).max(1)
            as usize;
    let mut response = DescribeTopicPartitionsResponse { next_cursor: None, ..Default::default() };
    // What may not be seen is not even looked for.
    let (names, denied) = authorized(ctx, broker, names, all);
    for name in names {
        if left == 0 {
            response.next_cursor = Some(Cursor { topic_name: name, partition_index: 0 });
            break;
        }
        let Some(topic) = image.topics.topic(&name) else {
            if !all {
                response.topics.push(unknown(ctx, broker, name));
            }
            continue;
        };
        let start = cursor.filter(|c| c.topic_name == name).map_or(0, |c| c.partition_index);
        let described = describe(ctx, broker, &view, topic, start, left);
        left -= described.partitions.len();
        let next = start.saturating_add(described.partitions.len() as i32);
        response.topics.push(described);
        if (next as usize) < topic.partitions.len() {
            response.next_cursor = Some(Cursor { topic_name: name, partition_index: next });
            break;
        }
    }
    response.topics.extend(denied);
    response
}

/// The topics that may be described, and answers for the others; of all topics, these are left out.
fn authorized(
    ctx: &RequestContext,
    broker: &Broker,
    names: BTreeSet<Str>,
    all: bool,
) -> (Vec<Str>, Vec<DescribeTopicPartitionsResponseTopic>) {
    let mut denied = Vec::new();
    let mut allowed = Vec::with_capacity(names.len());
    for name in names {
        if broker.may(ctx, AclOperation::Describe, Resource::Topic(&name)) {
            allowed.push(name);
        } else if !all {
            denied.push(DescribeTopicPartitionsResponseTopic {
                error_code: ErrorCode::TopicAuthorizationFailed.code(),
                name: Some(name),
                ..Default::default()
            });
        }
    }
    (allowed, denied)
}

fn describe(
    ctx: &RequestContext,
    broker: &Broker,
    view: &MetadataView<'_>,
    topic: &TopicImage,
    start: i32,
    limit: usize,
) -> DescribeTopicPartitionsResponseTopic {
    let partitions = topic
        .partitions
        .iter()
        .filter(|(index, _)| *index >= start)
        .take(limit)
        .map(|(index, partition)| {
            let seen = view.partition(partition, false, true);
            DescribeTopicPartitionsResponsePartition {
                error_code: seen.error.code(),
                partition_index: index,
                leader_id: seen.leader,
                leader_epoch: partition.leader_epoch,
                replica_nodes: seen.replicas,
                isr_nodes: seen.isr,
                eligible_leader_replicas: Some(partition.elr.to_vec()),
                last_known_elr: Some(partition.last_known_elr.to_vec()),
                offline_replicas: seen.offline,
            }
        })
        .collect();
    DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::None.code(),
        name: Some(topic.name.clone()),
        topic_id: topic.id,
        is_internal: internal_topics::is_internal(&topic.name),
        partitions,
        topic_authorized_operations: authorized_operations::of_topic(ctx, broker, &topic.name),
    }
}

fn unknown(ctx: &RequestContext, broker: &Broker, name: Str) -> DescribeTopicPartitionsResponseTopic {
    let valid = topic_name::validate(&name).is_ok();
    let error = if valid { ErrorCode::UnknownTopicOrPartition } else { ErrorCode::InvalidTopicException };
    DescribeTopicPartitionsResponseTopic {
        error_code: error.code(),
        is_internal: internal_topics::is_internal(&name),
        topic_authorized_operations: authorized_operations::of_topic(ctx, broker, &name),
        name: Some(name),
        topic_id: Uuid::ZERO,
        partitions: Vec::new(),
    }
}

/// Kafka answers a bad cursor with the error at each topic.
fn invalid(request: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let topic = |name: &Str| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        name: Some(name.clone()),
        ..Default::default()
    };
    DescribeTopicPartitionsResponse {
        topics: request.topics.iter().map(|t| topic(&t.name)).collect(),
        next_cursor: None,
        ..Default::default()
    }
}

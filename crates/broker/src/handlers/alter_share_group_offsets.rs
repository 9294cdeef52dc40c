//! AlterShareGroupOffsets (key 91), version 0: sets where a share group without members goes on (KIP-932).

use std::sync::Arc;

use ottla_coordinator::errors::coordinator_error;
use ottla_coordinator::{AlterShareGroupOffsetsReply, Reply};
use ottla_metadata::AclOperation;
use ottla_protocol::messages::alter_share_group_offsets_response::{
    AlterShareGroupOffsetsResponsePartition, AlterShareGroupOffsetsResponseTopic,
};
use ottla_protocol::messages::{AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse};
use ottla_protocol::{ErrorCode, Str};

use super::group_request::{is_share_enabled, run};
use super::share_persister::{self, Refused};
use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the share coordinator has the new offsets.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    mut request: AlterShareGroupOffsetsRequest,
) -> AlterShareGroupOffsetsResponse {
    if !is_share_enabled(&broker) {
        return refuse(ErrorCode::UnsupportedVersion);
    }
    if let Err(error) = broker.authorize(&ctx, AclOperation::Read, Resource::Group(&request.group_id)) {
        return refuse(error);
    }
    if request.group_id.is_empty() {
        return refuse(ErrorCode::InvalidGroupId);
    }
    let denied = denied(&ctx, &broker, &mut request);
    let group_id = request.group_id.clone();
    let reply = run(&broker, &group_id, move |shard, id, now_ms| {
        shard.alter_share_group_offsets(&request, id, now_ms)
    });
    match reply.await {
        Ok(Reply::AlterShareGroupOffsets(reply)) => {
            let mut response = finish(&broker, reply).await;
            if response.error_code == ErrorCode::None.code() {
                response.responses.extend(denied);
            }
            response
        }
        Ok(_) => refuse(ErrorCode::UnknownServerError),
        Err(error) => refuse(coordinator_error(error)),
    }
}

/// Takes out the topics that may not be read, and answers for them.
fn denied(
    ctx: &RequestContext,
    broker: &Broker,
    request: &mut AlterShareGroupOffsetsRequest,
) -> Vec<AlterShareGroupOffsetsResponseTopic> {
    let error = ErrorCode::TopicAuthorizationFailed;
    let image = broker.image();
    let mut allowed = broker.topics(ctx, AclOperation::Read);
    let mut denied = Vec::new();
    request.topics.retain(|topic| {
        let is_allowed = allowed.allow(&topic.topic_name);
        if !is_allowed {
            let partitions = topic.partitions.iter().map(|p| AlterShareGroupOffsetsResponsePartition {
                partition_index: p.partition_index,
                error_code: error.code(),
                error_message: Some(Str::from_static(error.message())),
            });
            denied.push(AlterShareGroupOffsetsResponseTopic {
                topic_name: topic.topic_name.clone(),
                // As Kafka does: ids of topics are no secret.
                topic_id: image.topics.topic_id(&topic.topic_name).unwrap_or_default(),
                partitions: partitions.collect(),
            });
        }
        is_allowed
    });
    denied
}

async fn finish(broker: &Broker, reply: AlterShareGroupOffsetsReply) -> AlterShareGroupOffsetsResponse {
    let Some(initialize) = reply.initialize else { return reply.response };
    let refused = share_persister::initialize(broker, &initialize).await;
    if refused.is_empty() {
        share_persister::tell(broker, &initialize, true).await;
    }
    with_refused(reply.response, &refused)
}

fn with_refused(
    mut response: AlterShareGroupOffsetsResponse,
    refused: &Refused,
) -> AlterShareGroupOffsetsResponse {
    for topic in &mut response.responses {
        for partition in &mut topic.partitions {
            if let Some(why) = refused.get(&(topic.topic_id, partition.partition_index))
                && partition.error_code == ErrorCode::None.code()
            {
                partition.error_code = why.code.code();
                partition.error_message = Some(Str::from(why.message.as_str()));
            }
        }
    }
    response
}

fn refuse(error: ErrorCode) -> AlterShareGroupOffsetsResponse {
    AlterShareGroupOffsetsResponse {
        error_code: error.code(),
        error_message: Some(Str::from_static(error.message())),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use ottla_protocol::Uuid;

    use super::*;

    #[test]
    fn what_the_share_coordinator_refused_is_told() {
        let topic_id = Uuid::from_parts(1, 2);
        let partition = |partition_index, error_code| AlterShareGroupOffsetsResponsePartition {
            partition_index,
            error_code,
            ..Default::default()
        };
        let topic = AlterShareGroupOffsetsResponseTopic {
            topic_id,
            partitions: vec![partition(0, 0), partition(1, 0), partition(2, 3)],
            ..Default::default()
        };
        let response = AlterShareGroupOffsetsResponse { responses: vec![topic], ..Default::default() };
        let fenced = ErrorCode::FencedStateEpoch;
        let refused = Refused::from([((topic_id, 1), fenced.into()), ((topic_id, 2), fenced.into())]);
        let response = with_refused(response, &refused);
        let codes: Vec<i16> = response.responses[0].partitions.iter().map(|p| p.error_code).collect();
        assert_eq!(codes, [0, fenced.code(), 3]);
    }
}

//! AlterShareGroupOffsets (key 91), version 0: sets where a share group without members goes on (KIP-932).

use std::sync::Arc;

use ottla_coordinator::errors::coordinator_error;
use ottla_coordinator::{AlterShareGroupOffsetsReply, Reply};
use ottla_protocol::messages::{AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse};
use ottla_protocol::{ErrorCode, Str};

use super::group_request::{is_share_enabled, run};
use super::share_persister::{self, Refused};
use crate::broker::Broker;
use crate::context::RequestContext;

/// Answers when the share coordinator has the new offsets.
pub async fn handle(
    _ctx: RequestContext,
    broker: Arc<Broker>,
    request: AlterShareGroupOffsetsRequest,
) -> AlterShareGroupOffsetsResponse {
    if !is_share_enabled(&broker) {
        return refuse(ErrorCode::UnsupportedVersion);
    }
    if request.group_id.is_empty() {
        return refuse(ErrorCode::InvalidGroupId);
    }
    let group_id = request.group_id.clone();
    let reply = run(&broker, &group_id, move |shard, id, now_ms| {
        shard.alter_share_group_offsets(&request, id, now_ms)
    });
    match reply.await {
        Ok(Reply::AlterShareGroupOffsets(reply)) => finish(&broker, reply).await,
        Ok(_) => refuse(ErrorCode::UnknownServerError),
        Err(error) => refuse(coordinator_error(error)),
    }
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
    use ottla_protocol::messages::alter_share_group_offsets_response::{
        AlterShareGroupOffsetsResponsePartition, AlterShareGroupOffsetsResponseTopic,
    };

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

//! ShareAcknowledge (key 79), versions 1-2: a member says what became of records (KIP-932). v2 renewals (KIP-1222).
//!
//! Epoch -1 of the session closes it: what the member has not acknowledged goes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_coordinator::share::partition::AcknowledgementBatch;
use ottla_protocol::messages::share_acknowledge_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionData, ShareAcknowledgeTopicResponse,
};
use ottla_protocol::messages::{ShareAcknowledgeRequest, ShareAcknowledgeResponse};
use ottla_protocol::{ErrorCode, Str};

use super::share_request::{Acknowledged, acknowledge, current_leader, member, text};
use crate::broker::Broker;
use crate::context::RequestContext;
use crate::share::{FINAL_EPOCH, Outcome};

/// Acknowledges, and answers when that is written.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: ShareAcknowledgeRequest,
) -> ShareAcknowledgeResponse {
    let epoch = request.share_session_epoch;
    let (group_id, member_id) = match open(&ctx, &broker, &request) {
        Ok(member) => member,
        Err(error) => {
            return ShareAcknowledgeResponse { error_code: error.code(), ..Default::default() };
        }
    };
    let is_renew = request.is_renew_ack;
    let (group, member) = (group_id.clone(), member_id.clone());
    let outcomes =
        acknowledge(ctx.clone(), broker.clone(), group, member, acknowledged(request), is_renew).await;
    if epoch == FINAL_EPOCH {
        broker.shares.release_session(&group_id, &member_id);
    }
    respond(&ctx, &broker, &group_id, outcomes)
}

fn open(
    ctx: &RequestContext,
    broker: &Broker,
    request: &ShareAcknowledgeRequest,
) -> Result<(Str, Str), ErrorCode> {
    let (group_id, member_id) = member(ctx, broker, request.group_id.as_ref(), request.member_id.as_ref())?;
    broker.shares.sessions.acknowledge(&group_id, &member_id, request.share_session_epoch)?;
    Ok((group_id, member_id))
}

fn acknowledged(request: ShareAcknowledgeRequest) -> Vec<Acknowledged> {
    let mut all = Vec::new();
    for topic in request.topics {
        for partition in topic.partitions {
            let batches = partition.acknowledgement_batches.into_iter();
            let batches = batches.map(|batch| AcknowledgementBatch {
                first_offset: batch.first_offset,
                last_offset: batch.last_offset,
                acknowledge_types: batch.acknowledge_types,
            });
            all.push(Acknowledged {
                topic_id: topic.topic_id,
                partition: partition.partition_index,
                batches: batches.collect(),
            });
        }
    }
    all
}

fn respond(
    ctx: &RequestContext,
    broker: &Broker,
    group_id: &str,
    outcomes: Vec<Outcome>,
) -> ShareAcknowledgeResponse {
    let image = broker.image();
    let lock_duration_ms = broker.shares.settings(group_id).partition.record_lock_duration_ms;
    let mut response =
        ShareAcknowledgeResponse { acquisition_lock_timeout_ms: lock_duration_ms, ..Default::default() };
    let (mut places, mut nodes) = (BTreeMap::new(), BTreeMap::new());
    for outcome in outcomes {
        let mut data = PartitionData { partition_index: outcome.partition, ..Default::default() };
        if let Err(error) = &outcome.result {
            data.error_code = error.code.code();
            data.error_message = text(error);
        }
        let at = (outcome.topic_id, outcome.partition);
        if let Some(leader) = current_leader(&image, ctx.listener(), at, data.error_code) {
            data.current_leader =
                LeaderIdAndEpoch { leader_id: leader.leader_id, leader_epoch: leader.leader_epoch };
            nodes.extend(leader.endpoint.map(|endpoint| (leader.leader_id, endpoint)));
        }
        let place = *places.entry(outcome.topic_id).or_insert(response.responses.len());
        match response.responses.get_mut(place) {
            Some(topic) => topic.partitions.push(data),
            None => response
                .responses
                .push(ShareAcknowledgeTopicResponse { topic_id: outcome.topic_id, partitions: vec![data] }),
        }
    }
    let nodes = nodes.into_iter();
    response.node_endpoints =
        nodes.map(|(node_id, (host, port, rack))| NodeEndpoint { node_id, host, port, rack }).collect();
    response
}

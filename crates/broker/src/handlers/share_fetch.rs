//! ShareFetch (key 78), versions 1-2: a member acknowledges records, takes others, and waits for them (KIP-932).
//!
//! v1 number of records and size of batches · v2 acquire modes (KIP-1206), renewals (KIP-1222).
//!
//! An answer that a quota throttles keeps its records: they are the member's by now, and Kafka, which takes them out, makes
//! them wait for the end of their locks.
//!
//! A partition that a request names twice counts once; Kafka answers such a request, if it opens a session, with
//! UNKNOWN_SERVER_ERROR.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use ottla_coordinator::share::partition::{AcknowledgementBatch, AcquireMode};
use ottla_metadata::AclOperation;
use ottla_protocol::messages::share_fetch_response::{
    AcquiredRecords, LeaderIdAndEpoch, NodeEndpoint, PartitionData, ShareFetchableTopicResponse,
};
use ottla_protocol::messages::{ShareFetchRequest, ShareFetchResponse};
use ottla_protocol::{ErrorCode, ExternalRecords, Records, Str, Uuid};

use super::share_request::{Acknowledged, acknowledge, current_leader, member, text};
use crate::broker::Broker;
use crate::clock::now_ms;
use crate::context::RequestContext;
use crate::quotas::RequestQuota;
use crate::share::{
    FINAL_EPOCH, Fetched, Outcome, SessionContext, SessionRequest, ShareFetch, SharedTopicPartition,
};
use crate::wire::RecordPieces;

/// First version with renewals.
const RENEW_VERSION: i16 = 2;

/// Acknowledges, then fetches; the answer has both.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: ShareFetchRequest,
) -> (ShareFetchResponse, RecordPieces) {
    let max_wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let opened = open(&ctx, &broker, &request);
    let (group_id, member_id, context) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            if error == ErrorCode::ShareSessionLimitReached {
                // Who can't have a session shall not ask for one without a pause.
                tokio::time::sleep(max_wait).await;
            }
            return refuse(error);
        }
    };
    let Some(mode) = acquire_mode(request.share_acquire_mode) else {
        return refuse(ErrorCode::UnknownServerError);
    };
    let (is_final, is_renew) = (request.share_session_epoch == FINAL_EPOCH, is_renew(&ctx, &request));
    let acknowledged = acknowledged(&request);
    let (group, member) = (group_id.clone(), member_id.clone());
    let acknowledging =
        acknowledge(ctx.clone(), broker.clone(), group, member, acknowledged, request.is_renew_ack);
    let fetching = async {
        // A renewal shall not wait for records as long as its lock lasts.
        if is_renew {
            return (Vec::new(), Vec::new());
        }
        let (valid, failed) = valid_targets(&ctx, &broker, &context, request.share_session_epoch);
        let fetch = ShareFetch {
            group_id: group_id.clone(),
            member_id: member_id.clone(),
            settings: broker.shares.settings(&group_id),
            mode,
            batch_size: request.batch_size,
            max_records: request.max_records,
            min_bytes: i64::from(request.min_bytes.min(max_bytes(&ctx, &broker, &request))),
            max_bytes: usize::try_from(max_bytes(&ctx, &broker, &request)).unwrap_or(0),
            max_wait,
            partitions: valid,
        };
        (fetch.run(&broker.shares, &now_ms).await, failed)
    };
    // In this order up to the first wait: what is acknowledged first may make room for what is fetched.
    let (outcomes, (fetched, failed)) = tokio::join!(biased; acknowledging, fetching);
    let (mut results, pieces) = results(fetched, failed);
    if let Err(error) = broker.shares.sessions.prune(&group_id, &member_id, &context, &mut results) {
        return refuse(error);
    }
    if is_final {
        broker.shares.release_session(&group_id, &member_id);
    }
    (respond(&ctx, &broker, &group_id, results, outcomes), pieces)
}

fn refuse(error: ErrorCode) -> (ShareFetchResponse, RecordPieces) {
    (ShareFetchResponse { error_code: error.code(), ..Default::default() }, Vec::new())
}

fn acquire_mode(id: i8) -> Option<AcquireMode> {
    match id {
        0 => Some(AcquireMode::BatchOptimized),
        1 => Some(AcquireMode::RecordLimit),
        _ => None,
    }
}

fn is_renew(ctx: &RequestContext, request: &ShareFetchRequest) -> bool {
    ctx.api_version >= RENEW_VERSION && request.is_renew_ack
}

fn max_bytes(ctx: &RequestContext, broker: &Broker, request: &ShareFetchRequest) -> i32 {
    let of_quota = ctx.quota.as_ref().map_or(usize::MAX, RequestQuota::max_fetch_bytes);
    let of_quota = i32::try_from(of_quota).unwrap_or(i32::MAX);
    request.max_bytes.min(broker.config.topics.fetch_max_bytes).min(of_quota).max(0)
}

/// Checks the request, and finds or opens its session.
fn open(
    ctx: &RequestContext,
    broker: &Broker,
    request: &ShareFetchRequest,
) -> Result<(Str, Str, SessionContext), ErrorCode> {
    let (group_id, member_id) = member(ctx, broker, request.group_id.as_ref(), request.member_id.as_ref())?;
    let limits = [request.max_bytes, request.min_bytes, request.max_records, request.max_wait_ms];
    if is_renew(ctx, request) && limits.iter().any(|limit| *limit != 0) {
        return Err(ErrorCode::InvalidRequest);
    }
    let image = broker.image();
    let mut named = Vec::new();
    for topic in &request.topics {
        let is_known = image.topics.topic_by_id(topic.topic_id).is_some();
        named.extend(topic.partitions.iter().map(|partition| SharedTopicPartition {
            topic_id: topic.topic_id,
            partition: partition.partition_index,
            is_known,
        }));
    }
    let forgotten = request.forgotten_topics_data.iter();
    let forgotten =
        forgotten.flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic_id, *partition)));
    let mut partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
    let context = broker.shares.sessions.context(SessionRequest {
        group_id: group_id.clone(),
        member_id: member_id.clone(),
        epoch: request.share_session_epoch,
        named,
        forgotten: forgotten.collect(),
        has_acknowledgements: partitions.any(|partition| !partition.acknowledgement_batches.is_empty()),
        connection: ctx.share_connection(&broker.shares),
    })?;
    Ok((group_id, member_id, context))
}

/// What the request acknowledges. A request without any acknowledgement has none; one with some tells of all
/// its partitions.
fn acknowledged(request: &ShareFetchRequest) -> Vec<Acknowledged> {
    let partitions = || {
        let topics = request.topics.iter();
        topics.flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic_id, partition)))
    };
    if partitions().all(|(_, partition)| partition.acknowledgement_batches.is_empty()) {
        return Vec::new();
    }
    let batches = |batches: &[ottla_protocol::messages::share_fetch_request::AcknowledgementBatch]| {
        let batches = batches.iter().map(|batch| AcknowledgementBatch {
            first_offset: batch.first_offset,
            last_offset: batch.last_offset,
            acknowledge_types: batch.acknowledge_types.clone(),
        });
        batches.collect()
    };
    let acknowledged = partitions().map(|(topic_id, partition)| Acknowledged {
        topic_id,
        partition: partition.partition_index,
        batches: batches(&partition.acknowledgement_batches),
    });
    acknowledged.collect()
}

/// A partition, and why it can't be fetched from.
type Failed = (Uuid, i32, ErrorCode);

/// The partitions to fetch from, each time another first, and those that there are not or that must not be read.
fn valid_targets(
    ctx: &RequestContext,
    broker: &Broker,
    context: &SessionContext,
    epoch: i32,
) -> (Vec<(Uuid, i32)>, Vec<Failed>) {
    let image = broker.image();
    let mut allowed = broker.topics(ctx, AclOperation::Read);
    let (mut valid, mut failed) = (Vec::new(), Vec::new());
    for target in &context.targets {
        let (topic_id, partition) = (target.topic_id, target.partition);
        let topic = image.topics.topic_name(topic_id);
        if !target.is_known {
            failed.push((topic_id, partition, ErrorCode::UnknownTopicId));
        } else if topic.is_some_and(|topic| !allowed.allow(topic)) {
            failed.push((topic_id, partition, ErrorCode::TopicAuthorizationFailed));
        } else if image.topics.partition_by_id(topic_id, partition).is_none() {
            failed.push((topic_id, partition, ErrorCode::UnknownTopicOrPartition));
        } else {
            valid.push((topic_id, partition));
        }
    }
    rotate(&mut valid, epoch);
    (valid, failed)
}

/// `PartitionRotateStrategy.rotateRoundRobin`
fn rotate(partitions: &mut [(Uuid, i32)], epoch: i32) {
    if let Ok(epoch) = usize::try_from(epoch)
        && !partitions.is_empty()
    {
        partitions.rotate_left(epoch % partitions.len());
    }
}

fn results(fetched: Vec<Fetched>, failed: Vec<Failed>) -> (Vec<(Uuid, PartitionData)>, RecordPieces) {
    let mut pieces = RecordPieces::new();
    let mut results = Vec::with_capacity(fetched.len() + failed.len());
    for Fetched { topic_id, partition, result } in fetched {
        let mut data = PartitionData { partition_index: partition, ..Default::default() };
        match result {
            Ok(taken) => {
                if taken.size > 0 {
                    pieces.push(taken.pieces);
                    // A read is shorter than 2 GiB, and there are as many as partitions in a request.
                    let (id, len) = (pieces.len() as u32 - 1, taken.size as u32);
                    data.records = Records::External(ExternalRecords { id, len });
                }
                let acquired = taken.acquired.into_iter().map(|records| AcquiredRecords {
                    first_offset: records.first_offset,
                    last_offset: records.last_offset,
                    delivery_count: records.delivery_count,
                });
                data.acquired_records = acquired.collect();
            }
            Err(error) => data.error_code = error.code.code(),
        }
        results.push((topic_id, data));
    }
    let failed = failed.into_iter().map(|(topic_id, partition_index, error)| {
        (topic_id, PartitionData { partition_index, error_code: error.code(), ..Default::default() })
    });
    results.extend(failed);
    (results, pieces)
}

/// One answer of what was fetched and what came of the acknowledgements.
fn respond(
    ctx: &RequestContext,
    broker: &Broker,
    group_id: &str,
    results: Vec<(Uuid, PartitionData)>,
    outcomes: Vec<Outcome>,
) -> ShareFetchResponse {
    let image = broker.image();
    let mut nodes = BTreeMap::new();
    let mut response = ShareFetchResponse {
        acquisition_lock_timeout_ms: broker.shares.settings(group_id).partition.record_lock_duration_ms,
        ..Default::default()
    };
    let mut outcomes: HashMap<(Uuid, i32), Outcome> =
        outcomes.into_iter().map(|outcome| ((outcome.topic_id, outcome.partition), outcome)).collect();
    let mut places = HashMap::new();
    for (topic_id, mut data) in results {
        let at = (topic_id, data.partition_index);
        if let Some(leader) = current_leader(&image, ctx.listener(), at, data.error_code) {
            data.current_leader =
                LeaderIdAndEpoch { leader_id: leader.leader_id, leader_epoch: leader.leader_epoch };
            nodes.extend(leader.endpoint.map(|endpoint| (leader.leader_id, endpoint)));
        }
        if let Some(outcome) = outcomes.remove(&at) {
            set_outcome(&mut data, &outcome);
        }
        push(&mut response, &mut places, topic_id, data);
    }
    let mut left: Vec<_> = outcomes.into_iter().collect();
    left.sort_unstable_by_key(|(at, _)| *at);
    for ((topic_id, partition_index), outcome) in left {
        let mut data = PartitionData { partition_index, ..Default::default() };
        set_outcome(&mut data, &outcome);
        push(&mut response, &mut places, topic_id, data);
    }
    let nodes = nodes.into_iter();
    response.node_endpoints =
        nodes.map(|(node_id, (host, port, rack))| NodeEndpoint { node_id, host, port, rack }).collect();
    response
}

fn set_outcome(data: &mut PartitionData, outcome: &Outcome) {
    if let Err(error) = &outcome.result {
        data.acknowledge_error_code = error.code.code();
        data.acknowledge_error_message = text(error);
    }
}

fn push(
    response: &mut ShareFetchResponse,
    places: &mut HashMap<Uuid, usize>,
    topic_id: Uuid,
    data: PartitionData,
) {
    let place = *places.entry(topic_id).or_insert(response.responses.len());
    match response.responses.get_mut(place) {
        Some(topic) => topic.partitions.push(data),
        None => {
            response.responses.push(ShareFetchableTopicResponse { topic_id, partitions: vec![data] });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_begins_with_another_partition() {
        let check = |epoch, expected: [i32; 3]| {
            let mut partitions: Vec<_> = (0..3).map(|partition| (Uuid::default(), partition)).collect();
            rotate(&mut partitions, epoch);
            assert_eq!(partitions.iter().map(|(_, partition)| *partition).collect::<Vec<_>>(), expected);
        };
        check(0, [0, 1, 2]);
        check(1, [1, 2, 0]);
        check(5, [2, 0, 1]);
        rotate(&mut [], 7);
    }
}

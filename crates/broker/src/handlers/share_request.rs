//! What the handlers of ShareFetch and ShareAcknowledge share.

use ottla_coordinator::share::partition::AcknowledgementBatch;
use ottla_metadata::{AclOperation, MetadataImage};
use ottla_protocol::{ErrorCode, Str, Uuid};

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;
use crate::metadata_view::MetadataView;
use crate::share::{Outcome, ShareError};

/// Most UTF-16 units of a member id: those of a UUID.
const MEMBER_ID_LEN_MAX: usize = 36;
/// First version that can prolong the hold on records.
const RENEW_VERSION: i16 = 2;

/// Whether share groups are served (`KafkaApis.isShareGroupProtocolEnabled`).
pub fn is_share_enabled(broker: &Broker) -> bool {
    broker.image().features.level("share.version") >= 1
}

/// Group and member of a request of who may read the group, not as slices of it: who owns records is remembered for long.
///
/// # Errors
/// UNSUPPORTED_VERSION while share groups are not served, INVALID_REQUEST without a group, or with a member id
/// that is none (`KafkaApis.isMemberIdValid`), GROUP_AUTHORIZATION_FAILED.
pub fn member(
    ctx: &RequestContext,
    broker: &Broker,
    group_id: Option<&Str>,
    member_id: Option<&Str>,
) -> Result<(Str, Str), ErrorCode> {
    if !is_share_enabled(broker) {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let group_id = group_id.ok_or(ErrorCode::InvalidRequest)?;
    broker.authorize(ctx, AclOperation::Read, Resource::Group(group_id))?;
    let member_id = member_id.filter(|id| is_member_id_valid(id)).ok_or(ErrorCode::InvalidRequest)?;
    Ok((Str::from(&**group_id), Str::from(&**member_id)))
}

fn is_member_id_valid(member_id: &str) -> bool {
    !member_id.is_empty() && member_id.encode_utf16().count() <= MEMBER_ID_LEN_MAX
}

/// What a request acknowledges of one partition.
pub struct Acknowledged {
    /// The topic.
    pub topic_id: Uuid,
    /// The partition.
    pub partition: i32,
    /// The records, and what became of them.
    pub batches: Vec<AcknowledgementBatch>,
}

/// Acknowledges, and waits until that is written (`KafkaApis.handleAcknowledgements`). The records are taken
/// note of before the first wait.
pub async fn acknowledge(
    ctx: RequestContext,
    broker: std::sync::Arc<Broker>,
    group_id: Str,
    member_id: Str,
    acknowledged: Vec<Acknowledged>,
    is_renew: bool,
) -> Vec<Outcome> {
    let image = broker.image();
    let mut allowed = broker.topics(&ctx, AclOperation::Read);
    let supports_renew = ctx.api_version == RENEW_VERSION;
    let (mut refused, mut empty, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
    for Acknowledged { topic_id, partition, batches } in last_of_each(acknowledged) {
        let refuse = |code: ErrorCode| Outcome { topic_id, partition, result: Err(code.into()) };
        let Some(topic) = image.topics.topic_name(topic_id) else {
            refused.push(refuse(ErrorCode::UnknownTopicId));
            continue;
        };
        if !is_valid(&batches, supports_renew, is_renew) {
            refused.push(refuse(ErrorCode::InvalidRequest));
        } else if !allowed.allow(topic) {
            refused.push(refuse(ErrorCode::TopicAuthorizationFailed));
        } else if image.topics.partition_by_id(topic_id, partition).is_none() {
            refused.push(refuse(ErrorCode::UnknownTopicOrPartition));
        } else if batches.is_empty() {
            empty.push(Outcome { topic_id, partition, result: Ok(()) });
        } else {
            wanted.push((topic_id, partition, batches));
        }
    }
    drop((image, allowed));
    // Partitions of which nothing is acknowledged are told of only beside others.
    if !wanted.is_empty() {
        let acknowledging = broker.shares.acknowledge(&group_id, &member_id, wanted, ctx.now_ms);
        refused.extend(acknowledging.finish().await);
        refused.extend(empty);
    }
    refused
}

/// Of a partition that is named twice, what is said of it last.
fn last_of_each(acknowledged: Vec<Acknowledged>) -> Vec<Acknowledged> {
    let mut places = std::collections::HashMap::with_capacity(acknowledged.len());
    let mut kept: Vec<Acknowledged> = Vec::with_capacity(acknowledged.len());
    for each in acknowledged {
        let place = *places.entry((each.topic_id, each.partition)).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(known) => *known = each,
            None => kept.push(each),
        }
    }
    kept
}

/// Whether acknowledgements of one partition make sense (`KafkaApis.validateAcknowledgementBatches`).
fn is_valid(batches: &[AcknowledgementBatch], supports_renew: bool, is_renew: bool) -> bool {
    let type_max = if supports_renew { 4 } else { 3 };
    let mut previous_last_offset = -1;
    batches.iter().all(|batch| {
        let types = &batch.acknowledge_types;
        let len = i64::try_from(types.len()).unwrap_or(i64::MAX);
        let is_valid = batch.first_offset <= batch.last_offset
            && batch.first_offset >= previous_last_offset
            && !types.is_empty()
            && (len == 1 || batch.last_offset.wrapping_sub(batch.first_offset) == len - 1)
            && types.iter().all(|t| (0..=type_max).contains(t) && (*t != 4 || is_renew));
        previous_last_offset = batch.last_offset;
        is_valid
    })
}

/// The leader to go to instead.
pub struct CurrentLeader {
    /// Its id.
    pub leader_id: i32,
    /// Its epoch.
    pub leader_epoch: i32,
    /// Where it is: host, port and rack.
    pub endpoint: Option<(Str, i32, Option<Str>)>,
}

/// The leader of a partition, if an error says that it is another (`KafkaApis.getCurrentLeader`).
pub fn current_leader(
    image: &MetadataImage,
    listener: &str,
    (topic_id, partition): (Uuid, i32),
    error_code: i16,
) -> Option<CurrentLeader> {
    let codes = [ErrorCode::NotLeaderOrFollower.code(), ErrorCode::FencedLeaderEpoch.code()];
    if !codes.contains(&error_code) {
        return None;
    }
    let registration = image.topics.partition_by_id(topic_id, partition)?;
    let view = MetadataView::new(image, listener);
    let node = view.alive_brokers().find(|(broker, _)| broker.id == registration.leader);
    Some(CurrentLeader {
        leader_id: registration.leader,
        leader_epoch: registration.leader_epoch,
        endpoint: node.map(|(broker, at)| (at.host.clone(), i32::from(at.port), broker.rack.clone())),
    })
}

/// The text of an error.
pub fn text(error: &ShareError) -> Option<Str> {
    Some(Str::from(error.message.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(first_offset: i64, last_offset: i64, acknowledge_types: &[i8]) -> AcknowledgementBatch {
        AcknowledgementBatch { first_offset, last_offset, acknowledge_types: acknowledge_types.to_vec() }
    }

    #[test]
    fn acknowledgements_are_checked_as_kafka_checks_them() {
        let check = |batches: &[AcknowledgementBatch]| is_valid(batches, true, false);
        assert!(check(&[]));
        assert!(check(&[batch(0, 9, &[1])]));
        assert!(check(&[batch(0, 2, &[1, 0, 3]), batch(3, 3, &[2])]));
        assert!(check(&[batch(0, 3, &[1]), batch(3, 4, &[1])]), "Kafka lets the ends touch");
        assert!(!check(&[batch(5, 9, &[1]), batch(3, 4, &[1])]));
        assert!(!check(&[batch(1, 0, &[1])]));
        assert!(!check(&[batch(-2, 0, &[1])]));
        assert!(!check(&[batch(0, 0, &[])]));
        assert!(!check(&[batch(0, 2, &[1, 1])]));
        assert!(!check(&[batch(i64::MIN, i64::MAX, &[1, 1])]));
        assert!(!check(&[batch(0, 0, &[5])]));
        assert!(!check(&[batch(0, 0, &[-1])]));
        assert!(!check(&[batch(0, 0, &[4])]), "a renewal must be announced");
        assert!(is_valid(&[batch(0, 0, &[4])], true, true));
        assert!(!is_valid(&[batch(0, 0, &[4])], false, true), "v1 can't renew");
    }

    #[test]
    fn of_a_partition_named_twice_the_last_counts() {
        let of = |partition, first_offset| Acknowledged {
            topic_id: Uuid::from_parts(1, 1),
            partition,
            batches: vec![batch(first_offset, first_offset, &[1])],
        };
        let kept = last_of_each(vec![of(0, 1), of(1, 2), of(0, 3)]);
        let kept: Vec<_> = kept.iter().map(|each| (each.partition, each.batches[0].first_offset)).collect();
        assert_eq!(kept, [(0, 3), (1, 2)]);
    }

    #[test]
    fn member_ids_are_as_long_as_uuids() {
        assert!(is_member_id_valid("m"));
        assert!(is_member_id_valid(&"x".repeat(36)));
        assert!(!is_member_id_valid(&"x".repeat(37)));
        assert!(!is_member_id_valid(""));
    }
}

//! A classic group becomes a consumer group while its members are there (`convertToConsumerGroup`,
//! `ConsumerGroup.fromClassicGroup`). Its members go on with the classic protocol, each until it comes back
//! with the new one.

use bytes::Bytes;
use ottla_metadata::MetadataImage;
use ottla_protocol::messages::ConsumerProtocolAssignment;
use ottla_protocol::{ErrorCode, Message, Reader, Str};

use super::member::{ClassicMember, ConsumerGroupMember, with_epoch, without_epochs};
use super::{ConsumerGroup, record};
use crate::group::classic::{ClassicGroup, ClassicGroupMember, Subscription};
use crate::group::modern::{Assignment, TopicHashes};
use crate::group::{Env, GroupError};
use crate::records::{GroupRecord, decode_record, group_metadata_tombstone};

impl ConsumerGroup {
    /// The consumer group that takes the place of a classic one; its records go out.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND when the group may not, or can't, be upgraded.
    pub(super) fn upgrade(
        classic: &ClassicGroup,
        high_watermark: i64,
        hashes: &mut TopicHashes,
        env: &mut Env<'_>,
    ) -> Result<Self, GroupError> {
        let group_id = classic.group_id();
        validate(classic, env)?;
        let members = classic.members().map(|member| from_classic(classic, member, env.image));
        let members = members.collect::<Result<Vec<_>, _>>()?;
        let names: std::collections::BTreeSet<&Str> =
            members.iter().flat_map(|member| &member.base.subscribed_topic_names).collect();
        let hash = hashes.group_hash(names, env.image);
        let epoch = classic.generation_id();
        let mut records = Vec::new();
        for member in &members {
            records.push(record::member(group_id, member)?);
        }
        records.push(record::epoch(group_id, epoch, hash)?);
        for member in &members {
            let target = without_epochs(&member.assigned_partitions);
            records.push(record::target(group_id, member.member_id(), &target)?);
        }
        records.push(record::target_metadata(group_id, epoch, 0)?);
        for member in &members {
            records.push(record::current_assignment(group_id, member)?);
        }
        let mut group = ConsumerGroup::new(group_id.clone(), high_watermark);
        for record in &records {
            if let Ok(GroupRecord::Consumer(record)) = decode_record(&record.key, record.value.as_ref()) {
                group.replay(high_watermark, record.change);
            }
        }
        env.out.records.push(group_metadata_tombstone(group_id)?);
        env.out.records.append(&mut records);
        for member in &members {
            let session_ms = member.classic.as_ref().map_or(0, |classic| classic.session_timeout_ms);
            env.out.schedule(group.session_key(member.member_id()), env.now_ms, session_ms.into());
        }
        Ok(group)
    }
}

fn validate(classic: &ClassicGroup, env: &Env<'_>) -> Result<(), GroupError> {
    let because = if !env.config.consumer.migration_policy.is_upgrade_enabled() {
        "online upgrade is disabled"
    } else if !classic.uses_consumer_protocol() {
        "the group does not use the consumer embedded protocol"
    } else if classic.members().len() > usize::try_from(env.config.consumer.max_size).unwrap_or(0) {
        "the group size exceeds the consumer group maximum size"
    } else {
        return Ok(());
    };
    Err(cannot(classic, because))
}

fn cannot(classic: &ClassicGroup, because: &str) -> GroupError {
    let group_id = classic.group_id();
    let message = format!("Cannot upgrade classic group {group_id} to consumer group because {because}.");
    GroupError::new(ErrorCode::GroupIdNotFound, message)
}

fn from_classic(
    classic: &ClassicGroup,
    member: &ClassicGroupMember,
    image: &MetadataImage,
) -> Result<ConsumerGroupMember, GroupError> {
    let malformed = || cannot(classic, "the embedded consumer protocol is malformed");
    let assigned = assignment(&member.assignment, image).ok_or_else(malformed)?.ok_or_else(|| {
        let because = "an unsupported custom assignor is in use. Please refer to the documentation or \
                       switch to a default assignor before re-attempting the upgrade";
        cannot(classic, because)
    })?;
    let protocol_name = classic.protocol_name().cloned().unwrap_or_default();
    let metadata = member.metadata(&protocol_name).or_else(|| {
        // Before the first protocol is selected, the member's first choice stands in.
        member.protocols.first().map(|protocol| &protocol.metadata)
    });
    let subscription = metadata.and_then(Subscription::parse).ok_or_else(malformed)?;
    let mut new = ConsumerGroupMember::new(member.member_id.clone());
    let generation_id = classic.generation_id();
    new.base.member_epoch = generation_id;
    new.base.previous_member_epoch = generation_id;
    new.base.instance_id = member.group_instance_id.clone();
    new.base.rack_id = subscription.rack_id;
    new.base.client_id = member.client_id.clone();
    new.base.client_host = member.client_host.clone();
    new.base.subscribed_topic_names = subscription.topics;
    new.rebalance_timeout_ms = member.rebalance_timeout_ms;
    new.assigned_partitions = with_epoch(&assigned, generation_id);
    new.classic = Some(ClassicMember {
        session_timeout_ms: member.session_timeout_ms,
        protocols: member.protocols.clone(),
    });
    Ok(new)
}

/// What a consumer's assignment says; the outer `None`: it can't be read; the inner: it holds data that only
/// the assignor of the members understands, and that would be lost.
fn assignment(bytes: &Bytes, image: &MetadataImage) -> Option<Option<Assignment>> {
    if bytes.is_empty() {
        return Some(Some(Assignment::new()));
    }
    let mut reader = Reader::new(bytes.clone());
    reader.i16().ok()?;
    let parsed = ConsumerProtocolAssignment::decode(&mut reader, 0).ok()?;
    if parsed.user_data.as_ref().is_some_and(|data| !data.is_empty()) {
        return Some(None);
    }
    let mut assignment = Assignment::new();
    for topic in parsed.assigned_partitions {
        if let Some(topic_id) = image.topics.topic_id(&topic.topic)
            && !topic.partitions.is_empty()
        {
            assignment.insert(topic_id, topic.partitions.into_iter().collect());
        }
    }
    Some(Some(assignment))
}

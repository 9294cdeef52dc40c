//! AlterShareGroupOffsets and DeleteShareGroupOffsets (`alterShareGroupOffsets`,
//! `initiateDeleteShareGroupOffsets`, `completeDeleteShareGroupOffsets`).

use std::collections::BTreeMap;

use ottla_metadata::TopicImage;
use ottla_protocol::messages::alter_share_group_offsets_request::AlterShareGroupOffsetsRequestTopic;
use ottla_protocol::messages::alter_share_group_offsets_response::{
    AlterShareGroupOffsetsResponsePartition, AlterShareGroupOffsetsResponseTopic,
};
use ottla_protocol::messages::delete_share_group_offsets_response::DeleteShareGroupOffsetsResponseTopic;
use ottla_protocol::messages::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse, DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsResponse,
};
use ottla_protocol::{ErrorCode, Str, Uuid};

use super::heartbeat::not_a_share_group;
use super::state_metadata::{DeleteShareState, InitTopic, InitTopics, InitializeShareState, SharePartitions};
use super::{ShareGroup, record};
use crate::group::{Group, GroupError, TEXT_LENGTH_MAX};
use crate::records::owned;
use crate::reply::{AlterShareGroupOffsetsReply, DeleteShareGroupOffsetsReply, Reply, ReplyId};
use crate::result::CoordinatorResult;
use crate::shard::GroupCoordinatorShard;

impl GroupCoordinatorShard {
    /// Sets where a group without members is to go on. The answer says what the share coordinator is to do;
    /// the partitions that it answers for are altered only when it has.
    pub fn alter_share_group_offsets(
        &mut self,
        request: &AlterShareGroupOffsetsRequest,
        reply_id: ReplyId,
        now_ms: i64,
    ) -> CoordinatorResult {
        self.share_clock_ms = now_ms;
        let mut out = CoordinatorResult::default();
        match self.altered(request, now_ms, &mut out) {
            Ok(reply) => out.reply_after_commit(reply_id, Reply::AlterShareGroupOffsets(reply)),
            Err(error) => {
                let response = AlterShareGroupOffsetsResponse {
                    error_code: error.code.code(),
                    error_message: error.text().or(Some(Str::from_static(error.code.message()))),
                    ..Default::default()
                };
                out = CoordinatorResult::default();
                let reply = AlterShareGroupOffsetsReply { response, initialize: None };
                out.reply(reply_id, Reply::AlterShareGroupOffsets(reply));
            }
        }
        out
    }

    fn altered(
        &self,
        request: &AlterShareGroupOffsetsRequest,
        now_ms: i64,
        out: &mut CoordinatorResult,
    ) -> Result<AlterShareGroupOffsetsReply, GroupError> {
        if request.group_id.is_empty() || request.group_id.len() > TEXT_LENGTH_MAX {
            return Err(ErrorCode::InvalidGroupId.into());
        }
        let new;
        let group = match self.groups.get(&request.group_id) {
            Some(Group::Share(group)) => group,
            Some(_) => return Err(not_a_share_group(&request.group_id)),
            None => {
                new = ShareGroup::new(owned(&request.group_id), self.high_watermark);
                &new
            }
        };
        group.validate_delete()?;
        let mut initializing = InitTopics::new();
        let mut start_offsets: BTreeMap<Uuid, BTreeMap<i32, i64>> = BTreeMap::new();
        let mut responses = Vec::with_capacity(request.topics.len());
        for asked in &request.topics {
            let topic = self.image.topics.topic(&asked.topic_name).map(|topic| &**topic);
            responses.push(alter_response(asked, topic));
            let Some(topic) = topic else { continue };
            let known = asked.partitions.iter().filter(|asked| has_partition(topic, asked.partition_index));
            let offsets: BTreeMap<i32, i64> =
                known.map(|asked| (asked.partition_index, asked.start_offset)).collect();
            let (name, partitions) = (topic.name.clone(), offsets.keys().copied().collect());
            initializing.insert(topic.id, InitTopic { name, partitions, timestamp_ms: now_ms });
            if !offsets.is_empty() {
                start_offsets.insert(topic.id, offsets);
            }
        }
        if !initializing.is_empty() {
            out.records.push(group.initializing_record(&initializing)?);
        }
        let initialize = InitializeShareState {
            group_id: group.group_id().clone(),
            state_epoch: group.base.epochs().group_epoch,
            start_offsets,
        };
        Ok(AlterShareGroupOffsetsReply {
            response: AlterShareGroupOffsetsResponse { responses, ..Default::default() },
            initialize: Some(initialize).filter(|initialize| !initialize.start_offsets.is_empty()),
        })
    }

    /// Forgets where a group without members has got to in some topics. The answer says what the share
    /// coordinator is to delete; [`Self::complete_delete_share_group_offsets`] ends it for the topics for which
    /// it has.
    pub fn delete_share_group_offsets(
        &mut self,
        request: &DeleteShareGroupOffsetsRequest,
        reply_id: ReplyId,
        now_ms: i64,
    ) -> CoordinatorResult {
        self.share_clock_ms = now_ms;
        let mut out = CoordinatorResult::default();
        match self.offsets_to_delete(request, &mut out) {
            Ok(reply) => out.reply_after_commit(reply_id, Reply::DeleteShareGroupOffsets(reply)),
            Err(error) => {
                let response = DeleteShareGroupOffsetsResponse {
                    error_code: error.code.code(),
                    error_message: error.text().or(Some(Str::from_static(error.code.message()))),
                    ..Default::default()
                };
                out = CoordinatorResult::default();
                let reply = DeleteShareGroupOffsetsReply { response, delete: None };
                out.reply(reply_id, Reply::DeleteShareGroupOffsets(reply));
            }
        }
        out
    }

    fn offsets_to_delete(
        &self,
        request: &DeleteShareGroupOffsetsRequest,
        out: &mut CoordinatorResult,
    ) -> Result<DeleteShareGroupOffsetsReply, GroupError> {
        let group_id = &request.group_id;
        if group_id.is_empty() {
            return Err(ErrorCode::InvalidGroupId.into());
        }
        let group = match self.groups.get(group_id) {
            Some(Group::Share(group)) => group,
            Some(_) => return Err(not_a_share_group(group_id)),
            None => {
                let message = format!("Group {group_id} not found.");
                return Err(GroupError::new(ErrorCode::GroupIdNotFound, message));
            }
        };
        group.validate_delete()?;
        let mut response = DeleteShareGroupOffsetsResponse::default();
        let Some(metadata) = &group.state_metadata else {
            return Ok(DeleteShareGroupOffsetsReply { response, delete: None });
        };
        let mut metadata = metadata.clone();
        let mut partitions = SharePartitions::new();
        for topic in &request.topics {
            let refuse = |message: &'static str| DeleteShareGroupOffsetsResponseTopic {
                topic_name: topic.topic_name.clone(),
                error_code: ErrorCode::UnknownTopicOrPartition.code(),
                error_message: Some(Str::from_static(message)),
                ..Default::default()
            };
            let Some(image) = self.image.topics.topic(&topic.topic_name) else {
                response.responses.push(refuse(ErrorCode::UnknownTopicOrPartition.message()));
                continue;
            };
            if let Some(initialized) = metadata.initialized.remove(&image.id) {
                partitions.insert(image.id, initialized.partitions);
                metadata.deleting.insert(image.id, image.name.clone());
            } else if metadata.deleting.contains_key(&image.id) {
                partitions.entry(image.id).or_insert_with(|| all_partitions(image));
            } else {
                response.responses.push(refuse("There is no offset information to delete."));
            }
        }
        out.records.push(record::state_partitions(group.group_id(), &metadata)?);
        let delete = DeleteShareState { group_id: group.group_id().clone(), partitions };
        let delete = Some(delete).filter(|delete| !delete.partitions.is_empty());
        Ok(DeleteShareGroupOffsetsReply { response, delete })
    }

    /// The share coordinator has deleted the state of these topics, which are named in the answer.
    pub fn complete_delete_share_group_offsets(
        &mut self,
        group_id: &str,
        topics: &BTreeMap<Uuid, Str>,
        reply_id: ReplyId,
        now_ms: i64,
    ) -> CoordinatorResult {
        self.share_clock_ms = now_ms;
        let mut out = CoordinatorResult::default();
        let mut response = DeleteShareGroupOffsetsResponse::default();
        if let Some(Group::Share(group)) = self.groups.get(group_id)
            && let Some(metadata) = &group.state_metadata
        {
            let mut metadata = metadata.clone();
            metadata.deleting.retain(|topic_id, _| !topics.contains_key(topic_id));
            match record::state_partitions(group.group_id(), &metadata) {
                Ok(record) => out.records.push(record),
                Err(_) => response.error_code = ErrorCode::UnknownServerError.code(),
            }
            let topics = topics.iter().map(|(topic_id, name)| DeleteShareGroupOffsetsResponseTopic {
                topic_id: *topic_id,
                topic_name: name.clone(),
                ..Default::default()
            });
            response.responses.extend(topics);
        }
        let reply = DeleteShareGroupOffsetsReply { response, delete: None };
        out.reply_after_commit(reply_id, Reply::DeleteShareGroupOffsets(reply));
        out
    }
}

/// All partitions of a topic.
pub(super) fn all_partitions(topic: &TopicImage) -> std::collections::BTreeSet<i32> {
    topic.partitions.iter().map(|(index, _)| index).collect()
}

fn has_partition(topic: &TopicImage, partition: i32) -> bool {
    topic.partitions.get(partition).is_some()
}

fn alter_response(
    asked: &AlterShareGroupOffsetsRequestTopic,
    topic: Option<&TopicImage>,
) -> AlterShareGroupOffsetsResponseTopic {
    let error = ErrorCode::UnknownTopicOrPartition;
    let partitions = asked.partitions.iter().map(|asked| {
        let partition_index = asked.partition_index;
        match topic.is_some_and(|topic| has_partition(topic, partition_index)) {
            true => AlterShareGroupOffsetsResponsePartition { partition_index, ..Default::default() },
            false => AlterShareGroupOffsetsResponsePartition {
                partition_index,
                error_code: error.code(),
                error_message: Some(Str::from_static(error.message())),
            },
        }
    });
    AlterShareGroupOffsetsResponseTopic {
        topic_name: asked.topic_name.clone(),
        topic_id: topic.map(|topic| topic.id).unwrap_or_default(),
        partitions: partitions.collect(),
    }
}

//! DeleteTopics (key 20): `ControllerApis.deleteTopics`, `ReplicationControlManager.deleteTopics`.
//!
//! By name (`topic_names` up to version 5, `topics` from 6 on) or by id (KIP-516).

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::messages::delete_topics_response::DeletableTopicResult;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, RemoveTopicRecord};
use ottla_protocol::{ErrorCode, Str, Uuid};

use crate::controller_result::BoundedRecords;
use crate::{ApiError, Controller, ControllerResult, RequestContext};

impl Controller {
    /// DeleteTopics.
    pub fn delete_topics(
        &self,
        request: &DeleteTopicsRequest,
        ctx: &mut RequestContext<'_>,
    ) -> ControllerResult<DeleteTopicsResponse> {
        if !self.options.delete_topic_enable {
            let code = match ctx.api_version {
                ..3 => ErrorCode::InvalidRequest,
                _ => ErrorCode::TopicDeletionDisabled,
            };
            return ControllerResult::answer(refused(request, code));
        }
        let mut answers = Vec::new();
        let named = Named::new(request, &mut answers);
        let to_delete = self.resolve(named, &mut answers);
        let mut records = BoundedRecords::default();
        for (topic_id, name) in to_delete {
            let record = MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id });
            let partitions = self.state.image.topics.topic_by_id(topic_id).map_or(0, |t| t.partitions.len());
            let result = ctx.apply_partition_change_quota(partitions).and_then(|()| {
                // Kafka has no better answer for the topics that are too many.
                records.push((record, 0)).map_err(|_| ApiError::bare(ErrorCode::UnknownServerError))
            });
            answers.push(answer(Some(name), topic_id, ApiError::of(&result)));
        }
        let response = DeleteTopicsResponse { responses: answers, ..Default::default() };
        ControllerResult::atomic(records.into_vec(), response)
    }

    /// The topics that are there; answers for those that are not.
    fn resolve(&self, named: Named, answers: &mut Vec<DeletableTopicResult>) -> BTreeMap<Uuid, Str> {
        let topics = &self.state.image.topics;
        let mut to_delete = BTreeMap::new();
        let mut duplicate_ids = named.duplicate_ids;
        for id in named.ids {
            match topics.topic_name(id) {
                Some(name) => {
                    to_delete.insert(id, name.clone());
                }
                None => {
                    let error = ApiError::with_default_message(ErrorCode::UnknownTopicId);
                    answers.push(answer(None, id, &error));
                }
            }
        }
        for name in named.names {
            let Some(id) = topics.topic_id(&name) else {
                let error = ApiError::with_default_message(ErrorCode::UnknownTopicOrPartition);
                answers.push(answer(Some(name), Uuid::ZERO, &error));
                continue;
            };
            if duplicate_ids.contains(&id) || to_delete.insert(id, name.clone()).is_some() {
                duplicate_ids.insert(id);
                to_delete.remove(&id);
                let error = ApiError::invalid_request(
                    "The provided topic name maps to an ID that was already supplied.",
                );
                answers.push(answer(Some(name), id, &error));
            }
        }
        to_delete
    }
}

/// What a request names, once each.
#[derive(Default)]
struct Named {
    names: BTreeSet<Str>,
    ids: BTreeSet<Uuid>,
    duplicate_ids: BTreeSet<Uuid>,
}

impl Named {
    fn new(request: &DeleteTopicsRequest, answers: &mut Vec<DeletableTopicResult>) -> Self {
        let mut named = Self::default();
        let mut duplicate_names = BTreeSet::new();
        for name in &request.topic_names {
            add(&mut named.names, &mut duplicate_names, name.clone());
        }
        for topic in &request.topics {
            match &topic.name {
                None if topic.topic_id.is_zero() => {
                    let error = ApiError::invalid_request("Neither topic name nor id were specified.");
                    answers.push(answer(None, Uuid::ZERO, &error));
                }
                None => add(&mut named.ids, &mut named.duplicate_ids, topic.topic_id),
                Some(name) if topic.topic_id.is_zero() => {
                    add(&mut named.names, &mut duplicate_names, name.clone());
                }
                Some(name) => {
                    let error =
                        ApiError::invalid_request("You may not specify both topic name and topic id.");
                    answers.push(answer(Some(name.clone()), topic.topic_id, &error));
                }
            }
        }
        let error = ApiError::invalid_request("Duplicate topic name.");
        answers.extend(duplicate_names.into_iter().map(|name| answer(Some(name), Uuid::ZERO, &error)));
        let error = ApiError::invalid_request("Duplicate topic id.");
        answers.extend(named.duplicate_ids.iter().map(|id| answer(None, *id, &error)));
        named
    }
}

/// Adds to `once`, or moves to `duplicates` what comes again.
fn add<T: Ord>(once: &mut BTreeSet<T>, duplicates: &mut BTreeSet<T>, item: T) {
    if duplicates.contains(&item) {
        return;
    }
    match once.take(&item) {
        Some(known) => {
            duplicates.insert(known);
        }
        None => {
            once.insert(item);
        }
    }
}

fn answer(name: Option<Str>, topic_id: Uuid, error: &ApiError) -> DeletableTopicResult {
    DeletableTopicResult {
        name,
        topic_id,
        error_code: error.error_code(),
        error_message: error.error_message(),
    }
}

/// The same error for every topic.
fn refused(request: &DeleteTopicsRequest, code: ErrorCode) -> DeleteTopicsResponse {
    let by_name = request.topic_names.iter().map(|name| (Some(name.clone()), Uuid::ZERO));
    let by_state = request.topics.iter().map(|topic| (topic.name.clone(), topic.topic_id));
    let error = ApiError::bare(code);
    let responses = by_name.chain(by_state).map(|(name, id)| answer(name, id, &error)).collect();
    DeleteTopicsResponse { responses, ..Default::default() }
}

#[cfg(test)]
#[path = "delete_topics_test.rs"]
mod delete_topics_test;

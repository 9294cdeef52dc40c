//! Answers to requests.

use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::delete_groups_response::DeletableGroupResult;
use ottla_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use ottla_protocol::messages::{
    AlterShareGroupOffsetsResponse, ConsumerGroupHeartbeatResponse, DeleteShareGroupOffsetsResponse,
    HeartbeatResponse, JoinGroupResponse, LeaveGroupResponse, OffsetCommitResponse, OffsetDeleteResponse,
    ShareGroupHeartbeatResponse, StreamsGroupHeartbeatResponse, SyncGroupResponse, TxnOffsetCommitResponse,
};
use ottla_protocol::{ErrorCode, Str};

use crate::errors::{coordinator_error, offset_fetch_error, streams_group_heartbeat_error};
use crate::group::GroupError;
use crate::group::share::{DeleteShareState, InitializeShareState, share_group_heartbeat_error};

/// Names a request that waits for its answer. Chosen by the driver, unique among the requests in flight. The
/// coordinator answers each once, possibly much later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplyId(pub u64);

/// An answer, fit for the version in which the request came.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// To JoinGroup.
    JoinGroup(JoinGroupResponse),
    /// To SyncGroup.
    SyncGroup(SyncGroupResponse),
    /// To Heartbeat.
    Heartbeat(HeartbeatResponse),
    /// To LeaveGroup.
    LeaveGroup(LeaveGroupResponse),
    /// To OffsetCommit.
    OffsetCommit(OffsetCommitResponse),
    /// To TxnOffsetCommit.
    TxnOffsetCommit(TxnOffsetCommitResponse),
    /// To one group of an OffsetFetch. See [`offset_fetch_response`](crate::offset_fetch_response).
    OffsetFetch(OffsetFetchResponseGroup),
    /// To OffsetDelete.
    OffsetDelete(OffsetDeleteResponse),
    /// To ConsumerGroupHeartbeat.
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatResponse),
    /// To the groups of a DeleteGroups that live in this shard.
    DeleteGroups(Vec<DeletableGroupResult>),
    /// To ShareGroupHeartbeat.
    ShareGroupHeartbeat(ShareGroupHeartbeatReply),
    /// To AlterShareGroupOffsets.
    AlterShareGroupOffsets(AlterShareGroupOffsetsReply),
    /// To DeleteShareGroupOffsets.
    DeleteShareGroupOffsets(DeleteShareGroupOffsetsReply),
    /// What the share coordinator is to delete before a group goes.
    DeleteShareGroupState(Result<Option<DeleteShareState>, ErrorCode>),
    /// What the share coordinator did is written down, or an error.
    ShareState(ErrorCode),
    /// To StreamsGroupHeartbeat.
    StreamsGroupHeartbeat(StreamsGroupHeartbeatReply),
}

/// What a heartbeat of a share group comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct ShareGroupHeartbeatReply {
    /// The answer.
    pub response: ShareGroupHeartbeatResponse,
    /// State that the share coordinator is to set up; the answer does not wait for it.
    pub initialize: Option<InitializeShareState>,
}

/// What AlterShareGroupOffsets comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterShareGroupOffsetsReply {
    /// The answer if the share coordinator does its part.
    pub response: AlterShareGroupOffsetsResponse,
    /// Its part.
    pub initialize: Option<InitializeShareState>,
}

/// What DeleteShareGroupOffsets comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct DeleteShareGroupOffsetsReply {
    /// The answer, as far as it does not depend on the share coordinator.
    pub response: DeleteShareGroupOffsetsResponse,
    /// What that is to delete.
    pub delete: Option<DeleteShareState>,
}

/// What a heartbeat of a streams group comes to (`StreamsGroupHeartbeatResult`).
#[derive(Clone, Debug, PartialEq)]
pub struct StreamsGroupHeartbeatReply {
    /// The answer.
    pub response: StreamsGroupHeartbeatResponse,
    /// Internal topics of the application that have yet to be created.
    pub topics_to_create: Vec<CreatableTopic>,
}

impl Reply {
    /// The answer when the records behind this one could not be written or committed.
    #[must_use]
    pub fn into_error(self, error: ErrorCode) -> Reply {
        let code = coordinator_error(error).code();
        match self {
            Reply::JoinGroup(response) => Reply::JoinGroup(JoinGroupResponse {
                error_code: code,
                protocol_name: response.protocol_name.filter(|_| false),
                ..Default::default()
            }),
            Reply::SyncGroup(_) => {
                Reply::SyncGroup(SyncGroupResponse { error_code: code, ..Default::default() })
            }
            Reply::Heartbeat(_) => {
                Reply::Heartbeat(HeartbeatResponse { error_code: code, ..Default::default() })
            }
            Reply::LeaveGroup(_) => {
                Reply::LeaveGroup(LeaveGroupResponse { error_code: code, ..Default::default() })
            }
            Reply::OffsetCommit(mut response) => {
                let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
                partitions.for_each(|partition| partition.error_code = code);
                Reply::OffsetCommit(response)
            }
            Reply::TxnOffsetCommit(mut response) => {
                let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
                partitions.for_each(|partition| partition.error_code = code);
                Reply::TxnOffsetCommit(response)
            }
            Reply::OffsetFetch(response) => Reply::OffsetFetch(OffsetFetchResponseGroup {
                group_id: response.group_id,
                error_code: offset_fetch_error(error).code(),
                ..Default::default()
            }),
            Reply::OffsetDelete(_) => {
                Reply::OffsetDelete(OffsetDeleteResponse { error_code: code, ..Default::default() })
            }
            Reply::ConsumerGroupHeartbeat(_) => {
                Reply::ConsumerGroupHeartbeat(ConsumerGroupHeartbeatResponse {
                    error_code: code,
                    ..Default::default()
                })
            }
            Reply::DeleteGroups(mut results) => {
                results.iter_mut().for_each(|result| result.error_code = code);
                Reply::DeleteGroups(results)
            }
            Reply::ShareGroupHeartbeat(_)
            | Reply::AlterShareGroupOffsets(_)
            | Reply::DeleteShareGroupOffsets(_)
            | Reply::DeleteShareGroupState(_)
            | Reply::ShareState(_) => self.into_share_error(coordinator_error(error)),
            Reply::StreamsGroupHeartbeat(_) => Reply::StreamsGroupHeartbeat(StreamsGroupHeartbeatReply {
                response: streams_group_heartbeat_error(&GroupError::from(coordinator_error(error))),
                topics_to_create: Vec::new(),
            }),
        }
    }

    /// As [`Self::into_error`], for what share groups answer.
    fn into_share_error(self, error: ErrorCode) -> Reply {
        let (error_code, error_message) = (error.code(), Some(Str::from_static(error.message())));
        match self {
            Reply::ShareGroupHeartbeat(_) => Reply::ShareGroupHeartbeat(ShareGroupHeartbeatReply {
                response: share_group_heartbeat_error(&GroupError::from(error)),
                initialize: None,
            }),
            Reply::AlterShareGroupOffsets(_) => Reply::AlterShareGroupOffsets(AlterShareGroupOffsetsReply {
                response: AlterShareGroupOffsetsResponse { error_code, error_message, ..Default::default() },
                initialize: None,
            }),
            Reply::DeleteShareGroupOffsets(_) => {
                let response =
                    DeleteShareGroupOffsetsResponse { error_code, error_message, ..Default::default() };
                Reply::DeleteShareGroupOffsets(DeleteShareGroupOffsetsReply { response, delete: None })
            }
            Reply::DeleteShareGroupState(_) => Reply::DeleteShareGroupState(Err(error)),
            Reply::ShareState(_) => Reply::ShareState(error),
            other => other,
        }
    }
}

/// A JoinGroup that waits, and the version that its answer must fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JoinWaiter {
    pub reply_id: ReplyId,
    pub api_version: i16,
}

impl JoinWaiter {
    /// The answer, with what its version can't carry replaced as Kafka replaces it
    /// (`JoinGroupResponse`'s constructor).
    pub fn answer(self, mut response: JoinGroupResponse) -> (ReplyId, Reply) {
        response.protocol_name = match response.protocol_name {
            None if self.api_version < 7 => Some(Str::new()),
            Some(name) if self.api_version >= 7 && name.is_empty() => None,
            name => name,
        };
        (self.reply_id, Reply::JoinGroup(response))
    }

    /// An error, with the member id that goes with it.
    pub fn error(self, member_id: Str, error: ErrorCode) -> (ReplyId, Reply) {
        self.answer(JoinGroupResponse { member_id, error_code: error.code(), ..Default::default() })
    }
}

#[cfg(test)]
mod tests {
    use ottla_protocol::encode_message;

    use super::*;

    #[test]
    fn join_answers_fit_every_version() {
        for api_version in 0..=9 {
            let waiter = JoinWaiter { reply_id: ReplyId(1), api_version };
            let (_, reply) = waiter.clone().error(Str::from_static("m"), ErrorCode::UnknownMemberId);
            let Reply::JoinGroup(response) = reply else { unreachable!() };
            assert_eq!(response.protocol_name.is_none(), api_version >= 7);
            encode_message(&response, api_version).unwrap();
            let (_, reply) =
                waiter.answer(JoinGroupResponse { protocol_name: None, ..JoinGroupResponse::default() });
            let Reply::JoinGroup(response) = reply else { unreachable!() };
            encode_message(&response, api_version).unwrap();
        }
    }

    #[test]
    fn an_answer_becomes_an_error_for_all_it_covers() {
        let response = DeletableGroupResult { group_id: Str::from_static("g"), error_code: 0 };
        let reply = Reply::DeleteGroups(vec![response]).into_error(ErrorCode::NotLeaderOrFollower);
        let Reply::DeleteGroups(results) = reply else { unreachable!() };
        assert_eq!(results[0].error_code, ErrorCode::NotCoordinator.code());
        let group = OffsetFetchResponseGroup { group_id: Str::from_static("g"), ..Default::default() };
        let Reply::OffsetFetch(group) = Reply::OffsetFetch(group).into_error(ErrorCode::RequestTimedOut)
        else {
            unreachable!()
        };
        assert_eq!(group.error_code, ErrorCode::NotCoordinator.code());
    }
}

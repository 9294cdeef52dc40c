//! Errors of the log as the members of a group are to see them, and whole error answers for requests that
//! never reach a shard.

use ottla_protocol::messages::delete_groups_response::DeletableGroupResult;
use ottla_protocol::messages::describe_groups_response::DescribedGroup;
use ottla_protocol::messages::leave_group_response::MemberResponse;
use ottla_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use ottla_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use ottla_protocol::messages::{
    HeartbeatResponse, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, OffsetCommitRequest,
    OffsetCommitResponse, StreamsGroupHeartbeatResponse, SyncGroupResponse, TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
};
use ottla_protocol::{ErrorCode, Str};

use crate::group::GroupError;
use crate::group::classic::leave;
use crate::reply::{JoinWaiter, Reply, ReplyId};

/// How an error of the log is told to clients
/// (`CoordinatorOperationExceptionHelper.handleOperationException`).
pub fn coordinator_error(error: ErrorCode) -> ErrorCode {
    match error {
        // Verification of a transaction failed; older clients retry this one without a new look-up.
        ErrorCode::NetworkException => ErrorCode::CoordinatorLoadInProgress,
        error => append_error(error),
    }
}

/// How an error of appending a group's record is told to its members
/// (`GroupMetadataManager.appendGroupMetadataErrorToResponseError`).
pub(crate) fn append_error(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition | ErrorCode::NotEnoughReplicas | ErrorCode::RequestTimedOut => {
            ErrorCode::CoordinatorNotAvailable
        }
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge | ErrorCode::InvalidFetchSize => {
            ErrorCode::UnknownServerError
        }
        error => error,
    }
}

/// As [`coordinator_error`], for OffsetFetch: consumers before 3.9 know neither REQUEST_TIMED_OUT nor
/// COORDINATOR_NOT_AVAILABLE there (`GroupCoordinatorService.handleOffsetFetchException`).
pub fn offset_fetch_error(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition | ErrorCode::NotEnoughReplicas | ErrorCode::RequestTimedOut => {
            ErrorCode::NotCoordinator
        }
        error => coordinator_error(error),
    }
}

/// JoinGroup's answer when the shard can't be asked.
pub fn join_group_error(api_version: i16, error: ErrorCode) -> JoinGroupResponse {
    let waiter = JoinWaiter { reply_id: ReplyId(0), api_version };
    match waiter.error(Str::new(), coordinator_error(error)) {
        (_, Reply::JoinGroup(response)) => response,
        _ => JoinGroupResponse::default(),
    }
}

/// SyncGroup's answer when the shard can't be asked.
pub fn sync_group_error(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code: coordinator_error(error).code(), ..Default::default() }
}

/// Heartbeat's answer when the shard can't be asked. While the shard loads, members are left in peace.
pub fn heartbeat_error(error: ErrorCode) -> HeartbeatResponse {
    let error = match coordinator_error(error) {
        ErrorCode::CoordinatorLoadInProgress => ErrorCode::None,
        error => error,
    };
    HeartbeatResponse { error_code: error.code(), ..Default::default() }
}

/// LeaveGroup's answer when the shard can't be asked. UNKNOWN_MEMBER_ID (no such group) goes to each member.
pub fn leave_group_error(
    api_version: i16,
    request: &LeaveGroupRequest,
    error: ErrorCode,
) -> LeaveGroupResponse {
    let error = coordinator_error(error);
    if error != ErrorCode::UnknownMemberId {
        return LeaveGroupResponse { error_code: error.code(), ..Default::default() };
    }
    let members = leave::members_of(api_version, request);
    let members = members.iter().map(|member| MemberResponse {
        member_id: member.member_id.clone(),
        group_instance_id: member.group_instance_id.clone(),
        error_code: error.code(),
    });
    leave::respond(api_version, members.collect())
}

/// StreamsGroupHeartbeat's answer when it is refused.
pub fn streams_group_heartbeat_error(error: &GroupError) -> StreamsGroupHeartbeatResponse {
    StreamsGroupHeartbeatResponse {
        error_code: error.code.code(),
        error_message: error.text(),
        ..Default::default()
    }
}

/// OffsetCommit's answer when no offset could be committed.
pub fn offset_commit_error(request: &OffsetCommitRequest, error: ErrorCode) -> OffsetCommitResponse {
    let error_code = coordinator_error(error).code();
    let topics = request.topics.iter().map(|topic| OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: (topic.partitions.iter())
            .map(|partition| OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code,
            })
            .collect(),
    });
    OffsetCommitResponse { topics: topics.collect(), ..Default::default() }
}

/// TxnOffsetCommit's answer when no offset could be committed.
pub fn txn_offset_commit_error(
    request: &TxnOffsetCommitRequest,
    error: ErrorCode,
) -> TxnOffsetCommitResponse {
    let error_code = coordinator_error(error).code();
    let topics = request.topics.iter().map(|topic| TxnOffsetCommitResponseTopic {
        name: topic.name.clone(),
        partitions: (topic.partitions.iter())
            .map(|partition| TxnOffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code,
            })
            .collect(),
    });
    TxnOffsetCommitResponse { topics: topics.collect(), ..Default::default() }
}

/// DescribeGroups' answer for one group when the shard can't be asked.
pub fn describe_group_error(group_id: Str, error: ErrorCode) -> DescribedGroup {
    DescribedGroup { group_id, error_code: coordinator_error(error).code(), ..Default::default() }
}

/// DeleteGroups' answer for one group when the shard can't be asked.
pub fn delete_group_error(group_id: Str, error: ErrorCode) -> DeletableGroupResult {
    DeletableGroupResult { group_id, error_code: coordinator_error(error).code() }
}

#[cfg(test)]
mod tests {
    use ottla_protocol::messages::leave_group_request::MemberIdentity;

    use super::*;

    #[test]
    fn errors_of_the_log_are_translated() {
        use ErrorCode::*;
        assert_eq!(coordinator_error(NotEnoughReplicas), CoordinatorNotAvailable);
        assert_eq!(coordinator_error(KafkaStorageError), NotCoordinator);
        assert_eq!(coordinator_error(MessageTooLarge), UnknownServerError);
        assert_eq!(coordinator_error(NetworkException), CoordinatorLoadInProgress);
        assert_eq!(append_error(NetworkException), NetworkException);
        assert_eq!(coordinator_error(IllegalGeneration), IllegalGeneration);
        assert_eq!(offset_fetch_error(RequestTimedOut), NotCoordinator);
        assert_eq!(heartbeat_error(CoordinatorLoadInProgress).error_code, 0);
    }

    #[test]
    fn an_unknown_group_is_told_to_each_leaving_member() {
        let member = MemberIdentity { member_id: Str::from_static("m"), ..Default::default() };
        let request = LeaveGroupRequest {
            member_id: Str::from_static("m"),
            members: vec![member],
            ..Default::default()
        };
        let batched = leave_group_error(3, &request, ErrorCode::UnknownMemberId);
        assert_eq!((batched.error_code, batched.members[0].error_code), (0, 25));
        let single = leave_group_error(2, &request, ErrorCode::UnknownMemberId);
        assert_eq!((single.error_code, single.members.len()), (25, 0));
        let other = leave_group_error(5, &request, ErrorCode::NotCoordinator);
        assert_eq!((other.error_code, other.members.len()), (16, 0));
    }
}

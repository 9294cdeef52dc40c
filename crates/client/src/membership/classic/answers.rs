//! Answers to JoinGroup and SyncGroup, with every error.

use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{JoinGroupResponse, SyncGroupResponse};

use super::super::{Action, GroupAnswer, MemberState};
use super::{ClassicMembership, Generation, PROTOCOL_TYPE, Step};
use crate::{Error, Result};

impl ClassicMembership {
    pub(super) fn answered(&mut self, now_ms: i64, id: u64, answer: Result<GroupAnswer>) {
        if let Some(sent) = self.heartbeat_answered(id) {
            let answer = answer.and_then(|answer| match answer {
                GroupAnswer::Heartbeat(response) => Ok(response),
                _ => Err(unexpected()),
            });
            self.on_heartbeat(now_ms, &sent, answer);
            return;
        }
        match &self.step {
            Step::Joining(waiting, sent) if *waiting == id => {
                let sent = sent.clone();
                self.step = Step::Idle;
                match answer {
                    Ok(GroupAnswer::JoinGroup(response)) => self.on_join(now_ms, &sent, response),
                    Ok(_) => self.rebalance_failed(now_ms, unexpected()),
                    Err(error) => self.rebalance_failed(now_ms, error),
                }
            }
            Step::Syncing(waiting, sent) if *waiting == id => {
                let sent = sent.clone();
                self.step = Step::Idle;
                match answer {
                    Ok(GroupAnswer::SyncGroup(response)) => self.on_sync(now_ms, &sent, response),
                    Ok(_) => self.rebalance_failed(now_ms, unexpected()),
                    Err(error) => self.rebalance_failed(now_ms, error),
                }
            }
            Step::LeftSoon(waiting) if *waiting == id => {
                self.step = Step::Idle;
                self.out.push(Action::Left);
            }
            _ => {}
        }
    }

    fn on_join(&mut self, now_ms: i64, sent: &Generation, response: JoinGroupResponse) {
        let code = ErrorCode::from_code(response.error_code);
        match code {
            ErrorCode::None => self.joined(now_ms, response),
            ErrorCode::UnknownMemberId if self.generation == *sent => {
                self.reset("encountered UNKNOWN_MEMBER_ID from JOIN_GROUP response", true);
                self.rebalance_failed(now_ms, Error::api(code, None));
            }
            ErrorCode::MemberIdRequired => {
                // The broker keeps no member that might never come back; with its id the member comes back at once.
                self.request_rejoin(format!(
                    "need to re-join with the given member-id: {}",
                    response.member_id
                ));
                self.generation = Generation { member_id: response.member_id, ..Generation::none() };
            }
            ErrorCode::GroupMaxSizeReached => {
                let text = format!(
                    "Consumer group {} already has the configured maximum number of members.",
                    self.config.group_id
                );
                self.rebalance_failed(now_ms, Error::api(code, Some(&text)));
            }
            code => self.refused(now_ms, code, "join group response"),
        }
    }

    fn joined(&mut self, now_ms: i64, response: JoinGroupResponse) {
        if response.protocol_type.as_ref().is_some_and(|kind| **kind != *PROTOCOL_TYPE) {
            self.rebalance_failed(now_ms, Error::api(ErrorCode::InconsistentGroupProtocol, None));
            return;
        }
        if self.state != MemberState::PreparingRebalance {
            // The member left meanwhile.
            self.retry(now_ms);
            return;
        }
        self.state = MemberState::CompletingRebalance;
        self.generation = Generation {
            id: response.generation_id,
            member_id: response.member_id.clone(),
            protocol: response.protocol_name.clone(),
        };
        self.heartbeat.start(now_ms);
        if response.leader == response.member_id {
            self.begin_leading(now_ms, response);
        } else {
            self.sync(Vec::new());
        }
    }

    fn on_sync(&mut self, now_ms: i64, sent: &Generation, response: SyncGroupResponse) {
        let code = ErrorCode::from_code(response.error_code);
        match code {
            ErrorCode::None => self.synced(now_ms, response),
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => {
                if self.generation == *sent {
                    let reason = format!("encountered {} from SYNC_GROUP response", code.name());
                    self.reset(reason, code != ErrorCode::IllegalGeneration);
                }
                self.rebalance_failed(now_ms, Error::api(code, None));
            }
            code => self.refused(now_ms, code, "SyncGroup"),
        }
    }

    fn synced(&mut self, now_ms: i64, response: SyncGroupResponse) {
        let other_type = response.protocol_type.as_ref().is_some_and(|kind| **kind != *PROTOCOL_TYPE);
        let other_name =
            response.protocol_name.is_some() && response.protocol_name != self.generation.protocol;
        if self.generation.is_reset() || self.state != MemberState::CompletingRebalance {
            // A heartbeat found out meanwhile that the generation is over.
            self.rebalance_failed(now_ms, Error::api(ErrorCode::IllegalGeneration, None));
        } else if other_type || other_name {
            self.rebalance_failed(now_ms, Error::api(ErrorCode::InconsistentGroupProtocol, None));
        } else {
            self.state = MemberState::Stable;
            self.rejoin_reason.clear();
            self.rejoin_needed = false;
            self.backoff.reset();
            self.step = Step::Synced(response.assignment, self.generation.clone());
        }
    }

    /// What both requests have in common.
    fn refused(&mut self, now_ms: i64, code: ErrorCode, what: &str) {
        let error = match code {
            ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator => {
                self.out.push(Action::ForgetCoordinator);
                Error::api(code, None)
            }
            ErrorCode::GroupAuthorizationFailed => {
                let text = format!("Not authorized to access group: {}", self.config.group_id);
                Error::api(code, Some(&text))
            }
            ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::UnknownMemberId
            | ErrorCode::FencedInstanceId
            | ErrorCode::InconsistentGroupProtocol
            | ErrorCode::InvalidSessionTimeout
            | ErrorCode::InvalidGroupId
            | ErrorCode::UnsupportedVersion
            | ErrorCode::RebalanceInProgress => Error::api(code, None),
            code => {
                let text = format!("Unexpected error from {what}: {}", code.message());
                self.rebalance_failed_for_good(code, Error::api(code, Some(&text)));
                return;
            }
        };
        self.rebalance_failed(now_ms, error);
    }

    /// Tries again, at once or later, or hands the error to the application.
    pub(super) fn rebalance_failed(&mut self, now_ms: i64, error: Error) {
        let code = error.code();
        self.lost_coordinator(&error);
        self.request_rejoin(format!(
            "rebalance failed due to {}",
            code.map_or_else(|| error.to_string(), |code| code.name().to_owned())
        ));
        match code {
            Some(
                ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration | ErrorCode::RebalanceInProgress,
            ) => self.step = Step::Idle,
            _ if error.is_retriable() => self.retry(now_ms),
            _ => {
                self.step = Step::Idle;
                self.fail(error);
            }
        }
    }

    fn rebalance_failed_for_good(&mut self, code: ErrorCode, error: Error) {
        self.request_rejoin(format!("rebalance failed due to {}", code.name()));
        self.step = Step::Idle;
        self.fail(error);
    }

    pub(super) fn retry(&mut self, now_ms: i64) {
        self.step = Step::Waiting(now_ms.saturating_add(self.backoff.next_ms()));
    }

    /// Without a connection the coordinator is to be looked up anew.
    pub(super) fn lost_coordinator(&mut self, error: &Error) {
        if let Error::Disconnected(_) | Error::Timeout(_) | Error::Unreachable(_) = error {
            self.out.push(Action::ForgetCoordinator);
        }
    }
}

fn unexpected() -> Error {
    Error::Protocol("the answer is not one to the request".into())
}

//! Answers to heartbeats, with every error.

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::{ErrorCode, Str, Uuid};

use super::super::{Action, GroupAnswer, MemberState};
use super::EpochMembership;
use crate::{Error, Result};

const CONSUMER_UNSUPPORTED: &str = "The cluster does not support the new CONSUMER group protocol. Set \
    group.protocol=classic on the consumer configs to revert to the CLASSIC protocol until the cluster is upgraded.";
const SHARE_UNSUPPORTED: &str = "The cluster does not support the share group protocol. To use share groups, the \
    cluster must have the share group protocol enabled.";
const SHARE_VERSION_UNSUPPORTED: &str = "The cluster does not support the share group protocol using \
    ShareGroupHeartbeat API version 1 or later. This version of the API was introduced in Apache Kafka v4.1.";
const REGEX_UNSUPPORTED: &str = "The cluster does not support regular expressions resolution on \
    ConsumerGroupHeartbeat API version 0. It must be upgraded to use ConsumerGroupHeartbeat API version >= 1 to allow \
    to subscribe to a SubscriptionPattern.";

/// What both kinds of answers say.
struct Answer {
    code: ErrorCode,
    message: Option<Str>,
    epoch: i32,
    interval_ms: i32,
    assignment: Option<BTreeMap<Uuid, BTreeSet<i32>>>,
}

fn read(answer: GroupAnswer) -> Result<Answer> {
    match answer {
        GroupAnswer::ConsumerGroupHeartbeat(response) => Ok(Answer {
            code: ErrorCode::from_code(response.error_code),
            message: response.error_message,
            epoch: response.member_epoch,
            interval_ms: response.heartbeat_interval_ms,
            assignment: response.assignment.map(|assignment| {
                let topics = assignment.topic_partitions.into_iter();
                topics.map(|topic| (topic.topic_id, topic.partitions.into_iter().collect())).collect()
            }),
        }),
        GroupAnswer::ShareGroupHeartbeat(response) => Ok(Answer {
            code: ErrorCode::from_code(response.error_code),
            message: response.error_message,
            epoch: response.member_epoch,
            interval_ms: response.heartbeat_interval_ms,
            assignment: response.assignment.map(|assignment| {
                let topics = assignment.topic_partitions.into_iter();
                topics.map(|topic| (topic.topic_id, topic.partitions.into_iter().collect())).collect()
            }),
        }),
        _ => Err(Error::Protocol("the answer is not one to a heartbeat".into())),
    }
}

impl EpochMembership {
    pub(super) fn answered(&mut self, now_ms: i64, id: u64, answer: Result<GroupAnswer>) {
        if self.leaving.as_ref().is_some_and(|leave| leave.heartbeat == Some(id)) {
            // It is sent once; whatever came of it, the member is out.
            self.left();
            return;
        }
        if self.heartbeat.in_flight != Some(id) {
            return;
        }
        self.heartbeat.in_flight = None;
        match answer.and_then(read) {
            Ok(answer) if answer.code == ErrorCode::None => self.succeeded(now_ms, answer),
            Ok(answer) => self.refused(now_ms, answer.code, answer.message),
            Err(error) => self.not_answered(now_ms, error),
        }
    }

    fn succeeded(&mut self, now_ms: i64, answer: Answer) {
        self.backoff.reset();
        self.heartbeat.retry_ms = i64::MIN;
        let interval_ms = i64::from(answer.interval_ms.max(1));
        if self.heartbeat.interval_ms != interval_ms {
            self.heartbeat.interval_ms = interval_ms;
            self.heartbeat.next_ms = now_ms.saturating_add(interval_ms);
        }
        if self.is_outside() || self.state == MemberState::Leaving || answer.epoch < 0 {
            return;
        }
        self.epoch = answer.epoch;
        let takes_assignments = matches!(
            self.state,
            MemberState::Stable
                | MemberState::Joining
                | MemberState::Acknowledging
                | MemberState::Reconciling
        );
        if let Some(assignment) = answer.assignment.filter(|_| takes_assignments) {
            self.target_received(assignment);
        }
    }

    fn not_answered(&mut self, now_ms: i64, error: Error) {
        self.failed(now_ms);
        match error {
            Error::UnsupportedVersion(text) => {
                let text = match &self.subscription {
                    _ if self.is_share() => SHARE_VERSION_UNSUPPORTED,
                    Some(super::Subscription::Regex(_)) if text.contains('1') => REGEX_UNSUPPORTED,
                    _ => CONSUMER_UNSUPPORTED,
                };
                self.fatal(Error::UnsupportedVersion(text.into()));
            }
            error if error.is_retriable() => self.out.push(Action::ForgetCoordinator),
            error => self.fatal(error),
        }
    }

    /// Another attempt is due after a back-off, with everything in it.
    fn failed(&mut self, now_ms: i64) {
        self.heartbeat.forget_sent();
        self.heartbeat.next_ms = i64::MIN;
        self.heartbeat.retry_ms = now_ms.saturating_add(self.backoff.next_ms());
    }

    fn refused(&mut self, now_ms: i64, code: ErrorCode, message: Option<Str>) {
        self.failed(now_ms);
        let error = Error::api(code, message.as_deref());
        match code {
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => {
                self.out.push(Action::ForgetCoordinator);
            }
            ErrorCode::CoordinatorLoadInProgress => {}
            ErrorCode::GroupAuthorizationFailed => {
                let text = format!("Not authorized to access group: {}", self.config.group_id);
                self.fatal(Error::api(code, Some(&text)));
            }
            // The member stays, so that it recovers once it is allowed to.
            ErrorCode::TopicAuthorizationFailed => self.fail(error),
            ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId => self.fenced(),
            ErrorCode::InvalidRegularExpression => {
                let text = format!(
                    "Invalid RE2J SubscriptionPattern provided in the call to subscribe. {}",
                    message.as_deref().unwrap_or_default()
                );
                self.fatal(Error::api(code, Some(&text)));
            }
            ErrorCode::UnsupportedVersion => {
                let text = if self.is_share() { SHARE_UNSUPPORTED } else { CONSUMER_UNSUPPORTED };
                self.fatal(Error::UnsupportedVersion(text.into()));
            }
            // Among others INVALID_REQUEST, GROUP_MAX_SIZE_REACHED, UNSUPPORTED_ASSIGNOR, UNRELEASED_INSTANCE_ID,
            // FENCED_INSTANCE_ID and GROUP_ID_NOT_FOUND.
            _ => self.fatal(error),
        }
    }

    /// The broker does not know the member any more: partitions are lost, and it joins anew.
    fn fenced(&mut self) {
        self.heartbeat.reset();
        match self.state {
            // The callback for leaving is out; there is nothing to leave afterwards.
            MemberState::PrepareLeaving => {
                self.epoch = 0;
                self.state = MemberState::Unsubscribed;
            }
            MemberState::Unsubscribed => {}
            _ => {
                self.state = MemberState::Fenced;
                self.epoch = 0;
                self.release(true);
            }
        }
    }

    fn fatal(&mut self, error: Error) {
        let before = self.state;
        self.state = MemberState::Fatal;
        self.epoch = 0;
        self.fail(error);
        if matches!(before, MemberState::PrepareLeaving | MemberState::Leaving) {
            // The callback that is out ends the leave.
            if self.leaving.as_ref().is_some_and(|leave| leave.callback.is_none()) {
                self.left();
            }
            return;
        }
        self.release(false);
    }
}

//! Heartbeats, the session, and the time between two `poll`s (`Heartbeat`, and the thread around it in Java).

use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::super::{Action, CloseOperation, GroupConfig, GroupRequest, MemberState};
use super::{ClassicMembership, Generation};
use crate::{Error, Result};

/// Times, Unix ms.
#[derive(Debug)]
pub struct Heartbeat {
    interval_ms: i64,
    session_ms: i64,
    poll_ms: i64,
    next_ms: i64,
    session_ends_ms: i64,
    poll_ends_ms: i64,
    in_flight: Option<(u64, Generation)>,
}

impl Heartbeat {
    /// Not running.
    pub fn new(config: &GroupConfig) -> Self {
        Self {
            interval_ms: i64::from(config.heartbeat_interval_ms),
            session_ms: i64::from(config.session_timeout_ms),
            poll_ms: i64::from(config.max_poll_interval_ms),
            next_ms: i64::MAX,
            session_ends_ms: i64::MAX,
            poll_ends_ms: i64::MAX,
            in_flight: None,
        }
    }

    /// A generation began.
    pub fn start(&mut self, now_ms: i64) {
        self.next_ms = now_ms.saturating_add(self.interval_ms);
        self.session_ends_ms = now_ms.saturating_add(self.session_ms);
        self.polled(now_ms);
        self.in_flight = None;
    }

    /// The membership ended.
    pub fn stop(&mut self) {
        self.in_flight = None;
    }

    /// The application polls, or did so until now.
    pub fn polled(&mut self, now_ms: i64) {
        self.poll_ends_ms = now_ms.saturating_add(self.poll_ms);
    }

    fn received(&mut self, now_ms: i64) {
        self.in_flight = None;
        self.session_ends_ms = now_ms.saturating_add(self.session_ms);
    }

    /// When something is due.
    pub fn wake_at_ms(&self, is_joined: bool, in_poll: bool) -> Option<i64> {
        if !is_joined {
            return None;
        }
        let beat = if self.in_flight.is_some() { i64::MAX } else { self.next_ms };
        let poll = if in_poll { i64::MAX } else { self.poll_ends_ms };
        Some(beat.min(poll).min(self.session_ends_ms))
    }
}

impl ClassicMembership {
    /// Whether heartbeats are due at all.
    pub(super) fn is_joined(&self) -> bool {
        matches!(self.state, MemberState::CompletingRebalance | MemberState::Stable)
    }

    /// Sends a heartbeat when one is due, and minds the two time-outs.
    pub(super) fn run_heartbeat(&mut self, now_ms: i64) {
        if !self.is_joined() {
            return;
        }
        if now_ms >= self.heartbeat.session_ends_ms {
            // No answer for so long: the coordinator may be another by now. The next heartbeat tells.
            self.heartbeat.received(now_ms);
            self.out.push(Action::ForgetCoordinator);
            self.heartbeat.next_ms = now_ms;
        }
        if !self.in_poll && now_ms >= self.heartbeat.poll_ends_ms {
            tracing::warn!(
                "consumer poll timeout has expired: the time between two calls of poll() was longer than \
                 max.poll.interval.ms; give it more time, or take fewer records at once (max.poll.records)"
            );
            self.leave_group(CloseOperation::Default, "consumer poll timeout has expired.");
            return;
        }
        if self.heartbeat.in_flight.is_none() && now_ms >= self.heartbeat.next_ms {
            let request = HeartbeatRequest {
                group_id: self.config.group_id.clone(),
                generation_id: self.generation.id,
                member_id: self.generation.member_id.clone(),
                group_instance_id: self.config.group_instance_id.clone(),
            };
            let id = self.out.send(GroupRequest::Heartbeat(request), self.config.request_timeout_ms);
            self.heartbeat.next_ms = now_ms.saturating_add(self.heartbeat.interval_ms);
            self.heartbeat.in_flight = Some((id, self.generation.clone()));
        }
    }

    /// The generation in which a heartbeat went out, if this is the one that is waited for.
    pub(super) fn heartbeat_answered(&mut self, id: u64) -> Option<Generation> {
        self.heartbeat.in_flight.take_if(|(waiting, _)| *waiting == id).map(|(_, generation)| generation)
    }

    pub(super) fn on_heartbeat(&mut self, now_ms: i64, sent: &Generation, answer: Result<HeartbeatResponse>) {
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                self.lost_coordinator(&error);
                self.heartbeat_failed(now_ms);
                return;
            }
        };
        let code = ErrorCode::from_code(response.error_code);
        match code {
            ErrorCode::None => self.heartbeat_succeeded(now_ms),
            ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator => {
                self.out.push(Action::ForgetCoordinator);
                self.heartbeat_failed(now_ms);
            }
            ErrorCode::RebalanceInProgress => {
                // While SyncGroup is under way this is the rebalance that the member already takes part in.
                if self.state == MemberState::Stable {
                    self.request_rejoin("group is already rebalancing");
                }
                self.heartbeat_succeeded(now_ms);
            }
            ErrorCode::IllegalGeneration | ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => {
                if self.generation != *sent {
                    self.heartbeat_succeeded(now_ms);
                    return;
                }
                let reason = format!("encountered {} from HEARTBEAT response", code.name());
                self.reset(reason, code != ErrorCode::IllegalGeneration);
                if code == ErrorCode::FencedInstanceId {
                    self.fail(Error::api(code, None));
                } else {
                    self.heartbeat_failed(now_ms);
                }
            }
            _ => {
                tracing::warn!(code = code.name(), "a heartbeat failed");
                self.heartbeat_failed(now_ms);
            }
        }
    }

    fn heartbeat_succeeded(&mut self, now_ms: i64) {
        self.heartbeat.received(now_ms);
    }

    fn heartbeat_failed(&mut self, now_ms: i64) {
        self.heartbeat.in_flight = None;
        self.heartbeat.next_ms = now_ms.saturating_add(self.config.retry_backoff_ms);
    }
}

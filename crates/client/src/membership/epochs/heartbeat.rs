//! When a heartbeat leaves, and what is in it: everything when joining, later only what changed.

use std::collections::BTreeSet;

use ottla_protocol::Str;
use ottla_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use ottla_protocol::messages::{ConsumerGroupHeartbeatRequest, ShareGroupHeartbeatRequest};

use super::super::{GroupConfig, GroupRequest, MemberState, Subscription};
use super::{EpochMembership, Kind, Local};

/// Times, Unix ms, and what the broker was told last.
#[derive(Debug)]
pub struct Heartbeat {
    /// The broker says it.
    pub interval_ms: i64,
    /// By the interval.
    pub next_ms: i64,
    /// After a failure not before this.
    pub retry_ms: i64,
    /// Which one is out.
    pub in_flight: Option<u64>,
    poll_ms: i64,
    poll_ends_ms: i64,
    sent: Sent,
}

#[derive(Debug, Default)]
struct Sent {
    rebalance_timeout: bool,
    topics: Option<BTreeSet<Str>>,
    regex: Option<Str>,
    server_assignor: bool,
    assignment: Option<Local>,
    rack: bool,
}

impl Heartbeat {
    /// None sent yet.
    pub fn new(config: &GroupConfig) -> Self {
        Self {
            interval_ms: 0,
            next_ms: i64::MIN,
            retry_ms: i64::MIN,
            in_flight: None,
            poll_ms: i64::from(config.max_poll_interval_ms),
            poll_ends_ms: i64::MAX,
            sent: Sent::default(),
        }
    }

    /// The application polls, or did so until now.
    pub fn polled(&mut self, now_ms: i64) {
        self.poll_ends_ms = now_ms.saturating_add(self.poll_ms);
    }

    /// The broker may know nothing any more.
    pub fn forget_sent(&mut self) {
        self.sent = Sent::default();
    }

    /// The next may leave at once.
    pub fn reset(&mut self) {
        self.in_flight = None;
        self.retry_ms = i64::MIN;
    }
}

impl EpochMembership {
    /// States that are told without waiting for the interval.
    fn is_urgent(&self) -> bool {
        matches!(self.state, MemberState::Acknowledging | MemberState::Joining)
    }

    fn is_beating(&self) -> bool {
        !self.is_outside() && !matches!(self.state, MemberState::PrepareLeaving | MemberState::Leaving)
    }

    /// When the next heartbeat or the end of the time for `poll` is due.
    pub(super) fn heartbeat_at_ms(&self) -> Option<i64> {
        if !self.is_beating() {
            return None;
        }
        let regular = if self.is_urgent() { i64::MIN } else { self.heartbeat.next_ms };
        let beat =
            if self.heartbeat.in_flight.is_some() { i64::MAX } else { regular.max(self.heartbeat.retry_ms) };
        let poll = if self.in_poll { i64::MAX } else { self.heartbeat.poll_ends_ms };
        Some(beat.min(poll))
    }

    pub(super) fn run_heartbeat(&mut self, now_ms: i64) {
        if self.heartbeat_at_ms().is_none_or(|at_ms| at_ms > now_ms) {
            return;
        }
        if !self.in_poll && now_ms >= self.heartbeat.poll_ends_ms {
            tracing::warn!(
                "consumer poll timeout has expired: the time between two calls of poll() was longer than \
                 max.poll.interval.ms; give it more time, or take fewer records at once (max.poll.records)"
            );
            self.leave_as_stale();
            return;
        }
        let id = self.send_heartbeat(now_ms);
        self.heartbeat.in_flight = Some(id);
        if self.state == MemberState::Acknowledging {
            self.state = if self.is_reconciled() { MemberState::Stable } else { MemberState::Reconciling };
            // What came while the last one was acknowledged.
            self.reconcile(now_ms);
        }
    }

    /// Sends one with the epoch as it stands.
    pub(super) fn send_heartbeat(&mut self, now_ms: i64) -> u64 {
        let request = match &self.kind {
            Kind::Consumer { server_assignor } => {
                let server_assignor = server_assignor.clone();
                GroupRequest::ConsumerGroupHeartbeat(self.consumer_heartbeat(server_assignor))
            }
            Kind::Share => GroupRequest::ShareGroupHeartbeat(self.share_heartbeat()),
        };
        self.heartbeat.next_ms = now_ms.saturating_add(self.heartbeat.interval_ms);
        self.out.send(request, self.config.request_timeout_ms)
    }

    fn consumer_heartbeat(&mut self, server_assignor: Option<Str>) -> ConsumerGroupHeartbeatRequest {
        let all = self.state == MemberState::Joining;
        let mut request = ConsumerGroupHeartbeatRequest {
            group_id: self.config.group_id.clone(),
            member_id: self.member_id.clone(),
            member_epoch: self.epoch,
            instance_id: self.config.group_instance_id.clone(),
            ..Default::default()
        };
        let sent = &mut self.heartbeat.sent;
        if !std::mem::replace(&mut sent.rebalance_timeout, true) || all {
            request.rebalance_timeout_ms = self.config.max_poll_interval_ms;
        }
        if all || sent.topics.as_ref() != Some(&self.topics) {
            request.subscribed_topic_names = Some(self.topics.iter().cloned().collect());
            sent.topics = Some(self.topics.clone());
        }
        let regex = match &self.subscription {
            Some(Subscription::Regex(regex)) => Some(regex.clone()),
            _ => None,
        };
        if (all && regex.is_some()) || sent.regex != regex {
            // An empty one takes the pattern back.
            request.subscribed_topic_regex = Some(regex.clone().unwrap_or_default());
            sent.regex = regex;
        }
        if !std::mem::replace(&mut sent.server_assignor, true) || all {
            request.server_assignor = server_assignor;
        }
        if all || sent.assignment.as_ref() != Some(&self.current) {
            let owned = self.current.partitions.iter();
            request.topic_partitions = Some(
                owned
                    .map(|(id, partitions)| TopicPartitions {
                        topic_id: *id,
                        partitions: partitions.iter().copied().collect(),
                    })
                    .collect(),
            );
            sent.assignment = Some(self.current.clone());
        }
        if all {
            request.rack_id.clone_from(&self.config.rack_id);
        }
        request
    }

    fn share_heartbeat(&mut self) -> ShareGroupHeartbeatRequest {
        let all = self.state == MemberState::Joining;
        let mut request = ShareGroupHeartbeatRequest {
            group_id: self.config.group_id.clone(),
            member_id: self.member_id.clone(),
            member_epoch: self.epoch,
            ..Default::default()
        };
        let sent = &mut self.heartbeat.sent;
        if !std::mem::replace(&mut sent.rack, true) {
            request.rack_id.clone_from(&self.config.rack_id);
        }
        if all || sent.topics.as_ref() != Some(&self.topics) {
            request.subscribed_topic_names = Some(self.topics.iter().cloned().collect());
            sent.topics = Some(self.topics.clone());
        }
        request
    }
}

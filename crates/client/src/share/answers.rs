//! What answers mean.

use ottla_protocol::messages::share_fetch_response::PartitionData;
use ottla_protocol::messages::{
    ShareAcknowledgeResponse, ShareFetchResponse, share_acknowledge_response, share_fetch_response,
};
use ottla_protocol::{ErrorCode, Uuid};

use super::TopicIdPartition;
use super::requests::{Commit, Requests, Sent, not_leader};
use super::session::AckMap;
use crate::cluster::Node;
use crate::{Error, Result};

/// Attempts wait at most this many times the first back-off.
const BACKOFF_DOUBLINGS_MAX: u32 = 4;

/// What an answer brought, besides the outcomes of acknowledgements.
#[derive(Debug, Default)]
pub struct Brought {
    /// Partitions with acquired records.
    pub records: Vec<(TopicIdPartition, PartitionData)>,
    /// How long they are locked, ms.
    pub lock_timeout_ms: Option<i32>,
    /// For the application.
    pub errors: Vec<Error>,
    /// Metadata is out of date.
    pub refresh: bool,
    /// Partition, leader, epoch.
    pub leaders: Vec<(TopicIdPartition, i32, i32)>,
    /// Where those leaders are.
    pub nodes: Vec<Node>,
}

/// Nothing was said about these acknowledgements.
fn incomplete() -> Error {
    let text = "Acknowledgement not successful due to invalid response from broker";
    Error::api(ErrorCode::InvalidRecordState, Some(text))
}

impl Requests {
    fn tip(&self, topic_id: Uuid, partition: i32) -> Option<TopicIdPartition> {
        let topic = self.names.get(&topic_id)?.clone();
        Some(TopicIdPartition { topic_id, partition, topic })
    }

    fn finish_all(&mut self, acks: AckMap, error: &Error) {
        for (tip, acks) in acks {
            self.finish(tip, acks, Some(error.clone()), None, None);
        }
    }

    /// ShareFetch was answered, or not.
    pub fn fetched(&mut self, now_ms: i64, node: i32, answer: Result<ShareFetchResponse>) -> Brought {
        let Some(Sent::Fetch(acks)) = self.sent.remove(&node) else { return Brought::default() };
        if self.record_node == Some(node) {
            self.record_node = None;
        }
        let refused = match &answer {
            Ok(response) => Error::check(response.error_code, response.error_message.as_deref()).err(),
            Err(error) => Some(error.clone()),
        };
        let is_answered = answer.is_ok();
        match (answer, refused) {
            (Ok(response), None) => self.fetched_well(now_ms, node, acks, response),
            (_, refused) => {
                let error = refused.unwrap_or_else(incomplete);
                self.session_failed(node, is_answered, error.code());
                self.finish_all(acks, &error);
                self.retry_at_ms.insert(node, now_ms.saturating_add(self.config.retry_backoff_ms));
                let fatal = match error.code() {
                    Some(ErrorCode::GroupAuthorizationFailed) => true,
                    None => !error.is_retriable(),
                    Some(_) => false,
                };
                let refresh = !is_answered || error.code() == Some(ErrorCode::UnknownTopicId);
                let errors = if fatal { vec![error] } else { Vec::new() };
                Brought { errors, refresh, ..Brought::default() }
            }
        }
    }

    /// The numbering goes on, or begins anew.
    fn session_failed(&mut self, node: i32, is_answered: bool, code: Option<ErrorCode>) {
        let Some(session) = self.sessions.get_mut(&node) else { return };
        match code {
            Some(
                ErrorCode::ShareSessionNotFound
                | ErrorCode::InvalidShareSessionEpoch
                | ErrorCode::ShareSessionLimitReached,
            ) => session.begin_anew(),
            _ if is_answered => session.advance(),
            _ => session.begin_anew(),
        }
    }

    fn fetched_well(
        &mut self,
        now_ms: i64,
        node: i32,
        mut acks: AckMap,
        response: ShareFetchResponse,
    ) -> Brought {
        if let Some(session) = self.sessions.get_mut(&node) {
            session.advance();
        }
        let lock_timeout_ms = Some(response.acquisition_lock_timeout_ms).filter(|ms| *ms > 0);
        let mut brought = Brought {
            lock_timeout_ms,
            nodes: response.node_endpoints.into_iter().filter_map(fetch_node).collect(),
            ..Brought::default()
        };
        for topic in response.responses {
            for data in topic.partitions {
                let Some(tip) = self.tip(topic.topic_id, data.partition_index) else { continue };
                if let Some(acks) = acks.remove(&tip) {
                    let text = data.acknowledge_error_message.as_deref();
                    let error = Error::check(data.acknowledge_error_code, text).err();
                    self.finish(tip.clone(), acks, error, None, lock_timeout_ms);
                }
                let code = ErrorCode::from_code(data.error_code);
                if code != ErrorCode::None {
                    self.retry_at_ms.insert(node, now_ms.saturating_add(self.config.retry_backoff_ms));
                    let leader = (data.current_leader.leader_id, data.current_leader.leader_epoch);
                    brought.partition_failed(&tip, code, data.error_message.as_deref(), leader);
                } else if !data.acquired_records.is_empty() {
                    self.wants_records = false;
                    brought.records.push((tip, data));
                }
            }
        }
        self.finish_all(acks, &incomplete());
        brought
    }

    /// ShareAcknowledge was answered, or not.
    pub fn acknowledged(
        &mut self,
        now_ms: i64,
        node: i32,
        answer: Result<ShareAcknowledgeResponse>,
    ) -> Brought {
        let Some(Sent::Commit(commit)) = self.sent.remove(&node) else { return Brought::default() };
        match answer {
            Err(error) => {
                if let Some(session) = self.sessions.get_mut(&node) {
                    session.begin_anew();
                }
                self.finish_commit(commit, &error);
                Brought { refresh: true, ..Brought::default() }
            }
            Ok(response) => match Error::check(response.error_code, response.error_message.as_deref()) {
                Ok(()) => self.acknowledged_well(now_ms, commit, response),
                Err(error) => {
                    self.session_failed(node, true, error.code());
                    if error.is_retriable() && !commit.closes {
                        self.try_again(now_ms, commit);
                    } else {
                        self.finish_commit(commit, &error);
                    }
                    Brought::default()
                }
            },
        }
    }

    fn try_again(&mut self, now_ms: i64, mut commit: Commit) {
        if self.sessions.get(&commit.node).is_none_or(super::session::Session::is_new) {
            self.finish_commit(commit, &not_leader());
            return;
        }
        let doublings = commit.attempts.min(BACKOFF_DOUBLINGS_MAX);
        commit.attempts += 1;
        let backoff_ms = self.config.retry_backoff_ms.saturating_mul(1 << doublings);
        commit.retry_at_ms = now_ms.saturating_add(backoff_ms);
        self.commits.push_front(commit);
    }

    fn acknowledged_well(
        &mut self,
        now_ms: i64,
        mut commit: Commit,
        response: ShareAcknowledgeResponse,
    ) -> Brought {
        match self.sessions.get_mut(&commit.node).filter(|_| !commit.closes) {
            Some(session) => session.advance(),
            None => {
                self.sessions.remove(&commit.node);
            }
        }
        let lock_timeout_ms = Some(response.acquisition_lock_timeout_ms).filter(|ms| *ms > 0);
        let mut brought = Brought {
            nodes: response.node_endpoints.into_iter().filter_map(acknowledge_node).collect(),
            ..Brought::default()
        };
        let mut again = AckMap::new();
        for topic in response.responses {
            for data in topic.partitions {
                let Some(tip) = self.tip(topic.topic_id, data.partition_index) else { continue };
                let Some(acks) = commit.acks.remove(&tip) else { continue };
                let code = ErrorCode::from_code(data.error_code);
                let leader = (data.current_leader.leader_id, data.current_leader.leader_epoch);
                if code != ErrorCode::None && brought.leader_failed(&tip, code, leader) {
                    self.finish(tip, acks, Some(Error::api(code, None)), commit.ticket, None);
                } else if code.is_retriable() && !commit.closes {
                    again.insert(tip, acks);
                } else {
                    let error = Error::check(data.error_code, data.error_message.as_deref()).err();
                    let lock_timeout_ms = lock_timeout_ms.filter(|_| error.is_none());
                    self.finish(tip, acks, error, commit.ticket, lock_timeout_ms);
                }
            }
        }
        for (tip, acks) in std::mem::replace(&mut commit.acks, again) {
            self.finish(tip, acks, Some(incomplete()), commit.ticket, None);
        }
        if !commit.acks.is_empty() {
            self.try_again(now_ms, commit);
        }
        brought
    }
}

impl Brought {
    /// Whether the partition's leader is another by now.
    fn leader_failed(&mut self, tip: &TopicIdPartition, code: ErrorCode, leader: (i32, i32)) -> bool {
        let is_leaders = matches!(
            code,
            ErrorCode::NotLeaderOrFollower
                | ErrorCode::FencedLeaderEpoch
                | ErrorCode::UnknownTopicOrPartition
                | ErrorCode::UnknownTopicId
        );
        if is_leaders {
            self.refresh = true;
            if leader.0 >= 0 && leader.1 >= 0 {
                self.leaders.push((tip.clone(), leader.0, leader.1));
            }
        }
        is_leaders
    }

    fn partition_failed(
        &mut self,
        tip: &TopicIdPartition,
        code: ErrorCode,
        message: Option<&str>,
        leader: (i32, i32),
    ) {
        if self.leader_failed(tip, code, leader) {
            return;
        }
        match code {
            ErrorCode::ReplicaNotAvailable
            | ErrorCode::KafkaStorageError
            | ErrorCode::OffsetNotAvailable
            | ErrorCode::InconsistentTopicId => self.refresh = true,
            ErrorCode::UnknownLeaderEpoch | ErrorCode::UnknownServerError => {
                tracing::warn!(code = code.name(), topic = %tip.topic, partition = tip.partition, "no records this time");
            }
            ErrorCode::TopicAuthorizationFailed => {
                let text = format!("Not authorized to access topics: [{}]", tip.topic);
                self.errors.push(Error::api(code, Some(&text)));
            }
            code if code.is_retriable() => self.refresh = true,
            code => self.errors.push(Error::api(code, message)),
        }
    }
}

fn fetch_node(node: share_fetch_response::NodeEndpoint) -> Option<Node> {
    Some(Node { id: node.node_id, host: node.host, port: u16::try_from(node.port).ok()?, rack: node.rack })
}

fn acknowledge_node(node: share_acknowledge_response::NodeEndpoint) -> Option<Node> {
    Some(Node { id: node.node_id, host: node.host, port: u16::try_from(node.port).ok()?, rack: node.rack })
}

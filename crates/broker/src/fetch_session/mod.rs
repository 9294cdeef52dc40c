//! Incremental fetch sessions (KIP-227): a consumer names its partitions once, then only what changed.
//!
//! A full fetch (epoch 0) makes a session when a slot is free; an incremental fetch (epoch n) carries changes only,
//! and its answer holds only the partitions that have something new. Source of the rules: `FetchManager`,
//! `FetchSession` and `FetchSessionCacheShard` of Apache Kafka 4.3.1.

mod cache;
mod session;

pub use cache::{FetchSessions, SessionRequest};
pub use session::{FetchTarget, TopicKey};

use std::sync::Arc;

use ottla_protocol::messages::FetchResponse;
use ottla_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use ottla_protocol::{ErrorCode, Str, Uuid};
use parking_lot::Mutex;

use session::Session;

/// Epoch of a fetch that opens a session.
pub const INITIAL_EPOCH: i32 = 0;
/// Epoch of a fetch outside any session, which also closes the one it names.
pub const FINAL_EPOCH: i32 = -1;

/// The epoch after `epoch`: it wraps to 1, because 0 opens a session.
fn next_epoch(epoch: i32) -> i32 {
    match epoch {
        e if e < 0 => FINAL_EPOCH,
        i32::MAX => 1,
        e => e + 1,
    }
}

/// What one fetch request is about, and how its answer is made.
pub struct FetchContext {
    kind: Kind,
    /// Partitions to read, in the order in which they share the byte limit.
    pub targets: Vec<FetchTarget>,
}

enum Kind {
    Error(ErrorCode),
    Sessionless,
    Full { now_ms: i64, uses_topic_ids: bool, from_follower: bool },
    Incremental { session: Arc<Mutex<Session>>, expected_epoch: i32 },
}

impl FetchContext {
    fn error(error: ErrorCode) -> Self {
        Self { kind: Kind::Error(error), targets: Vec::new() }
    }

    /// The answer from what was read of each target, in the targets' order.
    pub fn respond(self, sessions: &FetchSessions, results: Vec<PartitionData>) -> FetchResponse {
        match self.kind {
            Kind::Error(error) => FetchResponse { error_code: error.code(), ..Default::default() },
            Kind::Sessionless => response(0, self.targets.iter().zip(results)),
            Kind::Full { now_ms, uses_topic_ids, from_follower } => {
                let id = sessions
                    .create(now_ms, from_follower, uses_topic_ids, &self.targets, &results)
                    .unwrap_or(0);
                response(id, self.targets.iter().zip(results))
            }
            Kind::Incremental { session, expected_epoch } => {
                let mut session = session.lock();
                if session.epoch != expected_epoch {
                    return FetchResponse {
                        error_code: ErrorCode::InvalidFetchSessionEpoch.code(),
                        session_id: session.id,
                        ..Default::default()
                    };
                }
                let id = session.id;
                let changed: Vec<_> = self
                    .targets
                    .iter()
                    .zip(results)
                    .filter(|(target, data)| session.must_respond(&target.key, target.partition, data))
                    .collect();
                response(id, changed.into_iter())
            }
        }
    }
}

impl FetchContext {
    /// The answer without what was read: the client shall ask again, in the session that it has
    /// (`FetchContext.getThrottledResponse`).
    pub fn respond_throttled(self) -> FetchResponse {
        match self.kind {
            Kind::Error(error) => FetchResponse { error_code: error.code(), ..Default::default() },
            Kind::Sessionless | Kind::Full { .. } => FetchResponse::default(),
            Kind::Incremental { session, expected_epoch } => {
                let session = session.lock();
                let error = match session.epoch == expected_epoch {
                    true => ErrorCode::None,
                    false => ErrorCode::InvalidFetchSessionEpoch,
                };
                FetchResponse { error_code: error.code(), session_id: session.id, ..Default::default() }
            }
        }
    }
}

/// Groups neighbouring partitions of one topic.
fn response<'a>(
    session_id: i32,
    parts: impl Iterator<Item = (&'a FetchTarget, PartitionData)>,
) -> FetchResponse {
    let mut responses: Vec<FetchableTopicResponse> = Vec::new();
    for (target, data) in parts {
        let (topic, topic_id) = match &target.key {
            TopicKey::Name(name) => (name.clone(), target.topic_id),
            TopicKey::Id(id) => (Str::new(), *id),
        };
        match responses.last_mut() {
            Some(last) if last.topic == topic && last.topic_id == topic_id => last.partitions.push(data),
            _ => responses.push(FetchableTopicResponse { topic, topic_id, partitions: vec![data] }),
        }
    }
    FetchResponse { session_id, responses, ..Default::default() }
}

impl FetchTarget {
    /// Name of the topic for the logs; its id when no name is known.
    pub fn topic(&self) -> Option<&Str> {
        match &self.key {
            TopicKey::Name(name) => Some(name),
            TopicKey::Id(_) => self.name.as_ref(),
        }
    }

    /// Id of the topic, or zero.
    pub fn id(&self) -> Uuid {
        self.topic_id
    }
}

#[cfg(test)]
mod tests;

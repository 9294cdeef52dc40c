//! Who coordinates a group or a transaction.

use std::collections::HashMap;
use std::sync::Arc;

use ottla_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use ottla_protocol::{ErrorCode, Message, Request, Str};
use tokio::time::{Instant, sleep_until};

use super::shared::{Handing, Shared};
use super::{Cluster, CoordinatorKind, Node, Target};
use crate::{Error, Result};

/// First version that asks for several keys at once.
const FIRST_BATCHED: i16 = 4;
/// First version that knows share groups.
const FIRST_SHARE: i16 = 6;

/// What was answered for a key.
type Found = (Str, Result<Node>);

impl CoordinatorKind {
    /// FindCoordinator's key type.
    pub const fn key_type(self) -> i8 {
        match self {
            CoordinatorKind::Group => 0,
            CoordinatorKind::Transaction => 1,
            CoordinatorKind::Share => 2,
        }
    }

    fn lowest_version(self) -> i16 {
        match self {
            CoordinatorKind::Group => 0,
            CoordinatorKind::Transaction => 1,
            CoordinatorKind::Share => FIRST_SHARE,
        }
    }
}

impl Cluster {
    /// The nodes that coordinate several keys, in one request where the broker can; retried for keys that have none yet.
    /// Keys that fail do so each for itself.
    ///
    /// # Errors
    /// When no node can be asked at all, or the time is up.
    pub async fn coordinators(
        &self,
        kind: CoordinatorKind,
        keys: &[Str],
        deadline: Instant,
    ) -> Result<HashMap<Str, Result<i32>>> {
        let mut found: HashMap<Str, Result<i32>> = HashMap::new();
        let mut missing: Vec<Str> = Vec::new();
        {
            let state = self.shared().state.lock();
            for key in keys {
                match state.coordinators.get(&(kind, key.clone())) {
                    Some(node) => drop(found.insert(key.clone(), Ok(*node))),
                    None => missing.push(key.clone()),
                }
            }
        }
        missing.sort_unstable();
        missing.dedup();
        let mut failures = 0;
        while !missing.is_empty() {
            let mut last = None;
            for (key, answer) in look_up(self.shared(), kind, std::mem::take(&mut missing), deadline).await? {
                match answer {
                    Ok(node) => drop(found.insert(key.clone(), Ok(self.shared().learn(kind, key, node)))),
                    Err(error) if error.is_retriable() => {
                        missing.push(key);
                        last = Some(error);
                    }
                    Err(error) => drop(found.insert(key, Err(error))),
                }
            }
            if let Some(last) = last {
                failures += 1;
                self.pause(failures, deadline, &last).await?;
            }
        }
        Ok(found)
    }

    /// Waits before another attempt; fails when the deadline would pass.
    async fn pause(&self, failures: u32, deadline: Instant, last: &Error) -> Result<()> {
        let until = Instant::now() + self.backoff(failures);
        if until >= deadline {
            return Err(Error::Timeout(format!("Timed out looking for a coordinator: {last}")));
        }
        // A change may be the very thing that is waited for, but the pause protects the brokers.
        sleep_until(until).await;
        Ok(())
    }
}

impl Shared {
    /// Keeps where a key is coordinated.
    fn learn(&self, kind: CoordinatorKind, key: Str, node: Node) -> i32 {
        let id = node.id;
        let mut state = self.state.lock();
        state.coordinators.insert((kind, key), id);
        state.told.insert(id, node);
        id
    }
}

/// Asks once. Lost connections are tried again on another node.
async fn look_up(
    shared: &Arc<Shared>,
    kind: CoordinatorKind,
    keys: Vec<Str>,
    deadline: Instant,
) -> Result<Vec<Found>> {
    let mut found = Vec::with_capacity(keys.len());
    let mut keys = keys.as_slice();
    while let Some((first, rest)) = keys.split_first() {
        let (node, link) = shared.link(Target::Any, deadline).await?;
        let highest = FindCoordinatorRequest::MAX_VERSION;
        let version = link.versions.highest(FindCoordinatorRequest::KEY, kind.lowest_version(), highest)?;
        let batched = version >= FIRST_BATCHED;
        let request = if batched {
            let coordinator_keys = keys.to_vec();
            FindCoordinatorRequest { key_type: kind.key_type(), coordinator_keys, ..Default::default() }
        } else {
            FindCoordinatorRequest { key: first.clone(), key_type: kind.key_type(), ..Default::default() }
        };
        let until = deadline.min(Instant::now() + shared.config.request_timeout);
        let how = Handing { deadline: until, expects_answer: true, may_be_skipped: true };
        let receiver = shared.hand_over(&link, &request, version, how)?;
        let asked = if batched { keys } else { std::slice::from_ref(first) };
        match shared.receive::<FindCoordinatorRequest>(node, version, receiver, how).await {
            Ok(response) => found.extend(read(response, batched, asked)),
            Err(error) => found.extend(asked.iter().map(|key| (key.clone(), Err(error.clone())))),
        }
        keys = if batched { &[] } else { rest };
    }
    Ok(found)
}

fn read(response: FindCoordinatorResponse, batched: bool, asked: &[Str]) -> Vec<Found> {
    if !batched {
        let answer = Error::check(response.error_code, response.error_message.as_deref())
            .and_then(|()| node(response.node_id, response.host, response.port));
        return asked.iter().map(|key| (key.clone(), answer.clone())).collect();
    }
    let mut answers: HashMap<Str, Result<Node>> = HashMap::new();
    for answer in response.coordinators {
        let result = Error::check(answer.error_code, answer.error_message.as_deref())
            .and_then(|()| node(answer.node_id, answer.host, answer.port));
        answers.insert(answer.key, result);
    }
    let absent =
        || Err(Error::Protocol("the answer to FIND_COORDINATOR lacks a key that was asked for".into()));
    asked.iter().map(|key| (key.clone(), answers.remove(key).unwrap_or_else(absent))).collect()
}

fn node(id: i32, host: Str, port: i32) -> Result<Node> {
    let port = u16::try_from(port).ok().filter(|port| *port > 0 && id >= 0 && !host.is_empty());
    match port {
        Some(port) => Ok(Node { id, host, port, rack: None }),
        None => Err(Error::api(ErrorCode::CoordinatorNotAvailable, None)),
    }
}

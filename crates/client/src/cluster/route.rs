//! From a target to a ready connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Target;
use super::connection::Link;
use super::peers::Choice;
use super::shared::{Shared, State};
use crate::{Error, Result, random};

enum Route {
    Ready(i32, Link),
    /// Look again after a change, or after this many ms.
    Wait(i64),
}

/// Looked at again at least this often, though nothing should be missed.
const LOOK_AGAIN_MS: i64 = 10_000;

impl Shared {
    /// A ready connection to the target, made if need be.
    ///
    /// # Errors
    /// When the node is unknown or can't be reached, or the time is up.
    pub(super) async fn link(self: &Arc<Self>, target: Target, deadline: Instant) -> Result<(i32, Link)> {
        let mut seen = None;
        let refused_before = self.state.lock().refusals.0;
        loop {
            let changed = self.changed.notified();
            let wait_ms = match self.route(target, &mut seen)? {
                Route::Ready(node, link) => return Ok((node, link)),
                Route::Wait(ms) => ms.clamp(1, LOOK_AGAIN_MS),
            };
            if let Some(refusal) = self.refusal_since(target, refused_before) {
                return Err(refusal);
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(self.out_of_time(target));
            }
            let until = deadline.min(now + Duration::from_millis(wait_ms as u64));
            let _ = timeout_at(until, changed).await;
        }
    }

    /// Why waiting is pointless: none of the nodes that would do is there, and one of them did not let the client in.
    fn refusal_since(&self, target: Target, refused_before: u64) -> Option<Error> {
        let state = self.state.lock();
        let (refused, refusal) = &state.refusals;
        refusal.clone().filter(|_| *refused > refused_before && !matches!(target, Target::Node(_)))
    }

    /// `seen`: the node and how many of its connections had ended when it was first looked at.
    fn route(self: &Arc<Self>, target: Target, seen: &mut Option<(i32, u64)>) -> Result<Route> {
        let mut state = self.state.lock();
        self.ensure_open(&state)?;
        let node = match target {
            Target::Any => return self.any(&mut state),
            Target::Node(id) => id,
            Target::Controller => match self.metadata().controller_id {
                Some(id) => id,
                None => {
                    // None yet, or none just now.
                    state.refresh.request();
                    return self.needs_metadata(&mut state);
                }
            },
        };
        if self.endpoint(&state, node).is_none() {
            if !state.refresh.has_succeeded() {
                return self.needs_metadata(&mut state);
            }
            state.refresh.request();
            self.wake_updater(&mut state);
            let known: Vec<String> = self.metadata.read().nodes.keys().map(i32::to_string).collect();
            let known = known.join(", ");
            return Err(Error::Unreachable(format!(
                "Node {node} is not among the cluster's nodes ({known})"
            )));
        }
        let now_ms = self.now_ms();
        if let Some((_, link)) = state.peers.ready(node, now_ms) {
            return Ok(Route::Ready(node, link.clone()));
        }
        if state.peers.link(node).is_some() {
            return Ok(Route::Wait(state.peers.throttled_until_ms(node) - now_ms));
        }
        if state.peers.is_down(node) {
            let (ended, error) = state.peers.ended(node);
            let ended_before = seen.filter(|(before, _)| *before == node).map_or(ended, |(_, ended)| ended);
            if ended > ended_before {
                let unknown = || Error::Unreachable(format!("Node {node} can't be reached"));
                return Err(error.cloned().map_or_else(unknown, unreachable));
            }
            *seen = Some((node, ended));
            self.connect(&mut state, node);
        } else if seen.is_none_or(|(before, _)| before != node) {
            *seen = Some((node, state.peers.ended(node).0));
        }
        Ok(Route::Wait(i64::MAX))
    }

    fn any(self: &Arc<Self>, state: &mut State) -> Result<Route> {
        let candidates = self.candidates(state);
        let now_ms = self.now_ms();
        match state.peers.least_loaded(&candidates, random::below(candidates.len()), now_ms) {
            Choice::Ready(node) => match state.peers.link(node) {
                Some(link) => Ok(Route::Ready(node, link.clone())),
                None => Ok(Route::Wait(0)),
            },
            Choice::Connecting => Ok(Route::Wait(i64::MAX)),
            Choice::Connect(node) => {
                self.connect(state, node);
                Ok(Route::Wait(i64::MAX))
            }
            Choice::None { until_ms, .. } => {
                if let Some(error) = self.bootstrap_error(state) {
                    return Err(error);
                }
                if !self.metadata.read().nodes.is_empty() {
                    // The updater finds out whether it is time to begin anew.
                    state.refresh.request();
                    self.wake_updater(state);
                }
                Ok(Route::Wait(until_ms.saturating_sub(now_ms)))
            }
        }
    }

    fn needs_metadata(self: &Arc<Self>, state: &mut State) -> Result<Route> {
        if let Some(error) = state.fatal.take().or_else(|| self.bootstrap_error(state)) {
            return Err(error);
        }
        self.wake_updater(state);
        Ok(Route::Wait(i64::MAX))
    }

    /// The error when no connection was ready in time, with what is known of the reason.
    fn out_of_time(&self, target: Target) -> Error {
        match target {
            Target::Any => {
                Error::Timeout(format!("Timed out waiting for a node assignment.{}", self.why_down()))
            }
            Target::Controller => {
                Error::Timeout(format!("Timed out waiting for the controller.{}", self.why_down()))
            }
            Target::Node(id) => {
                let node = self.describe(id);
                Error::Timeout(format!(
                    "Timed out waiting for a connection to node {node}.{}",
                    self.why_down()
                ))
            }
        }
    }

    /// What became of the last connections to nodes that are not connected, as sentences behind another one.
    pub(super) fn why_down(&self) -> String {
        let state = self.state.lock();
        let candidates = self.candidates(&state);
        let down = candidates.iter().filter(|node| state.peers.link(**node).is_none());
        down.filter_map(|node| state.peers.ended(*node).1).take(3).map(|error| format!(" {error}")).collect()
    }
}

/// The end of an earlier connection, told to somebody who has sent nothing yet.
fn unreachable(error: Error) -> Error {
    match error {
        Error::Disconnected(text) => Error::Unreachable(text),
        other => other,
    }
}

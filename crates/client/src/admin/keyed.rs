//! Requests about keys, each of which some broker answers for (`AdminApiDriver`).
//!
//! Keys go through two steps: looking up their broker, and asking it. What is asked of one broker goes in one
//! request. An answer settles keys, leaves them to be asked again, or says that the broker is the wrong one, after
//! which it is looked up anew. [`Work`] holds what is known (pure); [`Admin::run_keyed`] sends.

use std::collections::BTreeMap;

use ottla_protocol::{ErrorCode, Request};
use tokio::time::Instant;

use super::call::{join_all, remaining_ms, timed_out};
use super::lookup::{Found, Route};
use super::{Admin, PerKey};
use crate::cluster::Node;
use crate::{Error, Result, Target};

/// An operation on keys.
pub(super) trait Keyed {
    /// What is asked about.
    type Key: Ord + Clone;
    /// What is answered.
    type Value;
    /// The request; may carry many keys.
    type Request: Request;
    /// Name of the operation, for errors.
    const NAME: &'static str;
    /// Whether a request may carry more than one key.
    const BATCHED: bool = true;

    /// Versions that can carry what is asked for these keys.
    fn versions(&self, _keys: &[Self::Key]) -> (i16, i16) {
        (
            <Self::Request as ottla_protocol::Message>::MIN_VERSION,
            <Self::Request as ottla_protocol::Message>::MAX_VERSION,
        )
    }

    /// The request for keys of one broker.
    fn request(&self, keys: &[Self::Key], version: i16, timeout_ms: i32) -> Result<Self::Request>;

    /// What the answer says of the keys.
    fn respond(
        &self,
        broker: &Node,
        keys: &[Self::Key],
        version: i16,
        response: <Self::Request as Request>::Response,
    ) -> Answer<Self::Key, Self::Value>;

    /// What becomes of the keys when the broker offers no fitting version: those not named are asked again.
    fn unsupported(&self, keys: &[Self::Key], error: &Error) -> Vec<(Self::Key, Result<Self::Value>)> {
        keys.iter().map(|key| (key.clone(), Err(error.clone()))).collect()
    }
}

/// What an answer says of keys; keys that it does not mention are asked again of the same broker.
pub(super) struct Answer<K, V> {
    /// Keys that are settled.
    pub settled: Vec<(K, Result<V>)>,
    /// Keys whose broker must be looked up again.
    pub unmapped: Vec<K>,
}

impl<K, V> Default for Answer<K, V> {
    fn default() -> Self {
        Self { settled: Vec::new(), unmapped: Vec::new() }
    }
}

impl<K, V> Answer<K, V> {
    /// A key is settled well.
    pub(super) fn complete(&mut self, key: K, value: V) {
        self.settled.push((key, Ok(value)));
    }

    /// A key is settled with an error.
    pub(super) fn fail(&mut self, key: K, error: Error) {
        self.settled.push((key, Err(error)));
    }

    /// A key whose coordinator answered with an error: most settle it, some mean that it is to be asked again, here
    /// or elsewhere.
    pub(super) fn coordinator_error(&mut self, key: K, code: ErrorCode, message: Option<&str>) {
        match code {
            ErrorCode::CoordinatorLoadInProgress => {}
            ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator => self.unmapped.push(key),
            code => self.fail(key, Error::api(code, message)),
        }
    }
}

/// Keys under way and keys settled.
pub(super) struct Work<K, V> {
    /// With the broker that answers for them, if it is known.
    pending: BTreeMap<K, Option<i32>>,
    done: PerKey<K, V>,
}

impl<K: Ord + Clone, V> Work<K, V> {
    pub(super) fn new(keys: impl IntoIterator<Item = K>) -> Self {
        Self { pending: keys.into_iter().map(|key| (key, None)).collect(), done: BTreeMap::new() }
    }

    /// Keys whose broker is not known.
    pub(super) fn unmapped(&self) -> Vec<K> {
        self.pending.iter().filter(|(_, node)| node.is_none()).map(|(key, _)| key.clone()).collect()
    }

    /// Keys by broker; one at a time if the request takes only one.
    pub(super) fn batches(&self, batched: bool) -> Vec<(i32, Vec<K>)> {
        let mut by_node: BTreeMap<i32, Vec<K>> = BTreeMap::new();
        for (key, node) in &self.pending {
            if let Some(node) = node {
                by_node.entry(*node).or_default().push(key.clone());
            }
        }
        if batched {
            return by_node.into_iter().collect();
        }
        by_node
            .into_iter()
            .flat_map(|(node, keys)| keys.into_iter().map(move |key| (node, vec![key])))
            .collect()
    }

    pub(super) fn looked_up(&mut self, found: Found<K>) {
        for (key, node) in found.mapped {
            if let Some(slot) = self.pending.get_mut(&key) {
                *slot = Some(node);
            }
        }
        for (key, error) in found.failed {
            self.settle(key, Err(error));
        }
    }

    pub(super) fn answered(&mut self, answer: Answer<K, V>) {
        for (key, result) in answer.settled {
            self.settle(key, result);
        }
        self.unmap(answer.unmapped);
    }

    pub(super) fn unmap(&mut self, keys: impl IntoIterator<Item = K>) {
        for key in keys {
            if let Some(slot) = self.pending.get_mut(&key) {
                *slot = None;
            }
        }
    }

    /// An answer about a key that was not asked for is ignored.
    fn settle(&mut self, key: K, result: Result<V>) {
        if self.pending.remove(&key).is_some() {
            self.done.insert(key, result);
        }
    }

    pub(super) fn fail(&mut self, keys: impl IntoIterator<Item = K>, error: &Error) {
        for key in keys {
            self.settle(key, Err(error.clone()));
        }
    }

    fn fail_rest(mut self, error: &Error) -> PerKey<K, V> {
        let keys: Vec<K> = self.pending.keys().cloned().collect();
        self.fail(keys, error);
        self.done
    }
}

impl Admin {
    /// Asks about keys until all are settled or the time is up.
    pub(super) async fn run_keyed<H: Keyed>(
        &self,
        handler: &H,
        route: &impl Route<H::Key>,
        keys: impl IntoIterator<Item = H::Key>,
        deadline: Instant,
    ) -> PerKey<H::Key, H::Value> {
        let mut work = Work::new(keys);
        let mut rounds: u32 = 0;
        let mut last = None;
        loop {
            let unmapped = work.unmapped();
            if !unmapped.is_empty() {
                match route.look_up(self, H::NAME, &unmapped, deadline).await {
                    Ok(found) => work.looked_up(found),
                    Err(error) => work.fail(unmapped, &error),
                }
            }
            let batches = work.batches(H::BATCHED);
            let sent = batches.iter().map(|(node, keys)| self.send_batch(handler, *node, keys, deadline));
            let answers = join_all(sent).await;
            for ((_, keys), answer) in batches.into_iter().zip(answers) {
                if let Some(error) = settle_batch(&mut work, handler, keys, answer) {
                    last = Some(error);
                }
            }
            if work.pending.is_empty() {
                return work.done;
            }
            rounds += 1;
            if remaining_ms(deadline) == 0 || rounds > self.retries {
                return work.fail_rest(&timed_out(H::NAME, rounds, last.as_ref()));
            }
            let backoff = self.cluster.backoff(rounds - 1);
            tokio::time::sleep(backoff.min(deadline.saturating_duration_since(Instant::now()))).await;
            if remaining_ms(deadline) == 0 {
                return work.fail_rest(&timed_out(H::NAME, rounds, last.as_ref()));
            }
        }
    }

    async fn send_batch<H: Keyed>(
        &self,
        handler: &H,
        node: i32,
        keys: &[H::Key],
        deadline: Instant,
    ) -> Result<Answer<H::Key, H::Value>> {
        let by = self.request_deadline(deadline);
        let timeout_ms = remaining_ms(by);
        let (lowest, highest) = handler.versions(keys);
        let build = |version| handler.request(keys, version, timeout_ms);
        let (version, response) =
            self.cluster.call_as(Target::Node(node), lowest, highest, build, by).await?;
        Ok(handler.respond(&self.node(node), keys, version, response))
    }

    /// A node as the metadata knows it.
    pub(super) fn node(&self, id: i32) -> Node {
        let known = self.cluster.metadata().nodes.get(&id).cloned();
        known.unwrap_or_else(|| Node { id, host: Default::default(), port: 0, rack: None })
    }
}

/// Takes in what became of a request; gives the error if it is one after which the keys are asked again.
fn settle_batch<H: Keyed>(
    work: &mut Work<H::Key, H::Value>,
    handler: &H,
    keys: Vec<H::Key>,
    answer: Result<Answer<H::Key, H::Value>>,
) -> Option<Error> {
    match answer {
        Ok(answer) => {
            work.answered(answer);
            None
        }
        Err(error @ Error::UnsupportedVersion(_)) => {
            for (key, result) in handler.unsupported(&keys, &error) {
                work.settle(key, result);
            }
            None
        }
        Err(error) if error.is_retriable() => {
            work.unmap(keys);
            Some(error)
        }
        Err(error) => {
            work.fail(keys, &error);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work() -> Work<&'static str, u8> {
        let mut work = Work::new(["a", "b", "c", "d"]);
        work.looked_up(Found {
            mapped: vec![("a", 1), ("b", 2), ("c", 1)],
            failed: vec![("d", Error::api(ErrorCode::GroupAuthorizationFailed, None))],
        });
        work
    }

    #[test]
    fn keys_of_a_broker_go_together() {
        let work = work();
        assert_eq!(work.batches(true), [(1, vec!["a", "c"]), (2, vec!["b"])]);
        assert_eq!(work.batches(false), [(1, vec!["a"]), (1, vec!["c"]), (2, vec!["b"])]);
        assert!(work.unmapped().is_empty());
        assert!(work.done.get("d").unwrap().is_err());
    }

    #[test]
    fn answers_settle_keys_or_send_them_back() {
        let mut work = work();
        let mut answer = Answer::default();
        answer.complete("a", 7);
        answer.complete("x", 7);
        answer.coordinator_error("b", ErrorCode::NotCoordinator, None);
        answer.coordinator_error("c", ErrorCode::CoordinatorLoadInProgress, None);
        work.answered(answer);
        assert_eq!(work.unmapped(), ["b"]);
        assert_eq!(work.batches(true), [(1, vec!["c"])]);
        let done = work.fail_rest(&timed_out("describeGroups", 3, None));
        assert_eq!(done.keys().copied().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert_eq!(*done["a"].as_ref().unwrap(), 7);
        assert!(matches!(done["c"], Err(Error::Timeout(_))));
    }
}

//! In which state the connection to each node is, when the next attempt may begin, and which node has least to do
//! (Kafka's `ClusterConnectionStates` and `leastLoadedNode`). Times are ms of the caller's clock.

use std::collections::HashMap;
use std::time::Duration;

use crate::Error;
use crate::backoff::Backoff;

/// What a ready connection tells of its load.
pub(super) trait Load {
    /// Requests that were handed over and have no answer yet.
    fn in_flight(&self) -> usize;
}

/// Pauses between attempts, and how long an attempt may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// `reconnect.backoff.ms` and `.max.ms`.
    pub reconnect: Backoff,
    /// `socket.connection.setup.timeout.ms` and `.max.ms`.
    pub setup: Backoff,
}

/// State of the connection to a node. The number tells an attempt from those before.
#[derive(Clone, Debug)]
pub(super) enum Phase<L> {
    /// There is none.
    Down,
    /// One will be begun when the back-off is over.
    Scheduled(u64),
    /// One is being made.
    Connecting(u64),
    /// Requests can be sent.
    Ready(u64, L),
}

#[derive(Debug)]
struct Peer<L> {
    phase: Phase<L>,
    /// Attempts and connections that ended since the last that became ready.
    failures: u32,
    /// Attempts that ended before there was a TCP connection.
    setup_failures: u32,
    retry_at_ms: i64,
    last_attempt_ms: i64,
    throttled_until_ms: i64,
    /// Attempts and connections that ended, ever.
    ended: u64,
    last_error: Option<Error>,
}

impl<L> Peer<L> {
    fn connection(&self) -> Option<(u64, &L)> {
        match &self.phase {
            Phase::Ready(serial, link) => Some((*serial, link)),
            _ => None,
        }
    }
}

/// An attempt to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub serial: u64,
    /// How long to wait before it begins.
    pub delay_ms: i64,
    /// How long each address may take.
    pub setup_timeout: Duration,
}

/// How to reach a node out of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// This node is ready.
    Ready(i32),
    /// No node is ready, but a connection is being made.
    Connecting,
    /// To this node a connection may be begun.
    Connect(i32),
    /// All nodes are in their back-off, the first until then; `i64::MAX` when there is no node. The flag: a node is ready,
    /// but throttled.
    None { until_ms: i64, any_ready: bool },
}

/// All peers.
#[derive(Debug)]
pub(super) struct Peers<L> {
    rules: Rules,
    peers: HashMap<i32, Peer<L>>,
    last_serial: u64,
}

impl<L: Load + Clone> Peers<L> {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, peers: HashMap::new(), last_serial: 0 }
    }

    /// The ready connection to a node with its number, unless it is throttled.
    pub(super) fn ready(&self, node: i32, now_ms: i64) -> Option<(u64, &L)> {
        let peer = self.peers.get(&node).filter(|peer| peer.throttled_until_ms <= now_ms)?;
        peer.connection()
    }

    /// The connection to a node with its number, also while it is throttled.
    pub(super) fn connection(&self, node: i32) -> Option<(u64, &L)> {
        self.peers.get(&node)?.connection()
    }

    /// The connection to a node, also while it is throttled.
    pub(super) fn link(&self, node: i32) -> Option<&L> {
        self.connection(node).map(|(_, link)| link)
    }

    /// All connections.
    pub(super) fn links(&self) -> impl Iterator<Item = (i32, &L)> {
        self.peers.iter().filter_map(|(node, peer)| match &peer.phase {
            Phase::Ready(_, link) => Some((*node, link)),
            _ => None,
        })
    }

    /// Whether there is neither a connection nor an attempt at one.
    pub(super) fn is_down(&self, node: i32) -> bool {
        self.peers.get(&node).is_none_or(|peer| matches!(peer.phase, Phase::Down))
    }

    /// How often an attempt or connection ended, and why the last one did.
    pub(super) fn ended(&self, node: i32) -> (u64, Option<&Error>) {
        self.peers.get(&node).map_or((0, None), |peer| (peer.ended, peer.last_error.as_ref()))
    }

    /// When a throttled node may be asked again; the past for others.
    pub(super) fn throttled_until_ms(&self, node: i32) -> i64 {
        self.peers.get(&node).map_or(0, |peer| peer.throttled_until_ms)
    }

    /// The broker asked for silence until then.
    pub(super) fn throttle(&mut self, node: i32, until_ms: i64) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.throttled_until_ms = peer.throttled_until_ms.max(until_ms);
        }
    }

    /// Begins an attempt, or schedules it when the back-off is not over. Nothing when there is one already.
    pub(super) fn connect(&mut self, node: i32, now_ms: i64, random: f64) -> Option<Attempt> {
        let peer = self.peers.entry(node).or_insert_with(|| Peer {
            phase: Phase::Down,
            failures: 0,
            setup_failures: 0,
            retry_at_ms: i64::MIN,
            last_attempt_ms: i64::MIN,
            throttled_until_ms: 0,
            ended: 0,
            last_error: None,
        });
        if !matches!(peer.phase, Phase::Down) {
            return None;
        }
        self.last_serial += 1;
        let serial = self.last_serial;
        let delay_ms = peer.retry_at_ms.saturating_sub(now_ms).max(0);
        peer.phase = if delay_ms > 0 { Phase::Scheduled(serial) } else { Phase::Connecting(serial) };
        peer.last_attempt_ms = now_ms;
        let setup_timeout = self.rules.setup.after(peer.setup_failures, random);
        Some(Attempt { serial, delay_ms, setup_timeout })
    }

    /// The back-off of a scheduled attempt is over. False when it has become pointless.
    pub(super) fn begun(&mut self, node: i32, serial: u64, now_ms: i64) -> bool {
        let Some(peer) = self.current(node, serial) else { return false };
        peer.phase = Phase::Connecting(serial);
        peer.last_attempt_ms = now_ms;
        true
    }

    /// The attempt succeeded. False when it has become pointless.
    pub(super) fn connected(&mut self, node: i32, serial: u64, link: L) -> bool {
        let Some(peer) = self.current(node, serial) else { return false };
        peer.phase = Phase::Ready(serial, link);
        peer.failures = 0;
        peer.setup_failures = 0;
        peer.throttled_until_ms = 0;
        true
    }

    /// The attempt failed, or the connection ended; `before_tcp` when not even TCP was there.
    pub(super) fn disconnected(
        &mut self,
        node: i32,
        serial: u64,
        error: Error,
        before_tcp: bool,
        now_ms: i64,
        random: f64,
    ) {
        let reconnect = self.rules.reconnect;
        let Some(peer) = self.current(node, serial) else { return };
        peer.setup_failures = if before_tcp { peer.setup_failures.saturating_add(1) } else { 0 };
        peer.retry_at_ms = now_ms.saturating_add(reconnect.after_ms(peer.failures, random));
        peer.failures = peer.failures.saturating_add(1);
        peer.phase = Phase::Down;
        peer.last_attempt_ms = now_ms;
        peer.ended += 1;
        peer.last_error = Some(error);
    }

    /// Lets go of a connection or attempt; what is in flight there ends with the connection's task.
    pub(super) fn drop_link(&mut self, node: i32) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.phase = Phase::Down;
        }
    }

    /// Lets go of all connections.
    pub(super) fn clear(&mut self) {
        self.peers.clear();
    }

    /// The node that should be asked when any will do. `start` spreads the choice.
    pub(super) fn least_loaded(&self, nodes: &[i32], start: usize, now_ms: i64) -> Choice {
        let mut ready: Option<(usize, i32)> = None;
        let mut connecting = false;
        let mut connect: Option<(i64, i32)> = None;
        let mut until_ms = i64::MAX;
        let mut any_ready = false;
        for i in 0..nodes.len() {
            let Some(node) = nodes.get((start + i) % nodes.len()).copied() else { continue };
            let Some(peer) = self.peers.get(&node) else {
                connect = connect.filter(|(at, _)| *at == i64::MIN).or(Some((i64::MIN, node)));
                continue;
            };
            match &peer.phase {
                Phase::Ready(_, link) => {
                    any_ready = true;
                    let load = link.in_flight();
                    if peer.throttled_until_ms > now_ms {
                        until_ms = until_ms.min(peer.throttled_until_ms);
                    } else if ready.is_none_or(|(least, _)| load < least) {
                        ready = Some((load, node));
                    }
                }
                Phase::Connecting(_) => connecting = true,
                Phase::Down if peer.retry_at_ms <= now_ms => {
                    if connect.is_none_or(|(at, _)| peer.last_attempt_ms < at) {
                        connect = Some((peer.last_attempt_ms, node));
                    }
                }
                Phase::Down | Phase::Scheduled(_) => until_ms = until_ms.min(peer.retry_at_ms),
            }
        }
        match (ready, connect) {
            (Some((_, node)), _) => Choice::Ready(node),
            (None, _) if connecting => Choice::Connecting,
            (None, Some((_, node))) => Choice::Connect(node),
            (None, None) => Choice::None { until_ms, any_ready },
        }
    }

    fn current(&mut self, node: i32, serial: u64) -> Option<&mut Peer<L>> {
        self.peers.get_mut(&node).filter(|peer| match peer.phase {
            Phase::Down => false,
            Phase::Scheduled(at) | Phase::Connecting(at) | Phase::Ready(at, _) => at == serial,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug)]
    struct Busy(usize);

    impl Load for Busy {
        fn in_flight(&self) -> usize {
            self.0
        }
    }

    fn peers() -> Peers<Busy> {
        let ms = Duration::from_millis;
        Peers::new(Rules {
            reconnect: Backoff::new(ms(50), ms(1000)),
            setup: Backoff::new(ms(10_000), ms(30_000)),
        })
    }

    fn ready(peers: &mut Peers<Busy>, node: i32, load: usize) -> u64 {
        let serial = peers.connect(node, 0, 0.5).unwrap().serial;
        assert!(peers.connected(node, serial, Busy(load)));
        serial
    }

    fn gone() -> Error {
        Error::Disconnected("gone".into())
    }

    #[test]
    fn attempts_wait_longer_and_longer() {
        let mut peers = peers();
        let mut now = 0;
        let mut delays = Vec::new();
        for _ in 0..6 {
            let attempt = peers.connect(1, now, 0.5).unwrap();
            assert_eq!(peers.connect(1, now, 0.5), None, "one at a time");
            now += attempt.delay_ms;
            assert!(attempt.delay_ms == 0 || peers.begun(1, attempt.serial, now));
            delays.push((attempt.delay_ms, attempt.setup_timeout.as_millis()));
            peers.disconnected(1, attempt.serial, gone(), true, now, 0.5);
        }
        let expect = [(0, 10_000), (50, 20_000), (100, 30_000), (200, 30_000), (400, 30_000), (800, 30_000)];
        assert_eq!(delays, expect);
    }

    #[test]
    fn what_became_of_older_attempts_does_not_matter() {
        let mut peers = peers();
        let old = peers.connect(1, 0, 0.5).unwrap().serial;
        peers.drop_link(1);
        let serial = ready(&mut peers, 1, 0);
        peers.disconnected(1, old, gone(), true, 5, 0.5);
        assert!(!peers.connected(1, old, Busy(9)));
        assert!(peers.ready(1, 5).is_some());
        peers.disconnected(1, serial, gone(), false, 5, 0.5);
        assert!(peers.is_down(1) && peers.ended(1).0 == 1);
    }

    #[test]
    fn the_least_loaded_node_is_chosen() {
        let mut peers = peers();
        assert_eq!(peers.least_loaded(&[], 0, 0), Choice::None { until_ms: i64::MAX, any_ready: false });
        assert_eq!(peers.least_loaded(&[1, 2, 3], 1, 0), Choice::Connect(2));
        let first = peers.connect(1, 0, 0.5).unwrap().serial;
        assert_eq!(peers.least_loaded(&[1, 2, 3], 0, 0), Choice::Connecting);
        peers.disconnected(1, first, gone(), true, 0, 0.5);
        assert_eq!(peers.least_loaded(&[1], 0, 0), Choice::None { until_ms: 50, any_ready: false });
        assert_eq!(peers.least_loaded(&[1], 0, 50), Choice::Connect(1));
        ready(&mut peers, 2, 5);
        ready(&mut peers, 3, 4);
        assert_eq!(peers.least_loaded(&[1, 2, 3], 0, 0), Choice::Ready(3));
        peers.throttle(3, 100);
        assert_eq!(peers.least_loaded(&[1, 2, 3], 0, 99), Choice::Ready(2));
        assert_eq!(peers.least_loaded(&[3], 0, 99), Choice::None { until_ms: 100, any_ready: true });
        assert_eq!(peers.least_loaded(&[3], 0, 100), Choice::Ready(3));
    }

    #[test]
    fn among_nodes_that_are_down_the_one_longest_untried_is_next() {
        let mut peers = peers();
        for (node, at) in [(1, 10), (2, 5), (3, 7)] {
            let serial = peers.connect(node, at, 0.5).unwrap().serial;
            peers.disconnected(node, serial, gone(), true, at, 0.5);
        }
        assert_eq!(peers.least_loaded(&[1, 2, 3], 0, 1000), Choice::Connect(2));
    }
}

//! Counters. Each thread writes its own, on cache lines of its own; a reader adds them up.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::frame::BadInput;

/// Counters of a server; cheap to read at any time, from any thread.
#[derive(Debug)]
pub struct NetStats {
    pub(crate) accepts: AcceptStats,
    pub(crate) workers: Vec<WorkerStats>,
}

/// The sums at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetSnapshot {
    /// Open connections.
    pub connections: u64,
    /// Connections accepted and served since the start.
    pub accepted: u64,
    /// Connections closed at once because of `max.connections.per.ip`.
    pub rejected: u64,
    /// Connections that had to wait for `max.connection.creation.rate`.
    pub throttled: u64,
    /// Connections closed unserved because their address opens them too fast.
    pub throttled_by_ip: u64,
    /// Times an acceptor had to wait for a slot under `max.connections`.
    pub blocked: u64,
    /// Complete requests received.
    pub requests: u64,
    /// Responses whose bytes were queued for sending.
    pub responses: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Connections closed for being idle.
    pub closed_idle: u64,
    /// Connections closed because a request stayed incomplete for too long.
    pub closed_incomplete: u64,
    /// Connections closed for bytes that are no request.
    pub closed_bad_input: u64,
    /// Connections closed to make room for the inter-broker listener.
    pub closed_evicted: u64,
    /// Connections closed because the service panicked.
    pub panics: u64,
    /// File ranges that were not in the page cache and were read on another thread.
    pub cold_reads: u64,
}

/// Written by the acceptor thread.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct AcceptStats {
    pub(crate) accepted: Counter,
    pub(crate) rejected: Counter,
    pub(crate) throttled: Counter,
    pub(crate) throttled_by_ip: Counter,
    pub(crate) blocked: Counter,
}

/// Written by one data thread.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct WorkerStats {
    pub(crate) opened: Counter,
    pub(crate) closed: Counter,
    pub(crate) requests: Counter,
    pub(crate) responses: Counter,
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) closed_idle: Counter,
    pub(crate) closed_incomplete: Counter,
    pub(crate) closed_bad_input: [Counter; BadInput::KINDS],
    pub(crate) closed_evicted: Counter,
    pub(crate) panics: Counter,
    pub(crate) cold_reads: Counter,
}

/// A number with a single writing thread, so that no locked instruction is needed.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl NetStats {
    pub(crate) fn new(workers: usize) -> Self {
        NetStats {
            accepts: AcceptStats::default(),
            workers: std::iter::repeat_with(WorkerStats::default).take(workers).collect(),
        }
    }

    /// Adds up the threads' counters.
    pub fn snapshot(&self) -> NetSnapshot {
        let sum = |counter: fn(&WorkerStats) -> u64| self.workers.iter().map(counter).sum::<u64>();
        // Closed before opened: a connection that comes and goes in between is not counted below zero.
        let closed = sum(|w| w.closed.load());
        NetSnapshot {
            connections: sum(|w| w.opened.load()).saturating_sub(closed),
            accepted: self.accepts.accepted.load(),
            rejected: self.accepts.rejected.load(),
            throttled: self.accepts.throttled.load(),
            throttled_by_ip: self.accepts.throttled_by_ip.load(),
            blocked: self.accepts.blocked.load(),
            requests: sum(|w| w.requests.load()),
            responses: sum(|w| w.responses.load()),
            bytes_in: sum(|w| w.bytes_in.load()),
            bytes_out: sum(|w| w.bytes_out.load()),
            closed_idle: sum(|w| w.closed_idle.load()),
            closed_incomplete: sum(|w| w.closed_incomplete.load()),
            closed_bad_input: sum(|w| w.closed_bad_input.iter().map(Counter::load).sum()),
            closed_evicted: sum(|w| w.closed_evicted.load()),
            panics: sum(|w| w.panics.load()),
            cold_reads: sum(|w| w.cold_reads.load()),
        }
    }

    /// Open connections of each data thread.
    pub fn connections_by_thread(&self) -> Vec<u64> {
        self.workers.iter().map(|w| w.opened.load().saturating_sub(w.closed.load())).collect()
    }
}

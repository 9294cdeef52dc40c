//! The rows of the table that are measured in slices on running brokers: what one slice of each does, and what it
//! yields.
//!
//! | file | rows |
//! | --- | --- |
//! | `produce` | one producer: batches of several sizes, compressed ones, single records |
//! | `consume` | consumers from the beginning, and groups at the tail |
//! | `producers` | many producers, and producers whose records are flushed |
//! | `latency` | one record at a time, a fixed rate, a quiet topic beside a loud one |
//! | `quiet` | the producer that three rows disturb |
//! | `replay` | a producer beside a consumer that reads what only the disk has |
//! | `reconnect` | clients that come and go |
//! | `transactions` | transactional producers |
//! | `groups` | a group of a hundred that forms, grows and shrinks |
//! | `share` | share consumers of one partition |
//! | `security` | producers, consumers and handshakes over TLS, and with passwords |

mod consume;
mod groups;
mod latency;
mod produce;
mod producers;
mod quiet;
mod reconnect;
mod replay;
mod security;
mod share;
mod transactions;

use std::time::Duration;

use anyhow::Result;
use ottla_protocol::ApiKey;
use ottla_protocol::records::Compression::{Lz4, Zstd};

use crate::contestant::{Broker, Kind};
use crate::effort::Effort;
use crate::load::{Moved, coordinator};
use crate::metric::{Metric, Slice};
use crate::process::cpu_seconds;
use crate::topic;

/// A mebibyte.
pub const MIB: f64 = 1024.0 * 1024.0;
/// A kibibyte.
pub const KIB: usize = 1024;

/// What no slice goes beyond, so that data stays in the page cache and the disk does not fill.
const SLICE_BYTES_MAX: u64 = 1 << 30;

/// One row.
pub trait Work {
    /// What the table calls it.
    fn name(&self) -> String;

    /// Whether this kind of broker can do it at all.
    fn suits(&self, kind: Kind) -> bool {
        kind != Kind::Floor
    }

    /// APIs without which there is no such row; one that a broker does not offer is left out.
    fn needs(&self) -> &'static [ApiKey] {
        &[]
    }

    /// Whether its slices leave much behind, so that the topic must be made anew from time to time.
    fn writes(&self) -> bool {
        true
    }

    /// How many times as long as others its slices are: what happens once in a thousand needs many thousands.
    fn stretch(&self) -> u32 {
        1
    }

    /// Whether its brokers have listeners with TLS and passwords.
    fn is_secure(&self) -> bool {
        false
    }

    /// Whether it takes Kafka's own tools, and with them some seconds and a download.
    fn takes_java(&self) -> bool {
        false
    }

    /// Makes the topic as it must be before the first slice.
    fn prepare(&self, broker: &Broker<'_>, topic: &str) -> Result<()>;

    /// One slice.
    fn slice(&self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<Slice>;

    /// Removes what was made.
    fn clean_up(&self, broker: &Broker<'_>, topic: &str) -> Result<()> {
        topic::delete(broker.port, topic)
    }
}

/// All rows, in the order of the table.
pub fn rows(effort: &Effort) -> Vec<Box<dyn Work>> {
    use consume::{Consume, Tail};
    use latency::{FixedRateRow, OneAtATime, Quiet};
    use produce::{JavaProduce, OwnProduce};
    use producers::{Producers, SlowProducers};
    use security::{Handshakes, Over, Secure, What};
    let java = |record_size, batch_size, acks| JavaProduce { record_size, batch_size, acks };
    vec![
        Box::new(java(KIB, 16 * KIB, 1)),
        Box::new(java(KIB, 16 * KIB, -1)),
        Box::new(java(KIB, 256 * KIB, 1)),
        Box::new(java(KIB, 256 * KIB, -1)),
        Box::new(java(100, 16 * KIB, 1)),
        Box::new(Consume::Java),
        Box::new(OwnProduce::plain(KIB, 16 * KIB, 1)),
        Box::new(OwnProduce::plain(KIB, 16 * KIB, -1)),
        Box::new(OwnProduce::plain(KIB, 256 * KIB, 1)),
        Box::new(OwnProduce::plain(100, 16 * KIB, 1)),
        Box::new(OwnProduce::plain(KIB, 0, 1)),
        Box::new(OwnProduce::compressed(Lz4)),
        Box::new(OwnProduce::compressed(Zstd)),
        Box::new(Consume::Own),
        Box::new(Tail { groups: 1 }),
        Box::new(Tail { groups: 5 }),
        Box::new(Producers::many(effort.producers)),
        Box::new(Producers::flushed(16, 1)),
        Box::new(Producers::flushed(16, 16)),
        Box::new(OneAtATime { acks: -1 }),
        Box::new(FixedRateRow { acks: 1 }),
        Box::new(Quiet),
        Box::new(replay::Replay { bytes: effort.replayed_bytes }),
        Box::new(SlowProducers { count: effort.connections }),
        Box::new(reconnect::Reconnect),
        Box::new(reconnect::PacedReconnect),
        Box::new(transactions::Committed { producers: 1, every_ms: 10 }),
        Box::new(transactions::Committed { producers: 10, every_ms: 10 }),
        Box::new(transactions::Committed { producers: 1, every_ms: 100 }),
        Box::new(transactions::Committed { producers: 10, every_ms: 100 }),
        Box::new(transactions::Committed { producers: 1, every_ms: 0 }),
        Box::new(transactions::Committed { producers: 10, every_ms: 0 }),
        Box::new(groups::Rebalance::Classic),
        Box::new(groups::Rebalance::Consumer),
        Box::new(share::Shared { consumers: 1 }),
        Box::new(share::Shared { consumers: 10 }),
        Box::new(share::Shared { consumers: 50 }),
        Box::new(Secure { over: Over::Ssl, what: What::Produce(16 * KIB) }),
        Box::new(Secure { over: Over::Ssl, what: What::Produce(256 * KIB) }),
        Box::new(Secure { over: Over::SaslSsl, what: What::Produce(256 * KIB) }),
        Box::new(Secure { over: Over::Ssl, what: What::Consume }),
        Box::new(Secure { over: Over::SaslSsl, what: What::Consume }),
        Box::new(Secure { over: Over::Ssl, what: What::Tail }),
        Box::new(Handshakes { resumed: false }),
        Box::new(Handshakes { resumed: true }),
        Box::new(security::Logins),
        Box::new(security::Flood),
    ]
}

/// The first API that a row needs and a broker does not offer.
pub fn lacks(row: &dyn Work, broker: &Broker<'_>) -> Result<Option<ApiKey>> {
    for api in row.needs() {
        if !coordinator::offers(broker.port, *api)? {
            return Ok(Some(*api));
        }
    }
    Ok(None)
}

/// What a load moved or yielded, and the broker's CPU seconds meanwhile.
fn with_cpu<T>(broker: &Broker<'_>, load: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let before = cpu_seconds(broker.pid())?;
    let result = load()?;
    Ok((result, cpu_seconds(broker.pid())? - before))
}

/// CPU for each megabyte, and megabytes in a second.
fn by_bytes(moved: Moved, cpu: f64) -> Slice {
    let mb = (moved.bytes as f64 / MIB).max(0.001);
    Slice::of([(Metric::CpuPerMb, cpu * 1e3 / mb), (Metric::Rate, mb / moved.seconds.max(1e-3))])
}

/// CPU for each of so many things in microseconds, and how many there were in a second.
fn by_count(count: u64, seconds: f64, cpu: f64, metrics: [Metric; 2]) -> Slice {
    let count = (count as f64).max(1.0);
    Slice::of([(metrics[0], cpu * 1e6 / count), (metrics[1], count / seconds.max(1e-3))])
}

fn acks_text(acks: i16) -> &'static str {
    if acks == -1 { "all" } else { "1" }
}

fn size_text(bytes: usize) -> String {
    if bytes >= KIB { format!("{} KB", bytes / KIB) } else { format!("{bytes} B") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let mut names: Vec<String> = rows(&Effort::FULL).iter().map(|row| row.name()).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}

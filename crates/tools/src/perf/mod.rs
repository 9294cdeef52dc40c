//! Tools that measure: how fast records are written and read, and how long one takes from end to end.
//!
//! | file | what |
//! | --- | --- |
//! | `producer`, `producer_options`, `payload`, `latencies` | `producer-perf-test` |
//! | `consumer` | `consumer-perf-test` |
//! | `share_consumer` | `share-consumer-perf-test` |
//! | `end_to_end` | `e2e-latency` |
//! | `throttler` | no more records a second than asked for |
//! | `options` | what the command lines of consumers have in common |

pub mod consumer;
pub mod end_to_end;
mod latencies;
mod options;
mod payload;
pub mod producer;
mod producer_options;
pub mod share_consumer;
pub(crate) mod throttler;

/// Prints metrics of a client as Kafka's tools do, one a line: `group:name:{client-id=...}` and the value.
pub fn print_metrics(group: &str, client_id: &str, metrics: &[(&'static str, f64)], io: &mut crate::Io) {
    let mut named: Vec<(String, f64)> = metrics
        .iter()
        .map(|(name, value)| (format!("{group}:{name}:{{client-id={client_id}}}"), *value))
        .collect();
    named.sort_by(|(a, _), (b, _)| a.cmp(b));
    let width = named.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    crate::outln!(io, "\n{:width$}   Value", "Metric Name");
    for (name, value) in named {
        crate::outln!(io, "{name:width$} : {value:.3}");
    }
}

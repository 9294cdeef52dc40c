//! What a client does, in figures: under the names of Kafka's `metrics()`, read at any time, or pushed to the brokers when
//! they ask for them (KIP-714).
//!
//! Counting is an addition to an atomic or to a window; names are put together only when somebody reads.

mod network;
pub(crate) mod otlp;
mod sampled;
pub(crate) mod telemetry;

use std::sync::Arc;

use parking_lot::Mutex;

pub(crate) use self::network::{Network, NodeFigures};
pub use self::sampled::Sampled;

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Group, such as `producer-metrics`.
    pub group: String,
    /// Name, such as `request-total`.
    pub name: &'static str,
    /// What it is about, such as `node-id`.
    pub tags: Vec<(&'static str, String)>,
    /// The value; times are in ms.
    pub value: f64,
    /// Whether it only grows.
    pub is_total: bool,
}

/// Gives figures when asked.
type Source = Arc<dyn Fn() -> Vec<Metric> + Send + Sync>;

/// The figures of one client.
#[derive(Default)]
pub struct Metrics {
    pub(crate) network: Network,
    sources: Mutex<Vec<Source>>,
}

impl Metrics {
    /// Lets a part of the client tell its figures too. To be called once for each part.
    pub fn add_source(&self, source: impl Fn() -> Vec<Metric> + Send + Sync + 'static) {
        self.sources.lock().push(Arc::new(source));
    }

    /// All figures. `prefix` is the kind of client, `now_ms` the time since it was made.
    pub(crate) fn read(&self, prefix: &str, client_id: &str, now_ms: i64) -> Vec<Metric> {
        let mut all = self.network.read(prefix, client_id, now_ms);
        // Not under the lock: a source may take its time.
        let sources = self.sources.lock().clone();
        for source in sources {
            all.extend(source());
        }
        all
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

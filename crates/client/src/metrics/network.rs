//! Connections, requests and bytes: of the client, and of each node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::{Metric, Sampled};

/// A total, and how fast it grows.
#[derive(Debug, Default)]
struct Meter {
    total: AtomicU64,
    recent: Mutex<Sampled>,
}

impl Meter {
    fn add(&self, amount: u64, now_ms: i64) {
        self.total.fetch_add(amount, Ordering::Relaxed);
        self.recent.lock().record(amount as f64, now_ms);
    }
}

/// What passes over connections.
#[derive(Debug, Default)]
struct Traffic {
    requests: Meter,
    responses: Meter,
    outgoing_bytes: Meter,
    incoming_bytes: Meter,
    /// In ms, from being written to being answered.
    latency: Mutex<Sampled>,
}

/// TLS handshakes and logins, as Kafka's `Selector` counts them.
#[derive(Debug, Default)]
struct Logins {
    successful: Meter,
    failed: Meter,
    /// Logins whose session never ends.
    without_end: AtomicU64,
    successful_again: Meter,
    failed_again: Meter,
    /// In ms.
    latency_again: Mutex<Sampled>,
}

/// Figures of the connections to one node.
#[derive(Debug, Default)]
pub(crate) struct NodeFigures {
    traffic: Traffic,
    /// The same for all nodes.
    all: Arc<Traffic>,
    logins: Arc<Logins>,
}

impl NodeFigures {
    /// Requests were written.
    pub(crate) fn sent(&self, requests: u64, bytes: u64, now_ms: i64) {
        for traffic in [&self.traffic, &*self.all] {
            traffic.requests.add(requests, now_ms);
            traffic.outgoing_bytes.add(bytes, now_ms);
        }
    }

    /// The client has logged in again on a connection, or could not.
    pub(crate) fn logged_in_again(&self, is_successful: bool, latency_ms: f64, now_ms: i64) {
        let logins = &self.logins;
        if is_successful {
            logins.successful_again.add(1, now_ms);
            logins.latency_again.lock().record(latency_ms, now_ms);
        } else {
            logins.failed_again.add(1, now_ms);
        }
    }

    /// A response was read.
    pub(crate) fn received(&self, bytes: u64, latency_ms: f64, now_ms: i64) {
        for traffic in [&self.traffic, &*self.all] {
            traffic.responses.add(1, now_ms);
            traffic.incoming_bytes.add(bytes, now_ms);
            traffic.latency.lock().record(latency_ms, now_ms);
        }
    }
}

/// Figures of a client's network.
#[derive(Debug, Default)]
pub(crate) struct Network {
    created: Meter,
    closed: Meter,
    all: Arc<Traffic>,
    logins: Arc<Logins>,
    nodes: Mutex<BTreeMap<i32, Arc<NodeFigures>>>,
}

impl Network {
    /// A connection to a node was made.
    pub(crate) fn opened(&self, node: i32, now_ms: i64) -> Arc<NodeFigures> {
        self.created.add(1, now_ms);
        let (all, logins) = (&self.all, &self.logins);
        let new = || {
            let traffic = Traffic::default();
            Arc::new(NodeFigures { traffic, all: all.clone(), logins: logins.clone() })
        };
        self.nodes.lock().entry(node).or_insert_with(new).clone()
    }

    /// A connection ended.
    pub(crate) fn closed(&self, now_ms: i64) {
        self.closed.add(1, now_ms);
    }

    /// A connection with TLS or SASL is ready.
    pub(crate) fn logged_in(&self, is_session_endless: bool, now_ms: i64) {
        self.logins.successful.add(1, now_ms);
        self.logins.without_end.fetch_add(u64::from(is_session_endless), Ordering::Relaxed);
    }

    /// A handshake or a login has failed.
    pub(crate) fn login_failed(&self, now_ms: i64) {
        self.logins.failed.add(1, now_ms);
    }

    pub(super) fn read(&self, prefix: &str, client_id: &str, now_ms: i64) -> Vec<Metric> {
        let mut reading = Reading {
            all: Vec::new(),
            now_ms,
            group: format!("{prefix}-metrics"),
            tags: vec![("client-id", client_id.to_owned())],
        };
        reading.meter("connection-creation-total", "connection-creation-rate", &self.created);
        reading.meter("connection-close-total", "connection-close-rate", &self.closed);
        let total = |meter: &Meter| meter.total.load(Ordering::Relaxed);
        let open = total(&self.created).saturating_sub(total(&self.closed));
        reading.figure("connection-count", open as f64, false);
        reading.logins(&self.logins);
        reading.traffic(&self.all);
        let nodes = self.nodes.lock().clone();
        reading.group = format!("{prefix}-node-metrics");
        for (id, node) in nodes {
            reading.tags = vec![("client-id", client_id.to_owned()), ("node-id", format!("node-{id}"))];
            reading.traffic(&node.traffic);
        }
        reading.all
    }
}

struct Reading {
    all: Vec<Metric>,
    now_ms: i64,
    group: String,
    tags: Vec<(&'static str, String)>,
}

impl Reading {
    fn figure(&mut self, name: &'static str, value: f64, is_total: bool) {
        let (group, tags) = (self.group.clone(), self.tags.clone());
        self.all.push(Metric { group, name, tags, value, is_total });
    }

    fn meter(&mut self, total: &'static str, rate: &'static str, meter: &Meter) {
        self.figure(total, meter.total.load(Ordering::Relaxed) as f64, true);
        let recent = meter.recent.lock().rate(self.now_ms);
        self.figure(rate, recent, false);
    }

    fn logins(&mut self, logins: &Logins) {
        self.meter("successful-authentication-total", "successful-authentication-rate", &logins.successful);
        self.meter("failed-authentication-total", "failed-authentication-rate", &logins.failed);
        let again = &logins.successful_again;
        self.meter("successful-reauthentication-total", "successful-reauthentication-rate", again);
        self.meter("failed-reauthentication-total", "failed-reauthentication-rate", &logins.failed_again);
        let without_end = logins.without_end.load(Ordering::Relaxed) as f64;
        self.figure("successful-authentication-no-reauth-total", without_end, true);
        let latency = *logins.latency_again.lock();
        self.figure("reauthentication-latency-avg", latency.avg(self.now_ms), false);
        self.figure("reauthentication-latency-max", latency.max(self.now_ms), false);
    }

    fn traffic(&mut self, traffic: &Traffic) {
        self.meter("request-total", "request-rate", &traffic.requests);
        self.meter("response-total", "response-rate", &traffic.responses);
        self.meter("outgoing-byte-total", "outgoing-byte-rate", &traffic.outgoing_bytes);
        self.meter("incoming-byte-total", "incoming-byte-rate", &traffic.incoming_bytes);
        let latency = *traffic.latency.lock();
        self.figure("request-latency-avg", latency.avg(self.now_ms), false);
        self.figure("request-latency-max", latency.max(self.now_ms), false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_kept_for_the_client_and_for_each_node() {
        let network = Network::default();
        let (one, two) = (network.opened(1, 0), network.opened(2, 0));
        one.sent(2, 100, 10);
        one.received(40, 3.0, 20);
        two.sent(1, 50, 30);
        network.closed(40);
        network.logged_in(false, 40);
        network.login_failed(40);
        one.logged_in_again(true, 5.0, 40);
        let all = network.read("producer", "me", 50);
        let get = |group: &str, node: Option<&str>, name: &str| {
            let found = all.iter().find(|metric| {
                let of = metric.tags.iter().find(|(tag, _)| *tag == "node-id").map(|(_, id)| id.as_str());
                metric.group == group && metric.name == name && of == node
            });
            found.unwrap().value
        };
        assert_eq!(get("producer-metrics", None, "connection-creation-total"), 2.0);
        assert_eq!(get("producer-metrics", None, "connection-count"), 1.0);
        assert_eq!(get("producer-metrics", None, "outgoing-byte-total"), 150.0);
        assert_eq!(get("producer-metrics", None, "successful-authentication-total"), 1.0);
        assert_eq!(get("producer-metrics", None, "failed-authentication-total"), 1.0);
        assert_eq!(get("producer-metrics", None, "successful-authentication-no-reauth-total"), 0.0);
        assert_eq!(get("producer-metrics", None, "reauthentication-latency-max"), 5.0);
        assert_eq!(get("producer-node-metrics", Some("node-1"), "request-total"), 2.0);
        assert_eq!(get("producer-node-metrics", Some("node-1"), "request-latency-avg"), 3.0);
        assert!(get("producer-node-metrics", Some("node-2"), "request-latency-avg").is_nan());
    }
}

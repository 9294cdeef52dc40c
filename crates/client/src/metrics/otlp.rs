//! Figures as OpenTelemetry's `MetricsData`, the form in which KIP-714 pushes them: just as much protocol buffers as that
//! takes.
//!
//! `MetricsData.resource_metrics[0]` holds the client's labels and one `ScopeMetrics`; totals are a `Sum`, the others a
//! `Gauge`, each with one point.

use std::collections::{BTreeMap, HashMap};

use super::Metric;

/// What KIP-714's names begin with.
const NAMESPACE: &str = "org.apache.kafka.";
/// The broker knows the client's id.
const LEFT_OUT: &str = "client-id";
/// Values of OpenTelemetry's `AggregationTemporality`.
const DELTA: u64 = 1;
const CUMULATIVE: u64 = 2;

/// A total that was told before: its value, and when.
type Told = HashMap<(String, Vec<(&'static str, String)>), (f64, u64)>;

/// Turns figures into bytes, and remembers what it told for deltas.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    told: Told,
    began_ns: u64,
}

/// What a subscription asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Prefixes of names; `*` is all.
    pub names: Vec<String>,
    /// Totals since the last push, not since the beginning.
    pub delta: bool,
}

impl Wanted {
    fn wants(&self, name: &str) -> bool {
        self.names.iter().any(|prefix| prefix == "*" || name.starts_with(prefix.as_str()))
    }
}

/// A figure's name for telemetry: `producer-node-metrics` and `request-latency-avg` give
/// `org.apache.kafka.producer.node.request.latency.avg`.
pub(crate) fn name(metric: &Metric) -> String {
    let group = metric.group.strip_suffix("-metrics").unwrap_or(&metric.group);
    format!("{NAMESPACE}{group}.{}", metric.name).replace('-', ".")
}

impl Encoder {
    /// An encoder whose totals began at this time (Unix ns).
    pub(crate) fn new(began_ns: u64) -> Self {
        Self { told: Told::new(), began_ns }
    }

    /// Forgets what was told: the subscription changed between deltas and totals.
    pub(crate) fn reset(&mut self) {
        self.told.clear();
    }

    /// The figures that are wanted; nothing when there is none.
    pub(crate) fn encode(
        &mut self,
        metrics: &[Metric],
        wanted: &Wanted,
        labels: &BTreeMap<&'static str, String>,
        now_ns: u64,
    ) -> Option<Vec<u8>> {
        let mut scope = Vec::new();
        for metric in metrics.iter().filter(|metric| metric.value.is_finite()) {
            let name = name(metric);
            if wanted.wants(&name) {
                let encoded = self.metric(name, metric, wanted.delta, now_ns);
                message(&mut scope, 2, &encoded);
            }
        }
        if scope.is_empty() {
            return None;
        }
        let mut resource = Vec::new();
        for (key, value) in labels {
            message(&mut resource, 1, &attribute(key, value));
        }
        let mut of_resource = Vec::new();
        message(&mut of_resource, 1, &resource);
        message(&mut of_resource, 2, &scope);
        let mut data = Vec::new();
        message(&mut data, 1, &of_resource);
        Some(data)
    }

    fn metric(&mut self, name: String, metric: &Metric, delta: bool, now_ns: u64) -> Vec<u8> {
        let mut out = Vec::new();
        message(&mut out, 1, name.as_bytes());
        let mut body = Vec::new();
        if !metric.is_total {
            message(&mut body, 1, &point(metric, metric.value, None, now_ns));
            message(&mut out, 5, &body);
            return out;
        }
        let (mut value, mut since_ns) = (metric.value, self.began_ns);
        if delta {
            let before = self.told.insert((name, metric.tags.clone()), (value, now_ns));
            if let Some((told, at_ns)) = before {
                value = (value - told).max(0.0);
                since_ns = at_ns;
            }
        }
        message(&mut body, 1, &point(metric, value, Some(since_ns), now_ns));
        number(&mut body, 2, if delta { DELTA } else { CUMULATIVE });
        number(&mut body, 3, 1);
        message(&mut out, 7, &body);
        out
    }
}

fn point(metric: &Metric, value: f64, since_ns: Option<u64>, now_ns: u64) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(since_ns) = since_ns {
        fixed64(&mut out, 2, since_ns);
    }
    fixed64(&mut out, 3, now_ns);
    fixed64(&mut out, 4, value.to_bits());
    for (key, value) in metric.tags.iter().filter(|(key, _)| *key != LEFT_OUT) {
        message(&mut out, 7, &attribute(&key.replace('-', "_"), value));
    }
    out
}

/// A `KeyValue` with a string.
fn attribute(key: &str, value: &str) -> Vec<u8> {
    let mut any = Vec::new();
    message(&mut any, 1, value.as_bytes());
    let mut out = Vec::new();
    message(&mut out, 1, key.as_bytes());
    message(&mut out, 2, &any);
    out
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field of wire type 0.
fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

/// A field of wire type 1.
fn fixed64(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, (field << 3) | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A field of wire type 2: a message, a string or bytes.
fn message(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, (field << 3) | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &'static str, value: f64, is_total: bool) -> Metric {
        let tags = vec![("client-id", "me".to_owned()), ("node-id", "node-1".to_owned())];
        Metric { group: "producer-node-metrics".into(), name, tags, value, is_total }
    }

    fn wanted(names: &[&str], delta: bool) -> Wanted {
        Wanted { names: names.iter().map(|name| name.to_string()).collect(), delta }
    }

    #[test]
    fn names_are_those_of_kip_714() {
        let name = name(&metric("request-latency-avg", 1.0, false));
        assert_eq!(name, "org.apache.kafka.producer.node.request.latency.avg");
    }

    #[test]
    fn a_gauge_is_encoded_byte_for_byte() {
        let gauge =
            Metric { group: "p-metrics".into(), name: "a", tags: vec![], value: 1.0, is_total: false };
        let bytes = Encoder::new(0).encode(&[gauge], &wanted(&["*"], false), &BTreeMap::new(), 2).unwrap();
        let name = b"org.apache.kafka.p.a";
        let mut expect = vec![0x0a, 50, 0x0a, 0, 0x12, 46, 0x12, 44, 0x0a, 20];
        expect.extend_from_slice(name);
        expect.extend_from_slice(&[0x2a, 20, 0x0a, 18, 0x19, 2, 0, 0, 0, 0, 0, 0, 0]);
        expect.extend_from_slice(&[0x21, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
        assert_eq!(bytes, expect);
    }

    #[test]
    fn only_what_is_wanted_is_told() {
        let all = [metric("request-total", 3.0, true), metric("request-latency-avg", f64::NAN, false)];
        let mut encoder = Encoder::new(1);
        let mut encode = |names: &[&str]| encoder.encode(&all, &wanted(names, false), &BTreeMap::new(), 2);
        assert!(encode(&["org.apache.kafka.consumer"]).is_none());
        assert!(encode(&["org.apache.kafka.producer.node.request.latency"]).is_none(), "there is no value");
        assert!(encode(&["x", "org.apache.kafka.producer.node.request.t"]).is_some());
    }

    #[test]
    fn deltas_are_since_the_last_time() {
        let mut encoder = Encoder::new(5);
        let mut tell = |value: f64, now_ns| {
            let all = [metric("request-total", value, true)];
            let bytes = encoder.encode(&all, &wanted(&["*"], true), &BTreeMap::new(), now_ns).unwrap();
            // The only byte of this kind is the tag of the value.
            let at = bytes.iter().position(|byte| *byte == 0x21).unwrap();
            let mut value = [0; 8];
            value.copy_from_slice(&bytes[at + 1..at + 9]);
            f64::from_le_bytes(value)
        };
        assert_eq!([tell(3.0, 10), tell(8.0, 20), tell(8.0, 30)], [3.0, 5.0, 0.0]);
    }
}

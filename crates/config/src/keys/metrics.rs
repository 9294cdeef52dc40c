//! Metrics and client telemetry.

use crate::key_def::Importance::Low;
use crate::key_def::{KeyDef, int, list, long, string};

const JVM: &str = "JVM classes cannot be loaded; metrics are offered over HTTP, see `ottla.http.listener`";
const OWN: &str = "metrics of the process are measured in their own way";

pub(super) const KEYS: &[KeyDef] = &[
    int("telemetry.max.bytes", 1024 * 1024, Low)
        .at_least(1)
        .honoured()
        .doc("The largest metrics push a client may send, as it comes over the wire."),
    list("metric.reporters", &["org.apache.kafka.common.metrics.JmxReporter"], Low)
        .no_duplicates()
        .cluster_wide()
        .without_effect(JVM)
        .doc("Classes that are told of metrics."),
    list("kafka.metrics.reporters", &[], Low)
        .no_duplicates()
        .without_effect(JVM)
        .doc("Classes that are told of the older kind of metrics."),
    int("kafka.metrics.polling.interval.secs", 10, Low)
        .at_least(1)
        .without_effect(JVM)
        .doc("How often the older kind of reporters read the metrics."),
    int("metrics.num.samples", 2, Low)
        .at_least(1)
        .without_effect(OWN)
        .doc("How many windows a metric is measured over."),
    long("metrics.sample.window.ms", 30_000, Low)
        .at_least(1)
        .without_effect(OWN)
        .doc("Length of one window of a metric."),
    string("metrics.recording.level", "INFO", Low)
        .without_effect(OWN)
        .doc("How much is measured: INFO, DEBUG or TRACE."),
];

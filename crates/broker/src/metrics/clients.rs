//! What clients tell of themselves (KIP-714), and how much of it was taken.

use super::collect::{Gone, Out};
use super::metric::{Metric, Series, counter, gauge};
use crate::broker::Broker;
use crate::clock::now_ms;

const LABELS: &[&str] = &["metric", "client_id", "software", "client_instance_id", "attributes"];

pub static INSTANCES: Metric = gauge(
    "ottla_client_instances",
    "Clients whose metrics are told: those that have pushed within three intervals.",
);
pub static PUSHES: Metric =
    counter("ottla_client_pushes_total", "Pushes of clients whose metrics were taken.");
pub static FAILURES: Metric = counter(
    "ottla_client_push_failures_total",
    "Pushes of clients that could not be decompressed or understood.",
);
pub static LEFT_OUT: Metric = counter(
    "ottla_client_metrics_left_out_total",
    "Metrics of pushes that were left out: no subscription asks for them, or there are too many clients or metrics.",
);
pub static GAUGE: Metric = gauge(
    "ottla_client_metric_value",
    "A metric of a client, by its name in KIP-714, as it was pushed last.",
)
.by(LABELS)
.per(Series::Client);
pub static TOTAL: Metric = counter(
    "ottla_client_metric_total",
    "A metric of a client that only grows, added up since its first push.",
)
.by(LABELS)
.per(Series::Client);

/// In the order in which they are told.
pub static METRICS: &[&Metric] = &[&INSTANCES, &PUSHES, &FAILURES, &LEFT_OUT, &GAUGE, &TOTAL];

pub(super) async fn collect(broker: &Broker, out: &mut Out) -> Result<(), Gone> {
    let exported = &broker.telemetry.exported;
    let (clients, counts) = (exported.clients(now_ms()), exported.counts());
    out.one(&INSTANCES, clients.len());
    out.one(&PUSHES, counts.pushes);
    out.one(&FAILURES, counts.failures);
    out.one(&LEFT_OUT, counts.left_out);
    for (metric, is_total) in [(&GAUGE, false), (&TOTAL, true)] {
        out.begin(metric);
        for client in &clients {
            let figures = client.figures.iter().filter(|(_, figure)| figure.is_total == is_total);
            for ((name, attributes), figure) in figures {
                let labels: [&str; 5] =
                    [name, &client.client_id, &client.software, &client.instance_id, attributes];
                out.sample(metric, &labels, figure.value);
                out.breathe().await?;
            }
        }
    }
    Ok(())
}

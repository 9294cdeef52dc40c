//! How far clients with quotas are, and what was throttled.

use super::collect::{Gone, Out, Sources};
use super::metric::{Metric, Series, counter, gauge};
use crate::clock::now_ms;
use crate::quotas::{Measured, QuotaKind, Sharers};

/// As the usual rules of the JMX exporter have it.
const LABELS: &[&str] = &["resource", "user", "clientId"];

pub static BYTE_RATE: Metric = gauge(
    "kafka_server_quota_byte_rate",
    "Bytes per second that those who share a quota produce (resource Produce) or fetch (Fetch).",
)
.by(LABELS)
.per(Series::Client);
pub static REQUEST_TIME: Metric = gauge(
    "kafka_server_quota_request_time",
    "Time of the data threads that those who share a quota take, in per cent of one thread.",
)
.by(LABELS)
.per(Series::Client);
pub static TOKENS: Metric = gauge(
    "kafka_server_quota_tokens",
    "Partitions that those who share a quota may create or delete before they must wait; what they owe is below zero.",
)
.by(LABELS)
.per(Series::Client);
pub static THROTTLE_TIME: Metric = gauge(
    "kafka_server_quota_throttle_time",
    "Mean of how long those who share a quota were throttled when they were, in milliseconds. Apache Kafka's mean is of \
     the last minute.",
)
.by(LABELS)
.per(Series::Client);
pub static LIMIT: Metric = gauge("ottla_quota_limit", "What the quota is, in the unit of what it limits.")
    .by(LABELS)
    .per(Series::Client);
pub static THROTTLED: Metric =
    counter("ottla_quota_throttled_total", "Answers that told the client to wait.").by(&["resource"]);
pub static THROTTLED_SECONDS: Metric =
    counter("ottla_quota_throttled_seconds_total", "How long they told clients to wait, in seconds.")
        .by(&["resource"]);
pub static EXEMPT_SECONDS: Metric = counter(
    "ottla_quota_exempt_request_seconds_total",
    "Time of the data threads for requests that no quota holds back, while there are quotas of time, in seconds.",
);
pub static THROTTLED_BY_IP: Metric = counter(
    "ottla_network_connections_throttled_by_ip_total",
    "Connections that were closed unserved because their address opens them faster than its quota allows.",
);

/// In the order in which they are told.
pub static METRICS: &[&Metric] = &[
    &BYTE_RATE,
    &REQUEST_TIME,
    &TOKENS,
    &THROTTLE_TIME,
    &LIMIT,
    &THROTTLED,
    &THROTTLED_SECONDS,
    &EXEMPT_SECONDS,
    &THROTTLED_BY_IP,
];

type OfKind = (QuotaKind, Vec<(Sharers, Measured)>);

pub(super) async fn collect(sources: &Sources, out: &mut Out) -> Result<(), Gone> {
    let quotas = &sources.broker.quotas;
    let now_ms = now_ms();
    let measured: Vec<OfKind> =
        QuotaKind::ALL.iter().map(|kind| (*kind, quotas.measured(*kind, now_ms))).collect();
    let value = |measured: &Measured| Some(measured.value);
    let kinds = [
        (&BYTE_RATE, &[QuotaKind::Produce, QuotaKind::Fetch][..]),
        (&REQUEST_TIME, &[QuotaKind::Request][..]),
        (&TOKENS, &[QuotaKind::ControllerMutation][..]),
    ];
    for (metric, of) in kinds {
        each(metric, measured.iter().filter(|(kind, _)| of.contains(kind)), value, out).await?;
    }
    each(&THROTTLE_TIME, measured.iter(), |measured| Some(measured.throttle_ms_mean), out).await?;
    each(&LIMIT, measured.iter(), |measured| Some(measured.limit).filter(|limit| limit.is_finite()), out)
        .await?;
    out.begin(&THROTTLED);
    for kind in QuotaKind::ALL {
        out.sample(&THROTTLED, &[kind.name()], quotas.throttled(kind).answers);
    }
    out.begin(&THROTTLED_SECONDS);
    for kind in QuotaKind::ALL {
        let seconds = quotas.throttled(kind).total_ms as f64 / 1_000.0;
        out.sample(&THROTTLED_SECONDS, &[kind.name()], seconds);
    }
    out.one(&EXEMPT_SECONDS, quotas.exempt_us() as f64 / 1e6);
    out.one(&THROTTLED_BY_IP, sources.net.snapshot().throttled_by_ip);
    Ok(())
}

async fn each(
    metric: &'static Metric,
    kinds: impl Iterator<Item = &OfKind>,
    value: fn(&Measured) -> Option<f64>,
    out: &mut Out,
) -> Result<(), Gone> {
    out.begin(metric);
    for (kind, measured) in kinds {
        for (sharers, measured) in measured {
            let Some(value) = value(measured) else { continue };
            out.sample(metric, &[kind.name(), &sharers.user, &sharers.client_id], value);
            out.breathe().await?;
        }
    }
    Ok(())
}

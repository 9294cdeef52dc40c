//! Connections and data threads.

use super::collect::{Out, Sources};
use super::idle::{IdleShare, thread_times};
use super::metric::{Metric, counter, gauge};

pub static CONNECTIONS: Metric =
    gauge("kafka_server_socketservermetrics_connection_count", "Open connections.").by(&["listener"]);
pub static BY_THREAD: Metric =
    gauge("ottla_network_thread_connections", "Open connections of a data thread.").by(&["thread"]);
pub static ACCEPTED: Metric =
    counter("ottla_network_connections_accepted_total", "Connections that were accepted and served.");
pub static REFUSED: Metric = counter(
    "ottla_network_connections_refused_total",
    "Connections that were closed at once because of a limit: max.connections.per.ip.",
)
.by(&["listener", "reason"]);
pub static THROTTLED: Metric = counter(
    "ottla_network_connections_throttled_total",
    "Connections that had to wait for max.connection.creation.rate.",
);
pub static BLOCKED: Metric = counter(
    "ottla_network_accept_blocked_total",
    "Times that accepting had to wait for a free slot under max.connections.",
);
pub static CLOSED: Metric = counter(
    "ottla_network_connections_closed_total",
    "Connections that the broker has closed: idle, incomplete (a request that did not end), bad_input, evicted (to make room \
     for other brokers), panic.",
)
.by(&["reason"]);
pub static BYTES_IN: Metric =
    counter("kafka_server_socketservermetrics_incoming_byte_total", "Bytes that were received.");
pub static BYTES_OUT: Metric =
    counter("kafka_server_socketservermetrics_outgoing_byte_total", "Bytes that were sent.");
pub static REQUESTS: Metric =
    counter("kafka_server_socketservermetrics_request_total", "Complete requests that were received.");
pub static RESPONSES: Metric =
    counter("kafka_server_socketservermetrics_response_total", "Responses that were given to be sent.");
pub static COLD_READS: Metric = counter(
    "ottla_network_cold_reads_total",
    "Ranges of files that were not in the page cache and were read on another thread.",
);
pub static FETCH_SESSIONS: Metric = gauge(
    "kafka_server_fetchsessioncache_numincrementalfetchsessions",
    "Fetch sessions: consumers that tell only what has changed since their last Fetch.",
);
pub static NETWORK_IDLE: Metric = gauge(
    "kafka_network_socketserver_networkprocessoravgidle_percent",
    "Share of the last minute in which the data threads had nothing to do, 0 to 1.",
);
pub static HANDLER_IDLE: Metric = gauge(
    "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent",
    "The same: data threads are request handlers too.",
);

/// In the order in which they are told.
pub static METRICS: &[&Metric] = &[
    &CONNECTIONS,
    &BY_THREAD,
    &ACCEPTED,
    &REFUSED,
    &THROTTLED,
    &BLOCKED,
    &CLOSED,
    &BYTES_IN,
    &BYTES_OUT,
    &REQUESTS,
    &RESPONSES,
    &COLD_READS,
    &FETCH_SESSIONS,
    &NETWORK_IDLE,
    &HANDLER_IDLE,
];

pub(super) fn collect(sources: &Sources, idle: &IdleShare, out: &mut Out) {
    out.begin(&CONNECTIONS);
    for listener in sources.quotas.listener_names() {
        let connections = sources.quotas.listener_connections(&listener);
        out.sample(&CONNECTIONS, &[&listener], u64::from(connections));
    }
    out.begin(&BY_THREAD);
    for (thread, connections) in sources.net.connections_by_thread().into_iter().enumerate() {
        out.sample(&BY_THREAD, &[&thread.to_string()], connections);
    }
    let net = sources.net.snapshot();
    out.one(&ACCEPTED, net.accepted);
    out.begin(&REFUSED);
    for listener in sources.quotas.listener_names() {
        let refused = sources.quotas.listener_refused(&listener);
        out.sample(&REFUSED, &[&listener, "max.connections.per.ip"], refused);
    }
    out.one(&THROTTLED, net.throttled);
    out.one(&BLOCKED, net.blocked);
    out.begin(&CLOSED);
    let closed = [
        ("idle", net.closed_idle),
        ("incomplete", net.closed_incomplete),
        ("bad_input", net.closed_bad_input),
        ("evicted", net.closed_evicted),
        ("panic", net.panics),
    ];
    closed.iter().for_each(|(reason, count)| out.sample(&CLOSED, &[reason], *count));
    out.one(&BYTES_IN, net.bytes_in);
    out.one(&BYTES_OUT, net.bytes_out);
    out.one(&REQUESTS, net.requests);
    out.one(&RESPONSES, net.responses);
    out.one(&COLD_READS, net.cold_reads);
    out.one(&FETCH_SESSIONS, sources.broker.fetch_sessions.len());
    let share = idle.share(&thread_times());
    out.one(&NETWORK_IDLE, share);
    out.one(&HANDLER_IDLE, share);
}

//! Limits on connections and requests (Kafka's `SocketServerConfigs`). Limits of single listeners are with
//! the listeners.

use std::collections::BTreeMap;

use super::endpoint::parse_csv_map;
use crate::error::{ConfigError, ErrorKind};
use crate::values::Values;

/// Limits on connections and requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketConfig {
    /// `socket.request.max.bytes`.
    pub request_max_bytes: i32,
    /// `queued.max.request.bytes`; 0 or negative: no bound.
    pub queued_max_request_bytes: i64,
    /// `queued.max.requests`.
    pub queued_max_requests: i32,
    /// `max.connections`.
    pub max_connections: i32,
    /// `max.connections.per.ip`.
    pub max_connections_per_ip: i32,
    /// `max.connections.per.ip.overrides`, by host name or address as written.
    pub max_connections_per_ip_overrides: BTreeMap<String, i32>,
    /// `max.connection.creation.rate`, per second.
    pub max_connection_creation_rate: i32,
    /// `connections.max.idle.ms`; negative: idle connections stay.
    pub connections_max_idle_ms: i64,
    /// `socket.send.buffer.bytes`; -1: the system's choice.
    pub send_buffer_bytes: i32,
    /// `socket.receive.buffer.bytes`; -1: the system's choice.
    pub receive_buffer_bytes: i32,
    /// `socket.listen.backlog.size`.
    pub listen_backlog_size: i32,
    /// `ottla.network.busy.poll.us`, in microseconds; 0: threads without work sleep at once.
    pub busy_poll_us: i32,
    /// `num.network.threads`.
    pub num_network_threads: i32,
    /// `num.io.threads`.
    pub num_io_threads: i32,
}

impl SocketConfig {
    pub(super) fn from_values(values: &Values) -> Result<SocketConfig, ConfigError> {
        Ok(SocketConfig {
            request_max_bytes: values.int("socket.request.max.bytes"),
            queued_max_request_bytes: values.long("queued.max.request.bytes"),
            queued_max_requests: values.int("queued.max.requests"),
            max_connections: values.int("max.connections"),
            max_connections_per_ip: values.int("max.connections.per.ip"),
            max_connections_per_ip_overrides: parse_overrides(values)?,
            max_connection_creation_rate: values.int("max.connection.creation.rate"),
            connections_max_idle_ms: values.long("connections.max.idle.ms"),
            send_buffer_bytes: values.int("socket.send.buffer.bytes"),
            receive_buffer_bytes: values.int("socket.receive.buffer.bytes"),
            listen_backlog_size: values.int("socket.listen.backlog.size"),
            busy_poll_us: values.int("ottla.network.busy.poll.us"),
            num_network_threads: values.int("num.network.threads"),
            num_io_threads: values.int("num.io.threads"),
        })
    }
}

fn parse_overrides(values: &Values) -> Result<BTreeMap<String, i32>, ConfigError> {
    const KEY: &str = "max.connections.per.ip.overrides";
    let mut overrides = BTreeMap::new();
    for (host, number) in parse_csv_map(KEY, values.string(KEY))? {
        let Ok(number) = number.parse() else {
            let message = format!("For input string: \"{number}\"");
            return Err(ConfigError::new(ErrorKind::IllegalArgument, message)
                .for_key(KEY)
                .hint("give entries host:number, for example 10.0.0.1:100"));
        };
        overrides.insert(host, number);
    }
    Ok(overrides)
}

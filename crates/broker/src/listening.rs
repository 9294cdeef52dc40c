//! Where the node listens, and what of that changes while it runs.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use ottla_config::BrokerConfig;
use ottla_config::broker_config::listeners::{Listener, SecurityProtocol};
use ottla_config::broker_config::sockets::SocketConfig;
use ottla_metadata::MetadataImage;
use ottla_metadata::client_quota_entity::IP;
use ottla_net::{
    ConnectionQuotas, ListenerOptions, Listeners, NetOptions, SecurityProtocol as NetProtocol, ServerHandle,
};

use crate::authentication::{Authentication, TlsListeners};
use crate::broker::Broker;
use crate::dynamic_config::SharedConfig;

/// What is done when the broker's configuration has changed; done now with what was changed in an earlier life, which the sockets
/// were not opened with.
pub fn on_broker_config(
    broker: &Broker,
    net: &ServerHandle,
    tls: TlsListeners,
) -> Box<dyn Fn(&SharedConfig) + Send> {
    let (quotas, listeners) = (net.quotas().clone(), net.listeners().clone());
    let authentication = broker.authentication.clone();
    let take_over = move |config: &SharedConfig| {
        let config = config.broker();
        take_over(&config, &quotas, &tls, &authentication);
        change_listeners(&config, &listeners, &tls);
    };
    let layers = broker.shared_config.layers();
    if !(layers.dynamic_broker().is_empty() && layers.dynamic_default().is_empty()) {
        take_over(&broker.shared_config);
    }
    Box::new(take_over)
}

/// What is done when the quotas of addresses may have changed; done now with those of the first image.
pub fn on_ip_quotas(net: &ServerHandle, first: &MetadataImage) -> Box<dyn Fn(&MetadataImage) + Send> {
    let quotas = net.quotas().clone();
    set_ip_quotas(&quotas, first);
    Box::new(move |image| set_ip_quotas(&quotas, image))
}

/// Takes over how many connections addresses may open per second.
fn set_ip_quotas(quotas: &ConnectionQuotas, image: &MetadataImage) {
    let mut default = None;
    let mut by_ip = HashMap::new();
    for (entity, limits) in image.client_quotas.iter() {
        // A limit is a whole number between 1 and that of an INT.
        let rate = limits.get("connection_creation_rate").map(|rate| *rate as u32);
        match (entity.0.get(IP), rate) {
            (Some(None), rate) => default = rate,
            (Some(Some(address)), Some(rate)) => match address.parse() {
                Ok(address) => {
                    by_ip.insert(IpAddr::to_canonical(&address), rate);
                }
                Err(_) => tracing::warn!(%address, "a quota for what is no address is left out"),
            },
            _ => {}
        }
    }
    quotas.set_ip_connection_creation_rates(default, by_ip);
}

/// Takes over what can be changed at run time of the configuration of listeners.
fn take_over(
    config: &BrokerConfig,
    quotas: &ConnectionQuotas,
    tls: &TlsListeners,
    authentication: &Authentication,
) {
    update_quotas(quotas, &config.sockets);
    for listener in &config.listeners.listeners {
        let name = &listener.endpoint.listener;
        quotas.set_listener_max_connections(name, listener.max_connections.max(0) as u32);
        let rate = listener.max_connection_creation_rate.max(0) as u32;
        quotas.set_listener_max_connection_creation_rate(name, rate);
    }
    tls.reload(config);
    authentication.reload(&config.security);
}

/// Opens the listeners that are new and closes those that are gone. One that stays does so with its address, as in Kafka.
fn change_listeners(config: &BrokerConfig, listeners: &Listeners, tls: &TlsListeners) {
    let wanted = &config.listeners.listeners;
    let open = listeners.addresses();
    for (name, _) in &open {
        if !wanted.iter().any(|listener| listener.endpoint.listener == *name) {
            listeners.close(name);
        }
    }
    for listener in wanted {
        let name = &listener.endpoint.listener;
        if open.iter().any(|(open, _)| open == name) {
            continue;
        }
        if let Err(why) = listeners.open(&listener_options(listener, config, tls)) {
            tracing::error!(listener = name, %why, "the listener stays closed");
        }
    }
}

/// Takes over the limits on connections that can be changed at run time.
fn update_quotas(quotas: &ConnectionQuotas, sockets: &SocketConfig) {
    quotas.set_max_connections(sockets.max_connections.max(0) as u32);
    quotas.set_max_connections_per_ip(sockets.max_connections_per_ip.max(0) as u32);
    quotas.set_max_connection_creation_rate(sockets.max_connection_creation_rate.max(0) as u32);
    if let Err(why) = quotas.set_max_connections_per_ip_overrides(&per_ip_overrides(sockets)) {
        tracing::warn!(%why, "max.connections.per.ip.overrides was not taken over");
    }
}

fn per_ip_overrides(sockets: &SocketConfig) -> Vec<(String, u32)> {
    let overrides = sockets.max_connections_per_ip_overrides.iter();
    overrides.map(|(host, max)| (host.clone(), (*max).max(0) as u32)).collect()
}

/// `sasl.server.max.receive.size` where a listener has no SASL and the limit no effect.
const UNAUTHENTICATED_REQUEST_MAX_BYTES: u32 = 512 * 1024;

/// Time in which a client must have authenticated. Kafka has none but `connections.max.idle.ms`, and one byte a minute keeps a
/// connection of nobody's open there.
const AUTHENTICATION_MAX_MS: i64 = 60_000;

/// Default of `socket.send.buffer.bytes` and `socket.receive.buffer.bytes`.
const KAFKA_SOCKET_BUFFER_BYTES: i32 = 100 * 1024;

/// The listeners and limits that the sockets begin with.
pub fn net_options(config: &BrokerConfig, threads: usize, tls: &TlsListeners) -> NetOptions {
    let sockets = &config.sockets;
    NetOptions {
        listeners: config.listeners.listeners.iter().map(|l| listener_options(l, config, tls)).collect(),
        threads,
        socket_request_max_bytes: sockets.request_max_bytes.max(0) as u32,
        queued_max_request_bytes: sockets.queued_max_request_bytes,
        max_connections: sockets.max_connections.max(0) as u32,
        max_connections_per_ip: sockets.max_connections_per_ip.max(0) as u32,
        max_connections_per_ip_overrides: per_ip_overrides(sockets),
        max_connection_creation_rate: sockets.max_connection_creation_rate.max(0) as u32,
        connections_max_idle_ms: sockets.connections_max_idle_ms,
        authentication_max_ms: AUTHENTICATION_MAX_MS,
        socket_send_buffer_bytes: socket_buffer(sockets.send_buffer_bytes),
        socket_receive_buffer_bytes: socket_buffer(sockets.receive_buffer_bytes),
        busy_poll: Duration::from_micros(u64::from(sockets.busy_poll_us.max(0).unsigned_abs())),
        inter_broker_listener_name: Some(config.listeners.inter_broker_listener_name.clone()),
        quota_window_num: config.quotas.window_num.max(1).unsigned_abs(),
        quota_window_seconds: config.quotas.window_size_seconds.max(1).unsigned_abs(),
    }
}

/// Kafka's default of 100 KiB, which its sample configuration repeats, is less than one large batch: a request then
/// arrives in pieces, each with a wake-up of both sides. It leaves the size to the operating system, which fits it
/// to the connection; any other size is what somebody chose. See `docs/decisions/0011-socket-buffers.md`.
fn socket_buffer(bytes: i32) -> i32 {
    if bytes == KAFKA_SOCKET_BUFFER_BYTES { -1 } else { bytes }
}

fn listener_options(listener: &Listener, config: &BrokerConfig, tls: &TlsListeners) -> ListenerOptions {
    let endpoint = &listener.endpoint;
    let backlog = config.sockets.listen_backlog_size;
    let sasl = config.security.sasl.get(&endpoint.listener);
    let max_receive_size = sasl.map(|sasl| sasl.max_receive_size.max(0).unsigned_abs());
    ListenerOptions {
        backlog,
        max_connections: listener.max_connections.max(0) as u32,
        max_connection_creation_rate: listener.max_connection_creation_rate.max(0) as u32,
        protocol: match endpoint.security_protocol {
            SecurityProtocol::Plaintext => NetProtocol::Plaintext,
            SecurityProtocol::Ssl => NetProtocol::Ssl,
            SecurityProtocol::SaslPlaintext => NetProtocol::SaslPlaintext,
            SecurityProtocol::SaslSsl => NetProtocol::SaslSsl,
        },
        tls: tls.of(&endpoint.listener),
        unauthenticated_request_max_bytes: max_receive_size.unwrap_or(UNAUTHENTICATED_REQUEST_MAX_BYTES),
        ..ListenerOptions::plaintext(
            &endpoint.listener,
            endpoint.host.clone().unwrap_or_default(),
            endpoint.port,
        )
    }
}

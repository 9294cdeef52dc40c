//! What the CLIENT_METRICS configurations ask of one client.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use ottla_config::client_metrics::{ClientMetricsSubscription, Selector};
use ottla_metadata::{ConfigResourceType, MetadataImage};
use ottla_protocol::Uuid;
use ottla_protocol::records::crc32c;

use crate::dynamic_config::raw_map;

/// `interval.ms` where no subscription says otherwise.
const INTERVAL_MS_DEFAULT: i32 = 300_000;
/// Stands for all metrics.
const ALL_METRICS: &str = "*";

/// What is known of a client that matchers may ask for.
#[derive(Clone, Copy, Debug)]
pub struct ClientFacts<'a> {
    /// `client_id`.
    pub client_id: &'a str,
    /// `client_software_name`.
    pub software_name: &'a str,
    /// `client_software_version`.
    pub software_version: &'a str,
    /// `client_source_address` and `client_source_port`.
    pub source: SocketAddr,
}

/// All subscriptions that match a client, taken together.
#[derive(Debug, PartialEq, Eq)]
pub struct Subscription {
    pub(super) id: i32,
    pub(super) metrics: BTreeSet<String>,
    pub(super) push_interval_ms: i32,
}

impl Subscription {
    /// The union of what matches.
    pub(super) fn of(image: &MetadataImage, client: &ClientFacts<'_>, instance: Uuid) -> Self {
        let mut metrics = BTreeSet::new();
        let mut push_interval_ms = INTERVAL_MS_DEFAULT;
        let (instance_text, address, port) =
            (instance.to_string(), client.source.ip().to_string(), client.source.port().to_string());
        let property = |selector: Selector| match selector {
            Selector::ClientInstanceId => instance_text.as_str(),
            Selector::ClientId => client.client_id,
            Selector::ClientSoftwareName => client.software_name,
            Selector::ClientSoftwareVersion => client.software_version,
            Selector::ClientSourceAddress => address.as_str(),
            Selector::ClientSourcePort => port.as_str(),
        };
        let configs =
            image.configs.iter().filter(|(r, _)| r.resource_type == ConfigResourceType::ClientMetrics);
        // What can't be read was refused when it was set; what is there all the same matches nobody.
        let subscriptions =
            configs.filter_map(|(_, c)| ClientMetricsSubscription::from_config(&raw_map(c)).ok());
        for subscription in subscriptions.filter(|subscription| subscription.matches(property)) {
            push_interval_ms = push_interval_ms.min(subscription.interval_ms);
            metrics.extend(subscription.metrics);
        }
        if metrics.contains(ALL_METRICS) {
            metrics = BTreeSet::from([ALL_METRICS.to_string()]);
        }
        let id = id(&metrics, push_interval_ms, instance);
        Self { id, metrics, push_interval_ms }
    }
}

/// Changes with the subscription, and differs between clients.
fn id(metrics: &BTreeSet<String>, push_interval_ms: i32, instance: Uuid) -> i32 {
    let text = format!("{metrics:?}{push_interval_ms}");
    let words = instance.0.chunks_exact(4).map(|w| w.iter().fold(0u32, |sum, b| sum << 8 | u32::from(*b)));
    (crc32c(text.as_bytes()) ^ words.fold(0, |all, word| all ^ word)) as i32
}

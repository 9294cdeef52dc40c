//! What the CLIENT_METRICS configurations ask of one client.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use ottla_metadata::{ConfigMap, ConfigResourceType, MetadataImage};
use ottla_protocol::Uuid;
use ottla_protocol::records::crc32c;
use regex_lite::Regex;

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
        let subscriptions =
            image.configs.iter().filter(|(r, _)| r.resource_type == ConfigResourceType::ClientMetrics);
        for (_, config) in subscriptions.filter(|(_, config)| matches(config, client, instance)) {
            metrics.extend(list(config, "metrics").map(str::to_string));
            let interval = value(config, "interval.ms").and_then(|v| v.parse().ok());
            push_interval_ms = push_interval_ms.min(interval.unwrap_or(INTERVAL_MS_DEFAULT));
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

fn matches(config: &ConfigMap, client: &ClientFacts<'_>, instance: Uuid) -> bool {
    list(config, "match").all(|matcher| {
        let Some((key, pattern)) = matcher.split_once('=') else { return false };
        let text = match key.trim() {
            "client_instance_id" => instance.to_string(),
            "client_id" => client.client_id.to_string(),
            "client_software_name" => client.software_name.to_string(),
            "client_software_version" => client.software_version.to_string(),
            "client_source_address" => client.source.ip().to_string(),
            "client_source_port" => client.source.port().to_string(),
            _ => return false,
        };
        // As Java's `Matcher.matches`: the whole text.
        Regex::new(&format!("^(?:{})$", pattern.trim())).is_ok_and(|regex| regex.is_match(&text))
    })
}

fn value<'a>(config: &'a ConfigMap, key: &str) -> Option<&'a str> {
    config.get(key).map(|v| &**v)
}

fn list<'a>(config: &'a ConfigMap, key: &str) -> impl Iterator<Item = &'a str> {
    value(config, key).unwrap_or_default().split(',').map(str::trim).filter(|s| !s.is_empty())
}

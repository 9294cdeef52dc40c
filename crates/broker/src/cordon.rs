//! Log directories that take no new replicas (`cordoned.log.dirs`, KIP-1066).

use ottla_config::BrokerConfig;
use ottla_metadata::{MetadataImage, MetadataVersion};
use ottla_protocol::Uuid;
use ottla_protocol::messages::BrokerHeartbeatRequest;
use ottla_storage::LogManager;

/// Whether the cluster's metadata version knows cordoned directories; before, the setting has no effect.
pub fn is_supported(image: &MetadataImage) -> bool {
    image.features.metadata_version().is_some_and(MetadataVersion::is_cordoned_log_dirs_supported)
}

/// Ids of the directories that the configuration cordons, sorted.
pub fn directories(config: &BrokerConfig, logs: &LogManager) -> Vec<Uuid> {
    let cordoned = &config.storage.cordoned_log_dirs;
    let is_cordoned = |path: &std::path::Path| cordoned.iter().any(|dir| path == std::path::Path::new(dir));
    let mut ids: Vec<Uuid> =
        logs.log_dirs().iter().filter(|dir| is_cordoned(dir.path())).map(|dir| dir.id()).collect();
    ids.sort_unstable();
    ids
}

/// What the controller must be told, if it knows otherwise.
pub fn heartbeat(
    node_id: i32,
    config: &BrokerConfig,
    logs: &LogManager,
    image: &MetadataImage,
) -> Option<BrokerHeartbeatRequest> {
    let registration = image.cluster.broker(node_id)?;
    let wanted = directories(config, logs);
    let mut known = registration.cordoned_directories.clone().unwrap_or_default();
    known.sort_unstable();
    if !is_supported(image) || known == wanted {
        return None;
    }
    Some(BrokerHeartbeatRequest {
        broker_id: node_id,
        broker_epoch: registration.epoch,
        current_metadata_offset: image.provenance.last_contained_offset,
        cordoned_log_dirs: Some(wanted),
        ..Default::default()
    })
}

//! Changes of configurations, checked (`ConfigurationControlManager`).

use std::collections::BTreeMap;

use ottla_metadata::{ConfigMap, ConfigResource, ConfigResourceType, MetadataVersion, VersionedRecord};
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{ClearElrRecord, ConfigRecord};
use ottla_protocol::{ErrorCode, Str};

use crate::config_schema::ConfigKeyKind;
use crate::controller::MIN_INSYNC_REPLICAS;
use crate::{ApiError, Controller, RequestOrigin, topic_name};

const CORDONED_LOG_DIRS: &str = "cordoned.log.dirs";
/// Longest value, in UTF-16 units: what a Java string of the protocol's older versions could hold.
const MAX_VALUE_LENGTH: usize = i16::MAX as usize;

/// What to do with one key (`AlterConfigOp.OpType`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConfigOp {
    /// A new value; none removes it.
    Set(Option<Str>),
    /// Back to what holds without it.
    Delete,
    /// Adds values to a list.
    Append(Str),
    /// Takes values out of a list.
    Subtract(Str),
}

impl ConfigOp {
    pub(super) fn new(code: i8, value: Option<Str>) -> Result<Self, ApiError> {
        let some = |value: Option<Str>| {
            value.ok_or_else(|| ApiError::invalid_request("Null value not supported for list operations."))
        };
        match code {
            0 => Ok(Self::Set(value)),
            1 => Ok(Self::Delete),
            2 => some(value).map(Self::Append),
            3 => some(value).map(Self::Subtract),
            _ => Err(ApiError::invalid_request(format!("Unknown operations type {code}"))),
        }
    }
}

/// Changes of one resource.
pub(super) struct ResourceChange {
    pub(super) resource: ConfigResource,
    pub(super) ops: BTreeMap<Str, ConfigOp>,
    /// Whether the resource is being created, so that it need not exist.
    pub(super) is_new: bool,
    pub(super) origin: RequestOrigin,
}

type Change = (Str, Option<Str>);

impl Controller {
    /// The records of incremental changes.
    pub(super) fn config_records(&self, change: &ResourceChange) -> Result<Vec<VersionedRecord>, ApiError> {
        let current = self.state.image.configs.get(&change.resource);
        let mut altered = Vec::new();
        for (key, op) in &change.ops {
            let old = current.get(key);
            let new = self.new_value(change.resource.resource_type, key, old, op)?;
            // A broker must hear of every change: its files may have changed under an unchanged value.
            if old != new.as_ref() || change.resource.resource_type == ConfigResourceType::Broker {
                altered.push((key.clone(), new));
            }
        }
        self.check_configs(&change.resource, &altered, &[], change.is_new, change.origin)?;
        Ok(altered.into_iter().map(|altered| record(&change.resource, altered)).collect())
    }

    /// The records that make `new` all there is for a resource.
    pub(super) fn replacement_records(
        &self,
        resource: &ConfigResource,
        new: &BTreeMap<Str, Option<Str>>,
        origin: RequestOrigin,
    ) -> Result<Vec<VersionedRecord>, ApiError> {
        let current = self.state.image.configs.get(resource);
        let is_broker = resource.resource_type == ConfigResourceType::Broker;
        let altered: Vec<Change> = new
            .iter()
            .filter(|(key, value)| is_broker || current.get(*key) != value.as_ref())
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let deleted: Vec<Change> =
            current.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), None)).collect();
        self.check_configs(resource, &altered, &deleted, false, origin)?;
        Ok(altered.into_iter().chain(deleted).map(|change| record(resource, change)).collect())
    }

    fn new_value(
        &self,
        resource_type: ConfigResourceType,
        key: &Str,
        old: Option<&Str>,
        op: &ConfigOp,
    ) -> Result<Option<Str>, ApiError> {
        let (name, values) = match op {
            ConfigOp::Set(value) => return Ok(value.clone()),
            ConfigOp::Delete => return Ok(None),
            ConfigOp::Append(values) => ("APPEND", values),
            ConfigOp::Subtract(values) => ("SUBTRACT", values),
        };
        if self.schema.key_kind(resource_type, key) != Some(ConfigKeyKind::List) {
            let message = format!("Can't {name} to key {key} because its type is not LIST.");
            return Err(ApiError::invalid_config(message));
        }
        let old = old.map(Str::to_string).or_else(|| self.schema.default_value(resource_type, key));
        let old = old.unwrap_or_default();
        let mut list: Vec<&str> = old.split(',').filter(|part| !part.is_empty()).collect();
        for value in java_split(values) {
            let present = list.iter().position(|known| *known == value);
            match (op, present) {
                (ConfigOp::Append(_), None) => list.push(value),
                (ConfigOp::Subtract(_), Some(at)) => {
                    list.remove(at);
                }
                _ => {}
            }
        }
        Ok(Some(list.join(",").into()))
    }

    /// Checks what a resource would be configured with (`validateAlterConfig`).
    fn check_configs(
        &self,
        resource: &ConfigResource,
        altered: &[Change],
        deleted: &[Change],
        is_new: bool,
        origin: RequestOrigin,
    ) -> Result<(), ApiError> {
        let old = self.state.image.configs.get(resource);
        let mut new = old.clone();
        for (key, value) in altered.iter().chain(deleted) {
            self.check_special_key(resource, key, value.as_ref(), old.get(key), origin)?;
            match value {
                Some(value) if value.encode_utf16().count() > MAX_VALUE_LENGTH => {
                    return Err(ApiError::invalid_config(format!(
                        "The configuration value cannot be added because it exceeds the maximum value size of \
                         {MAX_VALUE_LENGTH} bytes."
                    )));
                }
                Some(value) => new.insert(key.clone(), value.clone()),
                None => new.remove(key),
            };
        }
        self.check_resource(resource, &new, old)?;
        if is_new { Ok(()) } else { self.check_existence(resource) }
    }

    fn check_special_key(
        &self,
        resource: &ConfigResource,
        key: &Str,
        value: Option<&Str>,
        old: Option<&Str>,
        origin: RequestOrigin,
    ) -> Result<(), ApiError> {
        if resource.resource_type != ConfigResourceType::Broker {
            return Ok(());
        }
        let is_min_isr = key == MIN_INSYNC_REPLICAS && self.is_elr_enabled();
        let is_cordoned = key == CORDONED_LOG_DIRS;
        let refused = |message: String| Err(ApiError::invalid_config(message));
        if is_min_isr && !resource.name.is_empty() {
            return refused(format!(
                "Broker-level {MIN_INSYNC_REPLICAS} cannot be altered while ELR is enabled."
            ));
        }
        if is_min_isr && value.is_none() {
            return refused(format!(
                "Cluster-level {MIN_INSYNC_REPLICAS} cannot be removed while ELR is enabled."
            ));
        }
        if is_cordoned && !self.metadata_version().is_cordoned_log_dirs_supported() {
            return refused(format!(
                "The {CORDONED_LOG_DIRS} configuration value cannot be set because it requires metadata.version >= {}",
                MetadataVersion::V4_3_IV0
            ));
        }
        if is_cordoned && origin == RequestOrigin::Controller && !is_subset(value, old) {
            // Two spaces, as Kafka has them.
            return refused(format!(
                "When updating {CORDONED_LOG_DIRS} via controllers,  the new value must be a subset of the current \
                 configuration value."
            ));
        }
        Ok(())
    }

    /// Name and values (`ControllerConfigurationValidator`).
    fn check_resource(
        &self,
        resource: &ConfigResource,
        new: &ConfigMap,
        old: &ConfigMap,
    ) -> Result<(), ApiError> {
        let name = &resource.name;
        match resource.resource_type {
            ConfigResourceType::Topic => {
                if name.is_empty() {
                    return Err(ApiError::invalid_request("Default topic resources are not allowed."));
                }
                topic_name::validate(name)
                    .map_err(|message| ApiError::thrown(ErrorCode::InvalidTopicException, message))?;
            }
            ConfigResourceType::Broker => return check_broker_name(name),
            ConfigResourceType::Group if name.is_empty() => {
                return Err(ApiError::invalid_request("Default group resources are not allowed."));
            }
            ConfigResourceType::Group | ConfigResourceType::ClientMetrics => {}
            unknown => return Err(ApiError::invalid_request(format!("Unknown resource type {unknown}"))),
        }
        Ok(self.schema.validate(resource, new, old)?)
    }

    fn check_existence(&self, resource: &ConfigResource) -> Result<(), ApiError> {
        let name = &resource.name;
        match resource.resource_type {
            ConfigResourceType::Topic if self.state.image.topics.topic_id(name).is_none() => {
                let message = format!("The topic '{name}' does not exist.");
                Err(ApiError::thrown(ErrorCode::UnknownTopicOrPartition, message))
            }
            ConfigResourceType::Broker if !name.is_empty() => {
                let invalid = || ApiError::invalid_request(format!("Invalid broker name {name}"));
                let id: i32 = name.parse().map_err(|_| invalid())?;
                if self.is_node_registered(id) {
                    return Ok(());
                }
                let message = format!("No node with id {id} found.");
                Err(ApiError::thrown(ErrorCode::BrokerIdNotRegistered, message))
            }
            _ => Ok(()),
        }
    }

    fn is_node_registered(&self, id: i32) -> bool {
        let cluster = &self.state.image.cluster;
        cluster.broker(id).is_some()
            || self.options.quorum_node_ids.contains(&id)
            || cluster.controller(id).is_some()
    }

    /// When it changes how many replicas must be in sync, nobody knows any more who is eligible.
    pub(super) fn clear_elr_records(&self, records: &[VersionedRecord]) -> Vec<VersionedRecord> {
        if !self.is_elr_enabled() {
            return Vec::new();
        }
        let changed = records.iter().filter_map(|(record, _)| match record {
            MetadataRecord::Config(config) if config.name == MIN_INSYNC_REPLICAS => Some(config),
            _ => None,
        });
        let clear = |config: &ConfigRecord| {
            let is_topic = config.resource_type == ConfigResourceType::Topic.code();
            let topic_name = if is_topic { config.resource_name.clone() } else { Str::new() };
            (MetadataRecord::ClearElr(ClearElrRecord { topic_name }), 0)
        };
        changed.map(clear).collect()
    }
}

fn check_broker_name(name: &str) -> Result<(), ApiError> {
    if name.is_empty() {
        return Ok(());
    }
    let invalid = |_| ApiError::invalid_request("Unable to parse broker name as a base 10 number.");
    let id: i32 = name.parse().map_err(invalid)?;
    if id < 0 { Err(ApiError::invalid_request("Invalid negative broker ID.")) } else { Ok(()) }
}

fn record(resource: &ConfigResource, (name, value): Change) -> VersionedRecord {
    let record = ConfigRecord {
        resource_type: resource.resource_type.code(),
        resource_name: resource.name.clone(),
        name,
        value,
    };
    (MetadataRecord::Config(record), 0)
}

/// Java's `split(",")`: empty parts at the end are left out, unless there is no comma at all.
pub(super) fn java_split(text: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = text.split(',').collect();
    if parts.len() > 1 {
        while parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
    }
    parts
}

/// Whether a list of directories only drops members of the old one.
fn is_subset(new: Option<&Str>, old: Option<&Str>) -> bool {
    let Some(new) = new.map(|new| new.trim()).filter(|new| !new.is_empty()) else { return true };
    let old: Vec<&str> = old.map(|old| old.trim().split(',').map(str::trim).collect()).unwrap_or_default();
    new.split(',').all(|directory| old.contains(&directory.trim()))
}

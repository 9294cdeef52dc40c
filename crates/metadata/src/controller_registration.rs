//! What the cluster knows about a controller (`ControllerRegistration`, KIP-919).

use std::collections::BTreeMap;

use ottla_protocol::messages::RegisterControllerRecord;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::register_controller_record::{ControllerEndpoint, ControllerFeature};
use ottla_protocol::{Str, Uuid};

use crate::endpoint::endpoints;
use crate::{Endpoint, ReplayError, VersionRange, VersionedRecord, detach};

/// A registered controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerRegistration {
    /// Its id.
    pub id: i32,
    /// Random id of the controller's process.
    pub incarnation_id: Uuid,
    /// It is ready for brokers that migrate from ZooKeeper; no longer used.
    pub zk_migration_ready: bool,
    /// Its listeners, in the order in which it registered them.
    pub listeners: Vec<Endpoint>,
    /// The levels of each feature that it supports.
    pub supported_features: BTreeMap<Str, VersionRange>,
}

impl ControllerRegistration {
    /// The controller of a record.
    ///
    /// # Errors
    /// When a listener has no name or an unknown protocol.
    pub fn from_record(record: &RegisterControllerRecord) -> Result<Self, ReplayError> {
        let raw = record.end_points.iter().map(|e| (&e.name, &e.host, e.port, e.security_protocol));
        let feature = |f: &ControllerFeature| {
            (detach::str(&f.name), VersionRange::new(f.min_supported_version, f.max_supported_version))
        };
        Ok(Self {
            id: record.controller_id,
            incarnation_id: record.incarnation_id,
            zk_migration_ready: record.zk_migration_ready,
            listeners: endpoints(raw)?,
            supported_features: record.features.iter().map(feature).collect(),
        })
    }

    /// The record that registers this controller.
    pub fn to_record(&self) -> VersionedRecord {
        let endpoint = |e: &Endpoint| ControllerEndpoint {
            name: e.name.clone(),
            host: e.host.clone(),
            port: e.port,
            security_protocol: e.security_protocol.code(),
        };
        let feature = |(name, range): (&Str, &VersionRange)| ControllerFeature {
            name: name.clone(),
            min_supported_version: range.min,
            max_supported_version: range.max,
        };
        let record = RegisterControllerRecord {
            controller_id: self.id,
            incarnation_id: self.incarnation_id,
            zk_migration_ready: self.zk_migration_ready,
            end_points: self.listeners.iter().map(endpoint).collect(),
            features: self.supported_features.iter().map(feature).collect(),
        };
        (MetadataRecord::RegisterController(record), 0)
    }
}

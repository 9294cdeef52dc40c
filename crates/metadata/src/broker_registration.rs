//! What the cluster knows about a broker (`BrokerRegistration`).

use std::collections::BTreeMap;

use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::register_broker_record::{BrokerEndpoint, BrokerFeature};
use ottla_protocol::messages::{BrokerRegistrationChangeRecord, RegisterBrokerRecord};
use ottla_protocol::{Str, Uuid};

use crate::endpoint::endpoints;
use crate::{
    Endpoint, ImageWriterOptions, ReplayError, UnwritableMetadata, VersionRange, VersionedRecord, detach,
    directory_id,
};

/// A registered broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerRegistration {
    /// Its id.
    pub id: i32,
    /// Number of this registration: the offset of its record.
    pub epoch: i64,
    /// Random id of the broker's process.
    pub incarnation_id: Uuid,
    /// Its listeners, in the order in which it registered them.
    pub listeners: Vec<Endpoint>,
    /// The levels of each feature that it supports.
    pub supported_features: BTreeMap<Str, VersionRange>,
    /// Its rack.
    pub rack: Option<Str>,
    /// Clients must not use it: it is starting, shutting down or has gone silent.
    pub fenced: bool,
    /// It is handing over its partitions to stop.
    pub in_controlled_shutdown: bool,
    /// It comes from a ZooKeeper cluster; no longer written.
    pub is_migrating_zk_broker: bool,
    /// Its online log directories, sorted; empty before `3.7-IV2`.
    pub directories: Vec<Uuid>,
    /// Directories that take no new replicas (KIP-1066); none when the broker has never said.
    pub cordoned_directories: Option<Vec<Uuid>>,
}

/// What a BrokerRegistrationChangeRecord says of a flag: nothing, or its new value.
fn flag(
    id: i32,
    field: &'static str,
    value: i8,
    allowed: &[(i8, bool)],
) -> Result<Option<bool>, ReplayError> {
    if value == 0 {
        return Ok(None);
    }
    let known = allowed.iter().find(|(code, _)| *code == value);
    known.map(|(_, flag)| Some(*flag)).ok_or(ReplayError::UnknownRegistrationChange { id, field, value })
}

/// Value of `fenced` in a BrokerRegistrationChangeRecord that fences.
pub const FENCE: i8 = 1;
/// Value of `fenced` in a BrokerRegistrationChangeRecord that unfences.
pub const UNFENCE: i8 = -1;
/// Value of `in_controlled_shutdown` in a BrokerRegistrationChangeRecord that begins it.
pub const IN_CONTROLLED_SHUTDOWN: i8 = 1;

impl BrokerRegistration {
    /// The broker of a record.
    ///
    /// # Errors
    /// When a listener has no name or an unknown protocol.
    pub fn from_record(record: &RegisterBrokerRecord) -> Result<Self, ReplayError> {
        let raw = record.end_points.iter().map(|e| (&e.name, &e.host, e.port, e.security_protocol));
        let feature = |f: &BrokerFeature| {
            (detach::str(&f.name), VersionRange::new(f.min_supported_version, f.max_supported_version))
        };
        let mut directories = record.log_dirs.clone();
        directories.sort_unstable();
        Ok(Self {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            listeners: endpoints(raw)?,
            supported_features: record.features.iter().map(feature).collect(),
            rack: detach::option(record.rack.as_ref()),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            is_migrating_zk_broker: record.is_migrating_zk_broker,
            directories,
            cordoned_directories: record.cordoned_log_dirs.clone(),
        })
    }

    /// The broker after a change. An empty list of directories changes nothing.
    ///
    /// # Errors
    /// When a flag has an unknown value.
    pub fn merge(&self, record: &BrokerRegistrationChangeRecord) -> Result<Self, ReplayError> {
        let fenced = flag(self.id, "fenced", record.fenced, &[(FENCE, true), (UNFENCE, false)])?;
        let allowed = &[(IN_CONTROLLED_SHUTDOWN, true)];
        let in_controlled_shutdown =
            flag(self.id, "inControlledShutdown", record.in_controlled_shutdown, allowed)?;
        let mut next = self.clone();
        next.fenced = fenced.unwrap_or(self.fenced);
        next.in_controlled_shutdown = in_controlled_shutdown.unwrap_or(self.in_controlled_shutdown);
        if !record.log_dirs.is_empty() {
            next.directories.clone_from(&record.log_dirs);
            next.directories.sort_unstable();
        }
        if let Some(cordoned) = &record.cordoned_log_dirs {
            next.cordoned_directories = Some(cordoned.clone());
        }
        Ok(next)
    }

    /// The record that registers this broker.
    ///
    /// # Errors
    /// When the metadata version can't say all of it.
    pub fn to_record(&self, options: &ImageWriterOptions) -> Result<VersionedRecord, UnwritableMetadata> {
        let version = options.metadata_version;
        if self.is_migrating_zk_broker && !version.is_migration_supported() {
            return Err(options.loss("the isMigratingZkBroker state of one or more brokers"));
        }
        if !self.directories.is_empty() && !version.is_directory_assignment_supported() {
            return Err(options.loss("the online log directories of one or more brokers"));
        }
        if self.cordoned_directories.is_some() && !version.is_cordoned_log_dirs_supported() {
            return Err(options.loss("the cordoned log directories of one or more brokers"));
        }
        let endpoint = |e: &Endpoint| BrokerEndpoint {
            name: e.name.clone(),
            host: e.host.clone(),
            port: e.port,
            security_protocol: e.security_protocol.code(),
        };
        let feature = |(name, range): (&Str, &VersionRange)| BrokerFeature {
            name: name.clone(),
            min_supported_version: range.min,
            max_supported_version: range.max,
        };
        let record = RegisterBrokerRecord {
            broker_id: self.id,
            is_migrating_zk_broker: self.is_migrating_zk_broker,
            incarnation_id: self.incarnation_id,
            broker_epoch: self.epoch,
            end_points: self.listeners.iter().map(endpoint).collect(),
            features: self.supported_features.iter().map(feature).collect(),
            rack: self.rack.clone(),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: self.directories.clone(),
            cordoned_log_dirs: self.cordoned_directories.clone(),
        };
        Ok((MetadataRecord::RegisterBroker(record), version.register_broker_record_version()))
    }

    /// Whether it may lead partitions and be in their ISR.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// The listener of a name.
    pub fn listener(&self, name: &str) -> Option<&Endpoint> {
        self.listeners.iter().find(|listener| listener.name == name)
    }

    /// Whether a replica in `directory` of this broker is online.
    pub fn has_online_dir(&self, directory: Uuid) -> bool {
        directory_id::is_online(directory, &self.directories)
    }

    /// Whether some directory takes new replicas.
    pub fn has_uncordoned_dirs(&self) -> bool {
        match &self.cordoned_directories {
            Some(cordoned) if !self.directories.is_empty() => {
                self.directories.iter().any(|directory| !cordoned.contains(directory))
            }
            _ => true,
        }
    }

    /// The directory of a new replica as far as it is known before the broker has chosen (`ClusterControlManager.defaultDir`).
    pub fn default_dir(&self) -> Uuid {
        match self.directories.as_slice() {
            [] => directory_id::MIGRATING,
            [only] => *only,
            _ => directory_id::UNASSIGNED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MetadataVersion, SecurityProtocol};

    fn broker() -> BrokerRegistration {
        BrokerRegistration {
            id: 3,
            epoch: 9,
            incarnation_id: Uuid::from_parts(3, 3),
            listeners: vec![Endpoint {
                name: "PLAINTEXT".into(),
                host: "localhost".into(),
                port: 9092,
                security_protocol: SecurityProtocol::Plaintext,
            }],
            supported_features: BTreeMap::from([("metadata.version".into(), VersionRange::new(7, 30))]),
            rack: None,
            fenced: true,
            in_controlled_shutdown: false,
            is_migrating_zk_broker: false,
            directories: vec![Uuid::from_parts(1, 1), Uuid::from_parts(2, 2)],
            cordoned_directories: None,
        }
    }

    fn options(metadata_version: MetadataVersion) -> ImageWriterOptions {
        ImageWriterOptions { metadata_version, is_elr_enabled: false }
    }

    #[test]
    fn record_and_back() {
        let (record, version) = broker().to_record(&options(MetadataVersion::V4_3_IV0)).unwrap();
        assert_eq!(version, 4);
        let MetadataRecord::RegisterBroker(record) = record else { panic!("{record:?}") };
        assert_eq!(BrokerRegistration::from_record(&record), Ok(broker()));
        assert!(broker().to_record(&options(MetadataVersion::V3_6_IV0)).is_err());
    }

    #[test]
    fn changes() {
        let change = BrokerRegistrationChangeRecord { fenced: UNFENCE, ..Default::default() };
        let unfenced = broker().merge(&change).unwrap();
        assert!(unfenced.is_active() && !broker().is_active());
        assert_eq!(unfenced.directories, broker().directories);
        let change = BrokerRegistrationChangeRecord { fenced: 2, ..Default::default() };
        assert!(broker().merge(&change).is_err());
        let cordoned = Some(broker().directories);
        let change = BrokerRegistrationChangeRecord { cordoned_log_dirs: cordoned, ..Default::default() };
        assert!(broker().has_uncordoned_dirs());
        assert!(!broker().merge(&change).unwrap().has_uncordoned_dirs());
    }

    #[test]
    fn listeners_are_checked() {
        let endpoint = |name: &str, code| BrokerEndpoint {
            name: name.into(),
            security_protocol: code,
            ..Default::default()
        };
        let from = |end_points| {
            BrokerRegistration::from_record(&RegisterBrokerRecord { end_points, ..Default::default() })
        };
        assert_eq!(from(vec![endpoint("", 0)]), Err(ReplayError::UnnamedListener));
        assert!(from(vec![endpoint("A", 4)]).is_err());
        assert_eq!(from(vec![endpoint("A", 0), endpoint("A", 1)]).unwrap().listeners.len(), 1);
    }
}

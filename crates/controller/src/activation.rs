//! Becoming the active controller (`ActivationRecordsGenerator`).

use ottla_metadata::feature::ELIGIBLE_LEADER_REPLICAS_VERSION;
use ottla_metadata::{ConfigResourceType, MetadataVersion, VersionedRecord};
use ottla_protocol::Str;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{
    AbortTransactionRecord, BeginTransactionRecord, ConfigRecord, EndTransactionRecord,
};

use crate::bootstrap::BootstrapMetadata;
use crate::broker_sessions::BrokerSessions;
use crate::controller::MIN_INSYNC_REPLICAS;
use crate::{Controller, ControllerResult};

/// The log holds what a controller can't continue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Detected in-progress transaction at offset {start}, but the metadata.version {version} does not support \
     transactions. Cannot continue."
)]
pub struct ActivationError {
    start: i64,
    version: MetadataVersion,
}

impl Controller {
    /// Makes this controller the active one. The records are to be appended before those of any request:
    /// the cluster's first ones when the log is empty, and the end of a transaction that the last active
    /// controller left open. `next_write_offset` is the log's end offset.
    ///
    /// # Errors
    /// When the log can't be continued.
    pub fn activate(
        &mut self,
        bootstrap: &BootstrapMetadata,
        next_write_offset: i64,
        now_ms: i64,
    ) -> Result<ControllerResult<()>, ActivationError> {
        // What an unfinished transaction did is about to be undone, so it does not count here.
        let stable = self.transaction.as_ref().map_or(&self.state, |(_, before)| before);
        let result = match stable.image.features.metadata_version() {
            None => self.records_for_empty_log(bootstrap)?,
            Some(version) => ControllerResult::atomic(self.abort_open_transaction(version)?, ()),
        };
        let own_broker = self.options.is_combined.then_some(self.options.node_id);
        let timeout_ms = self.options.session_timeout_ms;
        self.sessions = Some(BrokerSessions::new(&stable.image, timeout_ms, now_ms, own_broker));
        self.next_write_offset = next_write_offset;
        Ok(result)
    }

    fn abort_open_transaction(
        &self,
        version: MetadataVersion,
    ) -> Result<Vec<VersionedRecord>, ActivationError> {
        let Some(start) = self.transaction_start_offset() else { return Ok(Vec::new()) };
        if !version.is_metadata_transaction_supported() {
            return Err(ActivationError { start, version });
        }
        let reason = Some(Str::from_static("Controller failover"));
        Ok(vec![(MetadataRecord::AbortTransaction(AbortTransactionRecord { reason }), 0)])
    }

    fn records_for_empty_log(
        &self,
        bootstrap: &BootstrapMetadata,
    ) -> Result<ControllerResult<()>, ActivationError> {
        let version = bootstrap.metadata_version();
        let mut records = self.abort_open_transaction(version)?;
        if version.is_metadata_transaction_supported() {
            let name = Some(Str::from_static("Bootstrap records"));
            records.push((MetadataRecord::BeginTransaction(BeginTransactionRecord { name }), 0));
        }
        records.extend(bootstrap.records().iter().cloned());
        if bootstrap.feature_level(ELIGIBLE_LEADER_REPLICAS_VERSION.name) > 0 {
            records.push(self.cluster_min_insync_replicas());
        }
        if !version.is_metadata_transaction_supported() {
            return Ok(ControllerResult::atomic(records, ()));
        }
        records.push((MetadataRecord::EndTransaction(EndTransactionRecord {}), 0));
        Ok(ControllerResult::of(records, ()))
    }

    /// With ELR, how many replicas must be in sync is the cluster's to say, not each broker's.
    pub(crate) fn cluster_min_insync_replicas(&self) -> VersionedRecord {
        let record = ConfigRecord {
            resource_type: ConfigResourceType::Broker.code(),
            resource_name: Str::new(),
            name: Str::from_static(MIN_INSYNC_REPLICAS),
            value: Some(self.schema.static_min_insync_replicas().to_string().into()),
        };
        (MetadataRecord::Config(record), 0)
    }
}

#[cfg(test)]
#[path = "activation_test.rs"]
mod activation_test;

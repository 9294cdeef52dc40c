//! Replicas of new partitions, given by hand or placed (`validateManualPartitionAssignment`).

use ottla_metadata::{ImageWriterOptions, PartitionRegistration, VersionedRecord};
use ottla_protocol::{ErrorCode, Uuid};

use crate::placement::UsableBroker;
use crate::{ApiError, Controller};

pub(super) fn invalid_assignment(message: impl Into<String>) -> ApiError {
    ApiError::thrown(ErrorCode::InvalidReplicaAssignment, message)
}

impl Controller {
    /// Checks replicas that a request names. `replication_factor` is what other partitions have.
    pub(super) fn validate_manual_assignment(
        &self,
        replicas: &[i32],
        replication_factor: Option<usize>,
    ) -> Result<(), ApiError> {
        if replicas.is_empty() {
            return Err(invalid_assignment(
                "The manual partition assignment includes an empty replica list.",
            ));
        }
        let mut sorted = replicas.to_vec();
        sorted.sort_unstable();
        let mut previous = None;
        for id in sorted {
            if self.state.image.cluster.broker(id).is_none() {
                return Err(invalid_assignment(format!(
                    "The manual partition assignment includes broker {id}, but no such broker is registered."
                )));
            }
            if previous == Some(id) {
                return Err(invalid_assignment(format!(
                    "The manual partition assignment includes the broker {id} more than once."
                )));
            }
            previous = Some(id);
        }
        match replication_factor {
            Some(others) if others != replicas.len() => Err(invalid_assignment(format!(
                "The manual partition assignment includes a partition with {} replica(s), but this is not \
                 consistent with previous partitions, which have {others} replica(s).",
                replicas.len()
            ))),
            _ => Ok(()),
        }
    }

    /// Those of the replicas that are active.
    pub(super) fn active_of(&self, replicas: &[i32]) -> Vec<i32> {
        replicas.iter().copied().filter(|id| self.state.image.cluster.is_active(*id)).collect()
    }

    /// A new partition. `isr` is not empty.
    pub(super) fn new_partition(&self, replicas: &[i32], isr: Vec<i32>) -> PartitionRegistration {
        let directories = replicas.iter().map(|id| self.default_dir(*id)).collect();
        PartitionRegistration::new(replicas.to_vec(), directories, isr)
    }

    pub(super) fn partition_record(
        &self,
        topic_id: Uuid,
        partition_id: i32,
        partition: &PartitionRegistration,
    ) -> Result<VersionedRecord, ApiError> {
        let options = ImageWriterOptions {
            metadata_version: self.metadata_version(),
            is_elr_enabled: self.is_elr_enabled(),
        };
        let record = partition.to_record(topic_id, partition_id, &options);
        record.map_err(|_| ApiError::bare(ErrorCode::UnknownServerError))
    }

    /// The brokers on which new replicas may be placed.
    pub(super) fn usable_brokers(&self) -> Vec<UsableBroker> {
        let brokers = self.state.image.cluster.brokers();
        let usable = brokers.filter(|broker| !broker.in_controlled_shutdown && broker.has_uncordoned_dirs());
        usable
            .map(|broker| UsableBroker { id: broker.id, rack: broker.rack.clone(), fenced: broker.fenced })
            .collect()
    }
}

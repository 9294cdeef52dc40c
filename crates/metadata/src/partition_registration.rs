//! What the cluster knows about a partition (`PartitionRegistration`).

use std::collections::BTreeSet;

use ottla_protocol::Uuid;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{PartitionChangeRecord, PartitionRecord};

use crate::{ImageWriterOptions, ReplayError, UnwritableMetadata, VersionedRecord, directory_id};

/// Leader of a partition that has none (`LeaderConstants.NO_LEADER`).
pub const NO_LEADER: i32 = -1;
/// Leader in a PartitionChangeRecord that leaves leader and leader epoch alone.
pub const NO_LEADER_CHANGE: i32 = -2;
/// Leader recovery state in a PartitionChangeRecord that leaves it alone.
pub const NO_RECOVERY_STATE_CHANGE: i8 = -1;

/// Whether the leader still has to repair what an unclean election may have broken (KIP-704).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(i8)]
pub enum LeaderRecoveryState {
    /// Elected cleanly, or repaired since.
    #[default]
    Recovered = 0,
    /// Elected uncleanly.
    Recovering = 1,
}

impl LeaderRecoveryState {
    /// The state of a code on the wire.
    pub fn from_code(code: i8) -> Option<Self> {
        match code {
            0 => Some(Self::Recovered),
            1 => Some(Self::Recovering),
            _ => None,
        }
    }

    /// The code on the wire.
    pub const fn code(self) -> i8 {
        self as i8
    }

    fn decode(code: i8) -> Result<Self, ReplayError> {
        Self::from_code(code).ok_or(ReplayError::UnknownLeaderRecoveryState { value: code })
    }
}

/// One partition: where its replicas are and who leads them. Lists of brokers are in the order of the records,
/// and boxed slices keep an idle partition small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRegistration {
    /// All replicas, the preferred leader first.
    pub replicas: Box<[i32]>,
    /// The log directory of each replica: as many as `replicas`.
    pub directories: Box<[Uuid]>,
    /// Replicas in sync with the leader.
    pub isr: Box<[i32]>,
    /// Replicas that a reassignment takes away.
    pub removing_replicas: Box<[i32]>,
    /// Replicas that a reassignment adds.
    pub adding_replicas: Box<[i32]>,
    /// Replicas outside of the ISR that may lead without loss of data (KIP-966).
    pub elr: Box<[i32]>,
    /// The last leader, when both ISR and ELR have become empty.
    pub last_known_elr: Box<[i32]>,
    /// The leader, or [`NO_LEADER`].
    pub leader: i32,
    /// Whether the leader was elected uncleanly and has not recovered yet.
    pub leader_recovery_state: LeaderRecoveryState,
    /// Rises with each change of leader.
    pub leader_epoch: i32,
    /// Rises with each change.
    pub partition_epoch: i32,
}

impl PartitionRegistration {
    /// A new partition led by the first of `isr`, at epochs 0. `directories` has one entry per replica.
    pub fn new(replicas: Vec<i32>, directories: Vec<Uuid>, isr: Vec<i32>) -> Self {
        Self {
            leader: isr.first().copied().unwrap_or(NO_LEADER),
            replicas: replicas.into(),
            directories: directories.into(),
            isr: isr.into(),
            removing_replicas: Box::default(),
            adding_replicas: Box::default(),
            elr: Box::default(),
            last_known_elr: Box::default(),
            leader_recovery_state: LeaderRecoveryState::Recovered,
            leader_epoch: 0,
            partition_epoch: 0,
        }
    }

    /// The partition that a record describes in full.
    ///
    /// # Errors
    /// When the record contradicts itself.
    pub fn from_record(record: &PartitionRecord) -> Result<Self, ReplayError> {
        let optional = |list: &Option<Vec<i32>>| list.as_deref().unwrap_or_default().into();
        Ok(Self {
            replicas: record.replicas.as_slice().into(),
            directories: directories_of(&record.directories, record.replicas.len())?,
            isr: record.isr.as_slice().into(),
            removing_replicas: record.removing_replicas.as_slice().into(),
            adding_replicas: record.adding_replicas.as_slice().into(),
            elr: optional(&record.eligible_leader_replicas),
            last_known_elr: optional(&record.last_known_elr),
            leader: record.leader,
            leader_recovery_state: LeaderRecoveryState::decode(record.leader_recovery_state)?,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
        })
    }

    /// The partition after a change. A named leader bumps the leader epoch, even the same one.
    ///
    /// # Errors
    /// When the record contradicts itself or the partition.
    pub fn merge(&self, record: &PartitionChangeRecord) -> Result<Self, ReplayError> {
        let changed =
            |new: &Option<Vec<i32>>, old: &[i32]| -> Box<[i32]> { new.as_deref().unwrap_or(old).into() };
        let replicas = changed(&record.replicas, &self.replicas);
        let directories = record.directories.as_deref().unwrap_or(&self.directories);
        let (leader, leader_epoch) = match record.leader {
            NO_LEADER_CHANGE => (self.leader, self.leader_epoch),
            leader => (leader, self.leader_epoch.wrapping_add(1)),
        };
        Ok(Self {
            directories: directories_of(directories, replicas.len())?,
            replicas,
            isr: changed(&record.isr, &self.isr),
            removing_replicas: changed(&record.removing_replicas, &self.removing_replicas),
            adding_replicas: changed(&record.adding_replicas, &self.adding_replicas),
            elr: changed(&record.eligible_leader_replicas, &self.elr),
            last_known_elr: changed(&record.last_known_elr, &self.last_known_elr),
            leader,
            leader_recovery_state: match record.leader_recovery_state {
                NO_RECOVERY_STATE_CHANGE => self.leader_recovery_state,
                code => LeaderRecoveryState::decode(code)?,
            },
            leader_epoch,
            partition_epoch: self.partition_epoch.wrapping_add(1),
        })
    }

    /// The partition without eligible leader replicas; none when it has none.
    pub(crate) fn without_elr(&self) -> Option<Self> {
        if self.elr.is_empty() && self.last_known_elr.is_empty() {
            return None;
        }
        Some(Self {
            elr: Box::default(),
            last_known_elr: Box::default(),
            partition_epoch: self.partition_epoch.wrapping_add(1),
            ..self.clone()
        })
    }

    /// The record that describes this partition in full.
    ///
    /// # Errors
    /// When directories are assigned that the metadata version can't say.
    pub fn to_record(
        &self,
        topic_id: Uuid,
        partition_id: i32,
        options: &ImageWriterOptions,
    ) -> Result<VersionedRecord, UnwritableMetadata> {
        let elr = |list: &[i32]| (options.is_elr_enabled && !list.is_empty()).then(|| list.to_vec());
        let mut record = PartitionRecord {
            partition_id,
            topic_id,
            replicas: self.replicas.to_vec(),
            isr: self.isr.to_vec(),
            removing_replicas: self.removing_replicas.to_vec(),
            adding_replicas: self.adding_replicas.to_vec(),
            leader: self.leader,
            leader_recovery_state: self.leader_recovery_state.code(),
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: Vec::new(),
            eligible_leader_replicas: elr(&self.elr),
            last_known_elr: elr(&self.last_known_elr),
        };
        if options.metadata_version.is_directory_assignment_supported() {
            record.directories = self.directories.to_vec();
        } else if self.directories.iter().any(|directory| *directory != directory_id::MIGRATING) {
            return Err(options.loss("the directory assignment state of one or more replicas"));
        }
        let version = options.metadata_version.partition_record_version();
        if version < 2 && (record.eligible_leader_replicas.is_some() || record.last_known_elr.is_some()) {
            return Err(options.loss("the eligible leader replicas of one or more partitions"));
        }
        Ok((MetadataRecord::Partition(record), version))
    }

    /// Whether some broker leads.
    pub fn has_leader(&self) -> bool {
        self.leader != NO_LEADER
    }

    /// Whether the first replica leads.
    pub fn has_preferred_leader(&self) -> bool {
        self.leader == self.preferred_replica()
    }

    /// The first replica; [`NO_LEADER`] when there are none.
    pub fn preferred_replica(&self) -> i32 {
        self.replicas.first().copied().unwrap_or(NO_LEADER)
    }

    /// The directory of a broker's replica; none when it has no replica.
    pub fn directory(&self, broker_id: i32) -> Option<Uuid> {
        let at = self.replicas.iter().position(|replica| *replica == broker_id)?;
        self.directories.get(at).copied()
    }

    /// Whether a reassignment is under way.
    pub fn is_reassignment_in_progress(&self) -> bool {
        !self.removing_replicas.is_empty() || !self.adding_replicas.is_empty()
    }

    /// The replicas that are there once the reassignment under way is complete.
    pub fn target_replicas(&self) -> BTreeSet<i32> {
        let all = self.replicas.iter().chain(&*self.adding_replicas);
        all.copied().filter(|replica| !self.removing_replicas.contains(replica)).collect()
    }
}

/// The directories of `replicas` replicas; all "migrating" when none is known.
fn directories_of(directories: &[Uuid], replicas: usize) -> Result<Box<[Uuid]>, ReplayError> {
    if directories.iter().all(|directory| *directory == directory_id::MIGRATING) {
        Ok(vec![directory_id::MIGRATING; replicas].into())
    } else if directories.len() == replicas {
        Ok(directories.into())
    } else {
        Err(ReplayError::InvalidReplicaDirectories { replicas, directories: directories.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MetadataVersion;

    fn partition() -> PartitionRegistration {
        let directories = vec![Uuid::from_parts(7, 1), Uuid::from_parts(7, 2), Uuid::from_parts(7, 3)];
        PartitionRegistration::new(vec![1, 2, 3], directories, vec![1, 2])
    }

    const LATEST: ImageWriterOptions =
        ImageWriterOptions { metadata_version: MetadataVersion::LATEST_PRODUCTION, is_elr_enabled: true };

    #[test]
    fn a_named_leader_bumps_the_leader_epoch() {
        let record = PartitionChangeRecord { leader: 1, ..Default::default() };
        let merged = partition().merge(&record).unwrap();
        assert_eq!((merged.leader, merged.leader_epoch, merged.partition_epoch), (1, 1, 1));
        let record = PartitionChangeRecord { isr: Some(vec![1]), ..Default::default() };
        let merged = merged.merge(&record).unwrap();
        assert_eq!((merged.leader, merged.leader_epoch, merged.partition_epoch), (1, 1, 2));
        assert_eq!(*merged.isr, [1]);
    }

    #[test]
    fn record_and_back() {
        let mut registration = partition();
        registration.elr = [3].into();
        let (record, version) = registration.to_record(Uuid::ONE, 4, &LATEST).unwrap();
        assert_eq!(version, 2);
        let MetadataRecord::Partition(record) = record else { panic!("{record:?}") };
        assert_eq!(record.partition_id, 4);
        assert_eq!(PartitionRegistration::from_record(&record), Ok(registration));
    }

    #[test]
    fn old_versions_refuse_directories() {
        let old = ImageWriterOptions { metadata_version: MetadataVersion::V3_6_IV2, is_elr_enabled: false };
        assert!(partition().to_record(Uuid::ONE, 0, &old).is_err());
        let migrating =
            PartitionRegistration { directories: [directory_id::MIGRATING; 3].into(), ..partition() };
        assert_eq!(migrating.to_record(Uuid::ONE, 0, &old).unwrap().1, 0);
    }

    #[test]
    fn directories_must_fit() {
        let record = PartitionChangeRecord { replicas: Some(vec![1, 2]), ..Default::default() };
        let error = ReplayError::InvalidReplicaDirectories { replicas: 2, directories: 3 };
        assert_eq!(partition().merge(&record), Err(error));
        let none = PartitionRecord { replicas: vec![1], leader_epoch: 0, ..Default::default() };
        let registration = PartitionRegistration::from_record(&none).unwrap();
        assert_eq!(*registration.directories, [directory_id::MIGRATING]);
        let bad = PartitionRecord { leader_recovery_state: 2, ..none };
        assert!(PartitionRegistration::from_record(&bad).is_err());
    }
}

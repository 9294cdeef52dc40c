//! Who leads a partition next (`PartitionChangeBuilder`).
//!
//! Whoever wants to change a partition (its ISR, its replicas, its leader) sets the targets, and `build` finds the
//! one record that gets there: it completes a reassignment whose replicas have come into sync, keeps the eligible leader replicas
//! (KIP-966), elects a leader when the present one can't stay, and bumps the leader epoch where followers must notice.

use std::collections::{BTreeMap, BTreeSet};

use ottla_metadata::{
    LeaderRecoveryState, MetadataVersion, NO_LEADER, NO_LEADER_CHANGE, NO_RECOVERY_STATE_CHANGE,
    PartitionRegistration, VersionedRecord,
};
use ottla_protocol::Uuid;
use ottla_protocol::messages::PartitionChangeRecord;
use ottla_protocol::messages::metadata::MetadataRecord;

use crate::reassignment::ReassignmentReplicas;

/// Which leader is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Election {
    /// The first replica if it can lead.
    Preferred,
    /// Any replica that is in sync; the present leader stays if it can.
    Online,
    /// Rather any replica that is alive than none.
    Unclean,
}

/// What the builder must know beside the partition.
pub(crate) struct ChangeContext<'a> {
    /// Whether a replica may lead now.
    pub is_acceptable_leader: &'a dyn Fn(i32) -> bool,
    /// The directory of a new replica.
    pub default_dir: &'a dyn Fn(i32) -> Uuid,
    /// What may be written.
    pub metadata_version: MetadataVersion,
    /// Least size of an ISR that makes eligible leader replicas unnecessary.
    pub min_isr: usize,
    /// Whether eligible leader replicas are kept.
    pub is_elr_enabled: bool,
}

/// Targets for one partition.
pub(crate) struct PartitionChangeBuilder<'a> {
    partition: &'a PartitionRegistration,
    topic_id: Uuid,
    partition_id: i32,
    context: &'a ChangeContext<'a>,
    election: Election,
    target_isr: Vec<i32>,
    target_replicas: Vec<i32>,
    target_removing: Vec<i32>,
    target_adding: Vec<i32>,
    target_elr: Vec<i32>,
    target_recovery_state: LeaderRecoveryState,
    target_directories: BTreeMap<i32, Uuid>,
    unclean_shutdown_replicas: Vec<i32>,
}

/// A new leader, and whether data may be lost.
#[derive(Clone, Copy)]
struct Elected {
    leader: i32,
    is_unclean: bool,
}

impl<'a> PartitionChangeBuilder<'a> {
    pub(crate) fn new(
        partition: &'a PartitionRegistration,
        topic_id: Uuid,
        partition_id: i32,
        context: &'a ChangeContext<'a>,
    ) -> Self {
        let directories = partition.replicas.iter().copied().zip(partition.directories.iter().copied());
        Self {
            partition,
            topic_id,
            partition_id,
            context,
            election: Election::Online,
            target_isr: partition.isr.to_vec(),
            target_replicas: partition.replicas.to_vec(),
            target_removing: partition.removing_replicas.to_vec(),
            target_adding: partition.adding_replicas.to_vec(),
            target_elr: partition.elr.to_vec(),
            target_recovery_state: partition.leader_recovery_state,
            target_directories: directories.collect(),
            unclean_shutdown_replicas: Vec::new(),
        }
    }

    pub(crate) fn election(mut self, election: Election) -> Self {
        self.election = election;
        self
    }

    pub(crate) fn target_isr(mut self, isr: Vec<i32>) -> Self {
        self.target_isr = isr;
        self
    }

    pub(crate) fn target_reassignment(
        mut self,
        replicas: Vec<i32>,
        removing: Vec<i32>,
        adding: Vec<i32>,
    ) -> Self {
        self.target_replicas = replicas;
        self.target_removing = removing;
        self.target_adding = adding;
        self
    }

    pub(crate) fn target_recovery_state(mut self, state: LeaderRecoveryState) -> Self {
        self.target_recovery_state = state;
        self
    }

    pub(crate) fn directory(mut self, broker_id: i32, directory: Uuid) -> Self {
        self.target_directories.insert(broker_id, directory);
        self
    }

    pub(crate) fn unclean_shutdown_replicas(mut self, replicas: Vec<i32>) -> Self {
        self.unclean_shutdown_replicas = replicas;
        self
    }

    /// The record; none when the partition is already as wanted.
    pub(crate) fn build(mut self) -> Option<VersionedRecord> {
        let mut record = PartitionChangeRecord {
            topic_id: self.topic_id,
            partition_id: self.partition_id,
            ..PartitionChangeRecord::default()
        };
        self.complete_reassignment();
        self.populate_elr();
        self.elect(&mut record);
        self.bump_leader_epoch_for_reassignment(&mut record);
        self.set_elr(&mut record);
        self.set_isr(&mut record);
        self.bump_leader_epoch_for_isr_shrink(&mut record);
        self.set_last_known_leader(&mut record);
        self.set_assignment(&mut record);
        if self.target_recovery_state != self.partition.leader_recovery_state {
            record.leader_recovery_state = self.target_recovery_state.code();
        }
        let version = self.context.metadata_version.partition_change_record_version();
        (!is_no_op(&record)).then(|| (MetadataRecord::PartitionChange(record), version))
    }

    fn complete_reassignment(&mut self) {
        let reassignment = ReassignmentReplicas {
            removing: self.target_removing.clone(),
            adding: self.target_adding.clone(),
            replicas: self.target_replicas.clone(),
        };
        if let Some((replicas, isr)) = reassignment.completed(&self.target_isr) {
            self.target_replicas = replicas;
            self.target_isr = isr;
            self.target_removing.clear();
            self.target_adding.clear();
        }
    }

    /// Replicas that leave an ISR which is too small stay eligible, unless they may have lost data.
    fn populate_elr(&mut self) {
        if !self.context.is_elr_enabled {
            return;
        }
        if self.target_isr.len() >= self.context.min_isr {
            self.target_elr.clear();
            return;
        }
        let candidates: BTreeSet<i32> = self.target_elr.iter().chain(&*self.partition.isr).copied().collect();
        let eligible = |replica: &i32| {
            !self.target_isr.contains(replica) && !self.unclean_shutdown_replicas.contains(replica)
        };
        self.target_elr = candidates.into_iter().filter(eligible).collect();
    }

    fn elect(&mut self, record: &mut PartitionChangeRecord) {
        let elected = self.elected();
        if elected.leader == self.partition.leader {
            return;
        }
        if self.target_elr.contains(&elected.leader) {
            self.target_isr = vec![elected.leader];
            self.target_elr.retain(|replica| *replica != elected.leader);
        }
        record.leader = elected.leader;
        if elected.is_unclean {
            record.isr = Some(vec![elected.leader]);
            if self.partition.leader_recovery_state != LeaderRecoveryState::Recovering {
                record.leader_recovery_state = LeaderRecoveryState::Recovering.code();
            }
        }
    }

    fn elected(&self) -> Elected {
        let clean = |leader| Elected { leader, is_unclean: false };
        let unclean = |leader| Elected { leader, is_unclean: true };
        let preferred = self.target_replicas.first().filter(|_| self.election == Election::Preferred);
        let present = std::iter::once(&self.partition.leader);
        let mut candidates = preferred.into_iter().chain(present).chain(&self.target_replicas);
        if let Some(leader) = candidates.find(|replica| self.is_valid_leader(**replica)) {
            return clean(*leader);
        }
        if let Some(leader) = self.last_known_leader() {
            return unclean(leader);
        }
        let mut alive =
            self.target_replicas.iter().filter(|replica| (self.context.is_acceptable_leader)(**replica));
        match alive.next() {
            Some(leader) if self.election == Election::Unclean => unclean(*leader),
            _ => clean(NO_LEADER),
        }
    }

    fn is_valid_leader(&self, replica: i32) -> bool {
        let in_sync = if self.target_isr.is_empty() { &self.target_elr } else { &self.target_isr };
        in_sync.contains(&replica) && (self.context.is_acceptable_leader)(replica)
    }

    /// When nobody is eligible, the one that led last has the most data.
    fn last_known_leader(&self) -> Option<i32> {
        let [leader] = *self.partition.last_known_elr else { return None };
        let nobody_else = self.target_elr.is_empty() && self.target_isr.is_empty();
        let can = self.context.is_elr_enabled && nobody_else && (self.context.is_acceptable_leader)(leader);
        can.then_some(leader)
    }

    /// Replicas that were taken away must learn that they no longer belong to the partition.
    fn bump_leader_epoch_for_reassignment(&self, record: &mut PartitionChangeRecord) {
        let any_gone = self.partition.replicas.iter().any(|replica| !self.target_replicas.contains(replica));
        if record.leader == NO_LEADER_CHANGE && any_gone {
            record.leader = self.partition.leader;
        }
    }

    fn bump_leader_epoch_for_isr_shrink(&self, record: &mut PartitionChangeRecord) {
        if !self.context.metadata_version.is_leader_epoch_bump_required_on_isr_shrink()
            || record.leader != NO_LEADER_CHANGE
        {
            return;
        }
        if let Some(isr) = &record.isr
            && self.partition.isr.iter().any(|replica| !isr.contains(replica))
        {
            record.leader = self.partition.leader;
        }
    }

    fn set_elr(&mut self, record: &mut PartitionChangeRecord) {
        let is_unclean = record.isr.is_some();
        if is_unclean || !self.context.is_elr_enabled {
            self.target_elr.clear();
        }
        if self.target_elr != *self.partition.elr {
            record.eligible_leader_replicas = Some(self.target_elr.clone());
        }
    }

    fn set_isr(&self, record: &mut PartitionChangeRecord) {
        // Without ELR the last member never leaves the ISR: it is all that is known about who has the data.
        let may_be_empty = !self.target_isr.is_empty() || self.context.is_elr_enabled;
        if record.isr.is_none() && may_be_empty && self.target_isr != *self.partition.isr {
            record.isr = Some(self.target_isr.clone());
        }
    }

    fn set_last_known_leader(&self, record: &mut PartitionChangeRecord) {
        if !self.context.is_elr_enabled {
            return;
        }
        if record.leader == NO_LEADER && self.partition.last_known_elr.is_empty() {
            record.last_known_elr = Some(vec![self.partition.leader]);
        } else if record.leader >= 0 && !self.partition.last_known_elr.is_empty() {
            record.last_known_elr = Some(Vec::new());
        }
    }

    fn set_assignment(&self, record: &mut PartitionChangeRecord) {
        if !self.target_replicas.is_empty() {
            if self.context.metadata_version.is_directory_assignment_supported() {
                let known = |replica: &i32| self.target_directories.get(replica).copied();
                let directory =
                    |replica: &i32| known(replica).unwrap_or_else(|| (self.context.default_dir)(*replica));
                let directories: Vec<Uuid> = self.target_replicas.iter().map(directory).collect();
                if directories != *self.partition.directories {
                    record.directories = Some(directories);
                }
            }
            if self.target_replicas != *self.partition.replicas {
                record.replicas = Some(self.target_replicas.clone());
            }
        }
        if self.target_removing != *self.partition.removing_replicas {
            record.removing_replicas = Some(self.target_removing.clone());
        }
        if self.target_adding != *self.partition.adding_replicas {
            record.adding_replicas = Some(self.target_adding.clone());
        }
    }
}

fn is_no_op(record: &PartitionChangeRecord) -> bool {
    record.isr.is_none()
        && record.eligible_leader_replicas.is_none()
        && record.last_known_elr.is_none()
        && record.leader == NO_LEADER_CHANGE
        && record.replicas.is_none()
        && record.removing_replicas.is_none()
        && record.adding_replicas.is_none()
        && record.leader_recovery_state == NO_RECOVERY_STATE_CHANGE
        && record.directories.is_none()
}

#[cfg(test)]
#[path = "partition_change_builder_test.rs"]
mod partition_change_builder_test;

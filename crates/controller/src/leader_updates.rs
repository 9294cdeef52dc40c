//! What a broker's coming and going does to partitions (`ReplicationControlManager.handleBroker*`).

use ottla_metadata::{
    FENCE, IN_CONTROLLED_SHUTDOWN, NO_LEADER, PartitionRegistration, TopicImage, UNFENCE, VersionedRecord,
    directory_id,
};
use ottla_protocol::Uuid;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{BrokerRegistrationChangeRecord, UnregisterBrokerRecord};

use crate::Controller;
use crate::partition_change_builder::{ChangeContext, Election, PartitionChangeBuilder};

/// Which broker leaves or joins partitions; [`NO_LEADER`] stands for none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BrokerChange {
    /// Leaves the ISR and may not lead.
    pub remove: i32,
    /// May lead although it is not active yet.
    pub add: i32,
    /// Leaves the ISR, may not lead, and may have lost data.
    pub unclean_shutdown: i32,
}

impl BrokerChange {
    const NONE: Self = Self { remove: NO_LEADER, add: NO_LEADER, unclean_shutdown: NO_LEADER };

    pub(crate) fn removing(broker_id: i32) -> Self {
        Self { remove: broker_id, ..Self::NONE }
    }

    fn adding(broker_id: i32) -> Self {
        Self { add: broker_id, ..Self::NONE }
    }

    fn unclean(broker_id: i32) -> Self {
        Self { unclean_shutdown: broker_id, ..Self::NONE }
    }
}

impl Controller {
    /// Directory of a new replica on a broker, as far as it is known.
    pub(crate) fn default_dir(&self, broker_id: i32) -> Uuid {
        if !self.metadata_version().is_directory_assignment_supported() {
            return directory_id::MIGRATING;
        }
        let broker = self.state.image.cluster.broker(broker_id);
        broker.map_or(directory_id::UNASSIGNED, |broker| broker.default_dir())
    }

    /// Builds a change of one partition. `is_acceptable` says which brokers may lead; besides, the
    /// replica's directory must be online.
    pub(crate) fn change_partition(
        &self,
        topic: &TopicImage,
        partition_id: i32,
        partition: &PartitionRegistration,
        is_acceptable: &dyn Fn(i32) -> bool,
        set: impl for<'b> FnOnce(PartitionChangeBuilder<'b>) -> PartitionChangeBuilder<'b>,
    ) -> Option<VersionedRecord> {
        let cluster = &self.state.image.cluster;
        let is_acceptable_leader = |id: i32| {
            let online =
                |directory| cluster.broker(id).is_some_and(|broker| broker.has_online_dir(directory));
            is_acceptable(id) && partition.directory(id).is_some_and(online)
        };
        let context = ChangeContext {
            is_acceptable_leader: &is_acceptable_leader,
            default_dir: &|id| self.default_dir(id),
            metadata_version: self.metadata_version(),
            min_isr: self.effective_min_isr(&topic.name),
            is_elr_enabled: self.is_elr_enabled(),
        };
        set(PartitionChangeBuilder::new(partition, topic.id, partition_id, &context)).build()
    }

    /// As [`Controller::change_partition`], with active brokers as leaders.
    pub(crate) fn change_partition_among_active(
        &self,
        topic: &TopicImage,
        partition_id: i32,
        partition: &PartitionRegistration,
        set: impl for<'b> FnOnce(PartitionChangeBuilder<'b>) -> PartitionChangeBuilder<'b>,
    ) -> Option<VersionedRecord> {
        let is_active = |id| self.state.image.cluster.is_active(id);
        self.change_partition(topic, partition_id, partition, &is_active, set)
    }

    /// The unclean election if the topic allows it, else the plain one.
    pub(crate) fn election_of(&self, topic: &str) -> Election {
        if self.is_unclean_election_enabled(topic) { Election::Unclean } else { Election::Online }
    }

    /// Changes all partitions that `affected` selects so that they fit `change`.
    pub(crate) fn leader_and_isr_updates(
        &self,
        change: BrokerChange,
        records: &mut Vec<VersionedRecord>,
        affected: impl Fn(Uuid, i32, &PartitionRegistration) -> bool,
    ) {
        let is_acceptable = |id| {
            id != change.remove
                && id != change.unclean_shutdown
                && (id == change.add || self.state.image.cluster.is_active(id))
        };
        for topic in self.state.image.topics.iter() {
            let affected = topic.partitions.iter().filter(|(id, p)| affected(topic.id, *id, p));
            for (partition_id, partition) in affected {
                let isr: Vec<i32> = partition
                    .isr
                    .iter()
                    .copied()
                    .filter(|id| *id != change.remove && *id != change.unclean_shutdown)
                    .collect();
                let unclean_shutdown: Vec<i32> =
                    Some(change.unclean_shutdown).into_iter().filter(|id| *id != NO_LEADER).collect();
                let election = self.election_of(&topic.name);
                records.extend(self.change_partition(
                    topic,
                    partition_id,
                    partition,
                    &is_acceptable,
                    |builder| {
                        builder.election(election).unclean_shutdown_replicas(unclean_shutdown).target_isr(isr)
                    },
                ));
            }
        }
    }

    pub(crate) fn has_leaderships(&self, broker_id: i32) -> bool {
        let mut partitions = self.state.image.topics.iter().flat_map(|topic| topic.partitions.iter());
        partitions.any(|(_, p)| p.leader == broker_id && p.isr.contains(&broker_id))
    }

    pub(crate) fn handle_broker_fenced(&self, broker_id: i32, records: &mut Vec<VersionedRecord>) {
        self.leader_and_isr_updates(BrokerChange::removing(broker_id), records, |_, _, p| {
            p.isr.contains(&broker_id)
        });
        let change = BrokerRegistrationChangeRecord { fenced: FENCE, ..self.registration_change(broker_id) };
        records.push((MetadataRecord::BrokerRegistrationChange(change), 0));
    }

    pub(crate) fn handle_broker_unfenced(&self, broker_id: i32, records: &mut Vec<VersionedRecord>) {
        let change =
            BrokerRegistrationChangeRecord { fenced: UNFENCE, ..self.registration_change(broker_id) };
        records.push((MetadataRecord::BrokerRegistrationChange(change), 0));
        self.leader_and_isr_updates(BrokerChange::adding(broker_id), records, |_, _, p| !p.has_leader());
    }

    pub(crate) fn handle_broker_in_controlled_shutdown(
        &self,
        broker_id: i32,
        records: &mut Vec<VersionedRecord>,
    ) {
        let broker = self.state.image.cluster.broker(broker_id);
        if broker.is_some_and(|broker| !broker.in_controlled_shutdown) {
            let change = BrokerRegistrationChangeRecord {
                in_controlled_shutdown: IN_CONTROLLED_SHUTDOWN,
                ..self.registration_change(broker_id)
            };
            records.push((MetadataRecord::BrokerRegistrationChange(change), 1));
        }
        self.leader_and_isr_updates(BrokerChange::removing(broker_id), records, |_, _, p| {
            p.isr.contains(&broker_id)
        });
    }

    /// A broker has come back as a new process: what its old one had is to be cleaned up.
    pub(crate) fn handle_broker_shutdown(
        &self,
        broker_id: i32,
        is_clean: bool,
        records: &mut Vec<VersionedRecord>,
    ) {
        if self.is_elr_enabled() && !is_clean {
            self.leader_and_isr_updates(BrokerChange::unclean(broker_id), records, |_, _, p| {
                p.isr.contains(&broker_id) || p.elr.contains(&broker_id)
            });
        } else {
            self.leader_and_isr_updates(BrokerChange::removing(broker_id), records, |_, _, p| {
                p.isr.contains(&broker_id)
            });
        }
    }

    pub(crate) fn handle_broker_unregistered(&self, broker_id: i32, records: &mut Vec<VersionedRecord>) {
        self.leader_and_isr_updates(BrokerChange::removing(broker_id), records, |_, _, p| {
            p.isr.contains(&broker_id) || p.elr.contains(&broker_id)
        });
        let broker_epoch = self.state.image.cluster.broker_epoch(broker_id);
        let record = UnregisterBrokerRecord { broker_id, broker_epoch };
        records.push((MetadataRecord::UnregisterBroker(record), 0));
    }

    pub(crate) fn registration_change(&self, broker_id: i32) -> BrokerRegistrationChangeRecord {
        let broker_epoch = self.state.image.cluster.broker_epoch(broker_id);
        BrokerRegistrationChangeRecord { broker_id, broker_epoch, ..Default::default() }
    }
}

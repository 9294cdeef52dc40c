//! What the active controller does by itself, from time to time (`QuorumController.register*`).
//!
//! Each answers whether there is more to do at once.

use ottla_metadata::VersionedRecord;
use ottla_protocol::messages::NoOpRecord;
use ottla_protocol::messages::metadata::MetadataRecord;

use super::elect_leaders::ElectionType;
use crate::{Controller, ControllerResult};

impl Controller {
    /// Fences a broker from which no heartbeat has come in time. Kafka looks eight times in each
    /// `broker.session.timeout.ms`; [`Controller::next_session_expiry_ms`] tells when it is worth while.
    pub fn maybe_fence_one_stale_broker(&mut self, now_ms: i64) -> ControllerResult<bool> {
        let Some(sessions) = &mut self.sessions else { return ControllerResult::answer(false) };
        let Some((id, epoch)) = sessions.remove_expired(now_ms) else {
            return ControllerResult::answer(false);
        };
        match self.state.image.cluster.broker(id) {
            None => {
                sessions.remove(id);
                ControllerResult::answer(true)
            }
            Some(broker) if broker.epoch != epoch => ControllerResult::answer(true),
            Some(_) => {
                sessions.fence(id);
                let mut records = Vec::new();
                self.handle_broker_fenced(id, &mut records);
                ControllerResult::of(records, true)
            }
        }
    }

    /// Gives partitions back to their preferred leaders: every `leader.imbalance.check.interval.seconds`, when
    /// `auto.leader.rebalance.enable` is on.
    pub fn maybe_balance_partition_leaders(&self) -> ControllerResult<bool> {
        self.elections(|_| true, |partition| !partition.has_preferred_leader(), ElectionType::Preferred)
    }

    /// Elects leaders that may lack data, for topics that allow it and partitions that have none: every
    /// `unclean.leader.election.interval.ms`.
    pub fn maybe_elect_unclean_leaders(&self) -> ControllerResult<bool> {
        let is_allowed = |topic: &str| self.is_unclean_election_enabled(topic);
        self.elections(is_allowed, |partition| !partition.has_leader(), ElectionType::Unclean)
    }

    /// A record that says nothing, every `metadata.max.idle.interval.ms`: shows that the log goes on.
    pub fn write_no_op_record(&self) -> ControllerResult<()> {
        ControllerResult::of(vec![(MetadataRecord::NoOp(NoOpRecord {}), 0)], ())
    }

    fn elections(
        &self,
        of_topic: impl Fn(&str) -> bool,
        of_partition: impl Fn(&ottla_metadata::PartitionRegistration) -> bool,
        election: ElectionType,
    ) -> ControllerResult<bool> {
        let most = self.options.max_elections_per_imbalance;
        let candidates = self.state.image.topics.iter().flat_map(|topic| {
            let partitions = topic.partitions.iter().filter(|(_, partition)| of_partition(partition));
            let partitions: Vec<i32> = partitions.map(|(id, _)| id).collect();
            let is_wanted = !partitions.is_empty() && of_topic(&topic.name);
            partitions.into_iter().filter(move |_| is_wanted).map(move |id| (&topic.name, id))
        });
        let elected = candidates.filter_map(|(topic, id)| self.elect_leader(topic, id, election).ok());
        let records: Vec<VersionedRecord> = elected.take(most).collect();
        let is_more = records.len() >= most;
        ControllerResult::of(records, is_more)
    }
}

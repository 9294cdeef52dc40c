//! The first assignment of a group waits a while, so that members which start together do not pass tasks
//! around (`streams.initial.rebalance.delay.ms`).

use std::collections::BTreeSet;

use ottla_protocol::Str;

use super::StreamsGroup;
use super::target_assignment::TargetAssignment;
use crate::group::{Env, Group};
use crate::result::CoordinatorResult;
use crate::shard::GroupCoordinatorShard;
use crate::timers::TimerKey;

/// The groups of a shard that wait with their first assignment. Not persisted: a coordinator that takes over
/// assigns at once. Kept apart from the groups, for a group waits before its first record is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DelayedRebalances(BTreeSet<Str>);

impl DelayedRebalances {
    /// Whether the group waits.
    pub fn contains(&self, group_id: &str) -> bool {
        self.0.contains(group_id)
    }

    /// The group is about to get its first member: it waits from now on, unless it does so already.
    pub(super) fn begin(&mut self, group: &StreamsGroup, env: &mut Env<'_>) {
        let delay_ms = env.group_config(&group.group_id).streams_initial_rebalance_delay_ms();
        if group.is_empty() && delay_ms > 0 && self.0.insert(group.group_id.clone()) {
            env.out.schedule(timer(&group.group_id), env.now_ms, delay_ms.into());
        }
    }

    /// The group is no more. Should it come back, its timer is armed anew.
    pub(super) fn forget(&mut self, group_id: &str) {
        self.0.remove(group_id);
    }
}

fn timer(group_id: &Str) -> TimerKey {
    TimerKey::StreamsInitialRebalance { group_id: group_id.clone() }
}

impl GroupCoordinatorShard {
    /// A group has waited long enough.
    pub(crate) fn on_streams_initial_rebalance_timer(
        &mut self,
        group_id: &Str,
        now_ms: i64,
    ) -> CoordinatorResult {
        self.delayed_rebalances.0.remove(group_id);
        let mut out = CoordinatorResult::default();
        let Some(Group::Streams(group)) = self.groups.get(group_id) else { return out };
        // Without a configured topology the next heartbeat assigns.
        let Some(topology) = group.configured_topology.clone() else { return out };
        if group.is_empty() || group.group_epoch <= group.assignment_epoch {
            return out;
        }
        let target = TargetAssignment {
            group,
            group_epoch: group.group_epoch,
            updated_member: None,
            topology: &topology,
            assignment_configs: &group.last_assignment_configs,
        };
        if target.build(now_ms, &mut out.records).is_err() {
            out.records.clear();
        }
        out
    }
}

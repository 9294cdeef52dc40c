//! What holds for a classic group between any two events.

use std::collections::BTreeMap;

use super::{ClassicGroup, ClassicGroupState};
use crate::timers::TimerQueue;

impl ClassicGroup {
    pub(crate) fn check_invariants(&self, timers: &TimerQueue) {
        let awaiting = self.members.values().filter(|member| member.is_awaiting_join()).count();
        assert_eq!(self.awaiting_join, awaiting);

        let mut counts = BTreeMap::new();
        for name in self.members.values().flat_map(|member| member.protocol_names()) {
            *counts.entry(name.clone()).or_insert(0usize) += 1;
        }
        assert_eq!(self.supported_protocols, counts);

        for (member_id, member) in &self.members {
            assert_eq!(*member_id, member.member_id);
            assert!(!self.pending_join_members.contains(member_id));
            if let Some(instance_id) = &member.group_instance_id {
                assert_eq!(self.static_members.get(instance_id), Some(member_id));
            }
            assert!(member.awaiting_join.is_none() || member.awaiting_sync.is_none());
            let waits = member.has_satisfied_heartbeat();
            let is_armed = timers.deadline_ms(&self.heartbeat_key(member_id)).is_some();
            assert!(waits || is_armed, "{member_id} would be waited for for ever");
            let may_wait = self.state == ClassicGroupState::CompletingRebalance;
            assert!(member.awaiting_sync.is_none() || may_wait);
        }
        let static_members = self.members.values().filter(|member| member.is_static()).count();
        assert_eq!(self.static_members.len(), static_members);
        assert!(self.pending_sync_members.iter().all(|member_id| self.members.contains_key(member_id)));
        for member_id in &self.pending_join_members {
            let is_armed = timers.deadline_ms(&self.heartbeat_key(member_id)).is_some();
            assert!(is_armed, "{member_id} would be waited for for ever");
        }
        match &self.leader_id {
            Some(leader_id) => assert!(self.members.contains_key(leader_id)),
            None => assert!(self.members.is_empty()),
        }
        match self.state {
            ClassicGroupState::Empty => assert!(self.members.is_empty()),
            ClassicGroupState::PreparingRebalance => {
                let is_armed = timers.deadline_ms(&self.join_key()).is_some();
                assert!(is_armed, "the join phase would never end");
            }
            ClassicGroupState::CompletingRebalance | ClassicGroupState::Stable => {
                assert!(!self.members.is_empty());
                let name = self.protocol_name.as_ref().expect("a protocol");
                assert!(self.members.values().all(|member| member.metadata(name).is_some()));
                let is_armed = timers.deadline_ms(&self.sync_key()).is_some();
                assert!(self.pending_sync_members.is_empty() || is_armed);
            }
            ClassicGroupState::Dead => {}
        }
    }
}

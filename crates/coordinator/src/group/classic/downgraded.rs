//! A classic group that comes out of a consumer group (`ClassicGroup.fromConsumerGroup`): it is stable at
//! once, with the assignments that the coordinator made.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ottla_protocol::{EncodeError, ErrorCode, Str};

use super::member::{ClassicGroupMember, MemberProtocol};
use super::{CONSUMER_PROTOCOL_TYPE, ClassicGroup, ClassicGroupState, Env};
use crate::group::GroupError;
use crate::group::modern::Assignment;
use crate::records::CoordinatorRecord;

/// Protocols by member id.
pub type ProtocolsByMember = BTreeMap<Str, Vec<MemberProtocol>>;

impl ClassicGroup {
    /// The record of a stable group of these members, and their protocols, of which the record holds only
    /// the selected one. `encode` makes the bytes of an assignment for a member with this metadata.
    pub fn downgraded(
        group_id: Str,
        generation_id: i32,
        members: Vec<(ClassicGroupMember, Arc<Assignment>)>,
        encode: impl Fn(&Assignment, &[u8]) -> Result<Bytes, EncodeError>,
        now_ms: i64,
    ) -> Result<(CoordinatorRecord, ProtocolsByMember), GroupError> {
        let mut group = ClassicGroup::new(group_id, Some(now_ms));
        group.generation_id = generation_id;
        group.protocol_type = Some(Str::from_static(CONSUMER_PROTOCOL_TYPE));
        let mut targets = BTreeMap::new();
        for (member, target) in members {
            targets.insert(member.member_id.clone(), target);
            group.add(member);
        }
        let protocol_name = group.select_protocol().ok_or(ErrorCode::UnknownServerError)?;
        let mut assignments = BTreeMap::new();
        for (member_id, member) in &group.members {
            let metadata = member.metadata(&protocol_name).cloned().unwrap_or_default();
            if let Some(target) = targets.get(member_id) {
                assignments.insert(member_id.clone(), encode(target, &metadata)?);
            }
        }
        group.protocol_name = Some(protocol_name);
        let record = group.metadata_record(&assignments)?;
        let protocols = group.members.into_iter().map(|(id, member)| (id, member.protocols));
        Ok((record, protocols.collect()))
    }

    /// The record is there: the members go on in this group.
    pub(super) fn begin_downgraded(
        &mut self,
        mut protocols: ProtocolsByMember,
        rebalance_reason: Option<String>,
        env: &mut Env<'_>,
    ) {
        if self.state != ClassicGroupState::Stable {
            return;
        }
        for member_id in self.member_ids() {
            if let Some(mut member) = self.members.remove(&member_id) {
                self.uncount_protocols(&member);
                member.protocols = protocols.remove(&member_id).unwrap_or(member.protocols);
                self.count_protocols(&member);
                self.members.insert(member_id.clone(), member);
            }
            self.reschedule_heartbeat(&member_id, env.now_ms, env.out);
        }
        if let Some(reason) = rebalance_reason {
            self.prepare_rebalance(&reason, env);
        }
    }
}

//! A member of a classic group (`ClassicGroupMember`).

use std::collections::BTreeSet;

use bytes::Bytes;
use ottla_protocol::Str;
use ottla_protocol::messages::describe_groups_response::DescribedGroupMember;
use ottla_protocol::messages::group_metadata_value::MemberMetadata;
use ottla_protocol::messages::join_group_request::JoinGroupRequestProtocol;

use crate::records::{owned, owned_bytes};
use crate::reply::{JoinWaiter, ReplyId};

/// A member. What is not persisted says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClassicGroupMember {
    pub member_id: Str,
    /// Set for static members (KIP-345).
    pub group_instance_id: Option<Str>,
    pub client_id: Str,
    pub client_host: Str,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    /// Protocols in order of preference. Of these only the selected one is persisted.
    pub protocols: Vec<MemberProtocol>,
    /// The leader's assignment; empty before the first.
    pub assignment: Bytes,
    /// Not persisted. The JoinGroup that waits for the join phase to end, or has been answered with an error
    /// while the member still counts as joined.
    pub awaiting_join: Option<AwaitingJoin>,
    /// Not persisted. The SyncGroup that waits for the assignment.
    pub awaiting_sync: Option<ReplyId>,
    /// Not persisted. The member has not got its first JoinGroup response: its id is not known to it yet, so
    /// that it can't send heartbeats.
    pub is_new: bool,
}

/// A protocol (an assignor, for consumers) that a member supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberProtocol {
    pub name: Str,
    /// What the leader needs to know of the member; for consumers, its subscription.
    pub metadata: Bytes,
}

/// A member that has joined and waits for the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AwaitingJoin {
    /// Its request is unanswered.
    Waiting(JoinWaiter),
    /// Its request had to be answered with an error.
    Answered,
}

impl ClassicGroupMember {
    pub fn is_awaiting_join(&self) -> bool {
        self.awaiting_join.is_some()
    }

    pub fn is_static(&self) -> bool {
        self.group_instance_id.is_some()
    }

    /// Whether the member is alive without sending heartbeats: it waits for an answer. A new member does not
    /// count, for nothing would ever remove one that gave up waiting.
    pub fn has_satisfied_heartbeat(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    /// The metadata for a protocol.
    pub fn metadata(&self, protocol_name: &str) -> Option<&Bytes> {
        self.protocols
            .iter()
            .find(|protocol| protocol.name == protocol_name)
            .map(|protocol| &protocol.metadata)
    }

    /// The names of the protocols, each once.
    pub fn protocol_names(&self) -> BTreeSet<&Str> {
        self.protocols.iter().map(|protocol| &protocol.name).collect()
    }

    /// Whether these are exactly the member's protocols, in the same order.
    pub fn matches(&self, protocols: &[JoinGroupRequestProtocol]) -> bool {
        let own = self.protocols.iter().map(|own| (&own.name, &own.metadata));
        own.eq(protocols.iter().map(|other| (&other.name, &other.metadata)))
    }

    /// The member's first choice among `candidates`.
    pub fn vote(&self, candidates: &BTreeSet<Str>) -> Option<&Str> {
        self.protocols.iter().map(|protocol| &protocol.name).find(|name| candidates.contains(*name))
    }

    /// The member as it is persisted, with this assignment.
    pub fn to_record(&self, protocol_name: Option<&Str>, assignment: Bytes) -> MemberMetadata {
        let subscription = protocol_name.and_then(|name| self.metadata(name)).cloned().unwrap_or_default();
        MemberMetadata {
            member_id: self.member_id.clone(),
            group_instance_id: self.group_instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout: self.rebalance_timeout_ms,
            session_timeout: self.session_timeout_ms,
            subscription,
            assignment,
        }
    }

    /// A persisted member.
    pub fn from_record(member: &MemberMetadata, protocol_name: &Str) -> Self {
        let rebalance_timeout_ms = match member.rebalance_timeout {
            -1 => member.session_timeout,
            timeout_ms => timeout_ms,
        };
        Self {
            member_id: owned(&member.member_id),
            group_instance_id: member.group_instance_id.as_ref().map(owned),
            client_id: owned(&member.client_id),
            client_host: owned(&member.client_host),
            rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout,
            protocols: vec![MemberProtocol {
                name: protocol_name.clone(),
                metadata: owned_bytes(&member.subscription),
            }],
            assignment: owned_bytes(&member.assignment),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
        }
    }

    /// The member as DescribeGroups shows it. The metadata is shown while the group is stable.
    pub fn describe(&self, protocol_name: Option<&Str>) -> DescribedGroupMember {
        DescribedGroupMember {
            member_id: self.member_id.clone(),
            group_instance_id: self.group_instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            member_metadata: protocol_name.and_then(|name| self.metadata(name)).cloned().unwrap_or_default(),
            member_assignment: self.assignment.clone(),
        }
    }
}

/// The protocols of a request, free of the request's buffer.
pub(crate) fn member_protocols(protocols: &[JoinGroupRequestProtocol]) -> Vec<MemberProtocol> {
    let owned = |protocol: &JoinGroupRequestProtocol| MemberProtocol {
        name: owned(&protocol.name),
        metadata: owned_bytes(&protocol.metadata),
    };
    protocols.iter().map(owned).collect()
}

//! What the members of a classic group have in common: the protocol they vote for, the topics they read.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ottla_protocol::messages::ConsumerProtocolSubscription;
use ottla_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use ottla_protocol::{Message, Reader, Str};

use super::member::ClassicGroupMember;
use super::{CONSUMER_PROTOCOL_TYPE, ClassicGroup};
use crate::records::owned;

impl ClassicGroup {
    /// Whether a member with this protocol type and these protocols fits: at least one of its protocols is
    /// supported by all members.
    pub(super) fn supports(&self, protocol_type: &str, protocols: &[JoinGroupRequestProtocol]) -> bool {
        if self.is_empty() {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let by_all =
            |name: &Str| self.supported_protocols.get(name).copied().unwrap_or(0) == self.members.len();
        self.protocol_type.as_deref() == Some(protocol_type) && protocols.iter().any(|p| by_all(&p.name))
    }

    /// The protocol that most members prefer among those that all support; of equals, the first by name.
    /// `None` for an empty group.
    pub(super) fn select_protocol(&self) -> Option<Str> {
        let supported_by_all =
            self.supported_protocols.iter().filter(|(_, count)| **count == self.members.len());
        let candidates: BTreeSet<Str> = supported_by_all.map(|(name, _)| name.clone()).collect();
        let mut votes: BTreeMap<&Str, usize> = BTreeMap::new();
        for vote in self.members.values().filter_map(|member| member.vote(&candidates)) {
            *votes.entry(vote).or_default() += 1;
        }
        let most = votes.values().max()?;
        votes.iter().find(|(_, count)| *count == most).map(|(name, _)| (*name).clone())
    }

    pub(super) fn count_protocols(&mut self, member: &ClassicGroupMember) {
        for name in member.protocol_names() {
            *self.supported_protocols.entry(name.clone()).or_default() += 1;
        }
    }

    pub(super) fn uncount_protocols(&mut self, member: &ClassicGroupMember) {
        for name in member.protocol_names() {
            if let Some(count) = self.supported_protocols.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.supported_protocols.remove(name);
                }
            }
        }
    }

    /// The topics that the members of a consumer group read; `None` for groups of other types, before a
    /// protocol is selected, and when a subscription can't be read.
    pub(super) fn compute_subscribed_topics(&self) -> Option<BTreeSet<Str>> {
        if self.protocol_type.as_deref()? != CONSUMER_PROTOCOL_TYPE {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol_name = self.protocol_name.as_ref()?;
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(subscription_topics(member.metadata(protocol_name)?)?);
        }
        Some(topics)
    }

    /// Whether members read a topic. Where that is not known, consumers are taken to read all topics.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }
}

/// The last version of the consumers' embedded protocol.
const CONSUMER_PROTOCOL_VERSION: i16 = 3;

/// The version of a consumer's metadata, or the last one that is known here
/// (`ConsumerProtocol.deserializeVersion`).
pub(crate) fn protocol_version(metadata: &[u8]) -> i16 {
    match metadata {
        [high, low, ..] => i16::from_be_bytes([*high, *low]).clamp(0, CONSUMER_PROTOCOL_VERSION),
        _ => 0,
    }
}

/// What a consumer says in its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub topics: BTreeSet<Str>,
    pub owned_partitions: Vec<(Str, Vec<i32>)>,
    pub rack_id: Option<Str>,
}

impl Subscription {
    /// Reads metadata; `None` when it is none of a consumer.
    pub fn parse(metadata: &Bytes) -> Option<Self> {
        let mut reader = Reader::new(metadata.clone());
        let version = reader.i16().ok()?;
        if version < 0 {
            return None;
        }
        let version = version.min(CONSUMER_PROTOCOL_VERSION);
        let subscription = ConsumerProtocolSubscription::decode(&mut reader, version).ok()?;
        let owned_partitions = subscription.owned_partitions.iter();
        Some(Self {
            topics: subscription.topics.iter().map(owned).collect(),
            owned_partitions: owned_partitions
                .map(|topic| (owned(&topic.topic), topic.partitions.clone()))
                .collect(),
            rack_id: subscription.rack_id.as_ref().filter(|rack| !rack.is_empty()).map(owned),
        })
    }
}

/// The topics of a consumer's subscription. Its version 0 is the beginning of every version, so that newer
/// ones can be read as well.
fn subscription_topics(metadata: &Bytes) -> Option<Vec<Str>> {
    let mut reader = Reader::new(metadata.clone());
    reader.i16().ok()?;
    let subscription = ConsumerProtocolSubscription::decode(&mut reader, 0).ok()?;
    Some(subscription.topics.iter().map(owned).collect())
}

#[cfg(test)]
#[path = "protocols_test.rs"]
mod tests;

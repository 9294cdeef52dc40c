//! Subscriptions and assignments as bytes (`ConsumerProtocol`): a version, then the message. Versions newer than known are
//! read as the newest known; what they add stands at the end.

use bytes::Bytes;
use ottla_protocol::messages::consumer_protocol_assignment::TopicPartition as AssignedTopic;
use ottla_protocol::messages::consumer_protocol_subscription::TopicPartition as OwnedTopic;
use ottla_protocol::messages::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use ottla_protocol::{DecodeError, Message, Reader, TopicPartition, encode_versioned};

use super::java::compare;
use super::{Assignment, MemberSubscription};
use crate::{Error, Result};

/// Newest version of both.
const VERSION: i16 = 3;

/// A subscription in the newest version.
///
/// # Errors
/// When a name is too long for the protocol.
pub fn encode_subscription(subscription: &MemberSubscription) -> Result<Bytes> {
    encode_subscription_as(subscription, VERSION)
}

/// A subscription in a version from 0 to 3; what the version has no place for is left out.
///
/// # Errors
/// When a name is too long for the protocol.
pub fn encode_subscription_as(subscription: &MemberSubscription, version: i16) -> Result<Bytes> {
    let version = version.clamp(0, VERSION);
    let mut topics = subscription.topics.clone();
    topics.sort_by(|a, b| compare(a, b));
    let mut owned = subscription.owned_partitions.clone();
    owned.sort_by(|a, b| compare(&a.topic, &b.topic).then(a.partition.cmp(&b.partition)));
    let mut owned_partitions: Vec<OwnedTopic> = Vec::new();
    for TopicPartition { topic, partition } in owned.into_iter().filter(|_| version >= 1) {
        match owned_partitions.last_mut().filter(|last| last.topic == topic) {
            Some(last) => last.partitions.push(partition),
            None => owned_partitions.push(OwnedTopic { topic, partitions: vec![partition] }),
        }
    }
    let message = ConsumerProtocolSubscription {
        topics,
        user_data: subscription.user_data.clone(),
        owned_partitions,
        generation_id: if version >= 2 { subscription.generation_id.unwrap_or(-1) } else { -1 },
        rack_id: subscription.rack_id.clone().filter(|_| version >= 3),
    };
    encode_versioned(&message, version)
        .map_err(|e| Error::Illegal(format!("the subscription can't be sent: {e}")))
}

/// A subscription from its bytes.
///
/// # Errors
/// When they are none.
pub fn decode_subscription(bytes: Bytes) -> Result<MemberSubscription> {
    let message: ConsumerProtocolSubscription = decode(bytes, "subscription")?;
    Ok(MemberSubscription {
        topics: message.topics,
        user_data: message.user_data,
        owned_partitions: flat(message.owned_partitions.into_iter().map(|t| (t.topic, t.partitions))),
        generation_id: Some(message.generation_id).filter(|id| *id >= 0),
        rack_id: message.rack_id.filter(|rack| !rack.is_empty()),
        group_instance_id: None,
    })
}

/// An assignment in the newest version.
///
/// # Errors
/// When a name is too long for the protocol.
pub fn encode_assignment(assignment: &Assignment) -> Result<Bytes> {
    encode_assignment_as(assignment, VERSION)
}

/// An assignment in a version from 0 to 3 (which are all alike).
///
/// # Errors
/// When a name is too long for the protocol.
pub fn encode_assignment_as(assignment: &Assignment, version: i16) -> Result<Bytes> {
    let mut assigned_partitions: Vec<AssignedTopic> = Vec::new();
    let mut place: std::collections::HashMap<&str, usize> = std::collections::HashMap::new();
    for TopicPartition { topic, partition } in &assignment.partitions {
        let at = *place.entry(topic).or_insert_with(|| {
            assigned_partitions.push(AssignedTopic { topic: topic.clone(), partitions: Vec::new() });
            assigned_partitions.len() - 1
        });
        if let Some(topic) = assigned_partitions.get_mut(at) {
            topic.partitions.push(*partition);
        }
    }
    let message = ConsumerProtocolAssignment { assigned_partitions, user_data: assignment.user_data.clone() };
    encode_versioned(&message, version.clamp(0, VERSION))
        .map_err(|e| Error::Illegal(format!("the assignment can't be sent: {e}")))
}

/// An assignment from its bytes.
///
/// # Errors
/// When they are none.
pub fn decode_assignment(bytes: Bytes) -> Result<Assignment> {
    let message: ConsumerProtocolAssignment = decode(bytes, "assignment")?;
    Ok(Assignment {
        partitions: flat(message.assigned_partitions.into_iter().map(|t| (t.topic, t.partitions))),
        user_data: message.user_data,
    })
}

fn decode<M: Message>(bytes: Bytes, what: &str) -> Result<M> {
    let read = |bytes: Bytes| -> Result<M, DecodeError> {
        let mut reader = Reader::new(bytes);
        let version = reader.i16()?;
        M::decode(&mut reader, version.min(VERSION))
    };
    read(bytes).map_err(|e| Error::Protocol(format!("a member's {what} can't be read: {e}")))
}

fn flat(topics: impl Iterator<Item = (ottla_protocol::Str, Vec<i32>)>) -> Vec<TopicPartition> {
    topics
        .flat_map(|(topic, partitions)| {
            partitions.into_iter().map(move |partition| TopicPartition { topic: topic.clone(), partition })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> MemberSubscription {
        MemberSubscription {
            topics: vec!["b".into(), "a".into()],
            user_data: Some(Bytes::from_static(b"x")),
            owned_partitions: vec![
                TopicPartition::new("b", 1),
                TopicPartition::new("a", 2),
                TopicPartition::new("b", 0),
            ],
            generation_id: Some(7),
            rack_id: Some("r".into()),
            group_instance_id: None,
        }
    }

    #[test]
    fn a_subscription_keeps_what_its_version_has_a_place_for() {
        for version in 0..=3 {
            let back = decode_subscription(encode_subscription_as(&full(), version).unwrap()).unwrap();
            assert_eq!(back.topics, ["a", "b"]);
            assert_eq!(back.user_data, full().user_data);
            assert_eq!(back.owned_partitions.len(), if version >= 1 { 3 } else { 0 });
            assert_eq!(back.generation_id, (version >= 2).then_some(7));
            assert_eq!(back.rack_id.is_some(), version >= 3);
        }
    }

    #[test]
    fn a_newer_version_is_read_as_the_newest_known() {
        let mut bytes = encode_subscription(&full()).unwrap().to_vec();
        bytes[1] = 9;
        bytes.extend_from_slice(b"more");
        assert_eq!(decode_subscription(bytes.into()).unwrap().generation_id, Some(7));
        assert!(decode_subscription(Bytes::from_static(&[0xff, 0xff])).is_err());
        assert!(decode_subscription(Bytes::new()).is_err());
    }

    #[test]
    fn an_assignment_groups_by_topic_in_the_order_of_first_occurrence() {
        let assignment = Assignment {
            partitions: vec![
                TopicPartition::new("b", 1),
                TopicPartition::new("a", 2),
                TopicPartition::new("b", 0),
            ],
            user_data: None,
        };
        for version in 0..=3 {
            let back = decode_assignment(encode_assignment_as(&assignment, version).unwrap()).unwrap();
            let text: Vec<String> = back.partitions.iter().map(ToString::to_string).collect();
            assert_eq!(text, ["b-1", "b-0", "a-2"]);
        }
    }
}

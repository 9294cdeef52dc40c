//! Groups of consumers described (ConsumerGroupDescribe, DescribeGroups) and deleted (DeleteGroups).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ottla_protocol::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup as ConsumerGroup, Member as ConsumerMember,
};
use ottla_protocol::messages::describe_groups_response::{
    DescribedGroup as ClassicGroup, DescribedGroupMember,
};
use ottla_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerProtocolAssignment,
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
};
use ottla_protocol::{ErrorCode, Message, Reader, Str, TopicPartition};
use tokio::time::Instant;

use super::keyed::{Answer, Keyed};
use super::lookup::Coordinators;
use super::types::authorized_operations;
use super::{AclOperation, Admin, GroupState, GroupType, PerKey, TimeoutOptions};
use crate::cluster::{CoordinatorKind, Node};
use crate::{Error, Result};

/// Options of the operations that describe groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeGroupsOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// Whether to say what the principal may do with each group.
    pub include_authorized_operations: bool,
}

/// A group of consumers (`ConsumerGroupDescription`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupDescription {
    /// Its id.
    pub group_id: Str,
    /// Whether it only holds offsets.
    pub is_simple_consumer_group: bool,
    /// Its members.
    pub members: Vec<MemberDescription>,
    /// Name of the assignor.
    pub partition_assignor: Str,
    /// Classic or consumer.
    pub group_type: GroupType,
    /// How it is.
    pub state: GroupState,
    /// The broker that coordinates it.
    pub coordinator: Node,
    /// What the principal may do; nothing when that was not asked for.
    pub authorized_operations: Option<BTreeSet<AclOperation>>,
    /// Epoch of the group; nothing for classic groups.
    pub group_epoch: Option<i32>,
    /// Epoch of the assignment that members go over to; nothing for classic groups.
    pub target_assignment_epoch: Option<i32>,
}

/// A member of a group (`MemberDescription`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberDescription {
    /// Its id.
    pub member_id: Str,
    /// `group.instance.id`.
    pub group_instance_id: Option<Str>,
    /// Its rack; nothing in classic groups.
    pub rack_id: Option<Str>,
    /// `client.id`.
    pub client_id: Str,
    /// Where it connects from.
    pub host: Str,
    /// What it has.
    pub assignment: BTreeSet<TopicPartition>,
    /// What it shall have; nothing in classic groups.
    pub target_assignment: Option<BTreeSet<TopicPartition>>,
    /// Its epoch; nothing in classic groups.
    pub member_epoch: Option<i32>,
    /// Whether it has come over to the protocol of consumer groups; nothing where the broker does not say.
    pub upgraded: Option<bool>,
}

/// A classic group of any protocol (`ClassicGroupDescription`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicGroupDescription {
    /// Its id.
    pub group_id: Str,
    /// Its protocol type: `consumer`, `connect`, ...; empty for groups that only hold offsets.
    pub protocol: Str,
    /// What the protocol calls its data; for consumers the name of the assignor.
    pub protocol_data: Str,
    /// Its members; assignments are told for consumers only.
    pub members: Vec<MemberDescription>,
    /// How it is.
    pub state: GroupState,
    /// The broker that coordinates it.
    pub coordinator: Node,
    /// What the principal may do; nothing when that was not asked for.
    pub authorized_operations: Option<BTreeSet<AclOperation>>,
}

impl ClassicGroupDescription {
    /// Whether it only holds offsets.
    pub fn is_simple_consumer_group(&self) -> bool {
        self.protocol.is_empty()
    }
}

const GROUPS: Coordinators = Coordinators(CoordinatorKind::Group);

impl Admin {
    /// Describes groups of consumers, of the new protocol and the classic one.
    ///
    /// # Errors
    /// For each group: GROUP_ID_NOT_FOUND, GROUP_AUTHORIZATION_FAILED, ...
    pub async fn describe_consumer_groups(
        &self,
        group_ids: &[Str],
        options: &DescribeGroupsOptions,
    ) -> PerKey<Str, ConsumerGroupDescription> {
        let deadline = self.deadline(options.timeout);
        let handler = DescribeConsumer { options };
        let answers = self.run_keyed(&handler, &GROUPS, group_ids.iter().cloned(), deadline).await;
        let mut done = PerKey::new();
        let mut classic = BTreeMap::new();
        for (group_id, answer) in answers {
            match answer {
                Ok(Described::Group(group)) => drop(done.insert(group_id, Ok(group))),
                Ok(Described::AskAsClassic(message)) => drop(classic.insert(group_id, message)),
                Err(error) => drop(done.insert(group_id, Err(error))),
            }
        }
        if !classic.is_empty() {
            done.extend(self.describe_as_classic(classic, options, deadline).await);
        }
        done
    }

    async fn describe_as_classic(
        &self,
        mut groups: BTreeMap<Str, Option<String>>,
        options: &DescribeGroupsOptions,
        deadline: Instant,
    ) -> PerKey<Str, ConsumerGroupDescription> {
        let handler = DescribeClassic { options };
        let ids: Vec<Str> = groups.keys().cloned().collect();
        let answers = self.run_keyed(&handler, &GROUPS, ids, deadline).await;
        let mut consumer = |id: Str, answer: Result<ClassicGroupDescription>| {
            let result = match answer {
                // The words of the first answer say more.
                Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => {
                    let first = groups.remove(&id).flatten();
                    Err(first.map_or(error, |text| Error::api(ErrorCode::GroupIdNotFound, Some(&text))))
                }
                Err(error) => Err(error),
                Ok(group) => as_consumer_group(group),
            };
            (id, result)
        };
        answers.into_iter().map(|(id, answer)| consumer(id, answer)).collect()
    }

    /// Describes classic groups of any protocol.
    ///
    /// # Errors
    /// For each group: GROUP_ID_NOT_FOUND, GROUP_AUTHORIZATION_FAILED, ...
    pub async fn describe_classic_groups(
        &self,
        group_ids: &[Str],
        options: &DescribeGroupsOptions,
    ) -> PerKey<Str, ClassicGroupDescription> {
        let deadline = self.deadline(options.timeout);
        let handler = DescribeClassic { options };
        self.run_keyed(&handler, &GROUPS, group_ids.iter().cloned(), deadline).await
    }

    /// Deletes groups that have no members, of any kind but share groups, with their offsets.
    ///
    /// # Errors
    /// For each group: NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND, GROUP_AUTHORIZATION_FAILED, ...
    pub async fn delete_consumer_groups(
        &self,
        group_ids: &[Str],
        options: &TimeoutOptions,
    ) -> PerKey<Str, ()> {
        let deadline = self.deadline(options.timeout);
        self.run_keyed(&DeleteGroups, &GROUPS, group_ids.iter().cloned(), deadline).await
    }

    /// Deletes share groups that have no members.
    ///
    /// # Errors
    /// As [`Admin::delete_consumer_groups`].
    pub async fn delete_share_groups(&self, group_ids: &[Str], options: &TimeoutOptions) -> PerKey<Str, ()> {
        self.delete_consumer_groups(group_ids, options).await
    }

    /// Deletes streams groups that have no members.
    ///
    /// # Errors
    /// As [`Admin::delete_consumer_groups`].
    pub async fn delete_streams_groups(
        &self,
        group_ids: &[Str],
        options: &TimeoutOptions,
    ) -> PerKey<Str, ()> {
        self.delete_consumer_groups(group_ids, options).await
    }
}

/// What ConsumerGroupDescribe says of a group.
enum Described {
    Group(ConsumerGroupDescription),
    /// The group is none of the new protocol, or the broker does not know that protocol: with the broker's words.
    AskAsClassic(Option<String>),
}

struct DescribeConsumer<'a> {
    options: &'a DescribeGroupsOptions,
}

impl Keyed for DescribeConsumer<'_> {
    type Key = Str;
    type Value = Described;
    type Request = ConsumerGroupDescribeRequest;
    const NAME: &'static str = "describeGroups";

    fn request(&self, keys: &[Str], _: i16, _: i32) -> Result<ConsumerGroupDescribeRequest> {
        Ok(ConsumerGroupDescribeRequest {
            group_ids: keys.to_vec(),
            include_authorized_operations: self.options.include_authorized_operations,
        })
    }

    fn respond(
        &self,
        broker: &Node,
        _: &[Str],
        _: i16,
        response: ConsumerGroupDescribeResponse,
    ) -> Answer<Str, Described> {
        let mut answer = Answer::default();
        for group in response.groups {
            let id = group.group_id.clone();
            match ErrorCode::from_code(group.error_code) {
                ErrorCode::None => answer.complete(id, Described::Group(consumer_group(group, broker))),
                ErrorCode::UnsupportedVersion => answer.complete(id, Described::AskAsClassic(None)),
                ErrorCode::GroupIdNotFound => {
                    let message = group.error_message.map(|text| text.to_string());
                    answer.complete(id, Described::AskAsClassic(message));
                }
                code => answer.coordinator_error(id, code, group.error_message.as_deref()),
            }
        }
        answer
    }

    fn unsupported(&self, keys: &[Str], _: &Error) -> Vec<(Str, Result<Described>)> {
        keys.iter().map(|key| (key.clone(), Ok(Described::AskAsClassic(None)))).collect()
    }
}

struct DescribeClassic<'a> {
    options: &'a DescribeGroupsOptions,
}

impl Keyed for DescribeClassic<'_> {
    type Key = Str;
    type Value = ClassicGroupDescription;
    type Request = DescribeGroupsRequest;
    const NAME: &'static str = "describeClassicGroups";

    fn versions(&self, _: &[Str]) -> (i16, i16) {
        (if self.options.include_authorized_operations { 3 } else { 0 }, 6)
    }

    fn request(&self, keys: &[Str], _: i16, _: i32) -> Result<DescribeGroupsRequest> {
        Ok(DescribeGroupsRequest {
            groups: keys.to_vec(),
            include_authorized_operations: self.options.include_authorized_operations,
        })
    }

    fn respond(
        &self,
        broker: &Node,
        _: &[Str],
        _: i16,
        response: DescribeGroupsResponse,
    ) -> Answer<Str, ClassicGroupDescription> {
        let mut answer = Answer::default();
        for group in response.groups {
            let id = group.group_id.clone();
            match ErrorCode::from_code(group.error_code) {
                ErrorCode::None => match classic_group(group, broker) {
                    Ok(group) => answer.complete(id, group),
                    Err(error) => answer.fail(id, error),
                },
                code => answer.coordinator_error(id, code, group.error_message.as_deref()),
            }
        }
        answer
    }
}

struct DeleteGroups;

impl Keyed for DeleteGroups {
    type Key = Str;
    type Value = ();
    type Request = DeleteGroupsRequest;
    const NAME: &'static str = "deleteConsumerGroups";

    fn request(&self, keys: &[Str], _: i16, _: i32) -> Result<DeleteGroupsRequest> {
        Ok(DeleteGroupsRequest { groups_names: keys.to_vec() })
    }

    fn respond(&self, _: &Node, _: &[Str], _: i16, response: DeleteGroupsResponse) -> Answer<Str, ()> {
        let mut answer = Answer::default();
        for group in response.results {
            match ErrorCode::from_code(group.error_code) {
                ErrorCode::None => answer.complete(group.group_id, ()),
                code => answer.coordinator_error(group.group_id, code, None),
            }
        }
        answer
    }
}

fn consumer_group(group: ConsumerGroup, coordinator: &Node) -> ConsumerGroupDescription {
    let member = |it: ConsumerMember| MemberDescription {
        member_id: it.member_id,
        group_instance_id: it.instance_id,
        rack_id: it.rack_id,
        client_id: it.client_id,
        host: it.client_host,
        assignment: partitions(it.assignment),
        target_assignment: Some(partitions(it.target_assignment)),
        member_epoch: Some(it.member_epoch),
        upgraded: (it.member_type != -1).then_some(it.member_type == 1),
    };
    ConsumerGroupDescription {
        group_id: group.group_id,
        is_simple_consumer_group: false,
        members: group.members.into_iter().map(member).collect(),
        partition_assignor: group.assignor_name,
        group_type: GroupType::Consumer,
        state: GroupState::parse(&group.group_state),
        coordinator: coordinator.clone(),
        authorized_operations: authorized_operations(group.authorized_operations),
        group_epoch: Some(group.group_epoch),
        target_assignment_epoch: Some(group.assignment_epoch),
    }
}

fn partitions(assignment: Assignment) -> BTreeSet<TopicPartition> {
    let topics = assignment.topic_partitions.into_iter();
    topics.flat_map(|it| spread(it.topic_name, it.partitions)).collect()
}

/// The partitions of a topic.
pub(super) fn spread(topic: Str, partitions: Vec<i32>) -> impl Iterator<Item = TopicPartition> {
    partitions.into_iter().map(move |partition| TopicPartition { topic: topic.clone(), partition })
}

fn classic_group(group: ClassicGroup, coordinator: &Node) -> Result<ClassicGroupDescription> {
    let of_consumers = group.protocol_type.is_empty() || group.protocol_type == "consumer";
    let member = |it: DescribedGroupMember| {
        Ok(MemberDescription {
            member_id: it.member_id,
            group_instance_id: it.group_instance_id,
            rack_id: None,
            client_id: it.client_id,
            host: it.client_host,
            assignment: if of_consumers {
                classic_assignment(it.member_assignment)?
            } else {
                BTreeSet::new()
            },
            target_assignment: None,
            member_epoch: None,
            upgraded: None,
        })
    };
    Ok(ClassicGroupDescription {
        members: group.members.into_iter().map(member).collect::<Result<_>>()?,
        group_id: group.group_id,
        protocol: group.protocol_type,
        protocol_data: group.protocol_data,
        state: GroupState::parse(&group.group_state),
        coordinator: coordinator.clone(),
        authorized_operations: authorized_operations(group.authorized_operations),
    })
}

fn classic_assignment(bytes: Bytes) -> Result<BTreeSet<TopicPartition>> {
    if bytes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let unreadable = |error| Error::Protocol(format!("The assignment of a member can't be read: {error}"));
    let mut reader = Reader::new(bytes);
    // A newer version has these fields too, and others behind them.
    let version = reader.i16().map_err(unreadable)?.min(ConsumerProtocolAssignment::MAX_VERSION);
    let assignment = ConsumerProtocolAssignment::decode(&mut reader, version).map_err(unreadable)?;
    let topics = assignment.assigned_partitions.into_iter();
    Ok(topics.flat_map(|it| spread(it.topic, it.partitions)).collect())
}

fn as_consumer_group(group: ClassicGroupDescription) -> Result<ConsumerGroupDescription> {
    if !group.protocol.is_empty() && group.protocol != "consumer" {
        let text = format!("GroupId {} is not a consumer group ({}).", group.group_id, group.protocol);
        return Err(Error::Illegal(text));
    }
    Ok(ConsumerGroupDescription {
        is_simple_consumer_group: group.protocol.is_empty(),
        group_id: group.group_id,
        members: group.members,
        partition_assignor: group.protocol_data,
        group_type: GroupType::Classic,
        state: group.state,
        coordinator: group.coordinator,
        authorized_operations: group.authorized_operations,
        group_epoch: None,
        target_assignment_epoch: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::encode_versioned;
    use ottla_protocol::messages::consumer_protocol_assignment::TopicPartition as AssignedTopic;

    fn node() -> Node {
        Node { id: 1, host: "h".into(), port: 9092, rack: None }
    }

    fn classic(protocol: &str, assignment: Bytes) -> ClassicGroup {
        let member = DescribedGroupMember { member_assignment: assignment, ..Default::default() };
        ClassicGroup {
            group_id: "g".into(),
            protocol_type: protocol.into(),
            group_state: "Stable".into(),
            members: vec![member],
            ..Default::default()
        }
    }

    #[test]
    fn assignments_of_classic_members_are_read() {
        let assigned = AssignedTopic { topic: "t".into(), partitions: vec![1, 0] };
        let assignment = ConsumerProtocolAssignment { assigned_partitions: vec![assigned], user_data: None };
        let bytes = encode_versioned(&assignment, 3).unwrap();
        let group = classic_group(classic("consumer", bytes.clone()), &node()).unwrap();
        let expected = BTreeSet::from([TopicPartition::new("t", 0), TopicPartition::new("t", 1)]);
        assert_eq!(group.members[0].assignment, expected);
        assert_eq!(as_consumer_group(group).unwrap().group_type, GroupType::Classic);
        assert!(classic_group(classic("consumer", bytes.slice(..3)), &node()).is_err());
        let group = classic_group(classic("connect", bytes.slice(..3)), &node()).unwrap();
        assert!(group.members[0].assignment.is_empty());
        assert_eq!(
            as_consumer_group(group).unwrap_err().to_string(),
            "GroupId g is not a consumer group (connect)."
        );
    }

    #[test]
    fn groups_of_the_other_protocol_are_asked_for_again() {
        let options = DescribeGroupsOptions::default();
        let group = |id: &str, code: ErrorCode| ConsumerGroup {
            group_id: id.into(),
            error_code: code as i16,
            error_message: Some("words".into()),
            ..Default::default()
        };
        let groups = vec![
            group("a", ErrorCode::None),
            group("b", ErrorCode::GroupIdNotFound),
            group("c", ErrorCode::NotCoordinator),
            group("d", ErrorCode::GroupAuthorizationFailed),
        ];
        let response = ConsumerGroupDescribeResponse { groups, ..Default::default() };
        let answer = DescribeConsumer { options: &options }.respond(&node(), &[], 1, response);
        assert_eq!(answer.unmapped, ["c"]);
        let kinds: Vec<&str> = answer
            .settled
            .iter()
            .map(|(_, result)| match result {
                Ok(Described::Group(_)) => "group",
                Ok(Described::AskAsClassic(Some(_))) => "classic",
                Ok(Described::AskAsClassic(None)) => "",
                Err(_) => "error",
            })
            .collect();
        assert_eq!(kinds, ["group", "classic", "error"]);
    }
}

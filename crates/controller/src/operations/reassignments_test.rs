//! Tests of AlterPartitionReassignments and ListPartitionReassignments.

use ottla_protocol::Str;
use ottla_protocol::messages::alter_partition_reassignments_request::ReassignableTopic;
use ottla_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use ottla_protocol::messages::{
    AlterPartitionRequest, ListPartitionReassignmentsRequest, alter_partition_request,
};

use super::*;
use crate::testing::{World, error};

fn move_to(
    world: &mut World,
    topic: &str,
    partition_index: i32,
    replicas: Option<&[i32]>,
    may_change: bool,
) -> (ErrorCode, Option<String>) {
    let partition = ReassignablePartition { partition_index, replicas: replicas.map(<[i32]>::to_vec) };
    let topic = ReassignableTopic { name: topic.into(), partitions: vec![partition] };
    let request = AlterPartitionReassignmentsRequest {
        allow_replication_factor_change: may_change,
        topics: vec![topic],
        ..Default::default()
    };
    let response = world.run(|controller, ctx| controller.alter_partition_reassignments(&request, ctx));
    assert_eq!((response.error_code, &response.error_message), (0, &None));
    let partition = &response.responses[0].partitions[0];
    let (code, message) = error(partition.error_code, &partition.error_message);
    (code, message.map(str::to_owned))
}

/// Topic, partition, replicas, those that come, those that go.
type Ongoing = (String, i32, Vec<i32>, Vec<i32>, Vec<i32>);

fn listed(world: &World, topics: Option<&[(&str, &[i32])]>) -> Vec<Ongoing> {
    let topic = |(name, partitions): &(&str, &[i32])| ListPartitionReassignmentsTopics {
        name: Str::from(*name),
        partition_indexes: partitions.to_vec(),
    };
    let topics = topics.map(|topics| topics.iter().map(topic).collect());
    let request = ListPartitionReassignmentsRequest { topics, ..Default::default() };
    let response = world.controller.list_partition_reassignments(&request);
    let partitions = response.topics.into_iter().flat_map(|topic| {
        let name = topic.name.to_string();
        topic.partitions.into_iter().map(move |partition| (name.clone(), partition))
    });
    partitions
        .map(|(name, p)| (name, p.partition_index, p.replicas, p.adding_replicas, p.removing_replicas))
        .collect()
}

/// The leader says who is in sync.
fn report_isr(world: &mut World, topic: &str, isr: &[i32]) {
    let partition = world.partition(topic, 0);
    let data = alter_partition_request::PartitionData {
        partition_index: 0,
        leader_epoch: partition.leader_epoch,
        partition_epoch: partition.partition_epoch,
        new_isr: isr.to_vec(),
        ..Default::default()
    };
    let topic_id = world.controller.image().topics.topic_id(topic).unwrap();
    let request = AlterPartitionRequest {
        broker_id: partition.leader,
        broker_epoch: world.controller.image().cluster.broker_epoch(partition.leader),
        topics: vec![alter_partition_request::TopicData { topic_id, partitions: vec![data] }],
    };
    let result =
        world.decide_as(crate::RequestOrigin::Controller, 2, |c, ctx| c.alter_partition(&request, ctx));
    assert_eq!(result.response.error_code, 0);
    world.append(result);
}

const FINE: (ErrorCode, Option<String>) = (ErrorCode::None, None);

#[test]
fn a_move_from_begin_to_end() {
    let mut world = World::of_brokers(3);
    world.create_assigned("a", &[&[0, 1]]);
    assert_eq!(listed(&world, None), []);
    assert_eq!(move_to(&mut world, "a", 0, Some(&[2, 1]), true), FINE);
    let ongoing = [("a".to_owned(), 0, vec![2, 1, 0], vec![2], vec![0])];
    assert_eq!(listed(&world, None), ongoing);
    assert_eq!(listed(&world, Some(&[("a", &[0, 9]), ("b", &[0])])), ongoing);
    assert_eq!(listed(&world, Some(&[("a", &[1])])), []);
    report_isr(&mut world, "a", &[0, 1, 2]);
    let partition = world.partition("a", 0);
    assert_eq!((&*partition.replicas, &*partition.isr, partition.leader), (&[2, 1][..], &[1, 2][..], 2));
    assert_eq!(listed(&world, None), []);
}

#[test]
fn called_off() {
    let mut world = World::of_brokers(3);
    world.create_assigned("a", &[&[0, 1]]);
    assert_eq!(move_to(&mut world, "a", 0, None, true), (ErrorCode::NoReassignmentInProgress, None));
    assert_eq!(move_to(&mut world, "a", 0, Some(&[2, 1]), true), FINE);
    assert_eq!(move_to(&mut world, "a", 0, None, true), FINE);
    let partition = world.partition("a", 0);
    assert_eq!((&*partition.replicas, partition.leader), (&[1, 0][..], 0));
    assert!(!partition.is_reassignment_in_progress());
}

#[test]
fn on_one_broker() {
    let mut world = World::of_brokers(1);
    world.create_assigned("a", &[&[0]]);
    let before = world.log.len();
    assert_eq!(move_to(&mut world, "a", 0, Some(&[0]), true), FINE);
    assert_eq!(world.log.len(), before, "there is nothing to move");
    let (code, message) = move_to(&mut world, "a", 0, Some(&[5]), true);
    let text = "The manual partition assignment includes broker 5, but no such broker is registered.";
    assert_eq!((code, message.as_deref()), (ErrorCode::InvalidReplicaAssignment, Some(text)));
    let (code, message) = move_to(&mut world, "b", 0, Some(&[0]), true);
    assert_eq!(
        (code, message.as_deref()),
        (ErrorCode::UnknownTopicOrPartition, Some("Unable to find a topic named b."))
    );
    let (_, message) = move_to(&mut world, "a", 4, Some(&[0]), true);
    assert_eq!(message.as_deref(), Some("Unable to find partition a:4."));
}

#[test]
fn the_number_of_replicas() {
    let mut world = World::of_brokers(3);
    world.create_assigned("a", &[&[0, 1]]);
    let (code, message) = move_to(&mut world, "a", 0, Some(&[0]), false);
    assert_eq!(
        (code, message.as_deref()),
        (ErrorCode::InvalidReplicationFactor, Some("The replication factor is changed from 2 to 1"))
    );
    assert_eq!(move_to(&mut world, "a", 0, Some(&[2, 0]), false), FINE);
    // What counts is how many there are when the move is complete.
    assert_eq!(move_to(&mut world, "a", 0, Some(&[2, 1]), false), FINE);
    assert_eq!(move_to(&mut world, "a", 0, Some(&[0, 1, 2]), false).0, ErrorCode::InvalidReplicationFactor);
}

use ottla_protocol::messages::elect_leaders_request::TopicPartitions;

use super::*;
use crate::testing::{World, error};

fn run(world: &mut World, election_type: i8, topics: Option<&[(&str, &[i32])]>) -> ElectLeadersResponse {
    let topic = |(topic, partitions): &(&str, &[i32])| TopicPartitions {
        topic: Str::from(*topic),
        partitions: partitions.to_vec(),
    };
    let topic_partitions = topics.map(|topics| topics.iter().map(topic).collect());
    let request = ElectLeadersRequest { election_type, topic_partitions, ..Default::default() };
    world.run(|controller, ctx| controller.elect_leaders(&request, ctx))
}

fn brief(response: &ElectLeadersResponse) -> Vec<(&str, i32, ErrorCode, Option<&str>)> {
    let topics = response.replica_election_results.iter();
    topics
        .flat_map(|topic| topic.partition_result.iter().map(move |p| (topic, p)))
        .map(|(topic, p)| {
            let (code, message) = error(p.error_code, &p.error_message);
            (&*topic.topic, p.partition_id, code, message)
        })
        .collect()
}

const NOT_NEEDED: &str = "Leader election not needed for topic partition.";

#[test]
fn preferred() {
    let mut world = World::of_brokers(2);
    world.create_assigned("a", &[&[1, 0], &[0, 1]]);
    world.fence(1);
    assert_eq!(world.partition("a", 0).leader, 0);
    let response = run(&mut world, 0, Some(&[("a", &[0, 1, 7]), ("b", &[0])]));
    assert_eq!(response.error_code, 0);
    assert_eq!(
        brief(&response),
        [
            ("a", 0, ErrorCode::PreferredLeaderNotAvailable, Some("The preferred leader was not available.")),
            ("a", 1, ErrorCode::ElectionNotNeeded, Some(NOT_NEEDED)),
            ("a", 7, ErrorCode::UnknownTopicOrPartition, Some("No such partition as a-7")),
            ("b", 0, ErrorCode::UnknownTopicOrPartition, Some("No such topic as b")),
        ]
    );
    // Broker 1 comes back into sync.
    world.start_broker(1);
    let change = ottla_protocol::messages::PartitionChangeRecord {
        topic_id: world.controller.image().topics.topic_id("a").unwrap(),
        partition_id: 0,
        isr: Some(vec![1, 0]),
        ..Default::default()
    };
    let record = ottla_protocol::messages::metadata::MetadataRecord::PartitionChange(change);
    world.append(ControllerResult::of(vec![(record, 2)], ()));
    // Without a list, only what was done is told.
    assert_eq!(brief(&run(&mut world, 0, None)), [("a", 0, ErrorCode::None, None)]);
    assert_eq!(world.partition("a", 0).leader, 1);
    assert_eq!(brief(&run(&mut world, 0, None)), []);
}

#[test]
fn unclean() {
    let mut world = World::of_brokers(2);
    world.create_assigned("a", &[&[0, 1]]);
    let response = run(&mut world, 1, Some(&[("a", &[0])]));
    assert_eq!(brief(&response), [("a", 0, ErrorCode::ElectionNotNeeded, Some(NOT_NEEDED))]);
    world.fence(1);
    world.fence(0);
    let response = run(&mut world, 1, Some(&[("a", &[0])]));
    let text = "Eligible topic partition leaders are not available.";
    assert_eq!(brief(&response), [("a", 0, ErrorCode::EligibleLeadersNotAvailable, Some(text))]);
    world.start_broker(1);
    assert!(!world.partition("a", 0).has_leader(), "broker 1 is not in sync");
    let response = run(&mut world, 1, Some(&[("a", &[0])]));
    assert_eq!(brief(&response), [("a", 0, ErrorCode::None, None)]);
    let partition = world.partition("a", 0);
    assert_eq!((partition.leader, &*partition.isr), (1, &[1][..]));
    assert_eq!(partition.leader_recovery_state, ottla_metadata::LeaderRecoveryState::Recovering);
}

#[test]
fn an_unknown_type() {
    let mut world = World::of_brokers(1);
    let response = run(&mut world, 5, Some(&[("a", &[0])]));
    assert_eq!(ErrorCode::from_code(response.error_code), ErrorCode::InvalidRequest);
    assert_eq!(brief(&response), [("a", 0, ErrorCode::InvalidRequest, Some("Unknown election type 5"))]);
}

use ottla_protocol::Str;
use ottla_protocol::messages::create_partitions_request::CreatePartitionsAssignment;

use super::*;
use crate::testing::{World, error, topic};

fn more(name: &str, count: i32, assignments: Option<&[&[i32]]>) -> CreatePartitionsTopic {
    let assignment = |brokers: &&[i32]| CreatePartitionsAssignment { broker_ids: brokers.to_vec() };
    let assignments = assignments.map(|list| list.iter().map(assignment).collect());
    CreatePartitionsTopic { name: name.into(), count, assignments }
}

fn run(world: &mut World, topics: Vec<CreatePartitionsTopic>) -> Vec<(ErrorCode, Option<String>)> {
    let request = CreatePartitionsRequest { topics, ..Default::default() };
    let response = world.run(|controller, ctx| controller.create_partitions(&request, ctx));
    let brief = |r: &CreatePartitionsTopicResult| {
        let (code, message) = error(r.error_code, &r.error_message);
        (code, message.map(str::to_owned))
    };
    response.results.iter().map(brief).collect()
}

fn refused(world: &mut World, topic: CreatePartitionsTopic) -> (ErrorCode, String) {
    let before = world.log.len();
    let (code, message) = run(world, vec![topic]).remove(0);
    assert_eq!(world.log.len(), before);
    (code, message.unwrap_or_default())
}

#[test]
fn placed_and_assigned() {
    let mut world = World::of_brokers(2);
    world.create_topics(vec![topic("a", 1, 2)]);
    assert_eq!(run(&mut world, vec![more("a", 3, None)]), [(ErrorCode::None, None)]);
    assert_eq!(world.partition("a", 2).replicas.len(), 2);
    assert_eq!(run(&mut world, vec![more("a", 4, Some(&[&[1, 0]]))]), [(ErrorCode::None, None)]);
    assert_eq!(*world.partition("a", 3).replicas, [1, 0]);
    let request = CreatePartitionsRequest {
        topics: vec![more("a", 9, None)],
        validate_only: true,
        ..Default::default()
    };
    let result = world.decide(|controller, ctx| controller.create_partitions(&request, ctx));
    assert!(result.records.is_empty());
    assert_eq!(result.response.results[0].error_code, 0);
}

#[test]
fn refusals() {
    let mut world = World::of_brokers(2);
    world.create_topics(vec![topic("a", 3, 1)]);
    let invalid = ErrorCode::InvalidPartitions;
    assert_eq!(
        refused(&mut world, more("nope", 3, None)),
        (ErrorCode::UnknownTopicOrPartition, String::new())
    );
    assert_eq!(
        refused(&mut world, more("a", 3, None)),
        (invalid, "Topic already has 3 partition(s).".into())
    );
    assert_eq!(
        refused(&mut world, more("a", -1, None)),
        (invalid, "The topic a currently has 3 partition(s); -1 would not be an increase.".into())
    );
    assert_eq!(
        refused(&mut world, more("a", 5, Some(&[&[0]]))),
        (
            ErrorCode::InvalidReplicaAssignment,
            "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.".into()
        )
    );
    assert_eq!(
        refused(&mut world, more("a", 4, Some(&[&[0, 1]]))).1,
        "The manual partition assignment includes a partition with 2 replica(s), but this is not consistent with \
         previous partitions, which have 1 replica(s)."
    );
    world.fence(1);
    assert_eq!(
        refused(&mut world, more("a", 4, Some(&[&[1]]))).1,
        "All brokers specified in the manual partition assignment for partition 3 are fenced or in controlled \
         shutdown."
    );
    assert_eq!(refused(&mut world, more("a", i32::MAX, None)).0, ErrorCode::PolicyViolation);
}

#[test]
fn a_topic_twice() {
    let mut world = World::of_brokers(1);
    world.create_topics(vec![topic("a", 1, 1), topic("b", 1, 1)]);
    let results = run(&mut world, vec![more("a", 2, None), more("b", 2, None), more("a", 3, None)]);
    let duplicate = (ErrorCode::InvalidRequest, Some("Duplicate topic name.".to_owned()));
    assert_eq!(results, [duplicate, (ErrorCode::None, None)]);
    let partitions =
        |name: &str| world.controller.image().topics.topic(&Str::from(name)).unwrap().partitions.len();
    assert_eq!((partitions("a"), partitions("b")), (1, 2));
}

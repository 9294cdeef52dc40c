use ottla_protocol::Uuid;
use ottla_protocol::messages::alter_partition_request::{BrokerState, TopicData};

use super::*;
use crate::RequestOrigin;
use crate::testing::World;

fn world() -> World {
    let mut world = World::of_brokers(3);
    world.create_assigned("a", &[&[0, 1, 2]]);
    world
}

fn request(world: &World, broker_id: i32, isr: &[i32]) -> AlterPartitionRequest {
    let partition = world.partition("a", 0);
    let epoch = |id: i32| world.controller.image().cluster.broker_epoch(id);
    let data = PartitionData {
        partition_index: 0,
        leader_epoch: partition.leader_epoch,
        partition_epoch: partition.partition_epoch,
        new_isr_with_epochs: isr
            .iter()
            .map(|id| BrokerState { broker_id: *id, broker_epoch: epoch(*id) })
            .collect(),
        ..Default::default()
    };
    let topic_id = world.controller.image().topics.topic_id("a").unwrap();
    AlterPartitionRequest {
        broker_id,
        broker_epoch: epoch(broker_id),
        topics: vec![TopicData { topic_id, partitions: vec![data] }],
    }
}

fn run(world: &mut World, request: &AlterPartitionRequest) -> (ErrorCode, Vec<i32>) {
    let result = world.decide_as(RequestOrigin::Controller, 3, |c, ctx| c.alter_partition(request, ctx));
    let response = world.append(result);
    let code = ErrorCode::from_code(response.error_code);
    match response.topics.first() {
        Some(topic) => {
            let partition = &topic.partitions[0];
            (ErrorCode::from_code(partition.error_code), partition.isr.clone())
        }
        None => (code, Vec::new()),
    }
}

#[test]
fn an_isr_shrinks_and_grows() {
    let mut world = world();
    let shrink = request(&world, 0, &[0, 1]);
    assert_eq!(run(&mut world, &shrink), (ErrorCode::None, vec![0, 1]));
    let partition = world.partition("a", 0);
    assert_eq!((&*partition.isr, partition.partition_epoch, partition.leader_epoch), (&[0, 1][..], 1, 0));
    assert_eq!(run(&mut world, &shrink).0, ErrorCode::InvalidUpdateVersion, "it is said twice");
    let grow = request(&world, 0, &[0, 1, 2]);
    assert_eq!(run(&mut world, &grow), (ErrorCode::None, vec![0, 1, 2]));
}

#[test]
fn refusals() {
    let mut world = world();
    let refused =
        |world: &mut World, change: &dyn Fn(&mut AlterPartitionRequest, usize), broker, isr: &[i32]| {
            let mut request = request(world, broker, isr);
            change(&mut request, 0);
            let before = world.log.len();
            let code = run(world, &request).0;
            assert_eq!(world.log.len(), before);
            code
        };
    let same: &dyn Fn(&mut AlterPartitionRequest, usize) = &|_, _| {};
    assert_eq!(refused(&mut world, same, 1, &[1]), ErrorCode::InvalidRequest);
    assert_eq!(refused(&mut world, same, 0, &[1]), ErrorCode::InvalidRequest);
    assert_eq!(refused(&mut world, same, 0, &[0, 0]), ErrorCode::InvalidRequest);
    assert_eq!(refused(&mut world, same, 0, &[0, 9]), ErrorCode::InvalidRequest);
    assert_eq!(
        refused(&mut world, &|r, _| r.topics[0].partitions[0].leader_epoch = 5, 0, &[0]),
        ErrorCode::NotController
    );
    assert_eq!(
        refused(&mut world, &|r, _| r.topics[0].partitions[0].leader_epoch = -1, 0, &[0]),
        ErrorCode::FencedLeaderEpoch
    );
    assert_eq!(
        refused(&mut world, &|r, _| r.topics[0].partitions[0].partition_epoch = 5, 0, &[0]),
        ErrorCode::NotController
    );
    assert_eq!(
        refused(&mut world, &|r, _| r.topics[0].partitions[0].leader_recovery_state = 1, 0, &[0]),
        ErrorCode::InvalidRequest
    );
    assert_eq!(
        refused(&mut world, &|r, _| r.topics[0].partitions[0].partition_index = 7, 0, &[0]),
        ErrorCode::UnknownTopicOrPartition
    );
    assert_eq!(
        refused(&mut world, &|r, _| r.topics[0].topic_id = Uuid::ONE, 0, &[0]),
        ErrorCode::UnknownTopicId
    );
    assert_eq!(refused(&mut world, &|r, _| r.broker_epoch = 99, 0, &[0]), ErrorCode::StaleBrokerEpoch);
    let stale_member = |r: &mut AlterPartitionRequest, _: usize| {
        r.topics[0].partitions[0].new_isr_with_epochs[1].broker_epoch = 1;
    };
    assert_eq!(refused(&mut world, &stale_member, 0, &[0, 1]), ErrorCode::IneligibleReplica);
    world.fence(2);
    assert_eq!(refused(&mut world, same, 0, &[0, 1, 2]), ErrorCode::IneligibleReplica);
}

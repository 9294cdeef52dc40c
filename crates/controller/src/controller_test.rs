//! Random histories: whatever is asked of the controller, in whatever order, what it decides is sound.

use std::collections::BTreeSet;

use ottla_metadata::{NO_LEADER, PartitionRegistration};
use ottla_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use ottla_protocol::messages::alter_partition_request::{BrokerState, PartitionData, TopicData};
use ottla_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use ottla_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_protocol::messages::update_features_request::FeatureUpdateKey;
use ottla_protocol::messages::*;
use proptest::prelude::*;

use super::*;
use crate::testing::{World, registration, topic};
use crate::{Preprocessed, RequestOrigin};

const BROKERS: i32 = 4;
const TOPICS: [&str; 4] = ["a", "b.c", "b_c", "d"];

/// One thing that happens; the numbers choose among what there is.
#[derive(Clone, Copy, Debug)]
struct Event {
    kind: u8,
    a: u8,
    b: u8,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = (0u8..16, any::<u8>(), any::<u8>()).prop_map(|(kind, a, b)| Event { kind, a, b });
    proptest::collection::vec(event, 1..120)
}

fn broker_of(byte: u8) -> i32 {
    i32::from(byte) % BROKERS
}

fn name_of(byte: u8) -> &'static str {
    TOPICS[usize::from(byte) % TOPICS.len()]
}

/// Some brokers in some order.
fn brokers_of(byte: u8) -> Vec<i32> {
    let first = broker_of(byte);
    (0..1 + i32::from(byte / 64)).map(|step| (first + step) % BROKERS).collect()
}

fn broker_event(world: &mut World, event: Event) {
    let id = broker_of(event.a);
    let beat = world.beat(id);
    match event.kind {
        0 => drop(world.heartbeat(beat)),
        1 => drop(world.heartbeat(BrokerHeartbeatRequest { want_fence: true, ..beat })),
        2 => drop(world.heartbeat(BrokerHeartbeatRequest { want_shut_down: true, ..beat })),
        3 => {
            world.now_ms += i64::from(event.b) * 100;
            let previous_broker_epoch = if event.b.is_multiple_of(2) { beat.broker_epoch } else { -1 };
            let request =
                BrokerRegistrationRequest { previous_broker_epoch, ..registration(id, event.b.into()) };
            let result =
                world.decide_as(RequestOrigin::Controller, 4, |c, ctx| c.register_broker(&request, ctx));
            world.append(result);
        }
        4 => {
            world.now_ms += 1_000;
            let result = world.controller.maybe_fence_one_stale_broker(world.now_ms);
            world.append(result);
        }
        _ => {
            let request = UnregisterBrokerRequest { broker_id: id };
            world.run(|c, ctx| c.unregister_broker(&request, ctx));
        }
    }
}

fn topic_event(world: &mut World, event: Event) {
    let Event { kind, a, b } = event;
    match kind {
        6 if b > 128 => {
            let topic = topic(name_of(a), i32::from(b % 4), i16::from(b % 5));
            world.create_topics(vec![topic]);
        }
        6 => {
            let assignments = vec![create_topics_request::CreatableReplicaAssignment {
                partition_index: 0,
                broker_ids: brokers_of(b),
            }];
            let by_hand = create_topics_request::CreatableTopic { assignments, ..topic(name_of(a), -1, -1) };
            world.create_topics(vec![by_hand]);
        }
        7 if b < 64 => {
            let request = DeleteTopicsRequest { topic_names: vec![name_of(a).into()], ..Default::default() };
            world.run(|c, ctx| c.delete_topics(&request, ctx));
        }
        7 => {
            let request =
                CreatePartitionsTopic { name: name_of(a).into(), count: i32::from(b % 8), assignments: None };
            let request = CreatePartitionsRequest { topics: vec![request], ..Default::default() };
            world.run(|c, ctx| c.create_partitions(&request, ctx));
        }
        8 => {
            let config = AlterableConfig {
                name: ["retention.ms", "min.insync.replicas", "unclean.leader.election.enable"]
                    [usize::from(b % 3)]
                .into(),
                config_operation: i8::from(b > 200),
                value: Some(["1", "2", "true"][usize::from(b % 3)].into()),
            };
            let (resource_type, resource_name) =
                if a > 200 { (4, ottla_protocol::Str::new()) } else { (2, name_of(a).into()) };
            let resources =
                vec![AlterConfigsResource { resource_type, resource_name, configs: vec![config] }];
            let request = IncrementalAlterConfigsRequest { resources, validate_only: false };
            world.run(|c, ctx| {
                c.incremental_alter_configs(&request, Preprocessed::new(), Preprocessed::new(), ctx)
            });
        }
        _ => {
            let election_type = (b % 2) as i8;
            let request = ElectLeadersRequest { election_type, topic_partitions: None, ..Default::default() };
            world.run(|c, ctx| c.elect_leaders(&request, ctx));
        }
    }
}

/// The leader of a topic's first partition reports an ISR, sound or not.
fn report_isr(world: &mut World, event: Event) {
    let image = world.controller.image();
    let Some(topic) = image.topics.topic(name_of(event.a)) else { return };
    let Some(partition) = topic.partitions.get(0) else { return };
    let members =
        brokers_of(event.b).into_iter().map(|broker_id| BrokerState { broker_id, broker_epoch: -1 });
    let data = PartitionData {
        partition_index: 0,
        leader_epoch: partition.leader_epoch,
        partition_epoch: partition.partition_epoch,
        new_isr_with_epochs: members.collect(),
        ..Default::default()
    };
    let request = AlterPartitionRequest {
        broker_id: partition.leader,
        broker_epoch: image.cluster.broker_epoch(partition.leader),
        topics: vec![TopicData { topic_id: topic.id, partitions: vec![data] }],
    };
    let result = world.decide_as(RequestOrigin::Controller, 3, |c, ctx| c.alter_partition(&request, ctx));
    world.append(result);
}

fn other_event(world: &mut World, event: Event) {
    let Event { kind, a, b } = event;
    match kind {
        10 | 11 => report_isr(world, event),
        12 => {
            let replicas = (b < 200).then(|| brokers_of(b));
            let partitions = vec![ReassignablePartition { partition_index: 0, replicas }];
            let topics = vec![ReassignableTopic { name: name_of(a).into(), partitions }];
            let request = AlterPartitionReassignmentsRequest { topics, ..Default::default() };
            world.run(|c, ctx| c.alter_partition_reassignments(&request, ctx));
        }
        13 => {
            let update = FeatureUpdateKey {
                feature: "eligible.leader.replicas.version".into(),
                max_version_level: i16::from(b % 2),
                upgrade_type: 1 + (b % 3) as i8,
                ..Default::default()
            };
            let request = UpdateFeaturesRequest { feature_updates: vec![update], ..Default::default() };
            world.run(|c, ctx| c.update_features(&request, ctx));
        }
        14 => {
            let balanced = world.controller.maybe_balance_partition_leaders();
            world.append(balanced);
            let elected = world.controller.maybe_elect_unclean_leaders();
            world.append(elected);
        }
        _ => {
            let broker_id = broker_of(a);
            let broker_epoch = world.controller.image().cluster.broker_epoch(broker_id);
            let request = AllocateProducerIdsRequest { broker_id, broker_epoch };
            world.run(|c, ctx| c.allocate_producer_ids(&request, ctx));
        }
    }
}

fn happen(world: &mut World, event: Event) {
    match event.kind {
        0..=5 => broker_event(world, event),
        6..=9 => topic_event(world, event),
        _ => other_event(world, event),
    }
}

fn check_partition(world: &World, name: &str, id: i32, partition: &PartitionRegistration) {
    let what = format!("{name}-{id}: {partition:?}");
    let distinct = |list: &[i32]| list.iter().collect::<BTreeSet<_>>().len() == list.len();
    assert!(distinct(&partition.replicas) && distinct(&partition.isr) && distinct(&partition.elr), "{what}");
    assert!(!partition.replicas.is_empty(), "{what}");
    assert_eq!(partition.directories.len(), partition.replicas.len(), "{what}");
    assert!(partition.isr.iter().all(|id| partition.replicas.contains(id)), "{what}");
    assert!(partition.isr.iter().all(|id| !partition.elr.contains(id)), "{what}");
    if partition.leader != NO_LEADER {
        assert!(partition.isr.contains(&partition.leader), "{what}");
        // A broker that goes on after it asked to stop may lead again while it is marked as stopping, as in Kafka.
        assert!(world.controller.image().cluster.is_unfenced(partition.leader), "{what}");
    }
    let subset = |list: &[i32]| list.iter().all(|id| partition.replicas.contains(id));
    assert!(subset(&partition.removing_replicas) && subset(&partition.adding_replicas), "{what}");
}

fn check(world: &World) {
    let image = world.controller.image();
    for topic in image.topics.iter() {
        let ids: Vec<i32> = topic.partitions.iter().map(|(id, _)| id).collect();
        assert_eq!(ids, (0..ids.len() as i32).collect::<Vec<_>>(), "{}", topic.name);
        topic.partitions.iter().for_each(|(id, p)| check_partition(world, &topic.name, id, p));
        assert!(!topic.partitions.is_empty());
    }
    assert!(image.topics.topic("b.c").is_none() || image.topics.topic("b_c").is_none(), "names collide");
    for (resource, _) in image.configs.iter() {
        if resource.resource_type == ConfigResourceType::Topic {
            assert!(image.topics.topic_id(&resource.name).is_some(), "configurations without their topic");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn histories(elr: bool, events in events()) {
        let mut world = if elr { World::of_brokers_with_elr(BROKERS) } else { World::of_brokers(BROKERS) };
        for event in events {
            let epochs = |world: &World| -> Vec<_> {
                let topics = world.controller.image().topics.iter();
                topics.flat_map(|t| t.partitions.iter().map(|(id, p)| ((t.id, id), (p.leader_epoch, p.partition_epoch)))).collect()
            };
            let before: std::collections::BTreeMap<_, _> = epochs(&world).into_iter().collect();
            happen(&mut world, event);
            check(&world);
            for (partition, after) in epochs(&world) {
                let old = before.get(&partition);
                prop_assert!(old.is_none_or(|old| after.0 >= old.0 && after.1 >= old.1), "epochs go back");
            }
        }
        // Replaying the log gives the same state, and so does a snapshot.
        prop_assert_eq!(world.replayed().checkpoint(), world.controller.checkpoint());
        let image = world.controller.image();
        let mut loaded = MetadataImage::default();
        for (record, _) in image.to_records().unwrap() {
            loaded.replay(&record).unwrap();
        }
        let mut expected = image.clone();
        if !image.features.is_elr_enabled() {
            // A snapshot without the feature holds no eligible replicas.
            expected.topics = loaded.topics.clone();
        }
        prop_assert_eq!(loaded, expected);
    }

    #[test]
    fn going_back(first in events(), then in events()) {
        let mut world = World::of_brokers(BROKERS);
        first.into_iter().for_each(|event| happen(&mut world, event));
        let kept = world.controller.checkpoint();
        let length = world.log.len();
        then.into_iter().for_each(|event| happen(&mut world, event));
        world.controller.restore(kept);
        world.log.truncate(length);
        prop_assert_eq!(world.replayed().checkpoint(), world.controller.checkpoint());
    }

    #[test]
    fn deciding_changes_nothing(events in events(), name in 0u8..4) {
        let mut world = World::of_brokers(BROKERS);
        events.into_iter().for_each(|event| happen(&mut world, event));
        let before = world.controller.checkpoint();
        let request = CreateTopicsRequest { topics: vec![topic(name_of(name), 3, 1)], ..Default::default() };
        let first = world.decide(|c, ctx| c.create_topics(&request, ctx));
        prop_assert_eq!(world.controller.checkpoint(), before);
        let codes = |r: &CreateTopicsResponse| r.topics.iter().map(|t| t.error_code).collect::<Vec<_>>();
        let again = world.decide(|c, ctx| c.create_topics(&request, ctx));
        prop_assert_eq!(codes(&first.response), codes(&again.response));
    }
}

#[test]
fn topics_that_another_follows_too_are_in_memory_once() {
    let mut world = World::of_brokers(1);
    world.create_topics(vec![topic("a", 2, 1)]);
    let other = world.replayed();
    let is_shared = |world: &World| {
        let [own, others] = [&world.controller, &other].map(|c| c.image().topics.partition("a", 1).unwrap());
        Arc::ptr_eq(own, others)
    };
    assert!(!is_shared(&world));
    world.controller.share_topics(&other.image().topics);
    assert!(is_shared(&world));
    world.create_topics(vec![topic("b", 1, 1)]);
    assert!(is_shared(&world) && other.image().topics.topic("b").is_none());
    assert_eq!(world.replayed().checkpoint(), world.controller.checkpoint());
}

#[test]
fn configurations_nobody_knows_are_skipped() {
    let mut world = World::of_brokers(1);
    world.create_topics(vec![topic("a", 1, 1)]);
    let record = ConfigRecord {
        resource_type: 2,
        resource_name: "a".into(),
        name: "of.another.release".into(),
        value: Some("1".into()),
    };
    world.controller.replay(&MetadataRecord::Config(record), world.log.len() as i64).unwrap();
    assert!(world.controller.image().configs.get(&ConfigResource::topic("a")).is_empty());
}

#[test]
fn features_beyond_this_node_are_refused() {
    let mut world = World::of_brokers(1);
    let record = FeatureLevelRecord { name: "metadata.version".into(), feature_level: 31 };
    let error = world.controller.replay(&MetadataRecord::FeatureLevel(record), 99).unwrap_err();
    assert!(matches!(error, ReplayError::UnsupportedFeatureLevel { level: 31, .. }));
}

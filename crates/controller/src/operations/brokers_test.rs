//! Tests of registration, heartbeats, unregistration, producer ids and log directories of brokers.

use ottla_metadata::{ImageWriterOptions, LeaderRecoveryState, NO_LEADER};
use ottla_protocol::Uuid;
use ottla_protocol::messages::{
    AllocateProducerIdsRequest, AssignReplicasToDirsRequest, BrokerHeartbeatRequest, UnregisterBrokerRequest,
    assign_replicas_to_dirs_request,
};

use super::*;
use crate::testing::{World, directory, error, options, registration};

fn code(code: i16) -> ErrorCode {
    ErrorCode::from_code(code)
}

#[test]
fn a_broker_starts() {
    let mut world = World::empty();
    let request = registration(3, 1);
    let result = world.decide(|c, ctx| c.register_broker(&request, ctx));
    let epoch = world.log.len() as i64;
    assert_eq!(result.response.broker_epoch, epoch, "the epoch is the offset of the record");
    let (MetadataRecord::RegisterBroker(record), version) = &result.records[0] else { panic!() };
    assert_eq!((*version, record.broker_id, record.broker_epoch, record.fenced), (4, 3, epoch, true));
    assert_eq!((record.end_points.len(), record.log_dirs.as_slice()), (1, &[directory(3)][..]));
    world.append(result);
    assert_eq!(world.controller.image().cluster.broker_epoch(3), epoch);
    // It must read its own registration before it serves.
    let behind = BrokerHeartbeatRequest { current_metadata_offset: epoch - 1, ..world.beat(3) };
    let response = world.heartbeat(behind);
    assert_eq!((response.is_caught_up, response.is_fenced), (false, true));
    let caught_up = BrokerHeartbeatRequest { current_metadata_offset: epoch, ..world.beat(3) };
    let result = world.decide(|c, ctx| c.broker_heartbeat(&caught_up, ctx));
    assert_eq!((result.response.is_caught_up, result.response.is_fenced), (true, false));
    let (MetadataRecord::BrokerRegistrationChange(change), 0) = &result.records[0] else { panic!() };
    assert_eq!((change.broker_id, change.broker_epoch, change.fenced), (3, epoch, ottla_metadata::UNFENCE));
    world.append(result);
    assert!(world.controller.image().cluster.is_active(3));
    let before = world.log.len();
    world.heartbeat(world.beat(3));
    assert_eq!(world.log.len(), before, "a heartbeat that changes nothing writes nothing");
}

#[test]
fn old_metadata_versions_write_old_records() {
    let mut world = World::with(options(), MetadataVersion::V3_6_IV2, false);
    let result = world.decide(|c, ctx| c.register_broker(&registration(1, 1), ctx));
    let (MetadataRecord::RegisterBroker(record), 2) = &result.records[0] else {
        panic!("{:?}", result.records)
    };
    assert!(record.log_dirs.is_empty());
    world.append(result);
}

#[test]
fn refused_registrations() {
    let mut world = World::of_brokers(1);
    let mut refusal = |request: BrokerRegistrationRequest| {
        let response = world.register(request);
        assert_eq!(response.broker_epoch, -1);
        code(response.error_code)
    };
    let good = || registration(1, 1);
    let other_cluster = BrokerRegistrationRequest { cluster_id: "other".into(), ..good() };
    assert_eq!(refusal(other_cluster), ErrorCode::InconsistentClusterId);
    let zk = BrokerRegistrationRequest { is_migrating_zk_broker: true, ..good() };
    assert_eq!(refusal(zk), ErrorCode::BrokerIdNotRegistered);
    for log_dirs in [vec![], vec![Uuid::ONE], vec![directory(1), directory(1)], vec![directory(0)]] {
        let request = BrokerRegistrationRequest { log_dirs, ..good() };
        assert_eq!(refusal(request), ErrorCode::InvalidRegistration);
    }
    let mut no_version = good();
    no_version.features.retain(|feature| feature.name != "metadata.version");
    assert_eq!(refusal(no_version), ErrorCode::InvalidRegistration);
    let mut too_old = good();
    too_old.features.iter_mut().for_each(|feature| feature.max_supported_version = 20);
    assert_eq!(refusal(too_old), ErrorCode::UnsupportedVersion);
    let mut nameless = good();
    nameless.listeners[0].name = Str::new();
    assert_eq!(refusal(nameless), ErrorCode::UnknownServerError);
}

#[test]
fn a_second_process_of_a_broker() {
    let mut world = World::of_brokers(1);
    assert_eq!(code(world.register(registration(0, 99)).error_code), ErrorCode::DuplicateBrokerRegistration);
    // The same process may register again, and keeps its epoch.
    let epoch = world.controller.image().cluster.broker_epoch(0);
    let again = BrokerRegistrationRequest { rack: Some("r".into()), ..registration(0, 0) };
    assert_eq!(world.register(again).broker_epoch, epoch);
    assert!(world.controller.image().cluster.is_active(0));
    assert_eq!(world.controller.image().cluster.broker(0).unwrap().rack.as_deref(), Some("r"));
    // Once the old one is silent, the new one may come.
    world.now_ms += 9_001;
    let response = world.register(registration(0, 99));
    assert_eq!(response.error_code, 0);
    assert!(response.broker_epoch > epoch);
    assert!(!world.controller.image().cluster.is_active(0));
}

#[test]
fn a_crash_of_the_node_itself() {
    let world = World::of_brokers(2);
    let mut again = world.replayed();
    let bootstrap = crate::BootstrapMetadata::from_versions(MetadataVersion::MINIMUM, &BTreeMap::new());
    again.activate(&bootstrap, world.log.len() as i64, 0).unwrap();
    let mut world = World { controller: again, now_ms: 0, ..world };
    // Broker 0 ran in the process that is gone; broker 1 may be alive.
    assert_eq!(code(world.register(registration(1, 9)).error_code), ErrorCode::DuplicateBrokerRegistration);
    assert_eq!(world.register(registration(0, 9)).error_code, 0);
    // If it does not come back it is fenced like any other.
    let due_ms = world.controller.next_session_expiry_ms().unwrap();
    let result = world.controller.maybe_fence_one_stale_broker(due_ms);
    assert!(result.response);
}

#[test]
fn a_restart_of_the_only_broker() {
    let mut world = World::of_brokers(1);
    world.create_assigned("a", &[&[0]]);
    world.now_ms += 9_001;
    world.register(registration(0, 7));
    let partition = world.partition("a", 0);
    assert_eq!((partition.leader, &*partition.isr), (NO_LEADER, &[0][..]));
    world.heartbeat(world.beat(0));
    let partition = world.partition("a", 0);
    assert_eq!((partition.leader, partition.leader_recovery_state), (0, LeaderRecoveryState::Recovered));
}

#[test]
fn clean_and_unclean_restarts_with_elr() {
    for is_clean in [true, false] {
        let mut world = World::of_brokers_with_elr(1);
        world.create_assigned("a", &[&[0]]);
        let previous_broker_epoch =
            if is_clean { world.controller.image().cluster.broker_epoch(0) } else { -1 };
        if is_clean {
            let stop = BrokerHeartbeatRequest { want_shut_down: true, ..world.beat(0) };
            assert!(
                !world.heartbeat(stop.clone()).should_shut_down,
                "the partition must be handed over first"
            );
            assert_eq!(*world.partition("a", 0).elr, [0]);
            assert!(world.heartbeat(stop).should_shut_down);
        }
        world.now_ms += 9_001;
        world.register(BrokerRegistrationRequest { previous_broker_epoch, ..registration(0, 7) });
        let partition = world.partition("a", 0);
        assert_eq!((partition.leader, &*partition.isr), (NO_LEADER, &[][..]));
        assert_eq!(&*partition.elr, if is_clean { &[0][..] } else { &[] });
        world.heartbeat(world.beat(0));
        let partition = world.partition("a", 0);
        assert_eq!((partition.leader, &*partition.isr), (0, &[0][..]));
        let is_recovered = partition.leader_recovery_state == LeaderRecoveryState::Recovered;
        assert_eq!(is_recovered, is_clean);
    }
}

#[test]
fn controlled_shutdown_moves_leaders() {
    let mut world = World::of_brokers(2);
    world.create_assigned("a", &[&[0, 1], &[1, 0]]);
    let stop = |world: &World| BrokerHeartbeatRequest { want_shut_down: true, ..world.beat(0) };
    let request = stop(&world);
    let response = world.heartbeat(request);
    assert_eq!((response.should_shut_down, response.is_fenced), (false, false));
    let partition = world.partition("a", 0);
    assert_eq!((partition.leader, &*partition.isr), (1, &[1][..]));
    assert!(world.controller.image().cluster.broker(0).unwrap().in_controlled_shutdown);
    // Broker 1 has not read yet that it leads.
    let request = stop(&world);
    assert!(!world.heartbeat(request).should_shut_down);
    world.heartbeat(world.beat(1));
    let request = stop(&world);
    let response = world.heartbeat(request);
    assert_eq!((response.should_shut_down, response.is_fenced), (true, true));
    assert!(world.controller.image().cluster.broker(0).unwrap().fenced);
}

#[test]
fn refused_heartbeats() {
    let mut world = World::of_brokers(1);
    let unknown = BrokerHeartbeatRequest { broker_id: 9, ..world.beat(0) };
    assert_eq!(code(world.heartbeat(unknown).error_code), ErrorCode::StaleBrokerEpoch);
    let stale = BrokerHeartbeatRequest { broker_epoch: 77, ..world.beat(0) };
    let response = world.heartbeat(stale);
    assert_eq!((code(response.error_code), response.is_fenced), (ErrorCode::StaleBrokerEpoch, true));
    world.controller.deactivate();
    assert_eq!(code(world.heartbeat(world.beat(0)).error_code), ErrorCode::NotController);
    assert_eq!(code(world.register(registration(1, 1)).error_code), ErrorCode::NotController);
}

#[test]
fn silence() {
    let mut world = World::of_brokers(2);
    world.create_assigned("a", &[&[0, 1]]);
    world.now_ms += 5_000;
    world.heartbeat(world.beat(1));
    let due_ms = world.controller.next_session_expiry_ms().unwrap();
    assert!(world.controller.maybe_fence_one_stale_broker(due_ms - 1).records.is_empty());
    let result = world.controller.maybe_fence_one_stale_broker(due_ms);
    assert!(result.response);
    world.append(result);
    assert!(
        !world.controller.image().cluster.is_unfenced(0) && world.controller.image().cluster.is_unfenced(1)
    );
    assert_eq!(world.partition("a", 0).leader, 1);
    assert!(!world.controller.maybe_fence_one_stale_broker(due_ms).response);
}

#[test]
fn leaders_go_back_where_they_belong() {
    let mut world = World::of_brokers(2);
    world.create_assigned("a", &[&[0, 1]]);
    world.fence(0);
    world.heartbeat(world.beat(0));
    assert!(world.controller.maybe_balance_partition_leaders().records.is_empty(), "broker 0 is not in sync");
    let change = ottla_protocol::messages::PartitionChangeRecord {
        topic_id: world.controller.image().topics.topic_id("a").unwrap(),
        partition_id: 0,
        isr: Some(vec![1, 0]),
        ..Default::default()
    };
    world.append(ControllerResult::of(vec![(MetadataRecord::PartitionChange(change), 2)], ()));
    let result = world.controller.maybe_balance_partition_leaders();
    assert!(!result.response);
    world.append(result);
    assert_eq!(world.partition("a", 0).leader, 0);
}

#[test]
fn unclean_elections_where_they_are_allowed() {
    let mut world = World::of_brokers(2);
    world.create_assigned("safe", &[&[0, 1]]);
    world.create_assigned("loose", &[&[0, 1]]);
    world.fence(1);
    world.fence(0);
    world.heartbeat(world.beat(1));
    assert!(world.controller.maybe_elect_unclean_leaders().records.is_empty());
    let config = ottla_protocol::messages::ConfigRecord {
        resource_type: 2,
        resource_name: "loose".into(),
        name: "unclean.leader.election.enable".into(),
        value: Some("true".into()),
    };
    world.append(ControllerResult::of(vec![(MetadataRecord::Config(config), 0)], ()));
    let result = world.controller.maybe_elect_unclean_leaders();
    world.append(result);
    assert_eq!((world.partition("safe", 0).leader, world.partition("loose", 0).leader), (NO_LEADER, 1));
}

#[test]
fn producer_ids() {
    let mut world = World::of_brokers(1);
    let broker_epoch = world.controller.image().cluster.broker_epoch(0);
    let request = AllocateProducerIdsRequest { broker_id: 0, broker_epoch };
    for start in [0, 1_000, 2_000] {
        let response = world.run(|c, ctx| c.allocate_producer_ids(&request, ctx));
        assert_eq!(
            (response.error_code, response.producer_id_start, response.producer_id_len),
            (0, start, 1_000)
        );
    }
    let stale = AllocateProducerIdsRequest { broker_epoch: broker_epoch + 1, ..request };
    let response = world.run(|c, ctx| c.allocate_producer_ids(&stale, ctx));
    assert_eq!(code(response.error_code), ErrorCode::StaleBrokerEpoch);
    assert_eq!(world.controller.image().producer_ids.next_producer_id(), 3_000);
}

#[test]
fn unregistering() {
    let mut world = World::of_brokers(2);
    world.create_assigned("a", &[&[0, 1]]);
    let request = UnregisterBrokerRequest { broker_id: 0 };
    let response = world.run(|c, ctx| c.unregister_broker(&request, ctx));
    assert_eq!(error(response.error_code, &response.error_message), (ErrorCode::None, Some("")));
    assert_eq!(world.partition("a", 0).leader, 1);
    let response = world.run(|c, ctx| c.unregister_broker(&request, ctx));
    let text = "Broker ID 0 is not currently registered";
    assert_eq!(
        error(response.error_code, &response.error_message),
        (ErrorCode::BrokerIdNotRegistered, Some(text))
    );
}

#[test]
fn directories_fail_and_are_cordoned() {
    let (d1, d2) = (Uuid::from_parts(1, 1), Uuid::from_parts(2, 2));
    let mut world = World::of_brokers(1);
    world.register(BrokerRegistrationRequest { log_dirs: vec![d1, d2], ..registration(1, 1) });
    world.heartbeat(world.beat(1));
    world.create_assigned("a", &[&[1, 0]]);
    let topic_id = world.controller.image().topics.topic_id("a").unwrap();
    let assign = |broker_id: i32, id, topic_id, broker_epoch| AssignReplicasToDirsRequest {
        broker_id,
        broker_epoch,
        directories: vec![assign_replicas_to_dirs_request::DirectoryData {
            id,
            topics: vec![assign_replicas_to_dirs_request::TopicData {
                topic_id,
                partitions: vec![assign_replicas_to_dirs_request::PartitionData { partition_index: 0 }],
            }],
        }],
    };
    let epoch = world.controller.image().cluster.broker_epoch(1);
    let mut answer = |request: AssignReplicasToDirsRequest| {
        let response = world.run(|c, ctx| c.assign_replicas_to_dirs(&request, ctx));
        let partition = response.directories.first().map_or(0, |d| d.topics[0].partitions[0].error_code);
        (code(response.error_code), code(partition))
    };
    assert_eq!(answer(assign(1, d1, topic_id, epoch)), (ErrorCode::None, ErrorCode::None));
    assert_eq!(answer(assign(1, d1, Uuid::ONE, epoch)), (ErrorCode::None, ErrorCode::UnknownTopicId));
    assert_eq!(answer(assign(1, d1, topic_id, epoch + 1)), (ErrorCode::StaleBrokerEpoch, ErrorCode::None));
    assert_eq!(world.partition("a", 0).directory(1), Some(d1));
    let broken = BrokerHeartbeatRequest { offline_log_dirs: vec![d1], ..world.beat(1) };
    world.heartbeat(broken.clone());
    let partition = world.partition("a", 0);
    assert_eq!((partition.leader, &*partition.isr), (0, &[0][..]));
    assert_eq!(world.controller.image().cluster.broker(1).unwrap().directories, [d2]);
    let before = world.log.len();
    world.heartbeat(broken);
    assert_eq!(world.log.len(), before);
    let cordoned = BrokerHeartbeatRequest { cordoned_log_dirs: Some(vec![d2]), ..world.beat(1) };
    world.heartbeat(cordoned);
    assert!(!world.controller.image().cluster.broker(1).unwrap().has_uncordoned_dirs());
    let options = ImageWriterOptions { metadata_version: MetadataVersion::V4_3_IV0, is_elr_enabled: true };
    world.controller.image().write(&options, &mut |_| {}).unwrap();
}

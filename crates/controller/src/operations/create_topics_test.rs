use ottla_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use ottla_protocol::messages::create_topics_request::CreatableReplicaAssignment;
use ottla_protocol::messages::{CreatePartitionsRequest, DeleteTopicsRequest};

use super::*;
use crate::testing::{World, configs, error, options, topic};

fn outcome(world: &mut World, topics: Vec<CreatableTopic>) -> Vec<(String, ErrorCode, Option<String>)> {
    let response = world.create_topics(topics);
    let brief = |t: &CreatableTopicResult| {
        let (code, message) = error(t.error_code, &t.error_message);
        (t.name.to_string(), code, message.map(str::to_owned))
    };
    response.topics.iter().map(brief).collect()
}

fn refused(world: &mut World, topic: CreatableTopic) -> (ErrorCode, String) {
    let before = world.log.len();
    let (_, code, message) = outcome(world, vec![topic]).remove(0);
    assert_eq!(world.log.len(), before, "a refused topic must leave no record");
    (code, message.unwrap_or_default())
}

fn assigned(name: &str, assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let assignment = |(partition_index, brokers): &(i32, &[i32])| CreatableReplicaAssignment {
        partition_index: *partition_index,
        broker_ids: brokers.to_vec(),
    };
    CreatableTopic { assignments: assignments.iter().map(assignment).collect(), ..topic(name, -1, -1) }
}

#[test]
fn records_and_response() {
    let mut world = World::of_brokers(1);
    let wanted = CreatableTopic { configs: configs(&[("retention.ms", Some("5"))]), ..topic("a", 2, 1) };
    let request = CreateTopicsRequest { topics: vec![wanted], ..Default::default() };
    let result = world.decide(|controller, ctx| controller.create_topics(&request, ctx));
    assert!(result.is_atomic);
    let kinds: Vec<_> = result.records.iter().map(|(record, version)| (record.name(), *version)).collect();
    assert_eq!(
        kinds,
        [("TopicRecord", 0), ("ConfigRecord", 0), ("PartitionRecord", 2), ("PartitionRecord", 2)]
    );
    let MetadataRecord::Partition(partition) = &result.records[3].0 else { panic!() };
    let created = &result.response.topics[0];
    assert_eq!((partition.partition_id, partition.topic_id), (1, created.topic_id));
    assert_eq!(
        (partition.replicas.as_slice(), partition.isr.as_slice(), partition.leader),
        (&[0][..], &[0][..], 0)
    );
    assert_eq!((partition.leader_epoch, partition.partition_epoch), (0, 0));
    assert_eq!(partition.directories, [crate::testing::directory(0)]);
    assert_eq!(
        (created.num_partitions, created.replication_factor, created.topic_config_error_code),
        (2, 1, 0)
    );
    assert_eq!(created.error_message, None);
    let configs = created.configs.as_ref().unwrap();
    let shown: Vec<_> = configs.iter().map(|c| (&*c.name, c.value.as_deref(), c.config_source)).collect();
    assert_eq!(shown[0], ("cleanup.policy", Some("delete"), 5));
    assert_eq!(shown[2], ("retention.ms", Some("5"), 1));
    assert_eq!(shown.len(), 5);
    world.append(result);
    assert_eq!(world.controller.image().topics.topic("a").unwrap().partitions.len(), 2);
}

#[test]
fn defaults_come_from_the_options() {
    let mut options = options();
    options.default_num_partitions = 3;
    options.default_replication_factor = 2;
    let mut world = World::with(options, ottla_metadata::MetadataVersion::LATEST_PRODUCTION, false);
    (0..2).for_each(|id| world.start_broker(id));
    let response = world.create_topics(vec![topic("a", -1, -1)]);
    assert_eq!((response.topics[0].num_partitions, response.topics[0].replication_factor), (3, 2));
}

#[test]
fn validate_only_changes_nothing() {
    let mut world = World::of_brokers(1);
    let topics = vec![topic("a", 1, 1), topic("b c", 1, 1)];
    let request = CreateTopicsRequest { topics, validate_only: true, ..Default::default() };
    let result = world.decide(|controller, ctx| controller.create_topics(&request, ctx));
    assert!(result.records.is_empty());
    let codes: Vec<_> = result.response.topics.iter().map(|t| ErrorCode::from_code(t.error_code)).collect();
    assert_eq!(codes, [ErrorCode::None, ErrorCode::InvalidTopicException]);
}

#[test]
fn names() {
    let mut world = World::of_brokers(1);
    world.create_topics(vec![topic("a.b", 1, 1), topic("plain", 1, 1)]);
    let exists = |name| (ErrorCode::TopicAlreadyExists, format!("Topic '{name}' already exists."));
    assert_eq!(refused(&mut world, topic("plain", 1, 1)), exists("plain"));
    assert_eq!(refused(&mut world, topic("a.b", 1, 1)), exists("a.b"));
    assert_eq!(
        refused(&mut world, topic("a_b", 1, 1)),
        (ErrorCode::InvalidTopicException, "Topic 'a_b' collides with existing topic: a.b".into())
    );
    assert_eq!(
        refused(&mut world, topic("..", 1, 1)),
        (ErrorCode::InvalidTopicException, "Topic name is invalid: '..' is not allowed".into())
    );
    assert_eq!(
        refused(&mut world, topic("__cluster_metadata", 1, 1)),
        (ErrorCode::InvalidRequest, "Creation of internal topic __cluster_metadata is prohibited.".into())
    );
    // A name is free again once its topic is gone.
    let id = world.controller.image().topics.topic_id("a.b").unwrap();
    let record = ottla_protocol::messages::RemoveTopicRecord { topic_id: id };
    world.append(ControllerResult::of(vec![(MetadataRecord::RemoveTopic(record), 0)], ()));
    assert_eq!(outcome(&mut world, vec![topic("a_b", 1, 1)])[0].1, ErrorCode::None);
}

#[test]
fn a_name_twice_is_refused_and_the_others_are_created() {
    let mut world = World::of_brokers(1);
    let results = outcome(&mut world, vec![topic("a", 1, 1), topic("b", 1, 1), topic("a", 1, 1)]);
    let duplicate = Some("Duplicate topic name.".to_owned());
    assert_eq!(
        results,
        [("b".into(), ErrorCode::None, None), ("a".into(), ErrorCode::InvalidRequest, duplicate)]
    );
    assert_eq!(world.controller.image().topics.len(), 1);
}

#[test]
fn numbers() {
    let mut world = World::of_brokers(2);
    assert_eq!(
        refused(&mut world, topic("a", 1, 0)),
        (
            ErrorCode::InvalidReplicationFactor,
            "Replication factor must be larger than 0, or -1 to use the default value.".into()
        )
    );
    assert_eq!(
        refused(&mut world, topic("a", 0, 1)),
        (
            ErrorCode::InvalidPartitions,
            "Number of partitions was set to an invalid non-positive value.".into()
        )
    );
    assert_eq!(
        refused(&mut world, topic("a", 1, 3)),
        (
            ErrorCode::InvalidReplicationFactor,
            "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached \
             because only 2 broker(s) are registered or some brokers have all their log directories cordoned."
                .into()
        )
    );
    world.fence(0);
    world.fence(1);
    assert_eq!(
        refused(&mut world, topic("a", 1, 1)).1,
        "Unable to replicate the partition 1 time(s): All brokers are currently fenced, or have all their log \
         directories cordoned."
    );
}

#[test]
fn too_many_partitions() {
    let mut world = World::of_brokers(1);
    let too_many =
        (ErrorCode::PolicyViolation, Some("Excessively large number of partitions per request.".to_owned()));
    let results = outcome(&mut world, vec![topic("a", 9_000, 1), topic("b", 1_001, 1)]);
    assert_eq!(
        results.iter().map(|r| (r.1, r.2.clone())).collect::<Vec<_>>(),
        [too_many.clone(), too_many.clone()]
    );
    let huge = outcome(&mut world, vec![topic("a", i32::MAX, 1), topic("b", i32::MAX, 1)]);
    assert_eq!((huge[0].1, huge[0].2.clone()), too_many);
    // With the record of the topic itself it is one record too many.
    let (code, message) = refused(&mut world, topic("a", 10_000, 1));
    let expected = "Unable to perform excessively large batch operation.";
    assert_eq!((code, &*message), (ErrorCode::PolicyViolation, expected));
    assert_eq!(outcome(&mut world, vec![topic("a", 9_999, 1)])[0].1, ErrorCode::None);
}

#[test]
fn manual_assignment() {
    let mut world = World::of_brokers(3);
    world.fence(2);
    world.create_assigned("a", &[&[1, 0], &[2, 1]]);
    assert_eq!(world.partition("a", 0).leader, 1);
    let second = world.partition("a", 1);
    assert_eq!((second.leader, &*second.isr, &*second.replicas), (1, &[1][..], &[2, 1][..]));
}

#[test]
fn bad_manual_assignments() {
    let mut world = World::of_brokers(3);
    world.fence(2);
    let mut refusal = |topic: CreatableTopic| refused(&mut world, topic);
    let with_numbers = CreatableTopic { num_partitions: 1, ..assigned("a", &[(0, &[0])]) };
    assert_eq!(
        refusal(with_numbers),
        (
            ErrorCode::InvalidRequest,
            "A manual partition assignment was specified, but numPartitions was not set to -1.".into()
        )
    );
    let with_factor = CreatableTopic { replication_factor: 1, ..assigned("a", &[(0, &[0])]) };
    assert_eq!(
        refusal(with_factor).1,
        "A manual partition assignment was specified, but replication factor was not set to -1."
    );
    let mut invalid = |assignments: &[(i32, &[i32])]| {
        let (code, message) = refusal(assigned("a", assignments));
        assert_eq!(code, ErrorCode::InvalidReplicaAssignment);
        message
    };
    assert_eq!(
        invalid(&[(0, &[0]), (0, &[1])]),
        "Found multiple manual partition assignments for partition 0"
    );
    assert_eq!(invalid(&[(0, &[])]), "The manual partition assignment includes an empty replica list.");
    assert_eq!(
        invalid(&[(0, &[0, 9])]),
        "The manual partition assignment includes broker 9, but no such broker is registered."
    );
    assert_eq!(
        invalid(&[(0, &[1, 0, 1])]),
        "The manual partition assignment includes the broker 1 more than once."
    );
    assert_eq!(
        invalid(&[(0, &[0, 1]), (1, &[0])]),
        "The manual partition assignment includes a partition with 1 replica(s), but this is not consistent with \
         previous partitions, which have 2 replica(s)."
    );
    assert_eq!(
        invalid(&[(0, &[2])]),
        "All brokers specified in the manual partition assignment for partition 0 are fenced or in controlled \
         shutdown."
    );
    assert_eq!(
        invalid(&[(0, &[0]), (2, &[0])]),
        "partitions should be a consecutive 0-based integer sequence"
    );
}

#[test]
fn bad_configurations() {
    let mut world = World::of_brokers(1);
    let with = |list: &[(&str, Option<&str>)]| CreatableTopic { configs: configs(list), ..topic("a", 1, 1) };
    assert_eq!(
        refused(&mut world, with(&[("retention.ms", None), ("segment.bytes", None)])),
        (
            ErrorCode::InvalidConfig,
            "Null value not supported for topic configs: retention.ms,segment.bytes".into()
        )
    );
    assert_eq!(
        refused(&mut world, with(&[("no.such.key", Some("1"))])),
        (ErrorCode::InvalidConfig, "Unknown topic config name: no.such.key".into())
    );
    assert_eq!(
        refused(&mut world, with(&[("retention.ms", Some("x"))])).1,
        "Invalid value x for configuration retention.ms: Not a number of type LONG"
    );
}

#[test]
fn elr_of_a_topic_with_its_own_minimum() {
    let mut world = World::of_brokers_with_elr(1);
    let configs = configs(&[("min.insync.replicas", Some("2"))]);
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic { configs, ..topic("a", 1, 1) }],
        ..Default::default()
    };
    let result = world.decide(|controller, ctx| controller.create_topics(&request, ctx));
    let kinds: Vec<_> = result.records.iter().map(|(record, _)| record.name()).collect();
    assert_eq!(kinds, ["TopicRecord", "ConfigRecord", "ClearElrRecord", "PartitionRecord"]);
    world.append(result);
}

#[test]
fn ids_are_never_used_twice() {
    let mut world = World::of_brokers(1);
    world.create_topics(vec![topic("a", 1, 1)]);
    let taken = world.controller.image().topics.topic_id("a").unwrap();
    let mut ids = vec![Uuid::from_parts(5, 5), taken, Uuid::ONE, Uuid::ZERO];
    let mut new_id = || ids.pop().unwrap_or_default();
    let mut ctx = RequestContext {
        now_ms: 0,
        api_version: 7,
        origin: RequestOrigin::Broker,
        new_id: &mut new_id,
        seed: 0,
        partition_changes: None,
    };
    let request = CreateTopicsRequest { topics: vec![topic("b", 1, 1)], ..Default::default() };
    let result = world.controller.create_topics(&request, &mut ctx);
    assert_eq!(result.response.topics[0].topic_id, Uuid::from_parts(5, 5));
    // A source that has run dry is an error, not a hang.
    let result = world.controller.create_topics(&request, &mut ctx);
    assert_eq!(ErrorCode::from_code(result.response.topics[0].error_code), ErrorCode::UnknownServerError);
}

/// A quota that allows so many partitions in all.
fn allows(ctx: &mut RequestContext<'_>, partitions: usize) {
    let mut left = partitions;
    ctx.partition_changes = Some(Box::new(move |partitions| {
        let is_allowed = partitions <= left;
        left -= if is_allowed { partitions } else { 0 };
        is_allowed
    }));
}

#[test]
fn a_quota_refuses_topic_by_topic() {
    let mut world = World::of_brokers(1);
    let refused = (ErrorCode::ThrottlingQuotaExceeded.code(), None);
    let topics = vec![topic("a", 3, 1), topic("b", 3, 1), topic("c", 1, 1)];
    let request = CreateTopicsRequest { topics, ..Default::default() };
    let response = world.run(|controller, ctx| {
        allows(ctx, 4);
        controller.create_topics(&request, ctx)
    });
    let codes: Vec<_> = response.topics.iter().map(|t| (t.error_code, t.error_message.clone())).collect();
    assert_eq!(codes, [(0, None), refused.clone(), (0, None)]);
    assert!(world.controller.image().topics.topic("b").is_none());
    let add = CreatePartitionsTopic { name: "a".into(), count: 5, assignments: None };
    let request = CreatePartitionsRequest { topics: vec![add], ..Default::default() };
    let response = world.run(|controller, ctx| {
        allows(ctx, 1);
        controller.create_partitions(&request, ctx)
    });
    assert_eq!((response.results[0].error_code, response.results[0].error_message.clone()), refused);
    let request = DeleteTopicsRequest { topic_names: vec!["a".into(), "c".into()], ..Default::default() };
    let response = world.run(|controller, ctx| {
        allows(ctx, 2);
        controller.delete_topics(&request, ctx)
    });
    let mut codes: Vec<_> = response.responses.iter().map(|t| (t.name.clone(), t.error_code)).collect();
    codes.sort();
    assert_eq!(codes, [(Some("a".into()), refused.0), (Some("c".into()), 0)]);
}

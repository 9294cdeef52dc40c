//! Tests of IncrementalAlterConfigs and AlterConfigs.

use ottla_metadata::{ConfigResource, MetadataVersion};
use ottla_protocol::messages::incremental_alter_configs_request::AlterableConfig;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{AlterConfigsRequest, ConfigRecord, alter_configs_request};
use ottla_protocol::{ErrorCode, Str};

use super::*;
use crate::testing::{World, error, options, topic};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

type Op<'a> = (&'a str, i8, Option<&'a str>);

fn resource(resource_type: i8, name: &str, ops: &[Op<'_>]) -> AlterConfigsResource {
    let config = |(name, config_operation, value): &Op<'_>| AlterableConfig {
        name: Str::from(*name),
        config_operation: *config_operation,
        value: value.map(Str::from),
    };
    AlterConfigsResource {
        resource_type,
        resource_name: name.into(),
        configs: ops.iter().map(config).collect(),
    }
}

fn decide(
    world: &mut World,
    origin: RequestOrigin,
    resources: Vec<AlterConfigsResource>,
) -> ControllerResult<IncrementalAlterConfigsResponse> {
    let request = IncrementalAlterConfigsRequest { resources, validate_only: false };
    world.decide_as(origin, 1, |controller, ctx| {
        controller.incremental_alter_configs(&request, Preprocessed::new(), Preprocessed::new(), ctx)
    })
}

fn alter(world: &mut World, resources: Vec<AlterConfigsResource>) -> Vec<(ErrorCode, Option<String>)> {
    let result = decide(world, RequestOrigin::Broker, resources);
    let response = world.append(result);
    let brief = |r: &AlterConfigsResourceResponse| {
        let (code, message) = error(r.error_code, &r.error_message);
        (code, message.map(str::to_owned))
    };
    response.responses.iter().map(brief).collect()
}

fn refused(world: &mut World, altered: AlterConfigsResource) -> (ErrorCode, String) {
    let before = world.log.len();
    let (code, message) = alter(world, vec![altered]).remove(0);
    assert_eq!(world.log.len(), before);
    (code, message.unwrap_or_default())
}

fn value(world: &World, resource: &ConfigResource, key: &str) -> Option<String> {
    world.controller.image().configs.value(resource, key).map(Str::to_string)
}

fn world() -> World {
    let mut world = World::of_brokers(1);
    world.create_topics(vec![topic("a", 1, 1)]);
    world
}

const FINE: (ErrorCode, Option<String>) = (ErrorCode::None, None);

#[test]
fn set_and_delete() {
    let mut world = world();
    let a = ConfigResource::topic("a");
    let set = resource(TOPIC, "a", &[("retention.ms", SET, Some("5")), ("segment.bytes", SET, Some("9"))]);
    let result = decide(&mut world, RequestOrigin::Broker, vec![set.clone()]);
    assert!(result.is_atomic);
    let config = |name: &str, value: Option<&str>| {
        let record = ConfigRecord {
            resource_type: TOPIC,
            resource_name: "a".into(),
            name: name.into(),
            value: value.map(Str::from),
        };
        (MetadataRecord::Config(record), 0)
    };
    assert_eq!(result.records, [config("retention.ms", Some("5")), config("segment.bytes", Some("9"))]);
    world.append(result);
    // What is so already is not written again.
    let before = world.log.len();
    assert_eq!(alter(&mut world, vec![set]), [FINE]);
    assert_eq!(world.log.len(), before);
    assert_eq!(alter(&mut world, vec![resource(TOPIC, "a", &[("retention.ms", DELETE, None)])]), [FINE]);
    assert_eq!(value(&world, &a, "retention.ms"), None);
    assert_eq!(value(&world, &a, "segment.bytes").as_deref(), Some("9"));
}

#[test]
fn append_and_subtract() {
    let mut world = world();
    let a = ConfigResource::topic("a");
    let mut policy = |op, values| {
        let altered = resource(TOPIC, "a", &[("cleanup.policy", op, Some(values))]);
        assert_eq!(alter(&mut world, vec![altered]), [FINE]);
        value(&world, &a, "cleanup.policy")
    };
    // The default is where it begins.
    assert_eq!(policy(APPEND, "compact,delete").as_deref(), Some("delete,compact"));
    assert_eq!(policy(SUBTRACT, "delete").as_deref(), Some("compact"));
    assert_eq!(policy(SUBTRACT, "compact").as_deref(), Some(""));
    assert_eq!(policy(APPEND, "delete").as_deref(), Some("delete"));
    let refusal = refused(&mut world, resource(TOPIC, "a", &[("retention.ms", APPEND, Some("1"))]));
    let text = "Can't APPEND to key retention.ms because its type is not LIST.";
    assert_eq!(refusal, (ErrorCode::InvalidConfig, text.into()));
}

#[test]
fn what_the_broker_refuses() {
    let mut world = world();
    let twice = vec![
        resource(TOPIC, "a", &[("retention.ms", SET, Some("1"))]),
        resource(TOPIC, "a", &[("retention.ms", SET, Some("2"))]),
    ];
    let once = (ErrorCode::InvalidRequest, Some("Each resource must appear at most once.".to_owned()));
    assert_eq!(alter(&mut world, twice), [once.clone(), once]);
    let mut invalid = |altered| {
        let (code, message) = refused(&mut world, altered);
        assert_eq!(code, ErrorCode::InvalidRequest);
        message
    };
    assert_eq!(
        invalid(resource(TOPIC, "a", &[("x", SET, Some("1")), ("x", DELETE, None)])),
        "Error due to duplicate config keys"
    );
    assert_eq!(
        invalid(resource(TOPIC, "a", &[("x", SET, None), ("y", APPEND, None), ("z", DELETE, None)])),
        "Null value not supported for : x, y"
    );
    assert_eq!(invalid(resource(99, "a", &[])), "Unknown resource type 99");
    assert_eq!(invalid(resource(BROKER, "x", &[])), "Node id must be an integer, but it is: x");
    assert_eq!(invalid(resource(BROKER, "5", &[])), "Unexpected broker id, expected 0, but received 5");
    assert_eq!(
        invalid(resource(BROKER, "0", &[("listeners", SET, Some("A://:1"))])),
        "Cannot update these configs dynamically: Set(listeners)"
    );
    assert_eq!(
        invalid(resource(BROKER, "", &[("log.retention.ms", 9, Some("1"))])),
        "Unknown operations type 9"
    );
    assert_eq!(
        refused(&mut world, resource(BROKER, "", &[("nope", APPEND, Some("1"))])),
        (ErrorCode::InvalidConfig, "Unknown config name: nope".into())
    );
    assert_eq!(
        refused(&mut world, resource(BROKER, "", &[("log.retention.ms", SUBTRACT, Some("1"))])).1,
        "Config value subtract is not allowed for config key: log.retention.ms"
    );
}

#[test]
fn what_the_controller_refuses() {
    let mut world = world();
    assert_eq!(
        refused(&mut world, resource(TOPIC, "nope", &[("retention.ms", SET, Some("1"))])),
        (ErrorCode::UnknownTopicOrPartition, "The topic 'nope' does not exist.".into())
    );
    assert_eq!(
        refused(&mut world, resource(TOPIC, "", &[])),
        (ErrorCode::InvalidRequest, "Default topic resources are not allowed.".into())
    );
    assert_eq!(
        refused(&mut world, resource(TOPIC, "a", &[("nope", SET, Some("1"))])),
        (ErrorCode::InvalidConfig, "Unknown topic config name: nope".into())
    );
    assert_eq!(
        refused(&mut world, resource(GROUP, "", &[("k", SET, Some("1"))])).1,
        "Default group resources are not allowed."
    );
    assert_eq!(
        refused(&mut world, resource(CLIENT_METRICS, "", &[("k", SET, Some("1"))])),
        (ErrorCode::InvalidRequest, "Subscription name can't be empty".into())
    );
    let long = "x".repeat(40_000);
    assert_eq!(
        refused(&mut world, resource(GROUP, "g", &[("k", SET, Some(&long))])).1,
        "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes."
    );
}

#[test]
fn groups_and_client_metrics() {
    let mut world = world();
    let altered = vec![
        resource(GROUP, "g", &[("consumer.session.timeout.ms", SET, Some("50000"))]),
        resource(CLIENT_METRICS, "sub", &[("interval.ms", SET, Some("1000"))]),
    ];
    assert_eq!(alter(&mut world, altered), [FINE, FINE]);
    assert_eq!(world.controller.image().configs.iter().count(), 2);
}

#[test]
fn brokers() {
    let mut world = world();
    let default = resource(BROKER, "", &[("log.retention.ms", SET, Some("7"))]);
    let own = resource(BROKER, "0", &[("log.cleanup.policy", APPEND, Some("compact"))]);
    let before = world.log.len();
    assert_eq!(alter(&mut world, vec![default.clone(), own]), [FINE, FINE]);
    // Brokers hear of what is set again, too.
    assert_eq!(alter(&mut world, vec![default]), [FINE]);
    assert_eq!(world.log.len(), before + 3);
    assert_eq!(value(&world, &ConfigResource::default_broker(), "log.retention.ms").as_deref(), Some("7"));
}

#[test]
fn brokers_by_way_of_the_controller() {
    let mut world = world();
    let mut answer = |origin, altered| {
        let result = decide(&mut world, origin, vec![altered]);
        let (code, message) =
            error(result.response.responses[0].error_code, &result.response.responses[0].error_message);
        (code, message.unwrap_or_default().to_owned())
    };
    let origin = RequestOrigin::Forwarded;
    let broker = |name| resource(BROKER, name, &[("log.retention.ms", SET, Some("1"))]);
    assert_eq!(
        answer(origin, broker("5")),
        (ErrorCode::BrokerIdNotRegistered, "No node with id 5 found.".into())
    );
    assert_eq!(answer(origin, broker("x")).1, "Unable to parse broker name as a base 10 number.");
    assert_eq!(answer(origin, broker("-1")).1, "Invalid negative broker ID.");
    let origin = RequestOrigin::Controller;
    let cordon = |value| resource(BROKER, "0", &[("cordoned.log.dirs", SET, Some(value))]);
    assert_eq!(answer(RequestOrigin::Forwarded, cordon("/d1")).0, ErrorCode::None);
    assert_eq!(
        answer(origin, cordon("/d1")).1,
        "When updating cordoned.log.dirs via controllers,  the new value must be a subset of the current \
         configuration value."
    );
    assert_eq!(
        answer(origin, resource(99, "a", &[])),
        (ErrorCode::UnsupportedVersion, "Unknown resource type 99.".into())
    );
}

#[test]
fn cordoned_directories_need_their_version() {
    let mut world = World::with(options(), MetadataVersion::V4_2_IV1, false);
    let cordon = resource(BROKER, "0", &[("cordoned.log.dirs", SET, Some("/d1"))]);
    assert_eq!(
        refused(&mut world, cordon).1,
        "The cordoned.log.dirs configuration value cannot be set because it requires metadata.version >= 4.3-IV0"
    );
}

#[test]
fn min_insync_replicas_with_elr() {
    let mut world = World::of_brokers_with_elr(1);
    world.create_topics(vec![topic("a", 1, 1)]);
    let key = "min.insync.replicas";
    assert_eq!(
        refused(&mut world, resource(BROKER, "0", &[(key, SET, Some("2"))])).1,
        "Broker-level min.insync.replicas cannot be altered while ELR is enabled."
    );
    assert_eq!(
        refused(&mut world, resource(BROKER, "", &[(key, DELETE, None)])).1,
        "Cluster-level min.insync.replicas cannot be removed while ELR is enabled."
    );
    let result = decide(
        &mut world,
        RequestOrigin::Broker,
        vec![resource(TOPIC, "a", &[(key, SET, Some("2"))]), resource(BROKER, "", &[(key, SET, Some("3"))])],
    );
    let names = result.records.iter().map(|(record, _)| match record {
        MetadataRecord::ClearElr(clear) => format!("clear {:?}", &*clear.topic_name),
        other => other.name().to_owned(),
    });
    let names: Vec<_> = names.collect();
    assert_eq!(names, ["ConfigRecord", "ConfigRecord", "clear \"a\"", "clear \"\""]);
    world.append(result);
}

#[test]
fn answers_given_elsewhere() {
    let mut world = world();
    let request = IncrementalAlterConfigsRequest {
        resources: vec![
            resource(8, "0", &[("root", SET, Some("DEBUG"))]),
            resource(TOPIC, "a", &[("retention.ms", SET, Some("1"))]),
            resource(8, "1", &[]),
        ],
        validate_only: true,
    };
    let handled = Preprocessed::from([(0, ApiError::NONE), (2, ApiError::invalid_request("not here"))]);
    let result = world.decide(|controller, ctx| {
        controller.incremental_alter_configs(&request, handled, Preprocessed::new(), ctx)
    });
    assert!(result.records.is_empty(), "only to be checked");
    let codes: Vec<_> = result.response.responses.iter().map(|r| r.error_code).collect();
    assert_eq!(codes, [0, 0, ErrorCode::InvalidRequest.code()]);
}

#[test]
fn more_records_than_fit() {
    let mut world = world();
    let keys: Vec<String> = (0..10_001).map(|at| format!("k{at}")).collect();
    let ops: Vec<Op<'_>> = keys.iter().map(|key| (&**key, SET, Some("1"))).collect();
    let (code, message) = refused(&mut world, resource(GROUP, "g", &ops));
    let expected = "Unable to perform excessively large batch operation.";
    assert_eq!((code, &*message), (ErrorCode::PolicyViolation, expected));
}

fn replace(
    world: &mut World,
    resource_type: i8,
    name: &str,
    configs: &[(&str, Option<&str>)],
) -> (ErrorCode, Option<String>) {
    let config = |(name, value): &(&str, Option<&str>)| alter_configs_request::AlterableConfig {
        name: Str::from(*name),
        value: value.map(Str::from),
    };
    let altered = alter_configs_request::AlterConfigsResource {
        resource_type,
        resource_name: name.into(),
        configs: configs.iter().map(config).collect(),
    };
    let request = AlterConfigsRequest { resources: vec![altered], validate_only: false };
    let response = world.run(|controller, ctx| controller.alter_configs(&request, Preprocessed::new(), ctx));
    let (code, message) = error(response.responses[0].error_code, &response.responses[0].error_message);
    (code, message.map(str::to_owned))
}

#[test]
fn the_old_way_replaces_everything() {
    let mut world = world();
    let a = ConfigResource::topic("a");
    assert_eq!(
        replace(&mut world, TOPIC, "a", &[("retention.ms", Some("1")), ("segment.bytes", Some("2"))]),
        FINE
    );
    assert_eq!(replace(&mut world, TOPIC, "a", &[("segment.bytes", Some("3"))]), FINE);
    assert_eq!(value(&world, &a, "retention.ms"), None);
    assert_eq!(value(&world, &a, "segment.bytes").as_deref(), Some("3"));
    assert_eq!(replace(&mut world, TOPIC, "a", &[]), FINE);
    assert!(world.controller.image().configs.get(&a).is_empty());
    let null = replace(&mut world, TOPIC, "a", &[("retention.ms", None)]);
    assert_eq!(null, (ErrorCode::InvalidRequest, Some("Null value not supported for : retention.ms".into())));
    assert_eq!(replace(&mut world, TOPIC, "nope", &[]).0, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(replace(&mut world, BROKER, "0", &[("listeners", Some("x"))]).0, ErrorCode::InvalidRequest);
}

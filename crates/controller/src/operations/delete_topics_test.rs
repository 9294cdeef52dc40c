use ottla_protocol::messages::delete_topics_request::DeleteTopicState;

use super::*;
use crate::RequestOrigin;
use crate::testing::{World, error, options, topic};

fn delete(
    world: &mut World,
    request: &DeleteTopicsRequest,
    version: i16,
) -> ControllerResult<DeleteTopicsResponse> {
    world.decide_as(RequestOrigin::Broker, version, |controller, ctx| controller.delete_topics(request, ctx))
}

fn named(names: &[&str]) -> DeleteTopicsRequest {
    DeleteTopicsRequest {
        topic_names: names.iter().map(|name| Str::from(*name)).collect(),
        ..Default::default()
    }
}

fn states(states: &[(Option<&str>, Uuid)]) -> DeleteTopicsRequest {
    let state =
        |(name, id): &(Option<&str>, Uuid)| DeleteTopicState { name: name.map(Str::from), topic_id: *id };
    DeleteTopicsRequest { topics: states.iter().map(state).collect(), ..Default::default() }
}

fn brief(response: &DeleteTopicsResponse) -> Vec<(Option<&str>, ErrorCode, Option<&str>)> {
    let brief = |r| -> (Option<&str>, ErrorCode, Option<&str>) {
        let r: &DeletableTopicResult = r;
        let (code, message) = error(r.error_code, &r.error_message);
        (r.name.as_deref(), code, message)
    };
    response.responses.iter().map(brief).collect()
}

fn world() -> (World, Uuid, Uuid) {
    let mut world = World::of_brokers(1);
    world.create_topics(vec![topic("a", 2, 1), topic("b", 1, 1)]);
    let id = |name| world.controller.image().topics.topic_id(name).unwrap();
    let (a, b) = (id("a"), id("b"));
    (world, a, b)
}

#[test]
fn by_name_and_by_id() {
    let (mut world, a, b) = world();
    let result = delete(&mut world, &named(&["a", "nope"]), 5);
    let unknown = "This server does not host this topic-partition.";
    assert_eq!(
        brief(&result.response),
        [
            (Some("nope"), ErrorCode::UnknownTopicOrPartition, Some(unknown)),
            (Some("a"), ErrorCode::None, None)
        ]
    );
    let record = RemoveTopicRecord { topic_id: a };
    assert_eq!(result.records, [(MetadataRecord::RemoveTopic(record), 0)]);
    world.append(result);
    let result = delete(&mut world, &states(&[(None, b), (None, a)]), 6);
    let unknown = "This server does not host this topic ID.";
    assert_eq!(
        brief(&result.response),
        [(None, ErrorCode::UnknownTopicId, Some(unknown)), (Some("b"), ErrorCode::None, None)]
    );
    world.append(result);
    assert!(world.controller.image().topics.is_empty());
}

#[test]
fn what_is_named_badly() {
    let (mut world, a, _) = world();
    let request = states(&[
        (None, Uuid::ZERO),
        (Some("a"), a),
        (Some("b"), Uuid::ZERO),
        (Some("b"), Uuid::ZERO),
        (None, Uuid::ONE),
        (None, Uuid::ONE),
    ]);
    let result = delete(&mut world, &request, 6);
    let invalid = ErrorCode::InvalidRequest;
    assert_eq!(
        brief(&result.response),
        [
            (None, invalid, Some("Neither topic name nor id were specified.")),
            (Some("a"), invalid, Some("You may not specify both topic name and topic id.")),
            (Some("b"), invalid, Some("Duplicate topic name.")),
            (None, invalid, Some("Duplicate topic id.")),
        ]
    );
    assert!(result.records.is_empty());
    let result = delete(&mut world, &states(&[(None, a), (Some("a"), Uuid::ZERO)]), 6);
    let text = "The provided topic name maps to an ID that was already supplied.";
    assert_eq!(brief(&result.response), [(Some("a"), invalid, Some(text))]);
    assert!(result.records.is_empty());
}

#[test]
fn deletion_switched_off() {
    let mut options = options();
    options.delete_topic_enable = false;
    let mut world = World::with(options, ottla_metadata::MetadataVersion::LATEST_PRODUCTION, false);
    let result = delete(&mut world, &named(&["a"]), 5);
    assert_eq!(brief(&result.response), [(Some("a"), ErrorCode::TopicDeletionDisabled, None)]);
    let result = delete(&mut world, &named(&["a"]), 2);
    assert_eq!(brief(&result.response), [(Some("a"), ErrorCode::InvalidRequest, None)]);
}

#[test]
fn configurations_go_with_the_topic() {
    let mut world = World::of_brokers(1);
    let configs = crate::testing::configs(&[("retention.ms", Some("1"))]);
    world.create_topics(vec![ottla_protocol::messages::create_topics_request::CreatableTopic {
        configs,
        ..topic("a", 1, 1)
    }]);
    assert_eq!(world.controller.image().configs.iter().count(), 1);
    let result = delete(&mut world, &named(&["a"]), 5);
    world.append(result);
    assert_eq!(world.controller.image().configs.iter().count(), 0);
}

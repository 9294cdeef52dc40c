//! Topologies against topics.

use ottla_protocol::ErrorCode;
use ottla_protocol::messages::streams_group_heartbeat_request as request;

use super::*;
use crate::group::streams::testing::{Sub, topology};

fn configure(subtopologies: &[Sub], topics: &[(&str, i32)]) -> Result<ConfiguredTopology, GroupError> {
    let topology = StreamsTopology::from_request(&topology(subtopologies)).unwrap();
    let existing = |name: &str| topics.iter().find(|(topic, _)| *topic == name).map(|(_, count)| *count);
    configure_topics(&topology, 7, &existing)
}

fn problem(subtopologies: &[Sub], topics: &[(&str, i32)]) -> (TopicStatus, String) {
    let configured = configure(subtopologies, topics).unwrap();
    assert!(configured.ready().is_none());
    let problem = configured.problem.unwrap();
    (problem.status, problem.detail)
}

fn created(configured: &ConfiguredTopology) -> Vec<(&str, i32)> {
    configured.internal_topics_to_create.iter().map(|topic| (&*topic.name, topic.num_partitions)).collect()
}

#[test]
fn a_subtopology_has_a_task_for_each_partition_of_its_largest_source() {
    let configured = configure(&[Sub::new("0").source(&["a", "b"])], &[("a", 3), ("b", 5)]).unwrap();
    assert_eq!(configured.ready().unwrap()["0"].number_of_tasks, 5);
    assert_eq!((configured.epoch, configured.metadata_hash), (1, 7));
}

#[test]
fn missing_sources_are_named_up_to_three() {
    let sub = Sub::new("0").source(&["e", "d", "c", "b", "a"]);
    let (status, detail) = problem(&[sub], &[("c", 1)]);
    assert_eq!(status, TopicStatus::MissingSources);
    assert_eq!(detail, "Source topics a, b, d and 1 additional topics are missing.");
}

#[test]
fn repartition_topics_and_changelogs_follow_what_feeds_them() {
    let subtopologies = [
        Sub::new("0").source(&["in"]).sink(&["first"]),
        Sub::new("1").repartition(&[("first", 0)]).sink(&["second"]).changelog(&["log-1"]),
        Sub::new("2").repartition(&[("second", 2)]).changelog(&["log-2"]),
    ];
    let configured = configure(&subtopologies, &[("in", 4)]).unwrap();
    assert_eq!(created(&configured), [("first", 4), ("log-1", 4), ("log-2", 2), ("second", 2)]);
    let problem = configured.problem.clone().unwrap();
    assert_eq!(problem.status, TopicStatus::MissingInternals);
    assert_eq!(problem.detail, "Internal topics are missing: first, log-1, log-2 and 1 additional topics");
    assert_eq!(configured.subtopologies.unwrap()["2"].number_of_tasks, 2);

    let topics = [("in", 4), ("first", 4), ("second", 2), ("log-1", 4), ("log-2", 2)];
    assert!(configure(&subtopologies, &topics).unwrap().ready().is_some());
    let (status, detail) = super::tests::problem(&subtopologies, &[("in", 4), ("first", 3)]);
    assert_eq!(status, TopicStatus::IncorrectlyPartitioned);
    assert_eq!(detail, "Existing topic first has different number of partitions: expected 4, found 3");
}

#[test]
fn internal_topics_are_created_as_the_application_wants_them() {
    let mut topology = topology(&[Sub::new("0").source(&["in"]).changelog(&["log"])]);
    let log = &mut topology.subtopologies[0].state_changelog_topics[0];
    log.replication_factor = 3;
    log.topic_configs = vec![request::KeyValue { key: "cleanup.policy".into(), value: "compact".into() }];
    let topology = StreamsTopology::from_request(&topology).unwrap();
    let configured = configure_topics(&topology, 0, &|topic| (topic == "in").then_some(1)).unwrap();
    let topic = &configured.internal_topics_to_create[0];
    assert_eq!((topic.num_partitions, topic.replication_factor), (1, 3));
    assert_eq!(topic.configs[0].value.as_deref(), Some("compact"));
}

#[test]
fn what_can_never_work_is_refused() {
    let check = |subtopologies: &[Sub], expect: ErrorCode| {
        assert_eq!(configure(subtopologies, &[("in", 1)]).unwrap_err().code, expect);
    };
    // Each waits for the other.
    let ring = [
        Sub::new("0").repartition(&[("a", 0)]).sink(&["b"]),
        Sub::new("1").repartition(&[("b", 0)]).sink(&["a"]),
    ];
    check(&ring, ErrorCode::StreamsInvalidTopology);
    check(&[Sub::new("0").source(&["in"]).repartition(&[("a", 0)])], ErrorCode::StreamsInvalidTopology);
    check(&[Sub::new("0")], ErrorCode::StreamsInvalidTopology);
    check(&[Sub::new("0").source(&["in"]).copartition(&[5], &[])], ErrorCode::UnknownServerError);
    check(&[Sub::new("0").source(&["in"]).repartition(&[("a", -1)])], ErrorCode::UnknownServerError);
    let twice = topology(&[Sub::new("0").source(&["in"]), Sub::new("0").source(&["in"])]);
    assert!(StreamsTopology::from_request(&twice).is_err());
}

#[test]
fn joined_topics_have_equally_many_partitions() {
    let joined = Sub::new("0").source(&["a", "b"]).copartition(&[0, 1], &[]);
    assert!(configure(std::slice::from_ref(&joined), &[("a", 2), ("b", 2)]).unwrap().ready().is_some());
    let (status, detail) = problem(&[joined], &[("a", 2), ("b", 3)]);
    assert_eq!(status, TopicStatus::IncorrectlyPartitioned);
    assert_eq!(detail, "Following topics do not have the same number of partitions: [{a=2, b=3}]");
}

#[test]
fn a_repartition_topic_follows_the_topic_that_it_is_joined_with() {
    let writer = Sub::new("0").source(&["in"]).sink(&["r"]);
    let join =
        |partitions| Sub::new("1").source(&["a"]).repartition(&[("r", partitions)]).copartition(&[0], &[0]);
    let configured = configure(&[writer.clone(), join(0)], &[("in", 2), ("a", 6)]).unwrap();
    assert_eq!(created(&configured), [("r", 6)]);
    let (_, detail) = problem(&[writer, join(3)], &[("in", 2), ("a", 6)]);
    assert_eq!(
        detail,
        "Number of partitions [3] of repartition topic [r] doesn't match number of partitions [6] of the \
         source topic."
    );
}

#[test]
fn joined_repartition_topics_follow_a_fixed_one_or_the_largest() {
    let writers = [Sub::new("0").source(&["in"]).sink(&["r"]), Sub::new("1").source(&["big"]).sink(&["s"])];
    let join = |fixed| {
        let join = Sub::new("2").repartition(&[("r", 0), ("s", fixed)]).copartition(&[], &[0, 1]);
        [writers[0].clone(), writers[1].clone(), join]
    };
    let topics = [("in", 2), ("big", 5)];
    assert_eq!(created(&configure(&join(0), &topics).unwrap()), [("r", 5), ("s", 5)]);
    assert_eq!(created(&configure(&join(3), &topics).unwrap()), [("r", 3), ("s", 3)]);
}

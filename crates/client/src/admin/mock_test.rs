//! Routing, batching, retries and fallbacks against brokers in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_protocol::messages::create_topics_response::CreatableTopicResult;
use ottla_protocol::messages::delete_topics_response::DeletableTopicResult;
use ottla_protocol::messages::describe_groups_response::DescribedGroup as ClassicGroup;
use ottla_protocol::messages::list_groups_response::ListedGroup;
use ottla_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use ottla_protocol::messages::offset_fetch_response::{
    OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use ottla_protocol::messages::*;
use ottla_protocol::{ApiKey, ErrorCode, Str, TopicPartition};
use tokio::time::Instant;

use super::*;
use crate::testing::{Answer, Call, Mock};

fn admin(mock: &Mock) -> Admin {
    Admin::new(Cluster::new(mock.config()).unwrap())
}

fn brokers(mock: &Mock, api: ApiKey) -> Vec<i32> {
    mock.calls().iter().filter(|call| call.api == api).map(|call| call.broker).collect()
}

fn created_by(call: &Call, request: &CreateTopicsRequest, code: ErrorCode) -> Answer {
    let topic = |name: &Str| CreatableTopicResult {
        name: name.clone(),
        error_code: code as i16,
        num_partitions: 1,
        ..Default::default()
    };
    let topics = request.topics.iter().map(|it| topic(&it.name)).collect();
    call.reply(CreateTopicsResponse { topics, ..Default::default() })
}

#[tokio::test(start_paused = true)]
async fn topics_are_created_by_the_controller_even_if_it_moves() {
    let mock = Mock::start(3);
    mock.set_controller(2);
    mock.on(|call, request: CreateTopicsRequest| {
        let code = if call.broker == 3 { ErrorCode::None } else { ErrorCode::NotController };
        created_by(call, &request, code)
    });
    let admin = admin(&mock);
    let topics = [NewTopic::new("a", Some(1), None), NewTopic::new("", None, None)];
    let options = CreateTopicsOptions::default();
    let created = tokio::join!(admin.create_topics(&topics, &options), async {
        mock.wait_for(ApiKey::CreateTopics, 1).await;
        mock.set_controller(3);
    })
    .0;
    assert_eq!(created["a"].as_ref().unwrap().partitions, Some(1));
    let error = created[""].as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::InvalidTopicException));
    let asked = brokers(&mock, ApiKey::CreateTopics);
    assert_eq!((asked.first(), asked.last()), (Some(&2), Some(&3)));
}

#[tokio::test(start_paused = true)]
async fn what_violates_a_quota_is_sent_again_alone() {
    let mock = Mock::start(1);
    let mut first = true;
    mock.on(move |call, request: DeleteTopicsRequest| {
        let code = |name: &Str| match (std::mem::take(&mut first), name.as_ref() as &str) {
            (true, _) => ErrorCode::ThrottlingQuotaExceeded,
            _ => ErrorCode::None,
        };
        let mut code = code;
        let mut results = Vec::new();
        for topic in &request.topics {
            let name = topic.name.clone().unwrap();
            let error_code = code(&name) as i16;
            results.push(DeletableTopicResult { name: Some(name), error_code, ..Default::default() });
        }
        call.reply(DeleteTopicsResponse { throttle_time_ms: 500, responses: results })
    });
    let admin = admin(&mock);
    let done = admin.delete_topics(&["a".into(), "b".into()], &DeleteTopicsOptions::default()).await;
    assert!(done.values().all(|it| it.is_ok()));
    assert_eq!(mock.count(ApiKey::DeleteTopics), 2);
}

fn offsets(call: &Call, request: &ListOffsetsRequest, code: impl Fn(i32) -> ErrorCode) -> Answer {
    let topics = request.topics.iter().map(|topic| ListOffsetsTopicResponse {
        name: topic.name.clone(),
        partitions: topic
            .partitions
            .iter()
            .map(|it| ListOffsetsPartitionResponse {
                partition_index: it.partition_index,
                error_code: code(it.partition_index) as i16,
                offset: i64::from(it.partition_index) * 10,
                ..Default::default()
            })
            .collect(),
    });
    call.reply(ListOffsetsResponse { topics: topics.collect(), ..Default::default() })
}

#[tokio::test(start_paused = true)]
async fn offsets_are_asked_of_the_leaders_together_and_again_when_they_move() {
    let mock = Mock::start(2);
    mock.topic("t", 4);
    mock.on(|call, request: ListOffsetsRequest| {
        let broker = call.broker;
        offsets(call, &request, |partition| match (broker, partition) {
            (1, 2) => ErrorCode::NotLeaderOrFollower,
            _ => ErrorCode::None,
        })
    });
    let admin = admin(&mock);
    let wanted = (0..4).map(|it| (TopicPartition::new("t", it), OffsetSpec::Latest)).collect();
    let options = ListOffsetsOptions::default();
    let found = tokio::join!(admin.list_offsets(&wanted, &options), async {
        mock.wait_for(ApiKey::ListOffsets, 2).await;
        mock.move_leader("t", 2, 2);
    })
    .0;
    let offsets: Vec<i64> = found.values().map(|it| it.as_ref().unwrap().offset).collect();
    assert_eq!(offsets, [0, 10, 20, 30]);
    let mut asked = brokers(&mock, ApiKey::ListOffsets);
    assert_eq!(asked.pop(), Some(2));
    asked.truncate(2);
    asked.sort_unstable();
    assert_eq!(asked, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn old_brokers_fail_only_what_they_do_not_know() {
    let mock = Mock::start(1);
    mock.topic("t", 2);
    mock.versions(ApiKey::ListOffsets, 1..=4);
    mock.on(|call, request: ListOffsetsRequest| offsets(call, &request, |_| ErrorCode::None));
    let admin = admin(&mock);
    let wanted = BTreeMap::from([
        (TopicPartition::new("t", 0), OffsetSpec::MaxTimestamp),
        (TopicPartition::new("t", 1), OffsetSpec::Earliest),
    ]);
    let found = admin.list_offsets(&wanted, &ListOffsetsOptions::default()).await;
    assert!(matches!(found[&TopicPartition::new("t", 0)], Err(Error::UnsupportedVersion(_))));
    assert_eq!(found[&TopicPartition::new("t", 1)].as_ref().unwrap().offset, 10);
}

#[tokio::test(start_paused = true)]
async fn topics_that_are_not_there_end_with_the_time_or_at_once() {
    let mock = Mock::start(1);
    let admin = admin(&mock);
    let key = TopicPartition::new("none", 0);
    let wanted = BTreeMap::from([(key.clone(), OffsetSpec::Latest)]);
    let found = admin.list_offsets(&wanted, &ListOffsetsOptions::default()).await;
    let error = found[&key].as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UnknownTopicOrPartition));
    let started = Instant::now();
    let options = TimeoutOptions { timeout: Some(Duration::from_secs(5)) };
    let found = admin.delete_records(&BTreeMap::from([(key.clone(), 1)]), &options).await;
    assert!(matches!(found[&key], Err(Error::Timeout(_))));
    assert!(started.elapsed() <= Duration::from_secs(6));
}

#[tokio::test(start_paused = true)]
async fn old_coordinators_are_asked_for_one_group_at_a_time() {
    let mock = Mock::start(2);
    mock.set_coordinator(2);
    mock.versions(ApiKey::FindCoordinator, 0..=3);
    mock.versions(ApiKey::OffsetFetch, 1..=7);
    mock.on(|call, request: OffsetFetchRequest| {
        let partition = OffsetFetchResponsePartition { committed_offset: 7, ..Default::default() };
        let topic = OffsetFetchResponseTopic { name: request.group_id, partitions: vec![partition] };
        call.reply(OffsetFetchResponse { topics: vec![topic], ..Default::default() })
    });
    let admin = admin(&mock);
    let groups = BTreeMap::from([(Str::from("a"), None), (Str::from("b"), None)]);
    let found = admin.list_consumer_group_offsets(&groups, &ListGroupOffsetsOptions::default()).await;
    for id in ["a", "b"] {
        let offsets = found[id].as_ref().unwrap();
        assert_eq!(offsets[&TopicPartition::new(id, 0)].as_ref().unwrap().offset, 7);
    }
    assert_eq!(brokers(&mock, ApiKey::OffsetFetch), [2, 2]);
}

#[tokio::test(start_paused = true)]
async fn groups_that_brokers_know_only_as_classic_are_described_so() {
    let mock = Mock::start(1);
    #[allow(clippy::reversed_empty_ranges)]
    mock.versions(ApiKey::ConsumerGroupDescribe, 1..=0);
    let mut loading = true;
    mock.on(move |call, request: DescribeGroupsRequest| {
        let code = match std::mem::take(&mut loading) {
            true => ErrorCode::CoordinatorLoadInProgress,
            false => ErrorCode::None,
        };
        let group = |id: &Str| ClassicGroup {
            group_id: id.clone(),
            error_code: code as i16,
            group_state: "Empty".into(),
            protocol_type: "consumer".into(),
            ..Default::default()
        };
        let groups = request.groups.iter().map(group).collect();
        call.reply(DescribeGroupsResponse { groups, ..Default::default() })
    });
    let admin = admin(&mock);
    let found = admin.describe_consumer_groups(&["g".into()], &DescribeGroupsOptions::default()).await;
    let group = found["g"].as_ref().unwrap();
    assert_eq!((group.group_type, group.state), (GroupType::Classic, GroupState::Empty));
    assert_eq!((group.coordinator.id, group.coordinator.port), (1, mock.address(1).port()));
    assert_eq!(mock.count(ApiKey::DescribeGroups), 2);
}

#[tokio::test(start_paused = true)]
async fn every_broker_lists_its_groups_and_one_may_fail() {
    let mock = Mock::start(3);
    mock.on(|call, _: ListGroupsRequest| {
        let group = ListedGroup {
            group_id: format!("g{}", call.broker).into(),
            group_type: "Share".into(),
            ..Default::default()
        };
        let error_code = match call.broker {
            3 => ErrorCode::GroupAuthorizationFailed as i16,
            _ => 0,
        };
        call.reply(ListGroupsResponse { error_code, groups: vec![group], ..Default::default() })
    });
    let admin = admin(&mock);
    let found = admin.list_groups(&ListGroupsOptions::default()).await.unwrap();
    assert_eq!(found.groups.keys().map(|id| &**id).collect::<Vec<_>>(), ["g1", "g2"]);
    assert_eq!(found.errors.len(), 1);
    assert_eq!(found.all().unwrap_err().code(), Some(ErrorCode::GroupAuthorizationFailed));
}

#[tokio::test(start_paused = true)]
async fn brokers_of_old_tell_of_cluster_and_topics_by_metadata() {
    let mock = Mock::start(2);
    mock.topic("t", 2);
    #[allow(clippy::reversed_empty_ranges)]
    for api in [ApiKey::DescribeCluster, ApiKey::DescribeTopicPartitions] {
        mock.versions(api, 1..=0);
    }
    mock.versions(ApiKey::Metadata, 0..=7);
    let admin = admin(&mock);
    let cluster = admin.describe_cluster(&DescribeClusterOptions::default()).await.unwrap();
    assert_eq!(cluster.nodes.len(), 2);
    assert_eq!(cluster.controller.unwrap().id, 1);
    let found = admin.describe_topics(&["t".into(), "u".into()], &DescribeTopicsOptions::default()).await;
    let leaders: Vec<i32> =
        found["t"].as_ref().unwrap().partitions.iter().map(|it| it.leader.as_ref().unwrap().id).collect();
    assert_eq!(leaders, [1, 2]);
    assert_eq!(found["u"].as_ref().unwrap_err().code(), Some(ErrorCode::UnknownTopicOrPartition));
}

#[tokio::test(start_paused = true)]
async fn configurations_of_brokers_are_asked_of_themselves() {
    let mock = Mock::start(3);
    mock.on(|call, request: DescribeConfigsRequest| {
        let result = |it: &describe_configs_request::DescribeConfigsResource| {
            describe_configs_response::DescribeConfigsResult {
                resource_type: it.resource_type,
                resource_name: it.resource_name.clone(),
                ..Default::default()
            }
        };
        let results = request.resources.iter().map(result).collect();
        call.reply(DescribeConfigsResponse { results, ..Default::default() })
    });
    let admin = admin(&mock);
    let resources = [ConfigResource::broker(2), ConfigResource::broker(3)];
    let found = admin.describe_configs(&resources, &DescribeConfigsOptions::default()).await;
    assert!(found.values().all(|it| it.is_ok()));
    let asked: BTreeSet<i32> = brokers(&mock, ApiKey::DescribeConfigs).into_iter().collect();
    assert_eq!(asked, BTreeSet::from([2, 3]));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_away_does_not_keep_answers_from_others() {
    let mock = Mock::start(2);
    mock.on(|call, _: DescribeLogDirsRequest| {
        let dir =
            describe_log_dirs_response::DescribeLogDirsResult { log_dir: "/a".into(), ..Default::default() };
        call.reply(DescribeLogDirsResponse { results: vec![dir], ..Default::default() })
    });
    mock.stop_broker(2).await;
    let admin = admin(&mock);
    let options = TimeoutOptions { timeout: Some(Duration::from_secs(3)) };
    let found = admin.describe_log_dirs(&BTreeSet::from([1, 2]), &options).await;
    assert!(found[&1].as_ref().unwrap().contains_key("/a"));
    assert!(found[&2].as_ref().unwrap_err().is_retriable());
}

#[tokio::test(start_paused = true)]
async fn controllers_are_asked_when_the_addresses_are_theirs() {
    let mock = Mock::start(2);
    let addresses = [1, 2].map(|id| (id, mock.address(id)));
    mock.on(move |call, request: DescribeClusterRequest| {
        assert_eq!(request.endpoint_type, 2);
        let controllers = addresses.map(|(id, address)| describe_cluster_response::DescribeClusterBroker {
            broker_id: id,
            host: address.ip().to_string().into(),
            port: address.port().into(),
            ..Default::default()
        });
        call.reply(DescribeClusterResponse {
            endpoint_type: 2,
            cluster_id: "c".into(),
            controller_id: 2,
            brokers: controllers.into(),
            ..Default::default()
        })
    });
    mock.on(|call, _: UnregisterBrokerRequest| {
        let code = if call.broker == 2 { ErrorCode::None } else { ErrorCode::NotController };
        call.reply(UnregisterBrokerResponse { error_code: code as i16, ..Default::default() })
    });
    let mut config = mock.config();
    config.bootstrap_controllers = std::mem::take(&mut config.bootstrap_servers);
    let admin = Admin::new(Cluster::new(config).unwrap());
    admin.unregister_broker(5, &TimeoutOptions::default()).await.unwrap();
    assert_eq!(brokers(&mock, ApiKey::UnregisterBroker).last(), Some(&2));
    let cluster = admin.describe_cluster(&DescribeClusterOptions::default()).await.unwrap();
    assert_eq!((cluster.nodes.len(), cluster.controller.unwrap().id), (2, 2));
    let error = admin.list_topics(&ListTopicsOptions::default()).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UnsupportedEndpointType));
}

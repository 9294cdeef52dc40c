//! Authorization over a real socket: what each API needs, what it answers without, what is left out, and how entries
//! come together. Everybody is `User:ANONYMOUS` here; an administrator and a client differ in their addresses.

mod authorization_node;
mod wire_client;

use std::collections::BTreeSet;

use authorization_node::records::fetch_request;
use authorization_node::{Node, cluster, groups, produce_request, records, refusals, until};
use ottla_broker::apis::{self, ListenerKind};
use ottla_broker::authorization::declared;
use ottla_metadata::AclOperation::{All, Alter, Create, Delete, Describe, DescribeConfigs, Read, Write};
use ottla_metadata::AclResourceType::{Cluster, Group, Topic, TransactionalId};
use ottla_protocol::messages::delete_topics_request::DeleteTopicState;
use ottla_protocol::messages::metadata_request::MetadataRequestTopic;
use ottla_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use ottla_protocol::messages::*;
use ottla_protocol::records::BatchOptions;
use ottla_protocol::{ApiKey, ErrorCode};
use wire_client::WireClient;

const FORBIDDEN: i16 = ErrorCode::TopicAuthorizationFailed.code();

#[test]
fn every_api_needs_what_is_declared() {
    let mut node = Node::start();
    node.create_topic("t");
    try_all(&mut node);
    cluster::acls(&mut node);
    let asking: BTreeSet<ApiKey> = apis::of(ListenerKind::Broker)
        .iter()
        .copied()
        .filter(|api| !declared::questions(*api).is_empty())
        .collect();
    // What these may not see they leave out, which other tests show.
    let leaving_out = [ApiKey::ListGroups, ApiKey::ListTransactions, ApiKey::DescribeCluster];
    // Nobody who is not known may ask for these: tests/delegation_tokens.rs shows what others may.
    let of_tokens = [ApiKey::CreateDelegationToken, ApiKey::DescribeDelegationToken];
    let elsewhere = BTreeSet::from_iter(leaving_out.into_iter().chain(of_tokens));
    let tried: BTreeSet<ApiKey> = node.tried.union(&elsewhere).copied().collect();
    assert_eq!(tried, asking);
    node.stop();
}

#[test]
fn what_is_named_twice_is_an_error_before_anybody_is_asked() {
    let mut node = Node::start();
    node.create_topic("t");
    let topic_id = node.topic_id("t");
    let by_id = DeleteTopicState { name: None, topic_id };
    let codes = |node: &mut Node, topics: Vec<DeleteTopicState>| {
        let answer = node.client.call(&DeleteTopicsRequest { topics, ..Default::default() }, 6);
        answer.responses.iter().map(|it| it.error_code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&mut node, vec![by_id.clone()]), [FORBIDDEN]);
    assert_eq!(codes(&mut node, vec![by_id.clone(), by_id]), [ErrorCode::InvalidRequest.code()]);
    node.stop();
}

#[test]
fn without_an_authorizer_nobody_is_refused_anything() {
    let mut node = Node::start_with(&[]);
    node.create_topic("t");
    try_all(&mut node);
    node.stop();
}

fn try_all(node: &mut Node) {
    records::records(node);
    records::topics(node);
    records::configs(node);
    groups::classic(node);
    groups::offsets(node);
    groups::newer(node);
    groups::share(node);
    groups::transactions(node);
    cluster::administration(node);
    cluster::share_states(node);
}

#[test]
fn a_forbidden_topic_does_not_spoil_the_allowed_one_beside_it() {
    let mut node = Node::start();
    node.create_topic("mine");
    node.create_topic("yours");
    node.allow(&[(Topic, "mine", Write), (Topic, "mine", Read)]);
    let mut request = produce_request(&["yours", "mine", "nobodys"], BatchOptions::default());
    let codes = |response: &ProduceResponse| -> Vec<i16> {
        let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        partitions.map(|partition| partition.error_code).collect()
    };
    // That a topic is not there is nothing for who may not see it.
    assert_eq!(codes(&node.client.call(&request, 12)), [FORBIDDEN, 0, FORBIDDEN]);
    for (topic, name) in request.topic_data.iter_mut().zip(["yours", "mine", "nobodys"]) {
        topic.topic_id = node.topic_id(name);
    }
    let unknown = ErrorCode::UnknownTopicId.code();
    assert_eq!(codes(&node.client.call(&request, 13)), [FORBIDDEN, 0, unknown]);
    // acks=0 has no answer: the end of the connection is one.
    request.acks = 0;
    let mut client = node.connect();
    client.send(&request, 12, 12);
    assert!(client.is_closed());
    assert_eq!(end_of(&mut node.admin, "yours"), 0, "nothing was written");
    assert_eq!(end_of(&mut node.admin, "mine"), 3);
    node.stop();
}

fn end_of(client: &mut WireClient, topic: &str) -> i64 {
    use list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
    let partitions = vec![ListOffsetsPartition { timestamp: -1, ..Default::default() }];
    let topics = vec![ListOffsetsTopic { name: topic.into(), partitions }];
    let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
    client.call(&request, 9).topics[0].partitions[0].offset
}

#[test]
fn a_session_asks_again_with_each_fetch() {
    let mut node = Node::start();
    for topic in ["a", "b"] {
        node.create_topic(topic);
        node.admin.call(&produce_request(&[topic], BatchOptions::default()), 12);
    }
    node.allow(&[(Topic, "a", Read), (Topic, "b", Read)]);
    let codes = |response: &FetchResponse| -> Vec<(String, i16)> {
        let topics = response.responses.iter();
        topics.map(|topic| (topic.topic.to_string(), topic.partitions[0].error_code)).collect()
    };
    let first = node.client.call(&fetch_request(&["a", "b"], 0, 0, 1), 12);
    assert_eq!(codes(&first), [("a".to_owned(), 0), ("b".to_owned(), 0)]);
    let next = |epoch| fetch_request(&[], epoch, first.session_id, 0);
    assert_eq!(codes(&node.client.call(&next(1), 12)), [], "nothing is new");
    node.deny((Topic, "b", Read));
    assert_eq!(codes(&node.client.call(&next(2), 12)), [("b".to_owned(), FORBIDDEN)]);
    node.revoke_all();
    let forbidden = [("a".to_owned(), FORBIDDEN), ("b".to_owned(), FORBIDDEN)];
    assert_eq!(codes(&node.client.call(&next(3), 12)), forbidden);
    node.allow(&[(Topic, "a", Read), (Topic, "b", Read)]);
    let again = [("a".to_owned(), 0), ("b".to_owned(), 0)];
    assert_eq!(codes(&node.client.call(&next(4), 12)), again, "after an error, all is told again");
    node.stop();
}

#[test]
fn who_asks_for_all_gets_what_they_may_see() {
    let mut node = Node::start();
    node.create_topic("seen");
    node.create_topic("hidden");
    for group in ["seen-group", "hidden-group"] {
        commit(&mut node.admin, group, &["seen", "hidden"]);
    }
    for id in ["seen-id", "hidden-id"] {
        init_transaction(&mut node.admin, id);
    }
    node.allow(&[(Topic, "seen", Describe), (Group, "seen-group", Describe)]);
    node.allow(&[(TransactionalId, "seen-id", Describe)]);
    let all = MetadataRequest { topics: None, ..Default::default() };
    let topics = node.client.call(&all, 12).topics;
    assert_eq!(topics.iter().filter_map(|t| t.name.as_deref()).collect::<Vec<_>>(), ["seen"]);
    let topics = node.client.call(&DescribeTopicPartitionsRequest::default(), 0).topics;
    assert_eq!(topics.iter().filter_map(|t| t.name.as_deref()).collect::<Vec<_>>(), ["seen"]);
    let listed = node.client.call(&ListGroupsRequest::default(), 4).groups;
    assert_eq!(listed.iter().map(|group| &*group.group_id).collect::<Vec<_>>(), ["seen-group"]);
    let listed = node.client.call(&ListTransactionsRequest::default(), 1).transaction_states;
    assert_eq!(listed.iter().map(|state| &*state.transactional_id).collect::<Vec<_>>(), ["seen-id"]);
    for version in [9, 10] {
        let group =
            OffsetFetchRequestGroup { group_id: "seen-group".into(), topics: None, ..Default::default() };
        let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
        let groups = node.client.call(&request, version).groups;
        assert_eq!((groups[0].error_code, groups[0].topics.len()), (0, 1), "version {version}");
    }
    node.allow(&[(Cluster, "kafka-cluster", Describe)]);
    assert_eq!(node.client.call(&ListGroupsRequest::default(), 4).groups.len(), 2);
    node.stop();
}

fn commit(client: &mut WireClient, group: &str, topics: &[&str]) {
    client.call(&FindCoordinatorRequest { coordinator_keys: vec![group.into()], ..Default::default() }, 4);
    let topic = |name: &&str| OffsetCommitRequestTopic {
        name: (*name).into(),
        partitions: vec![OffsetCommitRequestPartition { committed_offset: 1, ..Default::default() }],
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: -1,
        topics: topics.iter().map(topic).collect(),
        ..Default::default()
    };
    until(|| client.call(&request, 9), |response| response.topics[0].partitions[0].error_code == 0);
}

fn init_transaction(client: &mut WireClient, id: &str) {
    let keys = vec![id.into()];
    client.call(&FindCoordinatorRequest { key_type: 1, coordinator_keys: keys, ..Default::default() }, 4);
    let request = InitProducerIdRequest {
        transactional_id: Some(id.into()),
        transaction_timeout_ms: 1000,
        ..Default::default()
    };
    until(|| client.call(&request, 4), |response| response.error_code == 0);
}

#[test]
fn a_regular_expression_matches_what_its_member_may_see() {
    let mut node = Node::start();
    node.create_topic("topic-seen");
    node.create_topic("topic-hidden");
    commit(&mut node.admin, "warm-up", &["topic-seen"]);
    node.allow(&[(Group, "r", Read), (Topic, "topic-seen", Describe)]);
    let mut request = ConsumerGroupHeartbeatRequest {
        group_id: "r".into(),
        member_id: "m".into(),
        rebalance_timeout_ms: 1000,
        subscribed_topic_regex: Some("topic-.*".into()),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    };
    let joined = node.client.call(&request, 1);
    assert_eq!(joined.error_code, 0, "{:?}", joined.error_message);
    request.subscribed_topic_regex = None;
    request.rebalance_timeout_ms = -1;
    request.topic_partitions = None;
    request.member_epoch = joined.member_epoch;
    let client = &mut node.client;
    let found = until(
        || {
            let response = client.call(&request, 1);
            request.member_epoch = response.member_epoch;
            response
        },
        |response| response.assignment.as_ref().is_some_and(|all| !all.topic_partitions.is_empty()),
    );
    let seen = node.topic_id("topic-seen");
    let assigned = found.assignment.expect("an assignment").topic_partitions;
    assert_eq!(assigned.iter().map(|topic| topic.topic_id).collect::<Vec<_>>(), [seen]);
    node.stop();
}

#[test]
fn entries_come_together_as_in_kafka() {
    let mut node = Node::start();
    for topic in ["logs-a", "logs-b"] {
        node.create_topic(topic);
    }
    let may_write = |client: &mut WireClient, topic: &str| {
        refusals(&client.call(&produce_request(&[topic], BatchOptions::default()), 12)).is_empty()
    };
    node.allow_prefixed((Topic, "logs-", All));
    assert!(may_write(&mut node.client, "logs-a") && may_write(&mut node.client, "logs-b"));
    node.deny((Topic, "logs-b", Write));
    assert!(may_write(&mut node.client, "logs-a"));
    assert!(!may_write(&mut node.client, "logs-b"), "a denial goes before what allows");
    let topic = |name: &str| MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
    let request = MetadataRequest {
        topics: Some(vec![topic("logs-b"), topic("logs-a")]),
        include_topic_authorized_operations: true,
        ..Default::default()
    };
    let operations = |client: &mut WireClient| -> Vec<i32> {
        client.call(&request, 10).topics.iter().map(|topic| topic.topic_authorized_operations).collect()
    };
    let all = [
        Read,
        Write,
        Create,
        Delete,
        Alter,
        Describe,
        DescribeConfigs,
        ottla_metadata::AclOperation::AlterConfigs,
    ];
    let bits = all.iter().fold(0, |bits, operation| bits | (1 << operation.code()));
    assert_eq!(operations(&mut node.client), [bits, bits & !(1 << Write.code())]);
    node.revoke_all();
    node.allow(&[(Topic, "logs-a", Write), (Topic, "logs-b", Delete)]);
    let described = [1 << Write.code(), 1 << Delete.code()].map(|bit| bit | (1 << Describe.code()));
    assert_eq!(operations(&mut node.client), described, "DESCRIBE is implied");
    node.stop();
}

#[test]
fn super_users_may_do_everything_and_nobody_else_anything() {
    for (user, is_allowed) in [("User:ANONYMOUS", true), ("User:admin", false)] {
        let mut node = Node::start_with(&[("authorizer.class.name", "standard"), ("super.users", user)]);
        let response = node.client.call(&DescribeLogDirsRequest::default(), 4);
        assert_eq!(refusals(&response).is_empty(), is_allowed, "{user}");
        node.stop();
    }
}

#[test]
fn a_topic_is_created_by_asking_only_for_who_may_create_it() {
    let mut node = Node::start();
    let topic = MetadataRequestTopic { name: Some("asked-for".into()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
    let code = |client: &mut WireClient| client.call(&request, 12).topics[0].error_code;
    assert_eq!(code(&mut node.client), FORBIDDEN);
    node.allow(&[(Topic, "asked-for", Describe)]);
    assert_eq!(code(&mut node.client), FORBIDDEN, "it would be created");
    node.allow(&[(Topic, "asked-for", Create)]);
    assert_eq!(code(&mut node.client), ErrorCode::UnknownTopicOrPartition.code());
    assert_eq!(code(&mut node.client), 0, "it was created");
    node.stop();
}

use std::time::Duration;

use ottla_protocol::ApiKey;
use ottla_protocol::messages::*;
use parking_lot::Mutex;

use super::*;
use crate::testing::{Answer, Mock};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn names(names: &[&'static str]) -> Topics {
    Topics::Named(names.iter().map(|name| Str::from_static(name)).collect())
}

#[tokio::test(start_paused = true)]
async fn asks_and_is_answered() {
    let mock = Mock::start(2);
    mock.topic("t", 3);
    let cluster = Cluster::new(mock.config()).unwrap();
    let request = MetadataRequest { topics: None, ..Default::default() };
    let answer = cluster.call(Target::Any, request.clone(), soon()).await.unwrap();
    assert_eq!(answer.topics[0].partitions.len(), 3);
    let request = MetadataRequest { topics: None, ..Default::default() };
    let (version, _) = cluster.call_as(Target::Node(2), 0, 8, |_| Ok(request), soon()).await.unwrap();
    assert_eq!(version, 8);
    let last = mock.calls().pop().unwrap();
    assert_eq!((last.broker, last.api, last.version), (2, ApiKey::Metadata, 8));
    cluster.close().await;
    let error = cluster.call(Target::Any, MetadataRequest::default(), soon()).await.unwrap_err();
    assert!(matches!(error, Error::Closed(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn old_brokers_are_understood() {
    let mock = Mock::start(1);
    mock.versions(ApiKey::ApiVersions, 0..=2);
    mock.versions(ApiKey::Metadata, 0..=7);
    mock.versions(ApiKey::FindCoordinator, 0..=2);
    mock.topic("t", 1);
    let cluster = Cluster::new(mock.config()).unwrap();
    cluster.set_topics(names(&["t"]), false);
    let metadata = cluster.refresh(soon()).await.unwrap();
    assert_eq!(metadata.leader("t", 0).unwrap().id, 1);
    assert_eq!(metadata.partition("t", 0).unwrap().leader_epoch, None);
    assert_eq!(cluster.coordinator(CoordinatorKind::Group, "g", soon()).await.unwrap(), 1);
    let error = cluster.coordinator(CoordinatorKind::Share, "g", soon()).await.unwrap_err();
    assert!(matches!(error, Error::UnsupportedVersion(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn requests_keep_their_order_and_are_pipelined() {
    let mock = Mock::start(1);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    mock.on(move |call, request: HeartbeatRequest| {
        log.lock().push(request.generation_id);
        call.reply_after(Duration::from_millis(100), HeartbeatResponse::default())
    });
    let cluster = Cluster::new(mock.config()).unwrap();
    cluster.refresh(soon()).await.unwrap();
    while !cluster.is_ready(1) {
        cluster.changed().await;
    }
    let answers: Vec<_> = (0..50)
        .map(|generation_id| {
            let build = |_| Ok(HeartbeatRequest { generation_id, ..Default::default() });
            cluster.submit(cluster.ready(1).unwrap(), build, true, soon()).unwrap()
        })
        .collect();
    assert_eq!(cluster.in_flight(1), 50);
    for answer in answers {
        answer.await.unwrap();
    }
    assert_eq!(*seen.lock(), (0..50).collect::<Vec<_>>());
    assert_eq!(cluster.in_flight(1), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_answer_is_done_when_it_is_written() {
    let mock = Mock::start(1);
    mock.on(|_, _: ProduceRequest| Answer::Nothing);
    let cluster = Cluster::new(mock.config()).unwrap();
    cluster.refresh(soon()).await.unwrap();
    while !cluster.is_ready(1) {
        cluster.changed().await;
    }
    let build = |_| Ok(ProduceRequest::default());
    cluster.submit(cluster.ready(1).unwrap(), build, false, soon()).unwrap().await.unwrap();
    mock.wait_for(ApiKey::Produce, 1).await;
}

/// Half of it is written when the broker goes: nobody has closed the client.
#[tokio::test(start_paused = true)]
async fn why_a_request_without_answer_is_lost_is_told() {
    let mock = Mock::start(1);
    mock.on(|_, _: HeartbeatRequest| Answer::Later(Box::pin(std::future::pending())));
    let cluster = Cluster::new(mock.config()).unwrap();
    cluster.refresh(soon()).await.unwrap();
    while !cluster.is_ready(1) {
        cluster.changed().await;
    }
    let connection = cluster.ready(1).unwrap();
    let _silent = cluster.submit(connection, |_| Ok(HeartbeatRequest::default()), true, soon()).unwrap();
    mock.wait_for(ApiKey::Heartbeat, 1).await;
    let large = Some(Str::from("x".repeat(30_000)));
    let build = |_| Ok(ProduceRequest { transactional_id: large.clone(), ..Default::default() });
    let lost: Vec<_> = (0..10).map(|_| cluster.submit(connection, build, false, soon()).unwrap()).collect();
    tokio::time::sleep(Duration::from_millis(10)).await;
    mock.stop_broker(1).await;
    for lost in lost {
        let error = lost.await.unwrap_err();
        assert!(matches!(error, Error::Disconnected(_)), "{error}");
        assert!(!error.to_string().contains("the client was closed"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_broker_is_given_up() {
    let mock = Mock::start(1);
    mock.on(|_, _: HeartbeatRequest| Answer::Silence);
    let cluster = Cluster::new(mock.config()).unwrap();
    cluster.refresh(soon()).await.unwrap();
    let began = Instant::now();
    let ask = |secs| {
        let deadline = Instant::now() + Duration::from_secs(secs);
        cluster.call(Target::Node(1), HeartbeatRequest::default(), deadline)
    };
    let error = ask(5).await.unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error}");
    assert_eq!(began.elapsed().as_secs(), 5);
    assert!(cluster.is_ready(1), "the connection is kept until request.timeout.ms");
    let error = ask(60).await.unwrap_err();
    assert!(matches!(error, Error::Disconnected(_)), "{error}");
    assert_eq!(began.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn lost_connections_are_made_anew() {
    let mock = Mock::start(1);
    let mut first = true;
    mock.on(move |call, _: HeartbeatRequest| {
        if std::mem::take(&mut first) { Answer::Close } else { call.reply(HeartbeatResponse::default()) }
    });
    let cluster = Cluster::new(mock.config()).unwrap();
    let ask = || cluster.call(Target::Node(1), HeartbeatRequest::default(), soon());
    let error = ask().await.unwrap_err();
    assert!(matches!(error, Error::Disconnected(_)) && error.is_retriable(), "{error}");
    ask().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stopped_broker_is_unreachable_until_it_is_back() {
    let mock = Mock::start(2);
    let cluster = Cluster::new(mock.config()).unwrap();
    cluster.refresh(soon()).await.unwrap();
    mock.stop_broker(2).await;
    mock.on(|call, _: HeartbeatRequest| call.reply(HeartbeatResponse::default()));
    let ask = || cluster.call(Target::Node(2), HeartbeatRequest::default(), soon());
    let error = ask().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error}");
    mock.start_broker(2);
    ask().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn unknown_nodes_and_unreachable_clusters_are_told() {
    let mock = Mock::start(1);
    let cluster = Cluster::new(mock.config()).unwrap();
    let error = cluster.call(Target::Node(9), HeartbeatRequest::default(), soon()).await.unwrap_err();
    assert_eq!(error.to_string(), "Node 9 is not among the cluster's nodes (1)");
    mock.stop_broker(1).await;
    let cluster = Cluster::new(mock.config()).unwrap();
    let error = cluster.refresh(soon()).await.unwrap_err();
    assert!(
        error.to_string().starts_with("Failed to update metadata after 20000 ms. Connection to node -1"),
        "{error}"
    );
    let error = cluster.call(Target::Any, HeartbeatRequest::default(), soon()).await.unwrap_err();
    assert!(error.to_string().starts_with("Timed out waiting for a node assignment."), "{error}");
}

#[tokio::test(start_paused = true)]
async fn only_new_topics_are_asked_for() {
    let mock = Mock::start(1);
    mock.topic("a", 1);
    mock.topic("b", 2);
    let cluster = Cluster::new(mock.config()).unwrap();
    cluster.set_topics(names(&["a"]), true);
    cluster.refresh(soon()).await.unwrap();
    let count = mock.count(ApiKey::Metadata);
    let changed = cluster.changed();
    cluster.add_topic(&"b".into());
    changed.await;
    assert_eq!(mock.count(ApiKey::Metadata), count + 1);
    let metadata = cluster.metadata();
    assert_eq!((metadata.topics["a"].partitions.len(), metadata.topics["b"].partitions.len()), (1, 2));
    tokio::time::sleep(Duration::from_secs(301)).await;
    assert_eq!(mock.count(ApiKey::Metadata), count + 2, "once more when it has aged");
    assert!(cluster.metadata().topic("b").is_none(), "idle");
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_not_there_yet_is_asked_for_again() {
    let mock = Mock::start(1);
    let cluster = Cluster::new(mock.config()).unwrap();
    cluster.add_topic(&"t".into());
    mock.wait_for(ApiKey::Metadata, 5).await;
    mock.topic("t", 1);
    while cluster.metadata().leader("t", 0).is_none() {
        cluster.changed().await;
    }
    assert_eq!(mock.count(ApiKey::Metadata), 6);
}

#[tokio::test(start_paused = true)]
async fn begins_anew_when_no_known_node_is_left() {
    let mock = Mock::start(2);
    let mut config = mock.config();
    config.bootstrap_servers.truncate(1);
    let cluster = Cluster::new(config.clone()).unwrap();
    let hidden = mock.address(2);
    mock.on(move |call, _: MetadataRequest| {
        let broker = metadata_response::MetadataResponseBroker {
            node_id: 2,
            host: hidden.ip().to_string().into(),
            port: 9092,
            rack: None,
        };
        call.reply(MetadataResponse { brokers: vec![broker], ..Default::default() })
    });
    let metadata = cluster.refresh(soon()).await.unwrap();
    assert_eq!(metadata.nodes.keys().collect::<Vec<_>>(), [&2]);
    mock.stop_broker(2).await;
    mock.forget(ApiKey::Metadata);
    let metadata = cluster.refresh(soon()).await.unwrap();
    assert_eq!(metadata.nodes.keys().collect::<Vec<_>>(), [&1]);
    // Without the strategy the client stays with what it knows.
    mock.start_broker(2);
    config.rebootstrap = false;
    let cluster = Cluster::new(config).unwrap();
    cluster.refresh(soon()).await.unwrap();
    mock.stop_broker(1).await;
    mock.stop_broker(2).await;
    cluster.refresh(soon()).await.unwrap_err();
    assert_eq!(cluster.metadata().nodes.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn coordinators_are_found_and_remembered() {
    let mock = Mock::start(2);
    mock.set_coordinator(2);
    let cluster = Cluster::new(mock.config()).unwrap();
    let find = |key: &'static str| cluster.coordinator(CoordinatorKind::Group, key, soon());
    assert_eq!(find("g").await.unwrap(), 2);
    assert_eq!(find("g").await.unwrap(), 2);
    assert_eq!(mock.count(ApiKey::FindCoordinator), 1);
    cluster.forget_coordinator(CoordinatorKind::Group, "g");
    mock.set_coordinator(1);
    assert_eq!(find("g").await.unwrap(), 1);
    // By its own connection, without metadata.
    mock.on(|call, _: HeartbeatRequest| call.reply(HeartbeatResponse::default()));
    let before = mock.connections();
    for node in [1, cluster.dedicated(1), cluster.dedicated(1)] {
        cluster.call(Target::Node(node), HeartbeatRequest::default(), soon()).await.unwrap();
    }
    assert_eq!(mock.connections() - before, 2);
    assert_eq!(cluster.node(cluster.dedicated(1)).unwrap().id, 1);
}

#[tokio::test(start_paused = true)]
async fn coordinators_that_are_not_there_yet_are_waited_for() {
    let mock = Mock::start(1);
    let mut attempts = 0;
    mock.on(move |call, request: FindCoordinatorRequest| {
        attempts += 1;
        let answer = |key: Str| find_coordinator_response::Coordinator {
            error_code: match &*key {
                "forbidden" => ErrorCode::GroupAuthorizationFailed.code(),
                _ if attempts < 3 => ErrorCode::CoordinatorNotAvailable.code(),
                _ => 0,
            },
            key,
            node_id: 1,
            host: "h".into(),
            port: 1,
            ..Default::default()
        };
        let coordinators = request.coordinator_keys.into_iter().map(answer).collect();
        call.reply(FindCoordinatorResponse { coordinators, ..Default::default() })
    });
    let cluster = Cluster::new(mock.config()).unwrap();
    let keys = ["a".into(), "forbidden".into(), "a".into()];
    let found = cluster.coordinators(CoordinatorKind::Transaction, &keys, soon()).await.unwrap();
    assert_eq!(*found["a"].as_ref().unwrap(), 1);
    let error = found["forbidden"].as_ref().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::GroupAuthorizationFailed));
    assert_eq!(mock.count(ApiKey::FindCoordinator), 3);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_node_is_left_alone() {
    let mock = Mock::start(1);
    mock.on(|call, _: HeartbeatRequest| {
        call.reply(HeartbeatResponse { throttle_time_ms: 700, ..Default::default() })
    });
    let cluster = Cluster::new(mock.config()).unwrap();
    cluster.refresh(soon()).await.unwrap();
    let ask = || cluster.call(Target::Node(1), HeartbeatRequest::default(), soon());
    ask().await.unwrap();
    let began = Instant::now();
    assert!(!cluster.is_ready(1));
    cluster.changed().await;
    assert!(cluster.is_ready(1));
    assert_eq!(began.elapsed().as_millis(), 700);
    ask().await.unwrap();
    ask().await.unwrap();
    assert_eq!(began.elapsed().as_millis(), 1400);
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_closed() {
    let mock = Mock::start(1);
    let mut config = mock.config();
    config.connections_max_idle = Some(Duration::from_secs(10));
    let cluster = Cluster::new(config).unwrap();
    cluster.refresh(soon()).await.unwrap();
    mock.on(|call, _: HeartbeatRequest| call.reply(HeartbeatResponse::default()));
    cluster.call(Target::Node(1), HeartbeatRequest::default(), soon()).await.unwrap();
    assert!(cluster.versions(1).is_some());
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(cluster.versions(1).is_none());
}

#[tokio::test(start_paused = true)]
async fn dropping_ends_every_task() {
    let mock = Mock::start(3);
    mock.on(|_, _: HeartbeatRequest| Answer::Silence);
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let cluster = Cluster::new(mock.config()).unwrap();
    cluster.refresh(soon()).await.unwrap();
    let clone = cluster.clone();
    let call =
        tokio::spawn(async move { clone.call(Target::Node(2), HeartbeatRequest::default(), soon()).await });
    mock.wait_for(ApiKey::Heartbeat, 1).await;
    call.abort();
    let _ = call.await;
    drop(cluster);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(after, before);
}

#[tokio::test(start_paused = true)]
async fn what_is_for_one_connection_does_not_leave_on_the_next() {
    let mock = Mock::start(1);
    mock.on(|call, _: HeartbeatRequest| call.reply(HeartbeatResponse::default()));
    let cluster = Cluster::new(mock.config()).unwrap();
    cluster.refresh(soon()).await.unwrap();
    let connected = async || {
        loop {
            match cluster.ready(1) {
                Some(connection) => break connection,
                None => cluster.changed().await,
            }
        }
    };
    let first = connected().await;
    assert_eq!(first, connected().await);
    cluster.disconnect(1);
    let second = connected().await;
    assert_ne!(first, second);
    let build = |_| Ok(HeartbeatRequest::default());
    let error = cluster.submit(first, build, true, soon()).err().expect("it is gone");
    assert!(matches!(error, Error::Disconnected(_)), "{error}");
    cluster.submit(second, build, true, soon()).unwrap().await.unwrap();
    assert_eq!(mock.count(ApiKey::Heartbeat), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_submitted_last_still_leaves() {
    let mock = Mock::start(1);
    mock.on(|call, _: LeaveGroupRequest| call.reply(LeaveGroupResponse::default()));
    let cluster = Cluster::new(mock.config()).unwrap();
    cluster.refresh(soon()).await.unwrap();
    while !cluster.is_ready(1) {
        cluster.changed().await;
    }
    drop(
        cluster
            .submit(cluster.ready(1).unwrap(), |_| Ok(LeaveGroupRequest::default()), true, soon())
            .unwrap(),
    );
    drop(cluster);
    mock.wait_for(ApiKey::LeaveGroup, 1).await;
}

#[tokio::test]
async fn names_that_do_not_resolve_are_told_at_once() {
    let cluster = Cluster::new(ClientConfig::new(["no-such-host.invalid:9092"])).unwrap();
    let error = cluster.refresh(soon()).await.unwrap_err();
    assert_eq!(error.to_string(), "No resolvable bootstrap urls given in bootstrap.servers");
}

#[test]
fn a_client_needs_a_runtime() {
    let error = Cluster::new(ClientConfig::new(["localhost:1"])).unwrap_err();
    assert!(matches!(error, Error::Illegal(_)));
}

fn telemetry_of(mock: &Mock, names: &'static [&'static str]) {
    mock.on(move |call, _: GetTelemetrySubscriptionsRequest| {
        call.reply(GetTelemetrySubscriptionsResponse {
            client_instance_id: ottla_protocol::Uuid([9; 16]),
            subscription_id: 3,
            accepted_compression_types: vec![0],
            push_interval_ms: 10_000,
            requested_metrics: names.iter().map(|name| Str::from_static(name)).collect(),
            ..Default::default()
        })
    });
}

#[tokio::test(start_paused = true)]
async fn figures_are_pushed_to_brokers_that_ask_for_them() {
    let mock = Mock::start(1);
    telemetry_of(&mock, &["org.apache.kafka.producer.connection.creation."]);
    let pushed = Arc::new(Mutex::new(Vec::new()));
    let log = pushed.clone();
    mock.on(move |call, request: PushTelemetryRequest| {
        log.lock().push(request);
        call.reply(PushTelemetryResponse::default())
    });
    let config = ClientConfig { enable_metrics_push: true, kind: "producer", ..mock.config() };
    let cluster = Cluster::new(config).unwrap();
    cluster.refresh(soon()).await.unwrap();
    let id = cluster.client_instance_id(soon()).await.unwrap();
    assert_eq!(id, ottla_protocol::Uuid([9; 16]));
    mock.wait_for(ApiKey::PushTelemetry, 2).await;
    cluster.close().await;
    mock.wait_for(ApiKey::PushTelemetry, 3).await;
    let pushed = pushed.lock();
    let text = String::from_utf8_lossy(&pushed[0].metrics).into_owned();
    assert!(text.contains("org.apache.kafka.producer.connection.creation.total"), "{text}");
    assert!(!text.contains("request"), "{text}");
    let ends: Vec<bool> = pushed.iter().map(|request| request.terminating).collect();
    assert_eq!(ends, [false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn brokers_that_take_no_figures_are_left_alone() {
    let mock = Mock::start(1);
    #[allow(clippy::reversed_empty_ranges)]
    mock.versions(ApiKey::GetTelemetrySubscriptions, 0..=-1);
    let cluster = Cluster::new(ClientConfig { enable_metrics_push: true, ..mock.config() }).unwrap();
    let error = cluster.client_instance_id(soon()).await.unwrap_err();
    assert!(matches!(error, Error::UnsupportedVersion(_)), "{error}");
    let cluster = Cluster::new(mock.config()).unwrap();
    assert!(matches!(cluster.client_instance_id(soon()).await, Err(Error::Illegal(_))));
}

#[tokio::test(start_paused = true)]
async fn requests_and_connections_are_counted() {
    let mock = Mock::start(1);
    mock.on(|call, _: HeartbeatRequest| {
        call.reply_after(Duration::from_millis(30), HeartbeatResponse::default())
    });
    let cluster = Cluster::new(mock.config()).unwrap();
    for _ in 0..3 {
        cluster.call(Target::Node(1), HeartbeatRequest::default(), soon()).await.unwrap();
    }
    let metrics = cluster.metrics();
    let get = |group: &str, name: &str, node: Option<&str>| {
        let of =
            |metric: &Metric| metric.tags.iter().find(|(tag, _)| *tag == "node-id").map(|(_, id)| id.clone());
        let found =
            metrics.iter().find(|it| it.group == group && it.name == name && of(it).as_deref() == node);
        found.unwrap().value
    };
    assert_eq!(get("admin-client-node-metrics", "request-total", Some("node-1")), 3.0);
    let latency = get("admin-client-node-metrics", "request-latency-avg", Some("node-1"));
    assert!((30.0..32.0).contains(&latency), "{latency}");
    assert_eq!(get("admin-client-metrics", "connection-count", None), 2.0);
}

/// Also when who asked has gone in the meantime (KIP-219).
#[tokio::test(start_paused = true)]
async fn a_node_that_throttled_somebody_who_is_gone_is_left_alone() {
    let mock = Mock::start(1);
    mock.on(|call, _: HeartbeatRequest| {
        let response = HeartbeatResponse { throttle_time_ms: 9_000, ..Default::default() };
        call.reply_after(Duration::from_secs(1), response)
    });
    let cluster = Cluster::new(mock.config()).unwrap();
    cluster.refresh(soon()).await.unwrap();
    let ask = cluster.call(Target::Node(1), HeartbeatRequest::default(), soon());
    assert!(timeout_at(Instant::now() + Duration::from_millis(500), ask).await.is_err());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!cluster.is_ready(1));
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(cluster.is_ready(1));
}

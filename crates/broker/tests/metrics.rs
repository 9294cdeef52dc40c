//! `/metrics` and `/health` over a real socket: what is told after known traffic, in which form, and to whom.

mod exposition;
mod logins;
mod metrics_node;
mod wire_client;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use exposition::Exposition;
use metrics_node::{Node, TOPIC, client_metrics, share_group};
use ottla_broker::metrics::{Kind, SUBJECTS};
use ottla_protocol::ErrorCode;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

#[test]
fn traffic_is_counted() {
    let node = Node::start(&[]);
    let mut client = node.client();
    node.produce(&mut client, TOPIC, 0, &["a", "b", "c"]);
    node.produce(&mut client, TOPIC, 1, &["d"]);
    let fetched = node.fetch(&mut client, TOPIC, 0, 0) + node.fetch(&mut client, TOPIC, 0, 0);
    assert_eq!(node.try_produce(&mut client, "nobody", 0, &["x"]), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(node.try_fetch(&mut client, TOPIC, 1, 99), ErrorCode::OffsetOutOfRange);

    let all = node.scrape();
    let topic = &[("topic", TOPIC)];
    assert_eq!(all.value("kafka_server_brokertopicmetrics_messagesin_total", topic), 4.0);
    assert_eq!(all.value("kafka_server_brokertopicmetrics_messagesin_total", &[]), 4.0);
    assert_eq!(all.value("kafka_server_brokertopicmetrics_totalproducerequests_total", topic), 2.0);
    assert_eq!(all.value("kafka_server_brokertopicmetrics_bytesout_total", topic), fetched as f64);
    assert_eq!(all.value("kafka_server_brokertopicmetrics_failedfetchrequests_total", topic), 1.0);
    let of = |partition| [("topic", TOPIC), ("partition", partition)];
    assert_eq!(all.value("kafka_log_log_logendoffset", &of("0")), 3.0);
    assert_eq!(all.value("kafka_topic_partition_current_offset", &of("1")), 1.0);
    assert_eq!(all.value("kafka_topic_partition_leader", &of("1")), 1.0);
    let sizes = all.value("kafka_log_log_size", &of("0")) + all.value("kafka_log_log_size", &of("1"));
    assert_eq!(all.value("kafka_server_brokertopicmetrics_bytesin_total", topic), sizes);

    let produce = &[("request", "Produce")];
    assert_eq!(all.value("kafka_network_requestmetrics_requests_total", produce), 3.0);
    assert_eq!(all.value("kafka_network_requestmetrics_totaltimems_count", produce), 3.0);
    let error = [("request", "Produce"), ("error", "UNKNOWN_TOPIC_OR_PARTITION")];
    assert_eq!(all.value("kafka_network_requestmetrics_errors_total", &error), 1.0);
    assert_eq!(
        all.value("kafka_server_socketservermetrics_connection_count", &[("listener", "PLAINTEXT")]),
        1.0
    );
    assert!(all.value("ottla_request_bytes_total", produce) > 3.0 * 60.0);
    assert!(all.value("ottla_response_bytes_total", &[("request", "Fetch")]) > fetched as f64);
}

#[test]
fn counters_do_not_fall_when_a_topic_is_deleted() {
    let node = Node::start(&[]);
    let mut client = node.client();
    node.produce(&mut client, TOPIC, 0, &["a", "b"]);
    node.delete_topic(&mut client, TOPIC);
    node.create_topic(&mut client, TOPIC, 1);
    node.produce(&mut client, TOPIC, 0, &["c"]);
    let all = node.scrape();
    assert_eq!(all.value("kafka_server_brokertopicmetrics_messagesin_total", &[]), 3.0);
    assert_eq!(all.value("kafka_server_brokertopicmetrics_messagesin_total", &[("topic", TOPIC)]), 1.0);
}

#[test]
fn groups_lag_is_told() {
    let node = Node::start(&[]);
    let mut client = node.client();
    node.produce(&mut client, TOPIC, 0, &["a", "b", "c"]);
    node.commit(&mut client, "a \"group\"\n", TOPIC, &[(0, 1), (1, 0)]);
    let all = node.scrape();
    let group = ("consumergroup", "a \"group\"\n");
    let of = |partition| [group, ("topic", TOPIC), ("partition", partition)];
    assert_eq!(all.value("kafka_consumergroup_current_offset", &of("0")), 1.0);
    assert_eq!(all.value("kafka_consumergroup_lag", &of("0")), 2.0);
    assert_eq!(all.value("kafka_consumergroup_lag", &of("1")), 0.0);
    assert_eq!(all.value("kafka_consumergroup_lag_sum", &[group, ("topic", TOPIC)]), 2.0);
    assert_eq!(all.value("kafka_consumergroup_members", &[group]), 0.0);
    let empty = [("protocol", "classic"), ("state", "Empty")];
    assert_eq!(all.value("kafka_server_groupcoordinatormetrics_group_count", &empty), 1.0);
    assert_eq!(all.value("kafka_coordinator_group_groupmetadatamanager_numoffsets", &[]), 2.0);
    assert!(all.value("ottla_coordinator_events_total", &[("coordinator", "group")]) > 0.0);
}

#[test]
fn a_group_is_explained_to_whoever_asks() {
    let node = Node::start(&[]);
    let mut client = node.client();
    node.commit(&mut client, "a/group", TOPIC, &[(0, 1)]);
    let (status, group) = node.get("/groups/a%2Fgroup");
    assert_eq!((status, &group["state"], &group["group_id"]), (200, &"Empty".into(), &"a/group".into()));
    assert_eq!((&group["waiting_for"], &group["members"]), (&serde_json::json!([]), &serde_json::json!([])));
    assert_eq!(node.get("/groups/nobody"), (404, serde_json::json!({"error": "GROUP_ID_NOT_FOUND"})));
}

#[test]
fn what_clients_push_is_told() {
    let node = Node::start(&[]);
    let mut client = node.client();
    client_metrics::subscribe(&mut client, "org.apache.kafka.");
    // A gauge of 2.5 by the name `org.apache.kafka.x`, as OpenTelemetry's protocol buffers.
    let mut push = b"\x0a%\x12#\x12!\x0a\x12org.apache.kafka.x*\x0b\x0a\x09!".to_vec();
    push.extend(2.5_f64.to_le_bytes());
    assert_eq!(client_metrics::push(&mut client, &push), ErrorCode::None);
    assert_eq!(client_metrics::push(&mut client, b"nonsense"), ErrorCode::InvalidRecord);
    let all = node.scrape();
    let family = all.family("ottla_client_metric_value").expect("it is declared");
    let [sample] = family.samples.as_slice() else { panic!("one was pushed: {:?}", family.samples.len()) };
    let label = |at: usize| sample.labels.get(at).map(|(name, value)| (name.as_str(), value.as_str()));
    assert_eq!(sample.value, 2.5);
    assert_eq!(label(0), Some(("metric", "org.apache.kafka.x")));
    assert_eq!(label(1), Some(("client_id", "wire-client")));
    assert_eq!(all.value("ottla_client_instances", &[]), 1.0);
    let counts =
        ["ottla_client_pushes_total", "ottla_client_push_failures_total"].map(|name| all.value(name, &[]));
    assert_eq!(counts, [1.0, 1.0]);
}

#[test]
fn share_groups_standing_is_told() {
    let node = Node::start(&[]);
    let mut client = node.client();
    node.produce(&mut client, TOPIC, 0, &["a", "b", "c", "d", "e", "f"]);
    let topic_id = node.server.broker().partitions.topic(TOPIC).expect("it is hosted").id;
    share_group::initialize(&mut client, "sharers", topic_id, 1);
    let of = [("sharegroup", "sharers"), ("topic", TOPIC), ("partition", "0")];
    assert_eq!(node.scrape().value("ottla_sharegroup_start_offset", &of), 1.0);
    assert_eq!(share_group::acquire(&mut client, "sharers", topic_id), (1, 5));
    share_group::accept(&mut client, "sharers", topic_id, (1, 2));
    let all = node.scrape();
    // What is done with counts as such before the start offset that was written moves on.
    assert_eq!(all.value("ottla_sharegroup_start_offset", &of), 1.0);
    assert_eq!(all.value("ottla_sharegroup_lag", &of), 3.0);
    assert_eq!(
        (all.value("ottla_share_sessions", &[]), all.value("ottla_share_partitions", &[])),
        (1.0, 1.0)
    );
    let sent = all.value("kafka_server_brokertopicmetrics_bytesout_total", &[("topic", TOPIC)]);
    assert!(sent > 0.0, "what members acquire is sent");
}

#[test]
fn what_waits_is_told_while_it_waits() {
    let node = Node::start(&[]);
    let mut client = node.client();
    node.send_waiting_fetch(&mut client, TOPIC, 0);
    // The next request of the connection is called after the one that waits.
    let waiting = |all: &Exposition| {
        let fetch = [("delayedOperation", "Fetch")];
        all.value("kafka_server_delayedoperationpurgatory_purgatorysize", &fetch)
    };
    node.until(|all| waiting(all) == 1.0);
    drop(client);
    node.until(|all| waiting(all) == 0.0);
}

#[test]
fn what_is_told_is_what_is_declared() {
    let node = Node::start(&[]);
    let mut client = node.client();
    node.produce(&mut client, TOPIC, 0, &["a"]);
    node.commit(&mut client, "g", TOPIC, &[(0, 1)]);
    for (accept, is_openmetrics) in [("text/plain", false), ("application/openmetrics-text", true)] {
        let all = node.scrape_as(accept);
        let declared: Vec<_> = SUBJECTS.iter().flat_map(|subject| subject.metrics).collect();
        let name = |name: &str| match is_openmetrics {
            true => name.strip_suffix("_total").unwrap_or(name).to_owned(),
            false => name.to_owned(),
        };
        let told: Vec<&str> = all.families.iter().map(|family| family.name.as_str()).collect();
        let wanted: Vec<String> = declared.iter().map(|metric| name(metric.name)).collect();
        assert_eq!(told, wanted, "each metric is told once, in the order of its declaration");
        for (metric, family) in declared.iter().zip(&all.families) {
            assert_eq!(family.kind, metric.kind.name(), "{}", metric.name);
            assert_eq!(family.help, metric.help);
            for sample in &family.samples {
                let labels = sample.labels.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "le");
                assert!(metric.labels.starts_with(&labels.collect::<Vec<_>>()), "{}", metric.name);
            }
        }
    }
}

#[test]
fn declarations_are_sound() {
    let declared: Vec<_> = SUBJECTS.iter().flat_map(|subject| subject.metrics).collect();
    let mut names: Vec<_> = declared.iter().map(|metric| metric.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "no name is given twice");
    for metric in declared {
        assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
        assert!(metric.help.len() > 6 && metric.help.ends_with('.') && !metric.help.contains(['\n', '\\']));
        assert!(!metric.help.contains("  "), "{}", metric.help);
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(metric.name.chars().all(is_name), "{}", metric.name);
    }
}

#[test]
fn series_can_be_switched_off_and_are_bounded() {
    let node = Node::start(&[("ottla.metrics.series", "topic,group")]);
    let mut client = node.client();
    node.produce(&mut client, TOPIC, 0, &["a"]);
    let all = node.scrape();
    assert!(all.family("kafka_log_log_size").is_none());
    assert_eq!(all.value("kafka_server_brokertopicmetrics_messagesin_total", &[("topic", TOPIC)]), 1.0);
    assert_eq!(all.value("kafka_server_replicamanager_partitioncount", &[]), 2.0);

    let node = Node::start(&[("ottla.metrics.series.max", "10")]);
    let mut client = node.client();
    node.produce(&mut client, TOPIC, 0, &["a"]);
    let all = node.scrape();
    // Seven metrics of one topic, twelve of two partitions.
    assert_eq!(all.value("ottla_metrics_series_left_out", &[]), 7.0 + 24.0 - 10.0);
}

#[test]
fn health_follows_the_node() {
    let other = tempfile::tempdir().expect("a directory");
    let node = Node::start_with_dir(other.path());
    assert_eq!(node.get("/health").0, 200);
    assert_eq!(node.get("/health").1["status"], "ok");

    // One of two directories fails: the node serves on, and says what is wrong.
    let logs = &node.server.broker().logs;
    let failing = logs.log_dirs().iter().find(|dir| dir.path() == other.path()).expect("it is ours");
    let _ = failing.fail("writing a test", std::io::Error::other("the disk is gone"));
    let (status, body) = node.get("/health");
    assert_eq!((status, &body["status"], &body["ready"]), (200, &"degraded".into(), &true.into()));
    let reason = body["reasons"][0].as_str().expect("a reason");
    assert!(reason.contains("the disk is gone") && reason.contains(&other.path().display().to_string()));
    let all = node.scrape();
    let dir = [("logDirectory", other.path().to_str().expect("text"))];
    assert_eq!(all.value("kafka_log_logmanager_logdirectoryoffline", &dir), 1.0);
    assert_eq!(all.value("kafka_log_logmanager_offlinelogdirectorycount", &[]), 1.0);

    // Without any it can't go on.
    for dir in logs.live_dirs() {
        let _ = dir.fail("writing a test", std::io::Error::other("the disk is gone"));
    }
    node.until_status("/health/live", 503);
    let (status, body) = node.get("/health/ready");
    assert_eq!((status, &body["status"], &body["live"]), (503, &"failed".into(), &false.into()));
}

#[test]
fn only_what_is_there_is_served() {
    let node = Node::start(&[]);
    assert_eq!(node.raw("GET /elsewhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").0, 404);
    assert_eq!(node.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").0, 200);
    assert_eq!(node.raw("DELETE /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").0, 405);
    assert_eq!(node.raw("HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").0, 200);
    let upload =
        "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\nConnection: close\r\n\r\nxx";
    assert_eq!(node.raw(upload).0, 405);
}

#[test]
fn who_asks_badly_is_refused_and_bothers_nobody() {
    let node = Node::start(&[]);
    let long = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(1 << 20));
    for bad in ["\x00\x00\x00\x12\x00\x12\x00\x03", "GET /metrics HTTP/9.9\r\n\r\n", &long] {
        let mut stream = TcpStream::connect(node.http()).expect("it listens");
        // It may be closed before all is written.
        let _ = stream.write_all(bad.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
    // Connections that say nothing take slots, but not all of them.
    let idle: Vec<_> = (0..20).map(|_| TcpStream::connect(node.http()).expect("it listens")).collect();
    assert_eq!(node.get("/health").0, 200);
    drop(idle);
}

#[test]
fn nothing_is_served_unless_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = metrics_node::start_server(dir.path(), &[], false);
    assert_eq!(server.http_address(), None);
    server.shutdown();
}

#[test]
fn a_listener_that_can_not_be_bound_keeps_the_node_from_starting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let dir = tempfile::tempdir().expect("a directory");
    let why =
        metrics_node::try_start(dir.path(), &[("ottla.http.listener", &address)]).err().expect("refused");
    let why = why.to_string();
    assert!(why.contains("ottla.http.listener") && why.contains(&address), "{why}");
}

#[test]
fn logins_decisions_and_refusals_are_counted() {
    const JAAS: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required user_bob=\"b\";";
    let node = Node::start(&[
        ("listeners", "PLAINTEXT://127.0.0.1:0,SECURE://127.0.0.1:0"),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SECURE:SASL_PLAINTEXT"),
        ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256"),
        ("listener.name.secure.plain.sasl.jaas.config", JAAS),
        ("connection.failed.authentication.delay.ms", "1"),
        ("connections.max.reauth.ms", "3600000"),
        ("authorizer.class.name", "standard"),
        ("super.users", "User:ANONYMOUS"),
    ]);
    let secure = || wire_client::WireClient::connect(node.server.addresses()[1].1);
    let before = node.scrape().value("kafka_server_authorizermetrics_authorization_allowed_total", &[]);
    assert!(before > 0.0, "the topic was created by leave of the authorizer");
    let mut bob = secure();
    assert_eq!(logins::log_in_plain(&mut bob, "bob", "b").error_code, 0);
    assert_eq!(logins::log_in_plain(&mut bob, "bob", "b").error_code, 0, "again");
    assert_eq!(bob.describe_acls(), ErrorCode::ClusterAuthorizationFailed);
    assert_eq!(node.client().describe_acls(), ErrorCode::None);
    for password in ["c", "d"] {
        assert_ne!(logins::log_in_plain(&mut secure(), "bob", password).error_code, 0);
    }
    logins::handshake(&mut secure(), "GSSAPI", 1);
    let all = node.scrape();
    let logins = |name: &str, mechanism: &str| {
        let name = format!("kafka_server_socketservermetrics_{name}_total");
        all.value(&name, &[("listener", "SECURE"), ("mechanism", mechanism)])
    };
    assert_eq!(logins("successful_authentication", "PLAIN"), 1.0);
    assert_eq!(logins("successful_reauthentication", "PLAIN"), 1.0);
    assert_eq!(logins("failed_authentication", "PLAIN"), 2.0);
    assert_eq!(logins("failed_authentication", "other"), 1.0);
    assert_eq!(logins("expiredconnectionskilled", "PLAIN"), 0.0);
    let authorizer = |name: &str| all.value(&format!("kafka_server_authorizermetrics_{name}"), &[]);
    assert_eq!(authorizer("authorization_denied_total"), 1.0);
    assert_eq!(authorizer("authorization_allowed_total"), before + 1.0);
    assert_eq!(authorizer("authorization_request_total"), before + 2.0);
    assert_eq!(authorizer("acls_total_count"), 0.0);
    assert_eq!(all.value("ottla_delegation_tokens", &[]), 0.0);
    let refused = [("listener", "SECURE"), ("reason", "max.connections.per.ip")];
    assert_eq!(all.value("ottla_network_connections_refused_total", &refused), 0.0);
}

#[test]
fn handshakes_are_counted() {
    let store = |name: &str| format!("{}/../security/tests/stores/{name}", env!("CARGO_MANIFEST_DIR"));
    let keystore = store("server-keytool.p12");
    let node = Node::start(&[
        ("listeners", "PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0,SASL_SSL://127.0.0.1:0"),
        ("ssl.keystore.location", &keystore),
        ("ssl.keystore.password", "changeit"),
        ("sasl.enabled.mechanisms", "SCRAM-SHA-256"),
    ]);
    let address = |listener: usize| node.server.addresses()[listener].1;
    let (ssl, sasl_ssl) = (1, 2);
    // The outcome that the client sees; the node's may come a moment later.
    let handshake = |listener: usize, authority: &str| {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(store(authority)).expect("a certificate");
        roots.add(authority).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut stream = TcpStream::connect(address(listener)).expect("it listens");
        client.complete_io(&mut stream).is_ok()
    };
    assert!(handshake(ssl, "ca.pem") && handshake(ssl, "ca.pem") && handshake(sasl_ssl, "ca.pem"));
    assert!(!handshake(ssl, "other-ca.pem") && !handshake(sasl_ssl, "other-ca.pem"));
    TcpStream::connect(address(ssl)).and_then(|mut it| it.write_all(b"no TLS")).expect("it listens");
    let told = |all: &Exposition, name: &str, listener: &str| {
        let name = format!("kafka_server_socketservermetrics_{name}_authentication_total");
        all.value(&name, &[("listener", listener), ("mechanism", "TLS")])
    };
    node.until(|all| {
        let of = |name: &str, listener: &str| told(all, name, listener);
        (of("successful", "SSL"), of("failed", "SSL"), of("failed", "SASL_SSL")) == (2.0, 2.0, 1.0)
    });
    let name = "kafka_server_socketservermetrics_successful_authentication_total";
    let all = node.scrape();
    let successes = all.family(name).expect("it is told");
    assert_eq!(successes.samples.len(), 1, "with SASL a handshake is not the end");
}

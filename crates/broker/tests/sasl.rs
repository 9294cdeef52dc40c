//! A node with a listener that asks for SASL: who gets in, who does not, and what they hear.

mod logins;
mod wire_client;

use logins::{handshake, log_in_plain, log_in_scram};
use ottla_broker::{NodeOptions, Server};
use ottla_config::{BrokerConfig, RawMap};
use ottla_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use ottla_protocol::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::describe_user_scram_credentials_request::UserName;
use ottla_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_protocol::messages::{
    AlterClientQuotasRequest, AlterUserScramCredentialsRequest, ApiVersionsRequest, CreateTopicsRequest,
    DescribeUserScramCredentialsRequest, FindCoordinatorRequest, HeartbeatRequest,
    IncrementalAlterConfigsRequest, MetadataRequest, SaslAuthenticateRequest, SaslHandshakeRequest,
};
use ottla_protocol::{ErrorCode, Str};
use ottla_security::jaas::LOGIN_CONFIG;
use ottla_security::sasl::{HashFunction, plain};
use wire_client::WireClient;

const JAAS: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"alice-secret\" user_bob=\"b\";";

fn start(more: &[(&str, &str)]) -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut properties = RawMap::from(
        [
            ("log.dirs", dir.path().to_str().expect("a path")),
            ("listeners", "PLAINTEXT://127.0.0.1:0,SECURE://127.0.0.1:0"),
            ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SECURE:SASL_PLAINTEXT"),
            ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"),
            ("listener.name.secure.plain.sasl.jaas.config", JAAS),
            ("connection.failed.authentication.delay.ms", "1"),
        ]
        .map(|(key, text)| (key.to_owned(), text.to_owned())),
    );
    properties.extend(more.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())));
    let (config, _) = BrokerConfig::from_properties(&properties).expect("a valid configuration");
    (dir, Server::start(config, NodeOptions::default()).expect("the node starts"))
}

fn client(server: &Server, listener: &str) -> WireClient {
    let address = server.addresses().iter().find(|(name, _)| name == listener).expect("the listener").1;
    WireClient::connect(address)
}

fn secure(server: &Server) -> WireClient {
    client(server, "SECURE")
}

fn may_ask(client: &mut WireClient) {
    let response = client.call(&MetadataRequest { topics: Some(Vec::new()), ..Default::default() }, 12);
    assert_eq!(response.brokers.len(), 1);
}

#[test]
fn no_quota_counts_or_holds_up_strangers() {
    let (_dir, server) = start(&[]);
    let mut admin = client(&server, "PLAINTEXT");
    let entity = vec![EntityData { entity_type: "user".into(), entity_name: None }];
    // So little that whatever is counted is throttled at once.
    let op = OpData { key: "request_percentage".into(), value: 0.000_001, remove: false };
    let entries = vec![EntryData { entity, ops: vec![op] }];
    let altered = admin.call(&AlterClientQuotasRequest { entries, validate_only: false }, 1);
    assert_eq!(altered.entries[0].error_code, 0);
    let ask = |stranger: &mut WireClient| stranger.call(&ApiVersionsRequest::default(), 3).throttle_time_ms;
    for _ in 0..10 {
        let nameless = secure(&server).call(&ApiVersionsRequest::default(), 3);
        assert_eq!(nameless.error_code, ErrorCode::InvalidRequest.code(), "what it is called is missing");
        assert_eq!(nameless.throttle_time_ms, 0);
    }
    let mut alice = secure(&server);
    assert_eq!(ask(&mut alice), 0);
    assert_eq!(log_in_plain(&mut alice, "alice", "alice-secret").error_code, 0);
    may_ask(&mut alice);
    assert!((0..3).any(|_| ask(&mut alice) > 0), "from here on it counts");
    server.shutdown();
}

#[test]
fn plain_lets_in_who_has_the_password() {
    let (_dir, server) = start(&[]);
    let mut alice = secure(&server);
    let versions = alice.call(&ApiVersionsRequest::default(), 0);
    assert!(
        versions.api_keys.iter().any(|api| api.api_key == 17)
            && versions.api_keys.iter().any(|api| api.api_key == 36)
    );
    let done = log_in_plain(&mut alice, "alice", "alice-secret");
    assert_eq!((done.error_code, done.session_lifetime_ms), (0, 0));
    may_ask(&mut alice);
    let again = alice.call(&SaslHandshakeRequest { mechanism: "PLAIN".into() }, 1);
    assert_eq!(again.error_code, ErrorCode::IllegalSaslState.code(), "such a session never ends");
    let mut answers = Vec::new();
    for (user, password) in [("alice", "wrong"), ("nobody", "alice-secret")] {
        let mut stranger = secure(&server);
        let refused = log_in_plain(&mut stranger, user, password);
        assert_eq!(refused.error_code, ErrorCode::SaslAuthenticationFailed.code());
        answers.push(refused.error_message);
        assert!(stranger.is_closed());
    }
    assert_eq!(answers[0].as_deref(), Some("Authentication failed: Invalid username or password"));
    assert_eq!(answers[0], answers[1], "whether a user exists is not told");
    server.shutdown();
}

#[test]
fn tokens_of_old_clients_are_frames() {
    let (_dir, server) = start(&[]);
    let mut old = secure(&server);
    let all = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].map(str::to_owned).to_vec();
    assert_eq!(handshake(&mut old, "PLAIN", 0), (ErrorCode::None, all.clone()));
    old.send_bare(&plain::message("bob", "b"));
    assert_eq!(old.receive_bare(), b"");
    may_ask(&mut old);
    let mut stranger = secure(&server);
    handshake(&mut stranger, "PLAIN", 0);
    stranger.send_bare(&plain::message("bob", "c"));
    assert!(stranger.is_closed());
    let mut other = secure(&server);
    assert_eq!(handshake(&mut other, "GSSAPI", 1), (ErrorCode::UnsupportedSaslMechanism, all));
    assert!(other.is_closed());
    server.shutdown();
}

#[test]
fn scram_credentials_are_metadata() {
    let (_dir, server) = start(&[]);
    let mut admin = client(&server, "PLAINTEXT");
    let upsert = |name: &str, hash: HashFunction, iterations: i32| ScramCredentialUpsertion {
        name: name.into(),
        mechanism: if hash == HashFunction::Sha256 { 1 } else { 2 },
        iterations,
        salt: b"salt"[..].into(),
        salted_password: hash.salted_password(b"secret", b"salt", iterations as u32).into(),
    };
    let request = AlterUserScramCredentialsRequest {
        upsertions: vec![
            upsert("alice", HashFunction::Sha256, 4096),
            upsert("bob", HashFunction::Sha512, 8192),
            upsert("carol", HashFunction::Sha256, 4095),
        ],
        ..Default::default()
    };
    let results = admin.call(&request, 0).results;
    let codes: Vec<_> = results.iter().map(|it| (&*it.user, ErrorCode::from_code(it.error_code))).collect();
    let expected =
        [("alice", ErrorCode::None), ("bob", ErrorCode::None), ("carol", ErrorCode::UnacceptableCredential)];
    assert_eq!(codes, expected);
    let users = Some(vec![UserName { name: "bob".into() }, UserName { name: "carol".into() }]);
    let described = admin.call(&DescribeUserScramCredentialsRequest { users }, 0);
    let brief: Vec<_> = described
        .results
        .iter()
        .map(|it| {
            (
                &*it.user,
                it.error_code,
                it.credential_infos.iter().map(|i| (i.mechanism, i.iterations)).collect(),
            )
        })
        .collect::<Vec<(&str, i16, Vec<_>)>>();
    assert_eq!(
        brief,
        [("bob", 0, vec![(2, 8192)]), ("carol", ErrorCode::ResourceNotFound.code(), Vec::new())]
    );
    assert_eq!(log_in_scram(&mut secure(&server), HashFunction::Sha256, "alice", "secret").error_code, 0);
    let mut bob = secure(&server);
    assert_eq!(log_in_scram(&mut bob, HashFunction::Sha512, "bob", "secret").error_code, 0);
    may_ask(&mut bob);
    let wrong = log_in_scram(&mut secure(&server), HashFunction::Sha256, "alice", "wrong");
    let nobody = log_in_scram(&mut secure(&server), HashFunction::Sha256, "nobody", "secret");
    let other_hash = log_in_scram(&mut secure(&server), HashFunction::Sha512, "alice", "secret");
    assert_eq!(
        wrong.error_message.as_deref(),
        Some(
            "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256"
        )
    );
    assert_eq!(wrong, nobody);
    assert_eq!(other_hash.error_code, ErrorCode::SaslAuthenticationFailed.code());
    server.shutdown();
}

#[test]
fn nothing_else_is_heard_before() {
    let (_dir, server) = start(&[("sasl.server.max.receive.size", "1000")]);
    let mut early = secure(&server);
    early.send(&MetadataRequest::default(), 12, 12);
    assert!(early.is_closed());
    let mut early = secure(&server);
    early.send(&SaslAuthenticateRequest { auth_bytes: plain::message("bob", "b").into() }, 2, 2);
    assert!(early.is_closed(), "the handshake comes first");
    let mut twice = secure(&server);
    twice.call(&ApiVersionsRequest::default(), 0);
    twice.send(&ApiVersionsRequest::default(), 0, 0);
    assert!(twice.is_closed());
    // Whose question was refused may ask again.
    let mut nameless = secure(&server);
    let refused = nameless.call(&ApiVersionsRequest::default(), 3);
    assert_eq!(refused.error_code, ErrorCode::InvalidRequest.code());
    assert_eq!(nameless.call(&ApiVersionsRequest::default(), 0).error_code, 0);
    let mut large = secure(&server);
    large.send_bytes(&1001_i32.to_be_bytes());
    assert!(large.is_closed(), "more than sasl.server.max.receive.size");
    let mut bob = secure(&server);
    log_in_plain(&mut bob, "bob", "b");
    let names = (0..200).map(|n| Str::from(format!("a-long-name-{n}"))).map(|name| {
        ottla_protocol::messages::metadata_request::MetadataRequestTopic {
            name: Some(name),
            ..Default::default()
        }
    });
    let large = MetadataRequest {
        topics: Some(names.collect()),
        allow_auto_topic_creation: false,
        ..Default::default()
    };
    assert_eq!(bob.call(&large, 12).topics.len(), 200, "afterwards there is no such limit");
    server.shutdown();
}

/// What comes between SaslHandshake and the end of the exchange is answered in its own form, and ends the connection.
#[test]
fn requests_in_the_middle_of_an_exchange() {
    let (_dir, server) = start(&[]);
    let illegal = ErrorCode::IllegalSaslState.code();
    let within = |version: i16| {
        let mut client = secure(&server);
        assert_eq!(handshake(&mut client, "PLAIN", version).0, ErrorCode::None);
        client
    };
    let mut versions = within(1);
    let response = versions.call(&ApiVersionsRequest::default(), 0);
    assert_eq!((response.error_code, response.api_keys.len()), (illegal, 0));
    assert!(versions.is_closed());
    let mut unknown = within(1);
    let response = unknown.call_unknown_version(&ApiVersionsRequest::default(), 0, i16::MAX);
    assert_eq!(response.error_code, illegal, "in version 0");
    let mut twice = within(1);
    assert_eq!(handshake(&mut twice, "PLAIN", 1), (ErrorCode::IllegalSaslState, Vec::new()));
    assert!(twice.is_closed());
    let mut metadata = within(1);
    let topics = ["a", "b"].map(|name| ottla_protocol::messages::metadata_request::MetadataRequestTopic {
        name: Some(name.into()),
        ..Default::default()
    });
    let request = MetadataRequest { topics: Some(topics.to_vec()), ..Default::default() };
    let response = metadata.call(&request, 12);
    assert_eq!(response.topics.iter().map(|topic| topic.error_code).collect::<Vec<_>>(), [illegal; 2]);
    assert!(response.brokers.is_empty() && metadata.is_closed());
    let mut coordinators = within(1);
    let request = FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() };
    let response = coordinators.call(&request, 4).coordinators.remove(0);
    assert_eq!((response.error_code, response.node_id, response.port), (illegal, -1, -1));
    let mut old = within(1);
    let request = FindCoordinatorRequest { key: "g".into(), ..Default::default() };
    let response = old.call(&request, 3);
    assert_eq!((response.error_code, response.node_id, response.port), (illegal, -1, -1));
    let mut heartbeat = within(1);
    assert_eq!(heartbeat.call(&HeartbeatRequest::default(), 4).error_code, illegal);
    assert!(heartbeat.is_closed());
    let mut topics = within(1);
    let topic = CreatableTopic { name: "t".into(), ..Default::default() };
    let response = topics.call(&CreateTopicsRequest { topics: vec![topic], ..Default::default() }, 7);
    let refused = &response.topics[0];
    assert_eq!((&*refused.name, refused.error_code), ("t", illegal));
    let why = "Unexpected Kafka request of type CREATE_TOPICS during SASL authentication.";
    assert_eq!(refused.error_message.as_deref(), Some(why));
    assert!(topics.is_closed());
    // What is in no version that is served is no request.
    let mut broken = within(1);
    broken.send(&MetadataRequest::default(), 12, i16::MAX);
    assert!(broken.is_closed());
    // Without requests around them everything is a token.
    let mut bare = within(0);
    bare.send(&ApiVersionsRequest::default(), 0, 0);
    assert!(bare.is_closed());
    server.shutdown();
}

/// The answer to a request out of place is held back as that to a wrong password, also while a client authenticates again.
#[test]
fn a_request_out_of_place_is_a_failed_login() {
    let (_dir, server) = start(&[
        ("connection.failed.authentication.delay.ms", "300"),
        ("connections.max.reauth.ms", "3600000"),
    ]);
    let mut bob = secure(&server);
    log_in_plain(&mut bob, "bob", "b");
    handshake(&mut bob, "PLAIN", 1);
    let before = std::time::Instant::now();
    let response = bob.call(&ApiVersionsRequest::default(), 0);
    assert_eq!(response.error_code, ErrorCode::IllegalSaslState.code());
    assert!(before.elapsed().as_millis() >= 300, "after {:?}", before.elapsed());
    assert!(bob.is_closed(), "who was known is not any more");
    server.shutdown();
}

#[test]
fn sessions_have_an_end() {
    let (_dir, server) = start(&[
        ("connections.max.reauth.ms", "3600000"),
        ("listener.name.secure.scram-sha-256.connections.max.reauth.ms", "1"),
    ]);
    let mut bob = secure(&server);
    assert_eq!(log_in_plain(&mut bob, "bob", "b").session_lifetime_ms, 3_600_000);
    may_ask(&mut bob);
    assert_eq!(log_in_plain(&mut bob, "bob", "b").session_lifetime_ms, 3_600_000);
    may_ask(&mut bob);
    let soon = bob.call(&SaslHandshakeRequest { mechanism: "PLAIN".into() }, 1);
    assert_eq!(soon.error_code, ErrorCode::IllegalSaslState.code(), "not twice within a second");
    let mut changed = secure(&server);
    log_in_plain(&mut changed, "bob", "b");
    let refused = log_in_plain(&mut changed, "alice", "alice-secret");
    assert_eq!(
        refused.error_message.as_deref(),
        Some("Cannot change principals during re-authentication from User.bob: User.alice")
    );
    assert!(changed.is_closed());
    server.shutdown();
}

#[test]
fn the_authorizer_knows_who_asks() {
    let (_dir, server) = start(&[("authorizer.class.name", "standard"), ("super.users", "User:alice")]);
    let mut codes = Vec::new();
    for (user, password) in [("alice", "alice-secret"), ("bob", "b")] {
        let mut connection = secure(&server);
        log_in_plain(&mut connection, user, password);
        codes.push(connection.describe_acls());
    }
    assert_eq!(codes, [ErrorCode::None, ErrorCode::ClusterAuthorizationFailed]);
    server.shutdown();
}

#[test]
fn mechanisms_change_while_the_node_runs() {
    let (_dir, server) = start(&[]);
    let mut admin = client(&server, "PLAINTEXT");
    let mut alter = |key: &str, value: &str| {
        let config = AlterableConfig { name: key.into(), value: Some(value.into()), ..Default::default() };
        let resource =
            AlterConfigsResource { resource_type: 4, resource_name: "1".into(), configs: vec![config] };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let response = admin.call(&request, 1).responses.remove(0);
        let message = response.error_message.map(|message| message.to_string()).unwrap_or_default();
        (ErrorCode::from_code(response.error_code), message)
    };
    let mut before = secure(&server);
    assert_eq!(log_in_plain(&mut before, "bob", "b").error_code, 0);
    assert_eq!(alter("sasl.enabled.mechanisms", "SCRAM-SHA-256").0, ErrorCode::None);
    may_ask(&mut before);
    let (refused, offered) = handshake(&mut secure(&server), "PLAIN", 1);
    assert_eq!((refused, offered), (ErrorCode::UnsupportedSaslMechanism, vec!["SCRAM-SHA-256".to_owned()]));
    let (refused, why) = alter("sasl.enabled.mechanisms", "NONE-SUCH");
    assert!(refused == ErrorCode::InvalidRequest && why.contains("NONE-SUCH"), "{why}");
    // What belongs to a listener that is open stays, as in Kafka.
    let (refused, why) = alter("listener.name.secure.plain.sasl.jaas.config", "changed");
    assert!(refused == ErrorCode::InvalidRequest && why.contains("existing listener"), "{why}");
    assert_eq!(alter("sasl.enabled.mechanisms", "PLAIN").0, ErrorCode::None);
    assert_eq!(log_in_plain(&mut secure(&server), "bob", "b").error_code, 0);
    server.shutdown();
}

#[test]
fn users_may_stand_in_a_jaas_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let properties = RawMap::from(
        [
            ("log.dirs", dir.path().to_str().expect("a path")),
            ("listeners", "PLAINTEXT://127.0.0.1:0,SECURE://127.0.0.1:0"),
            ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SECURE:SASL_PLAINTEXT"),
            ("sasl.enabled.mechanisms", "PLAIN"),
        ]
        .map(|(key, text)| (key.to_owned(), text.to_owned())),
    );
    let (config, _) = BrokerConfig::from_properties(&properties).expect("a valid configuration");
    let without = Server::start(config.clone(), NodeOptions::default()).err().expect("nobody could log in");
    assert!(without.to_string().contains("java.security.auth.login.config"), "{without}");
    let file = dir.path().join("jaas.conf");
    std::fs::write(&file, format!("KafkaServer {{ {JAAS} }};")).expect("a file");
    let java_options = format!("-D{LOGIN_CONFIG}={}", file.display());
    let options = NodeOptions { java_options, ..Default::default() };
    let server = Server::start(config, options).expect("the node starts");
    assert_eq!(log_in_plain(&mut secure(&server), "alice", "alice-secret").error_code, 0);
    server.shutdown();
}

//! A node with listeners that have TLS: records there and back, who is let in, and what becomes of those who speak otherwise.

mod wire_client;

use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_broker::{NodeOptions, Server};
use ottla_config::{BrokerConfig, RawMap};
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::messages::{
    ApiVersionsRequest, CreateTopicsRequest, DescribeAclsRequest, FetchRequest, ProduceRequest,
    SaslAuthenticateRequest, SaslHandshakeRequest,
};
use ottla_protocol::records::{BatchBuilder, BatchIter, BatchOptions};
use ottla_protocol::{ErrorCode, Records, Str};
use ottla_security::sasl::plain;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use wire_client::WireClient;

const TOPIC: &str = "secrets";
const JAAS: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required user_bob=\"b\";";

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn store(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../security/tests/stores").join(name)
}

fn start(dir: &Path, more: &[(&str, &str)]) -> Server {
    let keystore = store("server-keytool.p12");
    let mut properties = RawMap::from(
        [
            ("log.dirs", dir.to_str().expect("a path")),
            ("listeners", "PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0,SASL_SSL://127.0.0.1:0"),
            ("ssl.keystore.location", keystore.to_str().expect("a path")),
            ("ssl.keystore.password", "changeit"),
            ("sasl.enabled.mechanisms", "PLAIN"),
            ("listener.name.sasl_ssl.plain.sasl.jaas.config", JAAS),
        ]
        .map(|(key, text)| (key.to_owned(), text.to_owned())),
    );
    properties.extend(more.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())));
    let (config, _) = BrokerConfig::from_properties(&properties).expect("a valid configuration");
    Server::start(config, NodeOptions::default()).expect("the node starts")
}

fn tcp(server: &Server, listener: &str) -> TcpStream {
    let address = server.addresses().iter().find(|(name, _)| name == listener).expect("the listener").1;
    TcpStream::connect(address).expect("the node listens")
}

/// A client that trusts an authority, and may have a certificate of its own.
fn tls(server: &Server, listener: &str, authority: &str, with_certificate: bool) -> Tls {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(store(authority)).expect("a certificate")).expect("an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = if with_certificate {
        let chain = vec![CertificateDer::from_pem_file(store("client.pem")).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_file(store("client.key")).expect("a key");
        builder.with_client_auth_cert(chain, key).expect("they belong together")
    } else {
        builder.with_no_client_auth()
    };
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    StreamOwned::new(connection, tcp(server, listener))
}

fn create_topic(client: &mut WireClient) {
    let topic =
        CreatableTopic { name: TOPIC.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
    assert_eq!(client.call(&request, 7).topics[0].error_code, 0);
}

/// Bytes that are easily told from others.
fn value(number: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + number * 7) as u8).collect()
}

fn produce(client: &mut WireClient, value: &[u8]) {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(-1, None, Some(value), &[]).expect("a record");
    let records = Some(Records::Bytes(builder.build().expect("a batch")));
    let partition_data = vec![PartitionProduceData { index: 0, records }];
    let topic = TopicProduceData { name: Str::from(TOPIC), partition_data, ..Default::default() };
    let request =
        ProduceRequest { acks: -1, timeout_ms: 1000, topic_data: vec![topic], ..Default::default() };
    let response = client.call(&request, 12);
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
}

fn fetch(client: &mut WireClient, offset: i64) -> Vec<Vec<u8>> {
    let partition =
        FetchPartition { fetch_offset: offset, partition_max_bytes: 1 << 24, ..Default::default() };
    let topic = FetchTopic { topic: TOPIC.into(), partitions: vec![partition], ..Default::default() };
    let request = FetchRequest {
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: 1 << 24,
        session_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    };
    let response = client.call(&request, 12);
    let records = response.responses[0].partitions[0].records.as_ref();
    let bytes = records.and_then(Records::bytes).cloned().unwrap_or_default();
    let mut values = Vec::new();
    for batch in BatchIter::new(&bytes) {
        for record in batch.expect("a batch").records(1 << 24).expect("records") {
            values.push(record.expect("a record").value.map(|value| value.to_vec()).unwrap_or_default());
        }
    }
    values
}

#[test]
fn records_there_and_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(dir.path(), &[]);
    let mut client = WireClient::over(tls(&server, "SSL", "ca.pem", false));
    create_topic(&mut client);
    let sizes = [1, 1000, 16_383, 70_000, 900_000];
    for (number, size) in sizes.into_iter().enumerate() {
        produce(&mut client, &value(number, size));
    }
    let expected: Vec<_> = sizes.into_iter().enumerate().map(|(number, size)| value(number, size)).collect();
    assert!(fetch(&mut client, 0) == expected, "from memory");
    drop(client);
    server.shutdown();
    // After a restart there is nothing in memory: what is read comes from files.
    let server = start(dir.path(), &[]);
    let mut client = WireClient::over(tls(&server, "SSL", "ca.pem", false));
    assert!(fetch(&mut client, 0) == expected, "from files");
    server.shutdown();
}

#[test]
fn who_speaks_otherwise_is_not_heard() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(dir.path(), &[]);
    let mut plain = WireClient::over(tcp(&server, "SSL"));
    plain.send(&ApiVersionsRequest::default(), 0, 0);
    assert!(plain.is_closed(), "a plaintext client on a listener with TLS");
    let mut encrypted = tls(&server, "PLAINTEXT", "ca.pem", false);
    assert!(encrypted.read(&mut [0]).is_err(), "a TLS client on a plaintext listener");
    let mut doubtful = tls(&server, "SSL", "other-ca.pem", false);
    let why = doubtful.read(&mut [0]).expect_err("an authority that the client does not trust").to_string();
    assert!(why.contains("UnknownIssuer"), "{why}");
    let mut good = WireClient::over(tls(&server, "SSL", "ca.pem", false));
    assert_eq!(good.call(&ApiVersionsRequest::default(), 0).error_code, 0);
    server.shutdown();
}

#[test]
fn certificates_say_who_comes() {
    let dir = tempfile::tempdir().expect("a directory");
    let trust = store("trust.jks");
    let common = [
        ("ssl.truststore.location", trust.to_str().expect("a path")),
        ("ssl.truststore.password", "changeit"),
        ("authorizer.class.name", "standard"),
        ("ssl.principal.mapping.rules", "RULE:^CN=(.*?),OU=Sales,.*$/$1/U"),
        ("super.users", "User:CLIENT"),
    ];
    let server = start(dir.path(), &[common.as_slice(), &[("ssl.client.auth", "required")]].concat());
    let mut client = WireClient::over(tls(&server, "SSL", "ca.pem", true));
    assert_eq!(client.describe_acls(), ErrorCode::None);
    let mut nobody = tls(&server, "SSL", "ca.pem", false);
    assert!(nobody.read(&mut [0]).is_err(), "without a certificate there is no connection");
    server.shutdown();
    let server = start(dir.path(), &[common.as_slice(), &[("ssl.client.auth", "requested")]].concat());
    let mut client = WireClient::over(tls(&server, "SSL", "ca.pem", true));
    assert_eq!(client.describe_acls(), ErrorCode::None);
    let mut nobody = WireClient::over(tls(&server, "SSL", "ca.pem", false));
    assert_eq!(nobody.describe_acls(), ErrorCode::ClusterAuthorizationFailed);
    server.shutdown();
}

#[test]
fn passwords_travel_encrypted() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(dir.path(), &[("super.users", "User:bob"), ("authorizer.class.name", "standard")]);
    let mut bob = WireClient::over(tls(&server, "SASL_SSL", "ca.pem", false));
    assert_eq!(bob.call(&SaslHandshakeRequest { mechanism: "PLAIN".into() }, 1).error_code, 0);
    let token = plain::message("bob", "b");
    assert_eq!(bob.call(&SaslAuthenticateRequest { auth_bytes: token.into() }, 2).error_code, 0);
    assert_eq!(bob.describe_acls(), ErrorCode::None);
    let mut early = WireClient::over(tls(&server, "SASL_SSL", "ca.pem", true));
    early.send(&DescribeAclsRequest::default(), 3, 3);
    assert!(early.is_closed(), "a certificate is no password");
    server.shutdown();
}

/// Sets a key of the broker.
fn alter(client: &mut WireClient, key: &str, value: &str) -> (ErrorCode, String) {
    client.alter_broker(&[(key, value)])
}

#[test]
fn stores_that_cannot_be_used_are_refused_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = start(dir.path(), &[]);
    let mut client = WireClient::over(tls(&server, "SSL", "ca.pem", false));
    let refused = |client: &mut WireClient, key: &str, value: &str, why: &str| {
        let (code, message) = alter(client, &format!("listener.name.ssl.{key}"), value);
        assert_eq!(code, ErrorCode::InvalidRequest, "{message}");
        assert!(
            message.contains("Validation of dynamic config update of SSLFactory failed")
                && message.contains(why),
            "{message}"
        );
    };
    refused(&mut client, "ssl.keystore.location", "/nowhere/at.all", "/nowhere/at.all");
    let other = store("ca.pem");
    let other = other.to_str().expect("a path");
    refused(&mut client, "ssl.keystore.location", other, "cannot be used");
    refused(&mut client, "ssl.keystore.password", "wrong", "cannot be used");
    let dir = tempfile::tempdir().expect("a directory");
    let place = &key_store(&dir.path().join("client.pem"), "client.pem", "client.key");
    let pem = ("listener.name.ssl.ssl.keystore.type", "PEM");
    let other_name = client.alter_broker(&[pem, ("listener.name.ssl.ssl.keystore.location", place)]).1;
    assert!(other_name.contains("Keystore DistinguishedName does not match"), "{other_name}");
    refused(&mut client, "ssl.truststore.location", other, "Cannot add SSL truststore");
    let mut after = WireClient::over(tls(&server, "SSL", "ca.pem", false));
    assert_eq!(after.call(&ApiVersionsRequest::default(), 0).error_code, 0, "all is as it was");
    server.shutdown();
}

/// Writes a PEM store of a certificate and its key to `place`, and returns its path.
fn key_store(place: &std::path::Path, certificate: &str, key: &str) -> String {
    let read = |name| std::fs::read_to_string(store(name)).expect("a file");
    std::fs::write(place, format!("{}{}", read(certificate), read(key))).expect("a disk");
    place.to_str().expect("a path").to_owned()
}

#[test]
fn certificates_are_replaced_while_the_node_runs() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = dir.path().join("server.pem");
    let location = &key_store(&place, "server.pem", "server.key");
    let logs = dir.path().join("logs");
    std::fs::create_dir(&logs).expect("a disk");
    let server = start(
        &logs,
        &[
            ("listener.name.ssl.ssl.keystore.type", "PEM"),
            ("listener.name.ssl.ssl.keystore.location", location),
            ("listener.name.ssl.ssl.allow.dn.changes", "true"),
            ("listener.name.ssl.ssl.allow.san.changes", "true"),
        ],
    );
    let shown = |stream: &mut Tls| {
        stream.conn.complete_io(&mut stream.sock).expect("a handshake");
        stream.conn.peer_certificates().expect("a certificate")[0].to_vec()
    };
    let mut before = tls(&server, "SSL", "ca.pem", false);
    let old = shown(&mut before);
    let mut before = WireClient::over(before);
    let mut last = old;
    // Each time the key is set to what it is; from the second on that changes nothing in the metadata.
    for (certificate, key) in [("client.pem", "client.key"), ("server.pem", "server.key")] {
        key_store(&place, certificate, key);
        let altered = alter(&mut before, "listener.name.ssl.ssl.keystore.location", location);
        assert_eq!(altered, (ErrorCode::None, String::new()));
        // The answer may come before the node has followed its own metadata.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while shown(&mut tls(&server, "SSL", "ca.pem", false)) == last {
            assert!(std::time::Instant::now() < deadline, "the new certificate is never shown");
            std::thread::yield_now();
        }
        last = shown(&mut tls(&server, "SSL", "ca.pem", false));
    }
    assert_eq!(before.call(&ApiVersionsRequest::default(), 0).error_code, 0, "who is there stays there");
    server.shutdown();
}

#[test]
fn alternative_names_of_a_certificate_that_is_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, key: &str| key_store(&dir.path().join(name.replace('/', "-")), name, key);
    let whole = file("server.pem", "server.key");
    let nameless = file("servers/common-name.pem", "servers/leaf.key");
    let other = file("servers/other-name.pem", "servers/leaf.key");
    let replaced = |before: &str, after: &str, may_change: &str| {
        let logs = tempfile::tempdir().expect("a directory");
        let server = start(
            logs.path(),
            &[
                ("listener.name.ssl.ssl.keystore.type", "PEM"),
                ("listener.name.ssl.ssl.keystore.location", before),
                ("listener.name.ssl.ssl.allow.dn.changes", "true"),
                ("listener.name.ssl.ssl.allow.san.changes", may_change),
            ],
        );
        let mut client = WireClient::over(tcp(&server, "PLAINTEXT"));
        let answer = alter(&mut client, "listener.name.ssl.ssl.keystore.location", after);
        server.shutdown();
        answer
    };
    let (code, why) = replaced(&whole, &other, "false");
    assert_eq!(code, ErrorCode::InvalidRequest);
    assert!(why.contains("Keystore SubjectAltNames do not match") && why.contains("[2, localhost]"), "{why}");
    assert_eq!(replaced(&whole, &nameless, "false").0, ErrorCode::InvalidRequest);
    assert_eq!(replaced(&whole, &other, "true"), (ErrorCode::None, String::new()));
    assert_eq!(replaced(&nameless, &other, "false"), (ErrorCode::None, String::new()), "more are fine");
}

#[test]
fn brokers_must_know_each_other_while_stores_are_replaced() {
    const KEYS: &str = "listener.name.ssl.ssl.keystore.location";
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, key: &str| key_store(&dir.path().join(name.replace('/', "-")), name, key);
    let before = file("server.pem", "server.key");
    let trusted = store("ca.pem");
    let started = |listener: &str| {
        let logs = tempfile::tempdir().expect("a directory");
        let more = [
            ("inter.broker.listener.name", listener),
            ("listener.name.ssl.ssl.keystore.type", "PEM"),
            ("listener.name.ssl.ssl.keystore.location", before.as_str()),
            ("listener.name.ssl.ssl.truststore.type", "PEM"),
            ("listener.name.ssl.ssl.truststore.location", trusted.to_str().expect("a path")),
            ("listener.name.ssl.ssl.allow.dn.changes", "true"),
            ("listener.name.ssl.ssl.allow.san.changes", "true"),
        ];
        let server = start(logs.path(), &more);
        let client = WireClient::over(tcp(&server, "PLAINTEXT"));
        (server, client, logs)
    };
    let stranger = file("servers/self-signed.pem", "servers/leaf.key");
    let (server, mut client, _logs) = started("SSL");
    let (code, why) = alter(&mut client, KEYS, &stranger);
    assert!(code == ErrorCode::InvalidRequest && why.contains("does not know the new certificate"), "{why}");
    let other = store("other-ca.pem");
    let other = other.to_str().expect("a path");
    let (code, why) = alter(&mut client, "listener.name.ssl.ssl.truststore.location", other);
    assert!(
        code == ErrorCode::InvalidRequest && why.contains("does not know the certificate before"),
        "{why}"
    );
    assert_eq!(alter(&mut client, KEYS, &file("client.pem", "client.key")).0, ErrorCode::None);
    server.shutdown();
    let (server, mut client, _logs) = started("PLAINTEXT");
    assert_eq!(alter(&mut client, KEYS, &stranger).0, ErrorCode::None, "no broker comes here");
    server.shutdown();
}

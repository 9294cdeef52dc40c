//! What those hear who do not get in: at once, with cause and cure, from every client.

use std::time::Duration;

use ottla_client::admin::DescribeClusterOptions;
use ottla_client::config::Properties;
use ottla_client::consumer::Consumer;
use ottla_client::producer::Producer;
use ottla_client::{Admin, Error};
use ottla_protocol::ErrorCode;

use super::support::{Node, PATIENCE, PLAIN, SCRAM, TOPIC, jaas, keystore_file, properties, record, store};

async fn admin_error(settings: &Properties) -> Error {
    let admin = Admin::from_properties(settings).expect("a client");
    let error = admin.describe_cluster(&DescribeClusterOptions::default()).await.expect_err("no way in");
    admin.close().await;
    error
}

async fn producer_error(settings: &Properties) -> Error {
    let producer = Producer::from_properties(settings).expect("a client");
    let error = match producer.send(record("x")).await {
        Ok(delivery) => delivery.await.expect_err("no way in"),
        Err(error) => error,
    };
    producer.close(Duration::ZERO).await;
    error
}

async fn consumer_error(settings: &Properties) -> Error {
    let mut settings = settings.clone();
    settings.insert("group.id".into(), "readers".into());
    let mut consumer = Consumer::from_properties(&settings).expect("a client");
    consumer.subscribe([TOPIC]).await.expect("a subscription");
    let error = consumer.poll(PATIENCE).await.expect_err("no way in");
    drop(consumer);
    error
}

#[tokio::test]
async fn a_wrong_password_ends_every_client() {
    let node = Node::start(&[]);
    node.create_topic().await;
    for (mechanism, module, user, expect) in [
        ("PLAIN", PLAIN, "bob", "Authentication failed: Invalid username or password"),
        (
            "SCRAM-SHA-512",
            SCRAM,
            "nobody",
            "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512",
        ),
    ] {
        let login = jaas(module, user, "wrong");
        let settings =
            node.client("SASL_SSL", &[("sasl.mechanism", mechanism), ("sasl.jaas.config", &login)]);
        for error in
            [admin_error(&settings).await, producer_error(&settings).await, consumer_error(&settings).await]
        {
            assert_eq!(error.code(), Some(ErrorCode::SaslAuthenticationFailed), "{error}");
            assert_eq!(error.to_string(), expect);
            assert!(error.is_authentication() && !error.is_retriable());
        }
    }
    node.server.shutdown();
}

#[tokio::test]
async fn a_mechanism_that_is_not_offered_is_named() {
    let node = Node::start(&[("sasl.enabled.mechanisms", "SCRAM-SHA-256,SCRAM-SHA-512")]);
    let login = jaas(PLAIN, "bob", "bob-secret");
    let settings = node.client("SASL_SSL", &[("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", &login)]);
    let error = admin_error(&settings).await;
    assert_eq!(error.code(), Some(ErrorCode::UnsupportedSaslMechanism));
    let expect = "Client SASL mechanism 'PLAIN' not enabled in the server, enabled mechanisms are [SCRAM-SHA-256, SCRAM-SHA-512]";
    assert_eq!(error.to_string(), expect);
    node.server.shutdown();
}

#[tokio::test]
async fn certificates_that_are_no_good() {
    let node = Node::start(&[]);
    let other = store("other-ca.pem");
    let settings = node.client("SSL", &[("ssl.truststore.location", &other)]);
    for error in
        [admin_error(&settings).await, producer_error(&settings).await, consumer_error(&settings).await]
    {
        assert!(matches!(error, Error::SslAuthentication(_)), "{error:?}");
        assert!(error.to_string().starts_with("SSL handshake failed: "), "{error}");
        assert!(error.to_string().contains("no authority that is trusted here"), "{error}");
    }
    node.server.shutdown();
    for (certificate, expect) in [
        ("servers/other-name.pem", "No name matching localhost found"),
        ("servers/expired.pem", "has expired"),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let keystore = keystore_file(dir.path(), certificate, "servers/leaf.key");
        let node = Node::start(&[("ssl.keystore.location", keystore.to_str().expect("a path"))]);
        let settings = node.client("SSL", &[("ssl.truststore.location", &store("servers/ca.pem"))]);
        let error = admin_error(&settings).await;
        assert!(error.is_authentication() && error.to_string().contains(expect), "{error}");
        if certificate.contains("other-name") {
            let mut lenient = settings.clone();
            lenient.insert("ssl.endpoint.identification.algorithm".into(), String::new());
            let admin = Admin::from_properties(&lenient).expect("a client");
            admin.describe_cluster(&DescribeClusterOptions::default()).await.expect("names are not checked");
            admin.close().await;
        }
        node.server.shutdown();
    }
}

#[tokio::test]
async fn the_wrong_protocol_for_a_listener() {
    let node = Node::start(&[]);
    let login = jaas(PLAIN, "bob", "bob-secret");
    let login = [("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", login.as_str())];
    let quick = [("default.api.timeout.ms", "1500"), ("request.timeout.ms", "1000")];
    let over = |protocol: &str, listener: &str| {
        let mut settings = node.client(listener, &[login.as_slice(), &quick].concat());
        settings.extend(properties(&[("security.protocol", protocol)]));
        settings
    };
    for (protocol, listener, expect) in [
        ("PLAINTEXT", "SSL", "set security.protocol=SSL or SASL_SSL"),
        ("PLAINTEXT", "SASL_PLAINTEXT", "set security.protocol=SASL_SSL or SASL_PLAINTEXT"),
        ("SSL", "PLAINTEXT", "does its listener speak TLS?"),
        ("SSL", "SASL_SSL", "if its listener asks for SASL"),
        ("SASL_PLAINTEXT", "SASL_SSL", "set security.protocol=SSL or SASL_SSL"),
        ("SASL_PLAINTEXT", "PLAINTEXT", "Does the listener ask for SASL at all?"),
    ] {
        let error = admin_error(&over(protocol, listener)).await.to_string();
        assert!(error.contains(expect), "{protocol} at {listener}: {error}");
    }
    node.server.shutdown();
}

//! Records there and back over every protocol and mechanism.

use ottla_client::Admin;
use ottla_client::admin::DescribeClusterOptions;

use super::support::{Node, PLAIN, SCRAM, jaas, store, there_and_back};

fn values(size: usize) -> Vec<String> {
    (0..50).map(|number| format!("{number:-<size$}")).collect()
}

#[tokio::test]
async fn over_tls() {
    let node = Node::start(&[]);
    node.create_topic().await;
    // Larger than what rustls encrypts at once, and than a socket takes.
    let values = values(40_000);
    let settings = node.client("SSL", &[("batch.size", "500000"), ("max.request.size", "5000000")]);
    assert_eq!(there_and_back(&settings, &values).await.expect("traffic"), values);
    node.server.shutdown();
}

#[tokio::test]
async fn over_tls_of_one_version() {
    for version in ["TLSv1.2", "TLSv1.3"] {
        let node = Node::start(&[("ssl.enabled.protocols", version)]);
        node.create_topic().await;
        let other = if version == "TLSv1.2" { "TLSv1.3" } else { "TLSv1.2" };
        let same = node.client("SSL", &[("ssl.enabled.protocols", version)]);
        let values = values(10);
        assert_eq!(there_and_back(&same, &values).await.expect("traffic"), values);
        let admin = Admin::from_properties(&node.client("SSL", &[("ssl.enabled.protocols", other)]));
        let admin = admin.expect("a client");
        let why =
            admin.describe_cluster(&DescribeClusterOptions::default()).await.expect_err("another version");
        assert!(why.is_authentication() && why.to_string().contains("ssl.enabled.protocols"), "{why}");
        admin.close().await;
        node.server.shutdown();
    }
}

#[tokio::test]
async fn with_passwords() {
    let node = Node::start(&[]);
    node.create_topic().await;
    node.set_password("alice", "alice-secret").await;
    let mut read_before = 0;
    for listener in ["SASL_PLAINTEXT", "SASL_SSL"] {
        for (mechanism, module, user) in
            [("PLAIN", PLAIN, "bob"), ("SCRAM-SHA-256", SCRAM, "alice"), ("SCRAM-SHA-512", SCRAM, "alice")]
        {
            let login = jaas(module, user, &format!("{user}-secret"));
            let settings =
                node.client(listener, &[("sasl.mechanism", mechanism), ("sasl.jaas.config", &login)]);
            // The group goes on where it was.
            let values: Vec<String> = (read_before..read_before + 10).map(|it| it.to_string()).collect();
            let read = there_and_back(&settings, &values).await.expect(mechanism);
            assert_eq!(read, values, "{listener} {mechanism}");
            read_before += 10;
        }
    }
    node.server.shutdown();
}

#[tokio::test]
async fn with_certificates_of_clients() {
    let node = Node::start(&[("ssl.client.auth", "required")]);
    node.create_topic().await;
    let (key, chain) = (store("client.key"), store("client.pem"));
    let (key, chain) = (std::fs::read_to_string(key), std::fs::read_to_string(chain));
    let (key, chain) = (key.expect("a key"), chain.expect("a certificate"));
    let own = [
        ("ssl.keystore.type", "PEM"),
        ("ssl.keystore.key", key.as_str()),
        ("ssl.keystore.certificate.chain", chain.as_str()),
    ];
    let values = values(10);
    assert_eq!(there_and_back(&node.client("SSL", &own), &values).await.expect("traffic"), values);
    for version in ["TLSv1.2", "TLSv1.3"] {
        let settings = node.client("SSL", &[("ssl.enabled.protocols", version)]);
        let admin = Admin::from_properties(&settings).expect("a client");
        let why =
            admin.describe_cluster(&DescribeClusterOptions::default()).await.expect_err("no certificate");
        assert!(why.is_authentication() && why.to_string().contains("ssl.keystore.location"), "{why}");
        admin.close().await;
    }
    node.server.shutdown();
}

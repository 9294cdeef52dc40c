//! Sessions, certificates and passwords are renewed under load, and nobody who is in notices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ottla_client::admin::DescribeClusterOptions;
use ottla_client::config::Properties;
use ottla_client::producer::Producer;
use ottla_client::{Admin, Error};

use super::support::{Node, PATIENCE, SCRAM, jaas, keystore_file, record, store};

/// A producer that sends and waits for answers, one after the other, until it is told to stop; any error ends it.
struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    producer: Arc<Producer>,
    task: tokio::task::JoinHandle<Result<(), Error>>,
}

impl Load {
    fn start(settings: &Properties) -> Self {
        let producer = Arc::new(Producer::from_properties(settings).expect("a client"));
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count, sender) = (stop.clone(), sent.clone(), producer.clone());
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                sender.send(record("x")).await?.await?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        Self { stop, sent, producer, task }
    }

    /// Until so many more records are written.
    async fn goes_on(&self, more: u64) {
        let (target, deadline) = (self.sent.load(Ordering::Relaxed) + more, Instant::now() + PATIENCE);
        while self.sent.load(Ordering::Relaxed) < target {
            assert!(!self.task.is_finished() && Instant::now() < deadline, "the load has come to a stand");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The client's metrics, without those of single nodes.
    fn figures(&self) -> BTreeMap<String, f64> {
        let all = self.producer.cluster().metrics().into_iter();
        let figures = all.filter(|it| !it.tags.iter().any(|(tag, _)| *tag == "node-id"));
        figures.map(|it| (it.name.to_owned(), it.value)).collect()
    }

    async fn end(mut self) -> BTreeMap<String, f64> {
        self.stop.store(true, Ordering::Relaxed);
        (&mut self.task).await.expect("no panic").expect("no error");
        let figures = self.figures();
        self.producer.close(PATIENCE).await;
        figures
    }
}

fn scram(node: &Node, password: &str) -> Properties {
    let login = jaas(SCRAM, "alice", password);
    // An error that would be hidden by another attempt is one.
    let settings =
        [("sasl.mechanism", "SCRAM-SHA-256"), ("sasl.jaas.config", login.as_str()), ("retries", "0")];
    node.client("SASL_SSL", &settings)
}

async fn ask(settings: &Properties) -> Result<(), Error> {
    let admin = Admin::from_properties(settings).expect("a client");
    let answer = admin.describe_cluster(&DescribeClusterOptions::default()).await;
    admin.close().await;
    answer.map(drop)
}

#[tokio::test]
async fn sessions_are_renewed_on_the_connection() {
    let node = Node::start(&[("connections.max.reauth.ms", "1500")]);
    node.create_topic().await;
    node.set_password("alice", "alice-secret").await;
    let load = Load::start(&scram(&node, "alice-secret"));
    let deadline = Instant::now() + PATIENCE;
    while load.figures()["successful-reauthentication-total"] < 2.0 {
        assert!(Instant::now() < deadline, "no session is renewed: {:?}", load.figures());
        load.goes_on(1).await;
    }
    let figures = load.end().await;
    assert!(figures["successful-reauthentication-total"] >= 2.0, "{figures:?}");
    assert_eq!(figures["failed-reauthentication-total"], 0.0);
    assert_eq!(figures["successful-authentication-no-reauth-total"], 0.0);
    assert_eq!(figures["connection-close-total"], 0.0, "the connections stay");
    node.server.shutdown();
}

#[tokio::test]
async fn a_session_is_not_renewed_with_a_password_that_was_changed() {
    let node = Node::start(&[("connections.max.reauth.ms", "1500")]);
    node.create_topic().await;
    node.set_password("alice", "old").await;
    let mut settings = scram(&node, "old");
    settings.insert("delivery.timeout.ms".into(), "60000".into());
    let load = Load::start(&settings);
    load.goes_on(1).await;
    node.set_password("alice", "new").await;
    let deadline = Instant::now() + PATIENCE;
    while !load.task.is_finished() {
        assert!(Instant::now() < deadline, "the broker lets in who has not the password");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    load.task.await.expect("no panic").expect_err("the password is no good");
    node.server.shutdown();
}

#[tokio::test]
async fn certificates_and_passwords_change_under_load() {
    let node = Node::start(&[("ssl.allow.dn.changes", "true"), ("ssl.allow.san.changes", "true")]);
    node.create_topic().await;
    node.set_password("alice", "old").await;
    let load = Load::start(&scram(&node, "old"));
    load.goes_on(20).await;
    node.set_password("alice", "new").await;
    load.goes_on(20).await;
    // The node may need a moment to follow its own metadata.
    let deadline = Instant::now() + PATIENCE;
    while ask(&scram(&node, "new")).await.is_err() {
        assert!(Instant::now() < deadline, "the new password is never taken");
    }
    let refused = ask(&scram(&node, "old")).await.expect_err("the old password");
    assert!(refused.is_authentication(), "{refused}");
    let keystore = keystore_file(node.dir.path(), "servers/self-signed.pem", "servers/leaf.key");
    let location = keystore.to_str().expect("a path");
    node.set_config("listener.name.sasl_ssl.ssl.keystore.location", location).await;
    load.goes_on(20).await;
    let mut renewed = scram(&node, "new");
    renewed.insert("ssl.truststore.location".into(), store("servers/self-signed.pem"));
    while ask(&renewed).await.is_err() {
        assert!(Instant::now() < deadline, "the new certificate is never shown");
    }
    let refused = ask(&scram(&node, "new")).await.expect_err("a certificate that this client does not trust");
    assert!(matches!(refused, Error::SslAuthentication(_)), "{refused}");
    load.goes_on(20).await;
    let figures = load.end().await;
    assert_eq!(figures["connection-close-total"], 0.0);
    assert_eq!(figures["failed-authentication-total"], 0.0);
    node.server.shutdown();
}

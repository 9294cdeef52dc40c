//! A node with listeners of every protocol, and clients of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use ottla_broker::{NodeOptions, Server};
use ottla_client::admin::{
    AlterConfigOp, AlterConfigsOptions, ConfigResource, ConfigResourceType, CreateTopicsOptions, NewTopic,
    ScramCredentialInfo, ScramMechanism, TimeoutOptions, UserScramCredentialAlteration,
};
use ottla_client::config::Properties;
use ottla_client::consumer::Consumer;
use ottla_client::producer::Producer;
use ottla_client::record::ProducerRecord;
use ottla_client::{Admin, Result};
use ottla_config::{BrokerConfig, RawMap};
use ottla_protocol::Str;

pub const TOPIC: &str = "secrets";
pub const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";
pub const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";
/// Time for what takes milliseconds on a machine that has nothing else to do.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn store(name: &str) -> String {
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("../security/tests/stores");
    stores.join(name).to_str().expect("a path").to_owned()
}

/// A file with a certificate and its key.
pub fn keystore_file(dir: &Path, certificate: &str, key: &str) -> PathBuf {
    let read = |name: &str| std::fs::read_to_string(store(name)).expect("a file");
    let place = dir.join("broker.pem");
    std::fs::write(&place, format!("{}{}", read(certificate), read(key))).expect("a disk");
    place
}

pub struct Node {
    pub server: Server,
    pub dir: tempfile::TempDir,
}

impl Node {
    pub fn start(more: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let configuration = configuration(dir.path(), more);
        Self::start_in(dir, configuration)
    }

    /// A node whose directories may hold something already.
    pub fn start_in(dir: tempfile::TempDir, configuration: Properties) -> Self {
        let configuration: RawMap = configuration.into_iter().collect();
        let (config, _) = BrokerConfig::from_properties(&configuration).expect("a valid configuration");
        Self { server: Server::start(config, NodeOptions::default()).expect("the node starts"), dir }
    }

    pub fn port(&self, listener: &str) -> u16 {
        let addresses = self.server.addresses();
        let found = addresses.iter().find(|(name, _)| name == listener);
        found.expect("the listener").1.port()
    }

    /// The settings of a client that comes over a listener.
    pub fn client(&self, listener: &str, more: &[(&str, &str)]) -> Properties {
        let servers = format!("localhost:{}", self.port(listener));
        let mut settings = properties(&[
            ("bootstrap.servers", &servers),
            ("security.protocol", listener),
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.location", &store("ca.pem")),
            ("enable.metrics.push", "false"),
        ]);
        settings.extend(properties(more));
        settings
    }

    /// Whoever may do everything.
    pub fn admin(&self) -> Admin {
        Admin::from_properties(&self.client("PLAINTEXT", &[])).expect("an admin client")
    }

    pub async fn create_topic(&self) {
        let admin = self.admin();
        let topic = NewTopic::new(Str::from(TOPIC), Some(1), Some(1));
        let created = admin.create_topics(&[topic], &CreateTopicsOptions::default()).await;
        assert!(created.values().all(Result::is_ok), "{created:?}");
        admin.close().await;
    }

    /// Gives a SCRAM user a password, for both hash functions.
    pub async fn set_password(&self, user: &str, password: &str) {
        let admin = self.admin();
        // Kafka's controller takes one change of a user at a time.
        for mechanism in [ScramMechanism::ScramSha256, ScramMechanism::ScramSha512] {
            let change = UserScramCredentialAlteration::Upsertion {
                user: user.into(),
                info: ScramCredentialInfo { mechanism, iterations: 4096 },
                password: Bytes::copy_from_slice(password.as_bytes()),
                salt: None,
            };
            let done = admin.alter_user_scram_credentials(&[change], &TimeoutOptions::default()).await;
            assert!(done.values().all(Result::is_ok), "{done:?}");
        }
        admin.close().await;
    }

    /// Sets a key of the broker.
    pub async fn set_config(&self, key: &str, value: &str) {
        let admin = self.admin();
        let broker = ConfigResource::new(ConfigResourceType::Broker, "1");
        let changes = BTreeMap::from([(broker, vec![AlterConfigOp::set(key, value)])]);
        let done = admin.incremental_alter_configs(&changes, &AlterConfigsOptions::default()).await;
        assert!(done.values().all(Result::is_ok), "{done:?}");
        admin.close().await;
    }
}

/// The configuration of a node in a directory.
pub fn configuration(dir: &Path, more: &[(&str, &str)]) -> Properties {
    let keystore = keystore_file(dir, "server.pem", "server.key");
    let logs = dir.join("logs");
    std::fs::create_dir(&logs).expect("a disk");
    let users = format!("{PLAIN} required user_bob=\"bob-secret\";");
    let trust = store("trust.jks");
    let mut all = properties(&[
        ("log.dirs", logs.to_str().expect("a path")),
        (
            "listeners",
            "PLAINTEXT://localhost:0,SSL://localhost:0,SASL_PLAINTEXT://localhost:0,SASL_SSL://localhost:0",
        ),
        ("ssl.keystore.type", "PEM"),
        ("ssl.keystore.location", keystore.to_str().expect("a path")),
        ("ssl.truststore.location", &trust),
        ("ssl.truststore.password", "changeit"),
        ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"),
        ("listener.name.sasl_plaintext.plain.sasl.jaas.config", &users),
        ("listener.name.sasl_ssl.plain.sasl.jaas.config", &users),
        ("connection.failed.authentication.delay.ms", "1"),
        ("offsets.topic.replication.factor", "1"),
    ]);
    all.extend(properties(more));
    all
}

pub fn properties(entries: &[(&str, &str)]) -> Properties {
    entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// `sasl.jaas.config` of a user.
pub fn jaas(module: &str, user: &str, password: &str) -> String {
    format!("{module} required username=\"{user}\" password=\"{password}\";")
}

pub fn record(value: &str) -> ProducerRecord {
    ProducerRecord { topic: TOPIC.into(), value: Some(value.to_owned().into()), ..Default::default() }
}

/// Sends records and reads them in a group; the values in their order.
pub async fn there_and_back(settings: &Properties, values: &[String]) -> Result<Vec<String>> {
    let producer = Producer::from_properties(settings)?;
    let mut last = None;
    for value in values {
        last = Some(producer.send(record(value)).await?);
    }
    if let Some(last) = last {
        last.await?;
    }
    producer.close(PATIENCE).await;
    let mut settings = settings.clone();
    settings.extend(properties(&[("group.id", "readers"), ("auto.offset.reset", "earliest")]));
    let mut consumer = Consumer::from_properties(&settings)?;
    consumer.subscribe([TOPIC]).await?;
    let mut read = Vec::new();
    while read.len() < values.len() {
        for record in &consumer.poll(PATIENCE).await? {
            read.push(String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned());
        }
    }
    consumer.close(PATIENCE).await?;
    Ok(read)
}

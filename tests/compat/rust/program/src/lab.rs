//! What cases share: a runner that prints what they say, clients, topics, and errors by Kafka's names.

use std::fmt::Display;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ottla_client::admin::{
    Admin, CreateTopicsOptions, DescribeTopicsOptions, NewTopic, PerKey, TimeoutOptions, TransactionState,
};
use ottla_client::config::Properties;
use ottla_client::consumer::Consumer;
use ottla_client::producer::Producer;
use ottla_client::record::{ConsumerRecord, ProducerRecord};
use ottla_client::{Error, Result};
use ottla_protocol::{ErrorCode, Str, TopicPartition};
use tokio::time::{Instant, sleep, timeout};

/// Time of the first record of a topic that [`Lab::fill`] filled; the next one is a second younger. Unix ms.
pub const BASE_MS: i64 = 1_700_000_000_000;

/// How long a case may take: much longer than it does, for machines that are busy with other things.
const CASE_MAX: Duration = Duration::from_secs(240);
/// Likewise a wait in it.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

/// The surroundings of cases.
pub struct Lab {
    bootstrap: String,
    prefix: String,
    pub admin: Admin,
    settled: AtomicU32,
}

impl Lab {
    /// Cases at this broker, whose topics and groups all begin with `prefix`.
    pub fn new(bootstrap: &str, prefix: &str) -> Result<Self> {
        let mut properties = Properties::new();
        properties.insert("bootstrap.servers".to_owned(), bootstrap.to_owned());
        properties.insert("default.api.timeout.ms".to_owned(), "30000".to_owned());
        let admin = Admin::from_properties(&properties)?;
        Ok(Self {
            bootstrap: bootstrap.to_owned(),
            prefix: prefix.to_owned(),
            admin,
            settled: AtomicU32::new(0),
        })
    }

    /// Runs a case and prints what it says between `CASE name` and `END name`.
    pub async fn run(&self, name: &str, case: impl Future<Output = Result<()>>) {
        println!("CASE {name}");
        match timeout(CASE_MAX, case).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                eprintln!("{name}: {error}");
                self.say(format!("threw {}", class(&error)));
            }
            Err(_) => self.say(format!("not over after {} s", CASE_MAX.as_secs())),
        }
        println!("END {name}");
    }

    /// One line of what came of it.
    pub fn say(&self, text: impl Display) {
        println!("| {}", text.to_string().replace(&self.prefix, "~"));
    }

    /// What a call gave, or the name of its error.
    pub fn say_result<T: Display>(&self, what: &str, result: Result<T>) {
        match result {
            Ok(value) => self.say(format!("{what}: {value}")),
            Err(error) => self.say_error(what, &error),
        }
    }

    /// That a call succeeded, or the name of its error.
    pub fn say_done<T>(&self, what: &str, result: Result<T>) {
        self.say_result(what, result.map(|_| "ok"));
    }

    /// Likewise for each key.
    pub fn say_each<K: Display, V>(&self, what: &str, results: PerKey<K, V>) {
        for (key, result) in results {
            self.say_done(&format!("{what} {key}"), result);
        }
    }

    fn say_error(&self, what: &str, error: &Error) {
        eprintln!("  {what}: {error}");
        self.say(format!("{what}: {}", class(error)));
    }

    /// A name that no other program at this broker uses.
    pub fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Settings for a client of the broker.
    pub fn properties(&self, settings: &[(&str, &str)]) -> Properties {
        let bootstrap = [("bootstrap.servers", self.bootstrap.as_str())];
        let all = bootstrap.iter().chain(settings);
        all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    /// A producer.
    pub fn producer(&self, settings: &[(&str, &str)]) -> Result<Producer> {
        Producer::from_properties(&self.properties(settings))
    }

    /// A consumer that begins at the start and commits only when it is told to.
    pub fn consumer(&self, settings: &[(&str, &str)]) -> Result<Consumer> {
        let mut properties =
            self.properties(&[("auto.offset.reset", "earliest"), ("enable.auto.commit", "false")]);
        properties.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        if let Some(group) = properties.get_mut("group.id") {
            *group = self.name(group);
            if properties.get("group.protocol").is_none_or(|protocol| protocol == "classic") {
                properties.entry("heartbeat.interval.ms".to_owned()).or_insert_with(|| "300".to_owned());
            }
        }
        Consumer::from_properties(&properties)
    }

    /// Makes a topic and gives its name once it has leaders.
    pub async fn topic(&self, name: &str, partitions: i32, configs: &[(&'static str, &str)]) -> Result<Str> {
        let name = Str::from(self.name(name));
        let mut topic = NewTopic::new(name.clone(), Some(partitions), Some(1));
        topic.configs = configs.iter().map(|(key, value)| (Str::from(*key), Str::from(*value))).collect();
        for (_, result) in self.admin.create_topics(&[topic], &CreateTopicsOptions::default()).await {
            result?;
        }
        // The answer comes from the controller; the broker learns of the topic a moment later.
        let end = Instant::now() + WAIT_MAX;
        loop {
            let names = std::slice::from_ref(&name);
            let described = self.admin.describe_topics(names, &DescribeTopicsOptions::default()).await;
            let has_leaders = |partitions: usize, leaders: usize| partitions == leaders && partitions > 0;
            let settled = described.into_values().flatten().any(|topic| {
                let leaders = topic.partitions.iter().filter(|partition| partition.leader.is_some());
                has_leaders(topic.partitions.len(), leaders.count())
            });
            if settled {
                return Ok(name);
            }
            if Instant::now() > end {
                return Err(Error::Timeout(format!("{name} is not there after {} s", WAIT_MAX.as_secs())));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the broker knows of everything that the controller has answered. Both read one log in its order: a broker
    /// that shows a topic has all that was written before it, and one that shows a second topic has put into effect what came
    /// with the first.
    pub async fn settle(&self) -> Result<()> {
        for _ in 0..2 {
            let number = self.settled.fetch_add(1, Ordering::Relaxed);
            self.topic(&format!("settled-{number}"), 1, &[]).await?;
        }
        Ok(())
    }

    /// Waits until the coordinator has ended the transaction of a producer, by its name as [`Lab::name`] takes it.
    pub async fn await_aborted(&self, name: &str) -> Result<()> {
        let id = [Str::from(self.name(name))];
        let end = Instant::now() + WAIT_MAX;
        loop {
            let all = self.admin.describe_transactions(&id, &TimeoutOptions::default()).await;
            if all.into_values().flatten().any(|it| it.state == TransactionState::CompleteAbort) {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(Error::Timeout(format!(
                    "{} is not aborted after {} s",
                    id[0],
                    WAIT_MAX.as_secs()
                )));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// `count` records "k0" "v0" and so on to a partition, a second apart from [`BASE_MS`] on.
    pub async fn fill(&self, topic: &Str, partition: i32, count: i64) -> Result<()> {
        // Time must not make batches: few records are always one.
        let producer = self.producer(&[("linger.ms", "60000")])?;
        let mut sent = Vec::new();
        for number in 0..count {
            sent.push(producer.send(numbered(topic, partition, number)).await?);
        }
        producer.flush().await?;
        for delivery in sent {
            delivery.await?;
        }
        producer.close(Duration::from_secs(10)).await;
        Ok(())
    }
}

/// Record `number` of [`Lab::fill`].
pub fn numbered(topic: &Str, partition: i32, number: i64) -> ProducerRecord {
    ProducerRecord {
        topic: topic.clone(),
        partition: Some(partition),
        timestamp_ms: Some(BASE_MS + number * 1000),
        key: Some(format!("k{number}").into()),
        value: Some(format!("v{number}").into()),
        headers: Vec::new(),
    }
}

/// A record of nothing but a value.
pub fn plain(topic: &Str, partition: i32, value: &str) -> ProducerRecord {
    ProducerRecord {
        topic: topic.clone(),
        partition: Some(partition),
        value: Some(value.to_owned().into()),
        ..Default::default()
    }
}

/// A partition.
pub fn tp(topic: &Str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic.clone(), partition)
}

/// A value as text.
pub fn value(record: &ConsumerRecord) -> String {
    record.value.as_deref().map_or_else(|| "null".to_owned(), |value| String::from_utf8_lossy(value).into())
}

/// Polls until `count` records came, and a moment longer to see that there are no more.
pub async fn drain(consumer: &mut Consumer, count: usize) -> Result<Vec<ConsumerRecord>> {
    let end = Instant::now() + WAIT_MAX;
    let mut all = Vec::new();
    while all.len() < count && Instant::now() < end {
        all.extend(consumer.poll(Duration::from_millis(200)).await?);
    }
    all.extend(consumer.poll(Duration::from_millis(50)).await?);
    Ok(all)
}

/// An error by the name that both programs give it: Kafka's code, or what kind of mistake it is.
pub fn class(error: &Error) -> String {
    match error {
        Error::Api { code: ErrorCode::RequestTimedOut, .. } | Error::Timeout(_) => "TIMEOUT".to_owned(),
        Error::Api { code: ErrorCode::UnsupportedVersion, .. } | Error::UnsupportedVersion(_) => {
            "UNSUPPORTED_VERSION".to_owned()
        }
        Error::Api { code, .. } => code.name().to_owned(),
        Error::SslAuthentication(_) => "SSL_AUTHENTICATION".to_owned(),
        Error::Disconnected(_) | Error::Unreachable(_) => "NETWORK".to_owned(),
        Error::Config(_) => "CONFIG".to_owned(),
        Error::Illegal(_) | Error::Closed(_) => "ILLEGAL".to_owned(),
        Error::Serialization(_) => "SERIALIZATION".to_owned(),
        Error::Protocol(_) => "PROTOCOL".to_owned(),
        Error::InvalidOffset(_) => "INVALID_OFFSET".to_owned(),
        Error::CommitFailed(_) => "COMMIT_FAILED".to_owned(),
        Error::Wakeup => "WAKEUP".to_owned(),
    }
}

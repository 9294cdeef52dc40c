//! Producers whose connections break: nothing is lost, nothing is there twice, the order is kept.
//!
//! The broker advertises the proxy's address, so that every connection of the client goes through it. Each scenario has a
//! topic of its own; a line `PASS name` or `FAIL name: text` says what came of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ottla_client::consumer::Consumer;
use ottla_client::producer::{Advice, Producer};
use ottla_client::{Error, Result};
use ottla_protocol::Str;
use tokio::time::{Instant, sleep, timeout};

use crate::lab::{Lab, plain, tp, value};
use crate::member::io;
use crate::proxy::{Fault, Proxy};

const PARTITIONS: i32 = 3;
/// Records of a scenario.
const RECORDS: i32 = 3000;
/// Records of a transaction.
const TRANSACTION: i32 = 60;
/// Faults by the proxy that end connections, or change answers.
const BREAKING: [&str; 5] = ["cut", "half-close", "stall", "reorder", "leader-unknown"];
const FAULTS: [&str; 8] =
    ["delay", "cut", "half-close", "stall", "reorder", "leader-unknown", "restart", "kill"];
const SCENARIO_MAX: Duration = Duration::from_secs(300);

/// Has the program that started this one do something with the broker (`../../harness/control.py`).
struct Control {
    folder: PathBuf,
    asked: u32,
}

impl Control {
    async fn ask(&mut self, what: &str) -> Result<()> {
        self.asked += 1;
        let file = |kind: &str| self.folder.join(format!("{}.{kind}", self.asked));
        std::fs::write(file("part"), what).map_err(io)?;
        std::fs::rename(file("part"), file("ask")).map_err(io)?;
        while !file("done").exists() {
            sleep(Duration::from_millis(10)).await;
        }
        let said = std::fs::read_to_string(file("done")).map_err(io)?;
        std::fs::remove_file(file("done")).map_err(io)?;
        if said.is_empty() { Ok(()) } else { Err(Error::Illegal(format!("{what}: {said}"))) }
    }
}

/// What all scenarios share.
struct Wire {
    lab: Lab,
    proxy: Proxy,
    control: Control,
}

/// Runs all scenarios of a seed. `listen` is what the broker advertises, `to` where it listens.
pub async fn run(listen: &str, to: &str, seed: &str, only: &str, control: &str) -> Result<()> {
    let address = |text: &str| {
        text.parse::<SocketAddr>().map_err(|error| Error::Illegal(format!("{text} is no address: {error}")))
    };
    let seed = seed.parse().map_err(|error| Error::Illegal(format!("{seed} is no seed: {error}")))?;
    let proxy = Proxy::start(address(listen)?, address(to)?, seed).await.map_err(io)?;
    let control = Control { folder: Path::new(control).to_owned(), asked: 0 };
    let mut wire = Wire { lab: Lab::new(listen, "w-")?, proxy, control };
    for fault in FAULTS {
        for kind in ["idempotent", "transactional"] {
            let name = format!("{kind}.{fault}");
            if !name.contains(only) {
                continue;
            }
            let began = Instant::now();
            let outcome = timeout(SCENARIO_MAX, wire.scenario(kind, fault)).await;
            match outcome {
                Ok(Ok((connections, broken))) => {
                    let took_s = began.elapsed().as_secs_f64();
                    println!("PASS {name} {connections} connections, {broken} broken, {took_s:.1} s");
                }
                Ok(Err(error)) => println!("FAIL {name}: {error}"),
                Err(_) => println!("FAIL {name}: not over after {} s", SCENARIO_MAX.as_secs()),
            }
        }
    }
    println!("DONE");
    Ok(())
}

const IMPATIENT: [(&str, &str); 8] = [
    ("request.timeout.ms", "1500"),
    ("delivery.timeout.ms", "280000"),
    ("max.block.ms", "280000"),
    ("retry.backoff.ms", "20"),
    ("reconnect.backoff.ms", "10"),
    ("reconnect.backoff.max.ms", "100"),
    ("batch.size", "1500"),
    ("linger.ms", "1"),
];

impl Wire {
    /// Connections, and how many of them were broken.
    async fn scenario(&mut self, kind: &str, fault: &str) -> Result<(i64, i64)> {
        self.proxy.set(Fault::None);
        let topic = self.lab.topic(&format!("{kind}-{fault}"), PARTITIONS, &[]).await?;
        // Apache Kafka shows a topic before it can be written to: of the first batches that are sent together the first may be
        // refused and the second taken, and then the first is out of order for ever, with Java's client too.
        self.lab.settle().await?;
        let before = self.proxy.counts();
        self.proxy.set(Fault::parse(fault).unwrap_or(Fault::None));
        let id = format!("{kind}-{fault}");
        let mut settings = IMPATIENT.to_vec();
        if kind == "transactional" {
            settings.push(("transactional.id", &id));
        }
        let producer = self.lab.producer(&settings)?;
        let breaks = |fault: &str| ["restart", "kill"].contains(&fault).then(|| fault.to_owned());
        let expected = match kind {
            "transactional" => self.transactions(&producer, &topic, breaks(fault)).await?,
            _ => self.records(&producer, &topic, breaks(fault)).await?,
        };
        producer.close(Duration::from_secs(20)).await;
        self.check(&topic, &expected).await?;
        let now = self.proxy.counts();
        let (connections, broken) = (now.0 - before.0, now.1 - before.1);
        if BREAKING.contains(&fault) && broken == 0 {
            return Err(Error::Illegal("nothing was broken: the seed shows nothing".to_owned()));
        }
        Ok((connections, broken))
    }

    async fn break_broker(&mut self, how: &str) -> Result<()> {
        if how == "kill" {
            self.control.ask("kill").await?;
            return self.control.ask("start").await;
        }
        self.control.ask("restart").await
    }

    /// Records by an idempotent producer; every one must be written.
    async fn records(
        &mut self,
        producer: &Producer,
        topic: &Str,
        breaks: Option<String>,
    ) -> Result<BTreeMap<i32, Vec<String>>> {
        let mut expected: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        let mut sent = Vec::new();
        for number in 0..RECORDS {
            let partition = number % PARTITIONS;
            let text = format!("{number} {}", "x".repeat(number as usize % 200));
            sent.push(producer.send(plain(topic, partition, &text)).await?);
            expected.entry(partition).or_default().push(text);
            if let Some(how) = breaks.as_deref().filter(|_| number == RECORDS / 2) {
                self.break_broker(how).await?;
            }
            if number % 100 == 0 {
                sleep(Duration::from_millis(5)).await;
            }
        }
        for (number, delivery) in sent.into_iter().enumerate() {
            delivery
                .await
                .map_err(|error| Error::Illegal(format!("record {number} was not written: {error}")))?;
        }
        Ok(expected)
    }

    /// Transactions, of which some are aborted on purpose and others by what happens; those are done again.
    async fn transactions(
        &mut self,
        producer: &Producer,
        topic: &Str,
        breaks: Option<String>,
    ) -> Result<BTreeMap<i32, Vec<String>>> {
        producer.init_transactions().await?;
        let mut expected: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        let count = RECORDS / TRANSACTION;
        for number in 0..count {
            if let Some(how) = breaks.as_deref().filter(|_| number == count / 2) {
                producer.begin_transaction()?;
                producer.send(plain(topic, 0, "lost with the broker")).await?;
                self.break_broker(how).await?;
                abort(producer).await?;
            }
            loop {
                match transaction(producer, topic, number).await {
                    Ok(()) => break,
                    Err(error) if Advice::of(&error) == Advice::Recreate || producer.is_fatal() => {
                        return Err(Error::Illegal(format!("transaction {number}: {error}")));
                    }
                    Err(_) => abort(producer).await?,
                }
            }
            if number % 5 == 4 {
                continue;
            }
            for record in 0..TRANSACTION {
                expected.entry(record % PARTITIONS).or_default().push(format!("{number}.{record}"));
            }
        }
        Ok(expected)
    }

    /// What a reader of committed records sees, first with the faults, then without.
    async fn check(&self, topic: &Str, expected: &BTreeMap<i32, Vec<String>>) -> Result<()> {
        for fault in ["with the faults", "without"] {
            if fault == "without" {
                self.proxy.set(Fault::None);
            }
            let mut settings = vec![("isolation.level", "read_committed")];
            settings.extend(IMPATIENT[3..6].iter().copied());
            settings.push(("request.timeout.ms", "1500"));
            settings.push(("max.partition.fetch.bytes", "20000"));
            let mut consumer = self.lab.consumer(&settings)?;
            consumer.assign((0..PARTITIONS).map(|partition| tp(topic, partition)))?;
            let seen = read(&mut consumer, expected.values().map(Vec::len).sum()).await?;
            consumer.close(Duration::from_secs(5)).await?;
            for (partition, expected) in expected {
                let seen = seen.get(partition).map(Vec::as_slice).unwrap_or_default();
                if seen != expected {
                    let at = seen.iter().zip(expected).position(|(seen, expected)| seen != expected);
                    let at = at.unwrap_or(seen.len().min(expected.len()));
                    return Err(Error::Illegal(format!(
                        "read {fault}: partition {partition} has {} records, not {}; number {at} is {:?}, not {:?}",
                        seen.len(),
                        expected.len(),
                        seen.get(at),
                        expected.get(at)
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Begins transaction `number`, and ends it as it is to end.
async fn transaction(producer: &Producer, topic: &Str, number: i32) -> Result<()> {
    producer.begin_transaction()?;
    let mut sent = Vec::new();
    for record in 0..TRANSACTION {
        sent.push(producer.send(plain(topic, record % PARTITIONS, &format!("{number}.{record}"))).await?);
    }
    if number % 5 == 4 {
        return abort(producer).await;
    }
    for delivery in sent {
        delivery.await?;
    }
    // Whoever does not know whether it was committed asks again.
    loop {
        match producer.commit_transaction().await {
            Err(Error::Timeout(_)) => {}
            ended => return ended,
        }
    }
}

async fn abort(producer: &Producer) -> Result<()> {
    loop {
        match producer.abort_transaction().await {
            Err(Error::Timeout(_)) => {}
            ended => return ended,
        }
    }
}

/// Reads until there are so many records, and a moment longer. Errors that pass are passed over.
async fn read(consumer: &mut Consumer, count: usize) -> Result<BTreeMap<i32, Vec<String>>> {
    let mut seen: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    let mut last_look = None;
    loop {
        match consumer.poll(Duration::from_millis(200)).await {
            Ok(records) => {
                for record in &records {
                    seen.entry(record.partition).or_default().push(value(record));
                }
            }
            Err(error) if error.is_retriable() => {}
            Err(error) => return Err(error),
        }
        if seen.values().map(Vec::len).sum::<usize>() >= count {
            let until = *last_look.get_or_insert_with(|| Instant::now() + Duration::from_millis(400));
            if Instant::now() >= until {
                return Ok(seen);
            }
        }
    }
}

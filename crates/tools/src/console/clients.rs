//! The tools over the clients of a cluster.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use ottla_client::Admin;
use ottla_client::config::Properties;
use ottla_client::consumer::{Consumer, ListenerFuture, OffsetAndMetadata, RebalanceListener};
use ottla_client::producer::{Deliveries, Delivery, Producer};
use ottla_client::record::{ConsumerRecord, ProducerRecord};
use ottla_protocol::{Str, TopicPartition};

use super::consumer::{self, Bounds, Records};
use super::consumer_options::{ConsumerOptions, Start, Wanted};
use super::line_reader::LineReader;
use super::log_line::log_error;
use super::producer::{self, Lines, ProducerOptions};
use super::sink::{Member, Runs, Sink, Source, Transactions};
use crate::clock::now_ms;
use crate::connect::{block_on, read_properties};
use crate::verifiable::consumer::{Committer, GroupEvent, Offsets};
use crate::{Failure, Io, Tool, errln, outln};
use crate::{perf, verifiable};

/// How long a client may take to say goodbye, as Java's.
pub const CLOSE: Duration = Duration::from_secs(30);

impl Source for Consumer {
    async fn poll(&mut self, timeout: Duration) -> ottla_client::Result<Vec<ConsumerRecord>> {
        Ok(Consumer::poll(self, timeout).await?.into_vec())
    }
}

/// The place of a record, as the tools need it.
pub struct Place(Delivery);

impl Future for Place {
    type Output = ottla_client::Result<(i32, i64)>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let found = Pin::new(&mut self.0).poll(context);
        found.map_ok(|metadata| (metadata.partition, metadata.offset.unwrap_or(-1)))
    }
}

impl Sink for Producer {
    type Delivery = Place;

    async fn send(&mut self, record: ProducerRecord) -> ottla_client::Result<Place> {
        Producer::send(self, record).await.map(Place)
    }

    async fn flush(&mut self) -> ottla_client::Result<()> {
        Producer::flush(self).await
    }

    async fn close(&mut self) -> ottla_client::Result<()> {
        Producer::close(self, Duration::MAX).await;
        Ok(())
    }
}

/// The places of records of one batch.
pub struct Places(Deliveries);

impl Future for Places {
    type Output = ottla_client::Result<u32, Vec<Place>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = Pin::new(&mut self.0).poll(context);
        ended.map_err(|apart| apart.into_iter().map(Place).collect())
    }
}

impl Runs for Producer {
    type Run = Places;

    fn run(first: Place) -> Places {
        Places(Deliveries::new(first.0))
    }

    fn join(run: &mut Places, next: Place) -> Option<Place> {
        run.0.join(next.0).map(Place)
    }
}

impl Transactions for Producer {
    async fn begin(&mut self) -> ottla_client::Result<()> {
        self.begin_transaction()
    }

    async fn commit(&mut self) -> ottla_client::Result<()> {
        self.commit_transaction().await
    }
}

impl Member for Consumer {
    fn has_partitions(&self) -> bool {
        !self.assignment().is_empty()
    }
}

/// Ends when somebody wants the tool to end; `code` is then what a JVM would end with.
pub async fn stopped(code: &Cell<i32>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else {
        // Without handlers the signals end the process by themselves.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => code.set(130),
        _ = terminate.recv() => code.set(143),
    }
}

/// The code of a tool that was stopped, unless it failed by itself.
pub fn with_code(result: Result<(), Failure>, code: &Cell<i32>) -> Result<(), Failure> {
    match (result, code.get()) {
        (Ok(()), 0) => Ok(()),
        (Ok(()), code) => Err(Failure::Exit(code)),
        (Err(why), _) => Err(why),
    }
}

/// Errors that Java's tool would log before it ends are logged.
pub fn logged(result: Result<(), Failure>, class: &str, io: &mut Io) -> Result<(), Failure> {
    match result {
        Err(failure @ Failure::Exception { .. }) => {
            log_error(io, class, "Unknown error when running consumer: ", &failure.with_class());
            Err(Failure::Exit(1))
        }
        other => other,
    }
}

/// Errors whose stack Java's tool would print are printed with their class.
fn with_class(result: Result<(), Failure>) -> Result<(), Failure> {
    match result {
        Err(Failure::Exception { class, message }) if class.starts_with("joptsimple.") => {
            Err(Failure::message(message))
        }
        Err(failure @ Failure::Exception { .. }) => Err(Failure::message(failure.with_class())),
        other => other,
    }
}

/// A number that differs from run to run, for names of groups.
fn seed() -> u32 {
    let random = ottla_storage::meta_properties::random_uuid();
    random.0.last_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// Runs `console-consumer`.
pub fn run_consumer(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let options = ConsumerOptions::read(tool, io, arguments, seed())?;
    let classic = options.client.get("group.protocol").is_none_or(|p| p.eq_ignore_ascii_case("classic"));
    let code = Cell::new(0);
    let result = block_on(async {
        let mut consumer = Consumer::from_properties(&options.client)?;
        if classic && !matches!(options.wanted, Wanted::Partition(..)) {
            errln!(
                io,
                "The consumer rebalance protocol (KIP-848) is production-ready! Set group.protocol=consumer to try it \
                 out. See https://kafka.apache.org/documentation/#consumer_rebalance_protocol"
            );
        }
        choose(&mut consumer, &options.wanted).await?;
        let bounds = Bounds { max_messages: options.max_messages, skip_on_error: options.skip_on_error };
        let mut records = Records::new(consumer, options.timeout);
        let result = consumer::consume(&mut records, &options.formatter, bounds, stopped(&code), io).await;
        let (mut consumer, left) = records.into_parts();
        give_back(&mut consumer, left)?;
        consumer.close(CLOSE).await?;
        result
    });
    if options.systest_events && code.get() != 0 {
        outln!(io, "shutdown_complete");
    }
    with_code(logged(result, consumer::CLASS, io), &code)
}

async fn choose(consumer: &mut Consumer, wanted: &Wanted) -> ottla_client::Result<()> {
    match wanted {
        Wanted::Topic(topic) => consumer.subscribe([topic.as_str()]).await,
        Wanted::Pattern(pattern) => consumer.subscribe_pattern(pattern),
        Wanted::Partition(topic, partition, start) => {
            let partition = TopicPartition { topic: Str::from(topic.as_str()), partition: *partition };
            consumer.assign([partition.clone()])?;
            match start {
                Start::Earliest => consumer.seek_to_beginning([partition]),
                Start::Latest => consumer.seek_to_end([partition]),
                Start::At(offset) => consumer.seek(&partition, *offset),
            }
        }
    }
}

/// Goes back to the first of the records that were not shown, so that nothing behind them is committed.
fn give_back(consumer: &mut Consumer, left: Vec<ConsumerRecord>) -> Result<(), Failure> {
    let mut first: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    for record in left {
        let partition = TopicPartition { topic: record.topic, partition: record.partition };
        first.entry(partition).or_insert(record.offset);
    }
    let assigned = consumer.assignment();
    for (partition, offset) in first.into_iter().filter(|(partition, _)| assigned.contains(partition)) {
        consumer.seek(&partition, offset)?;
    }
    Ok(())
}

/// Runs `consumer-perf-test`.
pub fn run_consumer_perf(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let options = perf::consumer::PerfOptions::parse(tool, io, arguments, seed())?;
    perf::consumer::print_header(&options.read, io);
    let code = Cell::new(0);
    let result = block_on(async {
        let mut consumer = Consumer::from_properties(&options.read.client)?;
        match &options.include {
            Some(pattern) => consumer.subscribe_pattern(pattern)?,
            None => consumer.subscribe([options.topic.as_str()]).await?,
        }
        let measuring = perf::consumer::measure(&mut consumer, &options.read, now_ms, io);
        tokio::select! {
            result = measuring => result?,
            () = stopped(&code) => {}
        }
        if options.read.print_metrics {
            let metrics = consumer.metrics().snapshot();
            let found = [
                ("records-consumed-total", metrics.records_consumed as f64),
                ("bytes-consumed-total", metrics.bytes_consumed as f64),
                ("fetch-total", metrics.fetches as f64),
                ("fetch-latency-avg", metrics.fetch_ms as f64 / metrics.fetches.max(1) as f64),
                ("fetch-latency-max", metrics.fetch_ms_max as f64),
            ];
            let client_id = options.read.client.get("client.id").map_or("", String::as_str);
            perf::print_metrics("consumer-fetch-manager-metrics", client_id, &found, io);
        }
        Ok(consumer.close(CLOSE).await?)
    });
    with_code(result, &code)
}

/// Runs `console-producer`.
pub fn run_producer(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let code = Cell::new(0);
    with_code(with_class(produce(tool, io, arguments, &code)), &code)
}

fn produce(tool: &'static Tool, io: &mut Io, arguments: &[String], code: &Cell<i32>) -> Result<(), Failure> {
    let options = ProducerOptions::read(tool, io, arguments)?;
    let mut reader = LineReader::new(&options.reader)?;
    block_on(async {
        let mut sink = Producer::from_properties(&options.client)?;
        let mut lines = Lines::of(io);
        producer::produce(&mut sink, &mut reader, &mut lines, options.sync, stopped(code), io).await
    })
}

/// Runs `producer-perf-test`.
pub fn run_producer_perf(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let random = ottla_storage::meta_properties::random_uuid().to_string();
    let options = perf::producer::PerfOptions::read(tool, io, arguments, &random)?;
    let code = Cell::new(0);
    let result = block_on(async {
        let mut sink = Producer::from_properties(&options.client)?;
        if options.transaction_ms.is_some() {
            sink.init_transactions().await?;
        }
        tokio::select! {
            result = perf::producer::measure(&mut sink, &options, now_ms, io) => result?,
            () = stopped(&code) => {}
        }
        if options.print_metrics {
            let client_id = options.client.get("client.id").map_or("", String::as_str);
            perf::print_metrics("producer-metrics", client_id, &sink.metrics(), io);
        }
        Ok(())
    });
    with_code(result, &code)
}

/// Runs `e2e-latency`.
pub fn run_end_to_end(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let options = perf::end_to_end::LatencyOptions::read(tool, io, arguments)?;
    let with = |pairs: &[(&str, &str)]| -> Result<Properties, Failure> {
        let mut properties = match &options.config {
            Some(path) => read_properties(path)?,
            None => Properties::new(),
        };
        properties.insert("bootstrap.servers".to_owned(), options.servers.clone());
        properties.extend(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        Ok(properties)
    };
    let code = Cell::new(0);
    let result = block_on(async {
        let group = format!("test-group-{}", now_ms());
        let mut source = Consumer::from_properties(&with(&[
            ("group.id", group.as_str()),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "latest"),
            ("fetch.max.wait.ms", "0"),
        ])?)?;
        let max_block = i64::MAX.to_string();
        let mut sink = Producer::from_properties(&with(&[
            ("linger.ms", "0"),
            ("max.block.ms", max_block.as_str()),
            ("acks", options.acks.as_str()),
        ])?)?;
        if !source.list_topics().await?.contains_key(options.topic.as_str()) {
            create_topic(&options.topic, &with(&[])?, io).await?;
        }
        take_all_from_the_end(&mut source, &options.topic).await?;
        tokio::select! {
            result = perf::end_to_end::measure(&mut sink, &mut source, &options, io) => {
                // As Kafka's tool: committed also when a record did not come back.
                source.commit().await?;
                result?;
            }
            () = stopped(&code) => {}
        }
        Sink::close(&mut sink).await?;
        Ok(source.close(CLOSE).await?)
    });
    with_code(result, &code)
}

async fn create_topic(topic: &str, properties: &Properties, io: &mut Io) -> Result<(), Failure> {
    outln!(
        io,
        "Topic \"{topic}\" does not exist. Will create topic with 1 partition(s) and replication factor = 1"
    );
    let admin = Admin::from_properties(properties)?;
    let topics = [ottla_client::admin::NewTopic::new(topic, Some(1), Some(1))];
    let created = admin.create_topics(&topics, &Default::default()).await;
    let failed = created.into_values().find_map(|result| result.err());
    match failed {
        None => Ok(()),
        Some(why) => {
            outln!(io, "Creation of topic {topic} failed");
            Err(Failure::runtime(Failure::from(why).with_class()))
        }
    }
}

/// Assigns all partitions of a topic and goes to their ends.
async fn take_all_from_the_end(consumer: &mut Consumer, topic: &str) -> Result<(), Failure> {
    let found = consumer.partitions_for(topic).await?;
    let partitions: Vec<TopicPartition> = found
        .iter()
        .map(|info| TopicPartition { topic: Str::from(topic), partition: info.partition })
        .collect();
    consumer.assign(partitions.clone())?;
    consumer.seek_to_end(partitions.clone())?;
    for partition in &partitions {
        consumer.position(partition).await?;
    }
    Ok(())
}

/// Runs `verifiable-producer`.
pub fn run_verifiable_producer(
    tool: &'static Tool,
    io: &mut Io,
    arguments: &[String],
) -> Result<(), Failure> {
    let options = verifiable::producer::VerifiableOptions::read(tool, io, arguments)?;
    let code = Cell::new(0);
    let result = block_on(async {
        let mut sink = Producer::from_properties(&options.client)?;
        verifiable::producer::produce(&mut sink, &options, now_ms, stopped(&code), io).await
    });
    with_code(result, &code)
}

/// A member that remembers what happened in its group.
struct Remembering {
    consumer: Consumer,
    events: Arc<Mutex<Vec<GroupEvent>>>,
}

struct Listener(Arc<Mutex<Vec<GroupEvent>>>);

impl Listener {
    fn note<'a>(&self, event: GroupEvent) -> ListenerFuture<'a> {
        if let Ok(mut events) = self.0.lock() {
            events.push(event);
        }
        Box::pin(std::future::ready(Ok(())))
    }
}

impl RebalanceListener for Listener {
    fn on_partitions_assigned<'a>(
        &'a mut self,
        _: &'a mut Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        self.note(GroupEvent::Assigned(partitions.to_vec()))
    }

    fn on_partitions_revoked<'a>(
        &'a mut self,
        _: &'a mut Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        self.note(GroupEvent::Revoked(partitions.to_vec()))
    }
}

impl Source for Remembering {
    async fn poll(&mut self, timeout: Duration) -> ottla_client::Result<Vec<ConsumerRecord>> {
        Source::poll(&mut self.consumer, timeout).await
    }
}

impl Committer for Remembering {
    fn take_events(&mut self) -> Vec<GroupEvent> {
        self.events.lock().map(|mut events| std::mem::take(&mut *events)).unwrap_or_default()
    }

    async fn commit(&mut self, offsets: &Offsets) -> ottla_client::Result<()> {
        let offsets =
            offsets.iter().map(|(partition, offset)| (partition.clone(), OffsetAndMetadata::new(*offset)));
        self.consumer.commit_offsets(offsets.collect()).await
    }

    async fn close(&mut self) -> ottla_client::Result<()> {
        self.consumer.close_with(CLOSE, Default::default()).await
    }
}

/// Runs `verifiable-consumer`.
pub fn run_verifiable_consumer(
    tool: &'static Tool,
    io: &mut Io,
    arguments: &[String],
) -> Result<(), Failure> {
    let options = verifiable::consumer::VerifiableOptions::read(tool, io, arguments)?;
    let code = Cell::new(0);
    let result = block_on(async {
        let mut consumer = Consumer::from_properties(&options.client)?;
        let events = Arc::new(Mutex::new(Vec::new()));
        consumer.subscribe_with([options.topic.as_str()], Listener(Arc::clone(&events))).await?;
        let mut member = Remembering { consumer, events };
        verifiable::consumer::consume(&mut member, &options, now_ms, stopped(&code), io).await;
        Ok(())
    });
    with_code(result, &code)
}

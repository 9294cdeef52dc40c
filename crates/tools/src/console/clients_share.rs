//! The share groups' tools over the clients of a cluster.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ottla_client::Admin;
use ottla_client::admin::{AlterConfigOp, ConfigResource, ConfigResourceType};
use ottla_client::config::Properties;
use ottla_client::record::ConsumerRecord;
use ottla_client::share::ShareConsumer;

use super::clients::{CLOSE, logged, stopped, with_code};
use super::consumer::Records;
use super::share_consumer::{self, ShareOptions};
use super::sink::{Acknowledge, ShareSource, Source};
use crate::clock::now_ms;
use crate::connect::block_on;
use crate::progress::Progress;
use crate::verifiable::share_consumer::{Acknowledged, Member, VerifiableOptions};
use crate::{Failure, Io, Tool, outln};
use crate::{perf, verifiable};

impl Source for ShareConsumer {
    async fn poll(&mut self, timeout: Duration) -> ottla_client::Result<Vec<ConsumerRecord>> {
        ShareConsumer::poll(self, timeout).await
    }
}

impl ShareSource for ShareConsumer {
    fn acknowledge(&mut self, record: &ConsumerRecord, kind: Acknowledge) -> ottla_client::Result<()> {
        ShareConsumer::acknowledge(self, record, kind)
    }
}

/// Runs `console-share-consumer`.
pub fn run_share_consumer(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let options = ShareOptions::read(tool, io, arguments)?;
    let code = Cell::new(0);
    let result = block_on(async {
        let mut consumer = ShareConsumer::from_properties(&options.client)?;
        consumer.subscribe([options.topic.as_str()])?;
        let mut records = Records::new(consumer, options.timeout);
        let result = share_consumer::consume(&mut records, &options, stopped(&code), io).await;
        records.into_parts().0.close(CLOSE).await?;
        result
    });
    if options.systest_events && code.get() != 0 {
        outln!(io, "shutdown_complete");
    }
    with_code(logged(result, share_consumer::CLASS, io), &code)
}

/// Runs `share-consumer-perf-test`.
pub fn run_share_consumer_perf(
    tool: &'static Tool,
    io: &mut Io,
    arguments: &[String],
) -> Result<(), Failure> {
    let options = perf::share_consumer::PerfOptions::parse(tool, io, arguments)?;
    perf::share_consumer::print_header(&options.read, io);
    let code = Cell::new(0);
    let result = block_on(async {
        let mut consumers = Vec::new();
        let mut ids = Vec::new();
        for properties in options.clients() {
            ids.push(properties.get("client.id").cloned().unwrap_or_default());
            let mut consumer = ShareConsumer::from_properties(&properties)?;
            consumer.subscribe([options.topic.as_str()])?;
            consumers.push(consumer);
        }
        let start_ms = now_ms();
        let each = tokio::select! {
            each = read_all(&mut consumers, &options, io) => each?,
            () = stopped(&code) => Vec::new(),
        };
        let end_ms = now_ms();
        for mut consumer in consumers {
            consumer.commit().await?;
            // As Kafka's tool: what takes longer is given up.
            consumer.close(Duration::from_millis(500)).await?;
        }
        perf::share_consumer::print_total(&each, &ids, start_ms, end_ms, &options, io);
        Ok(())
    });
    with_code(result, &code)
}

/// Reads with all consumers at once, on this thread.
async fn read_all(
    consumers: &mut [ShareConsumer],
    options: &perf::share_consumer::PerfOptions,
    io: &mut Io,
) -> Result<Vec<perf::share_consumer::Consumed>, Failure> {
    let total = Cell::new(0);
    let wanted = options.read.records;
    let shows_progress = !options.read.detailed;
    let mut progress = Progress::new("Reading");
    let io = RefCell::new(io);
    let report = |line: String| {
        if let Ok(mut io) = io.try_borrow_mut() {
            outln!(io, "{line}");
            io.flush();
        }
    };
    let mut reading: Vec<_> = consumers
        .iter_mut()
        .enumerate()
        .map(|(at, consumer)| {
            Box::pin(perf::share_consumer::read(consumer, at + 1, &options.read, &total, now_ms, report))
        })
        .collect();
    let mut results: Vec<Option<perf::share_consumer::Consumed>> = vec![None; reading.len()];
    let all = std::future::poll_fn(|context| {
        // With detailed statistics there are lines enough.
        if shows_progress && let Ok(mut io) = io.try_borrow_mut() {
            progress.at(&mut io, total.get(), wanted);
        }
        for (future, result) in reading.iter_mut().zip(&mut results) {
            if result.is_none()
                && let std::task::Poll::Ready(done) = future.as_mut().poll(context)
            {
                match done {
                    Ok(consumed) => *result = Some(consumed),
                    Err(why) => return std::task::Poll::Ready(Err(why)),
                }
            }
        }
        if results.iter().all(Option::is_some) {
            std::task::Poll::Ready(Ok(()))
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    drop(reading);
    progress.clear(io.into_inner());
    all?;
    Ok(results.into_iter().flatten().collect())
}

/// A member of a share group that remembers what became of its acknowledgements.
struct Remembering {
    consumer: ShareConsumer,
    acknowledged: Arc<Mutex<Vec<Acknowledged>>>,
}

impl Source for Remembering {
    async fn poll(&mut self, timeout: Duration) -> ottla_client::Result<Vec<ConsumerRecord>> {
        self.consumer.poll(timeout).await
    }
}

impl Member for Remembering {
    fn take_acknowledged(&mut self) -> Vec<Acknowledged> {
        self.acknowledged.lock().map(|mut all| std::mem::take(&mut *all)).unwrap_or_default()
    }

    async fn commit(&mut self) -> ottla_client::Result<()> {
        self.consumer.commit().await.map(|_| ())
    }

    fn commit_async(&mut self) -> ottla_client::Result<()> {
        self.consumer.commit_async()
    }
}

/// Says where a share group begins that has no offsets yet.
///
/// # Errors
/// When the cluster refuses it.
pub async fn set_offset_reset(client: &Properties, group_id: &str, strategy: &str) -> Result<(), Failure> {
    let mut properties = client.clone();
    properties.remove("group.id");
    let admin = Admin::from_properties(&properties)?;
    let group = ConfigResource::new(ConfigResourceType::Group, group_id);
    let change = AlterConfigOp::set("share.auto.offset.reset", strategy);
    let changes = BTreeMap::from([(group, vec![change])]);
    for (_, result) in admin.incremental_alter_configs(&changes, &Default::default()).await {
        result?;
    }
    Ok(())
}

/// Runs `verifiable-share-consumer`.
pub fn run_verifiable_share_consumer(
    tool: &'static Tool,
    io: &mut Io,
    arguments: &[String],
) -> Result<(), Failure> {
    let options = VerifiableOptions::read(tool, io, arguments)?;
    let code = Cell::new(0);
    let result = block_on(async {
        let mut consumer = ShareConsumer::from_properties(&options.client)?;
        verifiable::share_consumer::start(&options, now_ms, io).await?;
        consumer.subscribe([options.topic.as_str()])?;
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&acknowledged);
        consumer.set_acknowledgement_commit_callback(Some(Box::new(move |partition, offsets, error| {
            if let Ok(mut all) = all.lock() {
                all.push(Acknowledged {
                    topic: partition.topic.to_string(),
                    partition: partition.partition,
                    offsets: offsets.to_vec(),
                    error: error.map(ToString::to_string),
                });
            }
        })));
        let mut member = Remembering { consumer, acknowledged };
        verifiable::share_consumer::consume(&mut member, &options, now_ms, stopped(&code), io).await;
        let Remembering { consumer, acknowledged } = member;
        consumer.close(CLOSE).await?;
        let left = acknowledged.lock().map(|mut all| std::mem::take(&mut *all)).unwrap_or_default();
        verifiable::share_consumer::end(left, now_ms(), io);
        Ok(())
    });
    with_code(result, &code)
}

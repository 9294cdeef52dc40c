//! One answer: subject by subject, in chunks, at the pace at which they are taken.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ottla_net::{ConnectionQuotas, NetStats, ServerHandle};
use tokio::sync::mpsc;

use super::histogram::{HistogramNumbers, SharedHistogram};
use super::metric::{Metric, gauge};
use super::text::{Text, Value};
use super::{
    IdleShare, Process, Series, clients, coordinators, groups, logs, network, partitions, process, quorum,
    quotas, requests, security, share_groups, topics, transactions,
};
use crate::authentication::TlsListeners;
use crate::broker::Broker;
use crate::cleaner::CleanerGauges;
use crate::fatal::Fatal;

pub static LEFT_OUT: Metric = gauge(
    "ottla_metrics_series_left_out",
    "Series of topics, partitions, groups and clients that this answer leaves out because of ottla.metrics.series.max.",
);
pub static SECONDS: Metric =
    gauge("ottla_metrics_collect_seconds", "How long it took to make this answer, in seconds.");

/// In the order in which they are told.
pub static METRICS: &[&Metric] = &[&LEFT_OUT, &SECONDS];

/// A chunk is sent when it has this many bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// Whoever asked has gone.
#[derive(Debug)]
pub(crate) struct Gone;

/// Where numbers come from once the node serves.
pub(crate) struct Sources {
    /// The broker's parts.
    pub broker: Arc<Broker>,
    /// Counts of connections.
    pub net: Arc<NetStats>,
    /// Connections by listener.
    pub quotas: Arc<ConnectionQuotas>,
    /// Listeners with TLS.
    pub tls: TlsListeners,
    /// The log cleaner.
    pub cleaner: CleanerGauges,
    /// How long fsyncs took.
    pub fsyncs: Arc<SharedHistogram>,
    /// Whether the node can go on.
    pub fatal: Fatal,
}

impl Sources {
    /// Of a node that serves.
    pub fn new(
        broker: Arc<Broker>,
        net: &ServerHandle,
        tls: TlsListeners,
        cleaner: CleanerGauges,
        fsyncs: Arc<SharedHistogram>,
        fatal: Fatal,
    ) -> Self {
        let (net, quotas) = (net.stats().clone(), net.quotas().clone());
        Self { broker, net, quotas, tls, cleaner, fsyncs, fatal }
    }
}

/// An answer on its way: written into memory, and sent chunk by chunk. It waits when the chunks are not taken.
pub(crate) struct Out {
    text: Text,
    chunks: mpsc::Sender<Bytes>,
}

impl Out {
    /// An answer that is taken from `chunks`' other end.
    pub fn new(text: Text, chunks: mpsc::Sender<Bytes>) -> Self {
        Self { text, chunks }
    }

    /// Begins a metric.
    pub fn begin(&mut self, metric: &'static Metric) {
        self.text.begin(metric);
    }

    /// A sample of the metric that was begun last.
    pub fn sample(&mut self, metric: &'static Metric, labels: &[&str], value: impl Into<Value>) {
        self.text.sample(metric, labels, value.into());
    }

    /// A metric with one sample.
    pub fn one(&mut self, metric: &'static Metric, value: impl Into<Value>) {
        self.begin(metric);
        self.sample(metric, &[], value);
    }

    /// The samples of a histogram that was begun last.
    pub fn histogram(&mut self, metric: &'static Metric, labels: &[&str], numbers: &HistogramNumbers) {
        self.text.histogram(metric, labels, numbers);
    }

    /// Whether there are series of this kind.
    pub fn allows(&self, series: Series) -> bool {
        self.text.limits().allows(series)
    }

    /// Series of topics, partitions and groups that may still come.
    pub fn left(&self) -> usize {
        self.text.left()
    }

    /// Takes note of series that were not even collected.
    pub fn leave_out(&mut self, series: usize) {
        self.text.leave_out(series as u64);
    }

    /// Sends what was written if it is much. To be called every few samples.
    ///
    /// # Errors
    /// When nobody takes it any more.
    pub async fn breathe(&mut self) -> Result<(), Gone> {
        if self.text.len() < CHUNK_BYTES {
            return Ok(());
        }
        self.send().await
    }

    async fn send(&mut self) -> Result<(), Gone> {
        let chunk = self.text.take();
        self.chunks.send(Bytes::from(chunk)).await.map_err(|_| Gone)
    }
}

/// Writes everything; before the node serves, what is known of the process.
///
/// # Errors
/// When nobody takes it any more.
pub(crate) async fn collect(
    process: &Process,
    idle: &IdleShare,
    sources: Option<&Sources>,
    out: &mut Out,
) -> Result<(), Gone> {
    let began = Instant::now();
    process::collect(process, sources.is_some(), out);
    if let Some(sources) = sources {
        network::collect(sources, idle, out);
        requests::collect(&sources.broker.requests, out);
        security::collect(sources, out);
        let hosted = topics::Hosted::of(&sources.broker);
        topics::collect(&hosted, out).await?;
        partitions::collect(&sources.broker, &hosted, out).await?;
        logs::collect(sources, &hosted, out);
        quorum::collect(sources, out);
        coordinators::collect(&sources.broker, out);
        groups::collect(&sources.broker, out).await?;
        share_groups::collect(&sources.broker, out).await?;
        transactions::collect(&sources.broker, out).await;
        quotas::collect(sources, out).await?;
        clients::collect(&sources.broker, out).await?;
    }
    let left_out = out.text.left_out();
    out.one(&LEFT_OUT, left_out);
    out.one(&SECONDS, began.elapsed().as_secs_f64());
    out.text.end();
    out.send().await
}

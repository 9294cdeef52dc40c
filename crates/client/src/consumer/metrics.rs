//! Figures of a consumer, cheap to keep: nothing is looked up by name where records pass.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use ottla_protocol::TopicPartition;
use parking_lot::Mutex;

use crate::metrics::{Metric, Sampled};

/// Counters since the consumer began; shared with whoever reads them.
#[derive(Debug, Default)]
pub struct ConsumerMetrics {
    records: AtomicU64,
    bytes: AtomicU64,
    fetches: AtomicU64,
    fetch_ms: AtomicU64,
    fetch_ms_max: AtomicU64,
    throttle_ms: AtomicU64,
    fetch_latency: Mutex<Sampled>,
    commits: AtomicU64,
    rebalances: AtomicU64,
    partitions: Mutex<BTreeMap<TopicPartition, Lag>>,
}

/// How far a partition's reader is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Records up to the end (`records-lag`).
    pub lag: Option<i64>,
    /// Records since the log's start (`records-lead`).
    pub lead: Option<i64>,
}

/// The figures at one moment. Names of Kafka's are in brackets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsSnapshot {
    /// Records handed out (`records-consumed-total`).
    pub records_consumed: u64,
    /// Bytes of batches used up (`bytes-consumed-total`).
    pub bytes_consumed: u64,
    /// Fetches answered (`fetch-total`).
    pub fetches: u64,
    /// Time they took in all, ms; waiting for records at the broker included.
    pub fetch_ms: u64,
    /// Longest of them, ms (`fetch-latency-max`).
    pub fetch_ms_max: u64,
    /// Time that quotas held answers back, ms.
    pub throttle_ms: u64,
    /// Commits that succeeded (`commit-total`).
    pub commits: u64,
    /// Assignments by the group (`rebalance-total`).
    pub rebalances: u64,
    /// By partition, as of the last poll that had records of it.
    pub partitions: BTreeMap<TopicPartition, Lag>,
}

impl ConsumerMetrics {
    /// The figures now.
    pub fn snapshot(&self) -> MetricsSnapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        MetricsSnapshot {
            records_consumed: get(&self.records),
            bytes_consumed: get(&self.bytes),
            fetches: get(&self.fetches),
            fetch_ms: get(&self.fetch_ms),
            fetch_ms_max: get(&self.fetch_ms_max),
            throttle_ms: get(&self.throttle_ms),
            commits: get(&self.commits),
            rebalances: get(&self.rebalances),
            partitions: self.partitions.lock().clone(),
        }
    }

    /// The figures under Kafka's names, with rates and latencies of the last minute.
    pub(super) fn figures(&self, client_id: &str, now_ms: i64) -> Vec<Metric> {
        const FETCH: &str = "consumer-fetch-manager-metrics";
        const COORDINATOR: &str = "consumer-coordinator-metrics";
        let client = vec![("client-id", client_id.to_owned())];
        let figure = |group: &str, name, value, is_total| Metric {
            group: group.to_owned(),
            name,
            tags: client.clone(),
            value,
            is_total,
        };
        let now = self.snapshot();
        let latency = self.fetch_latency.lock();
        let mut all = vec![
            figure(FETCH, "records-consumed-total", now.records_consumed as f64, true),
            figure(FETCH, "bytes-consumed-total", now.bytes_consumed as f64, true),
            figure(FETCH, "fetch-total", now.fetches as f64, true),
            figure(FETCH, "fetch-latency-avg", latency.avg(now_ms), false),
            figure(FETCH, "fetch-latency-max", latency.max(now_ms), false),
            figure(COORDINATOR, "commit-total", now.commits as f64, true),
            figure(COORDINATOR, "rebalance-total", now.rebalances as f64, true),
        ];
        drop(latency);
        for (tp, lag) in now.partitions {
            let mut tags = client.clone();
            tags.push(("topic", tp.topic.to_string()));
            tags.push(("partition", tp.partition.to_string()));
            for (name, value) in [("records-lag", lag.lag), ("records-lead", lag.lead)] {
                let Some(value) = value else { continue };
                let (group, tags) = (FETCH.to_owned(), tags.clone());
                all.push(Metric { group, name, tags, value: value as f64, is_total: false });
            }
        }
        all
    }

    pub(super) fn fetched(&self, took_ms: i64, throttle_ms: i32, now_ms: i64) {
        self.fetch_latency.lock().record(took_ms.max(0) as f64, now_ms);
        let took_ms = u64::try_from(took_ms).unwrap_or(0);
        self.fetches.fetch_add(1, Ordering::Relaxed);
        self.fetch_ms.fetch_add(took_ms, Ordering::Relaxed);
        self.fetch_ms_max.fetch_max(took_ms, Ordering::Relaxed);
        self.throttle_ms.fetch_add(u64::try_from(throttle_ms).unwrap_or(0), Ordering::Relaxed);
    }

    pub(super) fn consumed(&self, records: usize, bytes: usize) {
        self.records.fetch_add(records as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn position(&self, partition: &TopicPartition, lag: Option<i64>, lead: Option<i64>) {
        let mut partitions = self.partitions.lock();
        match partitions.get_mut(partition) {
            Some(known) => *known = Lag { lag, lead },
            None => {
                partitions.insert(partition.clone(), Lag { lag, lead });
            }
        }
    }

    pub(super) fn retain(&self, is_assigned: impl Fn(&TopicPartition) -> bool) {
        self.partitions.lock().retain(|partition, _| is_assigned(partition));
    }

    pub(super) fn committed(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn rebalanced(&self) {
        self.rebalances.fetch_add(1, Ordering::Relaxed);
    }
}

//! Figures of a share consumer under Kafka's names (`ShareFetchMetricsRegistry`, `KafkaShareConsumerMetrics`,
//! `ShareRebalanceMetricsManager`). Times are ms since the consumer was made.

use parking_lot::Mutex;

use crate::metrics::{Metric, Sampled};

const FETCH: &str = "consumer-share-fetch-manager-metrics";
const COORDINATOR: &str = "consumer-share-coordinator-metrics";
const CONSUMER: &str = "consumer-share-metrics";

/// A value of each time, with its sum since the beginning.
#[derive(Debug, Default)]
struct Series {
    sampled: Sampled,
    total: f64,
}

impl Series {
    fn record(&mut self, value: f64, now_ms: i64) {
        self.sampled.record(value, now_ms);
        self.total += value;
    }
}

#[derive(Debug, Default)]
struct Figures {
    bytes: Series,
    records: Series,
    latency: Sampled,
    fetches: Series,
    throttle: Sampled,
    sent: Series,
    failed: Series,
    rebalances: u64,
    between_polls: Sampled,
    poll_idle_ratio: Sampled,
    poll_began_ms: Option<i64>,
    since_last_poll_ms: i64,
}

/// What a share consumer does, in figures; shared with whoever reads them.
#[derive(Debug, Default)]
pub(super) struct ShareMetrics(Mutex<Figures>);

impl ShareMetrics {
    /// A node answered a fetch.
    pub fn fetched(&self, took_ms: i64, throttle_ms: i32, now_ms: i64) {
        let mut all = self.0.lock();
        all.latency.record(took_ms.max(0) as f64, now_ms);
        all.throttle.record(f64::from(throttle_ms.max(0)), now_ms);
        all.fetches.record(1.0, now_ms);
    }

    /// An answer's records of a partition were handed out whole.
    pub fn consumed(&self, records: usize, bytes: usize, now_ms: i64) {
        let mut all = self.0.lock();
        all.records.record(records as f64, now_ms);
        all.bytes.record(bytes as f64, now_ms);
    }

    /// What became of acknowledgements.
    pub fn acknowledged(&self, count: usize, is_taken: bool, now_ms: i64) {
        let mut all = self.0.lock();
        all.sent.record(count as f64, now_ms);
        if !is_taken {
            all.failed.record(count as f64, now_ms);
        }
    }

    /// The group gave out partitions.
    pub fn rebalanced(&self) {
        self.0.lock().rebalances += 1;
    }

    /// The application polls.
    pub fn poll_began(&self, now_ms: i64) {
        let mut all = self.0.lock();
        let since_ms = all.poll_began_ms.map_or(0, |last_ms| now_ms.saturating_sub(last_ms));
        all.between_polls.record(since_ms as f64, now_ms);
        (all.since_last_poll_ms, all.poll_began_ms) = (since_ms, Some(now_ms));
    }

    /// The poll that began last is over.
    pub fn poll_ended(&self, now_ms: i64) {
        let mut all = self.0.lock();
        let took_ms = all.poll_began_ms.map_or(0, |began_ms| now_ms.saturating_sub(began_ms));
        let whole_ms = took_ms.saturating_add(all.since_last_poll_ms);
        // Two polls within a millisecond say nothing.
        if whole_ms > 0 {
            all.poll_idle_ratio.record(took_ms as f64 / whole_ms as f64, now_ms);
        }
    }

    /// Everything by Kafka's names.
    pub fn figures(&self, client_id: &str, now_ms: i64) -> Vec<Metric> {
        let all = self.0.lock();
        let since_poll_s = all.poll_began_ms.map_or(-1, |began_ms| now_ms.saturating_sub(began_ms) / 1000);
        let gauges = [
            (FETCH, "fetch-size-avg", all.bytes.sampled.avg(now_ms)),
            (FETCH, "fetch-size-max", all.bytes.sampled.max(now_ms)),
            (FETCH, "bytes-consumed-rate", all.bytes.sampled.rate(now_ms)),
            (FETCH, "records-per-request-avg", all.records.sampled.avg(now_ms)),
            (FETCH, "records-per-request-max", all.records.sampled.max(now_ms)),
            (FETCH, "records-consumed-rate", all.records.sampled.rate(now_ms)),
            (FETCH, "acknowledgements-send-rate", all.sent.sampled.rate(now_ms)),
            (FETCH, "acknowledgements-error-rate", all.failed.sampled.rate(now_ms)),
            (FETCH, "fetch-latency-avg", all.latency.avg(now_ms)),
            (FETCH, "fetch-latency-max", all.latency.max(now_ms)),
            (FETCH, "fetch-rate", all.fetches.sampled.rate(now_ms)),
            (FETCH, "fetch-throttle-time-avg", all.throttle.avg(now_ms)),
            (FETCH, "fetch-throttle-time-max", all.throttle.max(now_ms)),
            (CONSUMER, "time-between-poll-avg", all.between_polls.avg(now_ms)),
            (CONSUMER, "time-between-poll-max", all.between_polls.max(now_ms)),
            (CONSUMER, "poll-idle-ratio-avg", all.poll_idle_ratio.avg(now_ms)),
            (CONSUMER, "last-poll-seconds-ago", since_poll_s as f64),
        ];
        let totals = [
            (FETCH, "bytes-consumed-total", all.bytes.total),
            (FETCH, "records-consumed-total", all.records.total),
            (FETCH, "acknowledgements-send-total", all.sent.total),
            (FETCH, "acknowledgements-error-total", all.failed.total),
            (FETCH, "fetch-total", all.fetches.total),
            (COORDINATOR, "rebalance-total", all.rebalances as f64),
        ];
        let figure = |(group, name, value): (&str, &'static str, f64), is_total| Metric {
            group: group.to_owned(),
            name,
            tags: vec![("client-id", client_id.to_owned())],
            value,
            is_total,
        };
        let gauges = gauges.into_iter().map(|it| figure(it, false));
        gauges.chain(totals.into_iter().map(|it| figure(it, true))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(all: &[Metric], name: &str) -> f64 {
        all.iter().find(|metric| metric.name == name).unwrap().value
    }

    #[test]
    fn figures_are_kept_under_kafkas_names() {
        let it = ShareMetrics::default();
        assert_eq!(value(&it.figures("c", 0), "last-poll-seconds-ago"), -1.0);
        it.poll_began(1000);
        it.fetched(40, 0, 1040);
        it.consumed(10, 500, 1040);
        it.poll_ended(1100);
        it.acknowledged(7, true, 1200);
        it.acknowledged(3, false, 1200);
        it.rebalanced();
        it.poll_began(1400);
        it.poll_ended(1500);
        let all = it.figures("c", 4000);
        let expect = [
            ("fetch-size-avg", 500.0),
            ("records-consumed-total", 10.0),
            ("bytes-consumed-total", 500.0),
            ("fetch-total", 1.0),
            ("fetch-latency-max", 40.0),
            ("acknowledgements-send-total", 10.0),
            ("acknowledgements-error-total", 3.0),
            ("rebalance-total", 1.0),
            ("time-between-poll-max", 400.0),
            // All of the first poll's time, and a fifth of the second's.
            ("poll-idle-ratio-avg", 0.6),
            ("last-poll-seconds-ago", 2.0),
        ];
        for (name, expect) in expect {
            assert!((value(&all, name) - expect).abs() < 1e-9, "{name}: {}", value(&all, name));
        }
    }
}

//! Counts and latencies of `producer-perf-test` (Kafka: `ProducerPerformance.Stats`).

use crate::{Io, outln};

/// Samples that are kept for percentiles, at most.
const SAMPLES_MAX: i64 = 500_000;
const MIB: f64 = 1024.0 * 1024.0;

/// Counts since a start, and since the last report.
#[derive(Debug)]
pub struct Latencies {
    start_ms: i64,
    samples: Vec<i64>,
    samples_max: usize,
    sampling: i64,
    interval_ms: i64,
    steady: bool,
    silent: bool,
    iteration: i64,
    count: i64,
    bytes: i64,
    max_ms: i64,
    total_ms: i64,
    window: Window,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    start_ms: i64,
    count: i64,
    bytes: i64,
    max_ms: i64,
    total_ms: i64,
}

impl Latencies {
    /// For so many records, with a report after each `interval_ms`. `steady`: those after the warm-up.
    pub fn new(records: i64, interval_ms: i64, steady: bool, now_ms: i64) -> Self {
        let sampling = (records / records.clamp(1, SAMPLES_MAX)).max(1);
        Self {
            start_ms: now_ms,
            samples: Vec::new(),
            samples_max: usize::try_from(records / sampling + 1).unwrap_or(0),
            sampling,
            interval_ms,
            steady,
            silent: false,
            iteration: 0,
            count: 0,
            bytes: 0,
            max_ms: 0,
            total_ms: 0,
            window: Window { start_ms: now_ms, ..Default::default() },
        }
    }

    /// Reports no more: others do.
    pub fn silence(&mut self) {
        self.silent = true;
    }

    /// So many records, of so many bytes together, were acknowledged after the same time.
    pub fn record(&mut self, records: u32, latency_ms: i64, bytes: usize, now_ms: i64, io: &mut Io) {
        let (records, bytes) = (i64::from(records), i64::try_from(bytes).unwrap_or(i64::MAX));
        let total_ms = latency_ms.saturating_mul(records);
        self.count += records;
        self.bytes = self.bytes.saturating_add(bytes);
        self.total_ms += total_ms;
        self.max_ms = self.max_ms.max(latency_ms);
        let window = &mut self.window;
        window.count += records;
        window.bytes = window.bytes.saturating_add(bytes);
        window.total_ms += total_ms;
        window.max_ms = window.max_ms.max(latency_ms);
        self.sample(records, latency_ms);
        if now_ms - self.window.start_ms >= self.interval_ms {
            if self.steady && self.count == self.window.count {
                outln!(io, "In steady state.");
            }
            if !self.silent {
                self.window.print(now_ms, io);
                io.flush();
            }
            self.window = Window { start_ms: now_ms, ..Default::default() };
        }
    }

    /// Keeps the latency of each record whose turn it is.
    fn sample(&mut self, records: i64, latency_ms: i64) {
        // How many multiples of `sampling` are below a number of records.
        let turns = |records: i64| (records + self.sampling - 1) / self.sampling;
        let due = turns(self.iteration + records) - turns(self.iteration);
        self.iteration += records;
        let room = self.samples_max.saturating_sub(self.samples.len());
        let kept = usize::try_from(due).unwrap_or(0).min(room);
        self.samples.extend(std::iter::repeat_n(latency_ms, kept));
    }

    /// The summary.
    pub fn print_total(&mut self, now_ms: i64, io: &mut Io) {
        let elapsed = (now_ms - self.start_ms) as f64;
        let (records, mib) = rates(self.count, self.bytes, elapsed);
        self.samples.sort_unstable();
        let percentile = |part: f64| {
            let at = (part * self.samples.len() as f64) as usize;
            self.samples.get(at).or(self.samples.last()).copied().unwrap_or(0)
        };
        outln!(
            io,
            "{}{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {:.2} ms max latency, {} ms 50th, \
             {} ms 95th, {} ms 99th, {} ms 99.9th.",
            self.count,
            if self.steady { " steady state" } else { "" },
            java_float(records, 6),
            java_float(mib, 2),
            java_float(self.total_ms as f64 / self.count as f64, 2),
            self.max_ms as f64,
            percentile(0.5),
            percentile(0.95),
            percentile(0.99),
            percentile(0.999),
        );
    }
}

impl Window {
    fn print(&self, now_ms: i64, io: &mut Io) {
        let (records, mib) = rates(self.count, self.bytes, (now_ms - self.start_ms) as f64);
        outln!(
            io,
            "{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {:.1} ms max latency.",
            self.count,
            java_float(records, 1),
            java_float(mib, 2),
            java_float(self.total_ms as f64 / self.count as f64, 1),
            self.max_ms as f64,
        );
    }
}

fn rates(count: i64, bytes: i64, elapsed_ms: f64) -> (f64, f64) {
    (1000.0 * count as f64 / elapsed_ms, 1000.0 * bytes as f64 / elapsed_ms / MIB)
}

/// A number as Java's `%.Nf` shows it: `NaN` and `Infinity` by name.
pub fn java_float(value: f64, places: usize) -> String {
    match value {
        _ if value.is_nan() => "NaN".to_owned(),
        _ if value.is_infinite() => if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        _ => format!("{value:.places$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_and_the_summary() {
        let (mut io, captured) = Io::captured("");
        let mut latencies = Latencies::new(4, 1000, false, 0);
        for (latency, now) in [(10, 100), (20, 500), (30, 1000), (40, 2000)] {
            latencies.record(1, latency, 1024 * 1024, now, &mut io);
        }
        latencies.print_total(2000, &mut io);
        io.flush();
        assert_eq!(
            captured.out(),
            "3 records sent, 3.0 records/sec (3.00 MB/sec), 20.0 ms avg latency, 30.0 ms max latency.\n\
             1 records sent, 1.0 records/sec (1.00 MB/sec), 40.0 ms avg latency, 40.0 ms max latency.\n\
             4 records sent, 2.000000 records/sec (2.00 MB/sec), 25.00 ms avg latency, 40.00 ms max latency, \
             30 ms 50th, 40 ms 95th, 40 ms 99th, 40 ms 99.9th.\n"
        );
    }

    #[test]
    fn the_steady_state_is_told() {
        let (mut io, captured) = Io::captured("");
        let mut all = Latencies::new(2, 10, false, 0);
        all.silence();
        let mut steady = Latencies::new(1, 10, true, 0);
        all.record(1, 1, 1, 20, &mut io);
        steady.record(1, 1, 1, 20, &mut io);
        steady.print_total(20, &mut io);
        io.flush();
        assert!(captured.out().starts_with("In steady state.\n1 records sent, 50.0"), "{}", captured.out());
        assert!(captured.out().contains("\n1 steady state records sent, 50.000000 records/sec"));
    }

    #[test]
    fn records_that_end_together_count_as_single_ones() {
        let mut io = Io::captured("").0;
        // 1,100,000 records: each second one is kept.
        let all = || Latencies::new(1_100_000, i64::MAX, false, 0);
        let (mut together, mut one_by_one) = (all(), all());
        for (records, latency) in [(1, 7), (2, 5), (3, 9), (1, 1), (5, 4)] {
            together.record(records, latency, 10 * records as usize, 1, &mut io);
            for _ in 0..records {
                one_by_one.record(1, latency, 10, 1, &mut io);
            }
        }
        assert_eq!(together.samples, [7, 5, 9, 1, 4, 4]);
        assert_eq!(format!("{together:?}"), format!("{one_by_one:?}"));
    }

    #[test]
    fn nothing_sent_is_no_panic() {
        let (mut io, captured) = Io::captured("");
        Latencies::new(1, 10, false, 0).print_total(0, &mut io);
        io.flush();
        assert!(captured.out().starts_with("0 records sent, NaN records/sec (NaN MB/sec), NaN ms avg"));
    }
}

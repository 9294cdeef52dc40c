//! What clients are made to do.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::program::{Run, run};
use super::{Maker, Programs};
use crate::contestant::Broker;
use crate::load::batch::BatchKind;
use crate::load::produce::Produce;
use crate::metric::{Metric, Slice};
use crate::perf_tools::{consumer_result, producer_rate};
use crate::stats::Random;

const MIB: f64 = 1024.0 * 1024.0;
/// What a consumer's topic holds at most.
const FILLED_BYTES: u64 = 768 << 20;
/// Different payloads of a producer.
const PAYLOADS: usize = 1000;

/// What a client is made to do. Sizes are bytes.
#[derive(Clone, Copy)]
pub enum Job {
    /// Writes as fast as it can.
    Produce { record_size: usize, batch_size: usize },
    /// Reads a topic from the beginning, as the only member of a group.
    Consume { record_size: usize },
    /// Writes one record, waits until it is acknowledged and has been read, then the next.
    RoundTrip { record_size: usize },
}

impl Job {
    /// All rows.
    pub const ALL: [Job; 7] = [
        Job::Produce { record_size: 1024, batch_size: 16 << 10 },
        Job::Produce { record_size: 100, batch_size: 16 << 10 },
        Job::Produce { record_size: 1024, batch_size: 256 << 10 },
        Job::Produce { record_size: 100, batch_size: 256 << 10 },
        Job::Consume { record_size: 1024 },
        Job::Consume { record_size: 100 },
        Job::RoundTrip { record_size: 100 },
    ];

    /// What the table calls it.
    pub fn name(&self) -> String {
        let size = |bytes: usize| match bytes {
            1024.. => format!("{} KB", bytes / 1024),
            _ => format!("{bytes} B"),
        };
        match self {
            Job::Produce { record_size, batch_size } => {
                format!("client produce {}, {} batches", size(*record_size), size(*batch_size))
            }
            Job::Consume { record_size } => format!("client consume {}", size(*record_size)),
            Job::RoundTrip { record_size } => {
                format!("client round trip of {}, one at a time", size(*record_size))
            }
        }
    }

    /// Whether slices leave records behind.
    pub fn writes(&self) -> bool {
        !matches!(self, Job::Consume { .. })
    }

    fn record_size(&self) -> usize {
        match self {
            Job::Produce { record_size, .. }
            | Job::Consume { record_size }
            | Job::RoundTrip { record_size } => *record_size,
        }
    }

    /// Makes a topic ready, and says how many records a slice of about this length is.
    pub fn prepare(&self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<u64> {
        let per_second = |rate: f64| ((rate * time.as_secs_f64()) as u64).max(1000);
        Ok(match self {
            Job::Produce { record_size, .. } if *record_size < 1024 => per_second(1e6),
            Job::Produce { .. } => per_second(150e3),
            Job::Consume { record_size } => {
                let wanted = per_second(if *record_size < 1024 { 2.5e6 } else { 600e3 });
                let bytes = (wanted * *record_size as u64).min(FILLED_BYTES);
                let load = Produce { batch: BatchKind::plain(*record_size, 16 << 10), acks: 1, in_flight: 4 };
                let filled = load.run(broker.port, topic, Duration::from_secs(60), bytes)?;
                filled.records.min(wanted)
            }
            Job::RoundTrip { .. } => per_second(2e3),
        })
    }

    /// One run.
    pub fn slice(
        &self,
        programs: &Programs<'_>,
        broker: &Broker<'_>,
        maker: Maker,
        topic: &str,
        records: u64,
    ) -> Result<Slice> {
        let folder = programs.place.folder();
        let command = self.command(programs, maker, broker.port, topic, records)?;
        let run = run(command, folder)?;
        self.read(&run, records).with_context(|| format!("the client said: {}", run.said))
    }

    fn command(
        &self,
        programs: &Programs<'_>,
        maker: Maker,
        port: u16,
        topic: &str,
        records: u64,
    ) -> Result<Command> {
        let (servers, records) = (format!("127.0.0.1:{port}"), records.to_string());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        let (size, group) = (self.record_size().to_string(), format!("clients-{now}"));
        if maker == Maker::Librdkafka {
            let mut command = Command::new(programs.librdkafka()?);
            let (what, last) = match self {
                Job::Produce { batch_size, .. } => ("produce", batch_size.to_string()),
                Job::Consume { .. } => ("consume", group),
                Job::RoundTrip { .. } => ("round-trips", group),
            };
            command.args([what, &servers, topic, &records, &size, &last]);
            return Ok(command);
        }
        let mut command = match self {
            Job::Produce { record_size, batch_size } => {
                let mut command = programs.tool(maker, "producer-perf-test", "ProducerPerformance")?;
                command.arg("--payload-file").arg(payloads(programs.place.folder(), *record_size)?);
                for property in ["acks=all", "linger.ms=5", &format!("batch.size={batch_size}")] {
                    command.args(["--command-property", property]);
                }
                command.args(["--throughput", "-1"]);
                command
            }
            Job::Consume { .. } => {
                let mut command = programs.tool(maker, "consumer-perf-test", "ConsumerPerformance")?;
                command.args(["--group", &group, "--timeout", "30000", "--hide-header"]);
                command
            }
            Job::RoundTrip { .. } => {
                let mut command = programs.tool(maker, "e2e-latency", "EndToEndLatency")?;
                command.args(["--producer-acks", "all", "--record-size", &size]);
                command
            }
        };
        command.args(["--bootstrap-server", &servers, "--topic", topic, "--num-records", &records]);
        Ok(command)
    }

    fn read(&self, run: &Run, records: u64) -> Result<Slice> {
        let said = &run.said;
        let mb = records as f64 * self.record_size() as f64 / MIB;
        let rate = match self {
            Job::Produce { .. } => {
                let (sent, rate) = producer_rate(said).context("no rate")?;
                ensure!(sent == records, "{sent} of {records} records were sent");
                rate
            }
            Job::Consume { .. } => {
                let (_, read, seconds) = consumer_result(said).context("no rate")?;
                ensure!(read >= records, "{read} of {records} records were read");
                read as f64 / seconds.max(1e-3)
            }
            Job::RoundTrip { .. } => {
                let mean_us = round_trip_us(said).context("no latency")?;
                let cpu_us = run.cpu_s * 1e6 / records as f64;
                return Ok(Slice::of([(Metric::RoundTrip, mean_us), (Metric::ClientCpuPerRecord, cpu_us)]));
            }
        };
        let cpu = run.cpu_s * 1e3 / mb.max(1e-3);
        Ok(Slice::of([
            (Metric::ClientCpuPerMb, cpu),
            (Metric::Records, rate),
            (Metric::ClientPeak, run.peak_mb),
        ]))
    }
}

/// The mean of the line `Avg latency: N ms`, in microseconds.
fn round_trip_us(said: &str) -> Option<f64> {
    let line = said.lines().find_map(|line| line.strip_prefix("Avg latency: "))?;
    Some(line.split_ascii_whitespace().next()?.parse::<f64>().ok()? * 1e3)
}

/// A file with payloads, one a line: to make each anew would cost more than to send it.
fn payloads(folder: &Path, size: usize) -> Result<PathBuf> {
    let path = folder.join(format!("payloads-{size}"));
    if !path.exists() {
        let mut random = Random::new(size as u64);
        let mut text = String::with_capacity(PAYLOADS * (size + 1));
        for _ in 0..PAYLOADS {
            text.extend((0..size).map(|_| char::from(b'A' + random.below(26) as u8)));
            writeln!(text)?;
        }
        fs::write(&path, text)?;
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let mut names: Vec<String> = Job::ALL.iter().map(Job::name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), Job::ALL.len());
    }

    #[test]
    fn reads_what_tools_say() {
        assert_eq!(round_trip_us("x\nAvg latency: 0.2500 ms\n\nPercentiles: ..."), Some(250.0));
        assert_eq!(round_trip_us("Percentiles"), None);
        let run = Run { said: "Avg latency: 1.0000 ms\n".to_owned(), cpu_s: 0.5, peak_mb: 1.0 };
        let slice = Job::RoundTrip { record_size: 100 }.read(&run, 1000).expect("a slice");
        assert_eq!(slice.get(Metric::ClientCpuPerRecord), 500.0);
    }
}

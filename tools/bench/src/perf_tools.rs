//! Kafka's own producer and consumer benchmarks as clients.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::load::Moved;

const MIB: f64 = 1024.0 * 1024.0;

/// One run of `kafka-producer-perf-test`.
pub struct ProducerPerformance<'a> {
    /// Class path of Kafka's tools.
    pub class_path: &'a str,
    /// Port of the broker.
    pub port: u16,
    /// Topic to write to.
    pub topic: &'a str,
    /// Records to send.
    pub records: u64,
    /// Bytes of a record.
    pub record_size: usize,
    /// `batch.size`.
    pub batch_size: usize,
    /// `acks`: 1, or -1 for all.
    pub acks: i16,
}

impl ProducerPerformance<'_> {
    /// Runs it to its end. The seconds are the tool's own, without the start of its JVM.
    pub fn run(&self) -> Result<Moved> {
        let properties = [
            format!("acks={}", self.acks),
            format!("batch.size={}", self.batch_size),
            format!("enable.idempotence={}", self.acks == -1),
            "linger.ms=5".to_string(),
            "compression.type=none".to_string(),
        ];
        let mut command = java(self.class_path, "org.apache.kafka.tools.ProducerPerformance");
        command
            .args(["--bootstrap-server", &format!("127.0.0.1:{}", self.port)])
            .args(["--topic", self.topic])
            .args(["--num-records", &self.records.to_string()])
            .args(["--record-size", &self.record_size.to_string()])
            .args(["--throughput", "-1"]);
        for property in &properties {
            command.args(["--command-property", property]);
        }
        let said = output(command)?;
        let (records, mb_per_s) =
            producer_result(&said).with_context(|| format!("ProducerPerformance said: {said}"))?;
        ensure!(
            records == self.records,
            "ProducerPerformance sent {records} of {} records: {said}",
            self.records
        );
        let bytes = records * self.record_size as u64;
        Ok(Moved { bytes, records, seconds: bytes as f64 / MIB / mb_per_s, ..Default::default() })
    }
}

/// Records and MB/s of the last line: `N records sent, R records/sec (M MB/sec), ...`.
fn producer_result(said: &str) -> Option<(u64, f64)> {
    let line = said.lines().rfind(|line| line.contains(" records sent, ") && line.contains("99.9th"))?;
    let records = line.split_ascii_whitespace().next()?.parse().ok()?;
    let rate = line.split_once('(')?.1.split_ascii_whitespace().next()?.parse().ok()?;
    Some((records, rate))
}

/// Records, and records in a second, of the same line.
pub fn producer_rate(said: &str) -> Option<(u64, f64)> {
    let (records, _) = producer_result(said)?;
    let line = said.lines().rfind(|line| line.contains("99.9th"))?;
    let rate = line.split_once(" records sent, ")?.1.split_ascii_whitespace().next()?.parse().ok()?;
    Some((records, rate))
}

/// One run of `kafka-consumer-perf-test`: a group of one reads `records` records from the beginning. The seconds
/// are those spent fetching, without joining the group.
pub fn consume(class_path: &str, port: u16, topic: &str, group: &str, records: u64) -> Result<Moved> {
    let mut command = java(class_path, "org.apache.kafka.tools.ConsumerPerformance");
    command
        .args(["--bootstrap-server", &format!("127.0.0.1:{port}")])
        .args(["--topic", topic, "--group", group, "--num-records", &records.to_string()])
        .args(["--timeout", "30000", "--hide-header"]);
    let said = output(command)?;
    let (mb, got, seconds) =
        consumer_result(&said).with_context(|| format!("ConsumerPerformance said: {said}"))?;
    ensure!(got >= records, "ConsumerPerformance read {got} of {records} records: {said}");
    Ok(Moved { bytes: (mb * MIB) as u64, records: got, seconds, ..Default::default() })
}

/// MB, records and fetch seconds of the line `start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, ...`.
pub fn consumer_result(said: &str) -> Option<(f64, u64, f64)> {
    let line = said.lines().rfind(|line| line.split(", ").count() == 10)?;
    let fields: Vec<&str> = line.split(", ").collect();
    let number = |i: usize| fields.get(i)?.trim().parse::<f64>().ok();
    Some((number(2)?, number(4)? as u64, number(7)? / 1000.0))
}

/// A JVM that runs a class of Kafka's.
pub fn java(class_path: &str, class: &str) -> Command {
    let mut command = Command::new("java");
    // Numbers with a point, whatever the language of the machine.
    command.args(["-Xmx512m", "-Duser.language=en", "-Dlog4j2.level=ERROR", "-Djava.awt.headless=true"]);
    command.args(["-cp", class_path, class]);
    command
}

fn output(mut command: Command) -> Result<String> {
    let output = command.output().context("starting java")?;
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        said += &String::from_utf8_lossy(&output.stderr);
    }
    ensure!(output.status.success(), "a performance tool of Kafka failed: {said}");
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_producer_says() {
        let said = "10 records sent, 2.0 records/sec (1.00 MB/sec), 1.0 ms avg latency, 3.0 ms max latency.\n\
                    500 records sent, 250.000000 records/sec (12.34 MB/sec), 1.20 ms avg latency, 3.00 ms max latency, 1 ms 50th, 2 ms 95th, 3 ms 99th, 3 ms 99.9th.\n";
        assert_eq!(producer_result(said), Some((500, 12.34)));
        assert_eq!(producer_rate(said), Some((500, 250.0)));
        assert_eq!(producer_result("WARN nothing"), None);
    }

    #[test]
    fn reads_what_the_consumer_says() {
        let said = "2026-11-21 05:00:00:000, 2026-11-21 05:00:02:000, 95.3674, 47.6837, 100000, 50000.0000, 400, 1600, 59.6046, 62500.0000\n";
        assert_eq!(consumer_result(said), Some((95.3674, 100_000, 1.6)));
    }
}

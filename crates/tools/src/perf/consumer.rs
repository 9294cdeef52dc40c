//! `ottla consumer-perf-test`: how fast records are read by a group (Kafka: `ConsumerPerformance`).

use ottla_client::record::ConsumerRecord;

use super::latencies::java_float;
use super::options::{
    COMMAND_CONFIG, COMMAND_PROPERTY, CONSUMER_CONFIG, DATE_FORMAT, DETAILED, FETCH_SIZE, GROUP, HIDE_HEADER,
    INTERVAL, MESSAGES, NUM_RECORDS, POLL, PRINT_METRICS, ReadOptions, SERVERS, SOCKET_BUFFER_SIZE, TIMEOUT,
    TOPIC, mib,
};
use crate::console::arguments::parse_or_usage;
use crate::console::sink::{Member, Source};
use crate::option::{Opt, opt};
use crate::progress::Progress;
use crate::tool::{Group, Syntax, Tool};
use crate::{Failure, Io, out, outln};

static OPTIONS: [Opt; 18] = [
    SERVERS,
    TOPIC,
    opt("include", "A regular expression: all topics that match are consumed from.")
        .value("Java regex (String)"),
    GROUP,
    FETCH_SIZE,
    COMMAND_PROPERTY,
    opt("from-latest", "Begin with the latest record, where the group has no committed offset."),
    SOCKET_BUFFER_SIZE,
    CONSUMER_CONFIG,
    COMMAND_CONFIG,
    PRINT_METRICS,
    DETAILED,
    TIMEOUT,
    MESSAGES,
    NUM_RECORDS,
    INTERVAL,
    DATE_FORMAT,
    HIDE_HEADER,
];

/// The tool.
pub static TOOL: Tool = Tool {
    name: "consumer-perf-test",
    script: "kafka-consumer-perf-test",
    group: Group::Performance,
    about: "Measures how fast records are read.",
    examples: "ottla consumer-perf-test --bootstrap-server localhost:9092 --topic t --num-records 1000000",
    syntax: Syntax::Options(&OPTIONS),
    run: crate::console::clients::run_consumer_perf,
};

/// What a command line asks for.
#[derive(Debug)]
pub struct PerfOptions {
    /// What all that read have.
    pub read: ReadOptions,
    /// The topic, unless there is a pattern.
    pub topic: String,
    /// The pattern.
    pub include: Option<String>,
}

impl PerfOptions {
    /// Reads a command line; `seed` makes the name of a group when none is given.
    ///
    /// # Errors
    /// What is wrong with it, with help.
    pub fn parse(tool: &'static Tool, io: &mut Io, arguments: &[String], seed: u32) -> Result<Self, Failure> {
        let args = parse_or_usage(tool, io, arguments)?;
        args.require(&["bootstrap-server"])?;
        args.exactly_one(&["topic", "include"])?;
        let mut read = ReadOptions::read(&args, io, "perf-consumer-client")?;
        let client = &mut read.client;
        if !args.has("group") {
            client.insert("group.id".to_owned(), format!("perf-consumer-{}", seed % 100_000));
        }
        client.insert("max.partition.fetch.bytes".to_owned(), args.text("fetch-size")?.to_owned());
        let reset = if args.has("from-latest") { "latest" } else { "earliest" };
        client.insert("auto.offset.reset".to_owned(), reset.to_owned());
        let include = args.value("include")?.map(str::to_owned);
        Ok(Self { read, topic: args.text("topic")?.to_owned(), include })
    }
}

/// How long a member was without partitions.
#[derive(Debug)]
struct Joining {
    since_ms: i64,
    has_partitions: bool,
    total_ms: i64,
    in_round_ms: i64,
}

impl Joining {
    fn note(&mut self, has_partitions: bool, now_ms: i64) {
        match (self.has_partitions, has_partitions) {
            (false, true) => {
                self.total_ms += now_ms - self.since_ms;
                self.in_round_ms += now_ms - self.since_ms;
            }
            (true, false) => self.since_ms = now_ms,
            _ => {}
        }
        self.has_partitions = has_partitions;
    }
}

/// Prints the names of the columns.
pub fn print_header(options: &ReadOptions, io: &mut Io) {
    let more = "MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, \
                fetch.nMsg.sec";
    let first = if options.detailed { "time, threadId" } else { "start.time, end.time" };
    if !options.hide_header {
        outln!(io, "{first}, data.consumed.in.MB, {more}");
    }
}

/// Reads the records of a member and prints what Kafka's tool prints; `now_ms` is the clock.
///
/// # Errors
/// When the source fails.
pub async fn measure<S: Source + Member>(
    source: &mut S,
    options: &ReadOptions,
    now_ms: impl Fn() -> i64,
    io: &mut Io,
) -> Result<(), Failure> {
    let start_ms = now_ms();
    let mut joining = Joining { since_ms: start_ms, has_partitions: false, total_ms: 0, in_round_ms: 0 };
    let (mut records, mut bytes) = (0u64, 0u64);
    let mut last = Report { ms: start_ms, records: 0, bytes: 0 };
    let mut now = start_ms;
    let mut consumed_ms = start_ms;
    let mut progress = Progress::new("Reading");
    while records < options.records && now - consumed_ms <= options.timeout_ms {
        let found = source.poll(POLL).await?;
        now = now_ms();
        joining.note(source.has_partitions(), now);
        if !found.is_empty() {
            consumed_ms = now;
        }
        for record in &found {
            records += 1;
            bytes += size(record);
            if now - last.ms >= options.interval_ms {
                let next = Report { ms: now, records, bytes };
                if options.detailed {
                    print_progress(&last, &next, joining.in_round_ms, options, io);
                }
                joining.in_round_ms = 0;
                last = next;
            }
        }
        // With detailed statistics there are lines enough.
        if !options.detailed {
            progress.at(io, records, options.records);
        }
    }
    progress.clear(io);
    if records < options.records {
        options.warn_of_timeout(io);
    }
    if !options.detailed {
        let end = Report { ms: now_ms(), records, bytes };
        print_total(start_ms, &end, joining.total_ms, options, io);
    }
    Ok(())
}

/// Bytes of key and value.
pub fn size(record: &ConsumerRecord) -> u64 {
    let of = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
    of(&record.key) + of(&record.value)
}

/// What was read until a time.
#[derive(Clone, Copy, Debug)]
struct Report {
    ms: i64,
    records: u64,
    bytes: u64,
}

fn print_progress(last: &Report, next: &Report, joining_ms: i64, options: &ReadOptions, io: &mut Io) {
    let elapsed = (next.ms - last.ms) as f64;
    let (megabytes, records) = (mib(next.bytes - last.bytes), (next.records - last.records) as f64);
    let fetching = next.ms - last.ms - joining_ms;
    let while_fetching = |amount: f64| if fetching <= 0 { 0.0 } else { 1000.0 * amount / fetching as f64 };
    out!(
        io,
        "{}, 0, {:.4}, {}, {}, {}",
        options.date(next.ms),
        mib(next.bytes),
        java_float(1000.0 * megabytes / elapsed, 4),
        next.records,
        java_float(records / elapsed * 1000.0, 4),
    );
    outln!(
        io,
        ", {joining_ms}, {fetching}, {:.4}, {:.4}",
        while_fetching(megabytes),
        while_fetching(records)
    );
    io.flush();
}

fn print_total(start_ms: i64, end: &Report, joining_ms: i64, options: &ReadOptions, io: &mut Io) {
    let elapsed_sec = (end.ms - start_ms) as f64 / 1000.0;
    let fetching = end.ms - start_ms - joining_ms;
    let fetching_sec = fetching as f64 / 1000.0;
    let (megabytes, records) = (mib(end.bytes), end.records as f64);
    outln!(
        io,
        "{}, {}, {megabytes:.4}, {}, {}, {}, {joining_ms}, {fetching}, {}, {}",
        options.date(start_ms),
        options.date(end.ms),
        java_float(megabytes / elapsed_sec, 4),
        end.records,
        java_float(records / elapsed_sec, 4),
        java_float(megabytes / fetching_sec, 4),
        java_float(records / fetching_sec, 4),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::time::Duration;

    struct FakeSource(Vec<Vec<ConsumerRecord>>);

    impl Source for FakeSource {
        async fn poll(&mut self, _: Duration) -> ottla_client::Result<Vec<ConsumerRecord>> {
            Ok(if self.0.is_empty() { Vec::new() } else { self.0.remove(0) })
        }
    }

    impl Member for FakeSource {
        fn has_partitions(&self) -> bool {
            true
        }
    }

    fn records(count: usize) -> Vec<ConsumerRecord> {
        let record = ConsumerRecord {
            topic: "t".into(),
            partition: 0,
            offset: 0,
            timestamp_ms: 0,
            timestamp_type: ottla_protocol::records::TimestampType::CreateTime,
            leader_epoch: None,
            delivery_count: None,
            key: None,
            value: Some(vec![0; 1 << 20].into()),
            headers: Vec::new(),
        };
        vec![record; count]
    }

    fn parse(more: &str) -> (Result<PerfOptions, Failure>, String) {
        let (mut io, captured) = Io::captured("");
        let arguments: Vec<String> = more.split_whitespace().map(str::to_owned).collect();
        let result = PerfOptions::parse(&TOOL, &mut io, &arguments, 7);
        io.flush();
        (result, captured.out())
    }

    const BASE: &str = "--bootstrap-server localhost:9092 --topic t --num-records 3";

    fn run(more: &str, batches: Vec<Vec<ConsumerRecord>>) -> String {
        let options = parse(&format!("{BASE} {more}")).0.expect("options");
        let (mut io, captured) = Io::captured("");
        let clock = Cell::new(-1000);
        let now = || {
            clock.set(clock.get() + 1000);
            clock.get()
        };
        print_header(&options.read, &mut io);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(measure(&mut FakeSource(batches), &options.read, now, &mut io)).expect("measures");
        io.flush();
        captured.out()
    }

    #[test]
    fn a_run_is_summed_up() {
        assert_eq!(
            run("--date-format HH:mm:ss", vec![records(1), records(2)]),
            "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, \
             fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n\
             00:00:00, 00:00:03, 3.0000, 1.0000, 3, 1.0000, 1000, 2000, 1.5000, 1.5000\n"
        );
    }

    #[test]
    fn progress_and_too_few_records() {
        let out = run(
            "--hide-header --show-detailed-stats --reporting-interval 1000 --timeout 2000",
            vec![records(2)],
        );
        assert_eq!(
            out,
            "1970-01-01 00:00:01:000, 0, 1.0000, 1.0000, 1, 1.0000, 1000, 0, 0.0000, 0.0000\n\
             WARNING: Exiting before consuming the expected number of records: timeout (2000 ms) exceeded. You can \
             use the --timeout option to increase the timeout.\n"
        );
    }

    #[test]
    fn the_command_line() {
        let client = |more: &str, key: &str| {
            parse(&format!("{BASE} {more}")).0.expect("options").read.client.get(key).cloned()
        };
        assert_eq!(client("", "group.id").as_deref(), Some("perf-consumer-7"));
        assert_eq!(client("--group g", "group.id").as_deref(), Some("g"));
        assert_eq!(client("", "auto.offset.reset").as_deref(), Some("earliest"));
        assert_eq!(client("--from-latest", "auto.offset.reset").as_deref(), Some("latest"));
        assert_eq!(client("", "client.id").as_deref(), Some("perf-consumer-client"));
        assert_eq!(client("", "max.partition.fetch.bytes").as_deref(), Some("1048576"));
        let (result, out) = parse("--bootstrap-server a:1 --topic t --messages 5");
        assert_eq!(result.expect("options").read.records, 5);
        assert_eq!(out, "Warning: --messages is deprecated. Use --num-records instead.\n");
        let check = |line: &str, expect: &str| {
            assert_eq!(parse(line).0.expect_err("refused").text(), expect, "{line}");
        };
        check("--topic t --num-records 1", "Missing required argument \"[bootstrap-server]\"");
        let one = "Exactly one of the following arguments is required: ";
        check("--bootstrap-server a:1 --num-records 1", &format!("{one}[topic], [include]"));
        check("--bootstrap-server a:1 --topic t", &format!("{one}[messages], [num-records]"));
        let interval = format!("{BASE} --reporting-interval 0");
        check(&interval, "Reporting interval must be greater than 0.");
    }
}

//! `ottla share-consumer-perf-test`: how fast a share group reads (Kafka: `ShareConsumerPerformance`).

use std::cell::Cell;

use super::consumer::size;
use super::latencies::java_float;
use super::options::{
    COMMAND_CONFIG, COMMAND_PROPERTY, CONSUMER_CONFIG, DATE_FORMAT, DETAILED, FETCH_SIZE, GROUP, HIDE_HEADER,
    INTERVAL, MESSAGES, NUM_RECORDS, POLL, PRINT_METRICS, ReadOptions, SERVERS, SOCKET_BUFFER_SIZE, TIMEOUT,
    TOPIC, mib,
};
use crate::console::arguments::parse_or_usage;
use crate::console::sink::Source;
use crate::option::{Kind, Opt, opt};
use crate::tool::{Group, Syntax, Tool};
use crate::{Failure, Io, outln};

/// Consumers of one run, at most.
const THREADS_MAX: u32 = 4096;

static OPTIONS: [Opt; 18] = [
    SERVERS,
    TOPIC,
    GROUP.default("perf-share-consumer"),
    FETCH_SIZE,
    COMMAND_PROPERTY,
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
    opt("threads", "How many share consumers there are.").value("count").kind(Kind::Int).default("1"),
    opt("show-consumer-stats", "Print a line for each share consumer too."),
];

/// The tool.
pub static TOOL: Tool = Tool {
    name: "share-consumer-perf-test",
    script: "kafka-share-consumer-perf-test",
    group: Group::Performance,
    about: "Measures how fast a share group reads records.",
    examples: "ottla share-consumer-perf-test --bootstrap-server localhost:9092 --topic t --num-records 1000000 \
               --threads 4",
    syntax: Syntax::Options(&OPTIONS),
    run: crate::console::clients_share::run_share_consumer_perf,
};

/// What a command line asks for.
#[derive(Debug)]
pub struct PerfOptions {
    /// What all that read have.
    pub read: ReadOptions,
    /// The topic.
    pub topic: String,
    /// How many consumers.
    pub threads: u32,
    /// A line for each.
    pub consumer_stats: bool,
}

impl PerfOptions {
    /// Reads a command line.
    ///
    /// # Errors
    /// What is wrong with it, with help.
    pub fn parse(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<Self, Failure> {
        let args = parse_or_usage(tool, io, arguments)?;
        args.require(&["topic", "bootstrap-server"])?;
        let mut read = ReadOptions::read(&args, io, "perf-share-consumer-client")?;
        read.client.insert("fetch.max.bytes".to_owned(), args.text("fetch-size")?.to_owned());
        let threads = args.number::<i32>("threads")?.unwrap_or(1);
        let threads =
            u32::try_from(threads).ok().filter(|n| (1..=THREADS_MAX).contains(n)).ok_or_else(|| {
                Failure::illegal_argument(format!("--threads must be from 1 to {THREADS_MAX}, not {threads}"))
            })?;
        Ok(Self {
            read,
            topic: args.text("topic")?.to_owned(),
            threads,
            consumer_stats: args.has("show-consumer-stats"),
        })
    }

    /// Properties of the consumers, one each.
    pub fn clients(&self) -> Vec<ottla_client::config::Properties> {
        let id = self.read.client.get("client.id").cloned().unwrap_or_default();
        let one = |number: u32| {
            let mut client = self.read.client.clone();
            if self.threads > 1 {
                client.insert("client.id".to_owned(), format!("{id}-{number}"));
            }
            client
        };
        (1..=self.threads).map(one).collect()
    }
}

/// Prints the names of the columns.
pub fn print_header(options: &ReadOptions, io: &mut Io) {
    if !options.hide_header {
        outln!(
            io,
            "start.time, end.time, data.consumed.in.MB, MB.sec, nMsg.sec, data.consumed.in.nMsg, fetch.time.ms"
        );
    }
}

/// What one consumer read, or all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consumed {
    /// Records.
    pub records: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// Reads with one consumer until all have what was asked for; gives what it read. `total` is what all have;
/// lines of progress go to `report`.
///
/// # Errors
/// When the source fails.
pub async fn read<S: Source>(
    source: &mut S,
    number: usize,
    options: &ReadOptions,
    total: &Cell<u64>,
    now_ms: impl Fn() -> i64,
    report: impl Fn(String),
) -> Result<Consumed, Failure> {
    let mut now = now_ms();
    let (mut consumed_ms, mut reported_ms) = (now, now);
    let (mut all, mut last) = (Consumed::default(), Consumed::default());
    while total.get() < options.records && now - consumed_ms <= options.timeout_ms {
        let found = source.poll(POLL).await?;
        now = now_ms();
        if !found.is_empty() {
            consumed_ms = now;
        }
        for record in &found {
            all.records += 1;
            all.bytes += size(record);
            total.set(total.get() + 1);
            if now - reported_ms >= options.interval_ms {
                if options.detailed {
                    let line = progress(&last, &all, reported_ms, now, options);
                    report(format!("{line} for share consumer {number}"));
                }
                reported_ms = now;
                last = all;
            }
        }
    }
    Ok(all)
}

fn progress(last: &Consumed, all: &Consumed, start_ms: i64, end_ms: i64, options: &ReadOptions) -> String {
    let elapsed = (end_ms - start_ms) as f64;
    format!(
        "{}, {}, {:.4}, {}, {}, {}, {}",
        options.date(start_ms),
        options.date(end_ms),
        mib(all.bytes),
        java_float(1000.0 * mib(all.bytes - last.bytes) / elapsed, 4),
        java_float((all.records - last.records) as f64 / elapsed * 1000.0, 4),
        all.records,
        end_ms - start_ms,
    )
}

/// Prints what each and all have read; `ids` are the consumers'.
pub fn print_total(
    each: &[Consumed],
    ids: &[String],
    start_ms: i64,
    end_ms: i64,
    options: &PerfOptions,
    io: &mut Io,
) {
    let line =
        |consumed: &Consumed| progress(&Consumed::default(), consumed, start_ms, end_ms, &options.read);
    if options.consumer_stats {
        for (at, (consumed, id)) in each.iter().zip(ids).enumerate() {
            let line = line(consumed);
            outln!(io, "Share consumer {} having client id {id} consumption metrics- {line}", at + 1);
        }
    }
    let add = |sum: Consumed, one: &Consumed| Consumed {
        records: sum.records + one.records,
        bytes: sum.bytes + one.bytes,
    };
    let total = each.iter().fold(Consumed::default(), add);
    if total.records < options.read.records {
        options.read.warn_of_timeout(io);
    }
    outln!(io, "{}", line(&total));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<PerfOptions, Failure> {
        let (mut io, _) = Io::captured("");
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        PerfOptions::parse(&TOOL, &mut io, &arguments)
    }

    const BASE: &str = "--bootstrap-server localhost:9092 --topic t --num-records 3";

    #[test]
    fn consumers_have_names_of_their_own() {
        let ids = |more: &str| {
            let clients = parse(&format!("{BASE} {more}")).expect("options").clients();
            clients.iter().filter_map(|client| client.get("client.id").cloned()).collect::<Vec<_>>()
        };
        assert_eq!(ids(""), ["perf-share-consumer-client"]);
        assert_eq!(ids("--threads 2 --command-property client.id=x"), ["x-1", "x-2"]);
        let client = &parse(BASE).expect("options").read.client;
        assert_eq!(client.get("group.id").map(String::as_str), Some("perf-share-consumer"));
        assert_eq!(client.get("fetch.max.bytes").map(String::as_str), Some("1048576"));
        assert!(parse(&format!("{BASE} --threads 0")).is_err());
        assert_eq!(
            parse("--bootstrap-server a:1 --num-records 1").expect_err("refused").text(),
            "Missing required argument \"[topic]\""
        );
    }

    #[test]
    fn a_run_is_summed_up() {
        let (mut io, captured) = Io::captured("");
        let options = parse(&format!("{BASE} --show-consumer-stats --date-format ss")).expect("options");
        let each = [Consumed { records: 1, bytes: 1 << 20 }, Consumed { records: 2, bytes: 1 << 21 }];
        print_header(&options.read, &mut io);
        print_total(&each, &["a".to_owned(), "b".to_owned()], 0, 2000, &options, &mut io);
        io.flush();
        assert_eq!(
            captured.out(),
            "start.time, end.time, data.consumed.in.MB, MB.sec, nMsg.sec, data.consumed.in.nMsg, fetch.time.ms\n\
             Share consumer 1 having client id a consumption metrics- 00, 02, 1.0000, 0.5000, 0.5000, 1, 2000\n\
             Share consumer 2 having client id b consumption metrics- 00, 02, 2.0000, 1.0000, 1.0000, 2, 2000\n\
             00, 02, 3.0000, 1.5000, 1.5000, 3, 2000\n"
        );
    }
}

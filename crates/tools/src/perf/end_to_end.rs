//! `ottla e2e-latency`: how long a record takes from the producer to a consumer (Kafka: `EndToEndLatency`).

use std::time::{Duration, Instant};

use bytes::Bytes;
use ottla_client::record::{ConsumerRecord, Header, ProducerRecord};
use ottla_config::double_to_string;
use ottla_protocol::Str;

use super::payload::SplittableRandom;
use crate::console::arguments::parse_or_usage;
use crate::console::sink::{Sink, Source};
use crate::option::{Kind, Opt, opt};
use crate::tool::{Group, Syntax, Tool};
use crate::{Args, Failure, Io, outln};

const POLL: Duration = Duration::from_secs(60);
/// Records of one run, at most: a latency of each is kept.
const RECORDS_MAX: i32 = 100_000_000;

static OPTIONS: [Opt; 10] = [
    opt("bootstrap-server", "REQUIRED: Addresses of the cluster, HOST1:PORT1,HOST2:PORT2.")
        .value("bootstrap-server"),
    opt("topic", "REQUIRED: The topic.").value("topic-name"),
    opt("num-records", "REQUIRED: How many records.").value("count").kind(Kind::Int),
    opt("producer-acks", "REQUIRED: acks of the producer: 1 or all.").value("producer-acks"),
    opt("record-size", "REQUIRED: Bytes of a record's value.").value("bytes").kind(Kind::Int),
    opt("record-key-size", "Bytes of a record's key; without it there is none.")
        .optional_value("bytes")
        .kind(Kind::Int)
        .default("0"),
    opt("record-header-key-size", "Bytes of a header's name.")
        .optional_value("bytes")
        .kind(Kind::Int)
        .default("0"),
    opt("record-header-size", "Bytes of a header's value; -1 for none.")
        .optional_value("bytes")
        .kind(Kind::Int)
        .default("0"),
    opt("num-headers", "How many headers a record has.").optional_value("count").kind(Kind::Int).default("0"),
    opt("command-config", "A file of properties of the clients.").optional_value("config-file"),
];

/// The tool.
pub static TOOL: Tool = Tool {
    name: "e2e-latency",
    script: "kafka-e2e-latency",
    group: Group::Performance,
    about: "Measures how long a record takes from a producer to a consumer.",
    examples: "ottla e2e-latency --bootstrap-server localhost:9092 --topic t --num-records 10000 \
               --producer-acks all --record-size 100",
    syntax: Syntax::Options(&OPTIONS),
    run: crate::console::clients::run_end_to_end,
};

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyOptions {
    /// Addresses of the cluster.
    pub servers: String,
    /// The topic.
    pub topic: String,
    /// How many records.
    pub records: usize,
    /// `acks`.
    pub acks: String,
    /// Bytes of a value.
    pub value_size: usize,
    /// Bytes of a key.
    pub key_size: usize,
    /// How many headers.
    pub headers: usize,
    /// Bytes of a header's name.
    pub header_key_size: usize,
    /// Bytes of a header's value; none for null.
    pub header_value_size: Option<usize>,
    /// A file of properties.
    pub config: Option<String>,
}

impl LatencyOptions {
    /// Reads a command line, or the five or six values that the tool took before Kafka 4.2.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<Self, Failure> {
        let named = from_positional(arguments, io)?;
        let args = parse_or_usage(tool, io, &named)?;
        args.require(&["bootstrap-server", "topic", "num-records", "producer-acks", "record-size"])?;
        let acks = args.text("producer-acks")?.to_owned();
        if acks != "1" && acks != "all" {
            return Err(args.usage(
                "Invalid value for --producer-acks. Latency testing requires synchronous acknowledgement. Please use \
                 '1' or 'all'.",
            ));
        }
        let records = args.number::<i32>("num-records")?.unwrap_or(0);
        if !(1..=RECORDS_MAX).contains(&records) {
            return Err(args.usage("Value for --num-records must be a positive integer."));
        }
        let value_size = size(&args, "record-size")?;
        let key_size = size(&args, "record-key-size")?;
        let header_key_size = size(&args, "record-header-key-size")?;
        let header_value_size = match args.number::<i32>("record-header-size")?.unwrap_or(0) {
            -1 => None,
            bytes => Some(usize::try_from(bytes).map_err(|_| {
                args.usage(
                    "Value for --record-header-size must be a non-negative integer or -1 for null header value.",
                )
            })?),
        };
        Ok(Self {
            servers: args.text("bootstrap-server")?.to_owned(),
            topic: args.text("topic")?.to_owned(),
            records: usize::try_from(records).unwrap_or(0),
            acks,
            value_size,
            key_size,
            headers: size(&args, "num-headers")?,
            header_key_size,
            header_value_size,
            config: args.value("command-config")?.map(str::to_owned),
        })
    }
}

fn size(args: &Args, name: &str) -> Result<usize, Failure> {
    usize::try_from(args.number::<i32>(name)?.unwrap_or(0))
        .map_err(|_| args.usage(format!("Value for --{name} must be a non-negative integer.")))
}

fn from_positional(arguments: &[String], io: &mut Io) -> Result<Vec<String>, Failure> {
    let names = ["--bootstrap-server", "--topic", "--num-records", "--producer-acks", "--record-size"];
    let asks_help = arguments.iter().any(|a| a == "--help" || a == "--version");
    if arguments.is_empty() || asks_help || arguments.iter().any(|a| names.contains(&a.as_str())) {
        return Ok(arguments.to_vec());
    }
    if !(5..=6).contains(&arguments.len()) {
        return Err(Failure::message(format!(
            "Invalid number of arguments. Expected 5 or 6 positional arguments, but got {}. Usage: bootstrap-server \
             topic num-records producer-acks record-size [optional] command-config",
            arguments.len()
        )));
    }
    outln!(
        io,
        "WARNING: Positional argument usage is deprecated and will be removed in Apache Kafka 5.0. Please use named \
         arguments instead: --bootstrap-server, --topic, --num-records, --producer-acks, --record-size, \
         --command-config"
    );
    let names = names.into_iter().chain(["--command-config"]);
    Ok(names.zip(arguments).flat_map(|(name, value)| [name.to_owned(), value.clone()]).collect())
}

/// Sends records one by one and waits for each; prints latencies.
///
/// # Errors
/// When a record does not come back as it was sent.
pub async fn measure(
    sink: &mut impl Sink,
    source: &mut impl Source,
    options: &LatencyOptions,
    io: &mut Io,
) -> Result<(), Failure> {
    let mut random = SplittableRandom::new(0);
    let mut latencies_ms = Vec::new();
    let mut total_ns = 0.0;
    for number in 0..options.records {
        let sent = record(options, &mut random);
        let begin = Instant::now();
        sink.send(sent.clone()).await?.await?;
        let found = source.poll(POLL).await?;
        let elapsed = begin.elapsed();
        check(&sent, &found).map_err(Failure::runtime)?;
        let ns = elapsed.as_nanos() as f64;
        if number % 1000 == 0 {
            outln!(io, "{number}\t{}", double_to_string(ns / 1000.0 / 1000.0));
            io.flush();
        }
        total_ns += ns;
        latencies_ms.push(elapsed.as_millis());
    }
    outln!(io, "Avg latency: {:.4} ms", total_ns / options.records as f64 / 1000.0 / 1000.0);
    latencies_ms.sort_unstable();
    let percentile = |part: f64| {
        let at = (latencies_ms.len() as f64 * part) as usize;
        latencies_ms.get(at).copied().unwrap_or(0)
    };
    outln!(
        io,
        "Percentiles: 50th = {}, 99th = {}, 99.9th = {}",
        percentile(0.5),
        percentile(0.99),
        percentile(0.999)
    );
    Ok(())
}

/// One random capital, again and again.
fn text(random: &mut SplittableRandom, size: usize) -> Bytes {
    vec![random.next_below(26) as u8 + b'A'; size].into()
}

fn record(options: &LatencyOptions, random: &mut SplittableRandom) -> ProducerRecord {
    let key = text(random, options.key_size);
    let value = text(random, options.value_size);
    let header = |_| Header {
        key: Str::try_from(text(random, options.header_key_size)).unwrap_or_default(),
        value: options.header_value_size.map(|size| text(random, size)),
    };
    let headers = (0..options.headers).map(header).collect();
    ProducerRecord {
        topic: Str::from(options.topic.as_str()),
        key: Some(key),
        value: Some(value),
        headers,
        ..Default::default()
    }
}

fn check(sent: &ProducerRecord, found: &[ConsumerRecord]) -> Result<(), String> {
    let shown =
        |bytes: &Option<Bytes>| String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
    let Some(first) = found.first() else {
        return Err(format!("poll() timed out before finding a result (timeout:[{}ms])", POLL.as_millis()));
    };
    if first.value != sent.value {
        return Err(format!(
            "The message value read [{}] did not match the message value sent [{}]",
            shown(&first.value),
            shown(&sent.value)
        ));
    }
    if first.key.is_none() {
        return Err("Expected message key but received null".to_owned());
    }
    if first.key != sent.key {
        return Err(format!(
            "The message key read [{}] did not match the message key sent [{}]",
            shown(&first.key),
            shown(&sent.key)
        ));
    }
    check_headers(sent, first)?;
    match found.len() {
        1 => Ok(()),
        count => Err(format!("Only one result was expected during this test. We found [{count}]")),
    }
}

fn check_headers(sent: &ProducerRecord, found: &ConsumerRecord) -> Result<(), String> {
    if sent.headers.is_empty() {
        return Ok(());
    }
    if found.headers.is_empty() {
        return Err("Expected message headers but received none".to_owned());
    }
    let shown = |header: &Header| {
        let value = match &header.value {
            None => "null".to_owned(),
            Some(bytes) => {
                let each: Vec<String> = bytes.iter().map(|b| b.cast_signed().to_string()).collect();
                format!("[{}]", each.join(", "))
            }
        };
        format!("{}:{value}", header.key)
    };
    if let Some((sent, found)) = sent.headers.iter().zip(&found.headers).find(|(sent, found)| sent != found) {
        return Err(format!(
            "The message header read [{}] did not match the message header sent [{}]",
            shown(found),
            shown(sent)
        ));
    }
    match sent.headers.len() == found.headers.len() {
        true => Ok(()),
        false => Err("Header count mismatch between sent and received messages".to_owned()),
    }
}

#[cfg(test)]
#[path = "end_to_end_test.rs"]
mod tests;

//! `ottla console-producer`: lines of the normal input become records (Kafka: `ConsoleProducer`).
//!
//! Beyond Kafka 4: `--broker-list`, which Kafka had until 3.9, is still taken for `--bootstrap-server`.

use std::collections::VecDeque;
use std::io::BufRead;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use ottla_client::config::Properties;
use ottla_client::record::ProducerRecord;
use tokio::sync::mpsc;

use super::arguments::{merge, newer, parse_or_usage, properties, validate_bootstrap_server};
use super::line_reader::LineReader;
use super::log_line::log_error;
use super::sink::Sink;
use crate::option::{Kind, Opt, opt};
use crate::tool::{Group, Syntax, Tool};
use crate::{Args, Failure, Io, out};

const LINE_READER: &str = "org.apache.kafka.tools.LineMessageReader";
const CALLBACK: &str = "org.apache.kafka.clients.producer.internals.ErrorLoggingCallback";
/// Lines that may wait between the thread that reads and the one that sends.
const LINES_WAITING_MAX: usize = 256;

const READER_PROPERTIES: &str = "A property of the reader of lines, as key=value; may be given again. There are \
     parse.key=false, parse.headers=false, ignore.error=false, key.separator=\\t, headers.delimiter=\\t, \
     headers.separator=, headers.key.separator=: and null.marker. With both parsed a line is \
     \"h1:v1,h2:v2...\\tkey\\tvalue\".";

static OPTIONS: [Opt; 24] = [
    opt("topic", "REQUIRED: The topic to produce to.").value("topic"),
    opt("bootstrap-server", "REQUIRED: Addresses of the cluster, HOST1:PORT1,HOST2:PORT2.")
        .value("server to connect to"),
    opt("broker-list", "Addresses of the cluster.")
        .value("broker-list")
        .deprecated("bootstrap-server")
        .beyond_kafka(),
    opt("sync", "Send one record at a time, as it arrives, and wait for its acknowledgement."),
    opt("compression-codec", "none, gzip, snappy, lz4 or zstd; gzip without a value.")
        .optional_value("compression-codec"),
    opt("batch-size", "batch.size: bytes of a batch.").value("size").kind(Kind::Int).default("16384"),
    opt("message-send-max-retries", "retries: how often a record is sent again.")
        .value("Integer")
        .kind(Kind::Int)
        .default("3"),
    opt("retry-backoff-ms", "retry.backoff.ms.").value("Long").kind(Kind::Long).default("100"),
    opt("timeout", "linger.ms: how long a record waits for others.")
        .value("timeout_ms")
        .kind(Kind::Long)
        .default("1000"),
    opt("request-required-acks", "acks.").value("request required acks").default("-1"),
    opt("request-timeout-ms", "request.timeout.ms.")
        .value("request timeout ms")
        .kind(Kind::Int)
        .default("1500"),
    opt("metadata-expiry-ms", "metadata.max.age.ms.")
        .value("metadata expiration interval")
        .kind(Kind::Long)
        .default("300000"),
    opt("max-block-ms", "max.block.ms.").value("max block on send").kind(Kind::Long).default("60000"),
    opt("max-memory-bytes", "buffer.memory.")
        .value("total memory in bytes")
        .kind(Kind::Long)
        .default("33554432"),
    opt("max-partition-memory-bytes", "batch.size.")
        .value("memory in bytes per partition")
        .kind(Kind::Int)
        .default("16384")
        .deprecated("batch-size"),
    opt("line-reader", "The class that reads lines.").value("reader_class").default(LINE_READER),
    opt("socket-buffer-size", "send.buffer.bytes.").value("size").kind(Kind::Int).default("102400"),
    opt("property", READER_PROPERTIES).value("prop").deprecated("reader-property"),
    opt("reader-property", READER_PROPERTIES).value("prop"),
    opt("reader-config", "A file of properties of the reader; --reader-property goes before it.")
        .value("config file"),
    opt("producer-property", "A property of the producer, key=value.")
        .value("producer_prop")
        .deprecated("command-property"),
    opt("command-property", "A property of the producer, key=value; may be given again.")
        .value("producer_prop"),
    opt("producer.config", "A file of properties of the producer.")
        .value("config file")
        .deprecated("command-config"),
    opt("command-config", "A file of properties of the producer; --command-property goes before it.")
        .value("config file"),
];

/// The tool.
pub static TOOL: Tool = Tool {
    name: "console-producer",
    script: "kafka-console-producer",
    group: Group::Records,
    about: "This tool reads lines from the standard input and publishes them to a topic.",
    examples: "ottla console-producer --bootstrap-server localhost:9092 --topic quickstart\n\
               ottla console-producer --bootstrap-server localhost:9092 --topic t \
               --reader-property parse.key=true --reader-property key.separator=:",
    syntax: Syntax::Options(&OPTIONS),
    run: super::clients::run_producer,
};

/// What a command line asks for.
#[derive(Debug)]
pub struct ProducerOptions {
    /// Wait for each record.
    pub sync: bool,
    /// Of the client.
    pub client: Properties,
    /// Of the reader, `topic` among them.
    pub reader: Properties,
}

impl ProducerOptions {
    /// Reads a command line.
    ///
    /// # Errors
    /// What is wrong with it, with help.
    pub fn read(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<Self, Failure> {
        let args = parse_or_usage(tool, io, arguments)?;
        args.require(&["topic"])?;
        for (name, older) in [
            ("command-config", "producer.config"),
            ("command-property", "producer-property"),
            ("reader-property", "property"),
        ] {
            if args.has(name) && args.has(older) {
                let text = format!("Options --{name} and --{older} cannot be specified together.");
                return Err(args.usage(text));
            }
        }
        let mut warned = |name, older| {
            let text = format!(
                "Warning: --{older} is deprecated and will be removed in a future version. Use --{name} instead."
            );
            newer(&args, io, name, older, &text)
        };
        let pairs = warned("command-property", "producer-property")?;
        let file = warned("command-config", "producer.config")?;
        let reader_pairs = warned("reader-property", "property")?;
        if args.has("max-partition-memory-bytes") {
            crate::outln!(
                io,
                "Warning: --max-partition-memory-bytes is deprecated and will be removed in Apache Kafka 5.0. \
                 Use --batch-size instead."
            );
        }
        let servers = if args.has("bootstrap-server") { "bootstrap-server" } else { "broker-list" };
        let servers = args.value(servers)?;
        validate_bootstrap_server(servers).map_err(|why| args.usage(why))?;
        let class = args.text("line-reader")?;
        if class.rsplit('.').next() != LINE_READER.rsplit('.').next() {
            return Err(Failure::exception("java.lang.ClassNotFoundException", class));
        }
        let mut reader = properties(&args, "reader-config", reader_pairs)?;
        let overrides =
            reader.get("topic").filter(|_| args.values(reader_pairs).iter().any(|p| p.starts_with("topic=")));
        if overrides.is_none() {
            reader.insert("topic".to_owned(), args.text("topic")?.to_owned());
        }
        let client = client_properties(&args, file, pairs, servers.unwrap_or_default())?;
        Ok(Self { sync: args.has("sync"), client, reader })
    }
}

fn client_properties(args: &Args, file: &str, pairs: &str, servers: &str) -> Result<Properties, Failure> {
    let mut client = properties(args, file, pairs)?;
    let mut set = |key: &str, value: &str| client.insert(key.to_owned(), value.to_owned());
    set("bootstrap.servers", servers);
    let codec = match args.has("compression-codec") {
        false => "none",
        true => args.value("compression-codec")?.filter(|codec| !codec.is_empty()).unwrap_or("gzip"),
    };
    set("compression.type", codec);
    client.entry("client.id".to_owned()).or_insert_with(|| "console-producer".to_owned());
    for (key, option) in [
        ("linger.ms", "timeout"),
        ("acks", "request-required-acks"),
        ("request.timeout.ms", "request-timeout-ms"),
        ("retries", "message-send-max-retries"),
        ("retry.backoff.ms", "retry-backoff-ms"),
        ("send.buffer.bytes", "socket-buffer-size"),
        ("buffer.memory", "max-memory-bytes"),
        ("batch.size", "batch-size"),
        ("batch.size", "max-partition-memory-bytes"),
        ("metadata.max.age.ms", "metadata-expiry-ms"),
        ("max.block.ms", "max-block-ms"),
    ] {
        merge(&mut client, key, args, option)?;
    }
    Ok(client)
}

/// Lines of the input, read on a thread of their own: a person may take long, and the producer must go on.
pub struct Lines {
    lines: mpsc::Receiver<std::io::Result<String>>,
    prompt: bool,
}

impl Lines {
    /// Takes the input of `io`.
    pub fn of(io: &mut Io) -> Self {
        use std::io::IsTerminal;
        let input = std::mem::replace(&mut io.input, Box::new(std::io::empty()));
        let prompt = io.terminal && std::io::stdin().is_terminal();
        let (sender, lines) = mpsc::channel(if prompt { 1 } else { LINES_WAITING_MAX });
        std::thread::spawn(move || read_lines(input, &sender));
        Self { lines, prompt }
    }

    /// The next line; none at the end of the input.
    ///
    /// # Errors
    /// When the input can't be read.
    pub async fn next(&mut self, io: &mut Io) -> std::io::Result<Option<String>> {
        if self.prompt {
            out!(io, ">");
            io.flush();
        }
        self.lines.recv().await.transpose()
    }
}

/// Lines end with LF, CR or both, as in Java's `BufferedReader`.
fn read_lines(mut input: Box<dyn BufRead + Send>, lines: &mpsc::Sender<std::io::Result<String>>) {
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match input.read_until(b'\n', &mut bytes) {
            Ok(0) => return,
            Ok(_) => {
                let mut line: &[u8] = &bytes;
                let ended = line.strip_suffix(b"\n");
                line = ended.unwrap_or(line);
                line = line.strip_suffix(b"\r").unwrap_or(line);
                for part in line.split(|byte| *byte == b'\r') {
                    let text = String::from_utf8_lossy(part).into_owned();
                    if lines.blocking_send(Ok(text)).is_err() {
                        return;
                    }
                }
            }
            Err(why) => {
                // Nobody is left to be told when the receiver is gone.
                let _ = lines.blocking_send(Err(why));
                return;
            }
        }
    }
}

/// A record on its way, with what the log says of it when it does not arrive.
struct InFlight<D> {
    delivery: D,
    what: String,
}

/// Sends a record for each line until the input ends or `stop` does.
///
/// # Errors
/// When a line can't be understood, or with `sync` a record is refused.
pub async fn produce<S: Sink>(
    sink: &mut S,
    reader: &mut LineReader,
    lines: &mut Lines,
    sync: bool,
    stop: impl Future<Output = ()>,
    io: &mut Io,
) -> Result<(), Failure> {
    let mut stop = std::pin::pin!(stop);
    let mut in_flight = VecDeque::new();
    let result = loop {
        let line = tokio::select! {
            biased;
            () = &mut stop => break Ok(()),
            line = lines.next(io) => line,
        };
        let line = match line {
            Ok(Some(line)) => line,
            Ok(None) => break Ok(()),
            Err(why) => {
                break Err(Failure::exception("org.apache.kafka.common.KafkaException", why.to_string()));
            }
        };
        let sent = match reader.read(&line) {
            Ok(record) => send(sink, record, sync, &mut in_flight, io).await,
            Err(why) => Err(why),
        };
        if let Err(why) = sent {
            break Err(why);
        }
        report_finished(&mut in_flight, io);
    };
    let closed = sink.close().await;
    for InFlight { delivery, what } in in_flight {
        if let Err(why) = delivery.await {
            log_error(io, CALLBACK, &what, &Failure::from(why).with_class());
        }
    }
    result.and_then(|()| closed.map_err(Failure::from))
}

async fn send<S: Sink>(
    sink: &mut S,
    record: ProducerRecord,
    sync: bool,
    in_flight: &mut VecDeque<InFlight<S::Delivery>>,
    io: &mut Io,
) -> Result<(), Failure> {
    let size = |bytes: &Option<bytes::Bytes>| {
        bytes.as_ref().map_or("null".to_owned(), |bytes| format!("{} bytes", bytes.len()))
    };
    let what = format!(
        "Error when sending message to topic {} with key: {}, value: {} with error:",
        record.topic,
        size(&record.key),
        size(&record.value)
    );
    match sink.send(record).await {
        Ok(delivery) if sync => {
            delivery.await?;
        }
        Ok(delivery) => in_flight.push_back(InFlight { delivery, what }),
        Err(why) if sync => return Err(why.into()),
        // Java's producer gives what is wrong with a record to its callback, and throws the rest.
        Err(why) => log_error(io, CALLBACK, &what, &Failure::from(why).with_class()),
    }
    Ok(())
}

/// Tells of those at the head that have failed, and forgets those that arrived.
fn report_finished<D>(in_flight: &mut VecDeque<InFlight<D>>, io: &mut Io)
where
    D: Future<Output = ottla_client::Result<(i32, i64)>> + Unpin,
{
    let mut context = Context::from_waker(Waker::noop());
    while let Some(first) = in_flight.front_mut() {
        match Pin::new(&mut first.delivery).poll(&mut context) {
            Poll::Pending => return,
            Poll::Ready(result) => {
                if let Err(why) = result {
                    log_error(io, CALLBACK, &first.what, &Failure::from(why).with_class());
                }
                in_flight.pop_front();
            }
        }
    }
}

#[cfg(test)]
#[path = "producer_test.rs"]
mod tests;

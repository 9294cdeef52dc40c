//! The command line of `producer-perf-test` (Kafka: `ProducerPerformance.ConfigPostProcessor`).

use bytes::Bytes;
use ottla_client::config::Properties;

use super::payload::Payload;
use crate::connect::read_properties;
use crate::option::{Kind, Opt, opt};
use crate::tool::Command;
use crate::{Args, Failure, Io, Tool, outln};

/// The longest file of payloads that is read, in bytes: it is held in memory.
const PAYLOAD_FILE_MAX: u64 = 1 << 30;
const TRANSACTION_MS_DEFAULT: i64 = 3000;

const PAIRS: &str = "Properties of the producer, key=value; they go before those of --command-config.";

static OPTIONS: [Opt; 16] = [
    opt("bootstrap-server", "Addresses of the cluster; they go before those in properties.")
        .value("BOOTSTRAP-SERVER"),
    opt("topic", "The topic to write to.").value("TOPIC").required(),
    opt("num-records", "How many records.").value("NUM-RECORDS").kind(Kind::Long).required(),
    opt("record-size", "Bytes of a record; this, --payload-file or --payload-monotonic must be given.")
        .value("RECORD-SIZE")
        .kind(Kind::Int)
        .exclusive(1, true),
    opt(
        "payload-file",
        "A file of UTF-8 text with payloads, one of which is chosen at random for each record.",
    )
    .value("PAYLOAD-FILE")
    .exclusive(1, true),
    opt("payload-monotonic", "The payload is the number of the record.").exclusive(1, true),
    opt("payload-delimiter", "What stands between the payloads of a file.")
        .value("PAYLOAD-DELIMITER")
        .default("\\n"),
    opt("throughput", "At most about so many records a second; -1 for no bound.")
        .value("THROUGHPUT")
        .kind(Kind::Double)
        .required(),
    opt("producer-props", PAIRS).some_values("PROP-NAME=PROP-VALUE").deprecated("command-property"),
    opt("command-property", PAIRS).some_values("PROP-NAME=PROP-VALUE"),
    opt("producer.config", "A file of properties of the producer.")
        .value("CONFIG-FILE")
        .deprecated("command-config"),
    opt("command-config", "A file of properties of the producer.").value("CONFIG-FILE"),
    opt("print-metrics", "Print the producer's metrics at the end."),
    opt("transactional-id", "The transactional id; the records are sent in transactions then.")
        .value("TRANSACTIONAL-ID"),
    opt(
        "transaction-duration-ms",
        "How long a transaction takes at most; 3000 when only a transactional id is given.",
    )
    .value("TRANSACTION-DURATION")
    .kind(Kind::Long),
    opt(
        "warmup-records",
        "How many records come before the steady state, which is told of in a line of its own.",
    )
    .value("WARMUP-RECORDS")
    .kind(Kind::Long)
    .default("0"),
];

static OPTIONS_AND_INTERVAL: [Opt; 17] = {
    let mut all = [opt("reporting-interval", "Milliseconds between reports.")
        .value("INTERVAL-MS")
        .kind(Kind::Long)
        .default("5000"); 17];
    let mut at = 0;
    while at < OPTIONS.len() {
        all[at] = OPTIONS[at];
        at += 1;
    }
    all
};

/// Its syntax.
pub static COMMAND: Command = Command {
    name: "kafka-producer-perf-test",
    about: "Measures how fast records are written. With a transactional id, or a duration of transactions, they \
            are written in transactions.",
    options: &OPTIONS_AND_INTERVAL,
    commands: &[],
    metavar: "",
    help_code: 0,
};

/// What a command line asks for.
#[derive(Debug)]
pub struct PerfOptions {
    /// The topic.
    pub topic: String,
    /// How many records.
    pub records: i64,
    /// How many of them are warm-up.
    pub warmup_records: i64,
    /// What they hold.
    pub payload: Payload,
    /// Records a second; negative for no bound.
    pub throughput: f64,
    /// How long a transaction takes, in ms; none without transactions.
    pub transaction_ms: Option<i64>,
    /// Ms between reports.
    pub interval_ms: i64,
    /// Print the producer's metrics.
    pub print_metrics: bool,
    /// Of the client.
    pub client: Properties,
}

fn refused(message: &str) -> Failure {
    let usage = crate::argparse::text::usage(&[&COMMAND]);
    Failure::Syntax { text: format!("{usage}{}: error: {message}\n", COMMAND.name), code: 1 }
}

impl PerfOptions {
    /// Reads a command line; `random_id` ends the transactional id when none is given.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(
        tool: &'static Tool,
        io: &mut Io,
        arguments: &[String],
        random_id: &str,
    ) -> Result<Self, Failure> {
        if arguments.is_empty() {
            let text = crate::argparse::text::help(&[&COMMAND]) + &crate::help::examples(tool, "");
            return Err(Failure::Help { text, code: 0 });
        }
        let args = tool.parse(io, arguments)?;
        let long = |name: &str| Ok::<i64, Failure>(args.number(name)?.unwrap_or(0));
        let (records, warmup_records) = (long("num-records")?, long("warmup-records")?.max(0));
        let record_size = args.number::<i32>("record-size")?;
        let duration = args.number::<i64>("transaction-duration-ms")?;
        let interval_ms = long("reporting-interval")?;
        check_numbers(records, warmup_records, record_size)?;
        check_sources(&args)?;
        if duration.is_some_and(|ms| ms <= 0) {
            return Err(refused("--transaction-duration-ms should be greater than zero."));
        }
        if interval_ms <= 0 {
            return Err(refused("--reporting-interval should be greater than zero."));
        }
        let payload = match (args.value("payload-file")?, record_size) {
            (Some(path), _) => read_payloads(path, args.text("payload-delimiter")?, io)?,
            (None, Some(size)) => Payload::Random(usize::try_from(size).unwrap_or(0)),
            (None, None) => Payload::Monotonic,
        };
        let mut client = client_properties(&args, io)?;
        let in_properties = client.get("transactional.id").cloned();
        let id = args.value("transactional-id")?.map(str::to_owned).or(in_properties);
        let transactional = id.is_some() || duration.is_some();
        if transactional {
            let id = id.unwrap_or_else(|| format!("performance-producer-{random_id}"));
            client.insert("transactional.id".to_owned(), id);
        }
        Ok(Self {
            topic: args.text("topic")?.to_owned(),
            records,
            warmup_records,
            payload,
            throughput: args.number("throughput")?.unwrap_or(-1.0),
            transaction_ms: transactional.then(|| duration.unwrap_or(TRANSACTION_MS_DEFAULT)),
            interval_ms,
            print_metrics: args.has("print-metrics"),
            client,
        })
    }
}

fn check_numbers(records: i64, warmup: i64, record_size: Option<i32>) -> Result<(), Failure> {
    if records <= 0 {
        return Err(refused("--num-records should be greater than zero."));
    }
    if warmup >= records {
        return Err(refused(
            "The value for --warmup-records must be strictly fewer than the number of records in the test, \
             --num-records.",
        ));
    }
    if record_size.is_some_and(|size| size <= 0) {
        return Err(refused("--record-size should be greater than zero."));
    }
    Ok(())
}

fn check_sources(args: &Args) -> Result<(), Failure> {
    let sources =
        ["bootstrap-server", "command-property", "producer-props", "producer.config", "command-config"];
    if !sources.iter().any(|name| args.has(name)) {
        return Err(refused(
            "At least one of --bootstrap-server, --command-property, --producer-props, --producer.config or \
             --command-config must be specified.",
        ));
    }
    for (one, other) in [("command-property", "producer-props"), ("command-config", "producer.config")] {
        if args.has(one) && args.has(other) {
            return Err(refused(&format!("--{one} and --{other} cannot be specified together.")));
        }
    }
    Ok(())
}

fn client_properties(args: &Args, io: &mut Io) -> Result<Properties, Failure> {
    let mut chosen = |name, older| {
        if args.has(older) {
            outln!(
                io,
                "Option --{older} has been deprecated and will be removed in a future version. Use --{name} instead."
            );
            return older;
        }
        name
    };
    let pairs = chosen("command-property", "producer-props");
    let file = chosen("command-config", "producer.config");
    let mut client = match args.value(file)? {
        Some(path) => read_properties(path)?,
        None => Properties::new(),
    };
    for pair in args.values(pairs) {
        // As Java splits: neither part may be missing, nor may there be a third.
        match pair.trim_end_matches('=').split('=').collect::<Vec<_>>().as_slice() {
            [key, value] => client.insert((*key).to_owned(), (*value).to_owned()),
            _ => return Err(Failure::illegal_argument(format!("Invalid property: {pair}"))),
        };
    }
    client.entry("client.id".to_owned()).or_insert_with(|| "perf-producer-client".to_owned());
    if let Some(servers) = args.value("bootstrap-server")? {
        client.insert("bootstrap.servers".to_owned(), servers.to_owned());
    }
    Ok(client)
}

fn read_payloads(path: &str, delimiter: &str, io: &mut Io) -> Result<Payload, Failure> {
    let shown = std::path::absolute(path).unwrap_or_else(|_| path.into());
    outln!(io, "Reading payloads from: {}", shown.display());
    let empty = || Failure::illegal_argument("File does not exist or empty file provided.");
    let size = std::fs::metadata(path).map_err(|_| empty())?.len();
    if size == 0 {
        return Err(empty());
    }
    if size > PAYLOAD_FILE_MAX {
        return Err(Failure::illegal_argument(format!(
            "{path} has {size} bytes: payloads are held in memory, no more than {PAYLOAD_FILE_MAX} bytes"
        )));
    }
    let bytes =
        std::fs::read(path).map_err(|why| Failure::exception("java.io.IOException", why.to_string()))?;
    let text = String::from_utf8_lossy(&bytes);
    let delimiter = if delimiter == "\\n" { "\n" } else { delimiter };
    // As Java's scanner: there is nothing behind the last delimiter.
    let text = text.strip_suffix(delimiter).unwrap_or(&text);
    let list: Vec<Bytes> =
        text.split(delimiter).map(|part| Bytes::copy_from_slice(part.as_bytes())).collect();
    outln!(io, "Number of records read: {}", list.len());
    Ok(Payload::List(list))
}

#[cfg(test)]
#[path = "producer_options_test.rs"]
mod tests;

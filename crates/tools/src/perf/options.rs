//! What the command lines of the consumers that measure have in common.

use std::time::Duration;

use ottla_client::config::Properties;

use crate::console::arguments::properties;
use crate::console::log_line::Date;
use crate::option::{Kind, Opt, opt};
use crate::{Args, Failure, Io, outln};

pub const SERVERS: Opt =
    opt("bootstrap-server", "REQUIRED: Addresses of the cluster.").value("server to connect to");
pub const TOPIC: Opt = opt("topic", "The topic to consume from.").value("topic");
pub const GROUP: Opt = opt("group", "The group to consume as.").value("gid");
pub const FETCH_SIZE: Opt = opt("fetch-size", "How much is fetched at once, in bytes.")
    .value("size")
    .kind(Kind::Int)
    .default("1048576");
pub const COMMAND_PROPERTY: Opt =
    opt("command-property", "A property of the consumer, key=value; may be given again.").value("prop1=val1");
pub const SOCKET_BUFFER_SIZE: Opt =
    opt("socket-buffer-size", "receive.buffer.bytes.").value("size").kind(Kind::Int).default("2097152");
pub const CONSUMER_CONFIG: Opt = opt("consumer.config", "A file of properties of the consumer.")
    .value("config file")
    .deprecated("command-config");
pub const COMMAND_CONFIG: Opt =
    opt("command-config", "A file of properties of the consumer.").value("config file");
pub const PRINT_METRICS: Opt = opt("print-metrics", "Print the consumer's metrics at the end.");
pub const DETAILED: Opt = opt("show-detailed-stats", "Report after each --reporting-interval.");
pub const TIMEOUT: Opt = opt("timeout", "The longest time between records, in milliseconds.")
    .optional_value("milliseconds")
    .kind(Kind::Long)
    .default("10000");
pub const MESSAGES: Opt =
    opt("messages", "How many records.").value("count").kind(Kind::Long).deprecated("num-records");
pub const NUM_RECORDS: Opt =
    opt("num-records", "REQUIRED: How many records.").value("count").kind(Kind::Long);
pub const INTERVAL: Opt = opt("reporting-interval", "Milliseconds between reports.")
    .value("interval_ms")
    .kind(Kind::Long)
    .default("5000");
pub const DATE_FORMAT: Opt = opt("date-format", "How times are shown, as in java.text.SimpleDateFormat.")
    .value("date format")
    .default("yyyy-MM-dd HH:mm:ss:SSS");
pub const HIDE_HEADER: Opt = opt("hide-header", "Do not print the names of the columns.");

/// What such a command line asks for.
#[derive(Debug)]
pub struct ReadOptions {
    /// How many records.
    pub records: u64,
    /// The longest time between them.
    pub timeout_ms: i64,
    /// Ms between reports.
    pub interval_ms: i64,
    /// Report in between.
    pub detailed: bool,
    /// Print the client's metrics.
    pub print_metrics: bool,
    /// Print no names of columns.
    pub hide_header: bool,
    /// A pattern of `SimpleDateFormat`.
    pub date_format: String,
    /// Of the client.
    pub client: Properties,
}

/// One wait for records.
pub const POLL: Duration = Duration::from_millis(100);

impl ReadOptions {
    /// Reads what both have, after the checks that each has of its own; `client_id` when none is given.
    ///
    /// # Errors
    /// What is wrong, with help.
    pub fn read(args: &Args, io: &mut Io, client_id: &str) -> Result<Self, Failure> {
        args.exactly_one(&["messages", "num-records"])?;
        args.forbid("consumer.config", &["command-config"])?;
        for (older, name) in [("messages", "num-records"), ("consumer.config", "command-config")] {
            if args.has(older) {
                outln!(io, "Warning: --{older} is deprecated. Use --{name} instead.");
            }
        }
        let file = if args.has("consumer.config") { "consumer.config" } else { "command-config" };
        let mut client = properties(args, file, "command-property")?;
        for (key, option) in [
            ("bootstrap.servers", "bootstrap-server"),
            ("group.id", "group"),
            ("receive.buffer.bytes", "socket-buffer-size"),
        ] {
            if let Some(value) = args.value(option)? {
                client.insert(key.to_owned(), value.to_owned());
            }
        }
        client.insert("check.crcs".to_owned(), "false".to_owned());
        client.entry("client.id".to_owned()).or_insert_with(|| client_id.to_owned());
        let records = if args.has("messages") { "messages" } else { "num-records" };
        let interval_ms = args.number("reporting-interval")?.unwrap_or(0);
        if interval_ms <= 0 {
            return Err(Failure::illegal_argument("Reporting interval must be greater than 0."));
        }
        Ok(Self {
            records: args.number::<i64>(records)?.and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
            timeout_ms: args.number("timeout")?.unwrap_or(10_000),
            interval_ms,
            detailed: args.has("show-detailed-stats"),
            print_metrics: args.has("print-metrics"),
            hide_header: args.has("hide-header"),
            date_format: args.text("date-format")?.to_owned(),
            client,
        })
    }

    /// A time as asked for.
    pub fn date(&self, unix_ms: i64) -> String {
        Date::of_unix_ms(unix_ms).format(&self.date_format)
    }

    /// Said when there were fewer records than asked for.
    pub fn warn_of_timeout(&self, io: &mut Io) {
        outln!(
            io,
            "WARNING: Exiting before consuming the expected number of records: timeout ({} ms) exceeded. You can \
             use the --timeout option to increase the timeout.",
            self.timeout_ms
        );
    }
}

/// Megabytes of 2^20.
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

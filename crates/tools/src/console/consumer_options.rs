//! The command line of `console-consumer` (Kafka: `ConsoleConsumerOptions`).

use std::collections::BTreeSet;
use std::time::Duration;

use ottla_client::config::Properties;

use super::arguments::{merge, newer, parse_or_usage, properties};
use super::formatter::{DefaultFormatter, Formatter};
use super::log_line::log_error;
use crate::option::{Kind, Opt, opt};
use crate::{Args, Failure, Io, Tool, errln};

const DEFAULT_FORMATTER: &str = "org.apache.kafka.tools.consumer.DefaultMessageFormatter";
const FORMATTER_CLASS: &str = "org.apache.kafka.tools.consumer.DefaultMessageFormatter";

const FORMATTER_PROPERTIES: &str = "A property of the formatter, key=value; may be given again. The default \
     formatter has print.timestamp, print.key, print.offset, print.epoch, print.partition, print.headers, \
     print.delivery and print.value (true or false), key.separator, line.separator, headers.separator, \
     null.literal, key.deserializer, value.deserializer and headers.deserializer.";

/// Options that say how records are shown; those of the share consumer too.
const FORMATTER: Opt =
    opt("formatter", "The class that shows records.").value("class").default(DEFAULT_FORMATTER);
const PROPERTY: Opt = opt("property", FORMATTER_PROPERTIES).value("prop").deprecated("formatter-property");
const FORMATTER_PROPERTY: Opt = opt("formatter-property", FORMATTER_PROPERTIES).value("prop");
const FORMATTER_CONFIG: Opt =
    opt("formatter-config", "A file of properties of the formatter; --formatter-property goes before it.")
        .value("config file");
const MAX_MESSAGES: Opt =
    opt("max-messages", "How many records are shown before the tool ends; without it there is no end.")
        .value("num_messages")
        .kind(Kind::Int);
const TIMEOUT_MS: Opt = opt("timeout-ms", "End when there was no record for so long.").value("timeout_ms");
const SERVERS: Opt =
    opt("bootstrap-server", "REQUIRED: Addresses of the cluster.").value("server to connect to");
const KEY_DESERIALIZER: Opt =
    opt("key-deserializer", "The class that reads keys.").value("deserializer for keys");
const VALUE_DESERIALIZER: Opt =
    opt("value-deserializer", "The class that reads values.").value("deserializer for values");
const SYSTEST: Opt = opt("enable-systest-events", "Tell of the tool's end too, for system tests.");
const COMMAND_PROPERTY: Opt =
    opt("command-property", "A property of the consumer, key=value; may be given again.")
        .value("consumer_prop");
const CONSUMER_PROPERTY: Opt = opt("consumer-property", "A property of the consumer, key=value.")
    .value("consumer_prop")
    .deprecated("command-property");
const COMMAND_CONFIG: Opt =
    opt("command-config", "A file of properties of the consumer; --command-property goes before it.")
        .value("config file");
const TOPIC: Opt = opt("topic", "The topic to consume from.").value("topic");

/// Options of `console-consumer`.
pub static OPTIONS: [Opt; 23] = [
    TOPIC,
    opt("include", "A regular expression: all topics that match are consumed from.")
        .value("Java regex (String)"),
    opt("partition", "The partition to consume from, from its end unless --offset says otherwise.")
        .value("partition")
        .kind(Kind::Int),
    opt("offset", "The offset to begin at: a number, earliest or latest.")
        .value("consume offset")
        .default("latest"),
    CONSUMER_PROPERTY,
    COMMAND_PROPERTY,
    opt("consumer.config", "A file of properties of the consumer.")
        .value("config file")
        .deprecated("command-config"),
    COMMAND_CONFIG,
    FORMATTER,
    PROPERTY,
    FORMATTER_PROPERTY,
    FORMATTER_CONFIG,
    opt("from-beginning", "Begin with the earliest record, where the group has no committed offset."),
    MAX_MESSAGES,
    TIMEOUT_MS.kind(Kind::Long),
    opt("skip-message-on-error", "Leave out a record that can't be shown, instead of ending."),
    SERVERS,
    KEY_DESERIALIZER,
    VALUE_DESERIALIZER,
    SYSTEST,
    opt("isolation-level", "read_committed leaves out records of transactions that were not committed.")
        .value("String")
        .default("read_uncommitted"),
    opt("group", "The consumer group.").value("consumer group id"),
    opt("zookeeper", "Groups are kept by the brokers since Kafka 2.0.")
        .value("urls")
        .deprecated("bootstrap-server")
        .beyond_kafka(),
];

/// Options of `console-share-consumer`.
pub static SHARE_OPTIONS: [Opt; 19] = [
    TOPIC,
    CONSUMER_PROPERTY,
    COMMAND_PROPERTY,
    opt("consumer-config", "A file of properties of the consumer.")
        .value("config file")
        .deprecated("command-config"),
    COMMAND_CONFIG,
    FORMATTER,
    PROPERTY,
    FORMATTER_PROPERTY,
    FORMATTER_CONFIG,
    MAX_MESSAGES,
    TIMEOUT_MS.kind(Kind::Int),
    opt("reject", "Reject records as they are consumed."),
    opt("release", "Release records as they are consumed."),
    opt("reject-message-on-error", "Reject a record that can't be shown, instead of ending."),
    SERVERS,
    KEY_DESERIALIZER,
    VALUE_DESERIALIZER,
    opt("group", "The share group.").value("share group id"),
    SYSTEST,
];

/// Where consuming begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first record.
    Earliest,
    /// At the next record.
    Latest,
    /// At an offset.
    At(i64),
}

/// What is consumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// One partition.
    Partition(String, i32, Start),
    /// A topic, as a member of a group.
    Topic(String),
    /// Topics that match, as a member of a group.
    Pattern(String),
}

/// What a command line asks for.
#[derive(Debug)]
pub struct ConsumerOptions {
    /// Of the client.
    pub client: Properties,
    /// What is consumed.
    pub wanted: Wanted,
    /// How many records; none for no end.
    pub max_messages: Option<u64>,
    /// How long to wait for a record; none for no end.
    pub timeout: Option<Duration>,
    /// Leave out what can't be shown.
    pub skip_on_error: bool,
    /// Tell of the end.
    pub systest_events: bool,
    /// How records are shown.
    pub formatter: Formatter,
}

impl ConsumerOptions {
    /// Reads a command line; `seed` makes the name of a group when none is given.
    ///
    /// # Errors
    /// What is wrong with it, with help.
    pub fn read(tool: &'static Tool, io: &mut Io, arguments: &[String], seed: u32) -> Result<Self, Failure> {
        let args = parse_or_usage(tool, io, arguments)?;
        if args.has("zookeeper") {
            return Err(args.usage(
                "--zookeeper is no longer there: use --bootstrap-server with the address of a broker",
            ));
        }
        args.exactly_one(&["topic", "include"])?;
        let partition = args.number::<i32>("partition")?;
        check_combinations(&args, partition)?;
        args.require(&["bootstrap-server"])?;
        let (file, pairs) = client_sources(&args, io, "consumer.config")?;
        let given = properties(&args, file, pairs)?;
        let group = group(&args, &given, "consumer.config")?;
        if group.is_some() && partition.is_some() {
            return Err(args.usage("Options group and partition cannot be specified together."));
        }
        let client = client_properties(&args, given, group, seed, io)?;
        let start = start(&args)?;
        let topic = args.text("topic")?.to_owned();
        let wanted = match (args.value("include")?, partition) {
            (Some(pattern), _) => Wanted::Pattern(pattern.to_owned()),
            (None, Some(partition)) => Wanted::Partition(topic, partition, start),
            (None, None) => Wanted::Topic(topic),
        };
        Ok(Self {
            client,
            wanted,
            max_messages: args.number::<i32>("max-messages")?.and_then(|max| match max {
                -1 => None,
                max => Some(u64::try_from(max).unwrap_or(0)),
            }),
            timeout: args
                .number::<i64>("timeout-ms")?
                .and_then(|ms| u64::try_from(ms).ok())
                .map(Duration::from_millis),
            skip_on_error: args.has("skip-message-on-error"),
            systest_events: args.has("enable-systest-events"),
            formatter: formatter(&args, io)?,
        })
    }
}

fn check_combinations(args: &Args, partition: Option<i32>) -> Result<(), Failure> {
    if partition.is_some() {
        if !args.has("topic") {
            return Err(args.usage("The topic is required when partition is specified."));
        }
        if args.has("from-beginning") && args.has("offset") {
            return Err(args.usage("Options from-beginning and offset cannot be specified together."));
        }
    } else if args.has("offset") {
        return Err(args.usage("The partition is required when offset is specified."));
    }
    Ok(())
}

/// The options that name the client's file and properties; both are checked before either warns.
pub fn client_sources<'n>(
    args: &Args,
    io: &mut Io,
    older_config: &'n str,
) -> Result<(&'n str, &'n str), Failure> {
    let (older_pairs, pairs, config) = ("consumer-property", "command-property", "command-config");
    for (older, name) in [(older_pairs, pairs), (older_config, config)] {
        if args.has(older) && args.has(name) {
            return Err(args.usage(format!("Options --{older} and --{name} cannot be specified together.")));
        }
    }
    let mut chosen = |name, older| {
        let text = format!(
            "Option --{older} is deprecated and will be removed in a future version. Use --{name} instead."
        );
        newer(args, io, name, older, &text)
    };
    let pairs = chosen(pairs, older_pairs)?;
    let file = chosen(config, older_config)?;
    Ok((file, pairs))
}

/// The group, from the option or the properties, which must agree.
///
/// # Errors
/// When they do not.
pub fn group(args: &Args, given: &Properties, config: &str) -> Result<Option<String>, Failure> {
    let mut ids = BTreeSet::new();
    ids.extend(args.value("group")?.map(str::to_owned));
    ids.extend(given.get("group.id").cloned());
    if ids.len() > 1 {
        let quoted: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
        return Err(args.usage(format!(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or \
             via '--{config}') do not match. Detected group ids: {}",
            quoted.join(", ")
        )));
    }
    Ok(ids.pop_first())
}

fn client_properties(
    args: &Args,
    mut client: Properties,
    group: Option<String>,
    seed: u32,
    io: &mut Io,
) -> Result<Properties, Failure> {
    let from_beginning = args.has("from-beginning");
    match client.get("auto.offset.reset") {
        Some(reset) if from_beginning && reset != "earliest" => {
            errln!(
                io,
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one \
                 option"
            );
            return Err(Failure::Exit(1));
        }
        Some(_) => {}
        None => {
            let reset = if from_beginning { "earliest" } else { "latest" };
            client.insert("auto.offset.reset".to_owned(), reset.to_owned());
        }
    }
    client.insert("bootstrap.servers".to_owned(), args.text("bootstrap-server")?.to_owned());
    client.entry("client.id".to_owned()).or_insert_with(|| "console-consumer".to_owned());
    merge(&mut client, "isolation.level", args, "isolation-level")?;
    let group = group.unwrap_or_else(|| {
        // Nobody will ask for the offsets of a group whose name nobody chose.
        client.entry("enable.auto.commit".to_owned()).or_insert_with(|| "false".to_owned());
        format!("console-consumer-{}", seed % 100_000)
    });
    client.insert("group.id".to_owned(), group);
    Ok(client)
}

fn start(args: &Args) -> Result<Start, Failure> {
    if !args.has("offset") {
        return Ok(if args.has("from-beginning") { Start::Earliest } else { Start::Latest });
    }
    let text = args.text("offset")?;
    match text.to_ascii_lowercase().as_str() {
        "earliest" => Ok(Start::Earliest),
        "latest" => Ok(Start::Latest),
        _ => match text.parse::<i64>() {
            Ok(offset) if offset >= 0 => Ok(Start::At(offset)),
            _ => Err(args.usage(format!(
                "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a \
                 non-negative long."
            ))),
        },
    }
}

/// The formatter that the options describe.
///
/// # Errors
/// When there is no such class, or an option stands beside its older spelling.
pub fn formatter(args: &Args, io: &mut Io) -> Result<Formatter, Failure> {
    let class = args.text("formatter")?;
    let known = Formatter::of_class(class, &Properties::new()).is_some();
    if !known {
        return Err(args.usage(class));
    }
    if args.has("formatter-property") && args.has("property") {
        return Err(args.usage("Options --property and --formatter-property cannot be specified together."));
    }
    let warn = "Option --property is deprecated and will be removed in a future version. Use --formatter-property instead.";
    let pairs = newer(args, io, "formatter-property", "property", warn)?;
    let mut given = Properties::new();
    for (key, option) in
        [("key.deserializer", "key-deserializer"), ("value.deserializer", "value-deserializer")]
    {
        if let Some(class) = args.value(option)?.filter(|class| !class.is_empty()) {
            given.insert(key.to_owned(), class.to_owned());
        }
    }
    let mut all = match args.value("formatter-config")? {
        Some(path) => crate::connect::read_properties(path)?,
        None => Properties::new(),
    };
    all.extend(given);
    all.extend(crate::connect::key_values(&args.values(pairs)));
    for class in DefaultFormatter::unknown_deserializers(&all) {
        let text = format!("Unable to instantiate a deserializer from {class}");
        log_error(io, FORMATTER_CLASS, &text, &format!("java.lang.ClassNotFoundException: {class}"));
    }
    Formatter::of_class(class, &all).ok_or_else(|| args.usage(class))
}

#[cfg(test)]
#[path = "consumer_options_test.rs"]
mod tests;

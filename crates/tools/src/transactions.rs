//! `ottla transactions`: Kafka's `TransactionsCommand`.

mod find_hanging;

use std::collections::BTreeSet;

use ottla_client::Error;
use ottla_client::admin::{
    AbortTransactionSpec, Admin, DescribeProducersOptions, ListTransactionsOptions, ProducerState,
    TimeoutOptions, TransactionDescription,
};
use ottla_protocol::{Str, TopicPartition};

use crate::args::Args;
use crate::clock::now_ms;
use crate::connect::{read_properties, with_admin};
use crate::failure::Failure;
use crate::io::Io;
use crate::option::{Kind, Opt, opt};
use crate::table::Table;
use crate::tool::{Command, Group, Syntax, Tool};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "transactions",
    script: "kafka-transactions",
    group: Group::Cluster,
    about: "Lists and describes transactions; finds those that hang, and aborts them.",
    examples: "kafka-transactions.sh --bootstrap-server localhost:9092 list\n\
               kafka-transactions.sh --bootstrap-server localhost:9092 describe --transactional-id payments\n\
               kafka-transactions.sh --bootstrap-server localhost:9092 find-hanging --topic orders\n\
               kafka-transactions.sh --bootstrap-server localhost:9092 abort --topic orders --partition 0 --start-offset 815",
    syntax: Syntax::Commands(&COMMAND),
    run,
};

const fn command(name: &'static str, about: &'static str, options: &'static [Opt]) -> Command {
    Command { name, about, options, metavar: "", commands: &[], help_code: 1 }
}

const TOPIC: Opt = opt("topic", "The topic.").value("TOPIC");
const PARTITION: Opt = opt("partition", "The partition.").value("PARTITION").kind(Kind::Int);

static COMMAND: Command = Command {
    name: "kafka-transactions.sh",
    about: "Transactions and the producers that partitions remember.",
    options: &[
        opt("version", "Prints the version of Kafka.").alias(&["v"]),
        opt("command-config", "A properties file with settings of the client: security, time-outs.")
            .value("FILE"),
        opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas.")
            .value("host:port")
            .required(),
    ],
    metavar: "COMMAND",
    commands: &[
        command(
            "list",
            "Lists transactions.",
            &[
                opt(
                    "duration-filter",
                    "Only those open for longer than this, in ms; all when it is below 0.",
                )
                .value("DURATION_FILTER")
                .kind(Kind::Long),
                opt("transactional-id-pattern", "Only those whose id this regular expression fits.")
                    .value("TRANSACTIONAL_ID_PATTERN"),
            ],
        ),
        command(
            "describe",
            "Shows a transaction.",
            &[opt("transactional-id", "Its id.").value("TRANSACTIONAL_ID").required()],
        ),
        command(
            "describe-producers",
            "Shows the producers that a partition remembers.",
            &[
                opt("broker-id", "The replica that is asked; the leader when it is not given.")
                    .value("BROKER_ID")
                    .kind(Kind::Int),
                TOPIC.required(),
                PARTITION.required(),
            ],
        ),
        command(
            "abort",
            "Aborts a transaction that hangs.",
            &[
                TOPIC.required(),
                PARTITION.required(),
                opt("start-offset", "Where it begins; enough for brokers from 3.0 on.")
                    .value("START_OFFSET")
                    .kind(Kind::Long),
                opt("producer-id", "Its producer; with the two below, for brokers before 3.0.")
                    .value("PRODUCER_ID")
                    .kind(Kind::Long),
                opt("producer-epoch", "The producer's epoch.").value("PRODUCER_EPOCH").kind(Kind::Int),
                opt("coordinator-epoch", "The coordinator's epoch.")
                    .value("COORDINATOR_EPOCH")
                    .kind(Kind::Int),
            ],
        ),
        command(
            "find-hanging",
            "Finds transactions that no coordinator will ever end.",
            &[
                opt("broker-id", "Only partitions with a replica there.").value("BROKER_ID").kind(Kind::Int),
                opt("max-transaction-timeout", "Only transactions that are older than this, in minutes.")
                    .value("MAX_TRANSACTION_TIMEOUT")
                    .kind(Kind::Int)
                    .default("15"),
                TOPIC,
                PARTITION,
            ],
        ),
        command(
            "forceTerminateTransaction",
            "Aborts the open transaction of an id, whatever its producer does.",
            &[opt("transactionalId", "The id.").value("TRANSACTIONALID").required()],
        ),
    ],
    help_code: 1,
};

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    if arguments.first().is_some_and(|first| first == "-v" || first == "--version") {
        return Err(Failure::Version);
    }
    let args = tool.parse(io, arguments)?;
    let mut properties = match args.value("command-config")? {
        Some(path) => {
            read_properties(path).map_err(|why| told("Failed to load admin client properties", why.text()))?
        }
        None => Default::default(),
    };
    properties.insert("bootstrap.servers".to_owned(), args.text("bootstrap-server")?.to_owned());
    with_admin(&properties, async |admin| match args.commands.first().copied().unwrap_or_default() {
        "list" => list(io, &args, admin).await,
        "describe" => describe(io, &args, admin).await,
        "describe-producers" => describe_producers(io, &args, admin).await,
        "abort" => abort(&args, admin).await,
        "find-hanging" => find_hanging::find(io, &args, admin).await,
        _ => force_terminate(&args, admin).await,
    })
}

/// The one form in which this tool tells errors of brokers.
fn told(what: &str, why: impl std::fmt::Display) -> Failure {
    Failure::message(format!("{what}: {why}. Enable debug logging for additional detail."))
}

fn partition(args: &Args) -> Result<TopicPartition, Failure> {
    Ok(TopicPartition::new(args.text("topic")?, args.number("partition")?.unwrap_or_default()))
}

async fn list(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let options = ListTransactionsOptions {
        duration_ms: args.number("duration-filter")?,
        transactional_id_pattern: args.value("transactional-id-pattern")?.map(Str::from),
        ..Default::default()
    };
    let failed = |error: Error| told("Failed to list transactions", error);
    let mut table = Table::new(&["TransactionalId", "Coordinator", "ProducerId", "TransactionState"]);
    for (broker, listings) in admin.list_transactions(&options).await.map_err(failed)? {
        for it in listings.map_err(failed)? {
            table.row([
                it.transactional_id.to_string(),
                broker.to_string(),
                it.producer_id.to_string(),
                it.state.to_string(),
            ]);
        }
    }
    table.print_tabbed(io);
    Ok(())
}

async fn describe(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let id = Str::from(args.text("transactional-id")?);
    let results = admin.describe_transactions(std::slice::from_ref(&id), &TimeoutOptions::default()).await;
    let what = format!("Failed to describe transaction state of transactional-id `{id}`");
    for result in results.into_values() {
        let found = result.map_err(|error| told(&what, error))?;
        describe_table(&id, &found, now_ms()).print_tabbed(io);
    }
    Ok(())
}

fn describe_table(id: &str, found: &TransactionDescription, now_ms: i64) -> Table {
    let mut table = Table::new(&[
        "CoordinatorId",
        "TransactionalId",
        "ProducerId",
        "ProducerEpoch",
        "TransactionState",
        "TransactionTimeoutMs",
        "CurrentTransactionStartTimeMs",
        "TransactionDurationMs",
        "TopicPartitions",
    ]);
    let none = || "None".to_owned();
    table.row([
        found.coordinator_id.to_string(),
        id.to_owned(),
        found.producer_id.to_string(),
        found.producer_epoch.to_string(),
        found.state.to_string(),
        found.timeout_ms.to_string(),
        found.start_time_ms.map_or_else(none, |start| start.to_string()),
        found.start_time_ms.map_or_else(none, |start| (now_ms - start).to_string()),
        found.partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    ]);
    table
}

/// The producers that a partition remembers.
async fn producers_of(
    admin: &Admin,
    key: &TopicPartition,
    broker_id: Option<i32>,
) -> Result<Vec<ProducerState>, Error> {
    let options = DescribeProducersOptions { broker_id, ..Default::default() };
    let results = admin.describe_producers(&BTreeSet::from([key.clone()]), &options).await;
    results.into_values().next().unwrap_or_else(|| Ok(Vec::new()))
}

async fn describe_producers(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let key = partition(args)?;
    let broker_id: Option<i32> = args.number("broker-id")?;
    let producers = producers_of(admin, &key, broker_id).await.map_err(|error| {
        let whom = broker_id.map_or_else(|| "leader".to_owned(), |id| format!("broker {id}"));
        told(&format!("Failed to describe producers for partition {key} on {whom}"), error)
    })?;
    producers_table(&producers).print_tabbed(io);
    Ok(())
}

fn producers_table(producers: &[ProducerState]) -> Table {
    let mut table = Table::new(&[
        "ProducerId",
        "ProducerEpoch",
        "LatestCoordinatorEpoch",
        "LastSequence",
        "LastTimestamp",
        "CurrentTransactionStartOffset",
    ]);
    for it in producers {
        let start = it.current_transaction_start_offset;
        table.row([
            it.producer_id.to_string(),
            it.producer_epoch.to_string(),
            it.coordinator_epoch.unwrap_or(-1).to_string(),
            it.last_sequence.to_string(),
            it.last_timestamp.to_string(),
            start.map_or_else(|| "None".to_owned(), |offset| offset.to_string()),
        ]);
    }
    table
}

async fn abort(args: &Args, admin: &Admin) -> Result<(), Failure> {
    let key = partition(args)?;
    let start: Option<i64> = args.number("start-offset")?;
    let producer_id: Option<i64> = args.number("producer-id")?;
    let spec = match (start, producer_id) {
        (Some(start), _) => spec_of(admin, key, start).await?,
        (None, Some(producer_id)) => {
            let missing = |name: &str| Failure::message(format!("Missing required argument --{name}"));
            let epoch: i16 = args.number("producer-epoch")?.ok_or_else(|| missing("producer-epoch"))?;
            let coordinator: i32 =
                args.number("coordinator-epoch")?.ok_or_else(|| missing("coordinator-epoch"))?;
            AbortTransactionSpec {
                partition: key,
                producer_id,
                producer_epoch: epoch,
                coordinator_epoch: coordinator.max(0),
            }
        }
        (None, None) => {
            return Err(Failure::message(
                "The transaction to abort must be identified either with --start-offset (for brokers on 3.0 or above) or with \
                 --producer-id, --producer-epoch, and --coordinator-epoch (for older brokers)",
            ));
        }
    };
    let done = admin.abort_transaction(&spec, &TimeoutOptions::default()).await;
    done.map_err(|error| told(&format!("Failed to abort transaction {spec}"), error))
}

async fn spec_of(admin: &Admin, key: TopicPartition, start: i64) -> Result<AbortTransactionSpec, Failure> {
    let producers = producers_of(admin, &key, None)
        .await
        .map_err(|error| told(&format!("Failed to validate producer state for partition {key}"), error))?;
    let found = producers.iter().find(|it| it.current_transaction_start_offset == Some(start));
    let Some(producer) = found else {
        return Err(Failure::message(format!(
            "Could not find any open transactions starting at offset {start} on partition {key}"
        )));
    };
    Ok(AbortTransactionSpec {
        partition: key,
        producer_id: producer.producer_id,
        producer_epoch: i16::try_from(producer.producer_epoch).unwrap_or(i16::MAX),
        coordinator_epoch: producer.coordinator_epoch.unwrap_or(0),
    })
}

async fn force_terminate(args: &Args, admin: &Admin) -> Result<(), Failure> {
    let id = Str::from(args.text("transactionalId")?);
    let done = admin.force_terminate_transaction(&id, &TimeoutOptions::default()).await;
    done.map_err(|error| told(&format!("Failed to force terminate transactionalId `{id}`"), error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{refused, run_captured};
    use ottla_client::admin::TransactionState;

    #[test]
    fn command_lines_are_refused_in_kafkas_words() {
        let check = |arguments: &str, expect: &str| refused("transactions", arguments, expect);
        let server = "--bootstrap-server localhost:1";
        check(
            &format!("{server} find-hanging"),
            "The `find-hanging` command requires either --topic or --broker-id to limit the scope of the search",
        );
        check(
            &format!("{server} find-hanging --broker-id 0 --partition 5"),
            "The --partition argument requires --topic to be provided",
        );
        check(
            &format!("{server} abort --topic t --partition 0 --producer-id 5"),
            "Missing required argument --producer-epoch",
        );
        check(
            &format!("{server} abort --topic t --partition 0 --producer-id 5 --producer-epoch 1"),
            "Missing required argument --coordinator-epoch",
        );
        let (code, out, _) = run_captured("transactions", &["-v"], "").unwrap();
        assert_eq!((code, out.as_str()), (0, "4.3.1\n"));
    }

    #[test]
    fn descriptions_are_tables() {
        let found = TransactionDescription {
            coordinator_id: 5,
            state: TransactionState::Ongoing,
            producer_id: 12345,
            producer_epoch: 15,
            timeout_ms: 10000,
            start_time_ms: Some(1000),
            partitions: BTreeSet::from([TopicPartition::new("bar", 0), TopicPartition::new("foo", 0)]),
        };
        let table = describe_table("id", &found, 6000);
        assert_eq!(
            table.rows[0],
            ["5", "id", "12345", "15", "Ongoing", "10000", "1000", "5000", "bar-0,foo-0"]
        );
        let producer = ProducerState {
            producer_id: 1,
            producer_epoch: 2,
            last_sequence: 3,
            last_timestamp: 4,
            coordinator_epoch: None,
            current_transaction_start_offset: None,
        };
        assert_eq!(producers_table(&[producer]).rows[0], ["1", "2", "-1", "3", "4", "None"]);
    }
}

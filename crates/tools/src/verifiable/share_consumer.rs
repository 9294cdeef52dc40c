//! `ottla verifiable-share-consumer`: what a member of a share group sees (Kafka: `VerifiableShareConsumer`).

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_client::Error;
use ottla_client::config::Properties;
use ottla_client::record::ConsumerRecord;
use serde_json::{Value, json};

use super::event::{print, record_data};
use super::{file_properties, parse};
use crate::console::consumer::cause;
use crate::console::log_line::log_error;
use crate::console::sink::Source;
use crate::option::{Kind, Opt, opt};
use crate::tool::{Command, Group, Syntax, Tool};
use crate::{Failure, Io};

const CLASS: &str = "org.apache.kafka.tools.VerifiableShareConsumer";
const POLL: Duration = Duration::from_secs(5);

static OPTIONS: [Opt; 8] = [
    opt("bootstrap-server", "Addresses of the cluster.")
        .value("HOST1:PORT1[,HOST2:PORT2[...]]")
        .required()
        .exclusive(1, true),
    opt("topic", "The topic to consume from.").value("TOPIC").required(),
    opt("group-id", "The share group.").value("GROUP-ID").required(),
    opt("max-messages", "How many records; -1 for no end.")
        .value("MAX-MESSAGES")
        .kind(Kind::Int)
        .default("-1"),
    opt("verbose", "Tell of each record."),
    opt("acknowledgement-mode", "auto, sync or async.").value("ACKNOWLEDGEMENT-MODE").default("auto"),
    opt("offset-reset-strategy", "Where the group begins: earliest or latest.")
        .value("OFFSET-RESET-STRATEGY")
        .default(""),
    opt("command-config", "A file of properties of the consumer.").value("CONFIG-FILE"),
];

static COMMAND: Command = Command {
    name: "verifiable-share-consumer",
    about: "Reads a topic as a member of a share group and prints a line of JSON for each event.",
    options: &OPTIONS,
    commands: &[],
    metavar: "",
    help_code: 0,
};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "verifiable-share-consumer",
    script: "kafka-verifiable-share-consumer",
    group: Group::Performance,
    about: "Reads as a member of a share group and tells of each event, for tests.",
    examples: "ottla verifiable-share-consumer --bootstrap-server localhost:9092 --topic t --group-id g",
    syntax: Syntax::Commands(&COMMAND),
    run: crate::console::clients_share::run_verifiable_share_consumer,
};

/// When records are acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Auto,
    Sync,
    Async,
}

/// What a command line asks for.
#[derive(Debug)]
pub struct VerifiableOptions {
    /// The topic.
    pub topic: String,
    group_id: String,
    max_messages: Option<usize>,
    verbose: bool,
    mode: Mode,
    offset_reset_strategy: String,
    /// Of the client.
    pub client: Properties,
}

impl VerifiableOptions {
    /// Reads a command line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<Self, Failure> {
        let args = parse(tool, &COMMAND, io, arguments)?;
        let mode = args.text("acknowledgement-mode")?.to_ascii_uppercase();
        let mode = match mode.as_str() {
            "AUTO" => Mode::Auto,
            "SYNC" => Mode::Sync,
            "ASYNC" => Mode::Async,
            other => {
                return Err(Failure::illegal_argument(format!(
                    "No enum constant org.apache.kafka.tools.VerifiableShareConsumer.AcknowledgementMode.{other}"
                )));
            }
        };
        let mut client = file_properties(&COMMAND, &args, "", io)?;
        let group_id = args.text("group-id")?.to_owned();
        client.insert("group.id".to_owned(), group_id.clone());
        client.insert("bootstrap.servers".to_owned(), args.text("bootstrap-server")?.to_owned());
        Ok(Self {
            topic: args.text("topic")?.to_owned(),
            group_id,
            max_messages: args.number::<i32>("max-messages")?.and_then(|max| usize::try_from(max).ok()),
            verbose: args.has("verbose"),
            mode,
            offset_reset_strategy: args.text("offset-reset-strategy")?.to_ascii_lowercase(),
            client,
        })
    }
}

/// What became of acknowledgements in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The records.
    pub offsets: Vec<i64>,
    /// Why they were not taken.
    pub error: Option<String>,
}

/// What the tool needs of a member of a share group.
pub trait Member: Source {
    /// What became of acknowledgements since it was asked the last time.
    fn take_acknowledged(&mut self) -> Vec<Acknowledged>;

    /// Sends acknowledgements and waits.
    async fn commit(&mut self) -> ottla_client::Result<()>;

    /// Sends acknowledgements.
    fn commit_async(&mut self) -> ottla_client::Result<()>;
}

/// Tells that it starts, and says where the group begins.
///
/// # Errors
/// When that can't be set.
pub async fn start(
    options: &VerifiableOptions,
    now_ms: impl Fn() -> i64,
    io: &mut Io,
) -> Result<(), Failure> {
    print(io, now_ms(), "startup_complete", json!({}));
    let strategy = &options.offset_reset_strategy;
    if strategy.is_empty() {
        return Ok(());
    }
    crate::console::clients_share::set_offset_reset(&options.client, &options.group_id, strategy).await?;
    print(io, now_ms(), "offset_reset_strategy_set", json!({"offsetResetStrategy": strategy}));
    Ok(())
}

/// Reads and prints events until enough was acknowledged or `stop` ends; `now_ms` is the clock.
pub async fn consume<S: Member>(
    member: &mut S,
    options: &VerifiableOptions,
    now_ms: impl Fn() -> i64,
    stop: impl Future<Output = ()>,
    io: &mut Io,
) {
    let mut stop = std::pin::pin!(stop);
    let mut acknowledged = 0;
    while options.max_messages.is_none_or(|max| acknowledged < max) {
        let polled = tokio::select! {
            biased;
            () = &mut stop => break,
            polled = member.poll(POLL) => polled,
        };
        let result = match polled {
            Ok(records) if records.is_empty() => Ok(()),
            Ok(records) => {
                print_records(&records, options.verbose, now_ms(), io);
                match options.mode {
                    Mode::Auto => Ok(()),
                    Mode::Async => member.commit_async(),
                    Mode::Sync => member.commit().await,
                }
            }
            Err(why) => Err(why),
        };
        acknowledged += print_acknowledged(member.take_acknowledged(), now_ms(), io);
        match result {
            Ok(()) => {}
            Err(Error::Wakeup) => break,
            Err(why) => {
                log_error(
                    io,
                    CLASS,
                    "Error during processing, terminating share consumer process: ",
                    &cause(why),
                );
                break;
            }
        }
    }
}

/// Tells what was left to tell, and that it is over.
pub fn end(left: Vec<Acknowledged>, now_ms: i64, io: &mut Io) {
    print_acknowledged(left, now_ms, io);
    print(io, now_ms, "shutdown_complete", json!({}));
}

fn print_records(records: &[ConsumerRecord], verbose: bool, now_ms: i64, io: &mut Io) {
    let mut by_partition: BTreeMap<(&str, i32), Vec<i64>> = BTreeMap::new();
    for record in records {
        by_partition.entry((&*record.topic, record.partition)).or_default().push(record.offset);
        if verbose {
            print(io, now_ms, "record_data", record_data(record));
        }
    }
    let partitions: Value = by_partition
        .iter_mut()
        .map(|((topic, partition), offsets)| {
            offsets.sort_unstable();
            json!({"topic": topic, "partition": partition, "count": offsets.len(), "offsets": offsets})
        })
        .collect();
    print(io, now_ms, "records_consumed", json!({"count": records.len(), "partitions": partitions}));
}

/// Prints what became of acknowledgements; gives how many were taken.
fn print_acknowledged(all: Vec<Acknowledged>, now_ms: i64, io: &mut Io) -> usize {
    let mut taken = 0;
    for one in all {
        let count = one.offsets.len();
        let partitions = json!([{
            "topic": one.topic,
            "partition": one.partition,
            "count": count,
            "offsets": one.offsets,
        }]);
        let more = match one.error {
            None => {
                taken += count;
                json!({"count": count, "partitions": partitions, "success": true})
            }
            Some(why) => json!({"count": count, "partitions": partitions, "success": false, "error": why}),
        };
        print(io, now_ms, "offsets_acknowledged", more);
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::records::TimestampType;

    struct FakeMember {
        batches: Vec<Vec<ConsumerRecord>>,
        acknowledged: Vec<Acknowledged>,
    }

    impl Source for FakeMember {
        async fn poll(&mut self, _: Duration) -> ottla_client::Result<Vec<ConsumerRecord>> {
            Ok(if self.batches.is_empty() { Vec::new() } else { self.batches.remove(0) })
        }
    }

    impl Member for FakeMember {
        fn take_acknowledged(&mut self) -> Vec<Acknowledged> {
            std::mem::take(&mut self.acknowledged)
        }

        async fn commit(&mut self) -> ottla_client::Result<()> {
            for (offset, error) in [(4, Some("late".to_owned())), (5, None)] {
                let offsets = vec![offset];
                self.acknowledged.push(Acknowledged { topic: "t".to_owned(), partition: 0, offsets, error });
            }
            Ok(())
        }

        fn commit_async(&mut self) -> ottla_client::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn events_are_lines() {
        let record = |offset| ConsumerRecord {
            topic: "t".into(),
            partition: 0,
            offset,
            timestamp_ms: 0,
            timestamp_type: TimestampType::CreateTime,
            leader_epoch: None,
            delivery_count: Some(1),
            key: None,
            value: Some("v".into()),
            headers: Vec::new(),
        };
        let (mut io, captured) = Io::captured("");
        let line =
            "--topic t --bootstrap-server a:1 --group-id g --max-messages 1 --acknowledgement-mode sync";
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let options = VerifiableOptions::read(&TOOL, &mut io, &arguments).expect("options");
        let mut member = FakeMember { batches: vec![vec![record(5), record(4)]], acknowledged: Vec::new() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(consume(&mut member, &options, || 5, std::future::pending(), &mut io));
        end(Vec::new(), 5, &mut io);
        io.flush();
        assert_eq!(
            captured.out(),
            r#"{"timestamp":5,"name":"records_consumed","count":2,"partitions":[{"topic":"t","partition":0,"count":2,"offsets":[4,5]}]}
{"timestamp":5,"name":"offsets_acknowledged","count":1,"partitions":[{"topic":"t","partition":0,"count":1,"offsets":[4]}],"success":false,"error":"late"}
{"timestamp":5,"name":"offsets_acknowledged","count":1,"partitions":[{"topic":"t","partition":0,"count":1,"offsets":[5]}],"success":true}
{"timestamp":5,"name":"shutdown_complete"}
"#
        );
    }
}

//! `ottla verifiable-consumer`: what a member of a group sees (Kafka: `VerifiableConsumer`).

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_client::Error;
use ottla_client::config::Properties;
use ottla_client::record::ConsumerRecord;
use ottla_protocol::TopicPartition;
use serde_json::{Value, json};

use super::event::{print, record_data};
use super::{file_properties, parse};
use crate::console::consumer::cause;
use crate::console::log_line::log_error;
use crate::console::sink::Source;
use crate::option::{Kind, Opt, opt};
use crate::tool::{Command, Group, Syntax, Tool};
use crate::{Failure, Io};

const CLASS: &str = "org.apache.kafka.tools.VerifiableConsumer";
/// One wait for records; in between, what happened in the group is told.
const POLL: Duration = Duration::from_millis(100);

static OPTIONS: [Opt; 14] = [
    opt("bootstrap-server", "Addresses of the cluster.")
        .value("HOST1:PORT1[,HOST2:PORT2[...]]")
        .required()
        .exclusive(1, true),
    opt("topic", "The topic to consume from.").value("TOPIC").required(),
    opt("group-protocol", "The group's protocol: classic or consumer.")
        .value("GROUP-PROTOCOL")
        .default("classic"),
    opt("group-remote-assignor", "The assignor on the broker's side, for the consumer protocol.")
        .value("GROUP-REMOTE-ASSIGNOR"),
    opt("group-id", "The consumer group.").value("GROUP-ID").required(),
    opt("group-instance-id", "The id of a static member.").value("GROUP-INSTANCE-ID"),
    opt("max-messages", "How many records; -1 for no end.")
        .value("MAX-MESSAGES")
        .kind(Kind::Int)
        .default("-1"),
    opt("session-timeout", "session.timeout.ms, for the classic protocol.")
        .value("TIMEOUT-MS")
        .kind(Kind::Int),
    opt("verbose", "Tell of each record."),
    opt("enable-autocommit", "Commit by the clock instead of after each poll."),
    opt("reset-policy", "auto.offset.reset: earliest, latest or none.")
        .value("RESET-POLICY")
        .default("earliest"),
    opt("assignment-strategy", "The assignor's class, for the classic protocol.")
        .value("ASSIGNMENT-STRATEGY")
        .default("org.apache.kafka.clients.consumer.RangeAssignor"),
    opt("consumer.config", "A file of properties of the consumer.")
        .value("CONFIG-FILE")
        .deprecated("command-config"),
    opt("command-config", "A file of properties of the consumer.").value("CONFIG-FILE"),
];

static COMMAND: Command = Command {
    name: "verifiable-consumer",
    about: "Reads a topic as a member of a group and prints a line of JSON for each event.",
    options: &OPTIONS,
    commands: &[],
    metavar: "",
    help_code: 0,
};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "verifiable-consumer",
    script: "kafka-verifiable-consumer",
    group: Group::Performance,
    about: "Reads as a member of a group and tells of each event, for tests.",
    examples: "ottla verifiable-consumer --bootstrap-server localhost:9092 --topic t --group-id g --max-messages 100",
    syntax: Syntax::Commands(&COMMAND),
    run: crate::console::clients::run_verifiable_consumer,
};

/// What a command line asks for.
#[derive(Debug)]
pub struct VerifiableOptions {
    /// The topic.
    pub topic: String,
    max_messages: Option<usize>,
    auto_commit: bool,
    verbose: bool,
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
        let mut client = file_properties(&COMMAND, &args, "consumer.config", io)?;
        let protocol = args.text("group-protocol")?.to_ascii_uppercase();
        if protocol != "CLASSIC" && protocol != "CONSUMER" {
            return Err(Failure::illegal_argument(format!(
                "No enum constant org.apache.kafka.clients.consumer.GroupProtocol.{protocol}"
            )));
        }
        let mut set = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                client.insert(key.to_owned(), value.to_owned());
            }
        };
        if protocol == "CONSUMER" {
            set("group.remote.assignor", args.value("group-remote-assignor")?);
        } else {
            set("partition.assignment.strategy", args.value("assignment-strategy")?);
        }
        set("group.protocol", Some(&protocol));
        set("session.timeout.ms", args.value("session-timeout")?);
        set("group.id", args.value("group-id")?);
        set("group.instance.id", args.value("group-instance-id")?);
        set("bootstrap.servers", args.value("bootstrap-server")?);
        set("enable.auto.commit", Some(if args.has("enable-autocommit") { "true" } else { "false" }));
        set("auto.offset.reset", args.value("reset-policy")?);
        Ok(Self {
            topic: args.text("topic")?.to_owned(),
            max_messages: args.number::<i32>("max-messages")?.and_then(|max| usize::try_from(max).ok()),
            auto_commit: args.has("enable-autocommit"),
            verbose: args.has("verbose"),
            client,
        })
    }
}

/// What happens to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// Partitions come.
    Assigned(Vec<TopicPartition>),
    /// Partitions go.
    Revoked(Vec<TopicPartition>),
}

/// Offsets to commit, by partition.
pub type Offsets = BTreeMap<TopicPartition, i64>;

/// What the tool needs of a member of a group.
pub trait Committer: Source {
    /// What happened since it was asked the last time.
    fn take_events(&mut self) -> Vec<GroupEvent>;

    /// Commits the offsets of the records to read next.
    async fn commit(&mut self, offsets: &Offsets) -> ottla_client::Result<()>;

    /// Leaves the group.
    async fn close(&mut self) -> ottla_client::Result<()>;
}

/// Reads and prints events until there are enough records or `stop` ends; `now_ms` is the clock.
pub async fn consume<S: Committer>(
    source: &mut S,
    options: &VerifiableOptions,
    now_ms: impl Fn() -> i64,
    stop: impl Future<Output = ()>,
    io: &mut Io,
) {
    print(io, now_ms(), "startup_complete", json!({}));
    let mut stop = std::pin::pin!(stop);
    let mut consumed = 0;
    while options.max_messages.is_none_or(|max| consumed < max) {
        let polled = tokio::select! {
            biased;
            () = &mut stop => {
                print(io, now_ms(), "shutdown_requested", json!({}));
                break;
            }
            polled = source.poll(POLL) => polled,
        };
        print_events(source.take_events(), now_ms(), io);
        let records = match polled {
            Ok(records) if records.is_empty() => continue,
            Ok(records) => records,
            Err(Error::Wakeup) => break,
            Err(why) => {
                log_error(io, CLASS, "Error during processing, terminating consumer process: ", &cause(why));
                break;
            }
        };
        let offsets = note_records(records, options, &mut consumed, now_ms(), io);
        if !options.auto_commit {
            let result = source.commit(&offsets).await;
            print_commit(&offsets, result, now_ms(), io);
        }
    }
    if let Err(why) = source.close().await {
        log_error(io, CLASS, "Error during processing, terminating consumer process: ", &cause(why));
    }
    print_events(source.take_events(), now_ms(), io);
    print(io, now_ms(), "shutdown_complete", json!({}));
}

fn shown(partitions: &[TopicPartition]) -> Value {
    partitions.iter().map(|tp| json!({"topic": &*tp.topic, "partition": tp.partition})).collect()
}

fn print_events(events: Vec<GroupEvent>, now_ms: i64, io: &mut Io) {
    for event in events {
        let (name, partitions) = match &event {
            GroupEvent::Assigned(partitions) => ("partitions_assigned", partitions),
            GroupEvent::Revoked(partitions) => ("partitions_revoked", partitions),
        };
        print(io, now_ms, name, json!({"partitions": shown(partitions)}));
    }
}

/// Prints what was read, no more than asked for; gives the offsets behind it.
fn note_records(
    records: Vec<ConsumerRecord>,
    options: &VerifiableOptions,
    consumed: &mut usize,
    now_ms: i64,
    io: &mut Io,
) -> Offsets {
    let count = records.len();
    let mut by_partition: Vec<(TopicPartition, Vec<ConsumerRecord>)> = Vec::new();
    for record in records {
        let partition = TopicPartition { topic: record.topic.clone(), partition: record.partition };
        match by_partition.iter_mut().find(|(known, _)| *known == partition) {
            Some((_, records)) => records.push(record),
            None => by_partition.push((partition, vec![record])),
        }
    }
    let mut offsets = Offsets::new();
    let mut summaries = Vec::new();
    for (partition, mut records) in by_partition {
        records.truncate(options.max_messages.map_or(usize::MAX, |max| max.saturating_sub(*consumed)));
        let (Some(first), Some(last)) = (records.first(), records.last()) else { continue };
        summaries.push(json!({
            "topic": &*partition.topic,
            "partition": partition.partition,
            "count": records.len(),
            "minOffset": first.offset,
            "maxOffset": last.offset,
        }));
        offsets.insert(partition, last.offset.saturating_add(1));
        if options.verbose {
            records.iter().for_each(|record| print(io, now_ms, "record_data", record_data(record)));
        }
        *consumed += records.len();
    }
    print(io, now_ms, "records_consumed", json!({"count": count, "partitions": summaries}));
    offsets
}

fn print_commit(offsets: &Offsets, result: ottla_client::Result<()>, now_ms: i64, io: &mut Io) {
    let committed: Value = offsets
        .iter()
        .map(|(tp, offset)| json!({"topic": &*tp.topic, "partition": tp.partition, "offset": offset}))
        .collect();
    let more = match result {
        Ok(()) => json!({"offsets": committed, "success": true}),
        Err(why) => json!({"offsets": committed, "error": why.to_string(), "success": false}),
    };
    print(io, now_ms, "offsets_committed", more);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::records::TimestampType;

    #[derive(Default)]
    struct FakeMember {
        batches: Vec<Vec<ConsumerRecord>>,
        events: Vec<GroupEvent>,
    }

    impl Source for FakeMember {
        async fn poll(&mut self, _: Duration) -> ottla_client::Result<Vec<ConsumerRecord>> {
            Ok(if self.batches.is_empty() { Vec::new() } else { self.batches.remove(0) })
        }
    }

    impl Committer for FakeMember {
        fn take_events(&mut self) -> Vec<GroupEvent> {
            std::mem::take(&mut self.events)
        }

        async fn commit(&mut self, offsets: &Offsets) -> ottla_client::Result<()> {
            match offsets.values().any(|offset| *offset == 8) {
                true => Err(Error::Timeout("late".to_owned())),
                false => Ok(()),
            }
        }

        async fn close(&mut self) -> ottla_client::Result<()> {
            self.events.push(GroupEvent::Revoked(Vec::new()));
            Ok(())
        }
    }

    fn record(partition: i32, offset: i64) -> ConsumerRecord {
        ConsumerRecord {
            topic: "t".into(),
            partition,
            offset,
            timestamp_ms: 0,
            timestamp_type: TimestampType::CreateTime,
            leader_epoch: None,
            delivery_count: None,
            key: None,
            value: Some("v".into()),
            headers: Vec::new(),
        }
    }

    #[test]
    fn events_are_lines() {
        let (mut io, captured) = Io::captured("");
        let line = "--topic t --bootstrap-server a:1 --group-id g --max-messages 3 --verbose";
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let options = VerifiableOptions::read(&TOOL, &mut io, &arguments).expect("options");
        assert_eq!(options.client.get("group.protocol").map(String::as_str), Some("CLASSIC"));
        let partition = TopicPartition { topic: "t".into(), partition: 0 };
        let mut member = FakeMember {
            batches: vec![vec![record(0, 4)], Vec::new(), vec![record(0, 5), record(1, 7), record(1, 8)]],
            events: vec![GroupEvent::Assigned(vec![partition])],
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(consume(&mut member, &options, || 5, std::future::pending(), &mut io));
        io.flush();
        assert_eq!(
            captured.out(),
            r#"{"timestamp":5,"name":"startup_complete"}
{"timestamp":5,"name":"partitions_assigned","partitions":[{"topic":"t","partition":0}]}
{"timestamp":5,"name":"record_data","key":null,"value":"v","topic":"t","partition":0,"offset":4}
{"timestamp":5,"name":"records_consumed","count":1,"partitions":[{"topic":"t","partition":0,"count":1,"minOffset":4,"maxOffset":4}]}
{"timestamp":5,"name":"offsets_committed","offsets":[{"topic":"t","partition":0,"offset":5}],"success":true}
{"timestamp":5,"name":"record_data","key":null,"value":"v","topic":"t","partition":0,"offset":5}
{"timestamp":5,"name":"record_data","key":null,"value":"v","topic":"t","partition":1,"offset":7}
{"timestamp":5,"name":"records_consumed","count":3,"partitions":[{"topic":"t","partition":0,"count":1,"minOffset":5,"maxOffset":5},{"topic":"t","partition":1,"count":1,"minOffset":7,"maxOffset":7}]}
{"timestamp":5,"name":"offsets_committed","offsets":[{"topic":"t","partition":0,"offset":6},{"topic":"t","partition":1,"offset":8}],"error":"late","success":false}
{"timestamp":5,"name":"partitions_revoked","partitions":[]}
{"timestamp":5,"name":"shutdown_complete"}
"#
        );
    }
}

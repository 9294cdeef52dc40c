//! `ottla console-share-consumer`: records of a share group are shown and acknowledged (Kafka:
//! `ConsoleShareConsumer`).

use std::time::Duration;

use ottla_client::Error;
use ottla_client::config::Properties;
use ottla_client::record::ConsumerRecord;

use super::arguments::{parse_or_usage, properties};
use super::consumer::{Records, cause, is_gone};
use super::consumer_options::{SHARE_OPTIONS, client_sources, formatter, group};
use super::formatter::Formatter;
use super::log_line::log_error;
use super::sink::{Acknowledge, ShareSource};
use crate::tool::{Group, Syntax, Tool};
use crate::{Failure, Io, errln};

/// Java's class, by which its log names itself.
pub const CLASS: &str = "org.apache.kafka.tools.consumer.ConsoleShareConsumer";
const GROUP: &str = "console-share-consumer";

/// The tool.
pub static TOOL: Tool = Tool {
    name: "console-share-consumer",
    script: "kafka-console-share-consumer",
    group: Group::Records,
    about: "This tool reads records of a topic by a share group and shows them.",
    examples: "ottla console-share-consumer --bootstrap-server localhost:9092 --topic orders --group workers\n\
               ottla console-share-consumer --bootstrap-server localhost:9092 --topic orders --release",
    syntax: Syntax::Options(&SHARE_OPTIONS),
    run: super::clients_share::run_share_consumer,
};

/// What a command line asks for.
#[derive(Debug)]
pub struct ShareOptions {
    /// Of the client.
    pub client: Properties,
    /// What is consumed.
    pub topic: String,
    /// How many records; none for no end.
    pub max_messages: Option<u64>,
    /// How long to wait for a record; none for no end.
    pub timeout: Option<Duration>,
    /// What becomes of records.
    pub acknowledge: Acknowledge,
    /// Reject what can't be shown.
    pub reject_on_error: bool,
    /// Tell of the end.
    pub systest_events: bool,
    /// How records are shown.
    pub formatter: Formatter,
}

impl ShareOptions {
    /// Reads a command line.
    ///
    /// # Errors
    /// What is wrong with it, with help.
    pub fn read(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<Self, Failure> {
        let args = parse_or_usage(tool, io, arguments)?;
        if !args.has("topic") {
            return Err(args.usage("--topic is a required argument"));
        }
        args.require(&["bootstrap-server"])?;
        if args.has("reject") && args.has("release") {
            return Err(args.usage("At most one of --reject and --release may be specified."));
        }
        let (file, pairs) = client_sources(&args, io, "consumer-config")?;
        let mut client = properties(&args, file, pairs)?;
        let group = group(&args, &client, "consumer-config")?.unwrap_or_else(|| GROUP.to_owned());
        client.insert("group.id".to_owned(), group);
        client.insert("bootstrap.servers".to_owned(), args.text("bootstrap-server")?.to_owned());
        client.entry("client.id".to_owned()).or_insert_with(|| GROUP.to_owned());
        client.insert("share.acknowledgement.mode".to_owned(), "explicit".to_owned());
        Ok(Self {
            client,
            topic: args.text("topic")?.to_owned(),
            max_messages: args.number::<i32>("max-messages")?.and_then(|max| match max {
                -1 => None,
                max => Some(u64::try_from(max).unwrap_or(0)),
            }),
            timeout: args
                .number::<i32>("timeout-ms")?
                .and_then(|ms| u64::try_from(ms).ok())
                .map(Duration::from_millis),
            acknowledge: match (args.has("reject"), args.has("release")) {
                (true, _) => Acknowledge::Reject,
                (_, true) => Acknowledge::Release,
                _ => Acknowledge::Accept,
            },
            reject_on_error: args.has("reject-message-on-error"),
            systest_events: args.has("enable-systest-events"),
            formatter: formatter(&args, io)?,
        })
    }
}

/// Shows and acknowledges records until there are enough, none comes, nobody reads, or `stop` ends.
///
/// # Errors
/// When a record can't be shown or acknowledged.
pub async fn consume<S: ShareSource>(
    records: &mut Records<S>,
    options: &ShareOptions,
    stop: impl Future<Output = ()>,
    io: &mut Io,
) -> Result<(), Failure> {
    let mut stop = std::pin::pin!(stop);
    let mut count = 0;
    let mut shown = Vec::new();
    let result = loop {
        if options.max_messages.is_some_and(|max| count >= max) {
            break Ok(());
        }
        let next = tokio::select! {
            biased;
            () = &mut stop => break Ok(()),
            next = records.next() => next,
        };
        let record = match next {
            Ok(record) => record,
            Err(Error::Wakeup) => break Ok(()),
            Err(why) => {
                log_error(io, CLASS, "Error processing message, terminating consumer process: ", &cause(why));
                break Ok(());
            }
        };
        count += 1;
        // The tool builds a record of its own for the formatter, without it.
        let record = ConsumerRecord { leader_epoch: None, ..record };
        shown.clear();
        let written = options.formatter.write(&record, &mut shown);
        io.write(&shown);
        let acknowledged = match written {
            Ok(()) => records.source().acknowledge(&record, options.acknowledge).map_err(cause),
            Err(why) => Err(why),
        };
        if let Err(why) = acknowledged {
            if !options.reject_on_error {
                log_error(io, CLASS, "Unknown error when running consumer: ", &why);
                break Err(Failure::Exit(1));
            }
            log_error(io, CLASS, "Error processing message, rejecting this message: ", &why);
            if let Err(why) = records.source().acknowledge(&record, Acknowledge::Reject) {
                log_error(io, CLASS, "Unknown error when running consumer: ", &cause(why));
                break Err(Failure::Exit(1));
            }
        }
        if is_gone(records, io) {
            break Ok(());
        }
    };
    errln!(io, "Processed a total of {count} messages");
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sink::Source;
    use ottla_protocol::records::TimestampType;

    #[derive(Default)]
    struct FakeSource {
        batches: Vec<Vec<ConsumerRecord>>,
        acknowledged: Vec<(i64, Acknowledge)>,
    }

    impl Source for FakeSource {
        async fn poll(&mut self, _: Duration) -> ottla_client::Result<Vec<ConsumerRecord>> {
            Ok(self.batches.pop().unwrap_or_default())
        }
    }

    impl ShareSource for FakeSource {
        fn acknowledge(&mut self, record: &ConsumerRecord, kind: Acknowledge) -> ottla_client::Result<()> {
            self.acknowledged.push((record.offset, kind));
            Ok(())
        }
    }

    fn record(offset: i64, value: &'static [u8]) -> ConsumerRecord {
        ConsumerRecord {
            topic: "t".into(),
            partition: 0,
            offset,
            timestamp_ms: 0,
            timestamp_type: TimestampType::CreateTime,
            leader_epoch: None,
            delivery_count: Some(2),
            key: None,
            value: Some(bytes::Bytes::from_static(value)),
            headers: Vec::new(),
        }
    }

    /// What was acknowledged, how it ended, output and errors.
    type Ran = (Vec<(i64, Acknowledge)>, Result<(), Failure>, String, String);

    fn run(more: &str) -> Ran {
        let (mut io, captured) = Io::captured("");
        let line = format!("--bootstrap-server localhost:9092 --topic t --timeout-ms 0 {more}");
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let options = ShareOptions::read(&TOOL, &mut io, &arguments).expect("options");
        assert_eq!(options.client.get("share.acknowledgement.mode").map(String::as_str), Some("explicit"));
        let batches = vec![vec![record(0, b"12345678"), record(1, b"x"), record(2, b"12345678")]];
        let mut records = Records::new(FakeSource { batches, ..Default::default() }, options.timeout);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        let result = runtime.block_on(consume(&mut records, &options, std::future::pending(), &mut io));
        io.flush();
        (records.into_parts().0.acknowledged, result, captured.out(), captured.err())
    }

    #[test]
    fn records_are_acknowledged_as_asked() {
        for (more, kind) in [
            ("", Acknowledge::Accept),
            ("--reject", Acknowledge::Reject),
            ("--release", Acknowledge::Release),
        ] {
            let (acknowledged, result, _, _) = run(&format!("--max-messages 2 {more}"));
            assert!(result.is_ok());
            assert_eq!(acknowledged, [(0, kind), (1, kind)]);
        }
    }

    #[test]
    fn what_cant_be_shown_is_rejected_or_ends_the_tool() {
        let long = "--max-messages 3 --formatter-property value.deserializer=LongDeserializer \
                    --formatter-property print.delivery=true";
        let (acknowledged, result, out, _) = run(&format!("{long} --reject-message-on-error"));
        assert!(result.is_ok() && out.starts_with("Delivery:2\t"), "{out}");
        assert_eq!(
            acknowledged,
            [(0, Acknowledge::Accept), (1, Acknowledge::Reject), (2, Acknowledge::Accept)]
        );
        let (acknowledged, result, _, err) = run(long);
        assert!(matches!(result, Err(Failure::Exit(1))));
        assert_eq!(acknowledged, [(0, Acknowledge::Accept)]);
        assert!(err.ends_with("Processed a total of 2 messages\n"), "{err}");
    }

    #[test]
    fn what_is_wrong_is_answered_with_help() {
        let check = |line: &str, expect: &str| {
            let (mut io, _) = Io::captured("");
            let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let failure = ShareOptions::read(&TOOL, &mut io, &arguments).expect_err("refused");
            assert!(matches!(failure, Failure::Usage { .. }));
            assert_eq!(failure.text(), expect);
        };
        check("--bootstrap-server a:1", "--topic is a required argument");
        check("--topic t", "Missing required argument \"[bootstrap-server]\"");
        let both = "--bootstrap-server a:1 --topic t --reject --release";
        check(both, "At most one of --reject and --release may be specified.");
        let groups = "--bootstrap-server a:1 --topic t --group a --consumer-property group.id=b";
        check(
            groups,
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via \
             '--consumer-config') do not match. Detected group ids: 'a', 'b'",
        );
    }
}

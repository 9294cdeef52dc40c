//! `ottla verifiable-producer`: rising numbers as records (Kafka: `VerifiableProducer`).

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use ottla_client::config::Properties;
use ottla_client::record::ProducerRecord;
use ottla_protocol::Str;
use serde_json::json;

use super::event::print;
use super::{file_properties, parse};
use crate::console::sink::Sink;
use crate::option::{Kind, Opt, opt};
use crate::perf::throttler::Throttler;
use crate::tool::{Command, Group, Syntax, Tool};
use crate::{Failure, Io};

static OPTIONS: [Opt; 10] = [
    opt("topic", "The topic to write to.").value("TOPIC").required(),
    opt("bootstrap-server", "Addresses of the cluster.")
        .value("HOST1:PORT1[,HOST2:PORT2[...]]")
        .exclusive(1, true),
    opt("max-messages", "How many records; -1 for no end.")
        .value("MAX-MESSAGES")
        .kind(Kind::Int)
        .default("-1"),
    opt("throughput", "At most about so many records a second; -1 for no bound.")
        .value("THROUGHPUT")
        .kind(Kind::Int)
        .default("-1"),
    opt("acks", "acks of the producer.")
        .value("ACKS")
        .kind(Kind::Int)
        .default("-1")
        .choices(&["0", "1", "-1"]),
    opt("producer.config", "A file of properties of the producer.")
        .value("CONFIG-FILE")
        .deprecated("command-config"),
    opt("message-create-time", "The time of the first record, in Unix milliseconds; -1 for now.")
        .value("CREATE-TIME")
        .kind(Kind::Long)
        .default("-1"),
    opt("value-prefix", "Stands before each value, with a dot.").value("VALUE-PREFIX").kind(Kind::Int),
    opt("repeating-keys", "Keys are 0 to below this number, again and again.")
        .value("REPEATING-KEYS")
        .kind(Kind::Int),
    opt("command-config", "A file of properties of the producer.").value("CONFIG-FILE"),
];

static COMMAND: Command = Command {
    name: "verifiable-producer",
    about: "Writes rising numbers to a topic and prints a line of JSON for each record.",
    options: &OPTIONS,
    commands: &[],
    metavar: "",
    help_code: 0,
};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "verifiable-producer",
    script: "kafka-verifiable-producer",
    group: Group::Performance,
    about: "Writes rising numbers and tells of each record, for tests.",
    examples: "ottla verifiable-producer --bootstrap-server localhost:9092 --topic t --max-messages 100",
    syntax: Syntax::Commands(&COMMAND),
    run: crate::console::clients::run_verifiable_producer,
};

/// What a command line asks for.
#[derive(Debug)]
pub struct VerifiableOptions {
    topic: Str,
    max_messages: Option<i64>,
    throughput: i32,
    create_time_ms: Option<i64>,
    value_prefix: Option<i32>,
    repeating_keys: Option<i32>,
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
        let file = file_properties(&COMMAND, &args, "producer.config", io)?;
        let mut client = Properties::new();
        client.insert("bootstrap.servers".to_owned(), args.text("bootstrap-server")?.to_owned());
        client.insert("acks".to_owned(), args.text("acks")?.to_owned());
        client.insert("retries".to_owned(), "0".to_owned());
        client.extend(file);
        Ok(Self {
            topic: Str::from(args.text("topic")?),
            max_messages: args.number::<i32>("max-messages")?.map(i64::from).filter(|max| *max >= 0),
            throughput: args.number("throughput")?.unwrap_or(-1),
            create_time_ms: args.number::<i64>("message-create-time")?.filter(|time| *time != -1),
            value_prefix: args.number("value-prefix")?,
            repeating_keys: args.number("repeating-keys")?,
            client,
        })
    }

    fn record(&self, number: i64, create_time_ms: Option<i64>) -> ProducerRecord {
        let value = match self.value_prefix {
            Some(prefix) => format!("{prefix}.{number}"),
            None => number.to_string(),
        };
        let key = self.repeating_keys.map(|keys| match i64::from(keys) {
            keys if keys > 0 => number % keys,
            _ => number,
        });
        ProducerRecord {
            topic: self.topic.clone(),
            key: key.map(|key| Bytes::from(key.to_string())),
            value: Some(Bytes::from(value)),
            timestamp_ms: create_time_ms,
            ..Default::default()
        }
    }
}

struct InFlight<D> {
    delivery: D,
    record: ProducerRecord,
}

/// What was sent, and what of it was acknowledged.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    sent: i64,
    acked: i64,
}

/// Writes the records and prints the events until there are enough or `stop` ends; `now_ms` is the clock.
///
/// # Errors
/// When the producer can't be closed.
pub async fn produce<S: Sink>(
    sink: &mut S,
    options: &VerifiableOptions,
    now_ms: impl Fn() -> i64,
    stop: impl Future<Output = ()>,
    io: &mut Io,
) -> Result<(), Failure> {
    print(io, now_ms(), "startup_complete", json!({}));
    let start_ms = now_ms();
    let mut counts = Counts::default();
    let mut in_flight = VecDeque::new();
    {
        let mut stop = std::pin::pin!(stop);
        let sending = send_all(sink, options, &now_ms, &mut counts, &mut in_flight, io);
        tokio::select! {
            biased;
            () = &mut stop => {}
            () = sending => {}
        }
    }
    let closed = sink.close().await;
    while let Some(mut done) = in_flight.pop_front() {
        let result = (&mut done.delivery).await;
        report(&done.record, result, &mut counts, now_ms(), io);
    }
    print(io, now_ms(), "shutdown_complete", json!({}));
    let stop_ms = now_ms();
    let average = 1000.0 * counts.acked as f64 / (stop_ms - start_ms) as f64;
    let average = match serde_json::Number::from_f64(average) {
        Some(number) => number.into(),
        // As Jackson writes what JSON has no number for.
        None => json!(ottla_config::double_to_string(average)),
    };
    let more = json!({
        "sent": counts.sent,
        "acked": counts.acked,
        "target_throughput": options.throughput,
        "avg_throughput": average,
    });
    print(io, stop_ms, "tool_data", more);
    closed.map_err(Failure::from)
}

async fn send_all<S: Sink>(
    sink: &mut S,
    options: &VerifiableOptions,
    now_ms: &impl Fn() -> i64,
    counts: &mut Counts,
    in_flight: &mut VecDeque<InFlight<S::Delivery>>,
    io: &mut Io,
) {
    let start_ms = now_ms();
    let mut throttler = Throttler::new(f64::from(options.throughput), start_ms);
    let mut create_time_ms = options.create_time_ms;
    for number in 0..options.max_messages.unwrap_or(i64::MAX) {
        let sent_ms = now_ms();
        let record = options.record(number, create_time_ms);
        create_time_ms = create_time_ms.map(|time| time.saturating_add(sent_ms - start_ms));
        counts.sent += 1;
        match sink.send(record.clone()).await {
            Ok(delivery) => in_flight.push_back(InFlight { delivery, record }),
            Err(why) => report(&record, Err(why), counts, now_ms(), io),
        }
        report_finished(in_flight, counts, now_ms(), io);
        if let Some(wait) = throttler.wait(number, sent_ms) {
            tokio::time::sleep(wait).await;
            report_finished(in_flight, counts, now_ms(), io);
        }
    }
}

fn report_finished<D>(in_flight: &mut VecDeque<InFlight<D>>, counts: &mut Counts, now_ms: i64, io: &mut Io)
where
    D: Future<Output = ottla_client::Result<(i32, i64)>> + Unpin,
{
    let mut context = Context::from_waker(Waker::noop());
    while let Some(first) = in_flight.front_mut() {
        let Poll::Ready(result) = Pin::new(&mut first.delivery).poll(&mut context) else { return };
        if let Some(done) = in_flight.pop_front() {
            report(&done.record, result, counts, now_ms, io);
        }
    }
}

fn report(
    record: &ProducerRecord,
    result: ottla_client::Result<(i32, i64)>,
    counts: &mut Counts,
    now_ms: i64,
    io: &mut Io,
) {
    let text =
        |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let (key, value) = (text(&record.key), text(&record.value));
    let topic = &*record.topic;
    match result {
        Ok((partition, offset)) => {
            counts.acked += 1;
            let more =
                json!({"key": key, "value": value, "topic": topic, "partition": partition, "offset": offset});
            print(io, now_ms, "producer_send_success", more);
        }
        Err(why) => {
            let class = format!("class {}", crate::java::exception_of(&why));
            let message = why.to_string();
            let more =
                json!({"key": key, "value": value, "topic": topic, "exception": class, "message": message});
            print(io, now_ms, "producer_send_error", more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_client::Error;

    #[derive(Default)]
    struct FakeSink {
        sent: i64,
    }

    impl Sink for FakeSink {
        type Delivery = std::future::Ready<ottla_client::Result<(i32, i64)>>;

        async fn send(&mut self, _: ProducerRecord) -> ottla_client::Result<Self::Delivery> {
            self.sent += 1;
            Ok(std::future::ready(match self.sent {
                2 => Err(Error::Timeout("late".to_owned())),
                number => Ok((0, number - 1)),
            }))
        }

        async fn flush(&mut self) -> ottla_client::Result<()> {
            Ok(())
        }

        async fn close(&mut self) -> ottla_client::Result<()> {
            Ok(())
        }
    }

    fn run(more: &str) -> String {
        let (mut io, captured) = Io::captured("");
        let line = format!("--topic t --bootstrap-server a:1 {more}");
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let options = VerifiableOptions::read(&TOOL, &mut io, &arguments).expect("options");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        let mut sink = FakeSink::default();
        let producing = produce(&mut sink, &options, || 5, std::future::pending(), &mut io);
        runtime.block_on(producing).expect("produces");
        io.flush();
        captured.out()
    }

    #[test]
    fn each_record_is_a_line() {
        assert_eq!(
            run("--max-messages 3 --repeating-keys 2 --value-prefix 7"),
            r#"{"timestamp":5,"name":"startup_complete"}
{"timestamp":5,"name":"producer_send_success","key":"0","value":"7.0","topic":"t","partition":0,"offset":0}
{"timestamp":5,"name":"producer_send_error","key":"1","value":"7.1","topic":"t","exception":"class org.apache.kafka.common.errors.TimeoutException","message":"late"}
{"timestamp":5,"name":"producer_send_success","key":"0","value":"7.2","topic":"t","partition":0,"offset":2}
{"timestamp":5,"name":"shutdown_complete"}
{"timestamp":5,"name":"tool_data","sent":3,"acked":2,"target_throughput":-1,"avg_throughput":"Infinity"}
"#
        );
    }

    #[test]
    fn the_command_line() {
        let (mut io, _) = Io::captured("");
        let failure = VerifiableOptions::read(&TOOL, &mut io, &[]).expect_err("help");
        assert!(matches!(failure, Failure::Help { code: 0, .. }));
        let options = {
            let line = "--topic t --bootstrap-server a:1 --acks 1";
            let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            VerifiableOptions::read(&TOOL, &mut io, &arguments).expect("options")
        };
        let get = |key: &str| options.client.get(key).map(String::as_str);
        assert_eq!(
            (get("acks"), get("retries"), get("bootstrap.servers")),
            (Some("1"), Some("0"), Some("a:1"))
        );
    }
}

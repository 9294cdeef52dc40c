use super::*;
use bytes::Bytes;
use ottla_client::config::Properties;
use ottla_protocol::records::TimestampType;

struct FakeSource(Vec<ottla_client::Result<Vec<ConsumerRecord>>>);

impl Source for FakeSource {
    async fn poll(&mut self, _: Duration) -> ottla_client::Result<Vec<ConsumerRecord>> {
        if self.0.is_empty() { Ok(Vec::new()) } else { self.0.remove(0) }
    }
}

fn record(value: &'static str) -> ConsumerRecord {
    ConsumerRecord {
        topic: "t".into(),
        partition: 0,
        offset: 0,
        timestamp_ms: 0,
        timestamp_type: TimestampType::CreateTime,
        leader_epoch: Some(4),
        delivery_count: None,
        key: None,
        value: Some(Bytes::from_static(value.as_bytes())),
        headers: Vec::new(),
    }
}

fn run(
    batches: Vec<ottla_client::Result<Vec<ConsumerRecord>>>,
    max_messages: Option<u64>,
    skip_on_error: bool,
    properties: &[(&str, &str)],
) -> (Result<(), Failure>, String, String) {
    let properties: Properties = properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let formatter = Formatter::of_class("DefaultMessageFormatter", &properties).expect("formatter");
    let (mut io, captured) = Io::captured("");
    let bounds = Bounds { max_messages, skip_on_error };
    let mut records = Records::new(FakeSource(batches), Some(Duration::ZERO));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    let stop = std::future::pending();
    let result = runtime.block_on(consume(&mut records, &formatter, bounds, stop, &mut io));
    io.flush();
    (result, captured.out(), captured.err())
}

#[test]
fn no_more_than_asked_for() {
    let batches = vec![Ok(vec![record("a"), record("b")]), Ok(vec![record("c"), record("d")])];
    let (result, out, err) = run(batches, Some(3), false, &[("print.epoch", "true")]);
    assert!(result.is_ok());
    assert_eq!(out, "Epoch:NOT_PRESENT\ta\nEpoch:NOT_PRESENT\tb\nEpoch:NOT_PRESENT\tc\n");
    assert_eq!(err, "Processed a total of 3 messages\n");
}

#[test]
fn no_record_for_the_time_is_a_good_end() {
    let (result, out, err) = run(vec![Ok(vec![record("a")])], None, false, &[]);
    assert!(result.is_ok());
    assert_eq!(out, "a\n");
    assert!(err.ends_with(
        "ERROR Error processing message, terminating consumer process:  \
         (org.apache.kafka.tools.consumer.ConsoleConsumer)\n\
         org.apache.kafka.common.errors.TimeoutException\nProcessed a total of 1 messages\n"
    ));
}

#[test]
fn a_wakeup_ends_quietly() {
    let (result, _, err) = run(vec![Err(Error::Wakeup)], None, false, &[]);
    assert!(result.is_ok());
    assert_eq!(err, "Processed a total of 0 messages\n");
}

#[test]
fn what_cant_be_shown_ends_the_tool_or_is_left_out() {
    let long = [("value.deserializer", "LongDeserializer")];
    let batch = || vec![Ok(vec![record("a"), record("01234567")])];
    let (result, out, err) = run(batch(), Some(2), false, &long);
    assert!(matches!(result, Err(Failure::Exit(1))));
    assert!(
        out.is_empty() && err.contains("SerializationException: Size of data received by LongDeserializer")
    );
    let (result, out, err) = run(batch(), Some(2), true, &long);
    assert!(result.is_ok() && err.contains("skipping this message"));
    assert_eq!(out, "3472611983179986487\n");
}

use super::*;
use ottla_protocol::records::TimestampType;

fn read(line: &str) -> (Result<LatencyOptions, Failure>, String) {
    let (mut io, captured) = Io::captured("");
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let result = LatencyOptions::read(&TOOL, &mut io, &arguments);
    io.flush();
    (result, captured.out())
}

const BASE: &str =
    "--bootstrap-server localhost:9092 --topic test --num-records 100 --producer-acks 1 --record-size 200";

#[test]
fn both_forms_of_the_command_line() {
    let named = read(BASE).0.expect("options");
    let (positional, out) = read("localhost:9092 test 100 1 200");
    assert_eq!(positional.expect("options"), named);
    assert!(out.starts_with("WARNING: Positional argument usage is deprecated"));
    let with_file = read("localhost:9092 test 100 all 200 a.properties").0.expect("options");
    assert_eq!((with_file.config.as_deref(), with_file.acks.as_str()), (Some("a.properties"), "all"));
}

/// The cases of Kafka's `EndToEndLatencyTest`.
#[test]
fn what_is_wrong() {
    let check = |line: &str, expect: &str| {
        let text = read(line).0.expect_err("refused").text().to_owned();
        assert!(text.starts_with(expect), "{line}: {text}");
    };
    check("a b", "Invalid number of arguments. Expected 5 or 6 positional arguments, but got 2.");
    check(&BASE.replace("acks 1", "acks 0"), "Invalid value for --producer-acks.");
    check(&BASE.replace("records 100", "records 0"), "Value for --num-records must be a positive integer.");
    check(&BASE.replace("size 200", "size=-1"), "Value for --record-size must be a non-negative integer.");
    let sized = |option: &str| format!("{BASE} --{option}");
    check(&sized("record-key-size=-1"), "Value for --record-key-size must be a non-negative integer.");
    check(&sized("num-headers=-1"), "Value for --num-headers must be a non-negative integer.");
    check(
        &sized("record-header-size=-2"),
        "Value for --record-header-size must be a non-negative integer or -1",
    );
    check("--topic t", "Missing required argument \"[bootstrap-server]\"");
    let null = read(&sized("record-header-size=-1")).0.expect("options");
    assert_eq!(null.header_value_size, None);
}

fn consumed(sent: &ProducerRecord) -> ConsumerRecord {
    ConsumerRecord {
        topic: sent.topic.clone(),
        partition: 0,
        offset: 0,
        timestamp_ms: 0,
        timestamp_type: TimestampType::CreateTime,
        leader_epoch: None,
        delivery_count: None,
        key: sent.key.clone(),
        value: sent.value.clone(),
        headers: sent.headers.clone(),
    }
}

#[test]
fn records_must_come_back_as_they_were_sent() {
    let more = format!(
        "{BASE} --record-key-size 3 --num-headers 2 --record-header-key-size 2 --record-header-size 1"
    );
    let options = read(&more).0.expect("options");
    let sent = record(&options, &mut SplittableRandom::new(0));
    assert_eq!((sent.key.as_ref().map(Bytes::len), sent.headers.len()), (Some(3), 2));
    let same = consumed(&sent);
    assert_eq!(check(&sent, std::slice::from_ref(&same)), Ok(()));
    let wrong = |found: &[ConsumerRecord], expect: &str| {
        let why = check(&sent, found).expect_err("refused");
        assert!(why.starts_with(expect), "{why}");
    };
    wrong(&[], "poll() timed out before finding a result (timeout:[60000ms])");
    wrong(&[same.clone(), same.clone()], "Only one result was expected during this test. We found [2]");
    let value = ConsumerRecord { value: Some("x".into()), ..same.clone() };
    wrong(&[value], "The message value read [x] did not match the message value sent [");
    wrong(&[ConsumerRecord { key: None, ..same.clone() }], "Expected message key but received null");
    let key = ConsumerRecord { key: Some("x".into()), ..same.clone() };
    wrong(&[key], "The message key read [x] did not match");
    wrong(
        &[ConsumerRecord { headers: Vec::new(), ..same.clone() }],
        "Expected message headers but received none",
    );
    let mut fewer = same;
    fewer.headers.pop();
    wrong(&[fewer], "Header count mismatch between sent and received messages");
}

/// What is sent is what is consumed.
#[derive(Clone, Default)]
struct Echo(std::rc::Rc<std::cell::RefCell<Vec<ConsumerRecord>>>);

impl Sink for Echo {
    type Delivery = std::future::Ready<ottla_client::Result<(i32, i64)>>;

    async fn send(&mut self, record: ProducerRecord) -> ottla_client::Result<Self::Delivery> {
        self.0.borrow_mut().push(consumed(&record));
        Ok(std::future::ready(Ok((0, 0))))
    }

    async fn flush(&mut self) -> ottla_client::Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> ottla_client::Result<()> {
        Ok(())
    }
}

impl Source for Echo {
    async fn poll(&mut self, _: Duration) -> ottla_client::Result<Vec<ConsumerRecord>> {
        Ok(self.0.borrow_mut().drain(..).collect())
    }
}

#[test]
fn latencies_are_printed() {
    let options = read(&BASE.replace("100", "3")).0.expect("options");
    let (mut io, captured) = Io::captured("");
    let mut echo = Echo::default();
    let mut source = echo.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    runtime.block_on(measure(&mut echo, &mut source, &options, &mut io)).expect("measures");
    io.flush();
    let out = captured.out();
    let lines: Vec<&str> = out.lines().collect();
    assert!(
        lines[0].starts_with("0\t") && lines[1].starts_with("Avg latency: ") && lines[1].ends_with(" ms")
    );
    assert!(lines[2].starts_with("Percentiles: 50th = ") && lines.len() == 3, "{out}");
}

use super::*;
use ottla_client::Error;

#[derive(Default)]
struct FakeSink {
    sent: Vec<String>,
    refuse: Option<Error>,
    closed: bool,
}

impl Sink for FakeSink {
    type Delivery = std::future::Ready<ottla_client::Result<(i32, i64)>>;

    async fn send(&mut self, record: ProducerRecord) -> ottla_client::Result<Self::Delivery> {
        let value = record.value.unwrap_or_default();
        self.sent.push(String::from_utf8_lossy(&value).into_owned());
        Ok(std::future::ready(match &self.refuse {
            Some(why) => Err(why.clone()),
            None => Ok((0, 0)),
        }))
    }

    async fn flush(&mut self) -> ottla_client::Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> ottla_client::Result<()> {
        self.closed = true;
        Ok(())
    }
}

fn options(line: &str) -> (Result<ProducerOptions, Failure>, String) {
    let (mut io, captured) = Io::captured("");
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let result = ProducerOptions::read(&TOOL, &mut io, &arguments);
    io.flush();
    (result, captured.out())
}

fn client(line: &str, key: &str) -> Option<String> {
    options(line).0.expect("options").client.get(key).cloned()
}

const BASE: &str = "--bootstrap-server localhost:1001,localhost:1002 --topic t3";

/// The cases of Kafka's `ConsoleProducerTest`.
#[test]
fn properties_of_the_client() {
    let with = |more: &str| format!("{BASE} {more}");
    assert_eq!(client(BASE, "bootstrap.servers").as_deref(), Some("localhost:1001,localhost:1002"));
    assert_eq!(client(BASE, "client.id").as_deref(), Some("console-producer"));
    assert_eq!(client(BASE, "linger.ms").as_deref(), Some("1000"));
    assert_eq!(client(BASE, "batch.size").as_deref(), Some("16384"));
    assert_eq!(client(BASE, "compression.type").as_deref(), Some("none"));
    assert_eq!(client(&with("--compression-codec"), "compression.type").as_deref(), Some("gzip"));
    assert_eq!(client(&with("--compression-codec zstd"), "compression.type").as_deref(), Some("zstd"));
    assert_eq!(client(&with("--command-property client.id=x"), "client.id").as_deref(), Some("x"));
    assert_eq!(client(&with("--command-property linger.ms=5"), "linger.ms").as_deref(), Some("5"));
    let both = with("--command-property linger.ms=5 --timeout 7");
    assert_eq!(client(&both, "linger.ms").as_deref(), Some("7"));
    assert_eq!(client(&with("--batch-size 123"), "batch.size").as_deref(), Some("123"));
    let partition = with("--batch-size 123 --max-partition-memory-bytes 456");
    assert_eq!(client(&partition, "batch.size").as_deref(), Some("456"));
    let old = "--broker-list localhost:1 --topic t";
    assert_eq!(client(old, "bootstrap.servers").as_deref(), Some("localhost:1"));
}

#[test]
fn a_number_that_is_none_is_refused_without_a_class() {
    let arguments = ["--bootstrap-server", "localhost:1", "--topic", "t", "--batch-size", "many"];
    let (code, _, err) = crate::run_captured("console-producer", &arguments, "").expect("a tool");
    assert_eq!((code, err.as_str()), (1, "Cannot parse argument 'many' of option batch-size\n"));
}

#[test]
fn older_spellings_warn() {
    let (result, out) = options(&format!("{BASE} --property parse.key=true --producer-property acks=1"));
    let options = result.expect("options");
    assert_eq!(options.reader.get("parse.key").map(String::as_str), Some("true"));
    assert_eq!(options.reader.get("topic").map(String::as_str), Some("t3"));
    assert_eq!(options.client.get("acks").map(String::as_str), Some("1"));
    assert_eq!(
        out,
        "Warning: --producer-property is deprecated and will be removed in a future version. Use \
         --command-property instead.\nWarning: --property is deprecated and will be removed in a future version. \
         Use --reader-property instead.\n"
    );
}

#[test]
fn what_is_wrong_is_answered_with_help() {
    let check = |line: &str, expect: &str| {
        let failure = options(line).0.expect_err("refused");
        assert!(matches!(failure, Failure::Usage { .. }), "{failure:?}");
        assert_eq!(failure.text(), expect);
    };
    check("--bootstrap-server localhost:1", "Missing required argument \"[topic]\"");
    check("--topic t", "Error while validating the bootstrap address\n");
    check(
        "--topic t --bootstrap-server localhost",
        "Please provide valid host:port like host1:9091,host2:9092\n",
    );
    check("--topic t --nonsense", "nonsense is not a recognized option");
    let both = format!("{BASE} --command-config a --producer.config b");
    check(&both, "Options --command-config and --producer.config cannot be specified together.");
}

fn run(input: &str, refuse: Option<Error>, sync: bool) -> (FakeSink, Result<(), Failure>, String) {
    let (mut io, captured) = Io::captured(input);
    let mut sink = FakeSink { refuse, ..Default::default() };
    let properties = [("topic".to_owned(), "t".to_owned())].into();
    let mut reader = LineReader::new(&properties).expect("reader");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    let result = runtime.block_on(async {
        let mut lines = Lines::of(&mut io);
        produce(&mut sink, &mut reader, &mut lines, sync, std::future::pending(), &mut io).await
    });
    io.flush();
    (sink, result, captured.err())
}

#[test]
fn each_line_is_a_record() {
    let (sink, result, err) = run("one\r\ntwo\rthree\n\nfour", None, false);
    assert_eq!(sink.sent, ["one", "two", "three", "", "four"]);
    assert!(sink.closed && result.is_ok() && err.is_empty());
}

#[test]
fn what_does_not_arrive_is_logged_or_with_sync_ends_the_tool() {
    let refuse = Error::Timeout("too late".to_owned());
    let (sink, result, err) = run("a\nb\n", Some(refuse.clone()), false);
    assert!(sink.sent.len() == 2 && result.is_ok());
    let line = "ERROR Error when sending message to topic t with key: null, value: 1 bytes with error: \
                (org.apache.kafka.clients.producer.internals.ErrorLoggingCallback)\n\
                org.apache.kafka.common.errors.TimeoutException: too late\n";
    assert_eq!(err.matches(line).count(), 2, "{err}");
    let (sink, result, _) = run("a\nb\n", Some(refuse), true);
    assert_eq!(sink.sent, ["a"]);
    assert_eq!(result.expect_err("fails").text(), "too late");
}

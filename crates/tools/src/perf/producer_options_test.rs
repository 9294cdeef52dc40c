use super::*;
use crate::perf::producer::TOOL;

fn options(line: &str) -> (Result<PerfOptions, Failure>, String) {
    let (mut io, captured) = Io::captured("");
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let result = PerfOptions::read(&TOOL, &mut io, &arguments, "id");
    io.flush();
    (result, captured.out())
}

const BASE: &str =
    "--topic t --num-records 5 --throughput 100 --record-size 10 --bootstrap-server localhost:9000";

fn fine(more: &str) -> PerfOptions {
    options(&format!("{BASE} {more}")).0.expect("options")
}

/// The cases of Kafka's `ProducerPerformanceTest`.
#[test]
fn transactions_and_their_ids() {
    let check = |more: &str, expect: Option<(&str, i64)>| {
        let found = fine(more);
        let id = found.client.get("transactional.id").map(String::as_str);
        assert_eq!(id.zip(found.transaction_ms), expect, "{more}");
    };
    check("", None);
    check("--transactional-id foobar", Some(("foobar", 3000)));
    check("--transaction-duration-ms 5000", Some(("performance-producer-id", 5000)));
    check("--transactional-id foobar --transaction-duration-ms 5000", Some(("foobar", 5000)));
    check("--command-property transactional.id=in", Some(("in", 3000)));
    check("--command-property transactional.id=in --transactional-id out", Some(("out", 3000)));
}

#[test]
fn properties_and_old_spellings() {
    let found = fine("--command-property a=b c=d");
    let get = |options: &PerfOptions, key: &str| options.client.get(key).cloned().unwrap_or_default();
    assert_eq!((get(&found, "a"), get(&found, "c")), ("b".to_owned(), "d".to_owned()));
    assert_eq!(get(&found, "client.id"), "perf-producer-client");
    assert_eq!(get(&found, "bootstrap.servers"), "localhost:9000");
    assert_eq!((found.warmup_records, found.interval_ms, found.throughput), (0, 5000, 100.0));
    let (result, out) = options(&format!("{BASE} --producer-props a=b"));
    assert!(result.is_ok());
    let text = "Option --producer-props has been deprecated and will be removed in a future version. Use \
                --command-property instead.\n";
    assert_eq!(out, text);
}

#[test]
fn what_is_wrong() {
    let check = |line: &str, expect: &str| {
        let failure = options(line).0.expect_err("refused");
        assert!(failure.text().ends_with(expect), "{line}: {}", failure.text());
    };
    let error = |text: &str| format!("kafka-producer-perf-test: error: {text}\n");
    let with = |text: &str| BASE.replace("--num-records 5", text);
    check(&with("--num-records 0"), &error("--num-records should be greater than zero."));
    check(&with("--num-records -10"), &error("--num-records should be greater than zero."));
    let size = BASE.replace("--record-size 10", "--record-size 0");
    check(&size, &error("--record-size should be greater than zero."));
    let warmup = "The value for --warmup-records must be strictly fewer than the number of records in the test, \
                  --num-records.";
    check(&format!("{BASE} --warmup-records 5"), &error(warmup));
    let duration = format!("{BASE} --transaction-duration-ms 0");
    check(&duration, &error("--transaction-duration-ms should be greater than zero."));
    let interval = format!("{BASE} --reporting-interval 0");
    check(&interval, &error("--reporting-interval should be greater than zero."));
    check(&format!("{BASE} --command-property a"), "Invalid property: a");
    check(&format!("{BASE} --command-property a=b=c"), "Invalid property: a=b=c");
    let none = BASE.replace(" --bootstrap-server localhost:9000", "");
    check(&none, "--producer.config or --command-config must be specified.\n");
    let both = format!("{BASE} --command-property a=b --producer-props a=b");
    check(&both, &error("--command-property and --producer-props cannot be specified together."));
    assert!(matches!(options("").0, Err(Failure::Help { code: 0, .. })));
}

#[test]
fn payloads_of_a_file() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("payloads");
    let line = BASE.replace("--record-size 10", &format!("--payload-file {}", path.display()));
    assert_eq!(options(&line).0.expect_err("refused").text(), "File does not exist or empty file provided.");
    std::fs::write(&path, "one\ntwo\n").expect("write");
    let (result, out) = options(&line);
    assert_eq!(result.expect("options").payload, Payload::List(vec!["one".into(), "two".into()]));
    assert!(out.ends_with("Number of records read: 2\n"), "{out}");
    let monotonic = BASE.replace("--record-size 10", "--payload-monotonic");
    assert_eq!(options(&monotonic).0.expect("options").payload, Payload::Monotonic);
}

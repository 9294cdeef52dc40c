use super::*;
use crate::console::consumer::TOOL;

fn options(line: &str) -> (Result<ConsumerOptions, Failure>, String, String) {
    let (mut io, captured) = Io::captured("");
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let result = ConsumerOptions::read(&TOOL, &mut io, &arguments, 1_234_567);
    io.flush();
    (result, captured.out(), captured.err())
}

const BASE: &str = "--bootstrap-server localhost:9092";

fn fine(more: &str) -> ConsumerOptions {
    options(&format!("{BASE} {more}")).0.expect("options")
}

fn client(more: &str, key: &str) -> String {
    fine(more).client.get(key).cloned().unwrap_or_default()
}

/// The cases of Kafka's `ConsoleConsumerOptionsTest`.
#[test]
fn what_is_consumed() {
    let check = |more: &str, expect: Wanted| assert_eq!(fine(more).wanted, expect, "{more}");
    let partition = |start| Wanted::Partition("test".to_owned(), 0, start);
    check("--topic test --from-beginning", Wanted::Topic("test".to_owned()));
    check("--include t.*", Wanted::Pattern("t.*".to_owned()));
    check("--topic test --partition 0 --offset 3", partition(Start::At(3)));
    check("--topic test --partition 0 --offset LatEst", partition(Start::Latest));
    check("--topic test --partition 0 --offset earliest", partition(Start::Earliest));
    check("--topic test --partition 0", partition(Start::Latest));
    check("--topic test --partition 0 --from-beginning", partition(Start::Earliest));
}

#[test]
fn properties_of_the_client() {
    assert_eq!(client("--topic t", "auto.offset.reset"), "latest");
    assert_eq!(client("--topic t --from-beginning", "auto.offset.reset"), "earliest");
    let reset = "--topic t --from-beginning --command-property auto.offset.reset=earliest";
    assert_eq!(client(reset, "auto.offset.reset"), "earliest");
    assert_eq!(client("--topic t", "group.id"), "console-consumer-34567");
    assert_eq!(client("--topic t", "enable.auto.commit"), "false");
    assert_eq!(client("--topic t --group g", "group.id"), "g");
    assert_eq!(client("--topic t --group g", "enable.auto.commit"), "");
    assert_eq!(client("--topic t --consumer-property group.id=g", "group.id"), "g");
    assert_eq!(client("--topic t --group g --command-property group.id=g", "group.id"), "g");
    assert_eq!(client("--topic t", "client.id"), "console-consumer");
    assert_eq!(client("--topic t --command-property client.id=c", "client.id"), "c");
    assert_eq!(client("--topic t", "isolation.level"), "read_uncommitted");
    assert_eq!(client("--topic t --isolation-level read_committed", "isolation.level"), "read_committed");
}

#[test]
fn what_is_wrong_is_answered_with_help() {
    let check = |more: &str, expect: &str| {
        let failure = options(&format!("{BASE} {more}")).0.expect_err("refused");
        assert!(matches!(failure, Failure::Usage { .. }), "{failure:?}");
        assert_eq!(failure.text(), expect, "{more}");
    };
    check("--include t --topic t", "Exactly one of the following arguments is required: [topic], [include]");
    check("--include t --partition 0", "The topic is required when partition is specified.");
    check("--topic t --offset 1", "The partition is required when offset is specified.");
    let both = "Options from-beginning and offset cannot be specified together.";
    check("--topic t --partition 0 --from-beginning --offset 1", both);
    for wrong in ["test", "-1"] {
        let text = format!(
            "The provided offset value '{wrong}' is incorrect. Valid values are 'earliest', 'latest', or a \
             non-negative long."
        );
        check(&format!("--topic t --partition 0 --offset={wrong}"), &text);
    }
    check("--topic t --group a --partition 0", "Options group and partition cannot be specified together.");
    let ids = "The group ids provided in different places (directly using '--group', via '--consumer-property', \
               or via '--consumer.config') do not match. Detected group ids: 'a', 'b'";
    check("--topic t --group a --consumer-property group.id=b", ids);
    check("--topic t --formatter com.example.Mine", "com.example.Mine");
    let twice = "Options --consumer-property and --command-property cannot be specified together.";
    check("--topic t --consumer-property a=b --command-property a=b", twice);
    assert_eq!(
        options("--topic t").0.expect_err("refused").text(),
        "Missing required argument \"[bootstrap-server]\""
    );
    assert!(
        options("--topic t --zookeeper h:1").0.expect_err("refused").text().contains("--bootstrap-server")
    );
}

#[test]
fn contradictions_about_the_beginning_end_the_tool() {
    let (result, _, err) =
        options(&format!("{BASE} --topic t --from-beginning --command-property auto.offset.reset=latest"));
    assert!(matches!(result, Err(Failure::Exit(1))));
    assert!(err.starts_with("Can't simultaneously specify --from-beginning and 'auto.offset.reset=latest'"));
}

#[test]
fn bounds_and_old_spellings() {
    let bounded = fine("--topic t --max-messages 3 --timeout-ms 500 --skip-message-on-error");
    assert_eq!((bounded.max_messages, bounded.timeout), (Some(3), Some(Duration::from_millis(500))));
    assert!(bounded.skip_on_error);
    assert_eq!(fine("--topic t --timeout-ms -1").timeout, None);
    let (result, out, _) = options(&format!("{BASE} --topic t --property print.key=true"));
    assert!(result.is_ok());
    assert_eq!(
        out,
        "Option --property is deprecated and will be removed in a future version. Use --formatter-property \
         instead.\n"
    );
}

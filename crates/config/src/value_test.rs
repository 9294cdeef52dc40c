use super::*;
use crate::error::ErrorKind;
use crate::key_def::Scope;
use crate::keys::lookup;

fn check(scope: Scope, key: &str, raw: Option<&str>, expect: Result<Value, &str>) {
    let result = parse(lookup(scope, key).unwrap(), raw).map_err(|error| error.message);
    assert_eq!(result, expect.map_err(str::to_owned), "{key} = {raw:?}");
}

fn list(elements: &[&str]) -> Value {
    Value::List(elements.iter().map(|element| element.to_string()).collect())
}

#[test]
fn texts_become_values() {
    check(Scope::Broker, "num.partitions", Some(" 3 "), Ok(Value::Int(3)));
    check(Scope::Broker, "num.partitions", None, Ok(Value::Int(1)));
    check(Scope::Broker, "log.retention.ms", None, Ok(Value::Null));
    check(Scope::Broker, "delete.topic.enable", Some("TRUE"), Ok(Value::Boolean(true)));
    check(Scope::Broker, "offsets.topic.replication.factor", Some("2"), Ok(Value::Short(2)));
    check(Scope::Topic, "cleanup.policy", Some("compact , delete,compact"), Ok(list(&["compact", "delete"])));
    check(Scope::Topic, "cleanup.policy", Some(""), Ok(list(&[])));
    check(Scope::Topic, "min.cleanable.dirty.ratio", Some("0.25"), Ok(Value::Double(0.25)));
}

#[test]
fn other_texts_are_refused_with_kafkas_words() {
    check(
        Scope::Broker,
        "num.partitions",
        Some("abc"),
        Err("Invalid value abc for configuration num.partitions: Not a number of type INT"),
    );
    check(
        Scope::Broker,
        "num.partitions",
        Some("0"),
        Err("Invalid value 0 for configuration num.partitions: Value must be at least 1"),
    );
    check(
        Scope::Topic,
        "compression.type",
        Some("brotli"),
        Err("Invalid value brotli for configuration compression.type: String must be one of: uncompressed, \
             zstd, lz4, snappy, gzip, producer"),
    );
    check(
        Scope::Topic,
        "cleanup.policy",
        Some("delete,"),
        Err("Configuration 'cleanup.policy' values must not be empty."),
    );
    check(
        Scope::Broker,
        "log.dirs",
        Some(""),
        Err("Configuration 'log.dirs' must not be empty. Valid values include: any non-empty value"),
    );
    check(
        Scope::Broker,
        "node.id",
        None,
        Err("Missing required configuration \"node.id\" which has no default value."),
    );
}

#[test]
fn errors_say_what_is_allowed_and_give_a_hint() {
    let error = parse(lookup(Scope::Broker, "num.partitions").unwrap(), Some("abc")).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    assert_eq!(
        error.explain(),
        "num.partitions = abc\n  Invalid value abc for configuration num.partitions: Not a number of type \
         INT\n  allowed: a whole number (32 bits), at least 1\n  hint: How many partitions a topic gets \
         when its creator names no number. Default: 1."
    );
}

#[test]
fn secrets_stay_secret() {
    let def = lookup(Scope::Broker, "ssl.key.password").unwrap();
    let value = parse(def, Some("hunter2")).unwrap();
    assert_eq!(format!("{value} {value:?}"), "[hidden] Password([hidden])");
    assert_eq!(value.to_config_string().as_deref(), Some("[hidden]"));
    assert!(matches!(value, Value::Password(password) if password.expose() == "hunter2"));
}

#[test]
fn duplicates_are_noticed() {
    let def = lookup(Scope::Broker, "log.dirs").unwrap();
    assert!(has_removed_duplicates(def, "/a,/b,/a"));
    assert!(!has_removed_duplicates(def, "/a,/b"));
}

//! The lines: a time, a name, and what belongs to it.

use ottla_client::record::ConsumerRecord;
use serde_json::{Map, Value, json};

use crate::{Io, outln};

/// Prints an event; `more` is an object, and what is in it follows.
pub fn print(io: &mut Io, now_ms: i64, name: &str, more: Value) {
    let mut event = Map::new();
    event.insert("timestamp".to_owned(), now_ms.into());
    event.insert("name".to_owned(), name.into());
    if let Value::Object(more) = more {
        event.extend(more);
    }
    outln!(io, "{}", Value::Object(event));
    // Whoever checks reads line by line.
    io.flush();
}

/// A consumed record.
pub fn record_data(record: &ConsumerRecord) -> Value {
    let text = |bytes: &Option<bytes::Bytes>| {
        bytes.as_ref().map_or(Value::Null, |bytes| String::from_utf8_lossy(bytes).into())
    };
    json!({
        "key": text(&record.key),
        "value": text(&record.value),
        "topic": &*record.topic,
        "partition": record.partition,
        "offset": record.offset,
    })
}

//! The schema at run time: any message as JSON, for dump tools and error reports.
//!
//! Independent of the generated code: it walks the bytes by the schema's text.

mod json;
mod parse;

use std::collections::HashMap;
use std::sync::LazyLock;

pub use json::{JsonError, read_json, to_json};
pub use parse::{FieldSpec, MessageSpec, StructSpec, Versions, parse};

const TEXTS: [&str; 4] = [
    include_str!("../../schema/requests.txt"),
    include_str!("../../schema/headers-and-records.txt"),
    include_str!("../../schema/metadata.txt"),
    include_str!("../../schema/coordinators.txt"),
];

static MESSAGES: LazyLock<HashMap<String, MessageSpec>> = LazyLock::new(|| {
    TEXTS
        .iter()
        .flat_map(|text| parse(text).unwrap_or_default())
        .map(|message| (message.name.clone(), message))
        .collect()
});

/// The schema of a message by Kafka's name, such as `FetchRequest`.
pub fn message(name: &str) -> Option<&'static MessageSpec> {
    MESSAGES.get(name)
}

/// Every message, in no order.
pub fn messages() -> impl Iterator<Item = &'static MessageSpec> {
    MESSAGES.values()
}

/// The key or value (`kind`: `coordinator-key`, `coordinator-value`) or metadata record (`metadata`) of a
/// record type, of those that `topic_has` names.
pub fn record(kind: &str, key: i16, topic_has: impl Fn(&str) -> bool) -> Option<&'static MessageSpec> {
    messages().find(|m| m.kind == kind && m.key == Some(key) && topic_has(&m.name))
}

/// The request or response of an API key.
pub fn api(key: i16, kind: &str) -> Option<&'static MessageSpec> {
    messages().find(|m| m.kind == kind && m.key == Some(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_file_parses() {
        let count: usize = TEXTS.iter().map(|t| parse(t).expect("schema").len()).sum();
        assert_eq!(count, MESSAGES.len(), "names are unique");
        assert_eq!(messages().filter(|m| m.kind == "request").count(), 89);
        assert_eq!(messages().filter(|m| m.kind == "metadata").count(), 26);
    }

    #[test]
    fn marks_are_understood() {
        let fetch = message("FetchRequest").expect("Fetch");
        assert_eq!((fetch.versions.low, fetch.versions.high, fetch.flexible), (4, 18, Some(12)));
        let max_bytes = fetch.fields.iter().find(|f| f.name == "max_bytes").expect("max_bytes");
        assert_eq!(max_bytes.default.as_deref(), Some("0x7fffffff"));
        let metadata = message("MetadataRequest").expect("Metadata");
        assert_eq!(metadata.fields[0].nullable, Some(Versions { low: 1, high: 13 }));
    }
}

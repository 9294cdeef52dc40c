//! JSON files that list partitions, with the errors of Kafka's `Json` and `DecodeJson`.

use ottla_protocol::TopicPartition;
use serde_json::Value;

use crate::failure::Failure;

/// `AdminOperationException`.
pub(crate) const OPERATION: &str = "org.apache.kafka.server.common.AdminOperationException";
const MAPPING: &str = "com.fasterxml.jackson.databind.JsonMappingException";

/// The text of a file.
///
/// # Errors
/// In Java's words.
pub(crate) fn read(path: &str) -> Result<String, Failure> {
    let bytes = std::fs::read(path).map_err(|why| match why.kind() {
        std::io::ErrorKind::NotFound => Failure::exception("java.nio.file.NoSuchFileException", path),
        std::io::ErrorKind::PermissionDenied => {
            Failure::exception("java.nio.file.AccessDeniedException", path)
        }
        _ => Failure::exception("java.io.IOException", format!("{path}: {why}")),
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The elements of an array.
pub(crate) fn array(value: &Value) -> Result<&Vec<Value>, Failure> {
    value
        .as_array()
        .ok_or_else(|| Failure::exception(MAPPING, format!("Expected JSON array, received {value}")))
}

/// A field of an object.
pub(crate) fn field<'a>(value: &'a Value, name: &str) -> Result<&'a Value, Failure> {
    let object = value
        .as_object()
        .ok_or_else(|| Failure::exception(MAPPING, format!("Expected JSON object, received {value}")))?;
    object.get(name).ok_or_else(|| Failure::exception(MAPPING, format!("No such field exists: `{name}`")))
}

/// A whole number of 32 bits.
pub(crate) fn int(value: &Value) -> Result<i32, Failure> {
    let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
    number.ok_or_else(|| expected("Integer", value))
}

/// A whole number of 64 bits.
pub(crate) fn long(value: &Value) -> Result<i64, Failure> {
    value.as_i64().ok_or_else(|| expected("Long", value))
}

/// The partition that an object's `topic` and `partition` name.
pub(crate) fn partition(value: &Value) -> Result<TopicPartition, Failure> {
    let topic = field(value, "topic")?;
    let topic = topic.as_str().ok_or_else(|| expected("String", topic))?;
    Ok(TopicPartition::new(topic, int(field(value, "partition")?)?))
}

fn expected(kind: &str, value: &Value) -> Failure {
    Failure::exception(MAPPING, format!("Expected `{kind}` value, received {value}"))
}

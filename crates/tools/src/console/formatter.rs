//! How consumed records are shown (Kafka: `MessageFormatter` and its classes).

use ottla_client::config::Properties;
use ottla_client::record::ConsumerRecord;
use serde_json::{Value, json};

use super::deserializer::Deserializer;
use crate::coordinator_records::{Coordinator, CoordinatorRecordError};
use crate::remote_log_metadata;

/// A formatter, ready for use.
#[derive(Debug)]
pub enum Formatter {
    /// What `print.*` asks for; also `LoggingMessageFormatter`, whose log lines Kafka's own configuration of the
    /// tools hides.
    Default(Box<DefaultFormatter>),
    /// Nothing.
    NoOp,
    /// Records of a coordinator's topic of some types, or all.
    Coordinator(Coordinator, &'static [i16]),
    /// Records of `__remote_log_metadata`.
    RemoteLogMetadata,
}

const OFFSETS: &[i16] = &[0, 1];
const GROUP_METADATA: &[i16] = &[2];
const SHARE_GROUPS: &[i16] = &[10, 11, 12, 13, 14, 15];
const ALL: &[i16] = &[];

impl Formatter {
    /// The formatter of a Java class. Its simple name, and the names it had in older releases, are taken too.
    pub fn of_class(class: &str, properties: &Properties) -> Option<Self> {
        let known = ["org.apache.kafka.", "kafka."].iter().any(|package| class.starts_with(package));
        let simple = class.rsplit(['.', '$']).next().unwrap_or(class);
        if !known && simple != class {
            return None;
        }
        Some(match simple {
            "DefaultMessageFormatter" | "LoggingMessageFormatter" => {
                Self::Default(Box::new(DefaultFormatter::new(properties)))
            }
            "NoOpMessageFormatter" => Self::NoOp,
            "OffsetsMessageFormatter" => Self::Coordinator(Coordinator::Group, OFFSETS),
            "GroupMetadataMessageFormatter" => Self::Coordinator(Coordinator::Group, GROUP_METADATA),
            "ShareGroupMessageFormatter" => Self::Coordinator(Coordinator::Group, SHARE_GROUPS),
            "TransactionLogMessageFormatter" => Self::Coordinator(Coordinator::Transaction, ALL),
            "ShareGroupStateMessageFormatter" => Self::Coordinator(Coordinator::Share, ALL),
            "RemoteLogMetadataFormatter" => Self::RemoteLogMetadata,
            _ => return None,
        })
    }

    /// Appends what is shown of a record.
    ///
    /// # Errors
    /// When it can't be read, in the words of Java's exception with its class. Some of it may be in `out` then,
    /// as in Kafka.
    pub fn write(&self, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::NoOp => Ok(()),
            Self::Default(formatter) => formatter.write(record, out),
            Self::Coordinator(coordinator, types) => write_coordinator(*coordinator, types, record, out),
            Self::RemoteLogMetadata => {
                let value = record.value.clone().unwrap_or_default();
                let text = remote_log_metadata::describe(value)
                    .map_err(|why| format!("java.lang.RuntimeException: {why}"))?;
                let (partition, offset) = (record.partition, record.offset);
                let line = format!("partition: {partition}, offset: {offset}, value: {text}\n");
                out.extend_from_slice(line.as_bytes());
                Ok(())
            }
        }
    }
}

fn write_coordinator(
    coordinator: Coordinator,
    types: &[i16],
    record: &ConsumerRecord,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let Some(key) = &record.key else { return Ok(()) };
    let found = match coordinator.read(key, record.value.as_ref()) {
        Ok(found) => found,
        Err(CoordinatorRecordError::UnknownType(_)) => return Ok(()),
        Err(why) => {
            return Err(format!(
                "java.lang.RuntimeException: Could not read record at offset {} due to: {why}",
                record.offset
            ));
        }
    };
    if !types.is_empty() && !types.contains(&found.record_type) {
        return Ok(());
    }
    let value = match found.value {
        Some((version, data)) => json!({"version": version, "data": data}),
        None => Value::Null,
    };
    let shown = json!({"key": {"type": found.record_type, "data": found.key}, "value": value});
    out.extend_from_slice(shown.to_string().as_bytes());
    Ok(())
}

/// Appends one column.
type Write<'w> = &'w dyn Fn(&mut Vec<u8>) -> Result<(), String>;

/// `DefaultMessageFormatter`.
#[derive(Debug)]
pub struct DefaultFormatter {
    timestamp: bool,
    key: bool,
    value: bool,
    partition: bool,
    offset: bool,
    delivery: bool,
    epoch: bool,
    headers: bool,
    key_separator: Vec<u8>,
    line_separator: Vec<u8>,
    headers_separator: Vec<u8>,
    null_literal: Vec<u8>,
    key_deserializer: Option<Deserializer>,
    value_deserializer: Option<Deserializer>,
    headers_deserializer: Option<Deserializer>,
}

impl DefaultFormatter {
    /// Reads the formatter's properties. A deserializer that there is none of is left out, as in Kafka.
    pub fn new(properties: &Properties) -> Self {
        let flag = |key: &str, default: bool| {
            properties.get(key).map_or(default, |value| value.trim().eq_ignore_ascii_case("true"))
        };
        let text = |key: &str, default: &str| {
            properties.get(key).map_or(default, String::as_str).as_bytes().to_vec()
        };
        let deserializer = |key: &str| properties.get(key).and_then(|class| Deserializer::of_class(class));
        Self {
            timestamp: flag("print.timestamp", false),
            key: flag("print.key", false),
            value: flag("print.value", true),
            partition: flag("print.partition", false),
            offset: flag("print.offset", false),
            delivery: flag("print.delivery", false),
            epoch: flag("print.epoch", false),
            headers: flag("print.headers", false),
            key_separator: text("key.separator", "\t"),
            line_separator: text("line.separator", "\n"),
            headers_separator: text("headers.separator", ","),
            null_literal: text("null.literal", "null"),
            key_deserializer: deserializer("key.deserializer"),
            value_deserializer: deserializer("value.deserializer"),
            headers_deserializer: deserializer("headers.deserializer"),
        }
    }

    /// Deserializers that were named and do not exist.
    pub fn unknown_deserializers(properties: &Properties) -> Vec<&str> {
        ["key.deserializer", "value.deserializer", "headers.deserializer"]
            .iter()
            .filter_map(|key| properties.get(*key))
            .map(String::as_str)
            .filter(|class| Deserializer::of_class(class).is_none())
            .collect()
    }

    fn write(&self, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<(), String> {
        // Which columns there are, in order; each but the last is followed by the separator of columns, and
        // the last by that of lines.
        let columns: [(bool, Write<'_>); 8] = [
            (self.timestamp, &|out| {
                let shown = format!("{}:{}", record.timestamp_type.name(), record.timestamp_ms);
                out.extend_from_slice(shown.as_bytes());
                Ok(())
            }),
            (self.partition, &|out| {
                out.extend_from_slice(format!("Partition:{}", record.partition).as_bytes());
                Ok(())
            }),
            (self.offset, &|out| {
                out.extend_from_slice(format!("Offset:{}", record.offset).as_bytes());
                Ok(())
            }),
            (self.delivery, &|out| {
                let count = record.delivery_count.map_or("NOT_PRESENT".to_owned(), |count| count.to_string());
                out.extend_from_slice(format!("Delivery:{count}").as_bytes());
                Ok(())
            }),
            (self.epoch, &|out| {
                let epoch = record.leader_epoch.map_or("NOT_PRESENT".to_owned(), |epoch| epoch.to_string());
                out.extend_from_slice(format!("Epoch:{epoch}").as_bytes());
                Ok(())
            }),
            (self.headers, &|out| self.write_headers(record, out)),
            (self.key, &|out| self.write_part(self.key_deserializer, record.key.as_deref(), out)),
            (self.value, &|out| self.write_part(self.value_deserializer, record.value.as_deref(), out)),
        ];
        let wanted = columns.iter().filter(|(wanted, _)| *wanted).count();
        for (at, (_, write)) in columns.iter().filter(|(wanted, _)| *wanted).enumerate() {
            write(out)?;
            let is_last = at + 1 == wanted;
            out.extend_from_slice(if is_last { &self.line_separator } else { &self.key_separator });
        }
        Ok(())
    }

    fn write_headers(&self, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<(), String> {
        if record.headers.is_empty() {
            out.extend_from_slice(b"NO_HEADERS");
        }
        for (at, header) in record.headers.iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(&self.headers_separator);
            }
            out.extend_from_slice(header.key.as_bytes());
            out.push(b':');
            self.write_part(self.headers_deserializer, header.value.as_deref(), out)?;
        }
        Ok(())
    }

    /// The literal of null goes through the deserializer too, as in Kafka.
    fn write_part(
        &self,
        deserializer: Option<Deserializer>,
        bytes: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let bytes = bytes.unwrap_or(&self.null_literal);
        match deserializer {
            None => out.extend_from_slice(bytes),
            Some(deserializer) => {
                let shown = deserializer
                    .show(bytes)
                    .map_err(|why| format!("org.apache.kafka.common.errors.SerializationException: {why}"))?;
                out.extend_from_slice(&shown);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "formatter_test.rs"]
mod tests;

//! What the records of a log mean (Kafka: `DumpLogSegments.MessageParser`).

use std::sync::LazyLock;

use bytes::Bytes;
use ottla_protocol::records::Record;
use ottla_protocol::{Reader, constant_name, schema};
use serde_json::json;

use super::failure::DumpFailure;
use crate::coordinator_records::{Coordinator, CoordinatorRecordError, explain_group_metadata};
use crate::remote_log_metadata;

/// Which record type of `__consumer_offsets` holds a classic group (`GroupMetadata`).
const GROUP_METADATA: i16 = 2;

/// How one part of a plain record is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainDecoder {
    /// UTF-8.
    Text,
    /// Four bytes, big-endian.
    Int,
    /// Eight bytes, big-endian.
    Long,
    /// Kafka prints the identity of a Java array; here it is the bytes in hexadecimal.
    Raw,
}

impl PlainDecoder {
    /// The decoder of a Java class of `org.apache.kafka.tools.api`.
    pub fn of_class(class: &str) -> Option<Self> {
        Some(match class.strip_prefix("org.apache.kafka.tools.api.")? {
            "StringDecoder" => Self::Text,
            "IntegerDecoder" => Self::Int,
            "LongDecoder" => Self::Long,
            "DefaultDecoder" => Self::Raw,
            _ => return None,
        })
    }

    fn decode(self, bytes: &[u8]) -> Result<String, DumpFailure> {
        let underflow = || DumpFailure::thrown("java.nio.BufferUnderflowException", "null");
        Ok(match self {
            Self::Text => String::from_utf8_lossy(bytes).into_owned(),
            Self::Int => i32::from_be_bytes(*bytes.first_chunk().ok_or_else(underflow)?).to_string(),
            Self::Long => i64::from_be_bytes(*bytes.first_chunk().ok_or_else(underflow)?).to_string(),
            Self::Raw => bytes.iter().map(|b| format!("{b:02x}")).collect(),
        })
    }
}

/// How records are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoder {
    /// As an application's data.
    Plain {
        /// Of the keys.
        key: PlainDecoder,
        /// Of the values.
        value: PlainDecoder,
    },
    /// As a coordinator's records.
    Coordinator(Coordinator),
    /// As records of `__cluster_metadata`.
    ClusterMetadata,
    /// As records of `__remote_log_metadata`.
    RemoteLogMetadata,
}

/// What is printed of a record: key and payload.
pub type Decoded = (Option<String>, Option<String>);

impl Decoder {
    /// Key and payload of a record.
    ///
    /// # Errors
    /// Where Kafka's tool ends: a coordinator's record without a key, a number that is too short.
    pub fn decode(self, record: &Record) -> Result<Decoded, DumpFailure> {
        match self {
            Decoder::Plain { key, value } => Ok((
                record.key.as_ref().map(|bytes| key.decode(bytes)).transpose()?,
                record.value.as_ref().map(|bytes| value.decode(bytes)).transpose()?,
            )),
            Decoder::Coordinator(coordinator) => coordinator_record(coordinator, record),
            Decoder::ClusterMetadata => {
                let value = record.value.clone().unwrap_or_default();
                let shown = metadata_record(value)
                    .unwrap_or_else(|why| format!("Error at {}, skipping. {why}", record.offset));
                Ok((None, Some(shown)))
            }
            Decoder::RemoteLogMetadata => {
                let value = record.value.clone().unwrap_or_default();
                let shown = remote_log_metadata::describe(value)
                    .unwrap_or_else(|why| format!("Error at offset {}, skipping. {why}", record.offset));
                Ok((None, Some(shown)))
            }
        }
    }
}

fn coordinator_record(coordinator: Coordinator, record: &Record) -> Result<Decoded, DumpFailure> {
    let offset = record.offset;
    let Some(key) = &record.key else {
        return Err(DumpFailure::thrown(
            "java.lang.RuntimeException",
            format!(
                "Failed to decode message at offset {offset} using the specified decoder \
                 (message had a missing key)"
            ),
        ));
    };
    Ok(match coordinator.read(key, record.value.as_ref()) {
        Ok(found) => {
            let key = json!({"type": found.record_type.to_string(), "data": found.key}).to_string();
            let value = found.value.map(|(version, mut data)| {
                if coordinator == Coordinator::Group && found.record_type == GROUP_METADATA {
                    explain_group_metadata(&mut data);
                }
                json!({"version": version.to_string(), "data": data}).to_string()
            });
            (Some(key), Some(value.unwrap_or_else(|| "<DELETE>".to_owned())))
        }
        Err(CoordinatorRecordError::UnknownType(unknown)) => {
            (Some(format!("Unknown record type {unknown} at offset {offset}, skipping.")), None)
        }
        Err(why) => (Some(format!("Error at offset {offset}, skipping. {why}")), None),
    })
}

/// Names of the metadata records by type (`MetadataRecordType`).
static METADATA_TYPES: LazyLock<Vec<(i16, String)>> = LazyLock::new(|| {
    let records = schema::messages().filter(|m| m.kind == "metadata");
    records.filter_map(|m| Some((m.key?, constant_name(&m.name)))).collect()
});

fn metadata_record(value: Bytes) -> Result<String, String> {
    let mut reader = Reader::new(value);
    let mut head = |what: &str| -> Result<i16, String> {
        let number = reader.uvarint().map_err(|_| format!("Error while reading {what}"))?;
        i16::try_from(number).map_err(|_| format!("Value for {what} was too large."))
    };
    let frame = head("frame version")?;
    match frame {
        0 => {
            return Err("Could not deserialize metadata record with frame version 0. Note that upgrades \
                        from the preview release of KRaft in 2.8 to newer versions are not supported."
                .to_owned());
        }
        1 => {}
        other => {
            return Err(format!(
                "Could not deserialize metadata record due to unknown frame version {other}(only frame \
                 version 1 is supported)"
            ));
        }
    }
    let (key, version) = (head("type")?, head("version")?);
    let unknown =
        || format!("org.apache.kafka.common.errors.UnsupportedVersionException: Unknown metadata id {key}");
    let spec = schema::record("metadata", key, |_| true).ok_or_else(unknown)?;
    let data = schema::read_json(spec, version, &mut reader)
        .map_err(|_| format!("Failed to deserialize record with type {key}"))?;
    if reader.remaining() > 0 {
        return Err(format!("Found {} byte(s) of garbage after {key}", reader.remaining()));
    }
    let name = METADATA_TYPES.iter().find(|(id, _)| *id == key).map(|(_, name)| name.as_str());
    Ok(json!({"type": name, "version": version, "data": data}).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: Option<&'static [u8]>, value: &'static [u8]) -> Record {
        let key = key.map(Bytes::from_static);
        Record { offset: 7, key, value: Some(Bytes::from_static(value)), ..Default::default() }
    }

    #[test]
    fn plain_decoders() {
        let decoder = Decoder::Plain { key: PlainDecoder::Int, value: PlainDecoder::Text };
        let check = |key, value, expect: Option<(Option<&str>, Option<&str>)>| {
            let found = decoder.decode(&record(key, value)).ok();
            let expect = expect.map(|(k, v)| (k.map(str::to_owned), v.map(str::to_owned)));
            assert_eq!(found, expect);
        };
        check(Some(&[0, 0, 1, 0]), b"a", Some((Some("256"), Some("a"))));
        check(None, b"\xff", Some((None, Some("\u{fffd}"))));
        check(Some(&[1]), b"a", None);
        assert_eq!(
            PlainDecoder::of_class("org.apache.kafka.tools.api.LongDecoder"),
            Some(PlainDecoder::Long)
        );
        assert_eq!(PlainDecoder::of_class("LongDecoder"), None);
    }

    #[test]
    fn metadata_records_and_what_is_wrong_with_them() {
        let check = |value: &'static [u8], expect: &str| {
            let found = Decoder::ClusterMetadata.decode(&record(None, value)).expect("decodes").1;
            assert_eq!(found.as_deref(), Some(expect));
        };
        check(&[1, 20, 0, 0], r#"{"type":"NO_OP_RECORD","version":0,"data":{}}"#);
        check(&[1, 20, 0, 0, 9], "Error at 7, skipping. Found 1 byte(s) of garbage after 20");
        check(&[1, 20, 5, 0], "Error at 7, skipping. Failed to deserialize record with type 20");
        check(&[], "Error at 7, skipping. Error while reading frame version");
    }

    #[test]
    fn a_coordinators_record_without_a_key_ends_the_dump() {
        let decoder = Decoder::Coordinator(Coordinator::Group);
        let why = decoder.decode(&record(None, b"")).expect_err("fails").to_string();
        assert!(why.ends_with("(message had a missing key)"), "{why}");
        let unknown = decoder.decode(&record(Some(&[0, 77]), b"")).expect("decodes").0;
        assert_eq!(unknown.as_deref(), Some("Unknown record type 77 at offset 7, skipping."));
    }
}

//! A message's bytes as JSON, in the names that Kafka's own dump tools print.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{FieldSpec, MessageSpec};
use crate::{DecodeError, Reader, base64};

/// Why bytes have no JSON form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The schema has no such message.
    #[error("no message is called {0}")]
    UnknownMessage(String),
    /// The bytes are not the message.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// `bytes` as the message `name` in `version`: its fields under Kafka's camel-case names, in the schema's
/// order. UUIDs are text, bytes are base64 with padding, records only their size.
///
/// # Errors
/// When the message is unknown or the bytes are not it.
pub fn to_json(name: &str, version: i16, bytes: Bytes) -> Result<Value, JsonError> {
    let message = super::message(name).ok_or_else(|| JsonError::UnknownMessage(name.to_string()))?;
    let mut reader = Reader::new(bytes);
    let value = read_json(message, version, &mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// As [`to_json`], of any schema; what follows the message is left unread.
///
/// # Errors
/// When the schema has no such version or the bytes are not the message.
pub fn read_json(message: &MessageSpec, version: i16, reader: &mut Reader) -> Result<Value, JsonError> {
    if !message.versions.contains(version) {
        return Err(DecodeError::Version(version).into());
    }
    let walk = Walk { message, version, flexible: message.flexible.is_some_and(|f| version >= f) };
    Ok(walk.fields(&message.fields, reader)?)
}

struct Walk<'a> {
    message: &'a MessageSpec,
    version: i16,
    flexible: bool,
}

impl Walk<'_> {
    fn fields(&self, fields: &[FieldSpec], r: &mut Reader) -> Result<Value, DecodeError> {
        let mut values: Vec<Option<Value>> = Vec::with_capacity(fields.len());
        for field in fields {
            let here = field.versions.contains(self.version) && !self.is_tagged(field);
            values.push(if here { Some(self.field(field, r)?) } else { None });
        }
        if self.flexible {
            for _ in 0..r.tag_count()? {
                let (tag, outer) = r.enter_tag()?;
                let known = |f: &FieldSpec| self.is_tagged(f) && f.tag.is_some_and(|(t, _)| t == tag);
                let found = fields.iter().zip(&mut values).find(|(field, _)| known(field));
                let is_known = found.is_some();
                if let Some((field, value)) = found {
                    *value = Some(self.field(field, r)?);
                }
                r.leave_tag(outer, is_known)?;
            }
        }
        let named = fields.iter().zip(values).filter_map(|(f, value)| Some((camel(&f.name), value?)));
        Ok(Value::Object(named.collect::<Map<_, _>>()))
    }

    fn is_tagged(&self, field: &FieldSpec) -> bool {
        self.flexible && field.tag.is_some_and(|(_, versions)| versions.contains(self.version))
    }

    fn field(&self, field: &FieldSpec, r: &mut Reader) -> Result<Value, DecodeError> {
        let flexible = self.flexible && !field.never_flexible;
        if field.array {
            let items = r.nullable_array(flexible, 1, |r| self.element(field, flexible, r))?;
            return Ok(items.map_or(Value::Null, Value::Array));
        }
        let nullable = field.nullable.is_some_and(|v| v.contains(self.version));
        if nullable && field.is_struct() {
            let value = match self.is_tagged(field) {
                true => r.tagged_nullable_struct(|r| self.element(field, flexible, r))?,
                false => r.nullable_struct(|r| self.element(field, flexible, r))?,
            };
            return Ok(value.unwrap_or(Value::Null));
        }
        self.element(field, flexible, r)
    }

    fn element(&self, field: &FieldSpec, flexible: bool, r: &mut Reader) -> Result<Value, DecodeError> {
        Ok(match field.base.as_str() {
            "bool" => r.bool()?.into(),
            "int8" => r.i8()?.into(),
            "int16" => r.i16()?.into(),
            "uint16" => r.u16()?.into(),
            "int32" => r.i32()?.into(),
            "uint32" => r.u32()?.into(),
            "int64" => r.i64()?.into(),
            "float64" => r.f64()?.into(),
            "uuid" => r.uuid()?.to_string().into(),
            "string" => r.nullable_string(flexible)?.map_or(Value::Null, |s| Value::from(&*s)),
            "bytes" => r.nullable_bytes(flexible)?.map_or(Value::Null, |b| base64::encode(&b).into()),
            "records" => r.nullable_records(flexible)?.map_or(Value::Null, |b| b.len().into()),
            _ => self.fields(self.struct_fields(field), r)?,
        })
    }

    fn struct_fields<'b>(&'b self, field: &'b FieldSpec) -> &'b [FieldSpec] {
        if !field.fields.is_empty() {
            return &field.fields;
        }
        self.message.structs.iter().find(|s| s.name == field.base).map_or(&[], |s| &s.fields)
    }
}

fn camel(snake: &str) -> String {
    let mut words = snake.split('_');
    let mut out = words.next().unwrap_or_default().to_string();
    for word in words {
        let mut chars = word.chars();
        out.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        out.push_str(chars.as_str());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::metadata_request::MetadataRequestTopic;
    use crate::messages::{MetadataRequest, RequestHeader};
    use crate::{Str, encode_message};

    #[test]
    fn prints_the_fields_of_the_version() {
        let request = MetadataRequest {
            topics: Some(vec![MetadataRequestTopic {
                name: Some(Str::from_static("t")),
                ..Default::default()
            }]),
            ..Default::default()
        };
        let bytes = encode_message(&request, 4).expect("encodes");
        let json = to_json("MetadataRequest", 4, bytes).expect("decodes");
        assert_eq!(json.to_string(), r#"{"topics":[{"name":"t"}],"allowAutoTopicCreation":true}"#);
    }

    #[test]
    fn the_client_id_of_a_flexible_header_is_not_compact() {
        let header = RequestHeader { client_id: Some("me".into()), correlation_id: 7, ..Default::default() };
        let bytes = encode_message(&header, 2).expect("encodes");
        let json = to_json("RequestHeader", 2, bytes).expect("decodes");
        assert_eq!(json["clientId"], "me");
    }

    #[test]
    fn tagged_fields_stand_where_the_schema_has_them() {
        let record = crate::messages::TransactionLogValue {
            producer_id: 1,
            client_transaction_version: 2,
            previous_producer_id: 9,
            ..Default::default()
        };
        let bytes = encode_message(&record, 1).expect("encodes");
        let json = to_json("TransactionLogValue", 1, bytes).expect("decodes").to_string();
        assert!(json.starts_with(r#"{"producerId":1,"previousProducerId":9,"producerEpoch":0,"#), "{json}");
        assert!(json.ends_with(r#","clientTransactionVersion":2}"#), "{json}");
    }

    #[test]
    fn a_length_that_lies_is_an_error() {
        let bytes = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff, 0]);
        assert!(to_json("MetadataRequest", 4, bytes).is_err());
    }
}

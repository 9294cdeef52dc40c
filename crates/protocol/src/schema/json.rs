//! A message's bytes as JSON, in the names that Kafka's own dump tools print.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{FieldSpec, MessageSpec};
use crate::{DecodeError, Reader};

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

/// `bytes` as the message `name` in `version`: its fields under Kafka's camel-case names. UUIDs are text,
/// bytes are base64-free hex text, records only their size.
///
/// # Errors
/// When the message is unknown or the bytes are not it.
pub fn to_json(name: &str, version: i16, bytes: Bytes) -> Result<Value, JsonError> {
    let message = super::message(name).ok_or_else(|| JsonError::UnknownMessage(name.to_string()))?;
    if !message.versions.contains(version) {
        return Err(DecodeError::Version(version).into());
    }
    let walk = Walk { message, version, flexible: message.flexible.is_some_and(|f| version >= f) };
    let mut reader = Reader::new(bytes);
    let value = walk.fields(&message.fields, &mut reader)?;
    reader.finish()?;
    Ok(value)
}

struct Walk<'a> {
    message: &'a MessageSpec,
    version: i16,
    flexible: bool,
}

impl Walk<'_> {
    fn fields(&self, fields: &[FieldSpec], r: &mut Reader) -> Result<Value, DecodeError> {
        let mut out = Map::new();
        for field in fields {
            if field.versions.contains(self.version) && !self.is_tagged(field) {
                out.insert(camel(&field.name), self.field(field, r)?);
            }
        }
        if self.flexible {
            for _ in 0..r.tag_count()? {
                let (tag, outer) = r.enter_tag()?;
                let field = fields.iter().find(|f| self.is_tagged(f) && f.tag.is_some_and(|(t, _)| t == tag));
                if let Some(field) = field {
                    out.insert(camel(&field.name), self.field(field, r)?);
                }
                r.leave_tag(outer, field.is_some())?;
            }
        }
        Ok(Value::Object(out))
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
            "bytes" => r.nullable_bytes(flexible)?.map_or(Value::Null, |b| hex(&b).into()),
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
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
    fn a_length_that_lies_is_an_error() {
        let bytes = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff, 0]);
        assert!(to_json("MetadataRequest", 4, bytes).is_err());
    }
}

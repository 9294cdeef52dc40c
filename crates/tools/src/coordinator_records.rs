//! Records of the coordinators' internal topics as JSON, as Kafka's dump tool and console formatters print them
//! (`CoordinatorRecordSerde`, `CoordinatorRecordJsonConverters`).

use bytes::Bytes;
use ottla_protocol::schema::{self, MessageSpec};
use ottla_protocol::{Reader, base64};
use serde_json::Value;

/// Whose records a topic holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinator {
    /// `__consumer_offsets`.
    Group,
    /// `__transaction_state`.
    Transaction,
    /// `__share_group_state`.
    Share,
}

/// A record's key and value.
#[derive(Clone, Debug, PartialEq)]
pub struct CoordinatorRecord {
    /// Which kind of record (`CoordinatorRecordType`).
    pub record_type: i16,
    /// Fields of the key.
    pub key: Value,
    /// Version and fields of the value; none for a tombstone.
    pub value: Option<(i16, Value)>,
}

/// Why a record can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoordinatorRecordError {
    /// A newer Kafka may know it.
    #[error("Found an unknown record type {0}")]
    UnknownType(i16),
    /// Anything else, with Kafka's words.
    #[error("{0}")]
    Unreadable(String),
}

impl Coordinator {
    fn has(self, name: &str) -> bool {
        let share_state = name.starts_with("ShareSnapshot") || name.starts_with("ShareUpdate");
        match self {
            Coordinator::Share => share_state,
            Coordinator::Transaction => name.starts_with("TransactionLog"),
            Coordinator::Group => !share_state && !name.starts_with("TransactionLog"),
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// When its type is unknown or the bytes are not such a record.
    pub fn read(
        self,
        key: &Bytes,
        value: Option<&Bytes>,
    ) -> Result<CoordinatorRecord, CoordinatorRecordError> {
        let mut reader = Reader::new(key.clone());
        let record_type = version(&mut reader, "key")?;
        let spec = |kind| {
            schema::record(kind, record_type, |name| self.has(name))
                .ok_or(CoordinatorRecordError::UnknownType(record_type))
        };
        let key = message(spec("coordinator-key")?, 0, record_type, &mut reader, "key")?;
        let Some(value) = value else { return Ok(CoordinatorRecord { record_type, key, value: None }) };
        let spec = spec("coordinator-value")?;
        let mut reader = Reader::new(value.clone());
        let version = version(&mut reader, "value")?;
        if !spec.versions.contains(version) {
            return Err(CoordinatorRecordError::Unreadable(format!(
                "Found an unknown record version {version} for {record_type} type"
            )));
        }
        let value = message(spec, version, version, &mut reader, "value")?;
        Ok(CoordinatorRecord { record_type, key, value: Some((version, value)) })
    }
}

fn version(reader: &mut Reader, part: &str) -> Result<i16, CoordinatorRecordError> {
    reader.i16().map_err(|_| {
        CoordinatorRecordError::Unreadable(format!("Could not read version from {part}'s buffer."))
    })
}

fn message(
    spec: &MessageSpec,
    version: i16,
    shown: i16,
    reader: &mut Reader,
    part: &str,
) -> Result<Value, CoordinatorRecordError> {
    schema::read_json(spec, version, reader).map_err(|why| {
        CoordinatorRecordError::Unreadable(format!(
            "Could not read record with version {shown} from {part}'s buffer due to: {why}."
        ))
    })
}

/// Replaces a consumer group's subscriptions and assignments, which are bytes to the classic protocol, by what
/// they mean; what can't be read stays as it is.
pub fn explain_group_metadata(value: &mut Value) {
    if value.get("protocolType").and_then(Value::as_str) != Some("consumer") {
        return;
    }
    let members = value.get_mut("members").and_then(Value::as_array_mut);
    for member in members.into_iter().flatten() {
        for (field, name) in
            [("subscription", "ConsumerProtocolSubscription"), ("assignment", "ConsumerProtocolAssignment")]
        {
            if let Some(bytes) = member.get_mut(field)
                && let Some(meaning) = bytes.as_str().and_then(|text| embedded(text, name))
            {
                *bytes = meaning;
            }
        }
    }
}

fn embedded(text: &str, name: &str) -> Option<Value> {
    let mut reader = Reader::new(base64::decode_unpadded(text)?.into());
    let spec = schema::message(name)?;
    let version = reader.i16().ok()?.min(spec.versions.high);
    schema::read_json(spec, version, &mut reader).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::{
        ConsumerProtocolSubscription, GroupMetadataKey, GroupMetadataValue, OffsetCommitKey,
        OffsetCommitValue, group_metadata_value::MemberMetadata,
    };
    use ottla_protocol::{encode_key, encode_versioned};

    #[test]
    fn a_committed_offset() {
        let key = OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 1 };
        let key = encode_key(&key, 1).expect("key");
        let value = OffsetCommitValue { offset: 7, commit_timestamp: 9, ..Default::default() };
        let value = encode_versioned(&value, 3).expect("value");
        let found = Coordinator::Group.read(&key, Some(&value)).expect("reads");
        assert_eq!(found.key.to_string(), r#"{"group":"g","topic":"t","partition":1}"#);
        let (version, value) = found.value.expect("a value");
        assert_eq!(version, 3);
        assert_eq!(value.to_string(), r#"{"offset":7,"leaderEpoch":-1,"metadata":"","commitTimestamp":9}"#);
        let tombstone = Coordinator::Group.read(&key, None).expect("reads");
        assert_eq!((tombstone.record_type, tombstone.value), (1, None));
        assert_eq!(Coordinator::Transaction.read(&key, None), Err(CoordinatorRecordError::UnknownType(1)));
    }

    #[test]
    fn what_is_broken_is_told_in_kafkas_words() {
        let check = |key: &'static [u8], expect: &str| {
            let why = Coordinator::Group.read(&Bytes::from_static(key), None).expect_err("fails");
            assert!(why.to_string().starts_with(expect), "{why}");
        };
        check(&[0], "Could not read version from key's buffer.");
        check(&[0, 99], "Found an unknown record type 99");
        check(&[0, 1, 0, 9], "Could not read record with version 1 from key's buffer due to: ");
    }

    #[test]
    fn subscriptions_are_explained() {
        let subscription = ConsumerProtocolSubscription { topics: vec!["t".into()], ..Default::default() };
        let member = MemberMetadata {
            subscription: encode_versioned(&subscription, 0).expect("encodes"),
            ..Default::default()
        };
        let value = GroupMetadataValue {
            protocol_type: "consumer".into(),
            members: vec![member],
            ..Default::default()
        };
        let key = encode_key(&GroupMetadataKey { group: "g".into() }, 2).expect("key");
        let value = encode_versioned(&value, 3).expect("value");
        let found = Coordinator::Group.read(&key, Some(&value)).expect("reads");
        let mut value = found.value.expect("value").1;
        explain_group_metadata(&mut value);
        let member = &value["members"][0];
        assert_eq!(member["subscription"].to_string(), r#"{"topics":["t"],"userData":null}"#);
        assert_eq!(member["assignment"], "", "what can't be read stays");
    }
}

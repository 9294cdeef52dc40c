//! The records of `__consumer_offsets` that the coordinator writes and reads.
//!
//! | key | what | value version written | written by |
//! | --- | --- | --- | --- |
//! | 0 `LegacyOffsetCommitKey` | a committed offset | never written | Kafka before 0.9 |
//! | 1 `OffsetCommitKey` | a committed offset; null: removed | 4, or 1 when the request sets a retention time | OffsetCommit, TxnOffsetCommit, OffsetDelete, expiry |
//! | 2 `GroupMetadataKey` | a classic group and its members; null: removed | 3 | SyncGroup, JoinGroup, LeaveGroup, DeleteGroups, expiry |
//!
//! The records of consumer groups are in `group/consumer/record`, those of streams groups in
//! `group/streams/record`.
//!
//! Versions as Kafka 4.3 writes them (`GroupCoordinatorRecordHelpers`). A key is its record type as int16
//! followed by the key in version 0; a value is its version as int16 followed by the value.

use bytes::Bytes;
use ottla_protocol::messages::{
    GroupMetadataKey, GroupMetadataValue, LegacyOffsetCommitKey, LegacyOffsetCommitValue, OffsetCommitKey,
    OffsetCommitValue,
};
use ottla_protocol::{
    DecodeError, EncodeError, Message, Reader, Str, decode_versioned, encode_key, encode_versioned,
};

use crate::group::consumer::record::ConsumerGroupRecord;
use crate::group::share::record::ShareGroupRecord;
use crate::group::streams::record::StreamsGroupRecord;
use crate::group::{consumer, share, streams};
use crate::offsets::{OffsetAndMetadata, OffsetKey};

const LEGACY_OFFSET_COMMIT: i16 = 0;
const OFFSET_COMMIT: i16 = 1;
const GROUP_METADATA: i16 = 2;
const GROUP_METADATA_VALUE_VERSION: i16 = 3;
/// The last version that carries an expiry time.
const OFFSET_COMMIT_VALUE_VERSION_WITH_EXPIRY: i16 = 1;
const OFFSET_COMMIT_VALUE_VERSION: i16 = 4;

/// One record for the shard's partition. A record without a value is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorRecord {
    /// Key of the record.
    pub key: Bytes,
    /// Value of the record; `None`: the key is removed.
    pub value: Option<Bytes>,
}

/// What writing a record comes to.
pub(crate) type Written = Result<CoordinatorRecord, EncodeError>;

/// The version of all values but those of classic groups, offsets and transactions.
const VALUE_VERSION: i16 = 0;

/// A record whose value there is in one version only.
pub(crate) fn record(key: &impl Message, record_type: i16, value: &impl Message) -> Written {
    let value = encode_versioned(value, VALUE_VERSION)?;
    Ok(CoordinatorRecord { key: encode_key(key, record_type)?, value: Some(value) })
}

/// A record that removes its key.
pub(crate) fn tombstone(key: &impl Message, record_type: i16) -> Written {
    Ok(CoordinatorRecord { key: encode_key(key, record_type)?, value: None })
}

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GroupRecord {
    Offset(OffsetKey, Option<OffsetCommitValue>),
    ClassicGroup(Str, Option<GroupMetadataValue>),
    Consumer(ConsumerGroupRecord),
    /// Of a share group.
    Share(ShareGroupRecord),
    Streams(StreamsGroupRecord),
    /// A type of record that this coordinator does not keep.
    Other(i16),
}

/// A copy that does not keep alive the buffer which `text` is a slice of (a whole request, or a batch of the
/// log).
pub(crate) fn owned(text: &Str) -> Str {
    Str::from(&**text)
}

/// As [`owned`], for bytes.
pub(crate) fn owned_bytes(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

pub(crate) fn offset_commit_record(
    key: &OffsetKey,
    offset: &OffsetAndMetadata,
) -> Result<CoordinatorRecord, EncodeError> {
    let value = OffsetCommitValue {
        offset: offset.committed_offset,
        leader_epoch: offset.leader_epoch.unwrap_or(-1),
        metadata: offset.metadata.clone(),
        commit_timestamp: offset.commit_timestamp_ms,
        expire_timestamp: offset.expire_timestamp_ms.unwrap_or(-1),
        topic_id: offset.topic_id,
    };
    let version = match offset.expire_timestamp_ms {
        Some(_) => OFFSET_COMMIT_VALUE_VERSION_WITH_EXPIRY,
        None => OFFSET_COMMIT_VALUE_VERSION,
    };
    Ok(CoordinatorRecord { key: offset_commit_key(key)?, value: Some(encode_versioned(&value, version)?) })
}

pub(crate) fn offset_commit_tombstone(key: &OffsetKey) -> Result<CoordinatorRecord, EncodeError> {
    Ok(CoordinatorRecord { key: offset_commit_key(key)?, value: None })
}

pub(crate) fn group_metadata_record(
    group_id: &Str,
    value: &GroupMetadataValue,
) -> Result<CoordinatorRecord, EncodeError> {
    Ok(CoordinatorRecord {
        key: group_metadata_key(group_id)?,
        value: Some(encode_versioned(value, GROUP_METADATA_VALUE_VERSION)?),
    })
}

pub(crate) fn group_metadata_tombstone(group_id: &Str) -> Result<CoordinatorRecord, EncodeError> {
    Ok(CoordinatorRecord { key: group_metadata_key(group_id)?, value: None })
}

/// Reads a record back.
pub(crate) fn decode_record(key: &Bytes, value: Option<&Bytes>) -> Result<GroupRecord, DecodeError> {
    let mut reader = Reader::new(key.clone());
    match reader.i16()? {
        LEGACY_OFFSET_COMMIT => {
            let key = LegacyOffsetCommitKey::decode(&mut reader, 0)?;
            let key = OffsetKey::new(owned(&key.group), owned(&key.topic), key.partition);
            let value = decode_value::<LegacyOffsetCommitValue>(value)?.map(|value| OffsetCommitValue {
                offset: value.offset,
                metadata: value.metadata,
                commit_timestamp: value.commit_timestamp,
                ..Default::default()
            });
            Ok(GroupRecord::Offset(key, value))
        }
        OFFSET_COMMIT => {
            let key = OffsetCommitKey::decode(&mut reader, 0)?;
            let key = OffsetKey::new(owned(&key.group), owned(&key.topic), key.partition);
            Ok(GroupRecord::Offset(key, decode_value(value)?))
        }
        GROUP_METADATA => {
            let key = GroupMetadataKey::decode(&mut reader, 0)?;
            Ok(GroupRecord::ClassicGroup(owned(&key.group), decode_value(value)?))
        }
        record_type => {
            if let Some(record) = consumer::record::decode(record_type, &mut reader, value)? {
                return Ok(GroupRecord::Consumer(record));
            }
            if let Some(record) = share::record::decode(record_type, &mut reader, value)? {
                return Ok(GroupRecord::Share(record));
            }
            if let Some(record) = streams::record::decode_record(record_type, &mut reader, value)? {
                return Ok(GroupRecord::Streams(record));
            }
            Ok(GroupRecord::Other(record_type))
        }
    }
}

pub(crate) fn decode_value<M: Message>(value: Option<&Bytes>) -> Result<Option<M>, DecodeError> {
    value.map(|value| decode_versioned(value.clone()).map(|(_, message)| message)).transpose()
}

fn offset_commit_key(key: &OffsetKey) -> Result<Bytes, EncodeError> {
    let key =
        OffsetCommitKey { group: key.group_id.clone(), topic: key.topic.clone(), partition: key.partition };
    encode_key(&key, OFFSET_COMMIT)
}

fn group_metadata_key(group_id: &Str) -> Result<Bytes, EncodeError> {
    encode_key(&GroupMetadataKey { group: group_id.clone() }, GROUP_METADATA)
}

#[cfg(test)]
#[path = "records_test.rs"]
mod tests;

//! Records of `__remote_log_metadata` in the words of Kafka's `RemoteLogMetadata` classes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use ottla_protocol::schema::{self, MessageSpec};
use ottla_protocol::{Reader, base64};
use serde_json::Value;

/// The records of Kafka's `RemoteLogMetadataSerde`, in the notation of the protocol's schema.
const SCHEMA: &str = "
data RemoteLogSegmentMetadataRecord key 0 versions 0 flexible 0+
  remote_log_segment_id            RemoteLogSegmentIdEntry
    topic_id_partition             TopicIdPartitionEntry
      name                         string
      id                           uuid
      partition                    int32
    id                             uuid
  start_offset                     int64
  end_offset                       int64
  broker_id                        int32
  max_timestamp_ms                 int64
  event_timestamp_ms               int64
  segment_leader_epochs            []SegmentLeaderEpochEntry
    leader_epoch                   int32
    offset                         int64
  segment_size_in_bytes            int32
  custom_metadata                  bytes?
  remote_log_segment_state         int8
  txn_index_empty                  bool tag 0

data RemoteLogSegmentMetadataUpdateRecord key 1 versions 0 flexible 0+
  remote_log_segment_id            RemoteLogSegmentIdEntry
    topic_id_partition             TopicIdPartitionEntry
      name                         string
      id                           uuid
      partition                    int32
    id                             uuid
  broker_id                        int32
  event_timestamp_ms               int64
  custom_metadata                  bytes?
  remote_log_segment_state         int8

data RemotePartitionDeleteMetadataRecord key 2 versions 0 flexible 0+
  topic_id_partition               TopicIdPartitionEntry
    name                           string
    id                             uuid
    partition                      int32
  broker_id                        int32
  event_timestamp_ms               int64
  remote_partition_delete_state    int8

data RemoteLogSegmentMetadataSnapshotRecord key 3 versions 0 flexible 0+
  segment_id                       uuid
  start_offset                     int64
  end_offset                       int64
  broker_id                        int32
  max_timestamp_ms                 int64
  event_timestamp_ms               int64
  segment_leader_epochs            []SegmentLeaderEpochEntry
    leader_epoch                   int32
    offset                         int64
  segment_size_in_bytes            int32
  custom_metadata                  bytes?
  remote_log_segment_state         int8
  txn_index_empty                  bool tag 0
";

const SEGMENT_STATES: [&str; 4] =
    ["COPY_SEGMENT_STARTED", "COPY_SEGMENT_FINISHED", "DELETE_SEGMENT_STARTED", "DELETE_SEGMENT_FINISHED"];
const DELETE_STATES: [&str; 3] =
    ["DELETE_PARTITION_MARKED", "DELETE_PARTITION_STARTED", "DELETE_PARTITION_FINISHED"];

static RECORDS: LazyLock<Vec<MessageSpec>> = LazyLock::new(|| schema::parse(SCHEMA).unwrap_or_default());

/// A record's value in words.
///
/// # Errors
/// Why the bytes are no such record.
pub fn describe(value: Bytes) -> Result<String, String> {
    let mut reader = Reader::new(value);
    let mut head = |what: &str| reader.uvarint().map_err(|why| format!("Error while reading {what}: {why}"));
    let (frame, key, version) = (head("frame version")?, head("type")?, head("version")?);
    if frame != 1 {
        return Err(format!("Could not deserialize metadata record due to unknown frame version {frame}"));
    }
    let spec = RECORDS.iter().find(|spec| spec.key.is_some_and(|k| i64::from(k) == i64::from(key)));
    let spec = spec.ok_or_else(|| format!("Unknown metadata id {key}"))?;
    let version = i16::try_from(version).map_err(|_| "Value for version was too large.".to_owned())?;
    let record = schema::read_json(spec, version, &mut reader)
        .map_err(|why| format!("Failed to deserialize record with type {key}: {why}"))?;
    if reader.remaining() > 0 {
        return Err(format!("Found {} byte(s) of garbage after {key}", reader.remaining()));
    }
    Ok(match key {
        0 => segment(&record),
        1 => update(&record),
        2 => deletion(&record),
        _ => snapshot(&record),
    })
}

fn segment(r: &Value) -> String {
    format!(
        "RemoteLogSegmentMetadata{{remoteLogSegmentId={}, startOffset={}, endOffset={}, brokerId={}, \
         maxTimestampMs={}, eventTimestampMs={}, segmentLeaderEpochs={}, segmentSizeInBytes={}, \
         customMetadata={}, state={}, txnIdxEmpty={}}}",
        segment_id(&r["remoteLogSegmentId"]),
        r["startOffset"],
        r["endOffset"],
        r["brokerId"],
        r["maxTimestampMs"],
        r["eventTimestampMs"],
        leader_epochs(r),
        r["segmentSizeInBytes"],
        custom_metadata(r),
        state(&r["remoteLogSegmentState"], &SEGMENT_STATES),
        r["txnIndexEmpty"].as_bool().unwrap_or(false),
    )
}

fn update(r: &Value) -> String {
    format!(
        "RemoteLogSegmentMetadataUpdate{{remoteLogSegmentId={}, customMetadata={}, state={}, \
         eventTimestampMs={}, brokerId={}}}",
        segment_id(&r["remoteLogSegmentId"]),
        custom_metadata(r),
        state(&r["remoteLogSegmentState"], &SEGMENT_STATES),
        r["eventTimestampMs"],
        r["brokerId"],
    )
}

fn deletion(r: &Value) -> String {
    format!(
        "RemotePartitionDeleteMetadata{{topicPartition={}, state={}, eventTimestampMs={}, brokerId={}}}",
        partition(&r["topicIdPartition"]),
        state(&r["remotePartitionDeleteState"], &DELETE_STATES),
        r["eventTimestampMs"],
        r["brokerId"],
    )
}

fn snapshot(r: &Value) -> String {
    format!(
        "RemoteLogSegmentMetadataSnapshot{{segmentId={}, startOffset={}, endOffset={}, maxTimestampMs={}, \
         segmentLeaderEpochs={}, segmentSizeInBytes={}, customMetadata={}, state={}, txnIdxEmpty={}}}",
        text(&r["segmentId"]),
        r["startOffset"],
        r["endOffset"],
        r["maxTimestampMs"],
        leader_epochs(r),
        r["segmentSizeInBytes"],
        custom_metadata(r),
        state(&r["remoteLogSegmentState"], &SEGMENT_STATES),
        r["txnIndexEmpty"].as_bool().unwrap_or(false),
    )
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("null")
}

fn partition(entry: &Value) -> String {
    format!("{}:{}-{}", text(&entry["id"]), text(&entry["name"]), entry["partition"])
}

fn segment_id(entry: &Value) -> String {
    let partition = partition(&entry["topicIdPartition"]);
    format!("RemoteLogSegmentId{{topicIdPartition={partition}, id={}}}", text(&entry["id"]))
}

fn leader_epochs(r: &Value) -> String {
    let entries = r["segmentLeaderEpochs"].as_array().into_iter().flatten();
    let epochs: BTreeMap<i64, String> = entries
        .map(|entry| (entry["leaderEpoch"].as_i64().unwrap_or_default(), entry["offset"].to_string()))
        .collect();
    let shown: Vec<String> = epochs.iter().map(|(epoch, offset)| format!("{epoch}={offset}")).collect();
    format!("{{{}}}", shown.join(", "))
}

fn custom_metadata(r: &Value) -> String {
    match r["customMetadata"].as_str().and_then(base64::decode_unpadded) {
        Some(bytes) => format!("Optional[CustomMetadata{{{} bytes}}]", bytes.len()),
        None => "Optional.empty".to_owned(),
    }
}

fn state<'s>(id: &Value, names: &[&'s str]) -> &'s str {
    let id = id.as_u64().and_then(|id| usize::try_from(id).ok());
    id.and_then(|id| names.get(id).copied()).unwrap_or("null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion() {
        assert_eq!(RECORDS.len(), 4);
        let mut bytes = vec![1, 2, 0, 2, b't'];
        bytes.extend([0; 15]);
        bytes.push(7);
        bytes.extend([0, 0, 0, 3, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1, 0]);
        assert_eq!(
            describe(bytes.clone().into()).expect("reads"),
            "RemotePartitionDeleteMetadata{topicPartition=AAAAAAAAAAAAAAAAAAAABw:t-3, \
             state=DELETE_PARTITION_STARTED, eventTimestampMs=9, brokerId=1}"
        );
        bytes.push(0);
        assert_eq!(describe(bytes.into()), Err("Found 1 byte(s) of garbage after 2".into()));
        assert!(describe(Bytes::from_static(&[1, 9, 0])).is_err());
        assert!(describe(Bytes::new()).is_err());
    }
}

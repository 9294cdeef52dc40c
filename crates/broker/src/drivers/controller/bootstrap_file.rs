//! `bootstrap.checkpoint`: what formatting decided, a snapshot file of the first records of a cluster
//! (`BootstrapDirectory`).

use std::fs;
use std::io;
use std::path::Path;

use bytes::Bytes;
use ottla_metadata::VersionedRecord;
use ottla_protocol::encode_message;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{SnapshotFooterRecord, SnapshotHeaderRecord};
use ottla_protocol::records::{BatchBuilder, BatchIter, BatchOptions, ControlRecordType, control_batch};

const FILE_NAME: &str = "bootstrap.checkpoint";
/// Most bytes that the records of a bootstrap batch may take when decompressed.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// The records of the file in a metadata log directory; none when there is no file.
///
/// # Errors
/// When the file can't be read.
pub fn read(metadata_log_dir: &Path) -> io::Result<Option<Vec<VersionedRecord>>> {
    let bytes = match fs::read(metadata_log_dir.join(FILE_NAME)) {
        Ok(bytes) => Bytes::from(bytes),
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(why),
    };
    let bad = |why: &dyn std::fmt::Display| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{FILE_NAME} can't be understood: {why}"))
    };
    let mut records = Vec::new();
    for batch in BatchIter::new(&bytes) {
        let batch = batch.map_err(|why| bad(&why))?;
        if batch.is_control() {
            continue;
        }
        for record in batch.records_in(&bytes, BATCH_BYTES_MAX).map_err(|why| bad(&why))? {
            let value = record.map_err(|why| bad(&why))?.value.unwrap_or_default();
            records.push(MetadataRecord::decode(value).map_err(|why| bad(&why))?);
        }
    }
    Ok(Some(records))
}

/// Writes the file, so that Apache Kafka finds a formatted directory.
///
/// # Errors
/// When the disk fails.
pub fn write(metadata_log_dir: &Path, records: &[VersionedRecord], now_ms: i64) -> io::Result<()> {
    let bytes = encode(records, now_ms).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
    let temporary = metadata_log_dir.join(format!("{FILE_NAME}.tmp"));
    fs::write(&temporary, bytes)?;
    fs::File::open(&temporary)?.sync_all()?;
    fs::rename(&temporary, metadata_log_dir.join(FILE_NAME))
}

/// Header, records, footer: three batches, as in every snapshot.
fn encode(records: &[VersionedRecord], now_ms: i64) -> Result<Vec<u8>, String> {
    let text = |why: &dyn std::fmt::Display| why.to_string();
    let header = SnapshotHeaderRecord { version: 0, last_contained_log_timestamp: 0 };
    let header = encode_message(&header, 0).map_err(|why| text(&why))?;
    let footer = encode_message(&SnapshotFooterRecord { version: 0 }, 0).map_err(|why| text(&why))?;
    let at = |base_offset: i64| BatchOptions { base_offset, partition_leader_epoch: 0, ..Default::default() };
    let mut out = Vec::new();
    let batch = control_batch(&at(0), now_ms, &[(ControlRecordType::SnapshotHeader, &header)]);
    out.extend_from_slice(&batch.map_err(|why| text(&why))?);
    let mut builder = BatchBuilder::new(at(1));
    for (record, version) in records {
        let value = record.encode(*version).map_err(|why| text(&why))?;
        builder.append(now_ms, None, Some(&value), &[]).map_err(|why| text(&why))?;
    }
    let next = builder.next_offset();
    out.extend_from_slice(&builder.build().map_err(|why| text(&why))?);
    let batch = control_batch(&at(next), now_ms, &[(ControlRecordType::SnapshotFooter, &footer)]);
    out.extend_from_slice(&batch.map_err(|why| text(&why))?);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::FeatureLevelRecord;

    #[test]
    fn what_was_written_is_read_again() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(read(dir.path()).expect("readable"), None);
        let record = FeatureLevelRecord { name: "metadata.version".into(), feature_level: 30 };
        let records = vec![(MetadataRecord::FeatureLevel(record), 0)];
        write(dir.path(), &records, 1).expect("writable");
        assert_eq!(read(dir.path()).expect("readable"), Some(records));
    }
}

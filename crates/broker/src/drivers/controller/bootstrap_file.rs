//! `bootstrap.checkpoint`: what formatting decided, a snapshot file of the first records of a cluster
//! (`BootstrapDirectory`).

use std::fs;
use std::io;
use std::path::Path;

use bytes::Bytes;
use ottla_metadata::VersionedRecord;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::records::BatchIter;

use super::snapshot_file::{self, QuorumRecords, SnapshotWriter};

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
    snapshot_file::create(metadata_log_dir, FILE_NAME, |file| {
        let mut writer = SnapshotWriter::begin(file, 0, 0, &QuorumRecords::default(), now_ms)?;
        records.iter().try_for_each(|record| writer.append(record))?;
        writer.finish()
    })?;
    Ok(())
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

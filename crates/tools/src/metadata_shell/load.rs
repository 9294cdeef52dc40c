//! An image of the metadata from files (Kafka: `SnapshotFileReader`).

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_metadata::{MetadataImage, MetadataLoader, MetadataProvenance};
use ottla_protocol::messages::metadata::MetadataRecord;

use crate::dump_log::LogFile;

const METADATA_LOG: &str = "__cluster_metadata-0";

/// The lock of the log directory that a file is in; held as long as the result lives. Nothing when the directory
/// has none.
///
/// # Errors
/// When a node uses the directory.
pub fn lock_if_used(path: &Path) -> Result<Option<File>, String> {
    use rustix::fs::{FlockOperation, fcntl_lock, flock};
    let directory = if path.join(METADATA_LOG).is_dir() {
        path
    } else if path.is_dir() {
        path.parent().unwrap_or(path)
    } else {
        path.parent().and_then(Path::parent).unwrap_or(path)
    };
    let lock = directory.join(".lock");
    if !lock.exists() {
        return Ok(None);
    }
    let file = OpenOptions::new().read(true).write(true).open(&lock).map_err(|why| why.to_string())?;
    // A node of Ottla holds both kinds, one of Kafka the second.
    let operation = FlockOperation::NonBlockingLockExclusive;
    match flock(&file, operation).and_then(|()| fcntl_lock(&file, operation)) {
        Ok(()) => Ok(Some(file)),
        Err(_) => Err(format!(
            "Unable to lock {}. Please ensure that no broker or controller process is using this directory before \
             proceeding.",
            std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned()).display()
        )),
    }
}

/// The image of a snapshot or log file, or of a directory of them.
///
/// # Errors
/// When the files are not what they should be.
pub fn image(path: &Path) -> Result<Arc<MetadataImage>, String> {
    let mut loader = MetadataLoader::default();
    for (file, from) in files(path)? {
        read(&file, from, &mut loader)?;
    }
    loader.publish();
    Ok(Arc::clone(loader.image()))
}

/// The files to read, and from which offset each.
fn files(path: &Path) -> Result<Vec<(PathBuf, i64)>, String> {
    if !path.is_dir() {
        return Ok(vec![(path.to_owned(), i64::MIN)]);
    }
    let inner = path.join(METADATA_LOG);
    let directory = if inner.is_dir() { inner } else { path.to_owned() };
    let entries = std::fs::read_dir(&directory).map_err(|why| format!("{}: {why}", directory.display()))?;
    let mut names: Vec<String> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort_unstable();
    let offset = |name: &str| name.get(..20).and_then(|digits| digits.parse::<i64>().ok());
    let newest = names.iter().rev().find(|name| name.ends_with(".checkpoint") && offset(name).is_some());
    let start = newest.and_then(|name| offset(name)).unwrap_or(0);
    let mut found: Vec<(PathBuf, i64)> =
        newest.map(|name| (directory.join(name), i64::MIN)).into_iter().collect();
    // The segment that holds the offset, and those behind it.
    let logs: Vec<(&String, i64)> = names
        .iter()
        .filter(|name| name.ends_with(".log"))
        .filter_map(|name| Some((name, offset(name)?)))
        .collect();
    let first = logs.iter().rposition(|(_, base)| *base <= start).unwrap_or(0);
    found.extend(logs.iter().skip(first).map(|(name, _)| (directory.join(name), start)));
    if found.is_empty() {
        return Err(format!("{} holds no snapshot and no log of metadata", directory.display()));
    }
    Ok(found)
}

fn read(path: &Path, from: i64, loader: &mut MetadataLoader) -> Result<(), String> {
    let log = LogFile::open(path).map_err(|why| why.to_string())?;
    let mut batches = log.batches(0, u64::MAX).map_err(|why| why.to_string())?;
    let is_snapshot = path.extension().is_some_and(|extension| extension == "checkpoint");
    // Of a snapshot's records the last offset is not that of the log: its name has it.
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let end = name.get(..20).and_then(|digits| digits.parse::<i64>().ok()).filter(|_| is_snapshot);
    while let Some(batch) = batches.next_batch().map_err(|why| why.to_string())? {
        let header = &batch.header;
        if header.is_control() || header.last_offset() < from {
            continue;
        }
        for record in batch.records().map_err(|why| why.to_string())? {
            let record = record.map_err(|why| why.to_string())?;
            let provenance = MetadataProvenance {
                last_contained_offset: end.map_or(record.offset, |end| end - 1),
                last_contained_epoch: header.partition_leader_epoch(),
                last_contained_log_time_ms: header.max_timestamp(),
            };
            match MetadataRecord::decode(record.value.unwrap_or_default()) {
                Ok((decoded, _)) => loader
                    .replay(&decoded, provenance)
                    .map_err(|why| format!("{} at offset {}: {why}", path.display(), record.offset))?,
                Err(why) => {
                    tracing::error!("unable to read metadata record at offset {}: {why}", record.offset);
                }
            }
        }
    }
    Ok(())
}

//! The marker that a log directory was left in order (Kafka: `CleanShutdownFileHandler`).

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::fs::{found, sync_dir};

/// Name of the file in a log directory.
pub const CLEAN_SHUTDOWN_FILE: &str = ".kafka_cleanshutdown";

/// Marks the directory, with the epoch under which the broker was registered (-1: none).
pub fn write(log_dir: &Path, broker_epoch: i64) -> io::Result<()> {
    let mut file = File::create(log_dir.join(CLEAN_SHUTDOWN_FILE))?;
    file.write_all(format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}").as_bytes())?;
    file.sync_all()?;
    sync_dir(log_dir)
}

/// What the last stop left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanShutdown {
    /// The broker epoch that the marker holds, if it can be read.
    pub broker_epoch: Option<i64>,
}

/// Reads and removes the marker, durably: should this start fail half way, the next one must not trust it.
pub fn take(log_dir: &Path) -> io::Result<Option<CleanShutdown>> {
    let path = log_dir.join(CLEAN_SHUTDOWN_FILE);
    let Some(content) = found(std::fs::read(&path))? else { return Ok(None) };
    std::fs::remove_file(&path)?;
    sync_dir(log_dir)?;
    Ok(Some(CleanShutdown { broker_epoch: parse_broker_epoch(&content) }))
}

fn parse_broker_epoch(content: &[u8]) -> Option<i64> {
    serde_json::from_slice::<serde_json::Value>(content).ok()?.get("brokerEpoch")?.as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_is_read_once() {
        let dir = tempfile::tempdir().expect("temp dir");
        assert_eq!(take(dir.path()).expect("missing"), None);
        write(dir.path(), 17).expect("write");
        assert_eq!(take(dir.path()).expect("take"), Some(CleanShutdown { broker_epoch: Some(17) }));
        assert_eq!(take(dir.path()).expect("gone"), None);
        // Brokers before 3.7 wrote an empty file.
        std::fs::write(dir.path().join(CLEAN_SHUTDOWN_FILE), "").expect("write");
        assert_eq!(take(dir.path()).expect("take"), Some(CleanShutdown { broker_epoch: None }));
    }
}

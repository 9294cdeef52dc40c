//! Which leader epoch starts at which offset (Kafka: `LeaderEpochCheckpointFile`).

use std::fmt::Write;
use std::io;
use std::path::Path;

use crate::fs::replace_file;
use crate::leader_epochs::EpochEntry;

/// Name of the file in a partition's directory.
pub const LEADER_EPOCH_FILE: &str = "leader-epoch-checkpoint";

/// Replaces the file in `dir`. Without `sync`, the entries survive the end of the process only.
pub fn write(dir: &Path, entries: &[EpochEntry], sync: bool) -> io::Result<()> {
    let text = super::render(entries.iter(), |text, entry| {
        let _ = write!(text, "{} {}", entry.epoch, entry.start_offset);
    });
    replace_file(&dir.join(LEADER_EPOCH_FILE), text.as_bytes(), sync)
}

/// Reads the file in `dir`; a missing one holds nothing.
pub fn read(dir: &Path) -> io::Result<Vec<EpochEntry>> {
    super::read(&dir.join(LEADER_EPOCH_FILE), |words| match words {
        [epoch, offset] => {
            Some(EpochEntry { epoch: epoch.parse().ok()?, start_offset: offset.parse().ok()? })
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let dir = tempfile::tempdir().expect("temp dir");
        assert_eq!(read(dir.path()).expect("missing is empty"), vec![]);
        let entries = [EpochEntry { epoch: 0, start_offset: 0 }, EpochEntry { epoch: 3, start_offset: 17 }];
        write(dir.path(), &entries, true).expect("write");
        let text = std::fs::read_to_string(dir.path().join(LEADER_EPOCH_FILE)).expect("read");
        assert_eq!(text, "0\n2\n0 0\n3 17\n");
        assert_eq!(read(dir.path()).expect("read"), entries);
    }
}

//! The small files of a log directory, each read from arbitrary bytes: checkpoints, `meta.properties`,
//! `partition.metadata`, the marker of a clean stop, producer snapshots.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use ottla_fuzz::scratch;
use ottla_protocol::records::crc32c;
use ottla_storage::checkpoint::clean_shutdown::{self, CLEAN_SHUTDOWN_FILE};
use ottla_storage::checkpoint::leader_epoch_checkpoint::{self, LEADER_EPOCH_FILE};
use ottla_storage::checkpoint::offset_checkpoint::{self, RECOVERY_POINT_FILE};
use ottla_storage::checkpoint::partition_metadata::{self, PARTITION_METADATA_FILE, PartitionMetadataWriter};
use ottla_storage::leader_epochs::LeaderEpochs;
use ottla_storage::meta_properties::{META_PROPERTIES_FILE, MetaProperties};
use ottla_storage::producer_state::snapshot;

fuzz_target!(|data: &[u8]| {
    let [which, data @ ..] = data else { return };
    let dir = scratch();
    let file = |name: &str| {
        let path = dir.join(name);
        std::fs::write(&path, data).expect("write");
        path
    };
    match which % 6 {
        0 => try_offsets(&file(RECOVERY_POINT_FILE)),
        1 => {
            file(LEADER_EPOCH_FILE);
            try_epochs(&dir);
        }
        2 => {
            file(PARTITION_METADATA_FILE);
            if let Ok(Some(id)) = partition_metadata::read(&dir) {
                PartitionMetadataWriter::default().write(&dir, id).expect("write");
                assert_eq!(partition_metadata::read(&dir).expect("own"), Some(id));
            }
        }
        3 => {
            file(META_PROPERTIES_FILE);
            if let Ok(Some(found)) = MetaProperties::read(&dir) {
                found.write(&dir).expect("write");
                assert_eq!(MetaProperties::read(&dir).expect("own"), Some(found));
            }
        }
        4 => {
            file(CLEAN_SHUTDOWN_FILE);
            assert!(clean_shutdown::take(&dir).expect("take").is_some());
        }
        _ => try_snapshot(data),
    }
});

fn try_offsets(path: &Path) {
    if let Ok(found) = offset_checkpoint::read(path) {
        offset_checkpoint::write(path, found.iter().map(|(partition, offset)| (partition, *offset)))
            .expect("write");
        assert_eq!(offset_checkpoint::read(path).expect("own"), found);
    }
}

fn try_epochs(dir: &Path) {
    let Ok(entries) = leader_epoch_checkpoint::read(dir) else { return };
    let mut epochs = LeaderEpochs::load(entries);
    for (epoch, offset) in [(0, 0), (5, 100), (i32::MAX, i64::MAX)] {
        let _ = epochs.end_offset_for(epoch, offset);
        let _ = epochs.epoch_for_offset(offset);
    }
    let is_ascending = epochs
        .entries()
        .windows(2)
        .all(|pair| pair[0].epoch < pair[1].epoch && pair[0].start_offset < pair[1].start_offset);
    assert!(is_ascending, "{:?}", epochs.entries());
    epochs.truncate_from_start(7);
    epochs.truncate_from_end(70);
}

fn try_snapshot(data: &[u8]) {
    let _ = snapshot::decode(data);
    // No mutation hits a right CRC.
    let mut bytes = vec![0, 1, 0, 0, 0, 0];
    bytes.extend_from_slice(data);
    let crc = crc32c(&bytes[6..]);
    bytes[2..6].copy_from_slice(&crc.to_be_bytes());
    if let Ok(found) = snapshot::decode(&bytes) {
        let again = snapshot::decode(&snapshot::encode(found.iter())).expect("own");
        assert_eq!(format!("{again:?}"), format!("{found:?}"));
    }
}

//! The first snapshot of a quorum whose voters stand in the log (KIP-853): what `kafka-storage format
//! --standalone` writes, so that Apache Kafka can take the directory over.

use std::fs;
use std::io;
use std::path::Path;

use ottla_metadata::Endpoint;
use ottla_protocol::messages::voters_record::{
    Endpoint as VoterEndpoint, KRaftVersionFeature, Voter, VotersRecord,
};
use ottla_protocol::messages::{KRaftVersionRecord, SnapshotFooterRecord, SnapshotHeaderRecord};
use ottla_protocol::records::{BatchOptions, ControlRecordType, control_batch};
use ottla_protocol::{Uuid, encode_message};

use super::metadata_log::DIR_NAME;

/// The snapshot of what is known before the first record (`Snapshots.BOOTSTRAP_SNAPSHOT_ID`).
const FILE_NAME: &str = "00000000000000000000-0000000000.checkpoint";
/// Level of `kraft.version` at which voters stand in the log.
const KRAFT_VERSION: i16 = 1;

/// Whether nothing was ever written to the metadata log.
///
/// # Errors
/// When the directory can't be read.
pub fn is_new(metadata_log_dir: &Path) -> io::Result<bool> {
    let entries = match fs::read_dir(metadata_log_dir.join(DIR_NAME)) {
        Ok(entries) => entries,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(why) => return Err(why),
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "log" || e == "checkpoint") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes the snapshot that names this node the only voter.
///
/// # Errors
/// When the disk fails.
pub fn write(
    metadata_log_dir: &Path,
    node_id: i32,
    directory_id: Uuid,
    endpoints: &[Endpoint],
    now_ms: i64,
) -> io::Result<()> {
    let bytes = encode(node_id, directory_id, endpoints, now_ms)
        .map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
    let dir = metadata_log_dir.join(DIR_NAME);
    fs::create_dir_all(&dir)?;
    let temporary = dir.join(format!("{FILE_NAME}.part"));
    fs::write(&temporary, bytes)?;
    fs::File::open(&temporary)?.sync_all()?;
    fs::rename(&temporary, dir.join(FILE_NAME))?;
    fs::File::open(&dir)?.sync_all()
}

fn encode(node_id: i32, directory_id: Uuid, endpoints: &[Endpoint], now_ms: i64) -> Result<Vec<u8>, String> {
    let text = |why: &dyn std::fmt::Display| why.to_string();
    let endpoint = |e: &Endpoint| VoterEndpoint { name: e.name.clone(), host: e.host.clone(), port: e.port };
    let voter = Voter {
        voter_id: node_id,
        voter_directory_id: directory_id,
        endpoints: endpoints.iter().map(endpoint).collect(),
        k_raft_version_feature: KRaftVersionFeature {
            min_supported_version: 0,
            max_supported_version: KRAFT_VERSION,
        },
    };
    let header = SnapshotHeaderRecord { version: 0, last_contained_log_timestamp: now_ms };
    let header = encode_message(&header, 0).map_err(|why| text(&why))?;
    let version = KRaftVersionRecord { version: 0, k_raft_version: KRAFT_VERSION };
    let version = encode_message(&version, 0).map_err(|why| text(&why))?;
    let voters = VotersRecord { version: 0, voters: vec![voter] };
    let voters = encode_message(&voters, 0).map_err(|why| text(&why))?;
    let footer = encode_message(&SnapshotFooterRecord { version: 0 }, 0).map_err(|why| text(&why))?;
    let at = |base_offset: i64| BatchOptions { base_offset, partition_leader_epoch: 0, ..Default::default() };
    let first = [
        (ControlRecordType::SnapshotHeader, &*header),
        (ControlRecordType::KRaftVersion, &*version),
        (ControlRecordType::KRaftVoters, &*voters),
    ];
    let mut out = control_batch(&at(0), now_ms, &first).map_err(|why| text(&why))?.to_vec();
    let last = control_batch(&at(3), now_ms, &[(ControlRecordType::SnapshotFooter, &footer)]);
    out.extend_from_slice(&last.map_err(|why| text(&why))?);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::controller::metadata_log::MetadataLog;

    #[test]
    fn a_new_log_learns_from_it_that_voters_stand_in_the_log() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(is_new(dir.path()).expect("readable"));
        write(dir.path(), 1, Uuid::from_parts(3, 4), &[], 5).expect("writable");
        assert!(!is_new(dir.path()).expect("readable"));
        let log = MetadataLog::open(dir.path(), 5, |_| Ok(())).expect("opens");
        assert_eq!((log.kraft_version, log.log_end_offset()), (KRAFT_VERSION, 0));
    }
}

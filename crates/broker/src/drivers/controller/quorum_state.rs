//! The file `quorum-state` beside the metadata log: epoch and vote, as Kafka's `FileQuorumStateStore` keeps them.

use std::fs;
use std::io;
use std::path::Path;

use ottla_protocol::Uuid;
use ottla_storage::fs::replace_file;
use serde_json::{Value, json};

const FILE_NAME: &str = "quorum-state";

/// What a voter must not forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumState {
    /// Newest epoch that was seen; 0 before any election.
    pub leader_epoch: i32,
    /// Leader of that epoch, or -1.
    pub leader_id: i32,
    /// For whom this voter voted in that epoch, or -1.
    pub voted_id: i32,
    /// Directory of that voter; zero when it is not known.
    pub voted_directory_id: Uuid,
}

impl QuorumState {
    /// Reads the file in `dir`; none when there is none.
    ///
    /// # Errors
    /// When the file can't be read or is not what Kafka writes.
    pub fn read(dir: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read_to_string(dir.join(FILE_NAME)) {
            Ok(text) => text,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(why),
        };
        let bad = || {
            io::Error::new(io::ErrorKind::InvalidData, format!("{FILE_NAME} is not a quorum state: {text}"))
        };
        let value: Value = serde_json::from_str(&text).map_err(|_| bad())?;
        let number = |key: &str| value.get(key).and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok());
        let voted_directory_id = match value.get("votedDirectoryId").and_then(Value::as_str) {
            Some(text) => text.parse().map_err(|_| bad())?,
            None => Uuid::ZERO,
        };
        Ok(Some(Self {
            leader_epoch: number("leaderEpoch").ok_or_else(bad)?,
            leader_id: number("leaderId").unwrap_or(-1),
            voted_id: number("votedId").unwrap_or(-1),
            voted_directory_id,
        }))
    }

    /// Writes the file in the version that goes with `kraft_version`, durably: an epoch that was announced must not
    /// be used again after a crash. `voters` are the ids of a quorum whose voters the configuration names.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn write(&self, dir: &Path, kraft_version: i16, voters: &[i32]) -> io::Result<()> {
        let value = if kraft_version == 0 {
            let voters: Vec<Value> = voters.iter().map(|id| json!({ "voterId": id })).collect();
            json!({
                "clusterId": "",
                "leaderId": self.leader_id,
                "leaderEpoch": self.leader_epoch,
                "votedId": self.voted_id,
                "appliedOffset": 0,
                "currentVoters": voters,
                "data_version": 0,
            })
        } else {
            json!({
                "leaderId": self.leader_id,
                "leaderEpoch": self.leader_epoch,
                "votedId": self.voted_id,
                "votedDirectoryId": self.voted_directory_id.to_string(),
                "data_version": 1,
            })
        };
        replace_file(&dir.join(FILE_NAME), value.to_string().as_bytes(), true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kraft_version: i16, expected_directory: Uuid) {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(QuorumState::read(dir.path()).expect("readable"), None);
        let directory = Uuid::from_parts(1, 2);
        let state = QuorumState { leader_epoch: 7, leader_id: 1, voted_id: 1, voted_directory_id: directory };
        state.write(dir.path(), kraft_version, &[1]).expect("writable");
        let read = QuorumState::read(dir.path()).expect("readable").expect("there");
        assert_eq!(read, QuorumState { voted_directory_id: expected_directory, ..state });
    }

    #[test]
    fn both_versions_are_read_again() {
        check(0, Uuid::ZERO);
        check(1, Uuid::from_parts(1, 2));
    }

    #[test]
    fn garbage_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join(FILE_NAME), "{").expect("writable");
        assert!(QuorumState::read(dir.path()).is_err());
    }
}

//! Names of files and directories (Kafka: `LogFileUtils`, `LocalLog.parseTopicPartitionName`).

use std::io::Read;
use std::path::{Path, PathBuf};

use ottla_protocol::{Str, TopicPartition};

/// Suffix of a segment's records.
pub const LOG_SUFFIX: &str = ".log";
/// Suffix of the offset index.
pub const INDEX_SUFFIX: &str = ".index";
/// Suffix of the time index.
pub const TIME_INDEX_SUFFIX: &str = ".timeindex";
/// Suffix of the index of aborted transactions.
pub const TXN_INDEX_SUFFIX: &str = ".txnindex";
/// Suffix of a producer snapshot.
pub const SNAPSHOT_SUFFIX: &str = ".snapshot";
/// Added to files that wait for their removal.
pub const DELETED_SUFFIX: &str = ".deleted";
/// Added to files that compaction is writing.
pub const CLEANED_SUFFIX: &str = ".cleaned";
/// Added to files that are about to take the place of others.
pub const SWAP_SUFFIX: &str = ".swap";
/// Ends the name of a partition directory that waits for its removal.
pub const DELETE_DIR_SUFFIX: &str = "-delete";
/// Ends the name of a partition directory that is being moved here from another log directory.
pub const FUTURE_DIR_SUFFIX: &str = "-future";
/// Ends the name of a partition directory that the cluster's metadata does not know.
pub const STRAY_DIR_SUFFIX: &str = "-stray";
/// The metadata log's topic; its directory is not a partition log of the manager.
pub const METADATA_TOPIC: &str = "__cluster_metadata";
/// Cache of remote indexes that a Kafka broker leaves in a log directory; no partition.
pub const REMOTE_INDEX_CACHE_DIR: &str = "remote-log-index-cache";

/// Largest length of a file name.
const NAME_LEN_MAX: usize = 255;

/// The file of the segment or snapshot at `offset`: 20 digits and the suffix.
pub fn offset_file(dir: &Path, offset: i64, suffix: &str) -> PathBuf {
    dir.join(format!("{offset:020}{suffix}"))
}

/// The offset that a file name starts with.
pub fn offset_of(name: &str) -> Option<i64> {
    let (digits, _) = name.split_once('.')?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// What a directory below a log directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirKind {
    /// A partition.
    Current,
    /// A copy that will replace the partition's log in another log directory.
    Future,
    /// Waits for its removal.
    Delete,
    /// Unknown to the metadata; kept for the operator.
    Stray,
}

/// Reads the name of a partition's directory; none when it is no partition's.
pub fn parse_dir_name(name: &str) -> Option<(TopicPartition, DirKind)> {
    let (kind, plain) = if let Some(rest) = name.strip_suffix(DELETE_DIR_SUFFIX) {
        (DirKind::Delete, rest.rsplit_once('.')?.0)
    } else if let Some(rest) = name.strip_suffix(FUTURE_DIR_SUFFIX) {
        (DirKind::Future, rest.rsplit_once('.')?.0)
    } else if let Some(rest) = name.strip_suffix(STRAY_DIR_SUFFIX) {
        (DirKind::Stray, rest.rsplit_once('.')?.0)
    } else {
        (DirKind::Current, name)
    };
    let (topic, partition) = plain.rsplit_once('-')?;
    let partition: i32 = partition.parse().ok()?;
    if topic.is_empty() || partition < 0 {
        return None;
    }
    Some((TopicPartition { topic: Str::from(topic.to_owned()), partition }, kind))
}

/// Directory name of a partition that is served.
pub fn dir_name(partition: &TopicPartition) -> String {
    format!("{}-{}", partition.topic, partition.partition)
}

/// Directory name of a partition that is on its way out or in: `topic-0.<32 hex digits><suffix>`. Long
/// topic names are cut, except for futures, which must be read back.
pub fn unique_dir_name(partition: &TopicPartition, suffix: &str) -> String {
    let unique = format!("{:032x}", random_u128());
    let end = format!("-{}.{unique}{suffix}", partition.partition);
    let topic: &str = &partition.topic;
    let room = NAME_LEN_MAX - end.len();
    let cut = if suffix == FUTURE_DIR_SUFFIX { topic.len() } else { topic.len().min(room) };
    format!("{}{end}", topic.get(..cut).unwrap_or(topic))
}

/// 128 bits from the operating system. Names, ids and jitter come from here; nothing secret does.
pub(crate) fn random_u128() -> u128 {
    let mut bytes = [0u8; 16];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut bytes));
    if read.is_err() {
        // No device (a bare container): the hash seeds of the standard library are random, too.
        use std::hash::{BuildHasher, RandomState};
        for half in bytes.chunks_exact_mut(8) {
            half.copy_from_slice(&RandomState::new().hash_one(0u8).to_be_bytes());
        }
    }
    u128::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_have_twenty_digits() {
        let path = offset_file(Path::new("/d"), 42, LOG_SUFFIX);
        assert_eq!(path, Path::new("/d/00000000000000000042.log"));
        assert_eq!(offset_of("00000000000000000042.log"), Some(42));
        assert_eq!(offset_of("00000000000000000042.timeindex.swap"), Some(42));
        assert_eq!(offset_of("leader-epoch-checkpoint"), None);
        assert_eq!(offset_of("99999999999999999999.log"), None);
        assert_eq!(offset_of(".log"), None);
    }

    #[test]
    fn directory_names_are_read_back() {
        let check = |name: &str, topic: &str, partition: i32, kind: DirKind| {
            assert_eq!(parse_dir_name(name), Some((TopicPartition::new(topic, partition), kind)), "{name}");
        };
        check("t-0", "t", 0, DirKind::Current);
        check("my-topic.x-12", "my-topic.x", 12, DirKind::Current);
        check("t-3.0123abc-delete", "t", 3, DirKind::Delete);
        check("t-3.0123abc-future", "t", 3, DirKind::Future);
        check("a.b-3.0123abc-stray", "a.b", 3, DirKind::Stray);
        for bad in ["t", "-0", "t-", "t-x", "t-0-delete", "t--1x", "lost+found"] {
            assert_eq!(parse_dir_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn deletion_names_fit_a_directory() {
        let partition = TopicPartition::new("t".repeat(249), 7);
        let name = unique_dir_name(&partition, DELETE_DIR_SUFFIX);
        assert_eq!(name.len(), NAME_LEN_MAX);
        let (parsed, kind) = parse_dir_name(&name).expect("parses");
        assert_eq!((parsed.partition, kind), (7, DirKind::Delete));
    }
}

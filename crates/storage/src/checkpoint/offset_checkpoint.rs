//! Offsets of all partitions of a log directory (Kafka: `OffsetCheckpointFile`).

use std::collections::HashMap;
use std::fmt::Write;
use std::io;
use std::path::Path;

use ottla_protocol::{Str, TopicPartition};

use crate::fs::replace_file;

/// All before these offsets is durable.
pub const RECOVERY_POINT_FILE: &str = "recovery-point-offset-checkpoint";
/// Log start offsets that are not 0.
pub const LOG_START_OFFSET_FILE: &str = "log-start-offset-checkpoint";
/// Up to where compacted logs are clean.
pub const CLEANER_OFFSET_FILE: &str = "cleaner-offset-checkpoint";
/// High watermarks.
pub const HIGH_WATERMARK_FILE: &str = "replication-offset-checkpoint";

/// Offsets by partition.
pub type Offsets = HashMap<TopicPartition, i64>;

/// Replaces the file by these offsets, durably.
pub fn write<'a>(
    path: &Path,
    offsets: impl ExactSizeIterator<Item = (&'a TopicPartition, i64)>,
) -> io::Result<()> {
    let text = super::render(offsets, |text, (partition, offset)| {
        let _ = write!(text, "{} {} {offset}", partition.topic, partition.partition);
    });
    replace_file(path, text.as_bytes(), true)
}

/// Reads the file; a missing one holds nothing.
pub fn read(path: &Path) -> io::Result<Offsets> {
    let entries = super::read(path, |words| match words {
        [topic, partition, offset] => {
            let partition = partition.parse().ok()?;
            let topic = Str::from((*topic).to_owned());
            Some((TopicPartition { topic, partition }, offset.parse().ok()?))
        }
        _ => None,
    })?;
    Ok(entries.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafka_reads_what_is_written() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join(RECOVERY_POINT_FILE);
        let offsets = [(TopicPartition::new("a", 0), 5), (TopicPartition::new("b.c", 12), i64::MAX)];
        write(&path, offsets.iter().map(|(partition, offset)| (partition, *offset))).expect("write");
        let text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(text, "0\n2\na 0 5\nb.c 12 9223372036854775807\n");
        assert_eq!(read(&path).expect("read"), offsets.into_iter().collect());
        for cut in "0\n2".len()..text.len() {
            std::fs::write(&path, &text[..cut]).expect("write");
            assert!(read(&path).is_err(), "{:?}", &text[..cut]);
        }
    }
}

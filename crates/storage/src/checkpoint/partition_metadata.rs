//! The topic id of a partition's directory (Kafka: `PartitionMetadataFile`).

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ottla_protocol::Uuid;
use parking_lot::Mutex;

use crate::fs::{found, replace_file};

/// Name of the file in a partition's directory.
pub const PARTITION_METADATA_FILE: &str = "partition.metadata";

/// Writes the file. It is not made durable here: the log does that before its first fsync.
fn write(dir: &Path, topic_id: Uuid) -> io::Result<()> {
    let path = dir.join(PARTITION_METADATA_FILE);
    let content = format!("version: 0\ntopic_id: {topic_id}");
    match File::create_new(&path) {
        Ok(mut file) => file.write_all(content.as_bytes()),
        // Not in place: other partitions may have the same file.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => replace_file(&path, content.as_bytes(), false),
        Err(e) => Err(e),
    }
}

/// How many partitions share a file: what a bad block takes away must not be all of a large topic.
const NAMES_MAX: u32 = 32;

/// Writes the files of new logs. Those of a topic's partitions say the same, so that some of them, one after the other, are
/// made the same file: a new name costs the file system a fraction of what a new file does, above all where many were removed
/// a moment ago (ext4 passes over their inodes one by one, for some minutes). Neither Ottla nor Kafka writes to a file that
/// is there: both put another in its place.
#[derive(Debug, Default)]
pub struct PartitionMetadataWriter {
    last: Mutex<Option<LastFile>>,
}

/// The file that was written last.
#[derive(Debug)]
struct LastFile {
    path: PathBuf,
    topic_id: Uuid,
    names: u32,
}

impl PartitionMetadataWriter {
    /// Gives the log in `dir` a file that holds this id.
    pub fn write(&self, dir: &Path, topic_id: Uuid) -> io::Result<()> {
        let path = dir.join(PARTITION_METADATA_FILE);
        let mut last = self.last.lock();
        if let Some(last) = &mut *last
            && last.topic_id == topic_id
            && last.names < NAMES_MAX
            // Only within a log directory: each of them stands for a disk of its own.
            && last.path.parent().and_then(Path::parent) == dir.parent()
            // It may be gone, or the file system knows but one name of a file.
            && std::fs::hard_link(&last.path, &path).is_ok()
        {
            last.names += 1;
            return Ok(());
        }
        write(dir, topic_id)?;
        *last = Some(LastFile { path, topic_id, names: 1 });
        Ok(())
    }
}

/// Bytes of the file.
const WHOLE_LEN: usize = 43;

/// Reads the file. A missing one, and one that a power failure left behind before it was durable (empty, not
/// whole, or with zeros in the place of blocks that never were written), hold no id.
pub fn read(dir: &Path) -> io::Result<Option<Uuid>> {
    let path = dir.join(PARTITION_METADATA_FILE);
    let Some(bytes) = found(std::fs::read(&path))? else { return Ok(None) };
    if bytes.len() < WHOLE_LEN || bytes.contains(&0) {
        tracing::warn!("{} is not whole; its topic id is not known", path.display());
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&bytes);
    parse(&text).map(Some).map_err(|line| {
        let what = format!("Malformed line in partition metadata file [{}]: {line}", path.display());
        io::Error::new(io::ErrorKind::InvalidData, what)
    })
}

fn parse(text: &str) -> Result<Uuid, String> {
    let mut lines = text.lines();
    let mut value = |key: &str| {
        let line = lines.next().unwrap_or_default();
        match line.split_once(':') {
            Some((k, v)) if k == key && v.starts_with(char::is_whitespace) => Ok(v.trim().to_owned()),
            _ => Err(line.to_owned()),
        }
    };
    let version = value("version")?;
    if version.parse::<i32>().is_ok_and(|v| v >= 0) {
        let text = value("topic_id")?;
        match text.parse::<Uuid>() {
            Ok(id) if id != Uuid::ZERO => Ok(id),
            _ => Err(text),
        }
    } else {
        Err(version)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn round_trip_and_malformed() {
        let dir = tempfile::tempdir().expect("temp dir");
        assert_eq!(read(dir.path()).expect("missing"), None);
        let id = Uuid::from_parts(1, 2);
        write(dir.path(), id).expect("write");
        assert_eq!(read(dir.path()).expect("read"), Some(id));
        let path = dir.path().join(PARTITION_METADATA_FILE);
        let text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(text, "version: 0\ntopic_id: AAAAAAAAAAEAAAAAAAAAAg");
        for cut in 1..text.len() {
            std::fs::write(&path, &text[..cut]).expect("write");
            assert_eq!(read(dir.path()).expect("torn"), None, "{:?}", &text[..cut]);
            let zeros = [&text.as_bytes()[..cut], &vec![0; text.len() - cut]].concat();
            std::fs::write(&path, zeros).expect("write");
            assert_eq!(read(dir.path()).expect("torn"), None, "zeros from {cut} on");
        }
        std::fs::write(&path, "").expect("write");
        assert_eq!(read(dir.path()).expect("empty"), None);
        for malformed in [
            "version: 1x\ntopic_id: AAAAAAAAAAEAAAAAAAAAAg",
            "topic_id: AAAAAAAAAAEAAAAAAAAAAg -- version: 0",
        ] {
            std::fs::write(&path, malformed).expect("write");
            assert!(read(dir.path()).is_err(), "{malformed}");
        }
    }

    #[test]
    fn partitions_of_a_topic_share_a_file_that_is_replaced_and_never_changed() {
        let temp = tempfile::tempdir().expect("temp dir");
        let dir = |name: &str| {
            let dir = temp.path().join(name);
            std::fs::create_dir_all(&dir).expect("create");
            dir
        };
        let file = |dir: &Path| std::fs::metadata(dir.join(PARTITION_METADATA_FILE)).expect("stat").ino();
        let (first, second) = (Uuid::from_parts(1, 2), Uuid::from_parts(3, 4));
        let writer = PartitionMetadataWriter::default();
        let (a, b, other_topic, other_disk) = (dir("1/a-0"), dir("1/a-1"), dir("1/b-0"), dir("2/a-2"));
        for (dir, id) in [(&a, first), (&b, first), (&other_topic, second), (&other_disk, second)] {
            writer.write(dir, id).expect("write");
            assert_eq!(read(dir).expect("read"), Some(id));
        }
        assert_eq!(file(&a), file(&b));
        assert_ne!(file(&other_topic), file(&other_disk));
        // One of them is not whole, so that it is written again; the others keep theirs.
        writer.write(&a, second).expect("write");
        assert_eq!(read(&a).expect("read"), Some(second));
        assert_eq!(read(&b).expect("read"), Some(first));
        // No more than some of them, lest a bad block be the end of a topic.
        let numbers: Vec<u64> = (0..80)
            .map(|partition| {
                let dir = dir(&format!("1/c-{partition}"));
                writer.write(&dir, first).expect("write");
                file(&dir)
            })
            .collect();
        let files: Vec<usize> = numbers.chunk_by(|a, b| a == b).map(<[u64]>::len).collect();
        assert_eq!(files, [32, 32, 16]);
        // The last one is gone with its topic.
        writer.write(&a, second).expect("write");
        std::fs::remove_dir_all(&a).expect("remove");
        writer.write(&dir("1/b-1"), second).expect("write");
        assert_eq!(read(&dir("1/b-1")).expect("read"), Some(second));
    }
}

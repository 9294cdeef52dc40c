//! The topic id of a partition's directory (Kafka: `PartitionMetadataFile`).

use std::io;
use std::path::Path;

use ottla_protocol::Uuid;

use crate::fs::found;

/// Name of the file in a partition's directory.
pub const PARTITION_METADATA_FILE: &str = "partition.metadata";

/// Writes the file, where there was none. It is not made durable here: the log does that before its first fsync.
pub fn write(dir: &Path, topic_id: Uuid) -> io::Result<()> {
    std::fs::write(dir.join(PARTITION_METADATA_FILE), format!("version: 0\ntopic_id: {topic_id}"))
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
}

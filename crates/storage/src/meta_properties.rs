//! `meta.properties`: whose a log directory is (Kafka: `MetaProperties`, `MetaPropertiesEnsemble`).

use std::io;
use std::path::Path;

use ottla_protocol::Uuid;

use crate::fs::{found, replace_file};
use crate::names::random_u128;

/// Name of the file in a log directory.
pub const META_PROPERTIES_FILE: &str = "meta.properties";

/// Directory ids below this mean something else (`DirectoryId.reserved`).
const RESERVED_IDS: u64 = 100;

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// Format: 1; 0 was written by brokers that had ZooKeeper.
    pub version: i32,
    /// Id of the cluster; may be missing in version 0 only.
    pub cluster_id: Option<String>,
    /// Id of this node; may be missing in version 0 only.
    pub node_id: Option<i32>,
    /// Id of the log directory (KIP-858).
    pub directory_id: Option<Uuid>,
}

impl MetaProperties {
    /// What a newly formatted directory of this node holds.
    pub fn new(cluster_id: &str, node_id: i32, directory_id: Uuid) -> Self {
        Self {
            version: 1,
            cluster_id: Some(cluster_id.to_owned()),
            node_id: Some(node_id),
            directory_id: Some(directory_id),
        }
    }

    /// Reads the file in `log_dir`; none when there is none. A file that makes no sense is `InvalidData`.
    pub fn read(log_dir: &Path) -> io::Result<Option<Self>> {
        let path = log_dir.join(META_PROPERTIES_FILE);
        let Some(bytes) = found(std::fs::read(&path))? else { return Ok(None) };
        Self::parse(&bytes)
            .map(Some)
            .map_err(|why| io::Error::new(io::ErrorKind::InvalidData, format!("{why} in {}", path.display())))
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let entries = ottla_config::properties::parse_bytes(bytes).map_err(|e| e.to_string())?;
        let value = |key: &str| entries.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        let number = |key: &str| {
            let parse = |v: &str| v.parse::<i32>().map_err(|_| format!("{key} '{v}' is not a number"));
            value(key).map(parse).transpose()
        };
        let version = number("version")?.unwrap_or(0);
        let node_id = match version {
            0 => number("broker.id")?,
            1 => Some(number("node.id")?.ok_or("node.id was not found")?),
            other => return Err(format!("Unknown meta.properties version number '{other}'")),
        };
        let cluster_id = value("cluster.id").map(str::to_owned);
        if version > 0 && cluster_id.is_none() {
            return Err("cluster.id was not found".to_owned());
        }
        let directory_id = match value("directory.id") {
            Some(text) => Some(text.parse().map_err(|_| format!("directory.id '{text}' is not a Uuid"))?),
            None => None,
        };
        Ok(Self { version, cluster_id, node_id, directory_id })
    }

    /// Writes the file, durably.
    pub fn write(&self, log_dir: &Path) -> io::Result<()> {
        let mut text = format!("#\nversion={}\n", self.version);
        let node_key = if self.version == 0 { "broker.id" } else { "node.id" };
        for (key, value) in [
            ("cluster.id", self.cluster_id.as_deref().map(escape)),
            (node_key, self.node_id.map(|id| id.to_string())),
            ("directory.id", self.directory_id.map(|id| id.to_string())),
        ] {
            if let Some(value) = value {
                text.push_str(&format!("{key}={value}\n"));
            }
        }
        replace_file(&log_dir.join(META_PROPERTIES_FILE), text.as_bytes(), true)
    }
}

/// As `java.util.Properties.store` escapes values; ids need it only when somebody chose an odd one.
fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for (at, c) in value.chars().enumerate() {
        match c {
            '\\' | '=' | ':' | '#' | '!' => out.extend(['\\', c]),
            ' ' if at == 0 => out.push_str("\\ "),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Blank space to who reads it: it would be gone at the front.
            '\u{c}' => out.push_str("\\f"),
            _ => out.push(c),
        }
    }
    out
}

/// Whether an id must not be given to a directory.
pub fn is_reserved(directory_id: Uuid) -> bool {
    directory_id < Uuid::from_parts(0, RESERVED_IDS)
}

/// A new id for a directory, or a cluster. Like Kafka's, its text does not start with a hyphen.
pub fn random_uuid() -> Uuid {
    loop {
        let id = Uuid::from_random(random_u128());
        if !is_reserved(id) && !id.to_string().starts_with('-') {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let dir = tempfile::tempdir().expect("temp dir");
        assert_eq!(MetaProperties::read(dir.path()).expect("missing"), None);
        for cluster_id in ["MkU3OEVBNTcwNTJENDM2Qg", "my=odd: id", "\u{c}\t odd"] {
            let meta = MetaProperties::new(cluster_id, 7, random_uuid());
            meta.write(dir.path()).expect("write");
            assert_eq!(MetaProperties::read(dir.path()).expect("read"), Some(meta));
        }
    }

    #[test]
    fn kafkas_files_are_read() {
        let check = |text: &str, expect: Result<(i32, Option<&str>, Option<i32>), &str>| match (
            MetaProperties::parse(text.as_bytes()),
            expect,
        ) {
            (Ok(m), Ok((version, cluster, node))) => {
                assert_eq!((m.version, m.cluster_id.as_deref(), m.node_id), (version, cluster, node));
            }
            (Err(e), Err(part)) => assert!(e.contains(part), "{e}"),
            (found, _) => panic!("{text:?}: {found:?}"),
        };
        let head = "#\n#Sat Nov 21 05:20:00 UTC 2026\n";
        check(&format!("{head}cluster.id=abc\nversion=1\nnode.id=3\n"), Ok((1, Some("abc"), Some(3))));
        check("broker.id=4\n", Ok((0, None, Some(4))));
        check("version=1\ncluster.id=abc\n", Err("node.id"));
        check("version=1\nnode.id=1\n", Err("cluster.id"));
        check("version=2\n", Err("version number"));
        check("version=1\nnode.id=x\ncluster.id=a\n", Err("not a number"));
        check("version=1\nnode.id=1\ncluster.id=a\ndirectory.id=?\n", Err("directory.id"));
    }
}

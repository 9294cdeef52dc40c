//! `meta.properties` of all directories of a node (Kafka: `MetaPropertiesEnsemble`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use ottla_protocol::Uuid;
use ottla_storage::meta_properties::{META_PROPERTIES_FILE, MetaProperties, is_reserved};

/// What was found in the directories.
#[derive(Debug, Default)]
pub struct Directories {
    /// Formatted ones.
    pub formatted: BTreeMap<String, MetaProperties>,
    /// Those without `meta.properties`.
    pub empty: Vec<String>,
    /// Those that can't be read.
    pub failed: Vec<String>,
}

impl Directories {
    /// Reads them.
    pub fn load(paths: &BTreeSet<String>) -> Self {
        let mut found = Self::default();
        for path in paths {
            let read = match std::fs::metadata(path) {
                // Java's properties of a file beneath a file can't be read; Rust's can't be found.
                Ok(metadata) if !metadata.is_dir() => Err(std::io::ErrorKind::NotADirectory.into()),
                _ => MetaProperties::read(Path::new(path)),
            };
            match read {
                Ok(Some(meta)) => {
                    found.formatted.insert(path.clone(), meta);
                }
                Ok(None) => found.empty.push(path.clone()),
                Err(_) => found.failed.push(path.clone()),
            }
        }
        found
    }

    /// All of them are of this cluster and this node, and no two have the same id.
    ///
    /// # Errors
    /// What is wrong, in Kafka's words.
    pub fn verify(&self, cluster_id: &str, node_id: i32) -> Result<(), String> {
        let mut seen: HashMap<Uuid, &str> = HashMap::new();
        for (path, meta) in &self.formatted {
            let file = Path::new(path).join(META_PROPERTIES_FILE);
            let file = file.display();
            if let Some(found) = meta.cluster_id.as_deref().filter(|id| *id != cluster_id) {
                return Err(format!(
                    "Invalid cluster.id in: {file}. Expected {cluster_id}, but read {found}"
                ));
            }
            if let Some(found) = meta.node_id.filter(|id| *id != node_id) {
                return Err(format!(
                    "Stored node id {found} doesn't match previous node id {node_id} in {file}. If you moved \
                     your data, make sure your configured node id matches. If you intend to create a new node, \
                     you should remove all data in your data directories."
                ));
            }
            let Some(id) = meta.directory_id else { continue };
            if is_reserved(id) {
                return Err(format!("Invalid reserved directory ID {id} found in {path}"));
            }
            if let Some(other) = seen.insert(id, path) {
                return Err(format!(
                    "Duplicate directory ID Optional[{id}] found. It was the ID of {other}, but also of {path}"
                ));
            }
        }
        Ok(())
    }
}

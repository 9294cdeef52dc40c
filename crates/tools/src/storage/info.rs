//! `info`: what the log directories of a node are.

use std::path::Path;

use ottla_config::BrokerConfig;
use ottla_storage::meta_properties::{META_PROPERTIES_FILE, MetaProperties};

use crate::{Failure, Io, outln};

/// Prints the directories, whose they are, and what is wrong with them.
///
/// # Errors
/// Code 1 when something is wrong.
pub fn run(config: &BrokerConfig, io: &mut Io) -> Result<(), Failure> {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    let mut meta: Option<MetaProperties> = None;
    for directory in super::directories_of(config) {
        let path = Path::new(&directory);
        if !path.is_dir() {
            let what = if path.exists() { "is not a directory" } else { "does not exist" };
            problems.push(format!("{directory} {what}"));
            continue;
        }
        found.push(directory.clone());
        match MetaProperties::read(path) {
            Ok(None) => problems.push(format!("{directory} is not formatted.")),
            Ok(Some(read)) => match &meta {
                None => meta = Some(read),
                Some(first) if first.cluster_id != read.cluster_id => {
                    problems.push("Mismatched cluster IDs between storage directories.".to_owned());
                }
                Some(first) if first.node_id != read.node_id => {
                    problems.push("Mismatched node IDs between storage directories.".to_owned());
                }
                Some(_) => {}
            },
            Err(why) => {
                problems.push(format!("Error loading {directory}/{META_PROPERTIES_FILE}: {why}"));
            }
        }
    }
    if meta.as_ref().is_some_and(|meta| meta.version == 0) {
        problems.push(
            "The kafka configuration file appears to be for a cluster in KRaft mode, but the directories are \
             formatted for legacy mode."
                .to_owned(),
        );
    }
    print_list(io, ["Found log directory:", "Found log directories:"], &found);
    if let Some(meta) = meta {
        outln!(io, "Found metadata: {}", shown(&meta));
        outln!(io);
    }
    print_list(io, ["Found problem:", "Found problems:"], &problems);
    if problems.is_empty() { Ok(()) } else { Err(Failure::Exit(1)) }
}

fn print_list(io: &mut Io, [one, many]: [&str; 2], entries: &[String]) {
    if entries.is_empty() {
        return;
    }
    outln!(io, "{}", if entries.len() == 1 { one } else { many });
    for entry in entries {
        outln!(io, "  {entry}");
    }
    outln!(io);
}

/// As Java prints a sorted map.
fn shown(meta: &MetaProperties) -> String {
    let node_key = if meta.version == 0 { "broker.id" } else { "node.id" };
    let mut entries = vec![("version", Some(meta.version.to_string()))];
    entries.push(("cluster.id", meta.cluster_id.clone()));
    entries.push((node_key, meta.node_id.map(|id| id.to_string())));
    entries.push(("directory.id", meta.directory_id.map(|id| id.to_string())));
    entries.sort();
    let shown: Vec<String> =
        entries.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", value?))).collect();
    format!("{{{}}}", shown.join(", "))
}

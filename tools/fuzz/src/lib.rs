//! What the fuzz targets share: a message picked and tried by its first bytes, and a directory to write to.

#[path = "../../../crates/protocol/tests/registry/mod.rs"]
mod registry;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use ottla_protocol::schema::{self, MessageSpec};
use registry::{ReencodeError, reencode};

/// The messages whose kind is one of `kinds`, in an order that stays: inputs of earlier runs go on meaning
/// the same while the schema does.
pub fn messages(kinds: &[&str]) -> Vec<&'static MessageSpec> {
    let mut found: Vec<_> = schema::messages().filter(|m| kinds.contains(&m.kind.as_str())).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!found.is_empty(), "no message is of {kinds:?}");
    found
}

/// Reads `data` as a message: its first byte picks which of `messages`, its second which version.
///
/// # Panics
/// When what decodes cannot be encoded, or does not come back from that as it was: a value lost on the way.
pub fn try_message(messages: &[&MessageSpec], data: &[u8]) {
    let [which, version, body @ ..] = data else { return };
    let message = messages[usize::from(*which) % messages.len()];
    let versions = message.versions.high - message.versions.low + 1;
    let version = message.versions.low + i16::from(*version) % versions;
    let name = &message.name;
    // The dump tools' way first: it walks the schema and shares no code with the generated structs.
    let json = schema::to_json(name, version, Bytes::copy_from_slice(body));
    let once = match reencode(name, version, Bytes::copy_from_slice(body)) {
        Ok(once) => once,
        Err(ReencodeError::Decode(_)) => return,
        Err(why) => panic!("{name} v{version} decodes but {why:?}"),
    };
    // Bytes may differ from the input (a varint can be written in many ways), but only once.
    let twice = reencode(name, version, once.clone());
    assert!(matches!(&twice, Ok(twice) if *twice == once), "{name} v{version} changes: {twice:?}");
    assert!(json.is_ok(), "{name} v{version} decodes, but not to JSON: {json:?}");
}

/// An empty directory, in memory where there is one: each input has it for itself.
///
/// # Panics
/// When the disk fails.
pub fn scratch() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let dir = parent.join(format!("ottla-fuzz-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir(&dir).expect("create");
    dir
}

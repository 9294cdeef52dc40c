//! What is in a partition's directory.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::checkpoint::leader_epoch_checkpoint::LEADER_EPOCH_FILE;
use crate::checkpoint::tail_checkpoint::TAIL_CHECKPOINT_FILES;
use crate::names::{
    CLEANED_SUFFIX, DELETED_SUFFIX, INDEX_SUFFIX, LOG_SUFFIX, SNAPSHOT_SUFFIX, SWAP_SUFFIX,
    TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, offset_of,
};
use crate::segment::FileSizes;

/// Files of a partition directory, as far as they matter.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) segments: BTreeMap<i64, FileSizes>,
    /// Index files whose segment is missing are of no use.
    pub(super) orphans: Vec<PathBuf>,
    pub(super) snapshots: Vec<i64>,
    pub(super) has_epochs: bool,
    pub(super) has_tail_checkpoints: bool,
    /// Whether an operation was interrupted here.
    pub(super) has_leftovers: bool,
}

impl Listing {
    /// Lists a partition's directory; no file is opened.
    pub(super) fn read(dir: &Path) -> io::Result<Self> {
        let mut listing = Self::default();
        let mut indexes = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name == LEADER_EPOCH_FILE {
                listing.has_epochs = true;
            }
            listing.has_tail_checkpoints |= TAIL_CHECKPOINT_FILES.contains(&name);
            if [DELETED_SUFFIX, CLEANED_SUFFIX, SWAP_SUFFIX].iter().any(|suffix| name.ends_with(suffix)) {
                listing.has_leftovers = true;
                continue;
            }
            let Some(offset) = offset_of(name) else { continue };
            if name.ends_with(LOG_SUFFIX) {
                listing.segments.entry(offset).or_default().log = entry.metadata()?.len();
            } else if name.ends_with(SNAPSHOT_SUFFIX) {
                listing.snapshots.push(offset);
            } else if let Some(suffix) =
                [INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX].into_iter().find(|s| name.ends_with(s))
            {
                indexes.push((offset, suffix, entry.metadata()?.len(), entry.path()));
            }
        }
        for (offset, suffix, len, path) in indexes {
            let Some(sizes) = listing.segments.get_mut(&offset) else {
                listing.orphans.push(path);
                continue;
            };
            match suffix {
                INDEX_SUFFIX => sizes.index = Some(len),
                TIME_INDEX_SUFFIX => sizes.time_index = Some(len),
                _ => sizes.txn_index = Some(len),
            }
        }
        Ok(listing)
    }
}

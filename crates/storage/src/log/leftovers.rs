//! What interrupted operations left in a partition's directory.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::fs::Disk;
use crate::names::{CLEANED_SUFFIX, DELETED_SUFFIX, SWAP_SUFFIX, offset_of};
use crate::segment::scanner::{SCAN_BUFFER, Scanner};

/// Removes what interrupted operations left, and finishes a replacement of segments that had begun: once all
/// new files are called `.swap`, they are the log.
pub(super) fn finish_swaps(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let (mut swaps, mut cleaned) = (Vec::new(), Vec::new());
    let mut first_cleaned = i64::MAX;
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        // Kafka's metadata snapshots (`.checkpoint.deleted`) are looked after by the quorum.
        if name.ends_with(DELETED_SUFFIX) && !name.ends_with(".checkpoint.deleted") {
            std::fs::remove_file(&path)?;
        } else if name.ends_with(CLEANED_SUFFIX) {
            first_cleaned = first_cleaned.min(offset_of(name).unwrap_or(i64::MAX));
            cleaned.push(path);
        } else if name.ends_with(SWAP_SUFFIX) {
            swaps.extend(offset_of(name).map(|offset| (offset, path.clone())));
        }
    }
    // Files are renamed from `.cleaned` to `.swap` in descending order of offsets: with one of the former
    // left, those behind it are not complete.
    let (mut valid, invalid): (Vec<_>, Vec<_>) =
        swaps.into_iter().partition(|(offset, _)| *offset < first_cleaned);
    // In this order: a `.swap` without its `.cleaned` would pass for complete if this start were interrupted, too.
    for path in invalid.into_iter().map(|(_, path)| path).chain(cleaned) {
        std::fs::remove_file(path)?;
    }
    if valid.is_empty() {
        return Ok(());
    }
    valid.sort();
    remove_replaced(dir, &valid)?;
    for (_, path) in valid {
        let target = path.with_extension("");
        tracing::info!("Recovering file {} by renaming", path.display());
        disk.rename(&path, &target)?;
    }
    Ok(())
}

/// Removes the segments whose records are in the `.swap` files.
fn remove_replaced(dir: &Path, swaps: &[(i64, PathBuf)]) -> io::Result<()> {
    let (mut first, mut end) = (i64::MAX, i64::MIN);
    for (offset, path) in swaps {
        if path.with_extension("").extension().is_none_or(|e| e != "log") {
            continue;
        }
        let file = File::open(path)?;
        let len = u32::try_from(file.metadata()?.len()).unwrap_or(u32::MAX);
        let mut scanner = Scanner::new(&file, 0, len, SCAN_BUFFER);
        let mut next = *offset;
        while let Some(batch) = scanner.next_batch().map_err(|e| e.into_io(path))? {
            next = batch.header.next_offset();
        }
        (first, end) = (first.min(*offset), end.max(next));
    }
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        let replaced = offset_of(name).is_some_and(|o| o >= first && o < end);
        if replaced && !name.ends_with(SWAP_SUFFIX) {
            tracing::info!("Deleting {}, which a compacted segment replaces", path.display());
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

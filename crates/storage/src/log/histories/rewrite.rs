//! The swap of a cleaning that finds nothing to remove: closed segments are replaced by one with the same records.

use std::os::unix::fs::FileExt;

use super::history::History;
use crate::cleaner::{CleanError, CleanedSegment};
use crate::error::StorageResult;
use crate::log::CleaningView;

impl History {
    /// Makes one segment of some closed ones.
    pub fn rewrite(&mut self, told: &mut Vec<String>) -> StorageResult<()> {
        let view = self.log.cleaning_view(self.now_ms)?;
        if view.segments.is_empty() {
            return Ok(());
        }
        let first = self.rng.below(view.segments.len() as u64) as usize;
        let mut count = self.rng.between(1, 4) as usize;
        let bytes =
            |count: usize| -> u32 { view.segments[first..].iter().take(count).map(|s| s.bytes).sum() };
        while count > 1 && bytes(count) > self.options.config.segment_bytes {
            count -= 1;
        }
        let old: Vec<i64> = view.segments[first..].iter().take(count).map(|s| s.base_offset).collect();
        told.push(format!("rewrite {old:?}"));
        match self.swap_in(&view, &old) {
            Ok(()) => Ok(()),
            Err(CleanError::Storage(e)) => Err(e),
            Err(other) => panic!("{other}"),
        }
    }

    fn swap_in(&self, view: &CleaningView, old: &[i64]) -> Result<(), CleanError> {
        let disk = self.log.log_dir().disk();
        let files = self.log.create_cleaned(view.truncations, old[0])?;
        let interval = self.options.config.index_interval_bytes;
        let mut cleaned = CleanedSegment::new(old[0], files, interval);
        self.log.aborted_in_segments(old)?.into_iter().for_each(|txn| cleaned.add_aborted(txn));
        let mut modified = std::time::SystemTime::UNIX_EPOCH;
        for base_offset in old {
            let source = self.log.source_segment(view.truncations, *base_offset, *base_offset)?;
            let mut bytes = vec![0; source.bytes as usize];
            source.file.read_exact_at(&mut bytes, 0).expect("read");
            cleaned.append(disk, &bytes).map_err(|e| self.log.fail_cleaning(e))?;
            modified = source.modified;
        }
        cleaned.finish(disk, modified).map_err(|e| self.log.fail_cleaning(e))?;
        self.log.replace_segments(view.truncations, &cleaned, old, self.now_ms)
    }
}

impl crate::log::PartitionLog {
    /// What the transaction indexes of these segments hold.
    fn aborted_in_segments(
        &self,
        bases: &[i64],
    ) -> StorageResult<Vec<crate::segment::txn_index::AbortedTxn>> {
        let mut state = self.open_state()?;
        let dir = state.dir.clone();
        let env = self.env(&dir);
        let mut found = Vec::new();
        for segment in state.segments.iter_mut().filter(|s| bases.contains(&s.base_offset)) {
            segment.txns.collect(env, 0, i64::MAX, &mut found).expect("read");
        }
        Ok(found)
    }
}

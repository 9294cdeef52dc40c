//! Where each leader epoch starts in a log (Kafka: `LeaderEpochFileCache`, KIP-101, KIP-279, KIP-320).

/// The first offset that leader `epoch` wrote, or was to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// Leader epoch.
    pub epoch: i32,
    /// First offset.
    pub start_offset: i64,
}

/// Entries in ascending order of epoch and of start offset.
///
/// It says when it changed ([`LeaderEpochs::take_changed`]); the log writes the checkpoint file. An entry that
/// is lost with the machine's power is found again in the headers of the batches that recovery reads.
#[derive(Debug, Default)]
pub struct LeaderEpochs {
    entries: Vec<EpochEntry>,
    changed: bool,
}

impl LeaderEpochs {
    /// The entries of a checkpoint; those that are out of order are dropped as on assignment.
    pub fn load(entries: impl IntoIterator<Item = EpochEntry>) -> Self {
        let mut epochs = Self::default();
        for entry in entries {
            epochs.assign(entry.epoch, entry.start_offset);
        }
        epochs.changed = false;
        epochs
    }

    /// All entries.
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// Whether anything changed since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The file does not hold what has changed.
    pub fn not_written(&mut self) {
        self.changed = true;
    }

    /// The newest epoch.
    pub fn latest_epoch(&self) -> Option<i32> {
        self.entries.last().map(|e| e.epoch)
    }

    /// The oldest entry.
    pub fn earliest(&self) -> Option<EpochEntry> {
        self.entries.first().copied()
    }

    /// The entry of `epoch`.
    pub fn entry(&self, epoch: i32) -> Option<EpochEntry> {
        let at = self.entries.binary_search_by_key(&epoch, |e| e.epoch).ok()?;
        self.entries.get(at).copied()
    }

    /// Notes that `epoch` starts at `start_offset`, if that is news: entries that contradict it go.
    pub fn assign(&mut self, epoch: i32, start_offset: i64) {
        if epoch < 0 || start_offset < 0 {
            return;
        }
        if let Some(last) = self.entries.last()
            && last.epoch == epoch
            && start_offset >= last.start_offset
        {
            return;
        }
        while let Some(last) = self.entries.last()
            && (last.epoch >= epoch || last.start_offset >= start_offset)
        {
            if last.start_offset != start_offset {
                tracing::warn!(
                    "Leader epoch {epoch} at offset {start_offset} removes the entry of epoch {} at offset {}",
                    last.epoch,
                    last.start_offset
                );
            }
            self.entries.pop();
        }
        self.entries.push(EpochEntry { epoch, start_offset });
        self.changed = true;
    }

    /// The largest epoch up to `requested` that this log knows, and where it ends; none when nothing can be
    /// said about it. The newest epoch ends at the log's end.
    pub fn end_offset_for(&self, requested: i32, log_end_offset: i64) -> Option<(i32, i64)> {
        if requested < 0 {
            return None;
        }
        if self.latest_epoch() == Some(requested) {
            return Some((requested, log_end_offset));
        }
        let higher_at = self.entries.partition_point(|e| e.epoch <= requested);
        let higher = self.entries.get(higher_at)?;
        match higher_at.checked_sub(1).and_then(|at| self.entries.get(at)) {
            // Older than all that is known: the records are gone, and the follower goes on at the first
            // offset that is known.
            None => Some((requested, higher.start_offset)),
            Some(floor) => Some((floor.epoch, higher.start_offset)),
        }
    }

    /// The epoch under which `offset` was written.
    pub fn epoch_for_offset(&self, offset: i64) -> Option<i32> {
        let after = self.entries.partition_point(|e| e.start_offset <= offset);
        after.checked_sub(1).and_then(|at| self.entries.get(at)).map(|e| e.epoch)
    }

    /// Forgets what starts at or after `end_offset`.
    pub fn truncate_from_end(&mut self, end_offset: i64) {
        let keep = self.entries.partition_point(|e| e.start_offset < end_offset);
        if end_offset >= 0 && keep < self.entries.len() {
            self.entries.truncate(keep);
            self.changed = true;
        }
    }

    /// Forgets what ends before `start_offset`; the epoch that goes on there starts there from now on.
    pub fn truncate_from_start(&mut self, start_offset: i64) {
        let before = self.entries.partition_point(|e| e.start_offset <= start_offset);
        if before == 0 {
            return;
        }
        self.entries.drain(..before - 1);
        if let Some(first) = self.entries.first_mut()
            && (before > 1 || first.start_offset != start_offset)
        {
            first.start_offset = start_offset;
            self.changed = true;
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.changed |= !self.entries.is_empty();
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(pairs: &[(i32, i64)]) -> LeaderEpochs {
        LeaderEpochs::load(pairs.iter().map(|&(epoch, start_offset)| EpochEntry { epoch, start_offset }))
    }

    fn pairs(epochs: &LeaderEpochs) -> Vec<(i32, i64)> {
        epochs.entries().iter().map(|e| (e.epoch, e.start_offset)).collect()
    }

    #[test]
    fn assign_keeps_both_orders() {
        let mut e = epochs(&[(0, 0), (2, 10), (5, 20)]);
        assert!(!e.take_changed());
        e.assign(5, 25);
        assert!(!e.take_changed(), "the epoch is known");
        e.assign(6, 30);
        assert_eq!(pairs(&e), [(0, 0), (2, 10), (5, 20), (6, 30)]);
        e.assign(7, 20);
        assert_eq!(pairs(&e), [(0, 0), (2, 10), (7, 20)], "epochs without records give way");
        e.assign(3, 15);
        assert_eq!(pairs(&e), [(0, 0), (2, 10), (3, 15)]);
        e.assign(-1, 50);
        e.assign(9, -1);
        assert_eq!(e.entries().len(), 3);
        assert!(e.take_changed());
    }

    #[test]
    fn end_offsets_follow_kip_279() {
        let e = epochs(&[(2, 10), (5, 20), (7, 40)]);
        assert_eq!(e.end_offset_for(7, 55), Some((7, 55)));
        assert_eq!(e.end_offset_for(5, 55), Some((5, 40)));
        assert_eq!(e.end_offset_for(6, 55), Some((5, 40)));
        assert_eq!(e.end_offset_for(3, 55), Some((2, 20)));
        assert_eq!(e.end_offset_for(1, 55), Some((1, 10)));
        assert_eq!(e.end_offset_for(8, 55), None);
        assert_eq!(e.end_offset_for(-1, 55), None);
        assert_eq!(epochs(&[]).end_offset_for(0, 5), None);
    }

    #[test]
    fn truncation() {
        let mut e = epochs(&[(2, 10), (5, 20), (7, 40)]);
        e.truncate_from_end(40);
        assert_eq!(pairs(&e), [(2, 10), (5, 20)]);
        e.truncate_from_start(5);
        assert_eq!(pairs(&e), [(2, 10), (5, 20)]);
        e.truncate_from_start(15);
        assert_eq!(pairs(&e), [(2, 15), (5, 20)]);
        e.truncate_from_start(20);
        assert_eq!(pairs(&e), [(5, 20)]);
        e.truncate_from_start(33);
        assert_eq!(pairs(&e), [(5, 33)]);
        assert_eq!(e.epoch_for_offset(32), None);
        assert_eq!(e.epoch_for_offset(33), Some(5));
        e.truncate_from_end(0);
        assert_eq!(pairs(&e), []);
    }
}

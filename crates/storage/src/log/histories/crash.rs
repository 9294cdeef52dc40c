//! Stops and crashes, and what must be found after them.

use super::history::History;
use super::model::Model;
use crate::error::StorageResult;
use crate::fs::found;
use crate::test_support::crash_disk::Faults;
use crate::test_support::{file_names, offsets_of, read_all};

impl History {
    /// Writes the offsets down, as the background thread does for all logs: both files, or one of them.
    pub fn checkpoint(&mut self) {
        let which = self.rng.below(3);
        if which != 1 {
            self.checkpoints.recovery_point = self.log.recovery_point();
        }
        if which != 2 {
            self.checkpoint_start();
        }
    }

    /// Before anything is appended after a truncation, as Kafka does: a recovery point beyond what is durable would
    /// make recovery trust what it must check.
    pub fn checkpoint_all(&mut self) {
        self.checkpoints.recovery_point = self.log.recovery_point();
        self.checkpoint_start();
    }

    fn checkpoint_start(&mut self) {
        self.checkpoints.log_start_offset = self.log.log_start_offset();
        self.durable_start = self.durable_start.max(self.log.log_start_offset());
    }

    /// After each step: a log whose disk has failed is out of service, and the process starts anew.
    pub fn settle(&mut self, failed: bool, told: &mut Vec<String>) {
        if failed && self.log_dir.is_online() {
            assert!(self.disk.exhausted(), "it fails for no reason");
            let batches = std::mem::take(&mut self.perhaps);
            // Nothing has happened, but for an append whose flush has failed.
            if self.options.config.flush_messages < i64::MAX
                && batches.last().is_some_and(|b| b.last < self.log.log_end_offset())
            {
                batches.into_iter().for_each(|batch| self.model.push(batch));
            }
        }
        if self.log_dir.is_online() {
            self.check_offsets();
            self.note_durable();
            return;
        }
        let has_reason = self.disk.struck() || self.disk.exhausted();
        assert!(has_reason, "{:?}", self.log_dir.offline_reason());
        assert!(self.log.read(self.log.log_start_offset(), 1, true, i64::MAX).is_err(), "it serves on");
        assert!(self.log.roll(self.now_ms).is_err(), "it serves on");
        // After a failed fsync nobody knows what the page cache holds, so that only what is durable counts.
        if self.rng.one_in(2) || self.disk.fsync_failed() {
            self.lose_power(told);
        } else {
            self.kill(told);
        }
    }

    /// The process ends where it is.
    pub fn kill(&mut self, told: &mut Vec<String>) {
        told.push(format!("kill; {:?}", self.checkpoints));
        self.deleted_to = self.deleted_to.max(self.log.log_start_offset());
        self.log.abandon();
        self.disk.set_faults(Faults::default());
        let before = self.model.clone();
        self.open(false);
        self.found_after_crash(before, true, told);
    }

    /// The machine ends where it is.
    pub fn lose_power(&mut self, told: &mut Vec<String>) {
        told.push(format!("power failure; {:?}, durable: {}", self.checkpoints, self.flushed));
        self.deleted_to = self.deleted_to.max(self.log.log_start_offset());
        self.log.abandon();
        self.power_failure();
        let before = self.model.clone();
        self.open(false);
        self.found_after_crash(before, false, told);
    }

    fn power_failure(&mut self) {
        self.disk.power_failure();
        self.dir_syncs = self.disk.dir_syncs();
        self.machine.boot_id.0 += 1;
    }

    /// The process ends in order. Now and then the machine loses its power right afterwards.
    pub fn stop_in_order(&mut self, told: &mut Vec<String>) -> StorageResult<()> {
        told.push("stop in order".to_owned());
        self.log.close(self.now_ms)?;
        self.disk.set_faults(Faults::default());
        self.checkpoints.recovery_point = self.log.recovery_point();
        self.checkpoint_start();
        // A segment behind a gap is where the log goes on, whether or not what it was made for could be written.
        self.model.end = self.model.end.max(self.log.active_segment_base_offset());
        (self.flushed, self.durable_start) = (self.model.end, self.model.start);
        if self.rng.one_in(2) {
            told.push("power failure after it".to_owned());
            self.power_failure();
        }
        if self.rng.one_in(4) {
            self.remove_indexes(told);
        }
        self.open(true);
        self.check_all();
        Ok(())
    }

    /// Somebody removes all indexes of some segments, which he may while the log is closed.
    fn remove_indexes(&mut self, told: &mut Vec<String>) {
        let dir = self.temp.path().join("t-0");
        let names = file_names(&dir);
        for stem in names.iter().filter_map(|name| name.strip_suffix(".log")) {
            if self.rng.one_in(2) {
                continue;
            }
            told.push(format!("the indexes of {stem} are removed"));
            for suffix in [".index", ".timeindex", ".txnindex"] {
                found(std::fs::remove_file(dir.join(format!("{stem}{suffix}")))).expect("remove");
            }
        }
        self.disk.look();
    }

    /// Both kinds of stop, to end with.
    pub fn finish(&mut self, told: &mut Vec<String>) {
        self.check_all();
        self.kill(told);
        self.lose_power(told);
        self.disk.set_faults(Faults::default());
        self.stop_in_order(told).expect("nothing fails any more");
    }

    /// What is there must be a beginning of what was there; it is the model from now on.
    fn found_after_crash(&mut self, before: Model, is_exact: bool, told: &mut Vec<String>) {
        let (start, end) = (self.log.log_start_offset(), self.log.log_end_offset());
        told.push(format!("found {start}..{end}"));
        let cut = self.perhaps_cut.take();
        let perhaps = std::mem::take(&mut self.perhaps);
        self.model.batches.extend(perhaps.iter().cloned());
        // After a truncation the log may end behind a gap, which nothing remembers.
        let must = before.batches.iter().filter(|b| is_exact && cut.is_none() || b.last < self.flushed);
        let must = must.map(|b| b.last + 1).max().unwrap_or(0);
        self.flushed = self.flushed.min(end);
        assert!(end >= must, "{must} was safe, {end} is left");
        assert!(start >= self.durable_start, "started at {} durably", self.durable_start);
        if let Some(cut) = cut {
            assert!(start <= before.start.max(end), "starts too late");
            self.is_started_over(cut, start, end);
        } else {
            assert!(start <= before.start, "starts too late, it was {}", before.start);
        }
        self.model.batches.retain(|b| b.last < end);
        if !is_exact {
            self.drop_lost(start);
        }
        let last = self.model.batches.last().map(|b| b.last + 1);
        let is_bound =
            last == Some(end) || [start, before.end, self.log.active_segment_base_offset()].contains(&end);
        assert!(is_bound, "ends within a batch or a gap, at {end}");
        (self.model.start, self.model.end) = (start, end);
        self.leader_epoch = self.leader_epoch.max(self.log.latest_epoch().unwrap_or(0));
        self.checkpoints.recovery_point = self.log.recovery_point();
        self.disk.look();
        self.check_all();
        self.check_retry();
    }

    /// Takes out of the model what a power failure took out of the log. A closed segment that was not flushed may
    /// lose its end although the next one is there, here as in Kafka: where it ended is written nowhere.
    fn drop_lost(&mut self, start: i64) {
        let found = read_all(&self.log, start);
        let found: Vec<i64> = offsets_of(&found).into_iter().map(|(base, _)| base).collect();
        let names = file_names(&self.log.dir());
        let segments: Vec<i64> = names.iter().filter_map(|n| n.strip_suffix(".log")?.parse().ok()).collect();
        let (mut is_lost, mut previous) = (false, -1);
        for batch in self.model.batches.iter().filter(|b| b.last >= start) {
            is_lost &= !segments.iter().any(|segment| (previous + 1..=batch.base).contains(segment));
            previous = batch.last;
            is_lost |= !found.contains(&batch.base);
            assert_eq!(
                is_lost,
                !found.contains(&batch.base),
                "a gap within a segment, before {}",
                batch.base
            );
            assert!(!is_lost || batch.last >= self.flushed, "{} was flushed and is lost", batch.base);
        }
        self.model.batches.retain(|b| b.last < start || found.contains(&b.base));
    }

    /// A log that was being replaced as a whole may be empty, anywhere.
    fn is_started_over(&mut self, cut: i64, start: i64, end: i64) {
        if cut == 0 && start == end {
            self.model.batches.clear();
        }
    }
}

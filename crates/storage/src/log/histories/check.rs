//! Where log and model must agree.

use super::history::History;
use super::model::{Kind, ProducerBatch};
use super::steps::placed;
use crate::cold::OnCold;
use crate::test_support::{bytes_of, read_all};

impl History {
    /// Everything; called after each start, and at the end.
    pub fn check_all(&self) {
        self.check_offsets();
        let (start, end) = (self.model.start, self.model.end);
        assert!(read_all(&self.log, start) == self.model.bytes(start, end), "the records differ");
        self.check_producers();
        self.check_stable();
        self.check_aborted();
        self.check_epochs();
        self.check_timestamps();
    }

    pub fn check_offsets(&self) {
        assert_eq!(self.log.log_start_offset(), self.model.start, "log start offset");
        assert_eq!(self.log.log_end_offset(), self.model.end, "log end offset");
        // Of what is before the start, a power failure may have taken something.
        if self.log.first_segment_base_offset() == self.model.start {
            let bytes = self.model.bytes(self.model.start, self.model.end).len();
            assert_eq!(self.log.size_bytes(), bytes as u64, "size");
        }
    }

    /// A read of any size from anywhere.
    pub fn check_read(&mut self) {
        let span = self.model.end - self.model.start;
        let offset = self.model.start + self.rng.between(0, span);
        let bound = self.model.start + self.rng.between(0, span);
        let (max_bytes, min_one) = (self.rng.below(3000) as usize, self.rng.one_in(2));
        let data = self.log.read(offset, max_bytes, min_one, bound).expect("read");
        let found = bytes_of(&data);
        // A bound within a batch hides the batch.
        let expect = if offset >= bound { Vec::new() } else { self.model.bytes(offset, bound) };
        assert!(expect.starts_with(&found), "read {offset} max {max_bytes} bound {bound}");
        let whole = self.model.served().find(|b| b.last >= offset && b.last < bound);
        let first = whole.filter(|_| offset < bound).map_or(0, |b| b.bytes.len());
        assert!(found.len() <= max_bytes.max(if min_one { first } else { 0 }), "more than allowed");
        if min_one || max_bytes >= first {
            assert!(found.len() >= first, "no progress");
        }
    }

    /// Producers with records that are served are known exactly; whether others are, depends on what was read.
    pub fn check_producers(&self) {
        let known = self.log.active_producers();
        let txns = self.model.txns();
        for (id, last_sequence) in self.model.sequences() {
            let found = known.iter().find(|p| p.producer_id == id).copied();
            assert_eq!(found.map(|p| p.last_sequence), Some(last_sequence), "sequence of producer {id}");
            let open = txns.iter().find(|t| t.producer == id && t.end.is_none());
            let first = found.map_or(-1, |p| p.current_txn_start_offset);
            match open.and_then(|t| t.first_served.map(|served| (t.first, served))) {
                // It may have begun before what the model still knows.
                Some((first_offset, served)) => {
                    let is_right = first == first_offset || first < self.model.start || first == served;
                    assert!(is_right && first <= served, "transaction of {id}: {first}, not {first_offset}");
                }
                None => assert!(first < self.model.start, "producer {id} has no transaction: {first}"),
            }
        }
    }

    /// The last stable offset, with everything replicated.
    fn check_stable(&self) {
        self.log.set_high_watermark(self.model.end);
        let open = self.log.active_producers();
        let first = open.iter().map(|p| p.current_txn_start_offset).filter(|first| *first >= 0).min();
        let expect = first.map_or(self.model.end, |first| first.max(self.model.start));
        assert_eq!(self.log.last_stable_offset(), expect, "last stable offset");
        let must_wait = self.model.txns().into_iter().filter(|t| t.end.is_none());
        for txn in must_wait.filter_map(|t| t.first_served) {
            assert!(expect <= txn.max(self.model.start), "{expect} is beyond the transaction at {txn}");
        }
    }

    fn check_aborted(&self) {
        let (start, end) = (self.model.start, self.model.end);
        let found = self.log.aborted_transactions(start, end).expect("read");
        let txns = self.model.txns();
        for txn in &txns {
            if let Some((marker, true)) = txn.end
                && txn.first >= start
            {
                let is_found = found.iter().any(|f| {
                    (f.producer_id, f.last_offset) == (txn.producer, marker)
                        && (f.first_offset == txn.first || f.first_offset < start)
                });
                assert!(is_found, "{txn:?} is not among {found:?}");
            }
        }
        for aborted in found {
            let is_real = txns.iter().any(|t| {
                t.end == Some((aborted.last_offset, true))
                    && t.producer == aborted.producer_id
                    && (t.first == aborted.first_offset || t.first < start)
            });
            assert!(is_real || aborted.first_offset < start, "{aborted:?} never was");
        }
    }

    fn check_epochs(&self) {
        for batch in self.model.served() {
            let at = batch.base.max(self.model.start);
            let found = self.log.epoch_for_offset(at);
            // A start that came back with a crash, to before records that were deleted: their epochs are not kept.
            if found.is_some() || at >= self.deleted_to {
                assert_eq!(found, Some(batch.epoch), "epoch of offset {at}");
            }
        }
    }

    fn check_timestamps(&self) {
        let first = self.log.first_segment_base_offset();
        for batch in self.model.served() {
            let timestamp = batch.timestamp;
            let found = self.log.offset_for_timestamp(timestamp, OnCold::Wait).expect("look up");
            let found = found.map(|f| (f.timestamp, f.offset));
            // As in Kafka, the answer is of the first segment that reaches the timestamp, even if the record that
            // does lies before the log's start.
            if found.is_some() || first == self.model.start {
                assert_eq!(found, self.model.by_timestamp(timestamp), "timestamp {timestamp}");
            }
        }
    }

    /// A batch that a producer sends twice is there once.
    pub fn check_retry(&self) {
        let mut last = std::collections::HashMap::new();
        for batch in self.model.served() {
            if let Some(ProducerBatch { id, kind }) = batch.producer {
                last.insert(id, (kind, batch));
            }
        }
        for (id, (kind, batch)) in last {
            if !matches!(kind, Kind::Data { .. }) {
                continue;
            }
            let info = self.try_append(&placed(&batch.bytes, 0, -1)).expect("a duplicate is no error");
            assert!(info.duplicate, "producer {id} could repeat itself");
            // A producer that was forgotten with its records begins anew, and may then be remembered again.
            let found = (info.base_offset, info.last_offset);
            assert!(
                found == (batch.base, batch.last) || found.1 < self.model.start,
                "{found:?} of producer {id}"
            );
        }
    }
}

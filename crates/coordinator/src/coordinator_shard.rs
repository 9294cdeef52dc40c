//! What a coordinator is to the runtime: a pure state machine over one partition of an internal topic.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use ottla_metadata::MetadataImage;
use ottla_protocol::{DecodeError, ErrorCode};

use crate::records::CoordinatorRecord;
use crate::result::{CoordinatorResult, Deferred, WriteOptions};

/// One partition's state and operations (`CoordinatorShard`).
///
/// Its life: [`replay`](Self::replay) of the whole partition, [`on_loaded`](Self::on_loaded), then requests and
/// timers, at last [`on_unloaded`](Self::on_unloaded). Operations return a [`CoordinatorResult`], which says what
/// the driver has to do.
///
/// *Invariant:* what the records say changes in `replay` only.
pub trait CoordinatorShard: fmt::Debug + Sized {
    /// An answer to a request.
    type Reply: fmt::Debug;
    /// What a timer is for. At most one timer is armed per key.
    type TimerKey: fmt::Debug + Clone + Ord;
    /// What is to be done in memory once records are committed, or turn out not to be written.
    type Action: fmt::Debug;
    /// Something for the driver: to log, or to do beyond the shard.
    type Event: fmt::Debug;

    /// How long an appended record may wait to be committed before the answers that depend on it are failed, in
    /// milliseconds.
    fn commit_timeout_ms(&self) -> i64;

    /// Applies a record of the partition: every record when loading, and those that the shard's own
    /// operations wrote (see [`Self::on_records_appended`]).
    ///
    /// `producer_id` is that of the batch if it is transactional. Records come in the order of their offsets.
    ///
    /// # Errors
    /// When the record can't be read. Nothing has changed then.
    fn replay(
        &mut self,
        offset: i64,
        producer_id: Option<i64>,
        key: &Bytes,
        value: Option<&Bytes>,
    ) -> Result<Replayed, ReplayError>;

    /// A transaction of `producer_id` has ended: applies the control record at `offset`, when loading and
    /// when the marker is written.
    fn replay_end_txn_marker(&mut self, offset: i64, producer_id: i64, commit: bool);

    /// Everything below `high_watermark` is committed. Plain reads show it from now on. To be called before
    /// loading too, so that nothing is remembered that need not be.
    fn on_high_watermark(&mut self, high_watermark: i64);

    /// The metadata has changed. Called before [`Self::on_loaded`] too, if anything is known by then.
    fn on_metadata(&mut self, _image: Arc<MetadataImage>, _now_ms: i64) -> CoordinatorResult<Self> {
        CoordinatorResult::default()
    }

    /// The partition has been read to its end: arms timers, and goes on with what was begun.
    fn on_loaded(&mut self, now_ms: i64) -> CoordinatorResult<Self>;

    /// The partition is served by another broker now, or not at all: answers all who wait with
    /// NOT_COORDINATOR. The driver has handed what it deferred to [`Self::on_commit_failed`], and forgets the
    /// shard's timers.
    fn on_unloaded(&mut self, now_ms: i64) -> CoordinatorResult<Self>;

    /// Records of a result were appended; the first got `base_offset`, the others follow without a gap.
    /// `write` is the result's.
    ///
    /// # Errors
    /// When one of them can't be read back, which nothing but a bug could bring about.
    fn on_records_appended(
        &mut self,
        write: WriteOptions,
        records: &[CoordinatorRecord],
        base_offset: i64,
    ) -> Result<(), ReplayError> {
        let producer_id = write.producer.map(|producer| producer.producer_id);
        for (offset, record) in (base_offset..).zip(records) {
            self.replay(offset, producer_id, &record.key, record.value.as_ref())?;
        }
        Ok(())
    }

    /// What was deferred may happen: everything written before it is committed.
    fn on_records_committed(&mut self, deferred: Deferred<Self>, now_ms: i64) -> CoordinatorResult<Self>;

    /// The records were not appended: takes back what was done ahead of them, and answers with errors.
    fn on_records_failed(
        &mut self,
        deferred: Deferred<Self>,
        error: ErrorCode,
        now_ms: i64,
    ) -> CoordinatorResult<Self>;

    /// The records were appended, but nobody waits for their commit any longer: the commit time-out has passed
    /// (REQUEST_TIMED_OUT), or the partition is about to be unloaded (NOT_COORDINATOR). Answers with errors. What
    /// the records say holds, and may yet be committed.
    fn on_commit_failed(
        &mut self,
        deferred: Deferred<Self>,
        error: ErrorCode,
        now_ms: i64,
    ) -> CoordinatorResult<Self>;

    /// A timer has fired.
    fn on_timer(&mut self, key: &Self::TimerKey, now_ms: i64) -> CoordinatorResult<Self>;

    /// The offset that the next record will get, as far as the shard knows.
    fn log_end_offset(&self) -> i64;
}

/// What a record meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It changed the state, or described what is so already.
    Applied,
    /// Its type, given here, is not kept by this coordinator: it stays in the log, without effect. Kafka's
    /// records of newer kinds of groups are such.
    Ignored(i16),
}

/// A record that can't be read. The partition is damaged, or was written by a version that we do not know;
/// what is in it must not be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record at offset {offset} can't be read: {error}")]
pub struct ReplayError {
    /// Offset of the record.
    pub offset: i64,
    /// What is wrong with it.
    pub error: DecodeError,
}

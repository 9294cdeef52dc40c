//! What an operation asks for and answers (`ControllerResult`).

use ottla_metadata::VersionedRecord;

use crate::ApiError;

/// Most records that one request may write, and most in one batch of the log.
pub const MAX_RECORDS_PER_BATCH: usize = 10_000;

/// The records to append, and the response to give once they are committed.
#[derive(Clone, Debug, PartialEq)]
pub struct ControllerResult<R> {
    /// Records with the versions they are encoded in. When there are none, nothing has changed.
    pub records: Vec<VersionedRecord>,
    /// The answer.
    pub response: R,
    /// Whether the records must stand in one batch; otherwise they may be spread over
    /// batches of [`MAX_RECORDS_PER_BATCH`].
    pub is_atomic: bool,
}

impl<R> ControllerResult<R> {
    /// Records that may be spread over several batches.
    pub fn of(records: Vec<VersionedRecord>, response: R) -> Self {
        Self { records, response, is_atomic: false }
    }

    /// Records of one batch.
    pub fn atomic(records: Vec<VersionedRecord>, response: R) -> Self {
        Self { records, response, is_atomic: true }
    }

    /// An answer that changes nothing.
    pub fn answer(response: R) -> Self {
        Self::of(Vec::new(), response)
    }

    /// The same answer without any change, as for requests that only want to be checked.
    pub fn without_records(self) -> Self {
        Self::answer(self.response)
    }

    /// Drops the records when `validate_only`.
    pub fn unless(self, validate_only: bool) -> Self {
        if validate_only { self.without_records() } else { self }
    }

    /// Another answer to the same records.
    pub fn map<S>(self, f: impl FnOnce(R) -> S) -> ControllerResult<S> {
        ControllerResult { records: self.records, response: f(self.response), is_atomic: self.is_atomic }
    }
}

/// The records of one operation, no more than [`MAX_RECORDS_PER_BATCH`] (`BoundedList`).
#[derive(Clone, Debug, Default)]
pub(crate) struct BoundedRecords(Vec<VersionedRecord>);

impl BoundedRecords {
    pub(crate) fn push(&mut self, record: VersionedRecord) -> Result<(), ApiError> {
        self.extend(vec![record])
    }

    pub(crate) fn extend(&mut self, records: Vec<VersionedRecord>) -> Result<(), ApiError> {
        if self.0.len() + records.len() > MAX_RECORDS_PER_BATCH {
            return Err(ApiError::too_many_records());
        }
        self.0.extend(records);
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    pub(crate) fn as_slice(&self) -> &[VersionedRecord] {
        &self.0
    }

    pub(crate) fn into_vec(self) -> Vec<VersionedRecord> {
        self.0
    }
}

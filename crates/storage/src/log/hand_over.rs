//! Handing a log over to the copy that takes its place.

use super::{PartitionLog, ReadData, ReadError, ReadOptions};
use crate::cold::OnCold;
use crate::error::StorageResult;

impl PartitionLog {
    /// Gives `take` what lies from `offset` on, up to about `bytes_max` bytes, in reads of at most `read_bytes_max`; `take`
    /// says where to go on. If that was all, the log is out of service before anybody can append more; whether it is.
    ///
    /// Who appends or reads waits meanwhile.
    pub(crate) fn close_after<E: From<ReadError>>(
        &self,
        offset: i64,
        bytes_max: usize,
        read_bytes_max: usize,
        mut take: impl FnMut(ReadData) -> Result<i64, E>,
    ) -> Result<bool, E> {
        let mut state = self.open_state_to_change().map_err(ReadError::from)?;
        let (mut next, mut left) = (offset, bytes_max);
        while next < self.log_end_offset() {
            if left == 0 {
                return Ok(false);
            }
            let bytes = left.min(read_bytes_max);
            let options =
                ReadOptions { offset: next, max_bytes: bytes, min_one_message: true, on_cold: OnCold::Wait };
            let (data, _) = self.read_locked(&mut state, options, self.log_end_offset())?;
            left = left.saturating_sub(data.size);
            next = take(data)?;
        }
        self.end(&mut state);
        Ok(true)
    }

    /// Puts a log back in service whose place was not taken after all.
    pub(crate) fn reopen(&self) -> StorageResult<()> {
        self.log_dir.check()?;
        self.state_to_change().closed = false;
        Ok(())
    }
}

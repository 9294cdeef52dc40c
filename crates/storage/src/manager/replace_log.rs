//! The end of a move: the copy takes the log's place.
//!
//! Whenever this is interrupted, by `kill -9` or a power failure, the next start must find one log that holds all that
//! was acknowledged. So each step waits until the one before is durable:
//!
//! 1. The copy is made durable, while the log takes appends. What came in meanwhile is copied while nobody can append, and
//!    the log is closed; if it was too much for that, this is done again.
//! 2. That rest is made durable. From here on the copy holds all there is, and so does the log.
//! 3. The new directory's checkpoints say where the copy starts and up to where it is durable, for the time when
//!    it has the log's name. Before, they mean nothing.
//! 4. The log is marked as moved ([`moved_to`]), since after the next step there may be two directories with its name.
//! 5. The copy gets the log's name. If a restart comes before that is durable, it finds the log, and a copy to go on with;
//!    afterwards it finds both, and takes the one without the mark.
//! 6. The log's directory is renamed for removal. Were this done, or on the disk, before step 5, a restart would find no log
//!    at all.
//!
//! What fails before step 5 is done undoes what was done, and the log goes on.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::LogManager;
use super::log_copy::{COPY_BYTES, LogCopy};
use super::move_log::{MoveError, MoveProgress};
use crate::checkpoint::moved_to;
use crate::checkpoint::offset_checkpoint::HIGH_WATERMARK_FILE;
use crate::error::StorageResult;
use crate::log::PartitionLog;
use crate::names::{DELETE_DIR_SUFFIX, dir_name};

impl LogManager {
    /// Puts a copy that has caught up in the log's place.
    pub(super) fn finish_move(&self, copy: &LogCopy) -> Result<MoveProgress, MoveError> {
        let mut last_bytes = COPY_BYTES;
        loop {
            copy.future.flush(copy.now_ms)?;
            let turn = self.creation.lock();
            self.check_move(copy)?;
            if copy.close_log(last_bytes)? {
                self.replace_closed(copy)?;
                drop(turn);
                return Ok(MoveProgress::Done(copy.future.clone()));
            }
            drop(turn);
            // However fast records come in: one day the last of them fit.
            last_bytes = last_bytes.saturating_mul(2);
        }
    }

    /// An error if the copy was given up: the topic was deleted, or another move has begun.
    pub(super) fn check_move(&self, copy: &LogCopy) -> Result<(), MoveError> {
        let partition = copy.log.partition();
        let is_same = self.future_log(partition).is_some_and(|future| Arc::ptr_eq(&future, &copy.future))
            && self.log(partition).is_some_and(|log| Arc::ptr_eq(&log, &copy.log));
        if is_same { Ok(()) } else { Err(MoveError::NoLog(partition.clone())) }
    }

    fn replace_closed(&self, copy: &LogCopy) -> Result<(), MoveError> {
        let LogCopy { log, future, now_ms } = copy;
        let partition = log.partition();
        if let Err(why) = self.install(copy) {
            *self.arriving.lock() = None;
            log.log_dir()
                .guard(
                    || format!("Error while taking the log of {partition} back"),
                    || moved_to::remove(&log.dir(), log.log_dir().disk()),
                )
                .and_then(|()| log.reopen())?;
            return Err(why.into());
        }
        self.futures.write().remove(partition);
        self.logs.write().insert(partition.clone(), future.clone());
        *self.arriving.lock() = None;
        // If this fails, the old directory has failed: it is offline, which was logged, and the move is done.
        if let Ok(renamed) = log.rename_closed(DELETE_DIR_SUFFIX) {
            let delay_ms = log.config().file_delete_delay_ms;
            self.context.trash.add(now_ms.saturating_add(delay_ms), renamed, log.log_dir());
            self.checkpoint_dir(log.log_dir());
        }
        self.checkpoint_dir(future.log_dir());
        tracing::info!("The log of {partition} was moved to {}", future.log_dir().path().display());
        Ok(())
    }

    /// Gives the copy of a closed log its name, durably. After an error nothing has changed, as far as the disk allows.
    fn install(&self, copy: &LogCopy) -> StorageResult<()> {
        let LogCopy { log, future, now_ms } = copy;
        let (partition, dir) = (log.partition(), future.log_dir());
        copy.follow()?;
        future.flush(*now_ms)?;
        future.sync_rest()?;
        future.set_cleaner_checkpoint(log.cleaner_checkpoint());
        if log.is_uncleanable() {
            future.set_uncleanable(log.uncleanable_bytes());
        }
        *self.arriving.lock() = Some(future.clone());
        self.checkpoint_dir(dir);
        self.write_checkpoint(dir, HIGH_WATERMARK_FILE, |log| Some(log.high_watermark()));
        let marking = || format!("Error while marking the log of {partition} as moved");
        let old = log.log_dir();
        old.guard(marking, || match moved_to::write(&log.dir(), dir.id(), old.disk()) {
            // A full disk is a reason to move. A crash in the next moment would leave two logs, at which the next start
            // stops, as Kafka's does.
            Err(e) if e.kind() == io::ErrorKind::StorageFull => Ok(()),
            done => done,
        })?;
        let former = future.dir();
        future.rename_dir(&dir_name(partition))?;
        let naming = || format!("Error while naming the log of {partition}");
        dir.guard(naming, || dir.disk().sync_dir(dir.path())).inspect_err(|_| take_name_back(future, &former))
    }
}

/// Or the next start would find two logs, if the disk is well again then.
fn take_name_back(future: &PartitionLog, former: &Path) {
    let name = former.file_name().unwrap_or_default().to_string_lossy();
    if future.rename_dir(&name).is_err() {
        // The directory is offline.
        let _ = std::fs::rename(future.dir(), former);
    }
}

//! Looks at a log that may find something cold.

use super::PartitionLog;
use crate::cold::{Cold, OnCold};

/// So many times something may be cold again. Then memory is so short that it does not stay, and a look waits with the log's
/// lock held.
const ROUNDS_MAX: usize = 1_000;

impl PartitionLog {
    /// Looks as it is told to. Who waits for the disk does so between two looks, so that nobody waits for the log's lock
    /// meanwhile.
    pub(super) fn look<T, E: TryInto<Cold, Error = E>>(
        on_cold: OnCold,
        mut look: impl FnMut(OnCold) -> Result<T, E>,
    ) -> Result<T, E> {
        if on_cold == OnCold::Wait {
            for _ in 0..ROUNDS_MAX {
                let cold = match look(OnCold::Tell).map_err(E::try_into) {
                    Ok(found) => return Ok(found),
                    Err(Ok(cold)) => cold,
                    Err(Err(error)) => return Err(error),
                };
                // What can't be read tells why to those who read it.
                if cold.warm().is_err() {
                    break;
                }
            }
        }
        look(on_cold)
    }
}

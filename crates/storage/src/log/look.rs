//! Looks at a log that may find something cold.

use super::PartitionLog;
use crate::cold::{Cold, Misses, OnCold};

impl PartitionLog {
    /// Looks as it is told to. Who waits for the disk does so between two looks, so that nobody waits for the log's lock
    /// meanwhile.
    pub(super) fn look<T, E: TryInto<Cold, Error = E>>(
        on_cold: OnCold,
        mut look: impl FnMut(OnCold) -> Result<T, E>,
    ) -> Result<T, E> {
        if on_cold == OnCold::Wait {
            let mut misses = Misses::default();
            loop {
                let cold = match look(OnCold::Tell).map_err(E::try_into) {
                    Ok(found) => return Ok(found),
                    Err(Ok(cold)) => cold,
                    Err(Err(error)) => return Err(error),
                };
                if misses.note(&cold) {
                    break;
                }
                cold.warm();
            }
        }
        look(on_cold)
    }
}

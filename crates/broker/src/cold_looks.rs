//! Looks at logs that find something cold.
//!
//! A serving thread does not wait for the disk, neither to send records (`ottla_net` reads ranges of files elsewhere) nor to
//! find them. A look for a place in a log says what is not in memory; the blocking pool brings it there, while the
//! thread serves others and nobody holds the log's lock; then the look begins anew.

use ottla_storage::{Cold, Misses, OnCold, StorageError, StorageResult};

/// What `look` finds once it finds it all in memory. `cold` is what it has missed before, if it has looked; it misses
/// nothing where it may wait.
pub async fn look_at_all<T>(mut cold: Vec<Cold>, mut look: impl FnMut(OnCold) -> Result<T, Vec<Cold>>) -> T {
    let mut misses = Misses::default();
    loop {
        let is_hopeless = cold.iter().fold(false, |is_hopeless, cold| misses.note(cold) | is_hopeless);
        if !cold.is_empty() {
            // The pool ends with the runtime only.
            let _ = tokio::task::spawn_blocking(move || cold.iter().for_each(Cold::warm)).await;
        }
        match look(if is_hopeless { OnCold::Wait } else { OnCold::Tell }) {
            Ok(found) => return found,
            Err(missed) => cold = missed,
        }
    }
}

/// The same for a look at one log.
pub async fn look<T>(mut look: impl FnMut(OnCold) -> Result<T, Cold>) -> T {
    look_at_all(Vec::new(), |on_cold| look(on_cold).map_err(|cold| vec![cold])).await
}

/// The same for a look that may fail otherwise.
///
/// # Errors
/// Those of the look, but for [`StorageError::Cold`].
pub async fn look_up<T>(mut look_up: impl FnMut(OnCold) -> StorageResult<T>) -> StorageResult<T> {
    look(|on_cold| match look_up(on_cold) {
        Err(StorageError::Cold(cold)) => Err(cold),
        outcome => Ok(outcome),
    })
    .await
}

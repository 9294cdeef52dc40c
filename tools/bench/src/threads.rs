//! The end of a thread.

use std::thread::ScopedJoinHandle;

use anyhow::{Result, anyhow};

/// Waits for a thread's end, and gives what it has worked out.
///
/// # Errors
/// When it panicked.
pub fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread panicked"))
}

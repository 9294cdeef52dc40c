//! The system's clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::backoff::millis;

/// Now, in Unix ms.
pub fn unix_ms() -> i64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

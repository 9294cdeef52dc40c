//! The tools' clock: the one place that reads the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix ms now.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // Not by `as_millis`, which reckons in 128 bits: tools that measure ask for each record.
    since.map_or(0, |time| time.as_secs().cast_signed() * 1000 + i64::from(time.subsec_millis()))
}

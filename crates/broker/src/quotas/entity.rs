//! Those who share a limit, and what was measured of them.

use parking_lot::Mutex;

use super::rate::{Rate, Windows};
use super::token_bucket::TokenBucket;
use super::{QuotaKind, Sharers};

/// The share of a limit that is as good as none.
const CLEAR: f64 = 0.01;

/// Everybody who shares one limit of one kind. Connections keep it; its lock is held for some additions.
#[derive(Debug)]
pub(crate) struct Entity {
    pub(super) sharers: Sharers,
    kind: QuotaKind,
    windows: Windows,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Units per second; none after the limit was taken away.
    limit: Option<f64>,
    rate: Rate,
    bucket: TokenBucket,
    /// When something was recorded last.
    last_ms: i64,
    throttled: u64,
    throttled_ms: u64,
}

/// What is measured of those who share a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measured {
    /// Units per second; infinite when the limit has just been taken away.
    pub limit: f64,
    /// What comes, in units per second; tokens that are left for changes of topics.
    pub value: f64,
    /// Mean of how long answers were throttled, in milliseconds; 0 when none was.
    pub throttle_ms_mean: f64,
}

impl Entity {
    pub(super) fn new(kind: QuotaKind, windows: Windows, sharers: Sharers, limit: f64, now_ms: i64) -> Self {
        let state = State {
            limit: Some(limit),
            rate: Rate::default(),
            bucket: TokenBucket::default(),
            last_ms: now_ms,
            throttled: 0,
            throttled_ms: 0,
        };
        Self { sharers, kind, windows, state: Mutex::new(state) }
    }

    pub(super) fn set_limit(&self, limit: Option<f64>) {
        self.state.lock().limit = limit;
    }

    /// Takes note of what came, and says for how long the answer is throttled, in milliseconds.
    pub(super) fn record(&self, value: f64, now_ms: i64) -> i32 {
        let state = &mut *self.state.lock();
        state.last_ms = now_ms;
        state.rate.record(self.windows, value, now_ms);
        let Some(limit) = state.limit() else { return 0 };
        let Some(exceeded) = state.rate.exceeds(self.windows, limit, now_ms) else { return 0 };
        let throttle_ms = match self.kind {
            QuotaKind::Request => exceeded.throttle_ms.min(self.windows.size_ms),
            _ => exceeded.throttle_ms,
        };
        i32::try_from(throttle_ms).unwrap_or(i32::MAX)
    }

    /// Takes note of what came, or takes it back, without consequences.
    pub(super) fn record_only(&self, value: f64, now_ms: i64) {
        self.state.lock().rate.record(self.windows, value, now_ms);
    }

    /// Whether next to nothing of the limit is used up.
    pub(super) fn is_clear(&self, now_ms: i64) -> bool {
        let state = &mut *self.state.lock();
        state.limit().is_none_or(|limit| state.rate.measure(self.windows, now_ms) <= limit * CLEAR)
    }

    /// Most units that can come at once without being throttled for certain.
    pub(super) fn max_in_windows(&self) -> Option<f64> {
        let limit = self.state.lock().limit()?;
        Some(limit * self.windows.full_seconds())
    }

    /// Takes tokens for changes. Where nothing may be owed, a debt refuses them.
    ///
    /// # Errors
    /// The time until the debt is paid, in milliseconds, when they are refused.
    pub(super) fn take_strictly(&self, tokens: f64, now_ms: i64) -> Result<(), i32> {
        let state = &mut *self.state.lock();
        let Some(limit) = state.limit() else { return Ok(()) };
        state.last_ms = now_ms;
        match state.bucket.throttle_ms(self.windows, limit, now_ms) {
            0 if state.bucket.tokens(self.windows, limit, now_ms) >= 0.0 => {
                state.bucket.take(self.windows, limit, tokens, now_ms);
                Ok(())
            }
            throttle_ms => Err(i32::try_from(throttle_ms).unwrap_or(i32::MAX)),
        }
    }

    /// Takes tokens for changes, and says how long it takes until nothing is owed, in milliseconds.
    pub(super) fn take(&self, tokens: f64, now_ms: i64) -> i32 {
        let state = &mut *self.state.lock();
        let Some(limit) = state.limit() else { return 0 };
        state.last_ms = now_ms;
        state.bucket.take(self.windows, limit, tokens, now_ms);
        i32::try_from(state.bucket.throttle_ms(self.windows, limit, now_ms)).unwrap_or(i32::MAX)
    }

    pub(super) fn note_throttled(&self, throttle_ms: i32) {
        let state = &mut *self.state.lock();
        state.throttled += 1;
        state.throttled_ms += u64::from(throttle_ms.unsigned_abs());
    }

    /// Whether nothing was recorded for so long that nothing is held against them.
    pub(super) fn is_silent(&self, now_ms: i64, silence_ms: i64) -> bool {
        let state = &mut *self.state.lock();
        let limit = state.limit();
        now_ms.saturating_sub(state.last_ms) >= silence_ms
            && state.rate.is_idle(self.windows, now_ms)
            && limit.is_none_or(|limit| state.bucket.tokens(self.windows, limit, now_ms) >= 0.0)
    }

    pub(super) fn measure(&self, now_ms: i64) -> Measured {
        let state = &mut *self.state.lock();
        let limit = state.limit.unwrap_or(f64::INFINITY);
        let value = match (self.kind, state.limit()) {
            (QuotaKind::ControllerMutation, Some(limit)) => state.bucket.tokens(self.windows, limit, now_ms),
            (QuotaKind::ControllerMutation, None) => 0.0,
            _ => state.rate.measure(self.windows, now_ms),
        };
        let throttle_ms_mean = match state.throttled {
            0 => 0.0,
            throttled => state.throttled_ms as f64 / throttled as f64,
        };
        Measured { limit, value, throttle_ms_mean }
    }
}

impl State {
    /// The limit, if it is one.
    fn limit(&self) -> Option<f64> {
        self.limit.filter(|limit| limit.is_finite() && *limit > 0.0)
    }
}

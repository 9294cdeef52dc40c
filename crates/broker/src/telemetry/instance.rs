//! One client instance, and when it may be heard.

use ottla_protocol::ErrorCode;

use super::subscription::Subscription;

/// Three push intervals without a word, and an instance is forgotten when the room is needed.
const EXPIRY_INTERVALS: i64 = 3;

/// Whether a client that was last heard of at a time is as good as gone.
pub(super) fn is_expired(last_ms: i64, push_interval_ms: i64, now_ms: i64) -> bool {
    now_ms - last_ms > EXPIRY_INTERVALS * push_interval_ms.max(60_000)
}

/// What is known of a client instance (`ClientMetricsInstance`).
#[derive(Debug)]
pub struct Instance {
    pub(super) subscription_id: i32,
    push_interval_ms: i64,
    last_get_ms: i64,
    last_push_ms: i64,
    pub(super) last_used_ms: i64,
    pub(super) terminating: bool,
    pub(super) last_error: ErrorCode,
}

impl Instance {
    pub(super) fn new(subscription: &Subscription) -> Self {
        Self {
            subscription_id: subscription.id,
            push_interval_ms: i64::from(subscription.push_interval_ms),
            last_get_ms: 0,
            last_push_ms: 0,
            last_used_ms: 0,
            terminating: false,
            last_error: ErrorCode::None,
        }
    }

    pub(super) fn is_expired(&self, now_ms: i64) -> bool {
        is_expired(self.last_used_ms, self.push_interval_ms, now_ms)
    }

    /// Whether the client may ask for its subscription: once an interval, or after an error that tells it to ask.
    pub(super) fn may_get(&mut self, now_ms: i64) -> bool {
        let last = self.last_get_ms.max(self.last_push_ms);
        if now_ms - last >= self.push_interval_ms {
            self.last_get_ms = now_ms;
            return true;
        }
        matches!(self.last_error, ErrorCode::UnknownSubscriptionId | ErrorCode::UnsupportedCompressionType)
    }

    /// Whether the client may push: once an interval, and right after it has asked for its subscription.
    pub(super) fn may_push(&mut self, now_ms: i64) -> bool {
        let may = self.last_get_ms > self.last_push_ms || now_ms - self.last_push_ms >= self.push_interval_ms;
        if may {
            self.last_push_ms = now_ms;
        }
        may
    }
}

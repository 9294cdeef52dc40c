//! The quota of partitions that are created and deleted (`ControllerMutationQuotaManager`, KIP-599).
//!
//! The controller asks for each topic, on its own thread, while it decides. From the versions on whose clients know
//! THROTTLING_QUOTA_EXCEEDED the quota is strict: a topic is refused while the client owes anything. Before, it is
//! permissive: everything is done, and the answer is throttled. In both, the last topic may run up a debt.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::Entity;

/// One request's changes.
#[derive(Debug)]
pub(crate) struct PartitionChanges {
    pub(super) entity: Arc<Entity>,
    is_strict: bool,
    /// Until when the client owes something, in Unix milliseconds; 0 if it does not.
    owes_until_ms: AtomicI64,
}

impl PartitionChanges {
    pub(super) fn new(entity: Arc<Entity>, is_strict: bool) -> Self {
        Self { entity, is_strict, owes_until_ms: AtomicI64::new(0) }
    }

    /// Asks for the creation or deletion of a topic's partitions; says whether they may be.
    pub fn record(&self, partitions: usize, now_ms: i64) -> bool {
        let tokens = partitions as f64;
        let (is_allowed, throttle_ms) = if self.is_strict {
            match self.entity.take_strictly(tokens, now_ms) {
                Ok(()) => (true, 0),
                Err(throttle_ms) => (false, throttle_ms),
            }
        } else {
            (true, self.entity.take(tokens, now_ms))
        };
        if throttle_ms > 0 {
            self.owes_until_ms.store(now_ms.saturating_add(i64::from(throttle_ms)), Ordering::Relaxed);
        }
        is_allowed
    }

    /// For how long the answer is throttled if it leaves now, in milliseconds: what was waited for anyway counts.
    pub fn throttle_ms(&self, now_ms: i64) -> i32 {
        let left_ms = self.owes_until_ms.load(Ordering::Relaxed).saturating_sub(now_ms).max(0);
        i32::try_from(left_ms).unwrap_or(i32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rate::Windows;
    use super::super::{QuotaKind, Sharers};
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn changes(is_strict: bool) -> PartitionChanges {
        let windows = Windows { num: 10, size_ms: 1_000 };
        let kind = QuotaKind::ControllerMutation;
        PartitionChanges::new(Arc::new(Entity::new(kind, windows, Sharers::default(), 10.0, NOW)), is_strict)
    }

    /// The figures of `StrictControllerMutationQuotaTest`.
    #[test]
    fn strict() {
        let quota = changes(true);
        assert!(quota.record(90, NOW));
        assert!(quota.record(90, NOW), "the last one may run up a debt");
        assert_eq!(quota.throttle_ms(NOW), 0);
        assert!(!quota.record(90, NOW));
        assert_eq!(quota.throttle_ms(NOW), 8_000);
        assert_eq!(quota.throttle_ms(NOW + 5_000), 3_000);
        assert!(quota.record(1, NOW + 8_000));
    }

    /// The figures of `PermissiveControllerMutationQuotaTest`.
    #[test]
    fn permissive() {
        let quota = changes(false);
        assert!(quota.record(90, NOW));
        assert_eq!(quota.throttle_ms(NOW), 0);
        assert!(quota.record(90, NOW));
        assert_eq!(quota.throttle_ms(NOW), 8_000);
        assert!(quota.record(90, NOW));
        assert_eq!(quota.throttle_ms(NOW), 17_000);
        assert_eq!(quota.throttle_ms(NOW + 5_000), 12_000);
    }
}

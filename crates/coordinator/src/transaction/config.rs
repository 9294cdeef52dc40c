//! What of the broker's configuration the transaction coordinator uses.

/// Settings of the transaction coordinator, each named after its broker key. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionCoordinatorConfig {
    /// `transaction.max.timeout.ms`
    pub transaction_max_timeout_ms: i32,
    /// `transaction.two.phase.commit.enable`
    pub transaction_two_phase_commit_enable: bool,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`
    pub abort_timed_out_interval_ms: i32,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`
    pub remove_expired_interval_ms: i32,
    /// `transactional.id.expiration.ms`
    pub transactional_id_expiration_ms: i32,
    /// `request.timeout.ms`: how long an appended record may wait to be committed.
    pub request_timeout_ms: i32,
}

impl Default for TransactionCoordinatorConfig {
    fn default() -> Self {
        Self {
            transaction_max_timeout_ms: 900_000,
            transaction_two_phase_commit_enable: false,
            abort_timed_out_interval_ms: 10_000,
            remove_expired_interval_ms: 3_600_000,
            transactional_id_expiration_ms: 604_800_000,
            request_timeout_ms: 30_000,
        }
    }
}

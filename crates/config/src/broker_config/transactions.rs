//! Transactions.

use crate::values::Values;

/// Transactions and their coordinator. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionsConfig {
    /// `transaction.max.timeout.ms`.
    pub max_timeout_ms: i32,
    /// `transaction.two.phase.commit.enable`.
    pub two_phase_commit_enable: bool,
    /// `transaction.partition.verification.enable`.
    pub partition_verification_enable: bool,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`.
    pub abort_timed_out_interval_ms: i32,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`.
    pub remove_expired_interval_ms: i32,
    /// `transactional.id.expiration.ms`.
    pub transactional_id_expiration_ms: i32,
    /// `transaction.state.log.num.partitions`.
    pub state_log_num_partitions: i32,
    /// `transaction.state.log.replication.factor`.
    pub state_log_replication_factor: i16,
    /// `transaction.state.log.min.isr`.
    pub state_log_min_isr: i32,
    /// `transaction.state.log.segment.bytes`.
    pub state_log_segment_bytes: i32,
    /// `add.partitions.to.txn.retry.backoff.ms`.
    pub add_partitions_retry_backoff_ms: i32,
    /// `add.partitions.to.txn.retry.backoff.max.ms`.
    pub add_partitions_retry_backoff_max_ms: i32,
}

impl TransactionsConfig {
    pub(super) fn from_values(values: &Values) -> TransactionsConfig {
        TransactionsConfig {
            max_timeout_ms: values.int("transaction.max.timeout.ms"),
            two_phase_commit_enable: values.boolean("transaction.two.phase.commit.enable"),
            partition_verification_enable: values.boolean("transaction.partition.verification.enable"),
            abort_timed_out_interval_ms: values
                .int("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
            remove_expired_interval_ms: values
                .int("transaction.remove.expired.transaction.cleanup.interval.ms"),
            transactional_id_expiration_ms: values.int("transactional.id.expiration.ms"),
            state_log_num_partitions: values.int("transaction.state.log.num.partitions"),
            state_log_replication_factor: values.short("transaction.state.log.replication.factor"),
            state_log_min_isr: values.int("transaction.state.log.min.isr"),
            state_log_segment_bytes: values.int("transaction.state.log.segment.bytes"),
            add_partitions_retry_backoff_ms: values.int("add.partitions.to.txn.retry.backoff.ms"),
            add_partitions_retry_backoff_max_ms: values.int("add.partitions.to.txn.retry.backoff.max.ms"),
        }
    }
}

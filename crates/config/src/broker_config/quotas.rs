//! Over which time quotas are measured.

use crate::values::Values;

/// Windows of quotas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaConfig {
    /// `quota.window.num`.
    pub window_num: i32,
    /// `quota.window.size.seconds`.
    pub window_size_seconds: i32,
    /// `controller.quota.window.num`.
    pub controller_window_num: i32,
    /// `controller.quota.window.size.seconds`.
    pub controller_window_size_seconds: i32,
    /// `alter.log.dirs.replication.quota.window.size.seconds`.
    pub alter_log_dirs_window_size_seconds: i32,
}

impl QuotaConfig {
    pub(super) fn from_values(values: &Values) -> QuotaConfig {
        QuotaConfig {
            window_num: values.int("quota.window.num"),
            window_size_seconds: values.int("quota.window.size.seconds"),
            controller_window_num: values.int("controller.quota.window.num"),
            controller_window_size_seconds: values.int("controller.quota.window.size.seconds"),
            alter_log_dirs_window_size_seconds: values
                .int("alter.log.dirs.replication.quota.window.size.seconds"),
        }
    }
}

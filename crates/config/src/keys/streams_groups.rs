//! Streams groups (KIP-1071).

use crate::key_def::Importance::Medium;
use crate::key_def::{KeyDef, int};

pub(super) const KEYS: &[KeyDef] = &[
    int("group.streams.session.timeout.ms", 45_000, Medium)
        .at_least(1)
        .honoured()
        .doc("A member of a streams group that is silent for this long is removed."),
    int("group.streams.min.session.timeout.ms", 45_000, Medium)
        .at_least(1)
        .honoured()
        .doc("Lower bound for `streams.session.timeout.ms` of a group."),
    int("group.streams.max.session.timeout.ms", 60_000, Medium)
        .at_least(1)
        .honoured()
        .doc("Upper bound for `streams.session.timeout.ms` of a group."),
    int("group.streams.heartbeat.interval.ms", 5000, Medium)
        .at_least(1)
        .honoured()
        .doc("Heartbeat interval that members of a streams group are told to keep."),
    int("group.streams.min.heartbeat.interval.ms", 5000, Medium)
        .at_least(1)
        .honoured()
        .doc("Lower bound for `streams.heartbeat.interval.ms` of a group."),
    int("group.streams.max.heartbeat.interval.ms", 15_000, Medium)
        .at_least(1)
        .honoured()
        .doc("Upper bound for `streams.heartbeat.interval.ms` of a group."),
    int("group.streams.assignment.interval.ms", 1000, Medium)
        .at_least(0)
        .cluster_wide()
        .honoured()
        .doc("The least time between two new assignments of a streams group."),
    int("group.streams.min.assignment.interval.ms", 0, Medium)
        .at_least(0)
        .honoured()
        .doc("Lower bound for `streams.assignment.interval.ms` of a group."),
    int("group.streams.max.assignment.interval.ms", 15_000, Medium)
        .at_least(0)
        .honoured()
        .doc("Upper bound for `streams.assignment.interval.ms` of a group."),
    int("group.streams.max.size", i32::MAX, Medium)
        .at_least(1)
        .honoured()
        .doc("The most members a streams group takes."),
    int("group.streams.initial.rebalance.delay.ms", 3000, Medium)
        .at_least(0)
        .honoured()
        .doc("How long an empty streams group waits for more members before its first assignment."),
    int("group.streams.num.standby.replicas", 0, Medium)
        .at_least(0)
        .honoured()
        .doc("Standby copies of each task's state."),
    int("group.streams.max.standby.replicas", 2, Medium)
        .at_least(0)
        .honoured()
        .doc("Upper bound for `streams.num.standby.replicas` of a group."),
];

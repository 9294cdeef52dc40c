//! Group configurations (Kafka's `GroupConfig`), set per group at run time.

use crate::key_def::Importance::Medium;
use crate::key_def::{KeyDef, boolean, int, same, string};
use crate::validator::Validator;

pub(super) const KEYS: &[KeyDef] = &[
    int("consumer.session.timeout.ms", 45_000, Medium)
        .at_least(1)
        .or_broker(&[same("group.consumer.session.timeout.ms")])
        .honoured()
        .doc("A member that is silent for this long is removed."),
    int("consumer.heartbeat.interval.ms", 5000, Medium)
        .at_least(1)
        .or_broker(&[same("group.consumer.heartbeat.interval.ms")])
        .honoured()
        .doc("Heartbeat interval that members are told to keep."),
    int("consumer.assignment.interval.ms", 1000, Medium)
        .at_least(0)
        .or_broker(&[same("group.consumer.assignment.interval.ms")])
        .honoured()
        .doc("The least time between two new assignments."),
    int("share.session.timeout.ms", 45_000, Medium)
        .at_least(1)
        .or_broker(&[same("group.share.session.timeout.ms")])
        .honoured()
        .doc("A member that is silent for this long is removed."),
    int("share.heartbeat.interval.ms", 5000, Medium)
        .at_least(1)
        .or_broker(&[same("group.share.heartbeat.interval.ms")])
        .honoured()
        .doc("Heartbeat interval that members are told to keep."),
    int("share.assignment.interval.ms", 1000, Medium)
        .at_least(0)
        .or_broker(&[same("group.share.assignment.interval.ms")])
        .honoured()
        .doc("The least time between two new assignments."),
    string("share.auto.offset.reset", "latest", Medium)
        .check(Validator::ShareAutoOffsetReset)
        .honoured()
        .doc(
            "Where a share group begins in a partition: at the `earliest` or `latest` offset, or at a \
             time before now, as in `by_duration:PT1H`.",
        ),
    string("share.isolation.level", "read_uncommitted", Medium)
        .one_of(&["read_committed", "read_uncommitted"])
        .honoured()
        .doc(
            "Whether records of open and aborted transactions are handed out (`read_uncommitted`) or not \
             (`read_committed`).",
        ),
    int("share.record.lock.duration.ms", 30_000, Medium)
        .at_least(1000)
        .or_broker(&[same("group.share.record.lock.duration.ms")])
        .honoured()
        .doc("How long a record that was handed out belongs to its reader."),
    int("share.delivery.count.limit", 5, Medium)
        .at_least(2)
        .or_broker(&[same("group.share.delivery.count.limit")])
        .honoured()
        .doc("How often a record is handed out before it is given up."),
    int("share.partition.max.record.locks", 2000, Medium)
        .at_least(100)
        .or_broker(&[same("group.share.partition.max.record.locks")])
        .honoured()
        .doc("How many records of a partition may be handed out at a time."),
    boolean("share.renew.acknowledge.enable", true, Medium)
        .honoured()
        .doc("Whether readers may prolong their hold on a record."),
    int("streams.session.timeout.ms", 45_000, Medium)
        .at_least(1)
        .or_broker(&[same("group.streams.session.timeout.ms")])
        .honoured()
        .doc("A member that is silent for this long is removed."),
    int("streams.heartbeat.interval.ms", 5000, Medium)
        .at_least(1)
        .or_broker(&[same("group.streams.heartbeat.interval.ms")])
        .honoured()
        .doc("Heartbeat interval that members are told to keep."),
    int("streams.assignment.interval.ms", 1000, Medium)
        .at_least(0)
        .or_broker(&[same("group.streams.assignment.interval.ms")])
        .honoured()
        .doc("The least time between two new assignments."),
    int("streams.initial.rebalance.delay.ms", 3000, Medium)
        .at_least(0)
        .or_broker(&[same("group.streams.initial.rebalance.delay.ms")])
        .honoured()
        .doc("How long an empty group waits for more members before its first assignment."),
    int("streams.num.standby.replicas", 0, Medium)
        .at_least(0)
        .or_broker(&[same("group.streams.num.standby.replicas")])
        .honoured()
        .doc("Standby copies of each task's state."),
];

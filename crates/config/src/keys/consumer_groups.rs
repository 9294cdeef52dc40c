//! Consumer groups of the new protocol (KIP-848).

use crate::key_def::Importance::Medium;
use crate::key_def::{KeyDef, int, list, string};
use crate::validator::Validator;

pub(super) const KEYS: &[KeyDef] = &[
    int("group.consumer.session.timeout.ms", 45_000, Medium)
        .at_least(1)
        .honoured()
        .doc("A member of a consumer group that is silent for this long is removed."),
    int("group.consumer.min.session.timeout.ms", 45_000, Medium)
        .at_least(1)
        .honoured()
        .doc("Lower bound for `consumer.session.timeout.ms` of a group."),
    int("group.consumer.max.session.timeout.ms", 60_000, Medium)
        .at_least(1)
        .honoured()
        .doc("Upper bound for `consumer.session.timeout.ms` of a group."),
    int("group.consumer.heartbeat.interval.ms", 5000, Medium)
        .at_least(1)
        .honoured()
        .doc("Heartbeat interval that members of a consumer group are told to keep."),
    int("group.consumer.min.heartbeat.interval.ms", 5000, Medium)
        .at_least(1)
        .honoured()
        .doc("Lower bound for `consumer.heartbeat.interval.ms` of a group."),
    int("group.consumer.max.heartbeat.interval.ms", 15_000, Medium)
        .at_least(1)
        .honoured()
        .doc("Upper bound for `consumer.heartbeat.interval.ms` of a group."),
    int("group.consumer.assignment.interval.ms", 1000, Medium)
        .at_least(0)
        .cluster_wide()
        .honoured()
        .doc("The least time between two new assignments of a consumer group."),
    int("group.consumer.min.assignment.interval.ms", 0, Medium)
        .at_least(0)
        .honoured()
        .doc("Lower bound for `consumer.assignment.interval.ms` of a group."),
    int("group.consumer.max.assignment.interval.ms", 15_000, Medium)
        .at_least(0)
        .honoured()
        .doc("Upper bound for `consumer.assignment.interval.ms` of a group."),
    int("group.consumer.max.size", i32::MAX, Medium)
        .at_least(1)
        .honoured()
        .doc("The most members a consumer group takes."),
    list("group.consumer.assignors", &["uniform", "range"], Medium)
        .not_empty()
        .honoured()
        .doc("Assignors that consumer groups can choose from; the first is the default."),
    string("group.consumer.migration.policy", "bidirectional", Medium)
        .check(Validator::OneOfIgnoringCase(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"]))
        .honoured()
        .doc(
            "Whether a group with members may change between the classic and the consumer protocol, and \
             in which direction.",
        ),
    int("group.consumer.regex.refresh.interval.ms", 600_000, Medium)
        .at_least(10_000)
        .internal()
        .honoured()
        .doc("Time between two matchings of subscribed regular expressions against the topics."),
];

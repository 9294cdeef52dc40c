//! Share groups and their state (KIP-932).

use crate::key_def::Importance::{High, Low, Medium};
use crate::key_def::{KeyDef, int, list, short, string};

const NO_NEED: &str = "the share coordinator is one task that writes at once";

pub(super) const KEYS: &[KeyDef] = &[
    int("group.share.session.timeout.ms", 45_000, Medium)
        .at_least(1)
        .honoured()
        .doc("A member of a share group that is silent for this long is removed."),
    int("group.share.min.session.timeout.ms", 45_000, Medium)
        .at_least(1)
        .honoured()
        .doc("Lower bound for `share.session.timeout.ms` of a group."),
    int("group.share.max.session.timeout.ms", 60_000, Medium)
        .at_least(1)
        .honoured()
        .doc("Upper bound for `share.session.timeout.ms` of a group."),
    int("group.share.heartbeat.interval.ms", 5000, Medium)
        .at_least(1)
        .honoured()
        .doc("Heartbeat interval that members of a share group are told to keep."),
    int("group.share.min.heartbeat.interval.ms", 5000, Medium)
        .at_least(1)
        .honoured()
        .doc("Lower bound for `share.heartbeat.interval.ms` of a group."),
    int("group.share.max.heartbeat.interval.ms", 15_000, Medium)
        .at_least(1)
        .honoured()
        .doc("Upper bound for `share.heartbeat.interval.ms` of a group."),
    int("group.share.assignment.interval.ms", 1000, Medium)
        .at_least(0)
        .cluster_wide()
        .honoured()
        .doc("The least time between two new assignments of a share group."),
    int("group.share.min.assignment.interval.ms", 0, Medium)
        .at_least(0)
        .honoured()
        .doc("Lower bound for `share.assignment.interval.ms` of a group."),
    int("group.share.max.assignment.interval.ms", 15_000, Medium)
        .at_least(0)
        .honoured()
        .doc("Upper bound for `share.assignment.interval.ms` of a group."),
    int("group.share.max.size", 200, Medium)
        .between(1, 1000)
        .honoured()
        .doc("The most members a share group takes."),
    int("group.share.max.share.sessions", 2000, Medium)
        .at_least(1)
        .honoured()
        .doc("The most share sessions a broker keeps."),
    list("group.share.assignors", &["simple"], Medium)
        .not_empty()
        .without_effect("`simple` is the only one")
        .doc("The assignor of share groups; exactly one."),
    int("group.share.initialize.retry.interval.ms", 30_000, Low)
        .at_least(1)
        .internal()
        .honoured()
        .doc("Pause before the state of a share group is initialized again after a failure."),
    int("group.share.delivery.count.limit", 5, Medium)
        .between(2, 10)
        .honoured()
        .doc("How often a record is handed out before it is given up."),
    int("group.share.min.delivery.count.limit", 2, Medium)
        .between(2, 5)
        .honoured()
        .doc("Lower bound for `share.delivery.count.limit` of a group."),
    int("group.share.max.delivery.count.limit", 10, Medium)
        .between(5, 25)
        .honoured()
        .doc("Upper bound for `share.delivery.count.limit` of a group."),
    int("group.share.record.lock.duration.ms", 30_000, Medium)
        .between(1000, 3_600_000)
        .honoured()
        .doc("How long a record that was handed out belongs to its reader."),
    int("group.share.min.record.lock.duration.ms", 15_000, Medium)
        .between(1000, 30_000)
        .honoured()
        .doc("Lower bound for `share.record.lock.duration.ms` of a group."),
    int("group.share.max.record.lock.duration.ms", 60_000, Medium)
        .between(30_000, 3_600_000)
        .honoured()
        .doc("Upper bound for `share.record.lock.duration.ms` of a group."),
    int("group.share.partition.max.record.locks", 2000, Medium)
        .between(100, 10_000)
        .honoured()
        .doc("How many records of a partition may be handed out at a time."),
    int("group.share.min.partition.max.record.locks", 100, Medium)
        .between(100, 2000)
        .honoured()
        .doc("Lower bound for `share.partition.max.record.locks` of a group."),
    int("group.share.max.partition.max.record.locks", 4000, Medium)
        .between(2000, 10_000)
        .honoured()
        .doc("Upper bound for `share.partition.max.record.locks` of a group."),
    string(
        "group.share.persister.class.name",
        "org.apache.kafka.server.share.persister.DefaultStatePersister",
        Medium,
    )
    .internal()
    .without_effect("the share coordinator is the only one")
    .doc("The class that keeps the state of share groups."),
    int("share.fetch.purgatory.purge.interval.requests", 1000, Medium)
        .without_effect("fetches that wait are woken by what they wait for; nothing is to be purged")
        .doc("After how many finished share fetches the list of waiting ones is swept."),
    int("share.coordinator.threads", 1, Medium)
        .at_least(1)
        .without_effect(NO_NEED)
        .doc("Threads of the share coordinator."),
    int("share.coordinator.append.linger.ms", -1, Medium).at_least(-1).without_effect(NO_NEED).doc(
        "How long the share coordinator collects records before it writes them. -1 adapts to the \
             load.",
    ),
    int("share.coordinator.cached.buffer.max.bytes", 1024 * 1024 + 12, Medium)
        .at_least(512 * 1024)
        .cluster_wide()
        .without_effect(NO_NEED)
        .doc("The largest write buffer the share coordinator keeps for the next use."),
    int("share.coordinator.load.buffer.size", 5 * 1024 * 1024, High)
        .at_least(1)
        .without_effect(NO_NEED)
        .doc("How much is read at a time when a share coordinator loads its state."),
    int("share.coordinator.write.timeout.ms", 5000, High)
        .at_least(1)
        .honoured()
        .doc("How long a write of the share coordinator waits for its replicas."),
    int("share.coordinator.snapshot.update.records.per.snapshot", 500, Medium)
        .between(0, 500)
        .honoured()
        .doc("How many changes of a share partition are written between two full states."),
    int("share.coordinator.cold.partition.snapshot.interval.ms", 300_000, Low)
        .at_least(1)
        .internal()
        .honoured()
        .doc("Time between two full states of a share partition that does not change."),
    int("share.coordinator.state.topic.num.partitions", 50, High)
        .at_least(1)
        .honoured()
        .doc("Partitions of `__share_group_state`. Not to be changed once the topic exists."),
    short("share.coordinator.state.topic.replication.factor", 3, High)
        .at_least(1)
        .honoured()
        .doc("Replicas of `__share_group_state`; a node that is left to its defaults takes 1."),
    short("share.coordinator.state.topic.min.isr", 2, High).at_least(1).honoured().doc(
        "`min.insync.replicas` of `__share_group_state`; a node that is left to its defaults takes \
             1.",
    ),
    int("share.coordinator.state.topic.segment.bytes", 100 * 1024 * 1024, High)
        .at_least(1)
        .honoured()
        .doc("Segment size of `__share_group_state`."),
    int("share.coordinator.state.topic.compression.codec", 0, High)
        .without_effect("its records are small, and written as they are")
        .doc("Codec of the batches in `__share_group_state`."),
    int("share.coordinator.state.topic.prune.interval.ms", 300_000, Low)
        .at_least(1)
        .internal()
        .honoured()
        .doc("Time between two prunings of what `__share_group_state` no longer needs."),
];

//! Replication and leadership.

use crate::key_def::Importance::{High, Medium};
use crate::key_def::Type::{Int, String};
use crate::key_def::{KeyDef, boolean, int, long, unset};

const SINGLE: &str = "a node alone holds the only replica";
const PURGE: &str = "waiting requests are removed as soon as they are answered";

pub(super) const KEYS: &[KeyDef] = &[
    long("replica.lag.time.max.ms", 30_000, High)
        .without_effect(SINGLE)
        .doc("A follower that has not caught up for this long leaves the in-sync set."),
    int("replica.socket.timeout.ms", 30_000, High)
        .without_effect(SINGLE)
        .doc("How long a follower waits for the answer to its fetch."),
    int("replica.socket.receive.buffer.bytes", 64 * 1024, High)
        .without_effect(SINGLE)
        .doc("Receive buffer of a follower's connection to its leader."),
    int("replica.fetch.max.bytes", 1024 * 1024, Medium)
        .at_least(0)
        .without_effect(SINGLE)
        .doc("The most that a follower asks for per partition, but for a first batch that is larger."),
    int("replica.fetch.min.bytes", 1, High)
        .without_effect(SINGLE)
        .doc("The least a follower wants before its fetch is answered."),
    int("replica.fetch.response.max.bytes", 10 * 1024 * 1024, Medium)
        .at_least(0)
        .without_effect(SINGLE)
        .doc("The most that a follower asks for per fetch, but for a first batch that is larger."),
    int("replica.fetch.wait.max.ms", 500, High)
        .without_effect(SINGLE)
        .doc("How long a follower's fetch may wait for data."),
    int("replica.fetch.backoff.ms", 1000, Medium)
        .at_least(0)
        .without_effect(SINGLE)
        .doc("How long a follower leaves a partition alone after an error."),
    long("replica.high.watermark.checkpoint.interval.ms", 5000, High)
        .honoured()
        .doc("Time between two writes of the high watermarks."),
    unset(String, "replica.selector.class", Medium)
        .without_effect(SINGLE)
        .doc("A class that picks the replica a consumer reads from."),
    int("num.replica.fetchers", 1, High)
        .at_least(1)
        .cluster_wide()
        .without_effect(SINGLE)
        .doc("Connections over which a follower fetches from each other broker."),
    unset(Int, "num.replica.alter.log.dirs.threads", High)
        .without_effect("moves between directories size themselves")
        .doc("Threads that move replicas between directories."),
    boolean("follower.fetch.last.tiered.offset.enable", false, Medium)
        .cluster_wide()
        .without_effect(SINGLE)
        .doc("Whether an empty follower begins behind what tiered storage already holds."),
    boolean("auto.leader.rebalance.enable", true, High)
        .without_effect(SINGLE)
        .doc("Whether leadership is moved back to preferred replicas from time to time."),
    long("leader.imbalance.check.interval.seconds", 300, High)
        .at_least(1)
        .without_effect(SINGLE)
        .doc("Time between two looks for leaders that are not the preferred ones."),
    boolean("unclean.leader.election.enable", false, High).cluster_wide().without_effect(SINGLE).doc(
        "Whether a replica that is not in sync may become leader when no other is left, losing what \
             it lacks.",
    ),
    long("unclean.leader.election.interval.ms", 300_000, Medium)
        .at_least(1)
        .internal()
        .without_effect(SINGLE)
        .doc("Time between two looks for partitions without a leader that an unclean election could help."),
    int("fetch.purgatory.purge.interval.requests", 1000, Medium)
        .without_effect(PURGE)
        .doc("After how many finished fetches the list of waiting ones is swept."),
    int("producer.purgatory.purge.interval.requests", 1000, Medium)
        .without_effect(PURGE)
        .doc("After how many finished writes the list of waiting ones is swept."),
    int("delete.records.purgatory.purge.interval.requests", 1, Medium)
        .without_effect(PURGE)
        .doc("After how many finished deletions of records the list of waiting ones is swept."),
];

//! Classic groups, committed offsets, and what all kinds of groups share.

use crate::key_def::Importance::{High, Medium};
use crate::key_def::{KeyDef, int, list, long, short};

const SHARDS: &str = "coordinator shards run on the core threads";

pub(super) const KEYS: &[KeyDef] = &[
    int("group.min.session.timeout.ms", 6000, Medium)
        .honoured()
        .doc("The shortest session timeout a member of a classic group may ask for."),
    int("group.max.session.timeout.ms", 1_800_000, Medium)
        .honoured()
        .doc("The longest session timeout a member of a classic group may ask for."),
    int("group.initial.rebalance.delay.ms", 3000, Medium)
        .honoured()
        .doc("How long an empty classic group waits for more members before its first rebalance."),
    int("group.max.size", i32::MAX, Medium)
        .at_least(1)
        .honoured()
        .doc("The most members a classic group takes."),
    int("offset.metadata.max.bytes", 4 * 1024, High)
        .honoured()
        .doc("The longest metadata string that may go with a committed offset."),
    int("offsets.commit.timeout.ms", 5000, High)
        .at_least(1)
        .honoured()
        .doc("How long a commit, or any other write of the coordinator, waits for its replicas."),
    int("offsets.load.buffer.size", 5 * 1024 * 1024, High)
        .at_least(1)
        .without_effect("loading sizes its reads itself")
        .doc("How much is read at a time when a coordinator loads its state."),
    int("offsets.retention.minutes", 10_080, High).at_least(1).honoured().doc(
        "How long the offsets of a group outlive its last member, or the last commit of a consumer \
             without group.",
    ),
    long("offsets.retention.check.interval.ms", 600_000, High)
        .at_least(1)
        .honoured()
        .doc("Time between two looks for expired offsets."),
    int("offsets.topic.num.partitions", 50, High)
        .at_least(1)
        .honoured()
        .doc("Partitions of `__consumer_offsets`. Not to be changed once the topic exists."),
    short("offsets.topic.replication.factor", 3, High).at_least(1).honoured().doc(
        "Replicas of `__consumer_offsets`. The topic is not created while there are fewer brokers; a \
             node that is left to its defaults takes 1.",
    ),
    int("offsets.topic.segment.bytes", 100 * 1024 * 1024, High)
        .at_least(1)
        .honoured()
        .doc("Segment size of `__consumer_offsets`."),
    int("offsets.topic.compression.codec", 0, High)
        .without_effect("written uncompressed")
        .doc("Codec of the batches in `__consumer_offsets`: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd."),
    list("group.coordinator.rebalance.protocols", &["classic", "consumer", "streams"], Medium)
        .some_of(&["consumer", "classic", "share", "streams"])
        .without_effect("share groups are not served yet")
        .doc("The kinds of groups that are served. `classic` cannot be left out."),
    int("group.coordinator.threads", 4, High)
        .at_least(1)
        .without_effect(SHARDS)
        .doc("Threads of the group coordinator."),
    int("group.coordinator.background.threads", 2, High)
        .at_least(1)
        .without_effect(SHARDS)
        .doc("Threads for the coordinator's slow work, such as matching regular expressions."),
    int("group.coordinator.append.linger.ms", -1, Medium)
        .at_least(-1)
        .without_effect("writes are collected while one is under way")
        .doc("How long the coordinator collects records before it writes them. -1 adapts to the load."),
    int("group.coordinator.cached.buffer.max.bytes", 1024 * 1024 + 12, Medium)
        .at_least(512 * 1024)
        .cluster_wide()
        .without_effect("buffers are not cached")
        .doc("The largest write buffer the coordinator keeps for the next use."),
];

//! Tiered storage (KIP-405).

use crate::key_def::Importance::{Low, Medium};
use crate::key_def::Type::String;
use crate::key_def::{KeyDef, boolean, double, int, long, string, unset};
use crate::validator::{Bound, Validator};

const LATER: &str = "tiered storage is not served yet";

pub(super) const KEYS: &[KeyDef] = &[
    boolean("remote.log.storage.system.enable", false, Medium)
        .refused("tiered storage is not served yet")
        .doc("Whether closed segments can be moved to remote storage."),
    unset(String, "remote.log.storage.manager.class.name", Medium)
        .check(Validator::NonEmpty)
        .without_effect(LATER)
        .doc("The class that stores segments."),
    unset(String, "remote.log.storage.manager.class.path", Medium)
        .without_effect(LATER)
        .doc("Class path of the class that stores segments."),
    string("remote.log.storage.manager.impl.prefix", "rsm.config.", Medium)
        .check(Validator::NonEmpty)
        .without_effect(LATER)
        .doc("Prefix of the settings that the storing class gets."),
    string(
        "remote.log.metadata.manager.class.name",
        "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager",
        Medium,
    )
    .check(Validator::NonEmpty)
    .without_effect(LATER)
    .doc("The class that remembers which segments lie where."),
    unset(String, "remote.log.metadata.manager.class.path", Medium)
        .without_effect(LATER)
        .doc("Class path of the class that remembers which segments lie where."),
    string("remote.log.metadata.manager.impl.prefix", "rlmm.config.", Medium)
        .check(Validator::NonEmpty)
        .without_effect(LATER)
        .doc("Prefix of the settings that the remembering class gets."),
    unset(String, "remote.log.metadata.manager.listener.name", Medium)
        .check(Validator::NonEmpty)
        .without_effect(LATER)
        .doc("The listener over which the remembering class reaches the broker."),
    int("remote.log.metadata.custom.metadata.max.bytes", 128, Low)
        .at_least(0)
        .without_effect(LATER)
        .doc("The most extra metadata a storing class may attach to a segment."),
    long("remote.log.index.file.cache.total.size.bytes", 1024 * 1024 * 1024, Low)
        .at_least(1)
        .cluster_wide()
        .without_effect(LATER)
        .doc("Disk space for indexes of remote segments."),
    long("remote.log.index.file.cache.ttl.ms", 900_000, Low)
        .at_least(-1)
        .internal()
        .without_effect(LATER)
        .doc("An index of a remote segment that is not used for this long leaves the cache. -1 keeps it."),
    int("remote.log.manager.thread.pool.size", 2, Medium)
        .at_least(1)
        .without_effect(LATER)
        .doc("Older name of `remote.log.manager.follower.thread.pool.size`."),
    int("remote.log.manager.follower.thread.pool.size", 2, Medium)
        .at_least(1)
        .cluster_wide()
        .without_effect(LATER)
        .doc("Threads that follow what leaders have moved."),
    int("remote.log.manager.copier.thread.pool.size", 10, Medium)
        .at_least(1)
        .cluster_wide()
        .without_effect(LATER)
        .doc("Threads that move segments to remote storage."),
    int("remote.log.manager.expiration.thread.pool.size", 10, Medium)
        .at_least(1)
        .cluster_wide()
        .without_effect(LATER)
        .doc("Threads that delete expired remote segments."),
    long("remote.log.manager.task.interval.ms", 30_000, Low)
        .at_least(1)
        .without_effect(LATER)
        .doc("Time between two looks for segments to move or delete."),
    long("remote.log.manager.task.retry.backoff.ms", 500, Low)
        .at_least(1)
        .internal()
        .without_effect(LATER)
        .doc("First pause after a failed task."),
    long("remote.log.manager.task.retry.backoff.max.ms", 30_000, Low)
        .at_least(1)
        .internal()
        .without_effect(LATER)
        .doc("Longest pause after a failed task."),
    double("remote.log.manager.task.retry.jitter", 0.2, Low)
        .check(Validator::Range { min: Some(Bound::Int(0)), max: Some(Bound::Double(0.5)) })
        .internal()
        .without_effect(LATER)
        .doc("Random share of the pause after a failed task."),
    long("remote.log.manager.copy.max.bytes.per.second", i64::MAX, Medium)
        .at_least(1)
        .cluster_wide()
        .without_effect(LATER)
        .doc("Bytes per second to remote storage."),
    int("remote.log.manager.copy.quota.window.num", 11, Medium)
        .at_least(1)
        .without_effect(LATER)
        .doc("How many windows the rate to remote storage is measured over."),
    int("remote.log.manager.copy.quota.window.size.seconds", 1, Medium)
        .at_least(1)
        .without_effect(LATER)
        .doc("Length of one window of the rate to remote storage."),
    long("remote.log.manager.fetch.max.bytes.per.second", i64::MAX, Medium)
        .at_least(1)
        .cluster_wide()
        .without_effect(LATER)
        .doc("Bytes per second from remote storage."),
    int("remote.log.manager.fetch.quota.window.num", 11, Medium)
        .at_least(1)
        .without_effect(LATER)
        .doc("How many windows the rate from remote storage is measured over."),
    int("remote.log.manager.fetch.quota.window.size.seconds", 1, Medium)
        .at_least(1)
        .without_effect(LATER)
        .doc("Length of one window of the rate from remote storage."),
    int("remote.log.reader.threads", 10, Medium)
        .at_least(1)
        .cluster_wide()
        .without_effect(LATER)
        .doc("Threads that read from remote storage."),
    int("remote.log.reader.max.pending.tasks", 100, Medium)
        .at_least(1)
        .without_effect(LATER)
        .doc("How many reads from remote storage may wait; further ones fail."),
    int("remote.fetch.max.wait.ms", 500, Medium)
        .at_least(1)
        .cluster_wide()
        .without_effect(LATER)
        .doc("How long a fetch waits for remote storage."),
    long("remote.list.offsets.request.timeout.ms", 30_000, Medium)
        .at_least(1)
        .cluster_wide()
        .without_effect(LATER)
        .doc("How long a look-up of offsets waits for remote storage."),
    long("log.local.retention.bytes", -2, Medium)
        .at_least(-2)
        .cluster_wide()
        .without_effect(LATER)
        .doc("Size of the local part of a partition whose rest is remote. -2 takes `log.retention.bytes`."),
    long("log.local.retention.ms", -2, Medium)
        .at_least(-2)
        .cluster_wide()
        .without_effect(LATER)
        .doc("Age of the local part of a partition whose rest is remote. -2 takes `log.retention.ms`."),
];

//! Topic configurations (Kafka's `LogConfig`).

use crate::key_def::Importance::Medium;
use crate::key_def::Type::Int;
use crate::key_def::{KeyDef, boolean, double, hours, int, list, long, minutes, same, string, unset};
use crate::validator::Validator;

const NO_TIER: &str = "tiered storage is not served yet";
const SINGLE: &str = "a node alone holds the only replica";

pub(super) const KEYS: &[KeyDef] = &[
    int("segment.bytes", 1024 * 1024 * 1024, Medium)
        .at_least(1024 * 1024)
        .or_broker(&[same("log.segment.bytes")])
        .honoured()
        .doc("Size at which a segment is closed and the next one begun."),
    unset(Int, "internal.segment.bytes", Medium)
        .internal()
        .honoured()
        .doc("Replaces `segment.bytes` in tests that need segments below its lower bound."),
    long("segment.ms", 604_800_000, Medium)
        .at_least(1)
        .or_broker(&[same("log.roll.ms"), hours("log.roll.hours")])
        .honoured()
        .doc("Age at which a segment is closed even if it is not full."),
    long("segment.jitter.ms", 0, Medium)
        .at_least(0)
        .or_broker(&[same("log.roll.jitter.ms"), hours("log.roll.jitter.hours")])
        .honoured()
        .doc(
            "A random part of at most this length by which a segment is closed early, so that not all \
             roll at once.",
        ),
    int("segment.index.bytes", 10 * 1024 * 1024, Medium)
        .at_least(4)
        .or_broker(&[same("log.index.size.max.bytes")])
        .honoured()
        .doc("Size of an offset index at which its segment is closed."),
    int("index.interval.bytes", 4 * 1024, Medium)
        .at_least(0)
        .or_broker(&[same("log.index.interval.bytes")])
        .honoured()
        .doc("An index entry is written after about this many bytes of log."),
    boolean("preallocate", false, Medium)
        .or_broker(&[same("log.preallocate")])
        .honoured()
        .doc("Whether the file of a new segment is given its full size at once."),
    long("flush.messages", i64::MAX, Medium)
        .at_least(1)
        .or_broker(&[same("log.flush.interval.messages")])
        .honoured()
        .doc("A partition is forced to disk after this many records."),
    long("flush.ms", i64::MAX, Medium)
        .at_least(0)
        .or_broker(&[same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")])
        .honoured()
        .doc("A partition is forced to disk when a record has waited this long."),
    long("retention.bytes", -1, Medium)
        .or_broker(&[same("log.retention.bytes")])
        .honoured()
        .doc("Size of a partition above which its oldest segments are deleted. -1 sets no bound."),
    long("retention.ms", 604_800_000, Medium)
        .at_least(-1)
        .or_broker(&[
            same("log.retention.ms"),
            minutes("log.retention.minutes"),
            hours("log.retention.hours"),
        ])
        .honoured()
        .doc("Age at which a closed segment is deleted. -1 sets no bound."),
    long("file.delete.delay.ms", 60_000, Medium)
        .at_least(0)
        .or_broker(&[same("log.segment.delete.delay.ms")])
        .honoured()
        .doc("Time between taking a file out of the log and removing it from the disk."),
    list("cleanup.policy", &["delete"], Medium)
        .any_of(&["compact", "delete"])
        .or_broker(&[same("log.cleanup.policy")])
        .honoured()
        .doc(
            "What happens to old data: `delete` drops old segments, `compact` keeps the newest record of \
             each key; both, or neither, may be given.",
        ),
    double("min.cleanable.dirty.ratio", 0.5, Medium)
        .between(0, 1)
        .or_broker(&[same("log.cleaner.min.cleanable.ratio")])
        .honoured()
        .doc("Share of a log that must be uncompacted before it is compacted again."),
    long("delete.retention.ms", 86_400_000, Medium)
        .at_least(0)
        .or_broker(&[same("log.cleaner.delete.retention.ms")])
        .honoured()
        .doc(
            "How long tombstones stay after compaction, so that a reader from the start can still see \
             them.",
        ),
    long("min.compaction.lag.ms", 0, Medium)
        .at_least(0)
        .or_broker(&[same("log.cleaner.min.compaction.lag.ms")])
        .honoured()
        .doc("A record younger than this is left alone by compaction."),
    long("max.compaction.lag.ms", i64::MAX, Medium)
        .at_least(1)
        .or_broker(&[same("log.cleaner.max.compaction.lag.ms")])
        .honoured()
        .doc(
            "A record is compacted at the latest at this age; segments of compacted topics are closed in \
             time for that.",
        ),
    int("max.message.bytes", 1024 * 1024 + 12, Medium)
        .at_least(0)
        .or_broker(&[same("message.max.bytes")])
        .honoured()
        .doc("The largest record batch, as sent, that is taken."),
    string("compression.type", "producer", Medium)
        .one_of(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"])
        .or_broker(&[same("compression.type")])
        .honoured()
        .doc(
            "How batches are stored: `producer` keeps what the producer sent, the others recompress on \
             arrival.",
        ),
    int("compression.gzip.level", -1, Medium)
        .check(Validator::GzipLevel)
        .or_broker(&[same("compression.gzip.level")])
        .honoured()
        .doc("Level of gzip when `compression.type` asks for it. -1 is the library's own choice."),
    int("compression.lz4.level", 9, Medium)
        .between(1, 17)
        .or_broker(&[same("compression.lz4.level")])
        .honoured()
        .doc("Level of lz4 when `compression.type` asks for it."),
    int("compression.zstd.level", 3, Medium)
        .between(-131_072, 22)
        .or_broker(&[same("compression.zstd.level")])
        .honoured()
        .doc("Level of zstd when `compression.type` asks for it."),
    string("message.timestamp.type", "CreateTime", Medium)
        .one_of(&["CreateTime", "LogAppendTime"])
        .or_broker(&[same("log.message.timestamp.type")])
        .honoured()
        .doc(
            "Which time a record carries: `CreateTime`, the producer's, or `LogAppendTime`, the \
             broker's.",
        ),
    long("message.timestamp.before.max.ms", i64::MAX, Medium)
        .at_least(0)
        .or_broker(&[same("log.message.timestamp.before.max.ms")])
        .honoured()
        .doc(
            "How far a producer's timestamp may lie behind the broker's clock. Records that are older \
             are refused.",
        ),
    long("message.timestamp.after.max.ms", 3_600_000, Medium)
        .at_least(0)
        .or_broker(&[same("log.message.timestamp.after.max.ms")])
        .honoured()
        .doc(
            "How far a producer's timestamp may lie ahead of the broker's clock. Records that are newer \
             are refused.",
        ),
    int("min.insync.replicas", 1, Medium)
        .at_least(1)
        .or_broker(&[same("min.insync.replicas")])
        .honoured()
        .doc(
            "How many replicas must hold a record before a write with acks=all is confirmed. With fewer \
             in sync, such writes are refused.",
        ),
    boolean("unclean.leader.election.enable", false, Medium)
        .or_broker(&[same("unclean.leader.election.enable")])
        .without_effect(SINGLE)
        .doc(
            "Whether a replica that is not in sync may become leader when no other is left, losing what \
             it lacks.",
        ),
    list("leader.replication.throttled.replicas", &[], Medium)
        .check(Validator::ThrottledReplicas)
        .without_effect(SINGLE)
        .doc("Replicas whose traffic is throttled at the leader, as `partition:broker` pairs or `*`."),
    list("follower.replication.throttled.replicas", &[], Medium)
        .check(Validator::ThrottledReplicas)
        .without_effect(SINGLE)
        .doc("Replicas whose traffic is throttled at the follower, as `partition:broker` pairs or `*`."),
    boolean("remote.storage.enable", false, Medium)
        .refused(NO_TIER)
        .doc("Whether closed segments of the topic move to remote storage."),
    boolean("remote.log.copy.disable", false, Medium)
        .without_effect(NO_TIER)
        .doc("Whether no further segments move to remote storage while those there stay readable."),
    boolean("remote.log.delete.on.disable", false, Medium)
        .without_effect(NO_TIER)
        .doc("Whether the remote segments go when remote storage is turned off for the topic."),
    long("local.retention.bytes", -2, Medium)
        .at_least(-2)
        .or_broker(&[same("log.local.retention.bytes")])
        .without_effect(NO_TIER)
        .doc("Size of the local part of a partition whose rest is remote. -2 takes `retention.bytes`."),
    long("local.retention.ms", -2, Medium)
        .at_least(-2)
        .or_broker(&[same("log.local.retention.ms")])
        .without_effect(NO_TIER)
        .doc("Age of the local part of a partition whose rest is remote. -2 takes `retention.ms`."),
];

//! Topics and requests: creation, deletion, sizes, compression.

use crate::key_def::Importance::{High, Low, Medium};
use crate::key_def::Type::Class;
use crate::key_def::{KeyDef, boolean, int, list, string, unset};
use crate::validator::Validator;

pub(super) const KEYS: &[KeyDef] = &[
    boolean("auto.create.topics.enable", true, High)
        .honoured()
        .doc("Whether a topic that a client asks for and that does not exist is created on the spot."),
    int("num.partitions", 1, Medium)
        .at_least(1)
        .honoured()
        .doc("How many partitions a topic gets when its creator names no number."),
    int("default.replication.factor", 1, Medium)
        .honoured()
        .doc("How many replicas a partition gets when the creator of its topic names no number."),
    boolean("delete.topic.enable", true, High)
        .honoured()
        .doc("Whether topics can be deleted. If not, every deletion is refused."),
    int("min.insync.replicas", 1, High).at_least(1).cluster_wide().honoured().doc(
        "How many replicas must hold a record before a write with acks=all is confirmed. With fewer \
             in sync, such writes are refused.",
    ),
    int("message.max.bytes", 1024 * 1024 + 12, High).at_least(0).cluster_wide().honoured().doc(
        "The largest record batch, as sent, that is taken. Topics override it with \
             `max.message.bytes`.",
    ),
    string("compression.type", "producer", High)
        .one_of(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"])
        .cluster_wide()
        .honoured()
        .doc(
            "How batches are stored: `producer` keeps what the producer sent, the others recompress on \
             arrival.",
        ),
    int("compression.gzip.level", -1, Medium)
        .check(Validator::GzipLevel)
        .cluster_wide()
        .honoured()
        .doc("Level of gzip when `compression.type` asks for it. -1 is the library's own choice."),
    int("compression.lz4.level", 9, Medium)
        .between(1, 17)
        .cluster_wide()
        .honoured()
        .doc("Level of lz4 when `compression.type` asks for it."),
    int("compression.zstd.level", 3, Medium)
        .between(-131_072, 22)
        .cluster_wide()
        .honoured()
        .doc("Level of zstd when `compression.type` asks for it."),
    int("fetch.max.bytes", 55 * 1024 * 1024, Medium)
        .at_least(1024)
        .honoured()
        .doc("The most that one fetch answers, whatever the client asks for."),
    int("max.incremental.fetch.session.cache.slots", 1000, Medium)
        .at_least(0)
        .honoured()
        .doc("How many fetch sessions are kept at a time."),
    int("max.request.partition.size.limit", 2000, Medium)
        .at_least(1)
        .honoured()
        .doc("The most partitions that one answer to DescribeTopicPartitions holds."),
    unset(Class, "create.topic.policy.class.name", Low)
        .refused("a JVM class cannot be loaded; without it topics would be created that the policy forbids")
        .doc("A class that decides whether a topic may be created."),
    unset(Class, "alter.config.policy.class.name", Low)
        .refused("a JVM class cannot be loaded; without it settings would be changed that the policy forbids")
        .doc("A class that decides whether a configuration may be changed."),
    list("config.providers", &[], Low)
        .no_duplicates()
        .cluster_wide()
        .refused("references like ${file:...} are not resolved")
        .doc(
            "Names of the providers that replace references in configuration values by secrets from \
             elsewhere.",
        ),
];

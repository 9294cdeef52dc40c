//! Compaction.

use crate::key_def::Importance::Medium;
use crate::key_def::{KeyDef, boolean, double, int, long};

pub(super) const KEYS: &[KeyDef] = &[
    boolean("log.cleaner.enable", true, Medium)
        .honoured()
        .doc("Whether logs with the policy `compact` are compacted."),
    int("log.cleaner.threads", 1, Medium).at_least(0).cluster_wide().honoured().doc("Threads that compact."),
    long("log.cleaner.dedupe.buffer.size", 128 * 1024 * 1024, Medium)
        .cluster_wide()
        .honoured()
        .doc("Memory for the key maps of all cleaner threads together."),
    int("log.cleaner.io.buffer.size", 512 * 1024, Medium)
        .at_least(0)
        .cluster_wide()
        .honoured()
        .doc("Memory for the read and write buffers of all cleaner threads together."),
    double("log.cleaner.io.buffer.load.factor", 0.9, Medium)
        .cluster_wide()
        .honoured()
        .doc("How full the key map may get. Fuller maps take more log at once and collide more often."),
    double("log.cleaner.io.max.bytes.per.second", f64::MAX, Medium)
        .cluster_wide()
        .honoured()
        .doc("Upper bound for reads and writes of all cleaner threads together."),
    long("log.cleaner.backoff.ms", 15_000, Medium)
        .at_least(0)
        .cluster_wide()
        .honoured()
        .doc("How long a cleaner thread sleeps when nothing is to be compacted."),
    double("log.cleaner.min.cleanable.ratio", 0.5, Medium)
        .between(0, 1)
        .cluster_wide()
        .honoured()
        .doc("Share of a log that must be uncompacted before it is compacted again."),
    long("log.cleaner.delete.retention.ms", 86_400_000, Medium).at_least(0).cluster_wide().honoured().doc(
        "How long tombstones stay after compaction, so that a reader from the start can still see \
             them.",
    ),
    long("log.cleaner.min.compaction.lag.ms", 0, Medium)
        .at_least(0)
        .cluster_wide()
        .honoured()
        .doc("A record younger than this is left alone by compaction."),
    long("log.cleaner.max.compaction.lag.ms", i64::MAX, Medium).at_least(1).cluster_wide().honoured().doc(
        "A record is compacted at the latest at this age; segments of compacted topics are closed in \
             time for that.",
    ),
];

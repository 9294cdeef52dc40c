//! The partition log: directories, segments, retention, flushing, timestamps.

use crate::key_def::Importance::{High, Low, Medium};
use crate::key_def::Type::{Int, List, Long};
use crate::key_def::{KeyDef, boolean, int, list, long, string, unset};

pub(super) const KEYS: &[KeyDef] = &[
    unset(List, "log.dirs", High)
        .not_empty()
        .honoured()
        .doc("The directories that hold the partitions, separated by commas. Left out, `log.dir` counts."),
    list("log.dir", &["/tmp/kafka-logs"], High)
        .not_empty()
        .honoured()
        .doc("The directories that hold the partitions, if `log.dirs` is not given."),
    list("cordoned.log.dirs", &[], Medium)
        .no_duplicates_or_null()
        .per_broker()
        .honoured()
        .doc("Directories that get no new partitions; `*` names all."),
    long("log.dir.failure.timeout.ms", 30_000, Low)
        .at_least(1)
        .without_effect("the controller of the same process learns of it at once")
        .doc(
            "How long a broker may fail to report a broken directory to the controller before it stops \
             itself.",
        ),
    int("num.recovery.threads.per.data.dir", 2, High)
        .at_least(1)
        .cluster_wide()
        .without_effect("recovery sizes itself")
        .doc("Threads per directory that recover logs at start and flush them at stop."),
    int("log.segment.bytes", 1024 * 1024 * 1024, High)
        .at_least(1024 * 1024)
        .cluster_wide()
        .honoured()
        .doc("Size at which a segment is closed and the next one begun."),
    unset(Long, "log.roll.ms", High)
        .cluster_wide()
        .honoured()
        .doc("Age at which a segment is closed even if it is not full. Before `log.roll.hours`."),
    int("log.roll.hours", 168, High).at_least(1).honoured().doc("As `log.roll.ms`, in hours."),
    unset(Long, "log.roll.jitter.ms", High).cluster_wide().honoured().doc(
        "A random part of at most this length by which a segment is closed early, so that not all \
             roll at once. Before `log.roll.jitter.hours`.",
    ),
    int("log.roll.jitter.hours", 0, High).at_least(0).honoured().doc("As `log.roll.jitter.ms`, in hours."),
    int("log.index.size.max.bytes", 10 * 1024 * 1024, Medium)
        .at_least(4)
        .cluster_wide()
        .honoured()
        .doc("Size of an offset index at which its segment is closed."),
    int("log.index.interval.bytes", 4 * 1024, Medium)
        .at_least(0)
        .cluster_wide()
        .honoured()
        .doc("An index entry is written after about this many bytes of log."),
    boolean("log.preallocate", false, Medium)
        .cluster_wide()
        .honoured()
        .doc("Whether the file of a new segment is given its full size at once."),
    list("log.cleanup.policy", &["delete"], Medium)
        .any_of(&["compact", "delete"])
        .cluster_wide()
        .honoured()
        .doc(
            "What happens to old data: `delete` drops old segments, `compact` keeps the newest record of \
             each key; both, or neither, may be given.",
        ),
    unset(Long, "log.retention.ms", High)
        .cluster_wide()
        .honoured()
        .doc("Age at which a closed segment is deleted. -1 sets no bound. Before `log.retention.minutes`."),
    unset(Int, "log.retention.minutes", High)
        .honoured()
        .doc("As `log.retention.ms`, in minutes. Before `log.retention.hours`."),
    int("log.retention.hours", 168, High).honoured().doc("As `log.retention.ms`, in hours."),
    long("log.retention.bytes", -1, High)
        .cluster_wide()
        .honoured()
        .doc("Size of a partition above which its oldest segments are deleted. -1 sets no bound."),
    long("log.retention.check.interval.ms", 300_000, Medium)
        .at_least(1)
        .honoured()
        .doc("Time between two looks for segments that retention deletes."),
    long("log.segment.delete.delay.ms", 60_000, High)
        .at_least(0)
        .cluster_wide()
        .honoured()
        .doc("Time between taking a file out of the log and removing it from the disk."),
    long("log.flush.interval.messages", i64::MAX, High)
        .at_least(1)
        .cluster_wide()
        .honoured()
        .doc("A partition is forced to disk after this many records."),
    unset(Long, "log.flush.interval.ms", High).cluster_wide().honoured().doc(
        "A partition is forced to disk when a record has waited this long. Left out, \
             `log.flush.scheduler.interval.ms` counts.",
    ),
    long("log.flush.scheduler.interval.ms", i64::MAX, High)
        .honoured()
        .doc("Time between two looks for partitions that must be forced to disk."),
    int("log.flush.offset.checkpoint.interval.ms", 60_000, High)
        .at_least(0)
        .honoured()
        .doc("Time between two writes of the recovery points."),
    int("log.flush.start.offset.checkpoint.interval.ms", 60_000, High)
        .at_least(0)
        .honoured()
        .doc("Time between two writes of the log start offsets."),
    long("log.initial.task.delay.ms", 30_000, Low)
        .at_least(0)
        .internal()
        .honoured()
        .doc("How long the periodic work on logs waits after the start, for tests."),
    string("log.message.timestamp.type", "CreateTime", Medium)
        .one_of(&["CreateTime", "LogAppendTime"])
        .cluster_wide()
        .honoured()
        .doc(
            "Which time a record carries: `CreateTime`, the producer's, or `LogAppendTime`, the \
             broker's.",
        ),
    long("log.message.timestamp.before.max.ms", i64::MAX, Medium).at_least(0).cluster_wide().honoured().doc(
        "How far a producer's timestamp may lie behind the broker's clock. Records that are older \
             are refused.",
    ),
    long("log.message.timestamp.after.max.ms", 3_600_000, Medium).at_least(0).cluster_wide().honoured().doc(
        "How far a producer's timestamp may lie ahead of the broker's clock. Records that are newer \
             are refused.",
    ),
];

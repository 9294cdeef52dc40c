//! The metadata log, `__cluster_metadata-0`.

use crate::key_def::Importance::{High, Low};
use crate::key_def::Type::{Int, String};
use crate::key_def::{KeyDef, int, long, unset};

const OWN: &str = "batches of the metadata log have their own bound";

pub(super) const KEYS: &[KeyDef] = &[
    unset(String, "metadata.log.dir", High)
        .honoured()
        .doc("The directory of the metadata log. Left out, it lies in the first of `log.dirs`."),
    int("metadata.log.segment.bytes", 1024 * 1024 * 1024, High)
        .at_least(8 * 1024 * 1024)
        .honoured()
        .doc("Size at which a segment of the metadata log is closed."),
    long("metadata.log.segment.ms", 604_800_000, High)
        .honoured()
        .doc("Age at which a segment of the metadata log is closed."),
    long("metadata.log.max.record.bytes.between.snapshots", 20 * 1024 * 1024, High)
        .at_least(1)
        .honoured()
        .doc("A snapshot is written after this many bytes of new records."),
    long("metadata.log.max.snapshot.interval.ms", 3_600_000, High)
        .at_least(0)
        .honoured()
        .doc("A snapshot is written after this time if there are new records. 0 turns that off."),
    long("metadata.max.retention.bytes", 100 * 1024 * 1024, High)
        .honoured()
        .doc("Size of metadata log and snapshots together above which the oldest go."),
    long("metadata.max.retention.ms", 604_800_000, High)
        .honoured()
        .doc("Age at which metadata log segments and snapshots go."),
    int("metadata.max.idle.interval.ms", 500, Low)
        .at_least(0)
        .without_effect("a quorum of one needs no sign of life")
        .doc(
            "The active controller writes an empty record when nothing was written for this long. 0 \
             turns that off.",
        ),
    unset(Int, "internal.metadata.log.segment.bytes", Low)
        .internal()
        .honoured()
        .doc("Replaces `metadata.log.segment.bytes` in tests."),
    int("internal.metadata.max.batch.size.in.bytes", 8 * 1024 * 1024, Low)
        .internal()
        .without_effect(OWN)
        .doc("The largest batch of the metadata log, for tests."),
    long("internal.metadata.delete.delay.millis", 60_000, Low)
        .internal()
        .honoured()
        .doc("How long a deleted file of the metadata log stays on the disk, for tests."),
];

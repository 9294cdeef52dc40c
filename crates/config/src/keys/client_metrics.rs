//! Client metrics subscriptions (KIP-714), set at run time.

use crate::key_def::Importance::Medium;
use crate::key_def::{KeyDef, int, list};

pub(super) const KEYS: &[KeyDef] = &[
    int("interval.ms", 300_000, Medium).honoured().doc("How often a client that matches pushes its metrics."),
    list("metrics", &[], Medium)
        .no_duplicates()
        .honoured()
        .doc("Prefixes of the metrics that are wanted; `*` wants all, an empty list none."),
    list("match", &[], Medium).no_duplicates().honoured().doc(
        "Which clients are meant, as `selector=regular expression` pairs that must all fit. Empty: \
             every client.",
    ),
];

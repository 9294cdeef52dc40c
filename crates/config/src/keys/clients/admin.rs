//! Keys of the admin client.

use crate::key_def::Importance::{High, Low, Medium};
use crate::key_def::{KeyDef, boolean, int, list, long, string};

pub(in crate::keys) const KEYS: &[KeyDef] = &[
    list("bootstrap.controllers", &[], High).no_duplicates().honoured().doc(
        "Controllers to begin with, as `host:port`, for operations that speak with controllers directly \
         (KIP-919). In place of `bootstrap.servers`.",
    ),
    list("bootstrap.servers", &[], High)
        .no_duplicates()
        .honoured()
        .doc("Brokers to begin with, as `host:port`; the others are learnt from them."),
    string("client.id", "", Medium)
        .honoured()
        .doc("Name of the client in the brokers' logs, metrics and quotas."),
    long("connections.max.idle.ms", 300_000, Medium)
        .honoured()
        .doc("Connections are closed when nothing was sent or received for this long."),
    int("default.api.timeout.ms", 60_000, Medium)
        .at_least(0)
        .honoured()
        .doc("How long an operation may take with all its attempts, unless it says otherwise."),
    boolean("enable.metrics.push", false, Low)
        .honoured()
        .doc("Whether metrics are pushed to the brokers when they ask for them (KIP-714)."),
    int("receive.buffer.bytes", 65_536, Medium)
        .at_least(-1)
        .honoured()
        .doc("Size of the TCP receive buffer. -1: what the operating system chooses."),
    int("retries", i32::MAX, Low).between(0, i32::MAX as i64).honoured().doc(
        "How often a failed request is tried again; the timeout of the operation usually ends it sooner.",
    ),
];

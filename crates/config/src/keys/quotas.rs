//! Quotas: measuring windows of the broker, and the limits set at run time for brokers, clients and
//! addresses.

use crate::key_def::Importance::{Low, Medium};
use crate::key_def::Type::Class;
use crate::key_def::{KeyDef, double, int, long, unset};

const NO_REPLICATION: &str = "kept; a single node has no replication to throttle";

pub(super) const KEYS: &[KeyDef] = &[
    int("quota.window.num", 11, Low)
        .at_least(1)
        .honoured()
        .doc("How many windows the rate of a client is measured over."),
    int("quota.window.size.seconds", 1, Low)
        .at_least(1)
        .honoured()
        .doc("Length of one window of a client's rate."),
    int("controller.quota.window.num", 11, Low)
        .at_least(1)
        .honoured()
        .doc("How many windows the rate of controller mutations is measured over."),
    int("controller.quota.window.size.seconds", 1, Low)
        .at_least(1)
        .honoured()
        .doc("Length of one window of the rate of controller mutations."),
    int("replication.quota.window.num", 11, Low)
        .at_least(1)
        .without_effect(NO_REPLICATION)
        .doc("How many windows the rate of throttled replication is measured over."),
    int("replication.quota.window.size.seconds", 1, Low)
        .at_least(1)
        .without_effect(NO_REPLICATION)
        .doc("Length of one window of the rate of throttled replication."),
    int("alter.log.dirs.replication.quota.window.num", 11, Low)
        .at_least(1)
        .without_effect("a move keeps to its rate from window to window, not only over several")
        .doc("How many windows the rate of moves between directories is measured over."),
    int("alter.log.dirs.replication.quota.window.size.seconds", 1, Low)
        .at_least(1)
        .honoured()
        .doc("Length of one window of the rate of moves between directories: what it allows may be copied at once."),
    unset(Class, "client.quota.callback.class", Low)
        .refused("a JVM class cannot be loaded; without it clients would get other quotas than intended")
        .doc("A class that decides which quota a client falls under."),
];

// Broker keys that can be set at run time only.
pub(super) const BROKER_QUOTA: &[KeyDef] = &[
    long("leader.replication.throttled.rate", i64::MAX, Medium)
        .at_least(0)
        .cluster_wide()
        .without_effect(NO_REPLICATION)
        .doc(
            "Bytes per second that leaders of throttled replicas send to followers. Can be set at run \
             time only.",
        ),
    long("follower.replication.throttled.rate", i64::MAX, Medium)
        .at_least(0)
        .cluster_wide()
        .without_effect(NO_REPLICATION)
        .doc("Bytes per second that followers of throttled replicas fetch. Can be set at run time only."),
    long("replica.alter.log.dirs.io.max.bytes.per.second", i64::MAX, Medium)
        .at_least(0)
        .cluster_wide()
        .honoured()
        .doc("Bytes per second for moves of replicas between directories. Can be set at run time only."),
];

// Limits of users and client ids.
pub(super) const CLIENT_QUOTA: &[KeyDef] = &[
    long("producer_byte_rate", i64::MAX, Medium)
        .honoured()
        .doc("Bytes per second that a client may produce."),
    long("consumer_byte_rate", i64::MAX, Medium).honoured().doc("Bytes per second that a client may fetch."),
    double("request_percentage", 2_147_483_647.0, Medium)
        .honoured_but("reading from and writing to the socket do not count")
        .doc("Share of the data threads' time that a client may take, in per cent of one thread."),
    double("controller_mutation_rate", 2_147_483_647.0, Medium)
        .honoured()
        .doc("Partitions per second that a client may create or delete."),
];

// Limits of addresses.
pub(super) const IP_QUOTA: &[KeyDef] = &[int("connection_creation_rate", i32::MAX, Medium)
    .at_least(0)
    .honoured()
    .doc("New connections per second that an address may open.")];

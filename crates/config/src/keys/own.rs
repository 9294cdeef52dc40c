//! What Kafka has no key for: Ottla's HTTP listener, and what Kafka takes as a system property of Java.

use crate::key_def::Importance::Low;
use crate::key_def::Type::String;
use crate::key_def::{KeyDef, int, list, unset};
use crate::validator::Validator;

/// What keys of Ottla's own begin with.
pub const OWN_PREFIX: &str = "ottla.";

/// What Kafka takes as the system property `org.apache.kafka.sasl.oauthbearer.allowed.urls`.
pub const OAUTH_ALLOWED_URLS: &str = "ottla.sasl.oauthbearer.allowed.urls";

/// Elements of `ottla.metrics.series`.
pub const METRICS_SERIES: &[&str] = &["topic", "partition", "group", "client"];

pub(super) const KEYS: &[KeyDef] = &[
    unset(String, "ottla.http.listener", Low).check(Validator::HostPort).honoured().doc(
        "Where `/metrics` and `/health` are served over HTTP: host and port, such as `0.0.0.0:9404`; port 0 takes any \
         free one. Left out, they are not served. There is no authentication: choose an address that only those who may \
         see the numbers can reach.",
    ),
    list("ottla.metrics.series", METRICS_SERIES, Low).any_of(METRICS_SERIES).honoured().doc(
        "Which metrics get a series of their own for each topic, each partition, each group and each client that pushes metrics (KIP-714). What is left out here \
         is left out of `/metrics`.",
    ),
    int("ottla.metrics.series.max", 500_000, Low).at_least(0).honoured().doc(
        "How many series of topics, partitions, groups and clients one answer of `/metrics` may have. What is beyond is left out \
         and counted.",
    ),
    int("ottla.network.busy.poll.us", 0, Low).between(0, 100_000).honoured().doc(
        "How long a network thread looks for further requests before it sleeps, in microseconds after its last activity. A sleeping \
         processor takes tens of microseconds to wake, on virtual machines most of the time of a small request; a thread that looks keeps \
         a processor busy meanwhile. Try 100 where clients wait for each answer and processors are to spare; 0 never looks.",
    ),
    list(OAUTH_ALLOWED_URLS, &[], Low).honoured().doc(
        "Addresses that `sasl.oauthbearer.jwks.endpoint.url` may name. Kafka takes them as the system property \
         `org.apache.kafka.sasl.oauthbearer.allowed.urls`, which counts here too where `KAFKA_OPTS` sets it and this key is left out.",
    ),
];

//! Keys that all clients have, with the same meaning.

use crate::key_def::Importance::{Low, Medium};
use crate::key_def::Type::String;
use crate::key_def::{KeyDef, boolean, double, int, list, long, short, string, unset};
use crate::validator::{Bound, Validator};

const NO_SAMPLES: &str = "metrics of the clients are counters and histograms without windows";
const SETUP_MAX: &str =
    "Longest time for a TCP connection to be made, after the time has been doubled with each failed attempt.";

const fn within(min: f64, max: f64) -> Validator {
    Validator::Range { min: Some(Bound::Double(min)), max: Some(Bound::Double(max)) }
}

pub(in crate::keys) const KEYS: &[KeyDef] = &[
    string("client.dns.lookup", "use_all_dns_ips", Medium)
        .one_of(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"])
        .honoured()
        .doc(
            "What is done with a name that has several addresses: `use_all_dns_ips` tries one after the other, \
             `resolve_canonical_bootstrap_servers_only` takes each address of a bootstrap server for a server.",
        ),
    list("config.providers", &[], Low)
        .no_duplicates()
        .without_effect("values are taken as they are written")
        .doc("Names of the providers of values that stand outside the configuration."),
    long("metadata.max.age.ms", 300_000, Low)
        .at_least(0)
        .honoured()
        .doc("Metadata is asked for again after this time, also when nothing calls for it."),
    long("metadata.recovery.rebootstrap.trigger.ms", 300_000, Low).at_least(0).honoured().doc(
        "When metadata could not be had for this long, the client begins anew with the bootstrap servers \
         (KIP-1102).",
    ),
    string("metadata.recovery.strategy", "rebootstrap", Low)
        .check(Validator::OneOfIgnoringCase(&["REBOOTSTRAP", "NONE"]))
        .honoured()
        .doc(
            "What to do when none of the known nodes can be reached: `rebootstrap` begins anew with the bootstrap \
             servers, `none` goes on trying (KIP-899).",
        ),
    list("metric.reporters", &["org.apache.kafka.common.metrics.JmxReporter"], Low)
        .no_duplicates()
        .without_effect("there is no JMX; metrics are read from the client, or pushed to the brokers")
        .doc("Classes that metrics are reported to."),
    int("metrics.num.samples", 2, Low)
        .at_least(1)
        .without_effect(NO_SAMPLES)
        .doc("Windows that a metric is computed of."),
    string("metrics.recording.level", "INFO", Low)
        .one_of(&["INFO", "DEBUG", "TRACE"])
        .without_effect(NO_SAMPLES)
        .doc("How detailed the metrics are that are recorded."),
    long("metrics.sample.window.ms", 30_000, Low)
        .at_least(0)
        .without_effect(NO_SAMPLES)
        .doc("Length of a window that a metric is computed of."),
    long("reconnect.backoff.max.ms", 1000, Low)
        .at_least(0)
        .honoured()
        .doc("Longest pause before the next attempt to connect to a node, after the pause has been doubled with each failed attempt."),
    long("reconnect.backoff.ms", 50, Low)
        .at_least(0)
        .honoured()
        .doc("Pause before the next attempt to connect to a node after the first failed one."),
    int("request.timeout.ms", 30_000, Medium)
        .at_least(0)
        .honoured()
        .doc("How long an answer to a request is waited for. Then the connection is given up, and the request may be tried again."),
    long("retry.backoff.max.ms", 1000, Low)
        .at_least(0)
        .honoured()
        .doc("Longest pause before a failed request is tried again, after the pause has been doubled with each attempt."),
    long("retry.backoff.ms", 100, Low)
        .at_least(0)
        .honoured()
        .doc("Pause before a failed request is tried again for the first time."),
    short("sasl.login.refresh.buffer.seconds", 300, Low)
        .between(0, 3600)
        .honoured()
        .doc("How long before its end a login is renewed at the latest."),
    short("sasl.login.refresh.min.period.seconds", 60, Low)
        .between(0, 900)
        .honoured()
        .doc("Shortest time between two renewals of a login."),
    double("sasl.login.refresh.window.factor", 0.8, Low)
        .check(within(0.5, 1.0))
        .honoured()
        .doc("Part of a login's life after which it is renewed."),
    double("sasl.login.refresh.window.jitter", 0.05, Low)
        .check(within(0.0, 0.25))
        .honoured()
        .doc("Random part of a login's life by which its renewal is put off."),
    string("sasl.mechanism", "GSSAPI", Medium)
        .honoured_but("PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, GSSAPI and OAUTHBEARER; others are refused")
        .doc("The mechanism by which the client authenticates."),
    boolean("sasl.oauthbearer.header.urlencode", false, Low)
        .honoured()
        .doc("Whether id and secret of the client are URL-encoded for the identity provider."),
    string("security.protocol", "PLAINTEXT", Medium)
        .check(Validator::OneOfIgnoringCase(&[
            "SASL_SSL",
            "PLAINTEXT",
            "SSL",
            "SASL_PLAINTEXT",
        ]))
        .honoured()
        .doc("How connections are secured."),
    unset(String, "security.providers", Low)
        .without_effect("they are classes of the JVM")
        .doc("Classes that provide security algorithms."),
    int("send.buffer.bytes", 131_072, Medium)
        .at_least(-1)
        .honoured()
        .doc("Size of the TCP send buffer. -1: what the operating system chooses."),
    long("socket.connection.setup.timeout.max.ms", 30_000, Medium).honoured().doc(SETUP_MAX),
    long("socket.connection.setup.timeout.ms", 10_000, Medium)
        .honoured()
        .doc("Time for a TCP connection to be made, for each address of a node."),
];

//! Listeners, connections and sockets.

use crate::key_def::Importance::{High, Low, Medium};
use crate::key_def::Type::{List, String};
use crate::key_def::{KeyDef, int, list, long, string, unset};

const CORES: &str = "one thread per core serves connections and requests";

pub(super) const KEYS: &[KeyDef] = &[
    list("listeners", &["PLAINTEXT://:9092"], High).not_empty().per_broker().honoured().doc(
        "Where this node listens: `NAME://host:port`, several separated by commas. An empty host \
             means all interfaces, port 0 any free port.",
    ),
    unset(List, "advertised.listeners", High).not_empty().honoured().doc(
        "The addresses that clients and other brokers are told to use, in the form of `listeners`. \
             Left out, `listeners` itself is told.",
    ),
    string(
        "listener.security.protocol.map",
        "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
        Low,
    )
    .per_broker()
    .honoured()
    .doc("Which security protocol each listener name stands for, as `NAME:PROTOCOL` pairs."),
    unset(String, "inter.broker.listener.name", Medium).honoured().doc(
        "The listener over which brokers talk to each other. Give either this or \
             `security.inter.broker.protocol`.",
    ),
    string("security.inter.broker.protocol", "PLAINTEXT", Medium)
        .one_of(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
        .honoured()
        .doc(
            "Names the inter-broker listener by its protocol when `inter.broker.listener.name` is not \
             given.",
        ),
    int("max.connections", i32::MAX, Medium).at_least(0).cluster_wide().honoured().doc(
        "How many connections the broker accepts in all; with a listener prefix, how many that \
             listener accepts.",
    ),
    int("max.connections.per.ip", i32::MAX, Medium)
        .at_least(0)
        .cluster_wide()
        .honoured()
        .doc("How many connections one address may hold open."),
    string("max.connections.per.ip.overrides", "", Medium)
        .cluster_wide()
        .honoured()
        .doc("Exceptions to `max.connections.per.ip` as `host:number` pairs."),
    int("max.connection.creation.rate", i32::MAX, Medium).at_least(0).cluster_wide().honoured().doc(
        "How many new connections per second are accepted by the broker; with a listener prefix, by \
             that listener.",
    ),
    long("connections.max.idle.ms", 600_000, Medium).honoured().doc(
        "A connection on which nothing has arrived for this long is closed. A negative value keeps \
             idle connections.",
    ),
    int("connection.failed.authentication.delay.ms", 100, Low)
        .at_least(0)
        .honoured()
        .doc("How long the answer to a failed authentication is held back."),
    int("socket.request.max.bytes", 100 * 1024 * 1024, High)
        .at_least(1)
        .honoured()
        .doc("The largest request that is read. A longer one closes its connection."),
    long("queued.max.request.bytes", -1, Medium).honoured().doc(
        "How many bytes of requests may be in memory before the broker stops reading. -1 sets no \
             bound.",
    ),
    int("queued.max.requests", 500, High)
        .at_least(1)
        .without_effect("requests are handled where they are read, no queue lies between")
        .doc("How many requests may wait for a handler thread before the network threads stop reading."),
    int("socket.send.buffer.bytes", 100 * 1024, High).honoured().doc(
        "Send buffer of each socket (SO_SNDBUF). -1, and the default, leave it to the operating system.",
    ),
    int("socket.receive.buffer.bytes", 100 * 1024, High).honoured().doc(
        "Receive buffer of each socket (SO_RCVBUF). -1, and the default, leave it to the operating system.",
    ),
    int("socket.listen.backlog.size", 50, Medium)
        .at_least(1)
        .honoured()
        .doc("How many connections the operating system may hold until they are accepted."),
    int("num.network.threads", 3, High)
        .at_least(1)
        .cluster_wide()
        .without_effect(CORES)
        .doc("Threads per listener that read requests and write responses."),
    int("num.io.threads", 8, High)
        .at_least(1)
        .cluster_wide()
        .without_effect(CORES)
        .doc("Threads that handle requests."),
    int("background.threads", 10, High)
        .at_least(1)
        .cluster_wide()
        .without_effect(CORES)
        .doc("Threads for housekeeping."),
    int("request.timeout.ms", 30_000, High)
        .without_effect("a node alone asks nobody")
        .doc("How long this broker waits for another one's answer."),
    long("socket.connection.setup.timeout.ms", 10_000, Medium)
        .without_effect("a node alone connects to nobody")
        .doc("How long to wait for a new connection to another node, at first."),
    long("socket.connection.setup.timeout.max.ms", 30_000, Medium)
        .without_effect("a node alone connects to nobody")
        .doc("Upper bound of the growing wait for a new connection to another node."),
];

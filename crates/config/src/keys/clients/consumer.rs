//! Keys of the consumer and the share consumer.

use crate::key_def::Importance::{High, Low, Medium};
use crate::key_def::Type::{Class, List, String};
use crate::key_def::{KeyDef, boolean, int, list, long, required, string, unset};
use crate::validator::Validator;

const BY_TYPE: &str = "deserializers are Rust types, given to the consumer";

pub(in crate::keys) const KEYS: &[KeyDef] = &[
    boolean("allow.auto.create.topics", true, Medium)
        .honoured()
        .doc("Whether brokers that create topics when they are named may do so for this consumer."),
    int("auto.commit.interval.ms", 5000, Low)
        .at_least(0)
        .honoured()
        .doc("Time between two commits of `enable.auto.commit`."),
    string("auto.offset.reset", "latest", Medium).check(Validator::AutoOffsetReset).honoured().doc(
        "Where to begin when there is no committed offset, or it is not there any more: `earliest`, `latest`, \
         `by_duration:` and an ISO 8601 duration back from now, or `none` for an error.",
    ),
    required(List, "bootstrap.servers", High)
        .not_empty()
        .honoured()
        .doc("Brokers to begin with, as `host:port`; the others are learnt from them."),
    boolean("check.crcs", true, Low).honoured().doc("Whether the checksums of batches are verified."),
    string("client.id", "", Low)
        .honoured()
        .doc("Name of the client in the brokers' logs, metrics and quotas."),
    string("client.rack", "", Low)
        .honoured()
        .doc("Where the client is, so that it may read from replicas near by."),
    long("connections.max.idle.ms", 540_000, Medium)
        .honoured()
        .doc("Connections are closed when nothing was sent or received for this long."),
    int("default.api.timeout.ms", 60_000, Medium)
        .at_least(0)
        .honoured()
        .doc("How long an operation may take with all its attempts, unless it says otherwise."),
    boolean("enable.auto.commit", true, Medium)
        .honoured()
        .doc("Whether the offsets of what `poll` has given are committed in the background."),
    boolean("enable.metrics.push", true, Low)
        .honoured()
        .doc("Whether metrics are pushed to the brokers when they ask for them (KIP-714)."),
    boolean("exclude.internal.topics", true, Medium)
        .honoured()
        .doc("Whether patterns leave out Kafka's own topics."),
    int("fetch.max.bytes", 52_428_800, Medium)
        .at_least(0)
        .honoured()
        .doc("Bytes that a fetch brings at most; a first batch that is larger still comes."),
    int("fetch.max.wait.ms", 500, Low)
        .at_least(0)
        .honoured()
        .doc("How long a broker may wait for `fetch.min.bytes`."),
    int("fetch.min.bytes", 1, High)
        .at_least(0)
        .honoured()
        .doc("Bytes that a broker waits for before it answers a fetch."),
    unset(String, "group.id", High)
        .honoured()
        .doc("The group the consumer belongs to. None: it can only assign partitions itself, and commits nothing."),
    unset(String, "group.instance.id", Medium)
        .check(Validator::NonEmpty)
        .honoured()
        .doc("Makes the member a static one: its partitions are kept for it while it restarts."),
    string("group.protocol", "classic", High)
        .check(Validator::OneOfIgnoringCase(&["CONSUMER", "CLASSIC"]))
        .honoured()
        .doc("Who assigns partitions: a member (`classic`) or the brokers (`consumer`, KIP-848)."),
    unset(String, "group.remote.assignor", Medium)
        .honoured()
        .doc("The brokers' assignor for `group.protocol=consumer`. None: the brokers choose."),
    int("heartbeat.interval.ms", 3000, High)
        .honoured()
        .doc("Time between two heartbeats of the classic protocol."),
    list("interceptor.classes", &[], Low)
        .no_duplicates()
        .without_effect("interceptors are Rust types, given to the consumer")
        .doc("Classes that see records before they are given out and commits."),
    boolean("internal.throw.on.fetch.stable.offset.unsupported", false, Low)
        .internal()
        .without_effect("all brokers that can be spoken with know stable offsets")
        .doc("Whether brokers that do not know stable offsets are an error."),
    string("isolation.level", "read_uncommitted", Medium)
        .one_of(&["read_committed", "read_uncommitted"])
        .honoured()
        .doc("Whether records of transactions are read only once those are committed."),
    required(Class, "key.deserializer", High).without_effect(BY_TYPE).doc("Class that makes keys of bytes."),
    int("max.partition.fetch.bytes", 1_048_576, High)
        .at_least(0)
        .honoured()
        .doc("Bytes that a fetch brings of one partition at most; a first batch that is larger still comes."),
    int("max.poll.interval.ms", 300_000, Medium)
        .at_least(1)
        .honoured()
        .doc("A member that does not call `poll` for this long leaves the group."),
    int("max.poll.records", 500, Medium)
        .at_least(1)
        .honoured()
        .doc("Records that one `poll` gives at most."),
    list(
        "partition.assignment.strategy",
        &[
            "org.apache.kafka.clients.consumer.RangeAssignor",
            "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        ],
        Medium,
    )
    .no_duplicates()
    .honoured_but("Kafka's own class names and short names are known")
    .doc("Assignors of the classic protocol, the preferred first."),
    int("receive.buffer.bytes", 65_536, Medium)
        .at_least(-1)
        .honoured()
        .doc("Size of the TCP receive buffer. -1: what the operating system chooses."),
    int("session.timeout.ms", 45_000, High)
        .honoured()
        .doc("A member that sends no heartbeat for this long is taken for dead (classic protocol)."),
    string("share.acknowledgement.mode", "implicit", Medium)
        .check(Validator::ShareAcknowledgementMode)
        .honoured()
        .doc("Whether a share consumer acknowledges records by the next `poll` (`implicit`) or one by one (`explicit`)."),
    string("share.acquire.mode", "BATCH_OPTIMIZED", Medium)
        .check(Validator::ShareAcquireMode)
        .honoured()
        .doc("Whether a share consumer acquires whole batches (`batch_optimized`) or never more than `max.poll.records` (`record_limit`)."),
    required(Class, "value.deserializer", High).without_effect(BY_TYPE).doc("Class that makes values of bytes."),
];

//! Keys of the producer.

use crate::key_def::Importance::{High, Low, Medium};
use crate::key_def::Type::{Class, List, String};
use crate::key_def::{KeyDef, boolean, int, list, long, required, string, unset};
use crate::validator::Validator;

const BY_TYPE: &str = "serializers are Rust types, given to the producer";

pub(in crate::keys) const KEYS: &[KeyDef] = &[
    string("acks", "all", Low).one_of(&["all", "-1", "0", "1"]).honoured().doc(
        "Who must have a record before it counts as sent: nobody (`0`), the leader (`1`), or all replicas in sync \
         (`all`).",
    ),
    int("batch.size", 16_384, Medium)
        .at_least(0)
        .honoured()
        .doc("Size in bytes up to which records of a partition are gathered in a batch."),
    required(List, "bootstrap.servers", High)
        .not_empty()
        .honoured()
        .doc("Brokers to begin with, as `host:port`; the others are learnt from them."),
    long("buffer.memory", 33_554_432, High)
        .at_least(0)
        .honoured()
        .doc("Bytes of records that may wait to be sent. When they are used up, sending waits for up to `max.block.ms`."),
    string("client.id", "", Medium)
        .honoured()
        .doc("Name of the client in the brokers' logs, metrics and quotas."),
    int("compression.gzip.level", -1, Medium)
        .check(Validator::GzipLevel)
        .honoured()
        .doc("Level for `compression.type=gzip`; -1 is the library's choice."),
    int("compression.lz4.level", 9, Medium)
        .between(1, 17)
        .honoured_but("the encoder has one level, the quick one")
        .doc("Level for `compression.type=lz4`."),
    string("compression.type", "none", High)
        .one_of(&["none", "gzip", "snappy", "lz4", "zstd"])
        .honoured()
        .doc("How batches are compressed."),
    int("compression.zstd.level", 3, Medium)
        .between(-131_072, 22)
        .honoured()
        .doc("Level for `compression.type=zstd`."),
    long("connections.max.idle.ms", 540_000, Medium)
        .honoured()
        .doc("Connections are closed when nothing was sent or received for this long."),
    int("delivery.timeout.ms", 120_000, Medium).at_least(0).honoured().doc(
        "How long after `send` a record is either acknowledged or given up, with all attempts. At least `linger.ms` \
         and `request.timeout.ms` together.",
    ),
    boolean("enable.idempotence", true, Low)
        .honoured()
        .doc("Whether the brokers see to it that no record is written twice or out of order when it is tried again."),
    boolean("enable.metrics.push", true, Low)
        .honoured()
        .doc("Whether metrics are pushed to the brokers when they ask for them (KIP-714)."),
    list("interceptor.classes", &[], Low)
        .no_duplicates()
        .without_effect("interceptors are Rust types, given to the producer")
        .doc("Classes that see each record before it is sent and each acknowledgement."),
    required(Class, "key.serializer", High).without_effect(BY_TYPE).doc("Class that turns keys into bytes."),
    long("linger.ms", 5, Medium)
        .at_least(0)
        .honoured()
        .doc("How long a batch that is not full waits for more records."),
    long("max.block.ms", 60_000, Medium)
        .at_least(0)
        .honoured()
        .doc("How long `send`, `partitions_for` and the operations of transactions may wait for memory, metadata or answers."),
    int("max.in.flight.requests.per.connection", 5, Low)
        .at_least(1)
        .honoured()
        .doc("Requests that may be under way to a broker without an answer."),
    int("max.request.size", 1_048_576, Medium)
        .at_least(0)
        .honoured()
        .doc("Largest size of a request and of a record in bytes, before compression."),
    long("metadata.max.idle.ms", 300_000, Low)
        .at_least(5000)
        .honoured()
        .doc("Metadata of a topic is forgotten when nothing was sent to it for this long."),
    boolean("partitioner.adaptive.partitioning.enable", true, Low)
        .honoured()
        .doc("Whether fewer records without key go to partitions whose brokers are slow (KIP-794)."),
    long("partitioner.availability.timeout.ms", 0, Low).at_least(0).honoured().doc(
        "Records without key avoid a partition whose broker took no batch for this long. 0: not at all.",
    ),
    unset(Class, "partitioner.class", Medium)
        .honoured_but("Kafka's own class names are known; other partitioners are Rust types")
        .doc("Class that chooses the partition of a record. None: by key, and evenly without key."),
    boolean("partitioner.ignore.keys", false, Medium)
        .honoured()
        .doc("Whether keys have no say in the choice of the partition."),
    int("receive.buffer.bytes", 32_768, Medium)
        .at_least(-1)
        .honoured()
        .doc("Size of the TCP receive buffer. -1: what the operating system chooses."),
    int("retries", i32::MAX, High)
        .between(0, i32::MAX as i64)
        .honoured()
        .doc("How often a failed batch is sent again; `delivery.timeout.ms` usually ends it sooner."),
    int("transaction.timeout.ms", 60_000, Low)
        .honoured()
        .doc("A transaction that is not finished within this time is aborted by its coordinator."),
    boolean("transaction.two.phase.commit.enable", false, Low)
        .honoured()
        .doc("Whether transactions take part in a two-phase commit led from outside (KIP-939)."),
    unset(String, "transactional.id", Low)
        .check(Validator::NonEmpty)
        .honoured()
        .doc("Name under which transactions are made, the same after a restart. None: no transactions."),
    required(Class, "value.serializer", High).without_effect(BY_TYPE).doc("Class that turns values into bytes."),
];

//! Producer ids and transactions.

use crate::key_def::Importance::{High, Low};
use crate::key_def::{KeyDef, boolean, int, short};

const ONE_MEBIBYTE: &str = "one mebibyte is read at a time";

pub(super) const KEYS: &[KeyDef] = &[
    int("producer.id.expiration.ms", 86_400_000, Low)
        .at_least(1)
        .cluster_wide()
        .honoured()
        .doc("A partition forgets a producer that has written nothing for this long."),
    int("producer.id.expiration.check.interval.ms", 600_000, Low)
        .at_least(1)
        .internal()
        .honoured()
        .doc("Time between two looks for producers to forget, for tests."),
    int("transaction.max.timeout.ms", 900_000, High)
        .at_least(1)
        .honoured()
        .doc("The longest transaction timeout a producer may ask for."),
    boolean("transaction.two.phase.commit.enable", false, Low)
        .honoured()
        .doc("Whether transactions may take part in a two-phase commit led from outside."),
    boolean("transaction.partition.verification.enable", true, Low).cluster_wide().honoured().doc(
        "Whether a partition asks the coordinator, before it takes a transactional write, if it is \
             part of the transaction.",
    ),
    int("transaction.abort.timed.out.transaction.cleanup.interval.ms", 10_000, Low)
        .at_least(1)
        .honoured()
        .doc("Time between two looks for transactions whose time is up."),
    int("transaction.remove.expired.transaction.cleanup.interval.ms", 3_600_000, Low)
        .at_least(1)
        .honoured()
        .doc("Time between two looks for transactional ids to forget."),
    int("transactional.id.expiration.ms", 604_800_000, High)
        .at_least(1)
        .honoured()
        .doc("A transactional id without activity is forgotten after this time."),
    int("transaction.state.log.num.partitions", 50, High)
        .at_least(1)
        .honoured()
        .doc("Partitions of `__transaction_state`. Not to be changed once the topic exists."),
    short("transaction.state.log.replication.factor", 3, High)
        .at_least(1)
        .honoured()
        .doc("Replicas of `__transaction_state`; a node that is left to its defaults takes 1."),
    int("transaction.state.log.min.isr", 2, High).at_least(1).honoured().doc(
        "`min.insync.replicas` of `__transaction_state`; a node that is left to its defaults takes \
             1.",
    ),
    int("transaction.state.log.segment.bytes", 100 * 1024 * 1024, High)
        .at_least(1)
        .honoured()
        .doc("Segment size of `__transaction_state`."),
    int("transaction.state.log.load.buffer.size", 5 * 1024 * 1024, High)
        .at_least(1)
        .without_effect(ONE_MEBIBYTE)
        .doc("How much is read at a time when a transaction coordinator loads its state."),
    int("add.partitions.to.txn.retry.backoff.ms", 20, High)
        .at_least(1)
        .honoured()
        .doc("Longest pause before the broker tries again to add a partition to a transaction; the first ones are shorter."),
    int("add.partitions.to.txn.retry.backoff.max.ms", 100, High)
        .at_least(0)
        .honoured()
        .doc("How long the broker keeps trying to add a partition to a transaction."),
];

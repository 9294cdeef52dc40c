//! What a producer asks coordinators for, and in which order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ottla_protocol::{ErrorCode, Str, TopicPartition};

use crate::producer::batch::{PartitionKey, ProducerIdAndEpoch};
use crate::producer::promise::Promise;
use crate::{Error, Result};

/// How an operation of the application ends.
#[derive(Debug, Default)]
pub(in crate::producer) struct Operation {
    /// The end.
    pub outcome: Arc<Promise<Result<()>>>,
    /// Whether the application has seen it: if not, it may ask again and gets the same operation.
    acked: AtomicBool,
}

impl Operation {
    /// The application has seen the end.
    pub fn ack(&self) {
        self.acked.store(true, Ordering::Release);
    }

    /// Whether it has.
    pub fn is_acked(&self) -> bool {
        self.acked.load(Ordering::Acquire)
    }
}

/// A member of the group whose offsets are committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::producer) struct GroupIdentity {
    /// `group.id`.
    pub group_id: Str,
    /// -1: unknown.
    pub generation_id: i32,
    /// Empty: unknown.
    pub member_id: Str,
    /// `group.instance.id`.
    pub group_instance_id: Option<Str>,
}

impl GroupIdentity {
    /// Whether a broker must know how to check it (TxnOffsetCommit from version 3).
    pub fn is_set(&self) -> bool {
        !self.member_id.is_empty() || self.generation_id != -1 || self.group_instance_id.is_some()
    }
}

/// An offset to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::producer) struct CommittedOffset {
    /// Offset.
    pub offset: i64,
    /// Epoch of the leader, or -1.
    pub leader_epoch: i32,
    /// The application's own.
    pub metadata: Str,
}

/// Offsets by partition.
pub(in crate::producer) type Offsets = BTreeMap<TopicPartition, CommittedOffset>;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::producer) enum Ask {
    /// InitProducerId.
    InitProducerId {
        /// Whose epoch is to be raised; nobody's for a first one.
        producer: ProducerIdAndEpoch,
        /// Whether it follows the end of a transaction.
        is_epoch_bump: bool,
    },
    /// AddPartitionsToTxn.
    AddPartitions {
        /// The sender.
        producer: ProducerIdAndEpoch,
        /// The partitions.
        partitions: Vec<PartitionKey>,
    },
    /// AddOffsetsToTxn; TxnOffsetCommit follows.
    AddOffsets {
        /// The sender.
        producer: ProducerIdAndEpoch,
        /// The group.
        group: GroupIdentity,
        /// Offsets.
        offsets: Offsets,
    },
    /// TxnOffsetCommit.
    TxnOffsetCommit {
        /// The sender.
        producer: ProducerIdAndEpoch,
        /// The group.
        group: GroupIdentity,
        /// Offsets.
        offsets: Offsets,
        /// Whether the offsets' partition joins the transaction by it (TV2).
        v2: bool,
    },
    /// EndTxn.
    EndTxn {
        /// The sender.
        producer: ProducerIdAndEpoch,
        /// Whether to commit.
        commit: bool,
        /// Whether the broker is to raise the epoch (TV2).
        v2: bool,
    },
}

impl Ask {
    /// Who comes first: producer ids, then what is added, then the end, then the epoch of the next transaction.
    pub fn priority(&self) -> u8 {
        match self {
            Ask::InitProducerId { is_epoch_bump: false, .. } => 1,
            Ask::AddPartitions { .. } | Ask::AddOffsets { .. } | Ask::TxnOffsetCommit { .. } => 2,
            Ask::EndTxn { .. } => 3,
            Ask::InitProducerId { is_epoch_bump: true, .. } => 4,
        }
    }

    /// Whether it ends the transaction.
    pub fn is_end(&self) -> bool {
        matches!(self, Ask::EndTxn { .. })
    }
}

/// A request with who waits for it.
#[derive(Clone, Debug)]
pub(in crate::producer) struct TxnRequest {
    /// What is asked.
    pub ask: Ask,
    /// Who waits.
    pub operation: Arc<Operation>,
    /// Ms to wait before it is sent: 0 the first time.
    pub backoff_ms: u64,
}

/// What came of a request.
#[derive(Debug)]
pub(in crate::producer) enum TxnReply {
    /// The connection was lost, or no coordinator found for now: try again.
    Disconnected,
    /// No version in common, or an answer that can't be read.
    Failed(Error),
    /// The coordinator could not be looked up.
    NoCoordinator {
        /// The broker's code.
        code: ErrorCode,
        /// And words.
        message: String,
    },
    /// InitProducerId's.
    InitProducerId {
        /// The code.
        code: ErrorCode,
        /// The new producer.
        producer: ProducerIdAndEpoch,
        /// Whether the coordinator raises epochs on demand (version 3 and later).
        can_bump_epoch: bool,
    },
    /// AddPartitionsToTxn's, by partition.
    AddPartitions(Vec<(PartitionKey, ErrorCode)>),
    /// AddOffsetsToTxn's.
    AddOffsets(ErrorCode),
    /// TxnOffsetCommit's, by partition.
    TxnOffsetCommit(Vec<(TopicPartition, ErrorCode)>),
    /// EndTxn's.
    EndTxn {
        /// The code.
        code: ErrorCode,
        /// The producer of the next transaction (version 5 and later).
        producer: Option<ProducerIdAndEpoch>,
    },
}

/// What is to be done besides, after a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::producer) enum Effect {
    /// All sequences begin anew.
    ResetSequences,
    /// The transaction coordinator is to be looked up anew.
    ForgetTransactionCoordinator,
    /// The group's coordinator is to be looked up anew.
    ForgetGroupCoordinator(Str),
}

//! What one look at a cluster finds.

use std::collections::BTreeMap;

use ottla_client::admin::{GroupState, GroupType};
use ottla_protocol::{Str, TopicPartition};

/// One look at a cluster. What could not be asked for is left out, and told of in `problems`.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// When it was, in Unix ms.
    pub at_ms: i64,
    /// Id of the cluster.
    pub cluster_id: String,
    /// The controller, as far as brokers tell.
    pub controller: Option<i32>,
    /// Brokers by id.
    pub brokers: BTreeMap<i32, Broker>,
    /// Partitions of all topics, internal ones included.
    pub partitions: BTreeMap<TopicPartition, Partition>,
    /// Names of internal topics.
    pub internal: std::collections::BTreeSet<Str>,
    /// Groups by id.
    pub groups: BTreeMap<Str, GroupSample>,
    /// What could not be asked for, and why.
    pub problems: Vec<String>,
}

/// A broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Broker {
    /// Where clients find it: host and port.
    pub address: String,
    /// It serves nobody.
    pub is_fenced: bool,
    /// Bytes of its logs.
    pub log_bytes: Option<i64>,
    /// Size of its disks, in bytes.
    pub disk_bytes: Option<i64>,
    /// What of that is free.
    pub free_bytes: Option<i64>,
}

/// A partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    /// The broker that leads it.
    pub leader: Option<i32>,
    /// Its replicas.
    pub replicas: Vec<i32>,
    /// How many of these are in sync.
    pub in_sync: usize,
    /// First offset.
    pub start: Option<i64>,
    /// High watermark.
    pub end: Option<i64>,
    /// Bytes of the leader's log.
    pub bytes: Option<i64>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSample {
    /// What kind it is; `Unknown` from old brokers.
    pub kind: GroupType,
    /// How it is.
    pub state: GroupState,
    /// How many members it has, where that was told.
    pub members: Option<usize>,
    /// Where it is: offset and records behind, by partition.
    pub positions: BTreeMap<TopicPartition, GroupPosition>,
}

/// Where a group is in a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupPosition {
    /// The offset that it goes on from.
    pub offset: i64,
    /// Records behind it, where that is known.
    pub lag: Option<i64>,
}

impl GroupSample {
    /// Records behind it in all partitions; `None` when it is known of none.
    pub fn lag(&self) -> Option<i64> {
        let known = || self.positions.values().filter_map(|position| position.lag);
        known().next()?;
        Some(known().fold(0, i64::saturating_add))
    }
}

impl Partition {
    /// Records that it holds, as far as offsets tell.
    pub fn records(&self) -> Option<i64> {
        Some(self.end?.saturating_sub(self.start?).max(0))
    }
}

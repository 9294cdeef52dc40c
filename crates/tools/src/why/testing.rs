//! Looks to conclude from, as tests write them down.

use std::collections::BTreeMap;

use ottla_client::admin::{GroupState, GroupType};
use ottla_protocol::{Str, TopicPartition};

use super::facts::{Look, Member, Position};

/// A partition of the topic `t`.
pub fn key(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

/// A stable consumer group at a time, without anything.
pub fn look(at_ms: i64) -> Look {
    Look {
        at_ms,
        kind: GroupType::Consumer,
        state: GroupState::Stable,
        epochs: Some((3, 3)),
        members: Vec::new(),
        partitions: BTreeMap::new(),
        missing_topics: Default::default(),
        detail: None,
    }
}

/// A member that has what it shall have.
pub fn member(id: &str, partitions: &[i32]) -> Member {
    let assigned: std::collections::BTreeSet<_> = partitions.iter().map(|it| key(*it)).collect();
    Member {
        id: Str::from(id),
        client_id: Str::from(format!("{id}-client")),
        host: Str::from("/10.0.0.1"),
        epoch: Some(3),
        target: Some(assigned.clone()),
        assigned,
    }
}

impl Look {
    /// With a member that has these partitions.
    pub fn with(mut self, id: &str, partitions: &[i32]) -> Self {
        self.members.push(member(id, partitions));
        self
    }

    /// With a partition: what is committed, and where it ends.
    pub fn at(mut self, partition: i32, committed: i64, end: i64) -> Self {
        let position = Position {
            committed: Some(committed),
            start: Some(0),
            end: Some(end),
            stable: Some(end),
            ..Default::default()
        };
        self.partitions.insert(key(partition), position);
        self
    }

    /// In another state.
    pub fn state(self, state: GroupState) -> Self {
        Look { state, ..self }
    }
}

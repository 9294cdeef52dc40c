//! Requests about offsets, and what their answers mean. Pure.

mod commit;
mod committed;
mod epochs;
mod list;
#[cfg(test)]
mod offsets_test;

pub use commit::{CommitAnswer, commit_request, commit_versions, read_commit, refusal};
pub use committed::{CommittedAnswer, committed_request, highest_version, read_committed};
pub use epochs::{EpochsAnswer, epochs_request, read_epochs};
pub use list::{ListAnswer, ListedOffset, list_request, lowest_list_version, read_list};

use std::collections::BTreeMap;

use ottla_protocol::{ErrorCode, Str, TopicPartition, Uuid};

use crate::cluster::Metadata;
use crate::{Error, Result};

type ByTopic<T> = BTreeMap<Str, Vec<(i32, T)>>;

/// Items of partitions by topic.
fn by_topic<T>(items: impl IntoIterator<Item = (TopicPartition, T)>) -> ByTopic<T> {
    let mut topics = ByTopic::new();
    for (partition, item) in items {
        topics.entry(partition.topic).or_default().push((partition.partition, item));
    }
    topics
}

/// Names and ids of topics for one request and its answer. Later versions have the ids in place of the names.
#[derive(Clone, Debug, Default)]
pub struct TopicIds {
    ids: BTreeMap<Str, Uuid>,
}

impl TopicIds {
    /// The ids of these topics as far as they are known.
    pub fn of<'a>(metadata: &Metadata, topics: impl Iterator<Item = &'a Str>) -> Self {
        let id =
            |name: &'a Str| Some((name.clone(), metadata.topic(name)?.id)).filter(|(_, id)| !id.is_zero());
        Self { ids: topics.filter_map(id).collect() }
    }

    /// Whether there is an id for each of these.
    pub fn has_all<'a>(&self, mut topics: impl Iterator<Item = &'a Str>) -> bool {
        topics.all(|name| self.ids.contains_key(name))
    }

    fn id(&self, name: &str) -> Uuid {
        self.ids.get(name).copied().unwrap_or(Uuid::ZERO)
    }

    /// The name of a topic as an answer has it.
    fn name(&self, name: &Str, id: Uuid) -> Str {
        if id.is_zero() {
            return name.clone();
        }
        self.ids
            .iter()
            .find(|(_, known)| **known == id)
            .map_or_else(|| name.clone(), |(name, _)| name.clone())
    }
}

/// Topics that the principal may not read, collected from an answer.
#[derive(Debug, Default)]
struct Unauthorized(std::collections::BTreeSet<Str>);

impl Unauthorized {
    fn add(&mut self, topic: &Str) {
        self.0.insert(topic.clone());
    }

    fn check(self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let topics: Vec<&str> = self.0.iter().map(|topic| &**topic).collect();
        Err(Error::api(
            ErrorCode::TopicAuthorizationFailed,
            Some(&format!("Not authorized to access topics: [{}]", topics.join(", "))),
        ))
    }
}

/// The error of a group that the principal may not use.
fn group_not_authorized(group_id: &str) -> Error {
    Error::api(
        ErrorCode::GroupAuthorizationFailed,
        Some(&format!("Not authorized to access group: {group_id}")),
    )
}

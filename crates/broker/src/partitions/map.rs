//! Finding a partition by topic name or id.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use ottla_protocol::{Str, Uuid};
use parking_lot::RwLock;

use super::{Partition, Traffic};

/// All partitions of a broker. Looked up by every produce and fetch, changed when topics come and go.
#[derive(Default)]
pub struct Partitions {
    /// A read lock, uncontended, costs some 20 ns; a topic's entry is replaced whole when it changes.
    topics: RwLock<Topics>,
}

#[derive(Default)]
struct Topics {
    by_name: HashMap<Str, Arc<HostedTopic>, RandomState>,
    by_id: HashMap<Uuid, Arc<HostedTopic>, RandomState>,
    /// What went in and out of topics that are gone.
    gone: Traffic,
}

/// One topic's partitions on this broker.
#[derive(Clone)]
pub struct HostedTopic {
    /// Name.
    pub name: Str,
    /// Id.
    pub id: Uuid,
    /// By number; none where another broker hosts the partition.
    pub partitions: Vec<Option<Arc<Partition>>>,
}

impl HostedTopic {
    /// Partition number `index`, if it is here.
    pub fn partition(&self, index: i32) -> Option<&Arc<Partition>> {
        self.partitions.get(usize::try_from(index).ok()?)?.as_ref()
    }

    /// What went in and out of the partitions that are here.
    pub fn traffic(&self) -> Traffic {
        let mut sum = Traffic::default();
        self.partitions.iter().flatten().for_each(|partition| sum += partition.traffic());
        sum
    }
}

impl Partitions {
    /// A topic by name.
    pub fn topic(&self, name: &str) -> Option<Arc<HostedTopic>> {
        self.topics.read().by_name.get(name).cloned()
    }

    /// A topic by id.
    pub fn topic_by_id(&self, id: Uuid) -> Option<Arc<HostedTopic>> {
        self.topics.read().by_id.get(&id).cloned()
    }

    /// A partition by its topic's name.
    pub fn get(&self, topic: &str, index: i32) -> Option<Arc<Partition>> {
        self.topics.read().by_name.get(topic)?.partition(index).cloned()
    }

    /// Puts a topic in place of what was known of it.
    pub fn put(&self, topic: HostedTopic) {
        let topic = Arc::new(topic);
        let mut topics = self.topics.write();
        if let Some(old) = topics.by_name.insert(topic.name.clone(), topic.clone()) {
            topics.by_id.remove(&old.id);
            if old.id != topic.id {
                topics.gone += old.traffic();
            }
        }
        topics.by_id.insert(topic.id, topic);
    }

    /// Takes a topic away; its partitions are given back for their logs to be deleted.
    pub fn remove(&self, id: Uuid) -> Option<Arc<HostedTopic>> {
        let mut topics = self.topics.write();
        let topic = topics.by_id.remove(&id)?;
        if topics.by_name.get(&topic.name).is_some_and(|t| t.id == id) {
            topics.by_name.remove(&topic.name);
        }
        topics.gone += topic.traffic();
        Some(topic)
    }

    /// All topics, in no order, and what went in and out of those that are gone: together they never become less.
    pub fn all_and_gone(&self) -> (Vec<Arc<HostedTopic>>, Traffic) {
        let topics = self.topics.read();
        (topics.by_id.values().cloned().collect(), topics.gone)
    }

    /// All topics, in no order.
    pub fn all(&self) -> Vec<Arc<HostedTopic>> {
        self.topics.read().by_id.values().cloned().collect()
    }
}

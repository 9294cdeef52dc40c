//! Short forms for the tests of streams groups.

use ottla_protocol::Str;
use ottla_protocol::messages::streams_group_heartbeat_request::{
    CopartitionGroup, Subtopology, TopicInfo, Topology,
};

use super::tasks::{Tasks, TasksWithEpochs};

/// Tasks by subtopology.
pub fn tasks(tasks: &[(&str, &[i32])]) -> Tasks {
    tasks.iter().map(|(id, partitions)| (Str::from(*id), partitions.iter().copied().collect())).collect()
}

/// Tasks by subtopology, all assigned in one epoch.
pub fn tasks_with_epochs(epoch: i32, tasks: &[(&str, &[i32])]) -> TasksWithEpochs {
    let with_epoch = |partitions: &[i32]| partitions.iter().map(|partition| (*partition, epoch)).collect();
    tasks.iter().map(|(id, partitions)| (Str::from(*id), with_epoch(partitions))).collect()
}

/// A topology of epoch 1.
pub fn topology(subtopologies: &[Sub]) -> Topology {
    Topology { epoch: 1, subtopologies: subtopologies.iter().map(|sub| sub.0.clone()).collect() }
}

/// A subtopology in the making.
#[derive(Clone)]
pub struct Sub(pub Subtopology);

impl Sub {
    pub fn new(id: &str) -> Self {
        Self(Subtopology { subtopology_id: id.into(), ..Default::default() })
    }

    pub fn source(mut self, topics: &[&str]) -> Self {
        self.0.source_topics = topics.iter().map(|topic| Str::from(*topic)).collect();
        self
    }

    pub fn sink(mut self, topics: &[&str]) -> Self {
        self.0.repartition_sink_topics = topics.iter().map(|topic| Str::from(*topic)).collect();
        self
    }

    /// Repartition topics that are read; 0: the number of partitions is open.
    pub fn repartition(mut self, topics: &[(&str, i32)]) -> Self {
        let topics = topics.iter().map(|(name, partitions)| topic(name, *partitions));
        self.0.repartition_source_topics = topics.collect();
        self
    }

    pub fn changelog(mut self, topics: &[&str]) -> Self {
        self.0.state_changelog_topics = topics.iter().map(|name| topic(name, 0)).collect();
        self
    }

    /// Source topics and repartition topics that are joined, by their places.
    pub fn copartition(mut self, source_topics: &[i16], repartition_source_topics: &[i16]) -> Self {
        self.0.copartition_groups.push(CopartitionGroup {
            source_topics: source_topics.to_vec(),
            repartition_source_topics: repartition_source_topics.to_vec(),
            ..Default::default()
        });
        self
    }
}

fn topic(name: &str, partitions: i32) -> TopicInfo {
    TopicInfo { name: name.into(), partitions, ..Default::default() }
}

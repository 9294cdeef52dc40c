//! What changed for the replicas of one broker (`LocalReplicaChanges`).

use std::sync::Arc;

use ottla_protocol::{Str, Uuid};

use crate::image::TopicImage;
use crate::{MetadataDelta, PartitionRegistration};

/// A replica of the broker whose partition is new or changed.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalReplica {
    /// Id of the topic.
    pub topic_id: Uuid,
    /// Name of the topic.
    pub topic: Str,
    /// Number of the partition.
    pub partition: i32,
    /// The partition as it is now.
    pub registration: Arc<PartitionRegistration>,
    /// Whether the leader epoch is new.
    pub is_new_leader_epoch: bool,
    /// The replica's directory, when it was assigned another than before.
    pub new_directory: Option<Uuid>,
}

/// A replica that the broker no longer has.
#[derive(Clone, Debug, PartialEq)]
pub struct DeletedReplica {
    /// Id of the topic.
    pub topic_id: Uuid,
    /// Name of the topic.
    pub topic: Str,
    /// Number of the partition.
    pub partition: i32,
    /// Whether the whole topic is gone, rather than this replica moved.
    pub is_topic_deleted: bool,
}

/// What a broker has to do about a new image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalReplicaChanges {
    /// Replicas to delete; do it first, since a topic of the same name may come anew.
    pub deletes: Vec<DeletedReplica>,
    /// Partitions that the broker leads.
    pub leaders: Vec<LocalReplica>,
    /// Partitions that the broker follows.
    pub followers: Vec<LocalReplica>,
}

impl MetadataDelta {
    /// What changed for the replicas of a broker.
    pub fn local_changes(&self, broker_id: i32) -> LocalReplicaChanges {
        let mut local = LocalReplicaChanges::default();
        let changes = self.changes();
        for (id, name) in &changes.deleted_topics {
            let topic = self.base().topics.topic_by_id(*id);
            let partitions = topic.iter().flat_map(|topic| topic.partitions.iter());
            let mine = partitions.filter(|(_, p)| p.replicas.contains(&broker_id));
            local.deletes.extend(mine.map(|(partition, _)| DeletedReplica {
                topic_id: *id,
                topic: name.clone(),
                partition,
                is_topic_deleted: true,
            }));
        }
        for id in &changes.created_topics {
            if let Some(topic) = self.image().topics.topic_by_id(*id) {
                topic.partitions.iter().for_each(|(partition, new)| {
                    local.add(broker_id, topic, partition, None, new);
                });
            }
        }
        for (id, partitions) in &changes.changed_topics {
            let (before, after) = (self.base().topics.topic_by_id(*id), self.image().topics.topic_by_id(*id));
            for partition in partitions {
                let old = before.and_then(|topic| topic.partitions.get(*partition));
                if let Some((topic, new)) = after.and_then(|t| Some((t, t.partitions.get(*partition)?))) {
                    local.add(broker_id, topic, *partition, old, new);
                }
            }
        }
        local
    }
}

impl LocalReplicaChanges {
    fn add(
        &mut self,
        broker_id: i32,
        topic: &TopicImage,
        partition: i32,
        old: Option<&Arc<PartitionRegistration>>,
        new: &Arc<PartitionRegistration>,
    ) {
        let (topic_id, topic) = (topic.id, topic.name.clone());
        let Some(directory) = new.directory(broker_id) else {
            if old.is_some_and(|old| old.replicas.contains(&broker_id)) {
                self.deletes.push(DeletedReplica { topic_id, topic, partition, is_topic_deleted: false });
            }
            return;
        };
        let old_directory = old.and_then(|old| old.directory(broker_id));
        let replica = LocalReplica {
            topic_id,
            topic,
            partition,
            registration: Arc::clone(new),
            is_new_leader_epoch: old.is_none_or(|old| old.leader_epoch != new.leader_epoch),
            new_directory: Some(directory).filter(|directory| old_directory != Some(*directory)),
        };
        if new.leader == broker_id {
            self.leaders.push(replica);
        } else {
            self.followers.push(replica);
        }
    }
}

#[cfg(test)]
mod tests {
    use ottla_protocol::messages::metadata::MetadataRecord;
    use ottla_protocol::messages::{PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord};

    use super::*;
    use crate::image::{MetadataImage, MetadataProvenance};

    const T: Uuid = Uuid::from_parts(5, 5);

    fn partition(partition_id: i32, replicas: &[i32]) -> MetadataRecord {
        MetadataRecord::Partition(PartitionRecord {
            partition_id,
            topic_id: T,
            replicas: replicas.to_vec(),
            isr: replicas.to_vec(),
            leader: replicas[0],
            leader_epoch: 0,
            partition_epoch: 0,
            ..Default::default()
        })
    }

    #[test]
    fn what_a_broker_has_to_do() {
        let mut delta = MetadataDelta::new(&MetadataImage::default());
        delta.replay(&MetadataRecord::Topic(TopicRecord { name: "t".into(), topic_id: T })).unwrap();
        delta.replay(&partition(0, &[1, 2])).unwrap();
        delta.replay(&partition(1, &[2, 1])).unwrap();
        delta.replay(&partition(2, &[2, 3])).unwrap();
        let local = delta.local_changes(1);
        assert_eq!((local.leaders.len(), local.followers.len(), local.deletes.len()), (1, 1, 0));
        assert!(local.leaders[0].is_new_leader_epoch && local.leaders[0].new_directory.is_some());

        let image = delta.apply(MetadataProvenance::default());
        let mut delta = MetadataDelta::new(&image);
        let change = |partition_id, isr: Option<Vec<i32>>, replicas: Option<Vec<i32>>| {
            let record =
                PartitionChangeRecord { partition_id, topic_id: T, isr, replicas, ..Default::default() };
            MetadataRecord::PartitionChange(record)
        };
        delta.replay(&change(0, Some(vec![1]), None)).unwrap();
        delta.replay(&change(1, None, Some(vec![2, 3]))).unwrap();
        let local = delta.local_changes(1);
        assert_eq!(local.leaders.len(), 1);
        assert!(!local.leaders[0].is_new_leader_epoch && local.leaders[0].new_directory.is_none());
        assert_eq!(
            local.deletes.iter().map(|d| (d.partition, d.is_topic_deleted)).collect::<Vec<_>>(),
            [(1, false)]
        );

        let mut delta = MetadataDelta::new(&image);
        delta.replay(&MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: T })).unwrap();
        let local = delta.local_changes(1);
        assert_eq!(local.deletes.iter().map(|d| d.partition).collect::<Vec<_>>(), [0, 1]);
        assert!(local.deletes.iter().all(|d| d.is_topic_deleted));
    }
}

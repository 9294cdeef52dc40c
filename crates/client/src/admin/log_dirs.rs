//! DescribeLogDirs and AlterReplicaLogDirs.

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use ottla_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use ottla_protocol::messages::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, DescribeLogDirsRequest, DescribeLogDirsResponse,
};
use ottla_protocol::{ErrorCode, Str, TopicPartition};
use tokio::time::Instant;

use super::call::{To, join_all};
use super::types::known;
use super::{Admin, PerKey, TimeoutOptions};
use crate::{Error, Result};

/// A replica of a partition (`TopicPartitionReplica`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartitionReplica {
    /// Topic.
    pub topic: Str,
    /// Partition.
    pub partition: i32,
    /// The broker that holds it.
    pub broker_id: i32,
}

/// A directory of a broker (`LogDirDescription`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogDirDescription {
    /// KAFKA_STORAGE_ERROR when it is offline.
    pub error: Option<ErrorCode>,
    /// The replicas it holds.
    pub replicas: BTreeMap<TopicPartition, ReplicaInfo>,
    /// Size of its volume, in bytes; nothing from brokers before 3.3.
    pub total_bytes: Option<i64>,
    /// What is left on its volume, in bytes; likewise.
    pub usable_bytes: Option<i64>,
    /// Whether no new replicas are placed there (KIP-1066).
    pub is_cordoned: bool,
}

/// A replica in a directory (`ReplicaInfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaInfo {
    /// Bytes of its segments.
    pub size: i64,
    /// By how many records it is behind (of the current replica, if it is a future one).
    pub offset_lag: i64,
    /// Whether it is to take another's place in the same broker.
    pub is_future: bool,
}

/// Where a replica is, and where it goes (`ReplicaLogDirInfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaLogDirInfo {
    /// The directory it is in; nothing when the broker has no such replica.
    pub current: Option<Str>,
    /// By how many records it is behind; -1 when the broker has no such replica.
    pub current_offset_lag: i64,
    /// The directory it is moved to.
    pub future: Option<Str>,
    /// By how many records it is behind there; -1 when it is not moved.
    pub future_offset_lag: i64,
}

impl Admin {
    /// The directories of brokers, by path.
    ///
    /// # Errors
    /// For each broker: CLUSTER_AUTHORIZATION_FAILED, or that it can't be reached.
    pub async fn describe_log_dirs(
        &self,
        brokers: &BTreeSet<i32>,
        options: &TimeoutOptions,
    ) -> PerKey<i32, BTreeMap<Str, LogDirDescription>> {
        let deadline = self.deadline(options.timeout);
        let asked = brokers.iter().map(|broker| self.log_dirs_of(*broker, None, deadline));
        brokers.iter().copied().zip(join_all(asked).await).collect()
    }

    async fn log_dirs_of(
        &self,
        broker: i32,
        topics: Option<Vec<DescribableLogDirTopic>>,
        deadline: Instant,
    ) -> Result<BTreeMap<Str, LogDirDescription>> {
        let build = |_| DescribeLogDirsRequest { topics: topics.clone() };
        let name = if topics.is_some() { "describeReplicaLogDirs" } else { "describeLogDirs" };
        self.call(name, To::Node(broker), deadline, build, |response| Ok(described(response))).await?
    }

    /// Where replicas are, and where they go.
    ///
    /// # Errors
    /// For each replica: that its broker can't be reached, or answers with an error.
    pub async fn describe_replica_log_dirs(
        &self,
        replicas: &BTreeSet<TopicPartitionReplica>,
        options: &TimeoutOptions,
    ) -> PerKey<TopicPartitionReplica, ReplicaLogDirInfo> {
        let deadline = self.deadline(options.timeout);
        let mut by_broker: BTreeMap<i32, BTreeMap<Str, Vec<i32>>> = BTreeMap::new();
        for it in replicas {
            let topics = by_broker.entry(it.broker_id).or_default();
            topics.entry(it.topic.clone()).or_default().push(it.partition);
        }
        let asked = by_broker.iter().map(|(broker, topics)| {
            let topic = |(topic, partitions): (&Str, &Vec<i32>)| DescribableLogDirTopic {
                topic: topic.clone(),
                partitions: partitions.clone(),
            };
            self.log_dirs_of(*broker, Some(topics.iter().map(topic).collect()), deadline)
        });
        let answers: BTreeMap<i32, _> = by_broker.keys().copied().zip(join_all(asked).await).collect();
        let info = |it: &TopicPartitionReplica| match answers.get(&it.broker_id) {
            Some(Ok(dirs)) => whereabouts(it, dirs),
            // A broker that holds none of the partitions answers with no directory at all.
            Some(Err(error)) => Err(error.clone()),
            None => Err(Error::Protocol("The broker was not asked".into())),
        };
        replicas.iter().map(|it| (it.clone(), info(it))).collect()
    }

    /// Moves replicas to other directories of their brokers.
    ///
    /// # Errors
    /// For each replica: LOG_DIR_NOT_FOUND, REPLICA_NOT_AVAILABLE, KAFKA_STORAGE_ERROR, ...
    pub async fn alter_replica_log_dirs(
        &self,
        assignments: &BTreeMap<TopicPartitionReplica, Str>,
        options: &TimeoutOptions,
    ) -> PerKey<TopicPartitionReplica, ()> {
        let deadline = self.deadline(options.timeout);
        let requests = alter_requests(assignments);
        let asked = requests.iter().map(|(broker, request)| {
            let respond = |response| Ok(response);
            self.call("alterReplicaLogDirs", To::Node(*broker), deadline, |_| request.clone(), respond)
        });
        let answers = join_all(asked).await;
        let mut done = PerKey::new();
        for (broker, answer) in requests.keys().zip(answers) {
            let of_broker = assignments.keys().filter(|it| it.broker_id == *broker);
            match answer {
                Ok(response) => done.extend(altered(*broker, of_broker, response)),
                Err(error) => done.extend(of_broker.map(|it| (it.clone(), Err(error.clone())))),
            }
        }
        done
    }
}

fn described(response: DescribeLogDirsResponse) -> Result<BTreeMap<Str, LogDirDescription>> {
    if response.results.is_empty() {
        // Brokers before 3.2 say it by answering with nothing.
        let code = match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => ErrorCode::ClusterAuthorizationFailed,
            code => code,
        };
        return Err(Error::api(code, None));
    }
    let mut dirs = BTreeMap::new();
    for dir in response.results {
        let mut replicas = BTreeMap::new();
        for topic in dir.topics {
            for it in topic.partitions {
                let info = ReplicaInfo {
                    size: it.partition_size,
                    offset_lag: it.offset_lag,
                    is_future: it.is_future_key,
                };
                replicas.insert(TopicPartition::new(topic.name.clone(), it.partition_index), info);
            }
        }
        let description = LogDirDescription {
            error: Some(ErrorCode::from_code(dir.error_code)).filter(|code| *code != ErrorCode::None),
            replicas,
            total_bytes: known(dir.total_bytes),
            usable_bytes: known(dir.usable_bytes),
            is_cordoned: dir.is_cordoned,
        };
        dirs.insert(dir.log_dir, description);
    }
    Ok(dirs)
}

fn whereabouts(
    replica: &TopicPartitionReplica,
    dirs: &BTreeMap<Str, LogDirDescription>,
) -> Result<ReplicaLogDirInfo> {
    let key = TopicPartition::new(replica.topic.clone(), replica.partition);
    let mut found = ReplicaLogDirInfo { current_offset_lag: -1, future_offset_lag: -1, ..Default::default() };
    for (path, dir) in dirs {
        match dir.error {
            None => {}
            Some(ErrorCode::KafkaStorageError) => continue,
            Some(code) => {
                let text = format!(
                    "The error {code} for log directory {path} in the response from broker {} is illegal",
                    replica.broker_id
                );
                return Err(Error::Protocol(text));
            }
        }
        match dir.replicas.get(&key) {
            Some(info) if info.is_future => {
                found.future = Some(path.clone());
                found.future_offset_lag = info.offset_lag;
            }
            Some(info) => {
                found.current = Some(path.clone());
                found.current_offset_lag = info.offset_lag;
            }
            None => {}
        }
    }
    Ok(found)
}

fn alter_requests(
    assignments: &BTreeMap<TopicPartitionReplica, Str>,
) -> BTreeMap<i32, AlterReplicaLogDirsRequest> {
    let mut by_broker: BTreeMap<i32, BTreeMap<&Str, BTreeMap<&Str, Vec<i32>>>> = BTreeMap::new();
    for (replica, dir) in assignments {
        let dirs = by_broker.entry(replica.broker_id).or_default();
        dirs.entry(dir).or_default().entry(&replica.topic).or_default().push(replica.partition);
    }
    let topic =
        |(name, partitions): (&Str, Vec<i32>)| AlterReplicaLogDirTopic { name: name.clone(), partitions };
    let dir = |(path, topics): (&Str, BTreeMap<&Str, Vec<i32>>)| AlterReplicaLogDir {
        path: path.clone(),
        topics: topics.into_iter().map(topic).collect(),
    };
    by_broker
        .into_iter()
        .map(|(broker, dirs)| {
            (broker, AlterReplicaLogDirsRequest { dirs: dirs.into_iter().map(dir).collect() })
        })
        .collect()
}

fn altered<'a>(
    broker: i32,
    asked: impl Iterator<Item = &'a TopicPartitionReplica>,
    response: AlterReplicaLogDirsResponse,
) -> PerKey<TopicPartitionReplica, ()> {
    let missing = |it: &TopicPartitionReplica| {
        Error::Protocol(format!(
            "The response from broker {broker} did not contain a result for replica {}-{}-{broker}",
            it.topic, it.partition
        ))
    };
    let mut done: PerKey<_, ()> = asked.map(|it| (it.clone(), Err(missing(it)))).collect();
    for topic in response.results {
        for it in topic.partitions {
            let key = TopicPartitionReplica {
                topic: topic.topic_name.clone(),
                partition: it.partition_index,
                broker_id: broker,
            };
            if let Some(slot) = done.get_mut(&key) {
                *slot = Error::check(it.error_code, None);
            }
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(partition: i32, broker_id: i32) -> TopicPartitionReplica {
        TopicPartitionReplica { topic: "t".into(), partition, broker_id }
    }

    #[test]
    fn moves_go_by_broker_and_directory() {
        let assignments = BTreeMap::from([
            (replica(0, 1), Str::from("/a")),
            (replica(1, 1), Str::from("/b")),
            (replica(2, 1), Str::from("/a")),
            (replica(0, 2), Str::from("/a")),
        ]);
        let requests = alter_requests(&assignments);
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[&1].dirs[0].topics[0].partitions, [0, 2]);
        let done = altered(1, assignments.keys().filter(|it| it.broker_id == 1), Default::default());
        assert_eq!(
            done[&replica(0, 1)].as_ref().unwrap_err().to_string(),
            "The response from broker 1 did not contain a result for replica t-0-1"
        );
    }

    #[test]
    fn a_replica_may_be_in_two_directories() {
        let dir = |is_future, offset_lag| LogDirDescription {
            replicas: BTreeMap::from([(
                TopicPartition::new("t", 0),
                ReplicaInfo { size: 5, offset_lag, is_future },
            )]),
            ..Default::default()
        };
        let mut dirs = BTreeMap::from([(Str::from("/a"), dir(false, 0)), (Str::from("/b"), dir(true, 7))]);
        let info = whereabouts(&replica(0, 1), &dirs).unwrap();
        assert_eq!((info.current.as_deref(), info.future.as_deref()), (Some("/a"), Some("/b")));
        assert_eq!((info.current_offset_lag, info.future_offset_lag), (0, 7));
        assert_eq!(whereabouts(&replica(9, 1), &dirs).unwrap().current, None);
        dirs.get_mut("/a").unwrap().error = Some(ErrorCode::UnknownServerError);
        assert!(whereabouts(&replica(0, 1), &dirs).is_err());
    }

    #[test]
    fn no_directory_means_not_allowed() {
        let error = described(DescribeLogDirsResponse::default()).unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::ClusterAuthorizationFailed));
    }
}

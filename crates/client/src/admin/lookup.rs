//! Which broker answers for a key: leaders of partitions (`PartitionLeaderStrategy`), coordinators of groups and
//! transactions (`CoordinatorStrategy`), or one that is given (`StaticBrokerStrategy`).

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::messages::find_coordinator_response::Coordinator;
use ottla_protocol::messages::metadata_request::MetadataRequestTopic;
use ottla_protocol::messages::metadata_response::MetadataResponseTopic;
use ottla_protocol::messages::{FindCoordinatorRequest, MetadataRequest};
use ottla_protocol::{ErrorCode, Message, Str, TopicPartition};
use tokio::time::Instant;

use super::Admin;
use super::call::{To, join_all};
use crate::cluster::CoordinatorKind;
use crate::{Error, Result};

/// What a look-up gave; keys in neither list are looked up again.
pub(super) struct Found<K> {
    /// Keys and their broker.
    pub mapped: Vec<(K, i32)>,
    /// Keys that no broker answers for, and why.
    pub failed: Vec<(K, Error)>,
}

impl<K> Default for Found<K> {
    fn default() -> Self {
        Self { mapped: Vec::new(), failed: Vec::new() }
    }
}

/// A way to find the broker of a key.
pub(super) trait Route<K> {
    /// Looks keys up.
    ///
    /// # Errors
    /// When the look-up as a whole fails for good.
    async fn look_up(&self, admin: &Admin, name: &str, keys: &[K], deadline: Instant) -> Result<Found<K>>;
}

/// The leader of the partition.
pub(super) struct Leaders {
    /// Whether a topic that is not known may yet appear.
    pub tolerate_unknown: bool,
}

/// The coordinator of the group or transactional id.
pub(super) struct Coordinators(pub CoordinatorKind);

/// A broker that is given, for all keys.
pub(super) struct Fixed(pub i32);

impl<K: Clone> Route<K> for Fixed {
    async fn look_up(&self, _: &Admin, _: &str, keys: &[K], _: Instant) -> Result<Found<K>> {
        Ok(Found { mapped: keys.iter().map(|key| (key.clone(), self.0)).collect(), failed: Vec::new() })
    }
}

impl Route<TopicPartition> for Leaders {
    async fn look_up(
        &self,
        admin: &Admin,
        name: &str,
        keys: &[TopicPartition],
        deadline: Instant,
    ) -> Result<Found<TopicPartition>> {
        let topics: BTreeSet<&Str> = keys.iter().map(|key| &key.topic).collect();
        let named =
            |topic: &&Str| MetadataRequestTopic { name: Some((*topic).clone()), ..Default::default() };
        let build = |_| MetadataRequest {
            topics: Some(topics.iter().map(named).collect()),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        let respond = |response: ottla_protocol::messages::MetadataResponse| {
            Error::check(response.error_code, None)?;
            Ok(self.leaders(keys, &response.topics))
        };
        admin.call(&format!("{name}(api=METADATA)"), To::Any, deadline, build, respond).await
    }
}

impl Leaders {
    fn leaders(&self, keys: &[TopicPartition], topics: &[MetadataResponseTopic]) -> Found<TopicPartition> {
        let mut found = Found::default();
        for topic in topics {
            let Some(name) = &topic.name else { continue };
            let asked = keys.iter().filter(|key| key.topic == *name);
            match ErrorCode::from_code(topic.error_code) {
                ErrorCode::None => {
                    let leaders: BTreeMap<i32, (ErrorCode, i32)> = topic
                        .partitions
                        .iter()
                        .map(|p| (p.partition_index, (ErrorCode::from_code(p.error_code), p.leader_id)))
                        .collect();
                    for key in asked {
                        match leaders.get(&key.partition) {
                            Some((ErrorCode::None, leader)) if *leader >= 0 => {
                                found.mapped.push((key.clone(), *leader));
                            }
                            Some((code, _)) => found.failed.extend(partition_error(key, *code)),
                            None => {}
                        }
                    }
                }
                code => found.failed.extend(asked.filter_map(|key| self.topic_error(key, code))),
            }
        }
        found
    }

    fn topic_error(&self, key: &TopicPartition, code: ErrorCode) -> Option<(TopicPartition, Error)> {
        let topic = &key.topic;
        let why = match code {
            ErrorCode::UnknownTopicOrPartition if self.tolerate_unknown => return None,
            ErrorCode::LeaderNotAvailable | ErrorCode::BrokerNotAvailable => return None,
            ErrorCode::UnknownTopicOrPartition => {
                format!("because metadata for topic `{topic}` could not be found")
            }
            ErrorCode::TopicAuthorizationFailed => "due to topic authorization failure".to_owned(),
            ErrorCode::InvalidTopicException => format!("due to invalid topic `{topic}`"),
            _ => format!("due to unexpected error for topic `{topic}`"),
        };
        let text = format!("Failed to fetch metadata for partition {key} {why}");
        Some((key.clone(), Error::api(code, Some(&text))))
    }
}

fn partition_error(key: &TopicPartition, code: ErrorCode) -> Option<(TopicPartition, Error)> {
    match code {
        ErrorCode::None
        | ErrorCode::NotLeaderOrFollower
        | ErrorCode::ReplicaNotAvailable
        | ErrorCode::LeaderNotAvailable
        | ErrorCode::BrokerNotAvailable
        | ErrorCode::KafkaStorageError
        | ErrorCode::UnknownTopicOrPartition => None,
        code => {
            let text = format!("Unexpected error during metadata lookup for {key}");
            Some((key.clone(), Error::api(code, Some(&text))))
        }
    }
}

/// First version of FindCoordinator that takes many keys.
const BATCHED_SINCE: i16 = 4;

impl Route<Str> for Coordinators {
    async fn look_up(
        &self,
        admin: &Admin,
        name: &str,
        keys: &[Str],
        deadline: Instant,
    ) -> Result<Found<Str>> {
        let name = format!("{name}(api=FIND_COORDINATOR)");
        match self.many(admin, &name, keys, deadline).await {
            // Brokers before 3.0 answer for one key at a time.
            Err(Error::UnsupportedVersion(_)) => {}
            found => return found,
        }
        let singles = keys.iter().map(|key| self.single(admin, &name, key, deadline));
        let mut all = Found::default();
        for found in join_all(singles).await {
            let found = found?;
            all.mapped.extend(found.mapped);
            all.failed.extend(found.failed);
        }
        Ok(all)
    }
}

impl Coordinators {
    async fn many(&self, admin: &Admin, name: &str, keys: &[Str], deadline: Instant) -> Result<Found<Str>> {
        let build = |_, _| {
            Ok(FindCoordinatorRequest {
                key_type: self.key_type(),
                coordinator_keys: keys.to_vec(),
                ..Default::default()
            })
        };
        let versions = (BATCHED_SINCE, FindCoordinatorRequest::MAX_VERSION);
        admin
            .call_as(name, To::Any, versions, deadline, build, |_, response| {
                let mut found = Found::default();
                for coordinator in &response.coordinators {
                    self.take(&mut found, coordinator);
                }
                Ok(found)
            })
            .await
    }

    async fn single(&self, admin: &Admin, name: &str, key: &Str, deadline: Instant) -> Result<Found<Str>> {
        let build = |_, _| {
            Ok(FindCoordinatorRequest { key: key.clone(), key_type: self.key_type(), ..Default::default() })
        };
        let versions = (FindCoordinatorRequest::MIN_VERSION, BATCHED_SINCE - 1);
        admin
            .call_as(name, To::Any, versions, deadline, build, |_, response| {
                let mut found = Found::default();
                let coordinator = Coordinator {
                    key: key.clone(),
                    node_id: response.node_id,
                    error_code: response.error_code,
                    ..Default::default()
                };
                self.take(&mut found, &coordinator);
                Ok(found)
            })
            .await
    }

    fn key_type(&self) -> i8 {
        match self.0 {
            CoordinatorKind::Group => 0,
            CoordinatorKind::Transaction => 1,
            CoordinatorKind::Share => 2,
        }
    }

    fn take(&self, found: &mut Found<Str>, coordinator: &Coordinator) {
        let key = coordinator.key.clone();
        let text = match ErrorCode::from_code(coordinator.error_code) {
            ErrorCode::None => return found.mapped.push((key, coordinator.node_id)),
            ErrorCode::CoordinatorNotAvailable | ErrorCode::CoordinatorLoadInProgress => return,
            ErrorCode::GroupAuthorizationFailed => {
                format!("FindCoordinator request for groupId `{key}` failed due to authorization failure")
            }
            ErrorCode::TransactionalIdAuthorizationFailed => format!(
                "FindCoordinator request for transactionalId `{key}` failed due to authorization failure"
            ),
            _ => format!("FindCoordinator request for key `{key}` failed due to an unexpected error"),
        };
        found.failed.push((key, Error::api(ErrorCode::from_code(coordinator.error_code), Some(&text))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::metadata_response::MetadataResponsePartition;

    fn topic(name: &str, code: ErrorCode, partitions: &[(i32, ErrorCode, i32)]) -> MetadataResponseTopic {
        MetadataResponseTopic {
            error_code: code as i16,
            name: Some(name.into()),
            partitions: partitions
                .iter()
                .map(|(index, code, leader)| MetadataResponsePartition {
                    partition_index: *index,
                    error_code: *code as i16,
                    leader_id: *leader,
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        }
    }

    #[test]
    fn leaders_are_found_and_errors_sorted() {
        let keys = [
            TopicPartition::new("a", 0),
            TopicPartition::new("a", 1),
            TopicPartition::new("a", 9),
            TopicPartition::new("b", 0),
            TopicPartition::new("c", 0),
        ];
        let topics = [
            topic("a", ErrorCode::None, &[(0, ErrorCode::None, 3), (1, ErrorCode::LeaderNotAvailable, -1)]),
            topic("b", ErrorCode::UnknownTopicOrPartition, &[]),
            topic("c", ErrorCode::TopicAuthorizationFailed, &[]),
        ];
        let check = |tolerate_unknown: bool, failed: &[&str]| {
            let found = Leaders { tolerate_unknown }.leaders(&keys, &topics);
            assert_eq!(found.mapped, [(keys[0].clone(), 3)]);
            let names: Vec<String> = found.failed.iter().map(|(key, _)| key.to_string()).collect();
            assert_eq!(names, failed);
        };
        check(true, &["c-0"]);
        check(false, &["b-0", "c-0"]);
    }

    #[test]
    fn coordinators_are_found_and_errors_sorted() {
        let route = Coordinators(CoordinatorKind::Group);
        let mut found = Found::default();
        for (key, code) in [
            ("a", ErrorCode::None),
            ("b", ErrorCode::CoordinatorNotAvailable),
            ("c", ErrorCode::GroupAuthorizationFailed),
        ] {
            let coordinator =
                Coordinator { key: key.into(), node_id: 5, error_code: code as i16, ..Default::default() };
            route.take(&mut found, &coordinator);
        }
        assert_eq!(found.mapped, [(Str::from("a"), 5)]);
        assert_eq!(found.failed.len(), 1);
        assert_eq!(
            found.failed[0].1.to_string(),
            "FindCoordinator request for groupId `c` failed due to authorization failure"
        );
    }
}

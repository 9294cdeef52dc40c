//! CreateTopics, DeleteTopics and the list of topics.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use ottla_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use ottla_protocol::messages::delete_topics_request::DeleteTopicState;
use ottla_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse, MetadataRequest,
    MetadataResponse,
};
use ottla_protocol::{ErrorCode, Str, Uuid};

use super::call::To;
use super::quota_retry::{Throttled, unrepresentable_name};
use super::{Admin, ConfigEntry, ConfigSource, PerKey};
use crate::{Error, Result};

/// A topic to create (`NewTopic`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: Str,
    /// How many partitions; the broker's `num.partitions` when there is none. Must be none with assignments.
    pub partitions: Option<i32>,
    /// How many replicas; the broker's `default.replication.factor` when there is none. Must be none with assignments.
    pub replication_factor: Option<i16>,
    /// Replicas of each partition, the preferred leader first; the controller chooses when there are none.
    pub assignments: BTreeMap<i32, Vec<i32>>,
    /// Configurations of the topic.
    pub configs: BTreeMap<Str, Str>,
}

impl NewTopic {
    /// A topic whose replicas the controller places.
    pub fn new(name: impl Into<Str>, partitions: Option<i32>, replication_factor: Option<i16>) -> Self {
        Self { name: name.into(), partitions, replication_factor, ..Self::default() }
    }

    /// A topic whose replicas are given.
    pub fn with_assignments(name: impl Into<Str>, assignments: BTreeMap<i32, Vec<i32>>) -> Self {
        Self { name: name.into(), assignments, ..Self::default() }
    }

    fn to_wire(&self) -> CreatableTopic {
        let assignment = |(partition, brokers): (&i32, &Vec<i32>)| CreatableReplicaAssignment {
            partition_index: *partition,
            broker_ids: brokers.clone(),
        };
        let config = |(name, value): (&Str, &Str)| CreatableTopicConfig {
            name: name.clone(),
            value: Some(value.clone()),
        };
        CreatableTopic {
            name: self.name.clone(),
            num_partitions: self.partitions.unwrap_or(-1),
            replication_factor: self.replication_factor.unwrap_or(-1),
            assignments: self.assignments.iter().map(assignment).collect(),
            configs: self.configs.iter().map(config).collect(),
        }
    }
}

/// Options of [`Admin::create_topics`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTopicsOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// Only look whether it could be done.
    pub validate_only: bool,
    /// Whether to try again when the controller's quota is used up (KIP-599).
    pub retry_on_quota_violation: bool,
}

impl Default for CreateTopicsOptions {
    fn default() -> Self {
        Self { timeout: None, validate_only: false, retry_on_quota_violation: true }
    }
}

/// What was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Id; zero from brokers that have none.
    pub id: Uuid,
    /// How many partitions; nothing from brokers before 2.4, or when describing the topic is not allowed.
    pub partitions: Option<i32>,
    /// How many replicas; likewise.
    pub replication_factor: Option<i16>,
    /// Its configuration, defaults included; likewise.
    pub configs: Option<Vec<ConfigEntry>>,
    /// Why the three above are not there.
    pub details_error: Option<ErrorCode>,
}

/// Topics, by names or by ids (`TopicCollection`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicNames {
    /// By names.
    Names(Vec<Str>),
    /// By ids.
    Ids(Vec<Uuid>),
}

/// Options of [`Admin::delete_topics`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteTopicsOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// Whether to try again when the controller's quota is used up (KIP-599).
    pub retry_on_quota_violation: bool,
}

impl Default for DeleteTopicsOptions {
    fn default() -> Self {
        Self { timeout: None, retry_on_quota_violation: true }
    }
}

/// Options of [`Admin::list_topics`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListTopicsOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// Whether Kafka's own topics are listed too.
    pub list_internal: bool,
}

/// A topic in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicListing {
    /// Name.
    pub name: Str,
    /// Id; zero from brokers that have none.
    pub id: Uuid,
    /// Whether it is one of Kafka's own.
    pub is_internal: bool,
}

impl Admin {
    /// Creates topics. A success means that the controller has taken the topic in; brokers may need a moment until
    /// all of them know it.
    ///
    /// # Errors
    /// For each topic: TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_PARTITIONS, POLICY_VIOLATION, ...
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        options: &CreateTopicsOptions,
    ) -> PerKey<Str, CreatedTopic> {
        let mut refused = PerKey::new();
        let mut wanted = BTreeMap::new();
        for topic in topics {
            match unrepresentable_name(&topic.name) {
                Some(error) => drop(refused.insert(topic.name.clone(), Err(error))),
                None => drop(wanted.entry(topic.name.clone()).or_insert_with(|| topic.to_wire())),
            }
        }
        let build = |_, topics: &BTreeMap<Str, CreatableTopic>, timeout_ms| CreateTopicsRequest {
            topics: topics.values().cloned().collect(),
            timeout_ms,
            validate_only: options.validate_only,
        };
        let read = |response: CreateTopicsResponse| Throttled {
            throttle_time_ms: response.throttle_time_ms,
            results: response.topics.into_iter().map(|it| (it.name.clone(), created(it))).collect(),
        };
        let deadline = self.deadline(options.timeout);
        let retry = options.retry_on_quota_violation;
        let done = self.call_with_quota("createTopics", wanted, retry, deadline, build, read).await;
        refused.extend(done);
        refused
    }

    /// Deletes topics by their names.
    ///
    /// # Errors
    /// For each topic: UNKNOWN_TOPIC_OR_PARTITION, TOPIC_AUTHORIZATION_FAILED, TOPIC_DELETION_DISABLED, ...
    pub async fn delete_topics(&self, names: &[Str], options: &DeleteTopicsOptions) -> PerKey<Str, ()> {
        let mut refused = PerKey::new();
        let mut wanted = BTreeMap::new();
        for name in names {
            match unrepresentable_name(name) {
                Some(error) => drop(refused.insert(name.clone(), Err(error))),
                None => drop(wanted.insert(name.clone(), ())),
            }
        }
        let deadline = self.deadline(options.timeout);
        let retry = options.retry_on_quota_violation;
        let build =
            |version, topics: &BTreeMap<Str, ()>, timeout_ms| by_name(version, topics.keys(), timeout_ms);
        let read = |response: DeleteTopicsResponse| Throttled {
            throttle_time_ms: response.throttle_time_ms,
            results: response
                .responses
                .into_iter()
                .filter_map(|it| Some((it.name?, Error::check(it.error_code, it.error_message.as_deref()))))
                .collect(),
        };
        refused.extend(self.call_with_quota("deleteTopics", wanted, retry, deadline, build, read).await);
        refused
    }

    /// Deletes topics by their ids (KIP-516; brokers from 2.8 on).
    ///
    /// # Errors
    /// For each id: UNKNOWN_TOPIC_ID, and those of [`Admin::delete_topics`].
    pub async fn delete_topics_by_id(&self, ids: &[Uuid], options: &DeleteTopicsOptions) -> PerKey<Uuid, ()> {
        let mut refused = PerKey::new();
        let mut wanted = BTreeMap::new();
        for id in ids {
            if id.is_zero() {
                let text = format!("The given topic ID '{id}' cannot be represented in a request.");
                refused.insert(*id, Err(Error::api(ErrorCode::InvalidTopicException, Some(&text))));
            } else {
                wanted.insert(*id, ());
            }
        }
        let build = |_, topics: &BTreeMap<Uuid, ()>, timeout_ms| DeleteTopicsRequest {
            topics: topics.keys().map(|id| DeleteTopicState { name: None, topic_id: *id }).collect(),
            timeout_ms,
            ..Default::default()
        };
        let read = |response: DeleteTopicsResponse| Throttled {
            throttle_time_ms: response.throttle_time_ms,
            results: response
                .responses
                .into_iter()
                .map(|it| (it.topic_id, Error::check(it.error_code, it.error_message.as_deref())))
                .collect(),
        };
        let deadline = self.deadline(options.timeout);
        let retry = options.retry_on_quota_violation;
        refused.extend(self.call_with_quota("deleteTopics", wanted, retry, deadline, build, read).await);
        refused
    }

    /// The topics that there are, by name.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub async fn list_topics(&self, options: &ListTopicsOptions) -> Result<BTreeMap<Str, TopicListing>> {
        let build = |_| MetadataRequest { topics: None, ..Default::default() };
        let respond = |response: MetadataResponse| {
            Error::check(response.error_code, None)?;
            Ok(listings(response, options.list_internal))
        };
        self.call("listTopics", To::Any, self.deadline(options.timeout), build, respond).await
    }
}

/// Versions before 6 have a list of names, later ones topics with a name or an id.
fn by_name<'a>(version: i16, names: impl Iterator<Item = &'a Str>, timeout_ms: i32) -> DeleteTopicsRequest {
    let mut request = DeleteTopicsRequest { timeout_ms, ..Default::default() };
    if version >= 6 {
        let topic = |name: &Str| DeleteTopicState { name: Some(name.clone()), ..Default::default() };
        request.topics = names.map(topic).collect();
    } else {
        request.topic_names = names.cloned().collect();
    }
    request
}

fn created(topic: CreatableTopicResult) -> Result<CreatedTopic> {
    Error::check(topic.error_code, topic.error_message.as_deref())?;
    let details_error = match ErrorCode::from_code(topic.topic_config_error_code) {
        ErrorCode::None if topic.num_partitions < 0 => Some(ErrorCode::UnsupportedVersion),
        ErrorCode::None => None,
        code => Some(code),
    };
    let known = details_error.is_none();
    Ok(CreatedTopic {
        id: topic.topic_id,
        partitions: known.then_some(topic.num_partitions),
        replication_factor: known.then_some(topic.replication_factor),
        configs: topic.configs.filter(|_| known).map(|configs| configs.into_iter().map(entry).collect()),
        details_error,
    })
}

fn entry(config: CreatableTopicConfigs) -> ConfigEntry {
    ConfigEntry {
        name: config.name,
        value: config.value,
        source: ConfigSource::from_id(config.config_source),
        is_sensitive: config.is_sensitive,
        is_read_only: config.read_only,
        ..ConfigEntry::default()
    }
}

fn listings(response: MetadataResponse, list_internal: bool) -> BTreeMap<Str, TopicListing> {
    let topics = response.topics.into_iter().filter(|topic| list_internal || !topic.is_internal);
    topics
        .filter_map(|topic| {
            let name = topic.name?;
            Some((name.clone(), TopicListing { name, id: topic.topic_id, is_internal: topic.is_internal }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::encode_message;

    #[test]
    fn names_go_in_the_field_that_the_version_has() {
        let names = [Str::from("a"), Str::from("b")];
        for version in 1..=6 {
            let request = by_name(version, names.iter(), 5);
            assert_eq!(request.topics.len(), if version >= 6 { 2 } else { 0 });
            assert_eq!(request.topic_names.len(), if version >= 6 { 0 } else { 2 });
            encode_message(&request, version).unwrap();
        }
    }

    #[test]
    fn a_new_topic_leaves_open_what_the_broker_decides() {
        let wire = NewTopic::new("t", None, None).to_wire();
        assert_eq!((wire.num_partitions, wire.replication_factor), (-1, -1));
        let wire = NewTopic::with_assignments("t", BTreeMap::from([(0, vec![2, 1])])).to_wire();
        assert_eq!(wire.assignments[0].broker_ids, [2, 1]);
    }

    #[test]
    fn what_was_created_may_be_hidden() {
        let check = |topic: CreatableTopicResult, partitions, details_error| {
            let created = created(topic).unwrap();
            assert_eq!((created.partitions, created.details_error), (partitions, details_error));
        };
        check(CreatableTopicResult { num_partitions: 3, ..Default::default() }, Some(3), None);
        check(CreatableTopicResult::default(), None, Some(ErrorCode::UnsupportedVersion));
        let hidden = ErrorCode::TopicAuthorizationFailed;
        check(
            CreatableTopicResult { topic_config_error_code: hidden as i16, ..Default::default() },
            None,
            Some(hidden),
        );
    }

    #[test]
    fn internal_topics_are_listed_when_asked_for() {
        use ottla_protocol::messages::metadata_response::MetadataResponseTopic;
        let topic = |name: &str, is_internal| MetadataResponseTopic {
            name: Some(name.into()),
            is_internal,
            ..Default::default()
        };
        let response =
            MetadataResponse { topics: vec![topic("a", false), topic("__b", true)], ..Default::default() };
        assert_eq!(listings(response.clone(), true).len(), 2);
        assert_eq!(listings(response, false).into_keys().collect::<Vec<_>>(), ["a"]);
    }
}

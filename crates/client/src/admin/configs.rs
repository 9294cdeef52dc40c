//! DescribeConfigs, IncrementalAlterConfigs and ListConfigResources.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_protocol::messages::describe_configs_request::DescribeConfigsResource;
use ottla_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use ottla_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_protocol::messages::{
    DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, ListConfigResourcesRequest, ListConfigResourcesResponse,
};
use ottla_protocol::{Message, Str};
use tokio::time::Instant;

use super::call::{To, check_controller, join_all};
use super::types::coded;
use super::{Admin, ConfigResource, ConfigResourceType, PerKey, TimeoutOptions};
use crate::{Error, Result};

coded! {
    /// Where a value comes from (`ConfigEntry.ConfigSource`).
    ConfigSource {
        /// One that this crate does not know.
        Unknown = 0 "UNKNOWN",
        /// Set for the topic.
        DynamicTopicConfig = 1 "DYNAMIC_TOPIC_CONFIG",
        /// Set for the broker at run time.
        DynamicBrokerConfig = 2 "DYNAMIC_BROKER_CONFIG",
        /// Set for all brokers at run time.
        DynamicDefaultBrokerConfig = 3 "DYNAMIC_DEFAULT_BROKER_CONFIG",
        /// In the broker's file.
        StaticBrokerConfig = 4 "STATIC_BROKER_CONFIG",
        /// Kafka's default.
        DefaultConfig = 5 "DEFAULT_CONFIG",
        /// A log level of a broker.
        DynamicBrokerLoggerConfig = 6 "DYNAMIC_BROKER_LOGGER_CONFIG",
        /// Set for the metrics of clients.
        DynamicClientMetricsConfig = 7 "DYNAMIC_CLIENT_METRICS_CONFIG",
        /// Set for the group.
        DynamicGroupConfig = 8 "DYNAMIC_GROUP_CONFIG",
    }
}

coded! {
    /// What kind of value it is (`ConfigEntry.ConfigType`).
    ConfigType {
        /// One that this crate does not know, or that the broker does not say.
        Unknown = 0 "UNKNOWN",
        /// True or false.
        Boolean = 1 "BOOLEAN",
        /// A text.
        String = 2 "STRING",
        /// 32 bits.
        Int = 3 "INT",
        /// 16 bits.
        Short = 4 "SHORT",
        /// 64 bits.
        Long = 5 "LONG",
        /// A number with a fraction.
        Double = 6 "DOUBLE",
        /// Several texts.
        List = 7 "LIST",
        /// The name of a class.
        Class = 8 "CLASS",
        /// A secret.
        Password = 9 "PASSWORD",
    }
}

/// A configuration (`ConfigEntry`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Key.
    pub name: Str,
    /// Value; nothing when it is secret, or not set.
    pub value: Option<Str>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether the value is secret.
    pub is_sensitive: bool,
    /// Whether it can't be changed at run time.
    pub is_read_only: bool,
    /// All the values there are, the one in effect first.
    pub synonyms: Vec<ConfigSynonym>,
    /// What kind of value it is.
    pub config_type: ConfigType,
    /// What it does, if that was asked for.
    pub documentation: Option<Str>,
}

impl Default for ConfigEntry {
    fn default() -> Self {
        Self {
            name: Str::new(),
            value: None,
            source: ConfigSource::Unknown,
            is_sensitive: false,
            is_read_only: false,
            synonyms: Vec::new(),
            config_type: ConfigType::Unknown,
            documentation: None,
        }
    }
}

impl ConfigEntry {
    /// Whether the value is Kafka's default.
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::DefaultConfig
    }
}

/// One of the values that a configuration could have (`ConfigEntry.ConfigSynonym`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// Key it is set by.
    pub name: Str,
    /// Value.
    pub value: Option<Str>,
    /// Where it comes from.
    pub source: ConfigSource,
}

/// Options of [`Admin::describe_configs`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeConfigsOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// Whether all the values there are are told.
    pub include_synonyms: bool,
    /// Whether to say what each key does (brokers from 2.6 on).
    pub include_documentation: bool,
}

/// Options of [`Admin::incremental_alter_configs`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlterConfigsOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// Only look whether it could be done.
    pub validate_only: bool,
}

/// A change of a key (`AlterConfigOp`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterConfigOp {
    /// Key.
    pub name: Str,
    /// Value; needed by all but [`AlterConfigOpType::Delete`].
    pub value: Option<Str>,
    /// What is done.
    pub op: AlterConfigOpType,
}

impl AlterConfigOp {
    /// Gives the key a value.
    pub fn set(name: impl Into<Str>, value: impl Into<Str>) -> Self {
        Self { name: name.into(), value: Some(value.into()), op: AlterConfigOpType::Set }
    }

    /// Takes the key's value away, so that the default is in effect.
    pub fn delete(name: impl Into<Str>) -> Self {
        Self { name: name.into(), value: None, op: AlterConfigOpType::Delete }
    }
}

/// What is done with a key (`AlterConfigOp.OpType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlterConfigOpType {
    /// Its value is set.
    Set,
    /// Its value is taken away.
    Delete,
    /// Values are added to its list.
    Append,
    /// Values are taken out of its list.
    Subtract,
}

impl AlterConfigOpType {
    /// Code on the wire.
    pub fn id(self) -> i8 {
        match self {
            Self::Set => 0,
            Self::Delete => 1,
            Self::Append => 2,
            Self::Subtract => 3,
        }
    }
}

impl Admin {
    /// Describes the configuration of resources.
    ///
    /// # Errors
    /// For each resource: UNKNOWN_TOPIC_OR_PARTITION, CLUSTER_AUTHORIZATION_FAILED, INVALID_REQUEST, ...
    pub async fn describe_configs(
        &self,
        resources: &[ConfigResource],
        options: &DescribeConfigsOptions,
    ) -> PerKey<ConfigResource, Vec<ConfigEntry>> {
        let deadline = self.deadline(options.timeout);
        let mut by_node: BTreeMap<Option<i32>, BTreeSet<ConfigResource>> = BTreeMap::new();
        let mut done = PerKey::new();
        for resource in resources {
            match node_for(resource) {
                Ok(node) => drop(by_node.entry(node).or_default().insert(resource.clone())),
                Err(error) => drop(done.insert(resource.clone(), Err(error))),
            }
        }
        let asked =
            by_node.iter().map(|(node, resources)| self.describe_on(*node, resources, options, deadline));
        for answers in join_all(asked).await {
            done.extend(answers);
        }
        done
    }

    async fn describe_on(
        &self,
        node: Option<i32>,
        resources: &BTreeSet<ConfigResource>,
        options: &DescribeConfigsOptions,
        deadline: Instant,
    ) -> PerKey<ConfigResource, Vec<ConfigEntry>> {
        let to = node.map_or(To::AnyOrActiveController, To::NodeAlso);
        let lowest = if options.include_documentation { 3 } else { DescribeConfigsRequest::MIN_VERSION };
        let versions = (lowest, DescribeConfigsRequest::MAX_VERSION);
        let build = |_, _| Ok(describe_request(resources, options));
        let answer =
            self.call_as("describeConfigs", to, versions, deadline, build, |_, response| Ok(response)).await;
        match answer {
            Ok(response) => described(resources, response),
            Err(error) => resources.iter().map(|it| (it.clone(), Err(error.clone()))).collect(),
        }
    }

    /// Changes keys of resources; each resource is changed whole or not at all (KIP-339; brokers from 2.3 on).
    ///
    /// # Errors
    /// For each resource: INVALID_CONFIG, UNKNOWN_TOPIC_OR_PARTITION, POLICY_VIOLATION, ...
    pub async fn incremental_alter_configs(
        &self,
        changes: &BTreeMap<ConfigResource, Vec<AlterConfigOp>>,
        options: &AlterConfigsOptions,
    ) -> PerKey<ConfigResource, ()> {
        let deadline = self.deadline(options.timeout);
        let mut done = PerKey::new();
        let mut together = Vec::new();
        let mut alone = Vec::new();
        for resource in changes.keys() {
            // Controllers take the changes of brokers too, but not those of log levels.
            let by_controller = self.controllers && resource.kind != ConfigResourceType::BrokerLogger;
            match node_for(resource) {
                Err(error) => drop(done.insert(resource.clone(), Err(error))),
                Ok(Some(node)) if !by_controller => alone.push((To::NodeAlso(node), vec![resource])),
                Ok(_) => together.push(resource),
            }
        }
        if !together.is_empty() {
            alone.push((To::AnyOrActiveController, together));
        }
        let sent = alone.iter().map(|(to, keys)| self.alter_on(*to, keys, changes, options, deadline));
        for answers in join_all(sent).await {
            done.extend(answers);
        }
        done
    }

    async fn alter_on(
        &self,
        to: To,
        resources: &[&ConfigResource],
        changes: &BTreeMap<ConfigResource, Vec<AlterConfigOp>>,
        options: &AlterConfigsOptions,
        deadline: Instant,
    ) -> PerKey<ConfigResource, ()> {
        let build = |_| alter_request(resources, changes, options.validate_only);
        let respond = |response| {
            let results = altered(resources, response);
            check_controller(self.controllers, results.values())?;
            Ok(results)
        };
        let answer = self.call("incrementalAlterConfigs", to, deadline, build, respond).await;
        answer
            .unwrap_or_else(|error| resources.iter().map(|it| ((*it).clone(), Err(error.clone()))).collect())
    }

    /// The resources that have a configuration of their own (KIP-1142); all kinds when none is given. Brokers before
    /// 4.1 know only client metrics.
    ///
    /// # Errors
    /// UNSUPPORTED_VERSION, CLUSTER_AUTHORIZATION_FAILED, ...
    pub async fn list_config_resources(
        &self,
        kinds: &BTreeSet<ConfigResourceType>,
        options: &TimeoutOptions,
    ) -> Result<Vec<ConfigResource>> {
        // Version 0 is ListClientMetricsResources.
        let metrics_only = kinds.iter().eq([&ConfigResourceType::ClientMetrics]);
        let versions = (if metrics_only { 0 } else { 1 }, ListConfigResourcesRequest::MAX_VERSION);
        let build = |version, _| {
            let kinds = kinds.iter().map(|kind| kind.id()).collect();
            let resource_types = if version >= 1 { kinds } else { Vec::new() };
            Ok(ListConfigResourcesRequest { resource_types })
        };
        let deadline = self.deadline(options.timeout);
        self.call_as("listConfigResources", To::Any, versions, deadline, build, |_, response| {
            listed(response)
        })
        .await
    }

    /// The names of the subscriptions to metrics of clients (KIP-714).
    ///
    /// # Errors
    /// As [`Admin::list_config_resources`].
    pub async fn list_client_metrics_resources(&self, options: &TimeoutOptions) -> Result<Vec<Str>> {
        let kinds = BTreeSet::from([ConfigResourceType::ClientMetrics]);
        let resources = self.list_config_resources(&kinds, options).await?;
        let metrics = resources.into_iter().filter(|it| it.kind == ConfigResourceType::ClientMetrics);
        Ok(metrics.map(|it| it.name).collect())
    }
}

/// The broker that alone knows the resource; nothing when any knows it.
fn node_for(resource: &ConfigResource) -> Result<Option<i32>> {
    let own = match resource.kind {
        ConfigResourceType::Broker => !resource.is_default(),
        ConfigResourceType::BrokerLogger => true,
        _ => false,
    };
    if !own {
        return Ok(None);
    }
    let id = resource
        .name
        .parse()
        .map_err(|_| Error::Illegal(format!("{resource}: the name of a broker is its id, a number")))?;
    Ok(Some(id))
}

fn describe_request(
    resources: &BTreeSet<ConfigResource>,
    options: &DescribeConfigsOptions,
) -> DescribeConfigsRequest {
    let resource = |it: &ConfigResource| DescribeConfigsResource {
        resource_type: it.kind.id(),
        resource_name: it.name.clone(),
        configuration_keys: None,
    };
    DescribeConfigsRequest {
        resources: resources.iter().map(resource).collect(),
        include_synonyms: options.include_synonyms,
        include_documentation: options.include_documentation,
    }
}

fn described(
    resources: &BTreeSet<ConfigResource>,
    response: DescribeConfigsResponse,
) -> PerKey<ConfigResource, Vec<ConfigEntry>> {
    let mut done: PerKey<ConfigResource, Vec<ConfigEntry>> = missing(resources);
    for result in response.results {
        let key = ConfigResource::new(
            ConfigResourceType::from_id(result.resource_type),
            result.resource_name.clone(),
        );
        if let Some(slot) = done.get_mut(&key) {
            *slot = entries(result);
        }
    }
    done
}

fn missing<'a, V>(resources: impl IntoIterator<Item = &'a ConfigResource>) -> PerKey<ConfigResource, V> {
    let error = |resource: &ConfigResource| {
        Error::Protocol(format!("The node response did not contain a result for config resource {resource}"))
    };
    resources.into_iter().map(|it| (it.clone(), Err(error(it)))).collect()
}

fn entries(result: DescribeConfigsResult) -> Result<Vec<ConfigEntry>> {
    Error::check(result.error_code, result.error_message.as_deref())?;
    let synonym = |it: DescribeConfigsSynonym| ConfigSynonym {
        name: it.name,
        value: it.value,
        source: ConfigSource::from_id(it.source),
    };
    let entry = |it: DescribeConfigsResourceResult| ConfigEntry {
        name: it.name,
        value: it.value,
        source: ConfigSource::from_id(it.config_source),
        is_sensitive: it.is_sensitive,
        is_read_only: it.read_only,
        synonyms: it.synonyms.into_iter().map(synonym).collect(),
        config_type: ConfigType::from_id(it.config_type),
        documentation: it.documentation,
    };
    Ok(result.configs.into_iter().map(entry).collect())
}

fn alter_request(
    resources: &[&ConfigResource],
    changes: &BTreeMap<ConfigResource, Vec<AlterConfigOp>>,
    validate_only: bool,
) -> IncrementalAlterConfigsRequest {
    let config = |it: &AlterConfigOp| AlterableConfig {
        name: it.name.clone(),
        config_operation: it.op.id(),
        value: it.value.clone(),
    };
    let resource = |it: &&ConfigResource| AlterConfigsResource {
        resource_type: it.kind.id(),
        resource_name: it.name.clone(),
        configs: changes.get(*it).into_iter().flatten().map(config).collect(),
    };
    IncrementalAlterConfigsRequest { resources: resources.iter().map(resource).collect(), validate_only }
}

fn altered(
    resources: &[&ConfigResource],
    response: IncrementalAlterConfigsResponse,
) -> PerKey<ConfigResource, ()> {
    let mut done: PerKey<ConfigResource, ()> = missing(resources.iter().copied());
    for result in response.responses {
        let key =
            ConfigResource::new(ConfigResourceType::from_id(result.resource_type), result.resource_name);
        if let Some(slot) = done.get_mut(&key) {
            *slot = Error::check(result.error_code, result.error_message.as_deref());
        }
    }
    done
}

fn listed(response: ListConfigResourcesResponse) -> Result<Vec<ConfigResource>> {
    Error::check(response.error_code, None)?;
    let resources = response.config_resources.into_iter();
    Ok(resources
        .map(|it| ConfigResource::new(ConfigResourceType::from_id(it.resource_type), it.resource_name))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::ErrorCode;

    #[test]
    fn brokers_are_asked_for_what_only_they_know() {
        let check = |kind, name: &str, expected: Result<Option<i32>, ()>| {
            assert_eq!(node_for(&ConfigResource::new(kind, name)).map_err(|_| ()), expected);
        };
        check(ConfigResourceType::Topic, "t", Ok(None));
        check(ConfigResourceType::Broker, "", Ok(None));
        check(ConfigResourceType::Broker, "3", Ok(Some(3)));
        check(ConfigResourceType::BrokerLogger, "3", Ok(Some(3)));
        check(ConfigResourceType::BrokerLogger, "", Err(()));
        check(ConfigResourceType::Broker, "x", Err(()));
    }

    #[test]
    fn resources_without_a_result_are_told() {
        let resources = BTreeSet::from([ConfigResource::topic("a"), ConfigResource::topic("b")]);
        let result = DescribeConfigsResult {
            error_code: ErrorCode::UnknownTopicOrPartition as i16,
            resource_type: 2,
            resource_name: "a".into(),
            ..Default::default()
        };
        let response = DescribeConfigsResponse { results: vec![result], ..Default::default() };
        let done = described(&resources, response);
        let code = done[&ConfigResource::topic("a")].as_ref().unwrap_err().code();
        assert_eq!(code, Some(ErrorCode::UnknownTopicOrPartition));
        assert_eq!(
            done[&ConfigResource::topic("b")].as_ref().unwrap_err().to_string(),
            "The node response did not contain a result for config resource ConfigResource(type=TOPIC, name='b')"
        );
    }

    #[test]
    fn changes_are_sent_as_they_are() {
        let topic = ConfigResource::topic("a");
        let changes =
            BTreeMap::from([(topic.clone(), vec![AlterConfigOp::set("k", "v"), AlterConfigOp::delete("d")])]);
        let request = alter_request(&[&topic], &changes, true);
        let configs: Vec<_> =
            request.resources[0].configs.iter().map(|it| (it.config_operation, it.value.is_some())).collect();
        assert_eq!(configs, [(0, true), (1, false)]);
        assert!(request.validate_only);
    }
}

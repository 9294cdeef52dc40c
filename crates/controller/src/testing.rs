//! A small cluster for tests: a controller, a schema of a few keys, and a driver that replays what is decided.

use std::sync::Arc;

use ottla_metadata::{
    ConfigMap, ConfigResource, ConfigResourceType, MetadataVersion, PartitionRegistration, VersionedRecord,
};
use ottla_protocol::messages::broker_registration_request::{Feature, Listener};
use ottla_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest, BrokerRegistrationResponse,
    CreateTopicsRequest, CreateTopicsResponse,
};
use ottla_protocol::{ErrorCode, Str, Uuid};

use crate::{
    BootstrapMetadata, ConfigKeyKind, ConfigSchema, ConfigSource, Controller, ControllerOptions,
    ControllerResult, EffectiveConfig, InvalidConfigs, RequestContext, RequestOrigin, TopicConfigLayers,
};

/// Topic keys with their defaults; a broker key of the same name is the synonym.
const TOPIC_KEYS: [(&str, &str, ConfigKeyKind); 5] = [
    ("cleanup.policy", "delete", ConfigKeyKind::List),
    ("min.insync.replicas", "1", ConfigKeyKind::Scalar),
    ("retention.ms", "604800000", ConfigKeyKind::Scalar),
    ("segment.bytes", "1073741824", ConfigKeyKind::Scalar),
    ("unclean.leader.election.enable", "false", ConfigKeyKind::Scalar),
];

/// A schema of a few keys.
pub(crate) struct TestSchema;

impl ConfigSchema for TestSchema {
    fn key_kind(&self, resource_type: ConfigResourceType, key: &str) -> Option<ConfigKeyKind> {
        match (resource_type, key) {
            (ConfigResourceType::Topic, key) => {
                TOPIC_KEYS.iter().find(|known| known.0 == key).map(|known| known.2)
            }
            (ConfigResourceType::Broker, "log.cleanup.policy") => Some(ConfigKeyKind::List),
            (ConfigResourceType::Broker, "log.retention.ms" | "listeners") => Some(ConfigKeyKind::Scalar),
            _ => None,
        }
    }

    fn default_value(&self, resource_type: ConfigResourceType, key: &str) -> Option<String> {
        let is_topic = resource_type == ConfigResourceType::Topic;
        TOPIC_KEYS.iter().find(|known| is_topic && known.0 == key).map(|known| known.1.to_owned())
    }

    fn is_supported(&self, resource_type: ConfigResourceType, key: &str) -> bool {
        resource_type != ConfigResourceType::Topic || self.key_kind(resource_type, key).is_some()
    }

    fn validate(
        &self,
        resource: &ConfigResource,
        new: &ConfigMap,
        _: &ConfigMap,
    ) -> Result<(), InvalidConfigs> {
        let invalid = |code, message| Err(InvalidConfigs { code, message });
        if resource.resource_type == ConfigResourceType::ClientMetrics && resource.name.is_empty() {
            return invalid(ErrorCode::InvalidRequest, "Subscription name can't be empty".to_owned());
        }
        for (key, value) in new {
            if resource.resource_type == ConfigResourceType::Topic
                && self.key_kind(resource.resource_type, key).is_none()
            {
                return invalid(ErrorCode::InvalidConfig, format!("Unknown topic config name: {key}"));
            }
            if key == "retention.ms" && value.parse::<i64>().is_err() {
                let message =
                    format!("Invalid value {value} for configuration {key}: Not a number of type LONG");
                return invalid(ErrorCode::InvalidConfig, message);
            }
        }
        Ok(())
    }

    fn validate_broker(&self, new: &ConfigMap, _: bool) -> Result<(), InvalidConfigs> {
        if new.contains_key("listeners") {
            let message = "Cannot update these configs dynamically: Set(listeners)".to_owned();
            return Err(InvalidConfigs { code: ErrorCode::InvalidRequest, message });
        }
        Ok(())
    }

    fn effective_topic_configs(&self, layers: TopicConfigLayers<'_>) -> Vec<EffectiveConfig> {
        let layers = [
            (layers.topic, ConfigSource::TopicConfig),
            (layers.broker, ConfigSource::DynamicBrokerConfig),
            (layers.cluster, ConfigSource::DynamicDefaultBrokerConfig),
        ];
        let effective = |(name, default, _): &(&str, &str, ConfigKeyKind)| {
            let set = layers.iter().find_map(|(map, source)| Some((map.get(*name)?.to_string(), *source)));
            let (value, source) = set.unwrap_or(((*default).to_owned(), ConfigSource::DefaultConfig));
            EffectiveConfig { name: (*name).to_owned(), value: Some(value), source, is_sensitive: false }
        };
        TOPIC_KEYS.iter().map(effective).collect()
    }

    fn effective_topic_config(&self, key: &str, layers: TopicConfigLayers<'_>) -> Option<String> {
        self.effective_topic_configs(layers).into_iter().find(|config| config.name == key)?.value
    }

    fn static_min_insync_replicas(&self) -> i32 {
        1
    }
}

/// A controller and its log.
pub(crate) struct World {
    pub(crate) controller: Controller,
    pub(crate) log: Vec<VersionedRecord>,
    pub(crate) now_ms: i64,
    pub(crate) next_id: u64,
}

pub(crate) const CLUSTER_ID: &str = "test-cluster";

pub(crate) fn options() -> ControllerOptions {
    ControllerOptions::new(0, CLUSTER_ID)
}

/// The id of a broker's only log directory.
pub(crate) fn directory(broker_id: i32) -> Uuid {
    Uuid::from_parts(0xd1, broker_id as u64)
}

impl World {
    /// An active controller of a new cluster without brokers, without ELR.
    pub(crate) fn empty() -> Self {
        Self::with(options(), MetadataVersion::LATEST_PRODUCTION, false)
    }

    /// As [`World::empty`], with unfenced brokers 0, 1, ...
    pub(crate) fn of_brokers(count: i32) -> Self {
        let mut world = Self::empty();
        (0..count).for_each(|id| world.start_broker(id));
        world
    }

    /// As [`World::of_brokers`], with eligible leader replicas.
    pub(crate) fn of_brokers_with_elr(count: i32) -> Self {
        let mut world = Self::with(options(), MetadataVersion::LATEST_PRODUCTION, true);
        (0..count).for_each(|id| world.start_broker(id));
        world
    }

    pub(crate) fn with(options: ControllerOptions, version: MetadataVersion, elr: bool) -> Self {
        let controller = Controller::new(options, Arc::new(TestSchema));
        let mut world = Self { controller, log: Vec::new(), now_ms: 1_000, next_id: 0 };
        let elr_version = Str::from("eligible.leader.replicas.version");
        let bootstrap = BootstrapMetadata::from_versions(version, &[(elr_version, i16::from(elr))].into());
        let result = world.controller.activate(&bootstrap, 0, world.now_ms).unwrap();
        world.append(result);
        world
    }

    /// What the driver does: append, replay, respond.
    pub(crate) fn append<R>(&mut self, result: ControllerResult<R>) -> R {
        for (record, version) in &result.records {
            // A record must survive the version that was chosen for it.
            let decoded = MetadataRecord::decode(record.encode(*version).unwrap()).unwrap();
            assert_eq!(decoded, (record.clone(), *version));
            self.controller.replay(record, self.log.len() as i64).unwrap();
            self.log.push((record.clone(), *version));
        }
        result.response
    }

    /// Runs an operation and gives what it decided, without applying it.
    pub(crate) fn decide<R>(
        &mut self,
        operation: impl FnOnce(&mut Controller, &mut RequestContext<'_>) -> ControllerResult<R>,
    ) -> ControllerResult<R> {
        self.decide_as(RequestOrigin::Broker, i16::MAX, operation)
    }

    pub(crate) fn decide_as<R>(
        &mut self,
        origin: RequestOrigin,
        api_version: i16,
        operation: impl FnOnce(&mut Controller, &mut RequestContext<'_>) -> ControllerResult<R>,
    ) -> ControllerResult<R> {
        let next_id = &mut self.next_id;
        let mut new_id = || {
            *next_id += 1;
            Uuid::from_parts(0x1d, *next_id)
        };
        let mut ctx = RequestContext {
            now_ms: self.now_ms,
            api_version,
            origin,
            new_id: &mut new_id,
            seed: 1,
            partition_changes: None,
        };
        operation(&mut self.controller, &mut ctx)
    }

    /// Runs an operation and applies what it decided.
    pub(crate) fn run<R>(
        &mut self,
        operation: impl FnOnce(&mut Controller, &mut RequestContext<'_>) -> ControllerResult<R>,
    ) -> R {
        let result = self.decide(operation);
        self.append(result)
    }

    pub(crate) fn register(&mut self, request: BrokerRegistrationRequest) -> BrokerRegistrationResponse {
        self.run(|controller, ctx| controller.register_broker(&request, ctx))
    }

    pub(crate) fn heartbeat(&mut self, request: BrokerHeartbeatRequest) -> BrokerHeartbeatResponse {
        self.run(|controller, ctx| controller.broker_heartbeat(&request, ctx))
    }

    /// Registers and unfences a broker.
    pub(crate) fn start_broker(&mut self, broker_id: i32) {
        assert_eq!(self.register(registration(broker_id, broker_id as u64)).error_code, 0);
        let response = self.heartbeat(self.beat(broker_id));
        assert!(!response.is_fenced && response.error_code == 0, "{response:?}");
    }

    /// A heartbeat of a broker that has read everything.
    pub(crate) fn beat(&self, broker_id: i32) -> BrokerHeartbeatRequest {
        BrokerHeartbeatRequest {
            broker_id,
            broker_epoch: self.controller.image().cluster.broker_epoch(broker_id),
            current_metadata_offset: self.log.len() as i64,
            ..Default::default()
        }
    }

    /// Fences a broker.
    pub(crate) fn fence(&mut self, broker_id: i32) {
        let request = BrokerHeartbeatRequest { want_fence: true, ..self.beat(broker_id) };
        assert!(self.heartbeat(request).is_fenced);
    }

    pub(crate) fn create_topics(&mut self, topics: Vec<CreatableTopic>) -> CreateTopicsResponse {
        let request = CreateTopicsRequest { topics, ..Default::default() };
        self.run(|controller, ctx| controller.create_topics(&request, ctx))
    }

    /// Creates a topic with one partition on each list of brokers.
    pub(crate) fn create_assigned(&mut self, name: &str, partitions: &[&[i32]]) {
        let assignments = partitions.iter().zip(0..).map(|(brokers, partition_index)| {
            CreatableReplicaAssignment { partition_index, broker_ids: brokers.to_vec() }
        });
        let topic = CreatableTopic { assignments: assignments.collect(), ..topic(name, -1, -1) };
        let response = self.create_topics(vec![topic]);
        assert_eq!(response.topics[0].error_code, 0, "{response:?}");
    }

    pub(crate) fn partition(&self, topic: &str, partition: i32) -> PartitionRegistration {
        (**self.controller.image().topics.partition(topic, partition).unwrap()).clone()
    }

    /// A controller that has replayed the log from its start.
    pub(crate) fn replayed(&self) -> Controller {
        let mut controller = Controller::new(self.controller.options.clone(), Arc::new(TestSchema));
        for (offset, (record, _)) in self.log.iter().enumerate() {
            controller.replay(record, offset as i64).unwrap();
        }
        controller
    }
}

pub(crate) fn topic(name: &str, num_partitions: i32, replication_factor: i16) -> CreatableTopic {
    CreatableTopic { name: name.into(), num_partitions, replication_factor, ..Default::default() }
}

pub(crate) fn configs(configs: &[(&str, Option<&str>)]) -> Vec<CreatableTopicConfig> {
    let config = |(name, value): &(&str, Option<&str>)| CreatableTopicConfig {
        name: Str::from(*name),
        value: value.map(Str::from),
    };
    configs.iter().map(config).collect()
}

/// A registration as a broker of this software sends it.
pub(crate) fn registration(broker_id: i32, incarnation: u64) -> BrokerRegistrationRequest {
    let feature = |(name, range): (Str, ottla_metadata::VersionRange)| Feature {
        name,
        min_supported_version: range.min,
        max_supported_version: range.max,
    };
    BrokerRegistrationRequest {
        broker_id,
        cluster_id: CLUSTER_ID.into(),
        incarnation_id: Uuid::from_parts(0x1c, incarnation),
        listeners: vec![Listener {
            name: "PLAINTEXT".into(),
            host: "localhost".into(),
            port: 9092,
            security_protocol: 0,
        }],
        features: ottla_metadata::feature::supported_features(true).into_iter().map(feature).collect(),
        rack: None,
        log_dirs: vec![directory(broker_id)],
        ..Default::default()
    }
}

/// Error code and text of a response's entry.
pub(crate) fn error(code: i16, message: &Option<Str>) -> (ErrorCode, Option<&str>) {
    (ErrorCode::from_code(code), message.as_deref())
}

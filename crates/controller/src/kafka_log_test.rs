//! Side by side with Apache Kafka: asked the same things in the same state, this controller writes the
//! records that Kafka 4.3.1 wrote. `fixtures/README.md` says how the log was made.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;
use ottla_metadata::{MetadataLoader, MetadataProvenance, VersionedRecord};
use ottla_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use ottla_protocol::messages::broker_registration_request::{Feature, Listener};
use ottla_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use ottla_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::update_features_request::FeatureUpdateKey;
use ottla_protocol::messages::*;
use ottla_protocol::records::BatchIter;
use ottla_protocol::{ErrorCode, Str, Uuid};

use crate::testing::{TestSchema, configs, topic};
use crate::{
    BootstrapMetadata, Controller, ControllerOptions, ControllerResult, Preprocessed, RequestContext,
    RequestOrigin, ScramKeys,
};

const LOG: &[u8] = include_bytes!("../fixtures/kafka-4.3.1-metadata.log");
const BOOTSTRAP: &[u8] = include_bytes!("../fixtures/kafka-4.3.1-bootstrap.checkpoint");

/// The records of a log, by offset; each is encoded again to the same bytes.
fn records(log: &'static [u8]) -> BTreeMap<i64, VersionedRecord> {
    let mut records = BTreeMap::new();
    for batch in BatchIter::new(log) {
        let batch = batch.unwrap();
        if batch.header().is_control() {
            continue;
        }
        for record in batch.records(1 << 20).unwrap() {
            let record = record.unwrap();
            let value: Bytes = record.value.unwrap();
            let (decoded, version) = MetadataRecord::decode(value.clone()).unwrap();
            assert_eq!(decoded.encode(version).unwrap(), value, "{decoded:?}");
            records.insert(record.offset, (decoded, version));
        }
    }
    records
}

/// A controller that is asked what Kafka was asked, and goes on with what Kafka wrote.
struct SideBySide {
    log: BTreeMap<i64, VersionedRecord>,
    controller: Controller,
    now_ms: i64,
    origin: RequestOrigin,
}

impl SideBySide {
    fn new() -> Self {
        // Kafka does not know that the broker's old process is gone.
        let options =
            ControllerOptions { is_combined: false, ..ControllerOptions::new(1, "4L6g3nShT-eMCtK--X86sw") };
        let controller = Controller::new(options, Arc::new(TestSchema));
        Self { log: records(LOG), controller, now_ms: 0, origin: RequestOrigin::Broker }
    }

    fn record<R>(&self, offset: i64, pick: impl FnOnce(&MetadataRecord) -> Option<R>) -> R {
        pick(&self.log[&offset].0).unwrap()
    }

    /// Compares a decision with Kafka's records at these offsets, in any order: Kafka's is that of its hash maps.
    fn same_records<R>(&mut self, offsets: RangeInclusive<i64>, result: ControllerResult<R>) -> R {
        let sorted = |records: Vec<VersionedRecord>| {
            let mut texts: Vec<String> = records.iter().map(|record| format!("{record:?}")).collect();
            texts.sort();
            texts
        };
        let theirs: Vec<VersionedRecord> =
            self.log.range(offsets.clone()).map(|(_, record)| record.clone()).collect();
        assert_eq!(sorted(result.records), sorted(theirs), "{offsets:?}");
        self.advance(offsets);
        result.response
    }

    fn advance(&mut self, offsets: RangeInclusive<i64>) {
        for (offset, (record, _)) in self.log.range(offsets) {
            self.controller.replay(record, *offset).unwrap();
        }
    }

    /// Asks for something, with the topic id that Kafka came upon.
    fn ask<R>(
        &mut self,
        offsets: RangeInclusive<i64>,
        operation: impl FnOnce(&mut Controller, &mut RequestContext<'_>) -> ControllerResult<R>,
    ) -> R {
        let topic_id = match &self.log[offsets.start()].0 {
            MetadataRecord::Topic(topic) => topic.topic_id,
            _ => Uuid::ZERO,
        };
        let mut new_id = || topic_id;
        let mut ctx = RequestContext {
            now_ms: self.now_ms,
            api_version: i16::MAX,
            origin: self.origin,
            new_id: &mut new_id,
            seed: 0,
            partition_changes: None,
        };
        let result = operation(&mut self.controller, &mut ctx);
        self.same_records(offsets, result)
    }

    fn activate(&mut self, offsets: RangeInclusive<i64>, next_write_offset: i64) {
        let bootstrap =
            BootstrapMetadata::from_records(records(BOOTSTRAP).into_values().collect(), "test").unwrap();
        let result = self.controller.activate(&bootstrap, next_write_offset, self.now_ms).unwrap();
        self.same_records(offsets, result);
    }

    fn register_controller(&mut self, offset: i64) {
        let request = self.record(offset, |record| match record {
            MetadataRecord::RegisterController(r) => Some(ControllerRegistrationRequest {
                controller_id: r.controller_id,
                incarnation_id: r.incarnation_id,
                zk_migration_ready: false,
                listeners: r
                    .end_points
                    .iter()
                    .map(|e| controller_registration_request::Listener {
                        name: e.name.clone(),
                        host: e.host.clone(),
                        port: e.port,
                        security_protocol: e.security_protocol,
                    })
                    .collect(),
                features: r
                    .features
                    .iter()
                    .map(|f| controller_registration_request::Feature {
                        name: f.name.clone(),
                        min_supported_version: f.min_supported_version,
                        max_supported_version: f.max_supported_version,
                    })
                    .collect(),
            }),
            _ => None,
        });
        self.ask(offset..=offset, |c, ctx| c.register_controller(&request, ctx));
    }

    /// The request that led to the RegisterBrokerRecord at an offset.
    fn registration(&self, offset: i64, previous_broker_epoch: i64) -> BrokerRegistrationRequest {
        self.record(offset, |record| match record {
            MetadataRecord::RegisterBroker(r) => Some(BrokerRegistrationRequest {
                broker_id: r.broker_id,
                cluster_id: "4L6g3nShT-eMCtK--X86sw".into(),
                incarnation_id: r.incarnation_id,
                listeners: r
                    .end_points
                    .iter()
                    .map(|e| Listener {
                        name: e.name.clone(),
                        host: e.host.clone(),
                        port: e.port,
                        security_protocol: e.security_protocol,
                    })
                    .collect(),
                features: r
                    .features
                    .iter()
                    .map(|f| Feature {
                        name: f.name.clone(),
                        min_supported_version: f.min_supported_version,
                        max_supported_version: f.max_supported_version,
                    })
                    .collect(),
                rack: r.rack.clone(),
                is_migrating_zk_broker: false,
                log_dirs: r.log_dirs.clone(),
                previous_broker_epoch,
            }),
            _ => None,
        })
    }

    fn register_broker(&mut self, offsets: RangeInclusive<i64>, previous_broker_epoch: i64) {
        let request = self.registration(*offsets.end(), previous_broker_epoch);
        let first = *offsets.start();
        let response = self.ask(offsets, |c, ctx| c.register_broker(&request, ctx));
        assert_eq!((response.error_code, response.broker_epoch), (0, first));
    }

    fn heartbeat(&mut self, offsets: RangeInclusive<i64>, metadata_offset: i64, want_shut_down: bool) {
        let request = BrokerHeartbeatRequest {
            broker_id: 1,
            broker_epoch: self.controller.image().cluster.broker_epoch(1),
            current_metadata_offset: metadata_offset,
            want_shut_down,
            cordoned_log_dirs: Some(Vec::new()),
            ..Default::default()
        };
        let response = self.ask(offsets, |c, ctx| c.broker_heartbeat(&request, ctx));
        assert_eq!(response.error_code, 0);
    }

    fn create(&mut self, offsets: RangeInclusive<i64>, topic: CreatableTopic) {
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        let response = self.ask(offsets, |c, ctx| c.create_topics(&request, ctx));
        assert_eq!(response.topics[0].error_code, 0, "{response:?}");
    }

    /// The broker says where it has put replicas.
    fn assign(&mut self, offset: i64) {
        let request = self.record(offset, |record| match record {
            MetadataRecord::PartitionChange(r) => Some(AssignReplicasToDirsRequest {
                broker_id: 1,
                broker_epoch: self.controller.image().cluster.broker_epoch(1),
                directories: vec![assign_replicas_to_dirs_request::DirectoryData {
                    id: r.directories.as_ref()?[0],
                    topics: vec![assign_replicas_to_dirs_request::TopicData {
                        topic_id: r.topic_id,
                        partitions: vec![assign_replicas_to_dirs_request::PartitionData {
                            partition_index: r.partition_id,
                        }],
                    }],
                }],
            }),
            _ => None,
        });
        self.ask(offset..=offset, |c, ctx| c.assign_replicas_to_dirs(&request, ctx));
    }

    fn add_partitions(&mut self, offsets: RangeInclusive<i64>, count: i32, assignment: Option<i32>) {
        let assignments =
            assignment.map(|broker| vec![CreatePartitionsAssignment { broker_ids: vec![broker] }]);
        let topics = vec![CreatePartitionsTopic { name: "a".into(), count, assignments }];
        let request = CreatePartitionsRequest { topics, ..Default::default() };
        self.ask(offsets, |c, ctx| c.create_partitions(&request, ctx));
    }

    fn alter(
        &mut self,
        offsets: RangeInclusive<i64>,
        (resource_type, name): (i8, &str),
        (key, config_operation, value): (&str, i8, Option<&str>),
    ) {
        let config = AlterableConfig { name: key.into(), config_operation, value: value.map(Str::from) };
        let resource =
            AlterConfigsResource { resource_type, resource_name: name.into(), configs: vec![config] };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let response = self.ask(offsets, |c, ctx| {
            c.incremental_alter_configs(&request, Preprocessed::new(), Preprocessed::new(), ctx)
        });
        assert_eq!(response.responses[0].error_code, 0, "{response:?}");
    }

    fn update_feature(&mut self, offset: i64, feature: &str, max_version_level: i16, upgrade_type: i8) {
        let update = FeatureUpdateKey {
            feature: feature.into(),
            max_version_level,
            upgrade_type,
            allow_downgrade: false,
        };
        let request = UpdateFeaturesRequest { feature_updates: vec![update], ..Default::default() };
        self.ask(offset..=offset, |c, ctx| c.update_features(&request, ctx));
    }

    fn quota(&mut self, offsets: RangeInclusive<i64>, entity: (&str, &str), ops: &[(&str, Option<f64>)]) {
        let op = |(key, value): &(&str, Option<f64>)| OpData {
            key: Str::from(*key),
            value: value.unwrap_or(0.0),
            remove: value.is_none(),
        };
        let entity = EntityData { entity_type: entity.0.into(), entity_name: Some(entity.1.into()) };
        let entries = vec![EntryData { entity: vec![entity], ops: ops.iter().map(op).collect() }];
        let request = AlterClientQuotasRequest { entries, validate_only: false };
        self.ask(offsets, |c, ctx| c.alter_client_quotas(&request, ctx));
    }

    fn scram(&mut self, offset: i64) {
        let record = self.record(offset, |record| match record {
            MetadataRecord::UserScramCredential(r) => Some(r.clone()),
            _ => None,
        });
        let upsertion = alter_user_scram_credentials_request::ScramCredentialUpsertion {
            name: record.name,
            mechanism: record.mechanism,
            iterations: record.iterations,
            salt: record.salt,
            salted_password: Bytes::new(),
        };
        let request = AlterUserScramCredentialsRequest { deletions: Vec::new(), upsertions: vec![upsertion] };
        let (stored_key, server_key) = (record.stored_key.to_vec(), record.server_key.to_vec());
        let keys = ScramKeys { stored_key, server_key };
        self.ask(offset..=offset, |c, ctx| {
            c.alter_user_scram_credentials(&request, &|_, _| keys.clone(), ctx)
        });
    }
}

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// A new cluster of one node, to the end of its first stop.
fn first_run(kafka: &mut SideBySide) {
    kafka.activate(1..=9, 1);
    kafka.register_controller(10);
    kafka.register_broker(11..=11, -1);
    kafka.heartbeat(12..=12, 10, false);
    kafka.heartbeat(13..=13, 12, false);
    kafka.create(14..=17, topic("a", 3, 1));
    let keys = [
        ("cleanup.policy", Some("compact")),
        ("min.insync.replicas", Some("1")),
        ("retention.ms", Some("5000")),
    ];
    kafka.create(18..=23, CreatableTopic { configs: configs(&keys), ..topic("b.c", 1, 1) });
    (24..=27).for_each(|offset| kafka.assign(offset));
    let assignment = |partition_index| create_topics_request::CreatableReplicaAssignment {
        partition_index,
        broker_ids: vec![1],
    };
    let assignments = vec![assignment(0), assignment(1)];
    kafka.create(28..=30, CreatableTopic { assignments, ..topic("as", -1, -1) });
    kafka.add_partitions(31..=32, 5, None);
    (33..=34).for_each(|offset| kafka.assign(offset));
    kafka.add_partitions(35..=35, 6, Some(1));
    (36..=37).for_each(|offset| kafka.assign(offset));
    let a = (TOPIC, "a");
    kafka.alter(38..=38, a, ("retention.ms", SET, Some("7")));
    kafka.assign(39);
    kafka.alter(40..=40, a, ("cleanup.policy", APPEND, Some("compact")));
    kafka.alter(41..=41, a, ("cleanup.policy", SUBTRACT, Some("delete")));
    kafka.alter(42..=43, a, ("min.insync.replicas", SET, Some("2")));
    kafka.alter(44..=44, a, ("retention.ms", DELETE, None));
    kafka.alter(45..=45, (BROKER, "1"), ("log.cleaner.threads", SET, Some("2")));
    kafka.alter(46..=46, (BROKER, ""), ("log.retention.ms", SET, Some("700000")));
    kafka.alter(47..=48, (BROKER, ""), ("min.insync.replicas", SET, Some("1")));
    kafka.alter(49..=49, (BROKER, ""), ("nope", SET, Some("2")));
    kafka.alter(50..=50, (32, "g"), ("consumer.session.timeout.ms", SET, Some("50000")));
    kafka.alter(51..=51, (16, "sub"), ("interval.ms", SET, Some("1000")));
    kafka.update_feature(52, "group.version", 1, 1);
    kafka.update_feature(53, "share.version", 0, 2);
    let rates = [("producer_byte_rate", Some(1000.0)), ("request_percentage", Some(12.5))];
    kafka.quota(54..=55, ("user", "alice"), &rates);
    kafka.quota(56..=56, ("user", "alice"), &[("request_percentage", None)]);
    kafka.quota(57..=57, ("ip", "1.2.3.4"), &[("connection_creation_rate", Some(3.0))]);
    kafka.scram(58);
    let request = DeleteTopicsRequest { topic_names: vec!["as".into()], ..Default::default() };
    kafka.ask(59..=59, |c, ctx| c.delete_topics(&request, ctx));
    kafka.create(60..=61, topic("as", 1, 1));
    kafka.create(62..=63, topic("dflt", -1, -1));
    kafka.heartbeat(64..=73, 63, true);
    (74..=75).for_each(|offset| kafka.assign(offset));
    kafka.heartbeat(76..=76, 75, true);
    kafka.controller.deactivate();
}

/// After a clean stop; ends with a kill.
fn second_run(kafka: &mut SideBySide) {
    kafka.now_ms = 100_000;
    kafka.activate(77..=77, 78);
    kafka.register_controller(78);
    kafka.register_broker(79..=79, 11);
    kafka.heartbeat(80..=80, 78, false);
    kafka.heartbeat(81..=90, 80, false);
    kafka.create(91..=92, topic("late", 1, 1));
    kafka.assign(93);
    kafka.controller.deactivate();
}

/// After a kill: until the session of the old process is over, nobody else may be this broker.
fn third_run(kafka: &mut SideBySide) {
    kafka.now_ms = 200_000;
    kafka.activate(94..=94, 95);
    kafka.register_controller(95);
    let early = kafka.registration(117, -1);
    let mut new_id = || Uuid::ZERO;
    let mut ctx = RequestContext {
        now_ms: kafka.now_ms,
        api_version: 4,
        origin: RequestOrigin::Controller,
        new_id: &mut new_id,
        seed: 0,
        partition_changes: None,
    };
    let refused = kafka.controller.register_broker(&early, &mut ctx).response;
    assert_eq!(ErrorCode::from_code(refused.error_code), ErrorCode::DuplicateBrokerRegistration);
    kafka.now_ms += 9_001;
    let fenced = kafka.controller.maybe_fence_one_stale_broker(kafka.now_ms);
    kafka.same_records(96..=106, fenced);
    kafka.register_broker(107..=117, -1);
    kafka.heartbeat(118..=118, 116, false);
    kafka.heartbeat(119..=129, 118, false);
    kafka.heartbeat(130..=140, 129, true);
    kafka.heartbeat(141..=141, 140, true);
}

#[test]
fn the_same_records_as_kafka() {
    let mut kafka = SideBySide::new();
    first_run(&mut kafka);
    second_run(&mut kafka);
    third_run(&mut kafka);
    assert_eq!(kafka.controller.next_write_offset(), 142);
    assert_eq!(kafka.log.last_key_value().map(|(offset, _)| *offset), Some(141));
}

#[test]
fn kafkas_log_as_an_image() {
    let mut controller = Controller::new(ControllerOptions::new(1, "c"), Arc::new(TestSchema));
    let mut loader = MetadataLoader::default();
    for (offset, (record, _)) in records(LOG) {
        controller.replay(&record, offset).unwrap();
        let provenance = MetadataProvenance { last_contained_offset: offset, ..Default::default() };
        loader.replay(&record, provenance).unwrap();
    }
    let published = loader.publish().unwrap();
    let image = ottla_metadata::MetadataImage {
        provenance: MetadataProvenance::default(),
        ..(*published.image).clone()
    };
    assert_eq!(&image, controller.image());
    let topics: Vec<_> = image.topics.iter().map(|t| (t.name.to_string(), t.partitions.len())).collect();
    let expected = [("a", 6), ("as", 1), ("b.c", 1), ("dflt", 1), ("late", 1)];
    assert_eq!(topics, expected.map(|(name, partitions)| (name.to_owned(), partitions)));
    // A snapshot of it holds all of it.
    let mut loaded = ottla_metadata::MetadataImage::default();
    image.to_records().unwrap().iter().for_each(|(record, _)| loaded.replay(record).unwrap());
    assert_eq!(loaded, image);
}

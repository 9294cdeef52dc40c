//! Images under random histories.

use std::sync::Arc;

use bytes::Bytes;
use ottla_protocol::messages::client_quota_record::EntityData;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::register_broker_record::{BrokerEndpoint, BrokerFeature};
use ottla_protocol::messages::register_controller_record::ControllerEndpoint;
use ottla_protocol::messages::*;
use ottla_protocol::{Str, Uuid};
use proptest::prelude::*;

use super::*;
use crate::{MetadataDelta, NO_LEADER};

/// Raw material of one record.
#[derive(Clone, Copy, Debug)]
struct Step {
    kind: u8,
    a: u8,
    b: u8,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0u8..23, 0u8..8, any::<u8>()).prop_map(|(kind, a, b)| Step { kind, a, b });
    proptest::collection::vec(step, 0..80)
}

fn id(a: u8) -> Uuid {
    Uuid::from_parts(100, u64::from(a))
}

fn name(prefix: &str, a: u8) -> Str {
    Str::from(format!("{prefix}{a}"))
}

fn replicas(b: u8) -> Vec<i32> {
    (0..i32::from(b % 3) + 1).collect()
}

fn register_broker(a: u8, b: u8) -> MetadataRecord {
    MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker_id: i32::from(a),
        broker_epoch: i64::from(a),
        incarnation_id: id(b),
        end_points: vec![BrokerEndpoint {
            name: "PLAINTEXT".into(),
            host: name("host", b),
            port: 9092,
            security_protocol: 0,
        }],
        features: vec![BrokerFeature {
            name: "group.version".into(),
            min_supported_version: 0,
            max_supported_version: 1,
        }],
        rack: b.is_multiple_of(2).then(|| name("rack", b)),
        fenced: b.is_multiple_of(3),
        log_dirs: vec![id(b), id(a)],
        cordoned_log_dirs: b.is_multiple_of(5).then(|| vec![id(b)]),
        ..Default::default()
    })
}

fn partition(a: u8, b: u8) -> MetadataRecord {
    MetadataRecord::Partition(PartitionRecord {
        partition_id: i32::from(b % 4),
        topic_id: id(a),
        replicas: replicas(b),
        isr: replicas(b),
        leader: if b > 200 { NO_LEADER } else { 0 },
        leader_recovery_state: (b % 2) as i8,
        leader_epoch: i32::from(b),
        partition_epoch: i32::from(b),
        directories: if b < 100 { replicas(b).iter().map(|r| id(*r as u8)).collect() } else { Vec::new() },
        eligible_leader_replicas: (b > 128).then(|| vec![7]),
        last_known_elr: (b > 230).then(|| vec![8]),
        ..Default::default()
    })
}

fn security(step: Step) -> MetadataRecord {
    let Step { a, b, .. } = step;
    match step.kind {
        14 => MetadataRecord::AccessControlEntry(AccessControlEntryRecord {
            id: id(a),
            resource_type: 2,
            resource_name: name("t", b),
            pattern_type: 3,
            principal: "User:alice".into(),
            host: "*".into(),
            operation: 3,
            permission_type: 3,
        }),
        15 => MetadataRecord::RemoveAccessControlEntry(RemoveAccessControlEntryRecord { id: id(a) }),
        16 => MetadataRecord::UserScramCredential(UserScramCredentialRecord {
            name: name("user", a),
            mechanism: 1 + (b % 2) as i8,
            salt: Bytes::from(vec![b; 4]),
            iterations: i32::from(b),
            ..Default::default()
        }),
        17 => MetadataRecord::RemoveUserScramCredential(RemoveUserScramCredentialRecord {
            name: name("user", a),
            mechanism: 1 + (b % 2) as i8,
        }),
        18 => MetadataRecord::DelegationToken(DelegationTokenRecord {
            token_id: name("token", a),
            owner: "User:bob".into(),
            renewers: vec!["User:carol".into()],
            issue_timestamp: i64::from(b),
            ..Default::default()
        }),
        _ => {
            MetadataRecord::RemoveDelegationToken(RemoveDelegationTokenRecord { token_id: name("token", a) })
        }
    }
}

fn record(step: Step) -> MetadataRecord {
    let Step { a, b, .. } = step;
    let (broker_id, broker_epoch) = (i32::from(a), i64::from(a));
    match step.kind {
        0 => register_broker(a, b),
        1 => MetadataRecord::UnregisterBroker(UnregisterBrokerRecord { broker_id, broker_epoch }),
        2 => MetadataRecord::FenceBroker(FenceBrokerRecord { id: broker_id, epoch: broker_epoch }),
        3 => MetadataRecord::UnfenceBroker(UnfenceBrokerRecord { id: broker_id, epoch: broker_epoch }),
        4 => MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
            broker_id,
            broker_epoch,
            fenced: (b % 3) as i8 - 1,
            in_controlled_shutdown: (b % 2) as i8,
            log_dirs: if b > 128 { vec![id(b)] } else { Vec::new() },
            cordoned_log_dirs: (b > 200).then(Vec::new),
        }),
        5 => MetadataRecord::RegisterController(RegisterControllerRecord {
            controller_id: broker_id,
            incarnation_id: id(b),
            end_points: vec![ControllerEndpoint {
                name: "CONTROLLER".into(),
                host: "h".into(),
                port: 9093,
                security_protocol: 0,
            }],
            ..Default::default()
        }),
        6 => MetadataRecord::Topic(TopicRecord { name: name("t", a), topic_id: id(a) }),
        7 | 20 => partition(a, b),
        8 => MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: i32::from(b % 4),
            topic_id: id(a),
            isr: (b > 100).then(|| vec![0]),
            leader: if b > 128 { 0 } else { -2 },
            ..Default::default()
        }),
        9 => MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: id(a) }),
        10 => {
            let topic_name = if b > 128 { Str::new() } else { name("t", a) };
            MetadataRecord::ClearElr(ClearElrRecord { topic_name })
        }
        11 | 21 => MetadataRecord::Config(ConfigRecord {
            resource_type: [2, 4, 16, 32][usize::from(b % 4)],
            resource_name: name("t", a),
            name: name("key", b % 3),
            value: (b > 60).then(|| name("value", b)),
        }),
        12 => MetadataRecord::FeatureLevel(FeatureLevelRecord {
            name: [Str::from("group.version"), Str::from("eligible.leader.replicas.version")]
                [usize::from(a % 2)]
            .clone(),
            feature_level: i16::from(b % 2),
        }),
        13 | 22 => MetadataRecord::ClientQuota(ClientQuotaRecord {
            entity: vec![EntityData {
                entity_type: "user".into(),
                entity_name: (a > 0).then(|| name("u", a)),
            }],
            key: name("key", b % 2),
            value: f64::from(b),
            remove: b > 200,
        }),
        14..=19 => security(step),
        _ => MetadataRecord::NoOp(NoOpRecord {}),
    }
}

/// An image after those steps that make sense, at the latest stable version with ELR as the steps have it.
fn image(steps: &[Step]) -> MetadataImage {
    let mut image = MetadataImage::default();
    let level = MetadataVersion::LATEST_PRODUCTION.feature_level();
    let version = FeatureLevelRecord { name: "metadata.version".into(), feature_level: level };
    image.replay(&MetadataRecord::FeatureLevel(version)).unwrap();
    for step in steps {
        let before = image.clone();
        if image.replay(&record(*step)).is_err() {
            assert_eq!(image, before, "a refused record must change nothing");
        }
    }
    image
}

fn replayed(records: &[VersionedRecord]) -> MetadataImage {
    let mut image = MetadataImage::default();
    for (record, version) in records {
        // What is written must also survive its encoding.
        let (decoded, decoded_version) = MetadataRecord::decode(record.encode(*version).unwrap()).unwrap();
        assert_eq!((&decoded, decoded_version), (record, *version));
        image.replay(&decoded).unwrap();
    }
    image
}

fn with_elr_switch(mut image: MetadataImage, on: bool) -> MetadataImage {
    let name = Str::from("eligible.leader.replicas.version");
    let record = FeatureLevelRecord { name, feature_level: i16::from(on) };
    image.replay(&MetadataRecord::FeatureLevel(record)).unwrap();
    image
}

proptest! {
    #[test]
    fn a_snapshot_gives_the_same_image(steps in steps()) {
        let image = with_elr_switch(image(&steps), true);
        let records = image.to_records().unwrap();
        prop_assert_eq!(replayed(&records), image);
    }

    #[test]
    fn without_the_feature_elrs_are_not_written(steps in steps()) {
        let mut image = with_elr_switch(image(&steps), false);
        let records = image.to_records().unwrap();
        image.replay(&MetadataRecord::ClearElr(ClearElrRecord { topic_name: Str::new() })).unwrap();
        let mut replayed = replayed(&records);
        // Clearing bumps epochs, which a snapshot without ELRs does not show: compare all but the topics.
        replayed.topics = image.topics.clone();
        prop_assert_eq!(replayed, image);
    }

    #[test]
    fn an_image_never_changes_under_its_reader(first in steps(), then in steps()) {
        let mut later = image(&first);
        let kept = later.clone();
        let copy = replayed(&with_elr_switch(kept.clone(), true).to_records().unwrap());
        for step in then {
            let _ = later.replay(&record(step));
        }
        prop_assert_eq!(with_elr_switch(kept, true), copy);
    }

    #[test]
    fn changes_are_exactly_what_differs(first in steps(), then in steps()) {
        let base = image(&first);
        let mut delta = MetadataDelta::new(&base);
        for step in then {
            let _ = delta.replay(&record(step));
        }
        let changes = delta.changes();
        let mut everything = MetadataDelta::for_snapshot(&base);
        let records = with_elr_switch(delta.image().clone(), true).to_records().unwrap();
        records.iter().for_each(|(record, _)| everything.replay(record).unwrap());
        let mut expected = everything.changes();
        let elr = Str::from("eligible.leader.replicas.version");
        expected.features.remove(&elr);
        let mut without_elr = changes.clone();
        without_elr.features.remove(&elr);
        prop_assert_eq!(without_elr, expected);
        prop_assert_eq!(changes.is_empty(), *delta.image() == base);
    }
}

#[test]
fn a_change_shares_all_other_topics() {
    let mut image = MetadataImage::default();
    for a in 0..100 {
        image.replay(&MetadataRecord::Topic(TopicRecord { name: name("t", a), topic_id: id(a) })).unwrap();
        image.replay(&partition(a, 3)).unwrap();
    }
    let mut next = image.clone();
    next.replay(&partition(42, 7)).unwrap();
    let shared =
        |a| Arc::ptr_eq(image.topics.topic_by_id(id(a)).unwrap(), next.topics.topic_by_id(id(a)).unwrap());
    assert_eq!((0..100).filter(|a| !shared(*a)).collect::<Vec<_>>(), [42]);
}

#[test]
fn names_in_pages() {
    let mut image = MetadataImage::default();
    for a in [3, 1, 2] {
        image.replay(&MetadataRecord::Topic(TopicRecord { name: name("t", a), topic_id: id(a) })).unwrap();
    }
    let names: Vec<_> = image.topics.names_from("t2").map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["t2", "t3"]);
    assert_eq!(image.topics.iter().map(|t| t.id).collect::<Vec<_>>(), [id(1), id(2), id(3)]);
    assert_eq!(image.topics.topic_name(id(3)).map(|n| &**n), Some("t3"));
}

#[test]
fn contradictions_are_refused() {
    let mut image = image(&[]);
    let refused = |image: &mut MetadataImage, record| image.replay(&record).unwrap_err();
    assert!(matches!(refused(&mut image, partition(1, 1)), ReplayError::UnknownTopicId { .. }));
    let topic = MetadataRecord::Topic(TopicRecord { name: "a".into(), topic_id: id(1) });
    image.replay(&topic).unwrap();
    assert!(matches!(refused(&mut image, topic), ReplayError::DuplicateTopic { .. }));
    let change = PartitionChangeRecord { topic_id: id(1), partition_id: 0, ..Default::default() };
    assert!(matches!(
        refused(&mut image, MetadataRecord::PartitionChange(change)),
        ReplayError::UnknownPartition { .. }
    ));
    let level = FeatureLevelRecord { name: "metadata.version".into(), feature_level: 99 };
    let error = refused(&mut image, MetadataRecord::FeatureLevel(level));
    assert!(matches!(error, ReplayError::UnsupportedMetadataVersion { level: 99, min: 7, max: 31 }));
    let ids = |next_producer_id| {
        MetadataRecord::ProducerIds(ProducerIdsRecord { next_producer_id, ..Default::default() })
    };
    image.replay(&ids(1000)).unwrap();
    assert_eq!(image.producer_ids.next_producer_id(), 1000);
    assert!(matches!(refused(&mut image, ids(1000)), ReplayError::ProducerIdsGoBack { .. }));
    let marker = MetadataRecord::EndTransaction(EndTransactionRecord {});
    assert!(matches!(refused(&mut image, marker), ReplayError::TransactionMarker { .. }));
}

#[test]
fn what_a_version_cannot_say_is_an_error() {
    let mut image = MetadataImage::default();
    image.replay(&register_broker(1, 1)).unwrap();
    let mut options = image.writer_options();
    assert_eq!(options.metadata_version, MetadataVersion::MINIMUM);
    let error = image.write(&options, &mut |_| {}).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Metadata has been lost because the following could not be represented in metadata.version \
         3.3-IV3: the online log directories of one or more brokers"
    );
    options.metadata_version = MetadataVersion::LATEST_PRODUCTION;
    image.write(&options, &mut |_| {}).unwrap();
}

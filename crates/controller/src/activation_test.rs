use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::testing::{TestSchema, World, options, topic};

fn controller() -> Controller {
    Controller::new(options(), Arc::new(TestSchema))
}

fn bootstrap(version: MetadataVersion) -> BootstrapMetadata {
    BootstrapMetadata::for_new_cluster(version, &BTreeMap::new()).unwrap()
}

fn names(records: &[VersionedRecord]) -> Vec<&'static str> {
    records.iter().map(|(record, _)| record.name()).collect()
}

fn replay(controller: &mut Controller, records: &[VersionedRecord], offset: i64) {
    for (at, (record, _)) in records.iter().enumerate() {
        controller.replay(record, offset + at as i64).unwrap();
    }
}

#[test]
fn an_empty_log() {
    let mut controller = controller();
    let result = controller.activate(&bootstrap(MetadataVersion::LATEST_PRODUCTION), 0, 0).unwrap();
    let features = ["FeatureLevelRecord"; 6];
    let expected =
        [&["BeginTransactionRecord"][..], &features, &["ConfigRecord"], &["EndTransactionRecord"]].concat();
    assert_eq!(names(&result.records), expected);
    assert!(!result.is_atomic && controller.is_active());
    let (MetadataRecord::BeginTransaction(begin), 0) = &result.records[0] else { panic!() };
    assert_eq!(begin.name.as_deref(), Some("Bootstrap records"));
    let (MetadataRecord::Config(config), 0) = &result.records[7] else { panic!() };
    assert_eq!((&*config.name, &*config.resource_name, config.resource_type), ("min.insync.replicas", "", 4));
    replay(&mut controller, &result.records, 0);
    assert_eq!(controller.metadata_version(), MetadataVersion::LATEST_PRODUCTION);
    assert_eq!((controller.next_write_offset(), controller.transaction_start_offset()), (9, None));
}

#[test]
fn an_empty_log_of_an_old_version() {
    let result = controller().activate(&bootstrap(MetadataVersion::V3_4_IV0), 0, 0).unwrap();
    assert_eq!(names(&result.records), ["FeatureLevelRecord"]);
    assert!(result.is_atomic);
}

#[test]
fn a_log_that_goes_on() {
    let world = World::of_brokers(1);
    let mut controller = world.replayed();
    assert!(!controller.is_active());
    let end = world.log.len() as i64;
    let result = controller.activate(&bootstrap(MetadataVersion::MINIMUM), end + 3, 77).unwrap();
    assert!(result.records.is_empty());
    assert_eq!(controller.next_write_offset(), end + 3);
    assert_eq!(controller.next_session_expiry_ms(), Some(77 + 9_001));
}

#[test]
fn bootstrapping_that_was_cut_short() {
    let mut controller = controller();
    let bootstrap = bootstrap(MetadataVersion::LATEST_PRODUCTION);
    let result = controller.activate(&bootstrap, 0, 0).unwrap();
    controller.deactivate();
    replay(&mut controller, &result.records[..4], 0);
    let again = controller.activate(&bootstrap, 4, 0).unwrap();
    assert_eq!(
        names(&again.records)[..3],
        ["AbortTransactionRecord", "BeginTransactionRecord", "FeatureLevelRecord"]
    );
    replay(&mut controller, &again.records, 4);
    assert_eq!(controller.metadata_version(), MetadataVersion::LATEST_PRODUCTION);
    assert_eq!(controller.transaction_start_offset(), None);
}

#[test]
fn a_transaction_left_open() {
    let mut world = World::of_brokers(1);
    let before = world.controller.checkpoint();
    let begin = MetadataRecord::BeginTransaction(BeginTransactionRecord { name: None });
    world.append(ControllerResult::of(vec![(begin.clone(), 0)], ()));
    world.create_topics(vec![topic("a", 1, 1)]);
    let mut controller = world.replayed();
    assert!(controller.replay(&begin, 99).is_err(), "transactions do not nest");
    let end = world.log.len() as i64;
    let result = controller.activate(&bootstrap(MetadataVersion::LATEST_PRODUCTION), end, 0).unwrap();
    assert_eq!(names(&result.records), ["AbortTransactionRecord"]);
    replay(&mut controller, &result.records, end);
    assert!(controller.image().topics.is_empty());
    // But for how far the log has been read, it is as it was.
    controller.next_write_offset = before_offset(&world);
    assert_eq!(controller.checkpoint(), before);
    let end = MetadataRecord::EndTransaction(EndTransactionRecord {});
    assert!(controller.replay(&end, 100).is_err(), "there is none to end");
}

/// Offset at which the transaction of the test began.
fn before_offset(world: &World) -> i64 {
    world.controller.transaction_start_offset().unwrap()
}

#[test]
fn a_version_without_transactions_cannot_abort_one() {
    let mut controller = controller();
    let begin = MetadataRecord::BeginTransaction(BeginTransactionRecord { name: None });
    controller.replay(&begin, 0).unwrap();
    let error = controller.activate(&bootstrap(MetadataVersion::V3_4_IV0), 1, 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Detected in-progress transaction at offset 0, but the metadata.version 3.4-IV0 does not support transactions. \
         Cannot continue."
    );
}

use ottla_protocol::messages::update_features_request::FeatureUpdateKey;

use super::*;
use crate::RequestOrigin;
use crate::testing::{World, error, options};

const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const UNSAFE_DOWNGRADE: i8 = 3;

fn request(updates: &[(&str, i16, i8)]) -> UpdateFeaturesRequest {
    let update = |(feature, max_version_level, upgrade_type): &(&str, i16, i8)| FeatureUpdateKey {
        feature: Str::from(*feature),
        max_version_level: *max_version_level,
        upgrade_type: *upgrade_type,
        ..Default::default()
    };
    UpdateFeaturesRequest { feature_updates: updates.iter().map(update).collect(), ..Default::default() }
}

fn run(world: &mut World, updates: &[(&str, i16, i8)]) -> UpdateFeaturesResponse {
    let request = request(updates);
    world.run(|controller, ctx| controller.update_features(&request, ctx))
}

/// The reason of a refusal.
fn refused(world: &mut World, updates: &[(&str, i16, i8)]) -> String {
    let before = world.log.len();
    let response = run(world, updates);
    assert_eq!(world.log.len(), before);
    let (code, message) = error(response.error_code, &response.error_message);
    assert_eq!(code, ErrorCode::InvalidUpdateVersion);
    let prefix = "The update failed for all features since the following feature had an error: ";
    message.unwrap().strip_prefix(prefix).unwrap().to_owned()
}

#[test]
fn up_and_down() {
    let mut world = World::of_brokers(1);
    let result = world.decide(|c, ctx| c.update_features(&request(&[("group.version", 1, UPGRADE)]), ctx));
    assert_eq!(result.records, [level_record("group.version".into(), 1)]);
    assert!(result.is_atomic);
    let response = world.append(result);
    assert_eq!((response.error_code, response.error_message, response.results.len()), (0, None, 0));
    assert_eq!(
        refused(&mut world, &[("group.version", 0, UPGRADE)]),
        "Invalid update version 0 for feature group.version. Can't downgrade the version of this feature without \
         setting the upgrade type to either safe or unsafe downgrade."
    );
    assert_eq!(run(&mut world, &[("group.version", 0, SAFE_DOWNGRADE)]).error_code, 0);
    assert_eq!(world.controller.image().features.level("group.version"), 0);
    assert_eq!(
        refused(&mut world, &[("group.version", 1, SAFE_DOWNGRADE)]),
        "Invalid update version 1 for feature group.version. Can't downgrade to a newer version."
    );
}

#[test]
fn old_clients_hear_of_each_feature() {
    let mut world = World::of_brokers(1);
    let request = request(&[("group.version", 1, UPGRADE)]);
    let result = world.decide_as(RequestOrigin::Broker, 1, |c, ctx| c.update_features(&request, ctx));
    let results = &result.response.results;
    assert_eq!((&*results[0].feature, results[0].error_message.as_deref()), ("group.version", Some("NONE")));
}

#[test]
fn validate_only() {
    let mut world = World::of_brokers(1);
    let request = UpdateFeaturesRequest { validate_only: true, ..request(&[("group.version", 1, UPGRADE)]) };
    let result = world.decide(|c, ctx| c.update_features(&request, ctx));
    assert!(result.records.is_empty() && result.response.error_code == 0);
}

#[test]
fn refusals() {
    let mut world = World::of_brokers(1);
    assert_eq!(
        refused(&mut world, &[("group.version", 1, 9)]),
        "Invalid update version 1 for feature group.version. The controller does not support the given upgrade type."
    );
    assert_eq!(
        refused(&mut world, &[("group.version", -1, UPGRADE)]),
        "Invalid update version -1 for feature group.version. A feature version cannot be less than 0."
    );
    assert_eq!(
        refused(&mut world, &[("group.version", 2, UPGRADE)]),
        "Invalid update version 2 for feature group.version. Local controller 0 only supports versions 0-1"
    );
    assert_eq!(
        refused(&mut world, &[("nope", 1, UPGRADE)]),
        "Invalid update version 1 for feature nope. Local controller 0 does not support this feature."
    );
    assert_eq!(
        refused(&mut world, &[("nope", 0, UPGRADE)]),
        "Invalid update version 0 for feature nope. Feature nope not found."
    );
    // One refusal is enough for all.
    refused(&mut world, &[("share.version", 1, UPGRADE), ("nope", 1, UPGRADE)]);
    assert_eq!(world.controller.image().features.level("share.version"), 0);
}

#[test]
fn all_nodes_must_support_it() {
    let mut world = World::empty();
    let mut old = crate::testing::registration(4, 4);
    old.features.retain(|feature| feature.name != "share.version");
    assert_eq!(world.register(old).error_code, 0);
    assert_eq!(
        refused(&mut world, &[("share.version", 1, UPGRADE)]),
        "Invalid update version 1 for feature share.version. Broker 4 does not support this feature."
    );
    let mut options = options();
    options.quorum_node_ids = vec![0, 7];
    let mut world = World::with(options, MetadataVersion::LATEST_PRODUCTION, false);
    assert_eq!(
        refused(&mut world, &[("share.version", 1, UPGRADE)]),
        "Invalid update version 1 for feature share.version. controller 7 has not registered, and may not support \
         this feature"
    );
}

#[test]
fn metadata_versions() {
    let mut world = World::of_brokers(1);
    let name = "metadata.version";
    assert_eq!(run(&mut world, &[(name, 30, UPGRADE)]).error_code, 0);
    assert_eq!(
        refused(&mut world, &[(name, 31, UPGRADE)]),
        "Invalid update version 31 for feature metadata.version. Local controller 0 only supports versions 7-30"
    );
    assert_eq!(
        refused(&mut world, &[(name, 29, SAFE_DOWNGRADE)]),
        "Unsupported metadata.version downgrade from 30 to 29. Refusing to perform the requested downgrade because it \
         might delete metadata information."
    );
    assert_eq!(
        refused(&mut world, &[(name, 29, UNSAFE_DOWNGRADE)]),
        "Unsupported metadata.version downgrade from 30 to 29. Unsafe metadata downgrade is not supported in this \
         version."
    );
    let mut world = World::with(options(), MetadataVersion::V4_2_IV1, false);
    assert_eq!(run(&mut world, &[(name, 24, SAFE_DOWNGRADE)]).error_code, 0);
    assert_eq!(world.controller.image().features.metadata_version(), Some(MetadataVersion::V4_0_IV2));
}

#[test]
fn the_version_of_the_quorum() {
    let mut world = World::of_brokers(1);
    let name = "kraft.version";
    assert_eq!(run(&mut world, &[(name, 0, UPGRADE)]).error_code, 0);
    assert_eq!(world.log.last().map(|(record, _)| record.name()), Some("NoOpRecord"));
    assert_eq!(
        refused(&mut world, &[(name, 1, UPGRADE)]),
        "Invalid upgrade of kraft.version from version KRAFT_VERSION_0 to KRAFT_VERSION_1"
    );
    let mut options = options();
    options.kraft_version = 1;
    let mut world = World::with(options, MetadataVersion::LATEST_PRODUCTION, false);
    assert_eq!(
        refused(&mut world, &[(name, 0, SAFE_DOWNGRADE)]),
        "Invalid update version 0 for feature kraft.version. Can't downgrade the version of this feature."
    );
}

#[test]
fn switching_elr_on_settles_the_minimum() {
    let mut world = World::of_brokers(1);
    let record = |resource_name: &str, value: Option<&str>| {
        let record = ConfigRecord {
            resource_type: 4,
            resource_name: resource_name.into(),
            name: "min.insync.replicas".into(),
            value: value.map(Str::from),
        };
        (MetadataRecord::Config(record), 0)
    };
    world.append(ControllerResult::of(vec![record("0", Some("2"))], ()));
    let name = "eligible.leader.replicas.version";
    let result = world.decide(|c, ctx| c.update_features(&request(&[(name, 1, UPGRADE)]), ctx));
    assert_eq!(result.records, [record("", Some("1")), record("0", None), level_record(name.into(), 1)]);
    world.append(result);
    assert!(world.controller.is_elr_enabled());
}

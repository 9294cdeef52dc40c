//! `version-mapping` and `feature-dependencies`.

use ottla_metadata::MetadataVersion;
use ottla_metadata::feature::{FEATURES, Feature};

use crate::{Args, Failure, Io, outln};

/// Prints the features of a release.
///
/// # Errors
/// When there is no such release.
pub fn version_mapping(args: &Args, io: &mut Io) -> Result<(), Failure> {
    let release = args.value("release-version")?.unwrap_or(MetadataVersion::LATEST_PRODUCTION.name());
    let version = MetadataVersion::from_version_string(release, true)
        .map_err(|why| Failure::message(why.to_string()))?;
    outln!(io, "metadata.version={} ({release})", version.feature_level());
    for feature in FEATURES {
        outln!(io, "{}={}", feature.name, feature.default_level(version));
    }
    Ok(())
}

/// Prints what levels of features need.
///
/// # Errors
/// When a feature or level does not exist.
pub fn dependencies(args: &Args, io: &mut Io) -> Result<(), Failure> {
    for given in args.values("feature") {
        let (name, level) = given.split_once('=').ok_or_else(|| {
            Failure::message(format!(
                "Invalid feature format: {given}. Expected format: 'feature=version' (e.g. 'group.version=1')"
            ))
        })?;
        let (name, level) = (name.trim(), level.trim());
        let level: i16 = level
            .parse()
            .map_err(|_| Failure::message(format!("Invalid version format: {level} for feature {name}")))?;
        print_dependencies(name, level, io)?;
    }
    Ok(())
}

fn print_dependencies(name: &str, level: i16, io: &mut Io) -> Result<(), Failure> {
    if name == MetadataVersion::FEATURE_NAME {
        let version = MetadataVersion::from_feature_level(level)
            .ok_or_else(|| Failure::message(format!("Unknown metadata.version {level}")))?;
        outln!(io, "{name}={level} ({}) has no dependencies.", version.name());
        return Ok(());
    }
    let feature =
        Feature::from_name(name).map_err(|_| Failure::message(format!("Unknown feature: {name}")))?;
    let definition = feature.levels.iter().find(|l| l.level == level).ok_or_else(|| {
        Failure::message(format!("Feature level {level} is not supported for feature {name}"))
    })?;
    if definition.dependencies.is_empty() {
        outln!(io, "{name}={level} has no dependencies.");
        return Ok(());
    }
    outln!(io, "{name}={level} requires:");
    for (dependency, needed) in definition.dependencies {
        let version = MetadataVersion::from_feature_level(*needed);
        match version.filter(|_| *dependency == MetadataVersion::FEATURE_NAME) {
            Some(version) => outln!(io, "    {dependency}={needed} ({})", version.name()),
            None => outln!(io, "    {dependency}={needed}"),
        }
    }
    Ok(())
}

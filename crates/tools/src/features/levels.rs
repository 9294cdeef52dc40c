//! Features, their levels and releases.

use ottla_metadata::MetadataVersion;
use ottla_metadata::feature::{FEATURES, Feature};

use crate::failure::Failure;
use crate::io::Io;
use crate::outln;

/// A level as text: releases for `metadata.version`.
pub(super) fn to_text(feature: &str, level: i16) -> String {
    if feature != MetadataVersion::FEATURE_NAME {
        return level.to_string();
    }
    match MetadataVersion::from_feature_level(level) {
        Some(version) => version.name().to_owned(),
        None => format!("UNKNOWN {level}"),
    }
}

/// The level of `metadata.version` of a release.
pub(super) fn metadata_version(release: &str) -> Result<(&'static str, i16), Failure> {
    let version = of_text(release)?;
    Ok((MetadataVersion::FEATURE_NAME, version.feature_level()))
}

fn of_text(release: &str) -> Result<MetadataVersion, Failure> {
    MetadataVersion::from_version_string(release, true).map_err(|why| Failure::message(why.to_string()))
}

/// The levels that all features have in a release.
pub(super) fn of_release(release: &str) -> Result<Vec<(&'static str, i16)>, Failure> {
    let version = of_text(release)?;
    let mut levels = vec![(MetadataVersion::FEATURE_NAME, version.feature_level())];
    levels.extend(FEATURES.iter().map(|feature| (feature.name, default_level(feature, version))));
    Ok(levels)
}

fn default_level(feature: &Feature, version: MetadataVersion) -> i16 {
    let reached = feature.levels.iter().take_while(|level| level.bootstrap <= version);
    reached.last().map_or(0, |level| level.level)
}

pub(super) fn version_mapping(io: &mut Io, release: Option<&str>) -> Result<(), Failure> {
    let release = release.unwrap_or_else(|| MetadataVersion::LATEST_PRODUCTION.name());
    let levels = of_release(release)?;
    if io.json() {
        let object: serde_json::Map<_, _> =
            levels.iter().map(|(name, level)| ((*name).to_owned(), (*level).into())).collect();
        io.print_json(&object.into());
        return Ok(());
    }
    for (name, level) in levels {
        match name {
            MetadataVersion::FEATURE_NAME => outln!(io, "{name}={level} ({release})"),
            _ => outln!(io, "{name}={level}"),
        }
    }
    Ok(())
}

/// `feature=level`.
pub(super) fn parse(text: &str) -> Result<(&str, i16), Failure> {
    let refuse = |why: &str| Failure::runtime(format!("Can't parse feature=level string {text}: {why}"));
    let (name, level) = text.split_once('=').ok_or_else(|| refuse("equals sign not found."))?;
    let level = level.trim();
    let number = level.parse().map_err(|_| refuse(&format!("unable to parse {level} as a short.")))?;
    Ok((name.trim(), number))
}

pub(super) fn dependencies(io: &mut Io, features: &[&str]) -> Result<(), Failure> {
    for text in features {
        let (name, level) = parse(text)?;
        if name == MetadataVersion::FEATURE_NAME {
            let version = MetadataVersion::from_feature_level(level)
                .ok_or_else(|| Failure::message(format!("Unknown metadata.version {level}")))?;
            outln!(io, "{name}={level} ({}) has no dependencies.", version.name());
            continue;
        }
        let feature = FEATURES
            .iter()
            .find(|feature| feature.name == name)
            .ok_or_else(|| Failure::message(format!("Unknown feature: {name}")))?;
        let found = feature.levels.iter().find(|it| it.level == level).ok_or_else(|| {
            Failure::illegal_argument(format!("No feature:{name} with feature level {level}"))
        })?;
        if found.dependencies.is_empty() {
            outln!(io, "{name}={level} has no dependencies.");
            continue;
        }
        outln!(io, "{name}={level} requires:");
        for (other, needed) in found.dependencies {
            match *other {
                MetadataVersion::FEATURE_NAME => {
                    outln!(io, "    {other}={needed} ({})", to_text(other, *needed));
                }
                _ => outln!(io, "    {other}={needed}"),
            }
        }
    }
    Ok(())
}

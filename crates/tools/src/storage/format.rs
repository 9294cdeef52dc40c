//! `format`: what the first records of a cluster are, and where they go (Kafka: `Formatter`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ottla_config::BrokerConfig;
use ottla_metadata::feature::{FEATURES, Feature, KRAFT_VERSION_NAME};
use ottla_metadata::{MetadataVersion, VersionedRecord};
use ottla_protocol::Str;
use ottla_protocol::messages::FeatureLevelRecord;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_storage::meta_properties::{MetaProperties, random_uuid};

use super::directories::Directories;
use super::voters::DynamicVoters;
use super::{bootstrap_files, scram, voters};
use crate::{Args, Failure, Io, outln};

const FORMATTER_EXCEPTION: &str = "org.apache.kafka.metadata.storage.FormatterException";

/// All that is needed to format.
#[derive(Debug)]
pub struct FormatPlan {
    cluster_id: String,
    node_id: i32,
    directories: BTreeSet<String>,
    metadata_dir: String,
    ignore_formatted: bool,
    controller_listener: String,
    initial_voters: Option<DynamicVoters>,
    metadata_version: MetadataVersion,
    kraft_version: i16,
    records: Vec<VersionedRecord>,
}

fn refused(message: impl Into<String>) -> Failure {
    Failure::exception(FORMATTER_EXCEPTION, message)
}

impl FormatPlan {
    /// Reads options and configuration.
    ///
    /// # Errors
    /// What contradicts itself, in Kafka's words.
    pub fn new(args: &Args, config: &BrokerConfig) -> Result<Self, Failure> {
        let unstable = config
            .originals()
            .get("unstable.feature.versions.enable")
            .is_some_and(|v| v.trim().eq_ignore_ascii_case("true"));
        let release = args
            .value("release-version")?
            .map(|text| MetadataVersion::from_version_string(text, unstable))
            .transpose()
            .map_err(|why| Failure::message(why.to_string()))?;
        let chosen = feature_levels(&args.values("feature"))?;
        // A node that stands alone keeps its quorum in its configuration, unless a dynamic one is asked for.
        let asks_dynamic =
            ["standalone", "initial-controllers", "no-initial-controllers"].iter().any(|o| args.has(o));
        let is_static = !config.quorum.voters.is_empty() || (config.standalone && !asks_dynamic);
        let initial_voters = initial_voters(args, config, is_static)?;
        if config.node_id < 0 {
            return Err(Failure::runtime("You must specify a valid non-negative node ID."));
        }
        let metadata_version = effective_version(release, &chosen, unstable)?;
        let levels = effective_levels(metadata_version, chosen, !is_static)?;
        let mut records = bootstrap_records(metadata_version, &levels);
        let credentials = args.values("add-scram");
        if !credentials.is_empty() && !metadata_version.is_scram_supported() {
            return Err(refused("SCRAM is only supported in metadata.version 3.5-IV2 or later."));
        }
        for credential in credentials {
            let record = scram::parse(credential, random_uuid().to_string().as_bytes()).map_err(refused)?;
            records.push((MetadataRecord::UserScramCredential(record), 0));
        }
        Ok(Self {
            cluster_id: args.text("cluster-id")?.to_owned(),
            node_id: config.node_id,
            directories: super::directories_of(config),
            metadata_dir: config.storage.metadata_log_dir.clone(),
            ignore_formatted: args.has("ignore-formatted"),
            controller_listener: config
                .listeners
                .controller_listener_names
                .first()
                .cloned()
                .unwrap_or_default(),
            initial_voters,
            metadata_version,
            kraft_version: levels.get(KRAFT_VERSION_NAME).copied().unwrap_or(0),
            records,
        })
    }

    /// Formats the directories that are not.
    ///
    /// # Errors
    /// When one is of another node or cluster, or formatted already, or can't be written.
    pub fn run(&self, now_ms: i64, io: &mut Io) -> Result<(), Failure> {
        let found = Directories::load(&self.directories);
        found.verify(&self.cluster_id, self.node_id).map_err(Failure::runtime)?;
        if let Some(first) = found.formatted.keys().next().filter(|_| !self.ignore_formatted) {
            return Err(refused(format!(
                "Log directory {first} is already formatted. Use --ignore-formatted to ignore this directory \
                 and format the others."
            )));
        }
        for path in &found.failed {
            outln!(io, "I/O error trying to read log directory {path}. Ignoring...");
        }
        if !found.failed.is_empty() && found.empty.is_empty() && found.formatted.is_empty() {
            return Err(refused("No available log directories to format."));
        }
        if found.empty.is_empty() {
            outln!(io, "All of the log directories are already formatted.");
            return Ok(());
        }
        outln!(io, "Bootstrap metadata: {}", self.shown());
        for path in &found.empty {
            outln!(
                io,
                "Formatting {} {path} with {} {}.",
                self.kind_of(path),
                MetadataVersion::FEATURE_NAME,
                self.metadata_version.name()
            );
            self.format(path, now_ms)
                .map_err(|why| refused(format!("Error while writing meta.properties file {path}: {why}")))?;
        }
        Ok(())
    }

    fn kind_of(&self, path: &str) -> &'static str {
        match &self.initial_voters {
            _ if path != self.metadata_dir => "data directory",
            None => "metadata directory",
            Some(voters) if voters.contains_key(&self.node_id) => "dynamic metadata voter directory",
            Some(_) => "dynamic metadata directory",
        }
    }

    fn format(&self, path: &str, now_ms: i64) -> std::io::Result<()> {
        let dir = Path::new(path);
        std::fs::create_dir_all(dir)?;
        bootstrap_files::write_bootstrap(dir, &self.records, now_ms)?;
        let mut directory_id = None;
        if let Some(initial) = self.initial_voters.as_ref().filter(|_| path == self.metadata_dir) {
            directory_id = initial.get(&self.node_id).map(|voter| voter.directory_id);
            let record = voters::to_record(initial, &self.controller_listener);
            bootstrap_files::write_voters(dir, &record, self.kraft_version, now_ms)?;
        }
        // Last: a directory with this file is a formatted one.
        MetaProperties::new(&self.cluster_id, self.node_id, directory_id.unwrap_or_else(random_uuid))
            .write(dir)
    }

    /// As Kafka's `BootstrapMetadata` prints itself.
    fn shown(&self) -> String {
        let records: Vec<String> = self.records.iter().map(shown_record).collect();
        format!(
            "BootstrapMetadata(records=[{}], metadataVersionLevel={}, source=format command)",
            records.join(", "),
            self.metadata_version.feature_level()
        )
    }
}

fn shown_record((record, version): &VersionedRecord) -> String {
    let bytes = |bytes: &[u8]| {
        let each: Vec<String> = bytes.iter().map(|b| b.cast_signed().to_string()).collect();
        format!("[{}]", each.join(", "))
    };
    let shown = match record {
        MetadataRecord::FeatureLevel(r) => {
            format!("FeatureLevelRecord(name='{}', featureLevel={})", r.name, r.feature_level)
        }
        MetadataRecord::UserScramCredential(r) => format!(
            "UserScramCredentialRecord(name='{}', mechanism={}, salt={}, storedKey={}, serverKey={}, iterations={})",
            r.name,
            r.mechanism,
            bytes(&r.salt),
            bytes(&r.stored_key),
            bytes(&r.server_key),
            r.iterations
        ),
        other => format!("{other:?}"),
    };
    format!("ApiMessageAndVersion({shown} at version {version})")
}

fn feature_levels(given: &[&str]) -> Result<BTreeMap<Str, i16>, Failure> {
    let parse = |text: &&str| {
        let problem = "Can't parse feature=level string ";
        let (name, level) = text
            .split_once('=')
            .ok_or_else(|| Failure::runtime(format!("{problem}{text}: equals sign not found.")))?;
        let level = level.trim();
        let number = level
            .parse()
            .map_err(|_| Failure::runtime(format!("{problem}{text}: unable to parse {level} as a short.")))?;
        Ok((Str::from(name.trim()), number))
    };
    given.iter().map(parse).collect()
}

fn initial_voters(
    args: &Args,
    config: &BrokerConfig,
    is_static: bool,
) -> Result<Option<DynamicVoters>, Failure> {
    let given = args.value("initial-controllers")?;
    let standalone = args.has("standalone");
    if is_static && (given.is_some() || standalone) {
        return Err(Failure::message(
            "You cannot specify controller.quorum.voters and format the node with --initial-controllers or \
             --standalone. If you want to use dynamic quorum, please remove controller.quorum.voters and specify \
             controller.quorum.bootstrap.servers instead.",
        ));
    }
    let mut initial = given.map(voters::parse).transpose().map_err(Failure::illegal_argument)?;
    if standalone {
        initial = Some(standalone_voter(config)?);
    }
    if !args.has("no-initial-controllers") && config.roles.controller && !is_static && initial.is_none() {
        return Err(Failure::message(
            "Because controller.quorum.voters is not set on this controller, you must specify one of the \
             following: --standalone, --initial-controllers, or --no-initial-controllers.",
        ));
    }
    Ok(initial)
}

fn standalone_voter(config: &BrokerConfig) -> Result<DynamicVoters, Failure> {
    if !config.roles.controller {
        return Err(Failure::message("You can only use --standalone on a controller."));
    }
    let listener = config
        .listeners
        .controller_advertised
        .first()
        .ok_or_else(|| Failure::runtime("No controller listeners found."))?;
    let host = listener.host.clone().unwrap_or_else(|| "localhost".to_owned());
    let voter = voters::DynamicVoter { directory_id: random_uuid(), host, port: listener.port };
    Ok(DynamicVoters::from([(config.node_id, voter)]))
}

fn effective_version(
    release: Option<MetadataVersion>,
    chosen: &BTreeMap<Str, i16>,
    unstable: bool,
) -> Result<MetadataVersion, Failure> {
    let name = MetadataVersion::FEATURE_NAME;
    let version = match (chosen.get(name), release) {
        (Some(_), Some(_)) => {
            return Err(refused(format!(
                "Use --release-version instead of --feature {name}=X to avoid ambiguity."
            )));
        }
        (Some(level), None) => MetadataVersion::from_feature_level(*level).ok_or_else(|| {
            Failure::illegal_argument(format!("No MetadataVersion with feature level {level}"))
        })?,
        (None, Some(release)) => release,
        (None, None) if unstable => MetadataVersion::LATEST_TESTING,
        (None, None) => MetadataVersion::LATEST_PRODUCTION,
    };
    if !unstable && !version.is_production() {
        return Err(refused(format!("{name} {} is not yet stable.", version.name())));
    }
    Ok(version)
}

fn effective_levels(
    version: MetadataVersion,
    chosen: BTreeMap<Str, i16>,
    dynamic: bool,
) -> Result<BTreeMap<Str, i16>, Failure> {
    for name in chosen.keys().filter(|name| **name != MetadataVersion::FEATURE_NAME) {
        if Feature::from_name(name).is_err() {
            let mut known: Vec<&str> = FEATURES.iter().map(|feature| feature.name).collect();
            known.sort_unstable();
            return Err(refused(format!(
                "Unsupported feature: {name}. Supported features are: {}",
                known.join(", ")
            )));
        }
    }
    let mut levels = chosen;
    levels.insert(Str::from_static(MetadataVersion::FEATURE_NAME), version.feature_level());
    let kraft_version = kraft_version(levels.get(KRAFT_VERSION_NAME).copied(), dynamic)?;
    levels.insert(Str::from_static(KRAFT_VERSION_NAME), kraft_version);
    for feature in FEATURES {
        levels.entry(Str::from_static(feature.name)).or_insert_with(|| feature.default_level(version));
    }
    for (name, level) in levels.iter().filter(|(name, _)| **name != MetadataVersion::FEATURE_NAME) {
        let feature = Feature::from_name(name).map_err(|why| Failure::illegal_argument(why.to_string()))?;
        feature.validate(*level, &levels).map_err(|why| Failure::illegal_argument(why.to_string()))?;
    }
    Ok(levels)
}

fn kraft_version(chosen: Option<i16>, dynamic: bool) -> Result<i16, Failure> {
    match (chosen, dynamic) {
        (Some(0), true) => Err(refused(
            "Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the flags \
             --standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic controllers \
             support, try removing the --feature flag for kraft.version.",
        )),
        (Some(level), false) if level != 0 => Err(refused(format!(
            "Cannot set kraft.version to {level} unless controller.quorum.voters is empty and one of the flags \
             --standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic controllers \
             support, try using one of --standalone, --initial-controllers, or --no-initial-controllers and \
             removing controller.quorum.voters."
        ))),
        (Some(level), _) => Ok(level),
        (None, dynamic) => Ok(i16::from(dynamic)),
    }
}

/// The metadata version, then the other features at levels above 0 but `kraft.version`, which the quorum keeps.
fn bootstrap_records(version: MetadataVersion, levels: &BTreeMap<Str, i16>) -> Vec<VersionedRecord> {
    let record = |name: Str, feature_level| {
        (MetadataRecord::FeatureLevel(FeatureLevelRecord { name, feature_level }), 0)
    };
    let name = Str::from_static(MetadataVersion::FEATURE_NAME);
    let others = levels
        .iter()
        .filter(|(name, level)| {
            **level > 0 && **name != MetadataVersion::FEATURE_NAME && **name != KRAFT_VERSION_NAME
        })
        .map(|(name, level)| record(name.clone(), *level));
    std::iter::once(record(name, version.feature_level())).chain(others).collect()
}

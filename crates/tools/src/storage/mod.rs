//! `ottla storage`: formats the log directories of a node, and says what is in them (Kafka: `StorageTool`).
//!
//! | file | what |
//! | --- | --- |
//! | `format` | what formatting decides (`Formatter`) |
//! | `directories` | `meta.properties` of several directories (`MetaPropertiesEnsemble`) |
//! | `bootstrap_files` | the snapshots that formatting writes |
//! | `voters` | `--initial-controllers` (`DynamicVoters`) |
//! | `scram` | `--add-scram` (`ScramParser`) |
//! | `info`, `features` | the other commands |
//!
//! Difference from Kafka's tool: a configuration without `process.roles` is that of a node that stands alone, as
//! `ottla server` takes it, and can be formatted.

mod bootstrap_files;
mod directories;
mod features;
mod format;
mod info;
mod scram;
mod voters;

use std::collections::BTreeSet;

use ottla_config::BrokerConfig;
use ottla_storage::meta_properties::random_uuid;

use crate::clock::now_ms;
use crate::connect::read_properties;
use crate::option::{Opt, opt};
use crate::tool::{Command, Group, Syntax, Tool};
use crate::{Args, Failure, Io, outln};

const CONFIG: Opt = opt("config", "The node's configuration file.").alias(&["c"]).value("CONFIG").required();

const RELEASE_VERSION: Opt =
    opt("release-version", "The release whose features are meant: 3.3-IV3 at least; 4.3-IV0 if not given.")
        .alias(&["r"])
        .value("RELEASE_VERSION");

static INFO_OPTIONS: [Opt; 1] = [CONFIG];
static FORMAT_OPTIONS: [Opt; 9] = [
    CONFIG,
    opt("cluster-id", "The id of the cluster.").alias(&["t"]).value("CLUSTER_ID").required(),
    opt(
        "add-scram",
        "A credential for the metadata log; may be given again. For example \
         'SCRAM-SHA-256=[name=alice,password=alice-secret]' or \
         'SCRAM-SHA-512=[name=alice,iterations=8192,salt=\"N3E=\",saltedpassword=\"YCE=\"]'.",
    )
    .alias(&["S"])
    .value("ADD_SCRAM")
    .append(),
    opt("ignore-formatted", "Leave directories alone that are formatted already, instead of failing.")
        .alias(&["g"]),
    RELEASE_VERSION,
    opt("feature", "A feature's level, as in kraft.version=1; may be given again.")
        .alias(&["f"])
        .value("FEATURE")
        .append(),
    opt(
        "standalone",
        "Make this controller a dynamic quorum of one. controller.quorum.voters must not be set; \
         controller.quorum.bootstrap.servers is.",
    )
    .alias(&["s"])
    .exclusive(1, false),
    opt(
        "no-initial-controllers",
        "Format without saying who the controllers of a dynamic quorum are. controller.quorum.voters should not \
         be set; controller.quorum.bootstrap.servers is.",
    )
    .alias(&["N"])
    .exclusive(1, false),
    opt(
        "initial-controllers",
        "The controllers of a new dynamic quorum, id@host:port:directory separated by commas, the same on all \
         nodes. controller.quorum.voters must not be set; controller.quorum.bootstrap.servers is.",
    )
    .alias(&["I"])
    .value("INITIAL_CONTROLLERS")
    .exclusive(1, false),
];
static MAPPING_OPTIONS: [Opt; 1] = [RELEASE_VERSION];
static DEPENDENCIES_OPTIONS: [Opt; 1] =
    [opt("feature", "A feature and its level, as in metadata.version=5; may be given again.")
        .alias(&["f"])
        .value("FEATURE")
        .append()
        .required()];

const fn command(name: &'static str, about: &'static str, options: &'static [Opt]) -> Command {
    Command { name, about, options, commands: &[], metavar: "", help_code: 0 }
}

static COMMANDS: [Command; 5] = [
    command("info", "Say what the log directories of this node are.", &INFO_OPTIONS),
    command("format", "Format the log directories of this node.", &FORMAT_OPTIONS),
    command("version-mapping", "Which feature levels belong to a release.", &MAPPING_OPTIONS),
    command("feature-dependencies", "What a feature's level needs of other features.", &DEPENDENCIES_OPTIONS),
    command("random-uuid", "Print a random UUID.", &[]),
];

static SYNTAX: Command = Command {
    name: "kafka-storage",
    about: "Formats the log directories of a node.",
    options: &[],
    commands: &COMMANDS,
    metavar: "",
    help_code: 0,
};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "storage",
    script: "kafka-storage",
    group: Group::Files,
    about: "Formats the log directories of a node.",
    examples: "ottla storage random-uuid\n\
               ottla storage format --config server.properties --cluster-id MkU3OEVBNTcwNTJENDM2Qg --standalone\n\
               ottla storage info --config server.properties",
    syntax: Syntax::Commands(&SYNTAX),
    run,
};

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = tool.parse(io, arguments)?;
    match args.commands.first().copied() {
        Some("info") => info::run(&read_config(&args)?, io),
        Some("format") => {
            let config = read_config(&args)?;
            let plan = format::FormatPlan::new(&args, &config)?;
            plan.run(now_ms(), io)
        }
        Some("version-mapping") => features::version_mapping(&args, io),
        Some("feature-dependencies") => features::dependencies(&args, io),
        _ => {
            outln!(io, "{}", random_uuid());
            Ok(())
        }
    }
}

fn read_config(args: &Args) -> Result<BrokerConfig, Failure> {
    let properties = read_properties(args.text("config")?)?;
    match BrokerConfig::from_properties(&properties.into_iter().collect()) {
        Ok((config, _)) => Ok(config),
        Err(errors) => {
            let messages: Vec<String> = errors.iter().map(|error| error.kafka_message()).collect();
            Err(Failure::exception("org.apache.kafka.common.config.ConfigException", messages.join("\n")))
        }
    }
}

/// All directories of a configuration, sorted.
fn directories_of(config: &BrokerConfig) -> BTreeSet<String> {
    let mut directories: BTreeSet<String> = config.storage.log_dirs.iter().cloned().collect();
    directories.insert(config.storage.metadata_log_dir.clone());
    directories
}

#[cfg(test)]
#[path = "storage_test.rs"]
mod tests;

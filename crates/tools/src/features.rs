//! `ottla features`: Kafka's `FeatureCommand`.

mod levels;

use std::collections::BTreeMap;

use ottla_client::admin::{
    Admin, DescribeFeaturesOptions, FeatureMetadata, FeatureUpdate, UpdateFeaturesOptions, UpgradeType,
};
use ottla_protocol::Str;
use serde_json::{Value, json};

use crate::args::Args;
use crate::connect::{read_properties, set_bootstrap, with_admin};
use crate::failure::Failure;
use crate::io::Io;
use crate::option::{Kind, Opt, opt};
use crate::outln;
use crate::tool::{Command, Group, Syntax, Tool};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "features",
    script: "kafka-features",
    group: Group::Cluster,
    about: "Shows and changes the levels of the cluster's features.",
    examples: "kafka-features.sh --bootstrap-server localhost:9092 describe\n\
               kafka-features.sh --bootstrap-server localhost:9092 upgrade --release-version 4.3\n\
               kafka-features.sh --bootstrap-server localhost:9092 upgrade --feature share.version=1 --dry-run\n\
               kafka-features.sh version-mapping --release-version 4.2",
    syntax: Syntax::Commands(&COMMAND),
    run,
};

const fn command(name: &'static str, about: &'static str, options: &'static [Opt]) -> Command {
    Command { name, about, options, metavar: "", commands: &[], help_code: 0 }
}

const FEATURE: Opt = opt("feature", "A feature and its level, like metadata.version=30; may be given again.")
    .value("FEATURE")
    .append();
const DRY_RUN: Opt = opt("dry-run", "Only looks whether it could be done.");
const UNSAFE: Opt = opt("unsafe", "Does it even if metadata is lost for good.");
const RELEASE: Opt = opt("release-version", "A release, like 4.3 or 4.3-IV0, whose levels all features get.")
    .value("RELEASE_VERSION");
const METADATA: Opt = opt("metadata", "An older way to name the level of metadata.version by its release.")
    .value("METADATA")
    .deprecated("release-version");

static COMMAND: Command = Command {
    name: "kafka-features",
    about: "The levels of the cluster's features.",
    options: &[
        opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas.")
            .value("BOOTSTRAP_SERVER")
            .exclusive(1, false),
        opt("bootstrap-controller", "Controllers to connect to, as host:port, separated by commas.")
            .value("BOOTSTRAP_CONTROLLER")
            .exclusive(1, false),
        opt("command-config", "A properties file with settings of the client: security, time-outs.")
            .value("COMMAND_CONFIG"),
    ],
    metavar: "",
    commands: &[
        command(
            "describe",
            "Shows the levels in effect, and those that a node can do.",
            &[opt("node-id", "The node that is asked; any when it is not given.")
                .value("NODE_ID")
                .kind(Kind::Int)],
        ),
        command("upgrade", "Raises levels.", &[METADATA, RELEASE, FEATURE, DRY_RUN]),
        command("downgrade", "Lowers levels.", &[METADATA, RELEASE, FEATURE, UNSAFE, DRY_RUN]),
        command(
            "disable",
            "Lowers levels to 0.",
            &[opt("feature", "A feature; may be given again.").value("FEATURE").append(), UNSAFE, DRY_RUN],
        ),
        command(
            "version-mapping",
            "Shows the levels that belong to a release; without one, to the latest stable.",
            &[opt("release-version", "A release from 3.3-IV3 on.").value("RELEASE_VERSION")],
        ),
        command(
            "feature-dependencies",
            "Shows what a level of a feature needs.",
            &[opt("feature", "A feature and its level, like share.version=1; may be given again.")
                .value("FEATURE")
                .append()
                .required()],
        ),
    ],
    help_code: 0,
};

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = match tool.parse(io, arguments) {
        Err(Failure::Syntax { text, .. }) => {
            let message = text.rsplit_once(": error: ").map_or(text.as_str(), |(_, message)| message);
            return Err(command_line_error(message.lines().next().unwrap_or_default()));
        }
        other => other?,
    };
    match args.commands.first().copied().unwrap_or_default() {
        "version-mapping" => return levels::version_mapping(io, args.value("release-version")?),
        "feature-dependencies" => return levels::dependencies(io, &args.values("feature")),
        _ => {}
    }
    let mut properties = args.value("command-config")?.map(read_properties).transpose()?.unwrap_or_default();
    set_bootstrap(&mut properties, args.value("bootstrap-server")?, args.value("bootstrap-controller")?)
        .map_err(|failure| command_line_error(failure.text()))?;
    with_admin(&properties, async |admin| match args.commands.first().copied().unwrap_or_default() {
        "describe" => describe(io, &args, admin).await,
        op => change(io, &args, admin, op).await,
    })
}

fn command_line_error(message: &str) -> Failure {
    Failure::message(format!("Command line error: {message}. Type --help for help."))
}

async fn describe(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let node_id: Option<i32> = args.number("node-id")?;
    if let Some(id @ ..0) = node_id {
        return Err(Failure::illegal_argument(format!("Invalid node id {id}: must be non-negative.")));
    }
    let options = DescribeFeaturesOptions { timeout: None, node_id };
    let features = admin.describe_features(&options).await.map_err(Failure::in_future)?;
    print_features(io, &features);
    Ok(())
}

fn print_features(io: &mut Io, features: &FeatureMetadata) {
    let epoch = features.finalized_epoch;
    let finalized = |name: &Str| features.finalized.get(name).map_or(0, |(_, highest)| *highest);
    if io.json() {
        let row = |(name, (lowest, highest)): (&Str, &(i16, i16))| {
            json!({
                "feature": &**name,
                "supported_min_version": lowest,
                "supported_max_version": highest,
                "finalized_version_level": finalized(name),
                "epoch": epoch,
            })
        };
        let rows: Vec<Value> = features.supported.iter().map(row).collect();
        return io.print_json(&Value::Array(rows));
    }
    let epoch = epoch.map_or_else(|| "-".to_owned(), |epoch| epoch.to_string());
    for (name, (lowest, highest)) in &features.supported {
        let text = |level| levels::to_text(name, level);
        outln!(
            io,
            "Feature: {:40}  SupportedMinVersion: {:15}  SupportedMaxVersion: {:15}  FinalizedVersionLevel: {:15}  Epoch: {epoch}",
            &**name,
            text(*lowest),
            text(*highest),
            text(finalized(name))
        );
    }
}

async fn change(io: &mut Io, args: &Args, admin: &Admin, op: &str) -> Result<(), Failure> {
    let updates = updates(io, args, op)?;
    if updates.is_empty() {
        return Err(Failure::message(format!("You must specify at least one feature to {op}")));
    }
    let validate_only = args.has("dry-run");
    let options = UpdateFeaturesOptions { timeout: None, validate_only };
    let results = admin.update_features(&updates, &options).await?;
    let mut failures = 0;
    for (name, result) in &results {
        let level = updates.get(name).map_or(0, |update| update.max_version_level);
        match result {
            Ok(()) => {
                let verb = if validate_only { "can be" } else { "was" };
                match op {
                    "disable" => outln!(io, "{name} {verb} disabled."),
                    _ => outln!(io, "{name} {verb} {op}d to {level}."),
                }
            }
            Err(error) => {
                failures += 1;
                let helper = if validate_only { "Can not" } else { "Could not" };
                match op {
                    "disable" => outln!(io, "{helper} disable {name}. {error}"),
                    _ => outln!(io, "{helper} {op} {name} to {level}. {error}"),
                }
            }
        }
    }
    match failures {
        0 => Ok(()),
        _ => Err(Failure::message(format!("{failures} out of {} operation(s) failed.", updates.len()))),
    }
}

fn upgrade_type(args: &Args, op: &str) -> UpgradeType {
    match op {
        "upgrade" => UpgradeType::Upgrade,
        _ if args.has("unsafe") => UpgradeType::UnsafeDowngrade,
        _ => UpgradeType::SafeDowngrade,
    }
}

fn updates(io: &mut Io, args: &Args, op: &str) -> Result<BTreeMap<Str, FeatureUpdate>, Failure> {
    let upgrade_type = upgrade_type(args, op);
    let update = |max_version_level| FeatureUpdate { max_version_level, upgrade_type };
    let mut updates = BTreeMap::new();
    let twice = |name: &str| Failure::runtime(format!("Feature {name} was specified more than once."));
    if op == "disable" {
        for name in args.values("feature") {
            if updates.insert(Str::from(name), update(0)).is_some() {
                return Err(twice(name));
            }
        }
        return Ok(updates);
    }
    if let Some(release) = args.value("release-version")? {
        if args.has("metadata") || args.has("feature") {
            return Err(Failure::message("Can not specify `release-version` with other feature flags."));
        }
        for (name, level) in levels::of_release(release)? {
            // An upgrade leaves out what the release does not have.
            if upgrade_type != UpgradeType::Upgrade || level > 0 {
                updates.insert(Str::from_static(name), update(level));
            }
        }
        return Ok(updates);
    }
    if let Some(metadata) = args.value("metadata")? {
        outln!(io, " `metadata` flag is deprecated and may be removed in a future release.");
        let (name, level) = levels::metadata_version(metadata)?;
        updates.insert(Str::from_static(name), update(level));
    }
    for text in args.values("feature") {
        let (name, level) = levels::parse(text)?;
        if updates.insert(Str::from(name), update(level)).is_some() {
            return Err(twice(name));
        }
    }
    Ok(updates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_captured;

    fn check(arguments: &[&str], code: i32, out: &str, err: &str) {
        let found = run_captured("features", arguments, "").unwrap();
        assert_eq!(found, (code, out.to_owned(), err.to_owned()), "{arguments:?}");
    }

    #[test]
    fn levels_are_shown_in_kafkas_columns() {
        let features = FeatureMetadata {
            finalized: BTreeMap::from([("metadata.version".into(), (7, 8))]),
            finalized_epoch: Some(123),
            supported: BTreeMap::from([("foo".into(), (0, 9)), ("metadata.version".into(), (7, 1000))]),
        };
        let (mut io, captured) = Io::captured("");
        print_features(&mut io, &features);
        assert_eq!(
            captured.out(),
            "Feature: foo                                       SupportedMinVersion: 0                SupportedMaxVersion: 9                FinalizedVersionLevel: 0                Epoch: 123\n\
             Feature: metadata.version                          SupportedMinVersion: 3.3-IV3          SupportedMaxVersion: UNKNOWN 1000     FinalizedVersionLevel: 3.4-IV0          Epoch: 123\n"
        );
    }

    #[test]
    fn command_lines_are_refused_in_kafkas_words() {
        check(
            &["describe"],
            1,
            "",
            "Command line error: You must specify either --bootstrap-controller or --bootstrap-server.. Type --help for help.\n",
        );
        check(
            &["--bootstrap-server", "a:1", "upgrade"],
            1,
            "",
            "You must specify at least one feature to upgrade\n",
        );
        check(
            &["--bootstrap-server", "a:1", "upgrade", "--release-version", "4.0", "--feature", "x=1"],
            1,
            "",
            "Can not specify `release-version` with other feature flags.\n",
        );
        check(
            &["--bootstrap-server", "a:1", "disable", "--feature", "x", "--feature", "x"],
            1,
            "",
            "Feature x was specified more than once.\n",
        );
        check(
            &["--bootstrap-server", "a:1", "describe", "--node-id", "-1"],
            1,
            "",
            "Invalid node id -1: must be non-negative.\n",
        );
    }

    #[test]
    fn releases_have_levels() {
        check(
            &["version-mapping", "--release-version", "3.9-IV0"],
            0,
            "metadata.version=21 (3.9-IV0)\nkraft.version=1\ntransaction.version=0\ngroup.version=0\n\
             eligible.leader.replicas.version=0\nshare.version=0\nstreams.version=0\n",
            "",
        );
        check(
            &[
                "feature-dependencies",
                "--feature",
                "eligible.leader.replicas.version=1",
                "--feature",
                "metadata.version=17",
            ],
            0,
            "eligible.leader.replicas.version=1 requires:\n    metadata.version=23 (4.0-IV1)\n\
             metadata.version=17 (3.7-IV2) has no dependencies.\n",
            "",
        );
        check(&["feature-dependencies", "--feature", "x=1"], 1, "", "Unknown feature: x\n");
        check(
            &["feature-dependencies", "--feature", "x"],
            1,
            "",
            "Can't parse feature=level string x: equals sign not found.\n",
        );
    }
}

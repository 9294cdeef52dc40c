//! `ottla server`: runs a node until it is told to stop.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ottla_broker::drivers::controller::NewCluster;
use ottla_broker::loggers::Loggers;
use ottla_broker::{NodeOptions, Server};
use ottla_config::{BrokerConfig, ConfigError, StaticProperties, properties};
use ottla_metadata::MetadataVersion;
use tracing_subscriber::EnvFilter;

/// Runs a node.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  ottla server                                             port 9092, data in your data folder
  ottla server --config config/server.properties           a Kafka server.properties
  ottla server --override log.dirs=/data --override num.partitions=6
  OTTLA_LOG_DIRS=/data ottla server                        keys as environment variables

The log level is taken from the environment variable OTTLA_LOG (error, warn, info, debug, trace).")]
pub struct Args {
    /// A server.properties file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets one key, over the file and the environment; may be given again.
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Id of the cluster, when the log directories are formatted now.
    #[arg(long, value_name = "ID")]
    cluster_id: Option<String>,
    /// Release of the metadata format, when the log directories are formatted now: 4.3, 4.3-IV0, ...
    #[arg(long, value_name = "VERSION")]
    release_version: Option<String>,
    /// Level of a feature, when the log directories are formatted now; may be given again.
    #[arg(long = "feature", value_name = "NAME=LEVEL")]
    features: Vec<String>,
}

/// Starts the node and waits for SIGTERM or SIGINT.
pub fn run(args: Args) -> Result<()> {
    let loggers = init_log();
    let config = configuration(&args)?;
    let options = NodeOptions {
        cluster_id: args.cluster_id.clone(),
        new_cluster: new_cluster(&args)?,
        loggers: Some(loggers),
        ..Default::default()
    };
    let node_id = config.node_id;
    let mut server = Server::start(config, options).context("the node does not start")?;
    for (listener, address) in server.addresses() {
        tracing::info!(listener, %address, node_id, "ready");
    }
    let fatal = wait_for_end(server.fatal())?;
    tracing::info!("stopping");
    server.shutdown();
    tracing::info!("stopped");
    match fatal {
        Some(why) => anyhow::bail!("the node could not go on: {why}"),
        None => Ok(()),
    }
}

fn init_log() -> Loggers {
    let level = std::env::var("OTTLA_LOG").unwrap_or_else(|_| "info".into());
    let filter = EnvFilter::try_new(&level).unwrap_or_else(|_| EnvFilter::new("info"));
    let color = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(color)
        .with_target(false)
        .with_filter_reloading();
    let reload = log.reload_handle();
    log.init();
    Loggers::new(
        &level,
        Box::new(move |filter| {
            if let Err(why) = EnvFilter::try_new(filter)
                .map_err(|w| w.to_string())
                .and_then(|f| reload.reload(f).map_err(|w| w.to_string()))
            {
                tracing::warn!(why, "the log level was not changed");
            }
        }),
    )
}

fn configuration(args: &Args) -> Result<BrokerConfig> {
    let mut properties = StaticProperties::new();
    if let Some(path) = &args.config {
        properties.apply_file(read_properties(path)?);
    }
    for warning in properties.apply_environment(std::env::vars()) {
        tracing::warn!("{warning}");
    }
    properties
        .apply_overrides(args.overrides.iter().map(String::as_str))
        .map_err(|why| anyhow::anyhow!(why.explain()))?;
    let data = data_dir()?;
    if properties.choose_log_dir(&data.to_string_lossy()) {
        tracing::info!("log.dirs is not set: data goes to {}", data.display());
    }
    match BrokerConfig::from_static(&properties) {
        Ok((config, warnings)) => {
            warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            let obstacles = config.single_node_obstacles();
            if obstacles.is_empty() { Ok(config) } else { Err(unusable(&obstacles)) }
        }
        Err(errors) => Err(unusable(&errors)),
    }
}

fn unusable(errors: &[ConfigError]) -> anyhow::Error {
    let list: Vec<String> = errors.iter().map(ConfigError::explain).collect();
    anyhow::anyhow!("the configuration can't be used:\n{}", list.join("\n"))
}

fn read_properties(path: &Path) -> Result<Vec<(String, String)>> {
    // Java reads properties files as ISO 8859-1 or UTF-8; names of files and topics outside ASCII are UTF-8 today.
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    properties::parse(&text).map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))
}

/// Where data goes when nobody says: the user's data folder.
fn data_dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("XDG_DATA_HOME").filter(|dir| !dir.is_empty()) {
        return Ok(PathBuf::from(dir).join("ottla"));
    }
    let home = std::env::var_os("HOME").context("neither log.dirs, XDG_DATA_HOME nor HOME is set")?;
    Ok(PathBuf::from(home).join(".local/share/ottla"))
}

fn new_cluster(args: &Args) -> Result<NewCluster> {
    let metadata_version = match &args.release_version {
        None => None,
        Some(text) => Some(
            MetadataVersion::from_version_string(text, true)
                .map_err(|why| anyhow::anyhow!("--release-version {text}: {why}"))?,
        ),
    };
    let mut features = BTreeMap::new();
    for feature in &args.features {
        let (name, level) = feature.split_once('=').context("--feature takes NAME=LEVEL")?;
        let level = level.parse().with_context(|| format!("--feature {feature}: the level is no number"))?;
        features.insert(name.into(), level);
    }
    Ok(NewCluster { metadata_version, features })
}

/// Waits for a signal, or for a reason why the node can't go on.
fn wait_for_end(fatal: impl Future<Output = String>) -> Result<Option<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => Ok(None),
            _ = interrupt.recv() => Ok(None),
            why = fatal => Ok(Some(why)),
        }
    })
}

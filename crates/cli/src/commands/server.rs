//! `ottla server`: runs a node until it is told to stop.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ottla_broker::drivers::controller::NewCluster;
use ottla_broker::loggers::Loggers;
use ottla_broker::{NodeOptions, Server};
use ottla_config::java_options::KAFKA_OPTS;
use ottla_config::{BrokerConfig, ConfigError, StaticProperties, properties};
use ottla_metadata::MetadataVersion;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::footprint;
use super::welcome::Welcome;

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
    /// How log lines are written.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// The arguments of Kafka's script, `kafka-server-start.sh [-daemon] FILE [--override KEY=VALUE]...`, as those of
/// `ottla server`; nothing when it is another command.
pub fn from_script(arguments: &[String]) -> Option<Vec<String>> {
    let (program, rest) = arguments.split_first()?;
    let linked = Path::new(program).file_name().is_some_and(|name| name == "kafka-server-start.sh");
    let rest = match rest.split_first() {
        Some((first, rest)) if first == "server-start" => rest,
        _ if linked => rest,
        _ => return None,
    };
    let mut translated = vec!["ottla".to_owned(), "server".to_owned()];
    let mut file_seen = false;
    let mut value_follows = false;
    for argument in rest {
        match argument.as_str() {
            // For a JVM, or seen by `in_background`.
            "-daemon" | "-loggc" => continue,
            text if !file_seen && !value_follows && !text.starts_with('-') => {
                file_seen = true;
                translated.extend(["--config".to_owned(), text.to_owned()]);
            }
            text => translated.push(text.to_owned()),
        }
        value_follows = argument == "--override";
    }
    Some(translated)
}

/// Starts the node in a process of its own and lets go of it, when Kafka's script is asked to by `-daemon`. Its output
/// goes to `kafkaServer.out` in the folder of the environment variable `LOG_DIR`, or else in the data folder.
pub fn in_background(arguments: &[String], translated: &[String]) -> Result<bool> {
    if !arguments.iter().any(|argument| argument == "-daemon") {
        return Ok(false);
    }
    let folder = match std::env::var_os("LOG_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => data_dir()?,
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let path = folder.join("kafkaServer.out");
    let log = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    let log = log.with_context(|| format!("opening {}", path.display()))?;
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(translated.iter().skip(1)).stdin(std::process::Stdio::null());
    command.stdout(log.try_clone()?).stderr(log);
    // Of a group of its own, it does not get what is typed at this one's terminal.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().context("the node does not start")?;
    Ok(true)
}

/// Starts the node and waits for SIGTERM or SIGINT.
pub fn run(args: Args) -> Result<()> {
    let signals = StopSignals::catch()?;
    let loggers = init_log(args.log_format);
    let config = configuration(&args)?;
    let options = NodeOptions {
        cluster_id: args.cluster_id.clone(),
        new_cluster: new_cluster(&args)?,
        loggers: Some(loggers),
        java_options: std::env::var(KAFKA_OPTS).unwrap_or_default(),
        ..Default::default()
    };
    let node_id = config.node_id;
    let log_dirs = config.storage.log_dirs.clone();
    let mut server = Server::start(config, options).context("the node does not start")?;
    for (listener, address) in &server.addresses() {
        tracing::info!(listener, %address, node_id, "ready");
    }
    if args.log_format == LogFormat::Text && std::io::stderr().is_terminal() {
        let cluster_id = &server.broker().cluster_id;
        let (listeners, http) = (server.addresses(), server.http_address());
        let welcome = Welcome { cluster_id, node_id, listeners: &listeners, http, log_dirs: &log_dirs };
        eprint!("{}", welcome.screen());
    }
    let fatal = signals.wait_for_end(server.fatal());
    tracing::info!("stopping");
    server.shutdown();
    tracing::info!("stopped");
    match fatal {
        Some(why) => anyhow::bail!("the node could not go on: {why}"),
        None => Ok(()),
    }
}

fn init_log(format: LogFormat) -> Loggers {
    let level = std::env::var("OTTLA_LOG").unwrap_or_else(|_| "info".into());
    let filter = EnvFilter::try_new(&level).unwrap_or_else(|_| EnvFilter::new("info"));
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let color = std::io::stderr().is_terminal() && format == LogFormat::Text && !no_color;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(color)
        .with_target(false);
    // The kind of the handle depends on how lines are written: what it does is the same.
    let reload: Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync> = match format {
        LogFormat::Text => {
            let log = log.with_filter_reloading();
            let reload = log.reload_handle();
            log.init();
            Box::new(move |filter| reload.reload(filter).map_err(|why| why.to_string()))
        }
        LogFormat::Json => {
            let log = log.json().flatten_event(true).with_filter_reloading();
            let reload = log.reload_handle();
            log.init();
            Box::new(move |filter| reload.reload(filter).map_err(|why| why.to_string()))
        }
    };
    Loggers::new(
        &level,
        Box::new(move |filter| {
            let changed = EnvFilter::try_new(filter).map_err(|why| why.to_string()).and_then(&reload);
            if let Err(why) = changed {
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

/// SIGTERM and SIGINT. Caught before anything else is done: a node listens a moment before it has started, and who then tells
/// it to stop gets a node that stops cleanly once it has, not one that is cut off.
struct StopSignals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn catch() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (terminate, interrupt) = {
            let _context = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        Ok(Self { runtime, terminate, interrupt })
    }

    /// Waits for a signal, also one that came meanwhile, or for a reason why the node can't go on, which is returned.
    fn wait_for_end(mut self, fatal: impl Future<Output = String>) -> Option<String> {
        self.runtime.block_on(async {
            tokio::spawn(footprint::keep_small());
            tokio::select! {
                _ = self.terminate.recv() => None,
                _ = self.interrupt.recv() => None,
                why = fatal => Some(why),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_arguments_are_those_of_the_command() {
        let translate = |line: &str| {
            let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
            from_script(&arguments).map(|translated| translated.join(" "))
        };
        let expect = Some("ottla server --config a.properties --override node.id=1".to_owned());
        assert_eq!(translate("ottla server-start -daemon a.properties --override node.id=1"), expect);
        assert_eq!(translate("/k/bin/kafka-server-start.sh a.properties --override node.id=1"), expect);
        assert_eq!(translate("ottla server --config a"), None);
    }
}

//! From a command line to a client: properties and the runtime.

use std::path::Path;

use ottla_client::Admin;
use ottla_client::config::Properties;

use crate::args::Args;
use crate::failure::Failure;

/// What is said of a file that is not there, behind its name: Java says the name alone.
pub(crate) const NO_SUCH_FILE: &str = "there is no such file";

/// The properties of a file, with Java's errors (`Utils.loadProps`), which say a little more.
///
/// # Errors
/// When it can't be read, or is no properties file.
pub fn read_properties(path: impl AsRef<Path>) -> Result<Properties, Failure> {
    let path = path.as_ref();
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|why| match why.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::exception("java.nio.file.NoSuchFileException", format!("{shown}: {NO_SUCH_FILE}"))
        }
        std::io::ErrorKind::PermissionDenied => {
            Failure::exception("java.nio.file.AccessDeniedException", format!("{shown}: it may not be read"))
        }
        _ => Failure::exception("java.io.IOException", format!("{shown}: {why}")),
    })?;
    let entries = ottla_config::properties::parse_bytes(&bytes)
        .map_err(|why| Failure::illegal_argument(format!("{shown}: {why}")))?;
    Ok(entries.into_iter().collect())
}

/// The properties of `--command-config`, if it was given, and `bootstrap.servers` from `--bootstrap-server`.
///
/// # Errors
/// When the file can't be read, or an option was given twice.
pub fn admin_properties(args: &Args) -> Result<Properties, Failure> {
    let mut properties = match args.value("command-config")? {
        Some(path) => read_properties(path)?,
        None => Properties::new(),
    };
    if let Some(servers) = args.value("bootstrap-server")? {
        properties.insert("bootstrap.servers".to_owned(), servers.to_owned());
    }
    Ok(properties)
}

/// Bootstrap by brokers or by controllers (`CommandLineUtils.initializeBootstrapProperties`).
///
/// # Errors
/// When it is both or neither; the text is Kafka's. Tools differ in how they print it.
pub fn set_bootstrap(
    properties: &mut Properties,
    servers: Option<&str>,
    controllers: Option<&str>,
) -> Result<(), Failure> {
    const CLASS: &str = "org.apache.kafka.server.util.CommandLineUtils$InitializeBootstrapException";
    const SERVERS: &str = "bootstrap.servers";
    const CONTROLLERS: &str = "bootstrap.controllers";
    match (servers, controllers) {
        (Some(_), Some(_)) => Err(Failure::exception(
            CLASS,
            "You cannot specify both --bootstrap-controller and --bootstrap-server.",
        )),
        (Some(servers), None) => {
            properties.insert(SERVERS.to_owned(), servers.to_owned());
            properties.remove(CONTROLLERS);
            Ok(())
        }
        (None, Some(controllers)) => {
            properties.remove(SERVERS);
            properties.insert(CONTROLLERS.to_owned(), controllers.to_owned());
            Ok(())
        }
        (None, None) => Err(Failure::exception(
            CLASS,
            "You must specify either --bootstrap-controller or --bootstrap-server.",
        )),
    }
}

/// `key=value` pairs of an option given several times (`CommandLineUtils.parseKeyValueArgs`).
pub fn key_values(pairs: &[&str]) -> Properties {
    let split = |pair: &&str| match pair.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => ((*pair).to_owned(), String::new()),
    };
    pairs.iter().map(split).collect()
}

/// Runs a tool's asynchronous part on this thread.
///
/// # Errors
/// When the system gives no runtime, or what the future gives.
pub fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|why| Failure::message(format!("no runtime: {why}")))?;
    runtime.block_on(future)
}

/// Runs the part of a tool that asks a cluster: on this thread, with an admin client that is closed afterwards.
///
/// # Errors
/// When the client can't be made, or what `act` gives.
pub fn with_admin<T>(
    properties: &Properties,
    act: impl AsyncFnOnce(&Admin) -> Result<T, Failure>,
) -> Result<T, Failure> {
    block_on(async {
        // Clients live on a runtime, so it is made here.
        let admin = Admin::from_properties(properties).map_err(|why| {
            Failure::exception(
                "org.apache.kafka.common.KafkaException",
                format!("Failed to create new KafkaAdminClient: {why}"),
            )
        })?;
        let result = act(&admin).await;
        admin.close().await;
        result
    })
}

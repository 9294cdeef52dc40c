//! `ottla configs`: Kafka's `ConfigCommand`.

mod check;
mod entity;
mod parse;
mod quotas;
mod resources;

use ottla_client::admin::Admin;

use crate::args::Args;
use crate::connect::{read_properties, set_bootstrap, with_admin};
use crate::failure::Failure;
use crate::io::Io;
use crate::option::{Opt, opt};
use crate::tool::{Group, Syntax, Tool};
use crate::{errln, outln};
use entity::Entities;

/// The tool.
pub static TOOL: Tool = Tool {
    name: "configs",
    script: "kafka-configs",
    group: Group::Topics,
    about: "Shows and changes settings of topics, brokers, groups, users, clients and addresses.",
    examples: "kafka-configs.sh --bootstrap-server localhost:9092 --describe --topic orders\n\
               kafka-configs.sh --bootstrap-server localhost:9092 --alter --topic orders --add-config retention.ms=86400000\n\
               kafka-configs.sh --bootstrap-server localhost:9092 --alter --broker 1 --delete-config log.cleaner.threads\n\
               kafka-configs.sh --bootstrap-server localhost:9092 --describe --entity-type brokers --entity-name 1 --all\n\
               kafka-configs.sh --bootstrap-server localhost:9092 --alter --user alice --add-config 'SCRAM-SHA-256=[password=secret]'",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

#[rustfmt::skip]
static OPTIONS: [Opt; 24] = [
    opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas.").value("server to connect to"),
    opt("bootstrap-controller", "Controllers to connect to, as host:port, separated by commas.").value("controller to connect to"),
    opt("command-config", "A properties file with settings of the client: security, time-outs.").value("command config property file"),
    opt("alter", "Changes settings."),
    opt("describe", "Shows settings that were changed at run time."),
    opt("all", "With --describe: all settings, also those of files and defaults."),
    opt("entity-type", "What has the settings: topics, clients, users, brokers, broker-loggers, ips, client-metrics or groups.").value(""),
    opt("entity-name", "Its name: of a topic, client, user, group or subscription, the id of a broker, an address.").value(""),
    opt("entity-default", "The default of all clients, users, brokers or addresses, in place of a name."),
    opt("add-config", "Settings to make: key=value, separated by commas; a value with commas stands in square brackets. \
        The keys are listed in docs/compatibility.md; for users SCRAM-SHA-256 and SCRAM-SHA-512 are keys too.").value(""),
    opt("add-config-file", "A properties file with settings to make.").value(""),
    opt("delete-config", "Keys to take back to their default, separated by commas.").value("").separated_by(','),
    opt("topic", "A topic's name.").value(""),
    opt("client", "A client's id.").value(""),
    opt("client-defaults", "The defaults for all clients."),
    opt("user", "A user's principal name.").value(""),
    opt("user-defaults", "The defaults for all users."),
    opt("broker", "A broker's id.").value(""),
    opt("broker-defaults", "The defaults for all brokers."),
    opt("broker-logger", "The id of a broker whose log levels are meant.").value(""),
    opt("ip-defaults", "The defaults for all addresses."),
    opt("ip", "An address.").value(""),
    opt("group", "A group's id.").value(""),
    opt("client-metrics", "The name of a subscription to metrics of clients.").value(""),
];

/// A command line without its passwords: error outputs end in logs.
fn masked(arguments: &str) -> String {
    const SECRET: &str = "password=";
    let mut shown = String::with_capacity(arguments.len());
    let mut rest = arguments;
    while let Some(at) = rest.find(SECRET) {
        let (before, secret) = rest.split_at(at + SECRET.len());
        shown.push_str(before);
        shown.push_str("[hidden]");
        rest = secret.find([',', ']']).map_or("", |end| &secret[end..]);
    }
    shown + rest
}

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let result = tool.parse(io, arguments).and_then(|args| {
        check::check(&args)?;
        act(io, &args)
    });
    match result {
        Err(Failure::Exception { class, message }) if !is_plain(class) => {
            errln!(io, "Error while executing config command with args '{}'", masked(&arguments.join(" ")));
            errln!(io, "{class}: {message}");
            Err(Failure::Exit(1))
        }
        other => other,
    }
}

/// Exceptions whose message alone is printed.
fn is_plain(class: &str) -> bool {
    class.starts_with("joptsimple.")
        || matches!(
            class,
            "org.apache.kafka.common.errors.UnsupportedVersionException"
                | "org.apache.kafka.common.errors.InvalidConfigurationException"
                | "org.apache.kafka.common.errors.InvalidTopicException"
                | "java.lang.IllegalArgumentException"
                | "java.lang.NumberFormatException"
        )
}

fn act(io: &mut Io, args: &Args) -> Result<(), Failure> {
    let mut properties = match args.value("command-config")? {
        Some(path) => read_properties(path)?,
        None => Default::default(),
    };
    set_bootstrap(&mut properties, args.value("bootstrap-server")?, args.value("bootstrap-controller")?)
        .map_err(|failure| args.usage(failure.text()))?;
    let entities = Entities::new(args)?;
    if args.has("alter") && entities.types.len() != entities.names.len() {
        return Err(Failure::illegal_argument("An entity name must be specified for every entity type"));
    }
    with_admin(&properties, async |admin| match args.has("alter") {
        true => alter(io, args, admin, &entities).await,
        false => describe(io, args, admin, &entities).await,
    })
}

async fn alter(io: &mut Io, args: &Args, admin: &Admin, entities: &Entities) -> Result<(), Failure> {
    let (Some(kind), Some(name)) = (entities.types.first(), entities.names.first()) else {
        return Err(Failure::illegal_argument("At least one entity type must be specified"));
    };
    let changes = parse::Changes::new(args)?;
    match kind.as_str() {
        "broker-loggers" => resources::alter_loggers(admin, name, &changes).await?,
        "users" | "clients" => quotas::alter_users_and_clients(admin, entities, &changes).await?,
        "ips" => quotas::alter_addresses(admin, entities, &changes).await?,
        _ => resources::alter(admin, kind, name, &changes).await?,
    }
    if io.json() {
        io.print_json(&serde_json::json!({ "entity_type": kind, "entity_name": name, "changed": true }));
    } else if name.is_empty() {
        outln!(io, "Completed updating default config for {kind} in the cluster.");
    } else {
        outln!(io, "Completed updating config for {} {name}.", entity::singular(kind));
    }
    Ok(())
}

async fn describe(io: &mut Io, args: &Args, admin: &Admin, entities: &Entities) -> Result<(), Failure> {
    match entities.types.first().map(String::as_str) {
        Some("users" | "clients") => quotas::describe(io, admin, entities, true).await,
        Some("ips") => quotas::describe(io, admin, entities, false).await,
        Some(kind) => {
            let name = entities.names.first().map(String::as_str);
            resources::describe(io, admin, kind, name, args.has("all")).await
        }
        None => Err(Failure::illegal_argument("At least one entity type must be specified")),
    }
}

#[cfg(test)]
#[path = "configs_test.rs"]
mod tests;

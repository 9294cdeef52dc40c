//! `ottla client-metrics`: Kafka's `ClientMetricsCommand`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_client::admin::{
    Admin, AlterConfigOp, AlterConfigsOptions, ConfigEntry, ConfigResource, ConfigResourceType,
    DescribeConfigsOptions, TimeoutOptions,
};
use serde_json::{Map, Value};

use crate::args::Args;
use crate::connect::{admin_properties, with_admin};
use crate::failure::Failure;
use crate::io::Io;
use crate::option::{Opt, opt};
use crate::outln;
use crate::tool::{Group, Syntax, Tool};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "client-metrics",
    script: "kafka-client-metrics",
    group: Group::Cluster,
    about: "Shows and changes subscriptions to metrics of clients.",
    examples: "kafka-client-metrics.sh --bootstrap-server localhost:9092 --alter --generate-name --metrics org.apache.kafka.producer. --interval 30000\n\
               kafka-client-metrics.sh --bootstrap-server localhost:9092 --alter --name mine --match client_id=app --metrics ''\n\
               kafka-client-metrics.sh --bootstrap-server localhost:9092 --describe\n\
               kafka-client-metrics.sh --bootstrap-server localhost:9092 --delete --name mine",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

#[rustfmt::skip]
static OPTIONS: [Opt; 11] = [
    opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas. Required.").value("server to connect to"),
    opt("command-config", "A properties file with settings of the client: security, time-outs.").value("command config property file"),
    opt("alter", "Makes or changes a subscription."),
    opt("delete", "Deletes a subscription."),
    opt("describe", "Shows subscriptions."),
    opt("list", "Lists the names of subscriptions."),
    opt("name", "The name of the subscription.").value("name"),
    opt("generate-name", "With --alter: a random name."),
    opt("interval", "How often clients send, in ms; empty for the default.").value("push interval"),
    opt("match", "Which clients: selector=pattern, separated by commas. Selectors: client_id, client_instance_id, client_software_name, \
        client_software_version, client_source_address, client_source_port.").value("k1=v1,k2=v2").separated_by(','),
    opt("metrics", "Prefixes of the metrics' names, separated by commas.").value("m1,m2").separated_by(','),
];

const TIMEOUT: Duration = Duration::from_secs(30);

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = match tool.parse(io, arguments) {
        Err(Failure::Exception { class, message }) if class.starts_with("joptsimple.") => {
            return Err(Failure::Usage { tool, message });
        }
        other => other?,
    };
    check(&args)?;
    let properties = admin_properties(&args)?;
    let result = with_admin(&properties, async |admin| act(io, &args, admin).await);
    match result {
        Err(failure) if !failure.is_exit() => {
            outln!(io, "Error while executing client metrics command : {}", failure.text());
            Err(Failure::Exit(1))
        }
        other => other,
    }
}

fn check(args: &Args) -> Result<(), Failure> {
    if ["alter", "delete", "describe", "list"].iter().filter(|action| args.has(action)).count() != 1 {
        return Err(
            args.usage("Command must include exactly one action: --alter, --delete, --describe or --list.")
        );
    }
    if !args.has("bootstrap-server") {
        return Err(Failure::illegal_argument("--bootstrap-server must be specified."));
    }
    let settings = ["generate-name", "interval", "match", "metrics"];
    args.forbid("delete", &settings)?;
    args.forbid("describe", &settings)?;
    args.forbid("list", &["name", "generate-name", "interval", "match", "metrics"])?;
    if args.has("alter") {
        if args.has("name") == args.has("generate-name") {
            return Err(Failure::illegal_argument(
                "One of --name or --generate-name must be specified with --alter.",
            ));
        }
        let interval = args.text("interval")?;
        if !interval.is_empty() && interval.parse::<i32>().is_err() {
            return Err(Failure::illegal_argument(
                "Invalid interval value. Enter an integer, or leave empty to reset.",
            ));
        }
    }
    if args.has("delete") && !args.has("name") {
        return Err(Failure::illegal_argument(
            "A client metrics resource name must be specified with --delete.",
        ));
    }
    Ok(())
}

async fn act(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    if args.has("alter") {
        let name = match args.value("name")? {
            Some(name) => name.to_owned(),
            None => random_name()?,
        };
        change(admin, &name, changes(args)?).await?;
        outln!(io, "Altered client metrics config for {name}.");
    } else if args.has("delete") {
        let name = args.text("name")?;
        let entries = entries(admin, name).await?;
        change(admin, name, entries.into_iter().map(|it| AlterConfigOp::delete(it.name)).collect()).await?;
        outln!(io, "Deleted client metrics config for {name}.");
    } else if args.has("describe") {
        describe(io, args, admin).await?;
    } else {
        let names = names(admin).await?;
        match io.json() {
            true => io.print_json(&names.into()),
            false => outln!(io, "{}", names.join("\n")),
        }
    }
    Ok(())
}

/// A name like those of `Uuid.randomUuid`.
fn random_name() -> Result<String, Failure> {
    let mut bits = [0; 16];
    let random = std::fs::File::open("/dev/urandom");
    random
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bits))
        .map_err(|why| Failure::message(format!("the system gives no random bytes: {why}")))?;
    Ok(ottla_protocol::Uuid::from_random(u128::from_be_bytes(bits)).to_string())
}

fn changes(args: &Args) -> Result<Vec<AlterConfigOp>, Failure> {
    let mut changes = Vec::new();
    for (option, key) in [("interval", "interval.ms"), ("metrics", "metrics"), ("match", "match")] {
        if args.has(option) {
            let value = args.values(option).join(",");
            changes.push(match value.is_empty() {
                true => AlterConfigOp::delete(key),
                false => AlterConfigOp::set(key, value),
            });
        }
    }
    Ok(changes)
}

fn resource(name: &str) -> ConfigResource {
    ConfigResource::new(ConfigResourceType::ClientMetrics, name)
}

async fn change(admin: &Admin, name: &str, changes: Vec<AlterConfigOp>) -> Result<(), Failure> {
    let options = AlterConfigsOptions { timeout: Some(TIMEOUT), validate_only: false };
    let results =
        admin.incremental_alter_configs(&BTreeMap::from([(resource(name), changes)]), &options).await;
    // The error itself is shown, not what is around it.
    Ok(results.into_values().collect::<ottla_client::Result<()>>()?)
}

async fn names(admin: &Admin) -> Result<Vec<String>, Failure> {
    let kinds = BTreeSet::from([ConfigResourceType::ClientMetrics]);
    let options = TimeoutOptions { timeout: Some(TIMEOUT) };
    let found = admin.list_config_resources(&kinds, &options).await?;
    Ok(found.into_iter().map(|it| it.name.to_string()).collect())
}

async fn entries(admin: &Admin, name: &str) -> Result<Vec<ConfigEntry>, Failure> {
    let options = DescribeConfigsOptions { timeout: Some(TIMEOUT), ..Default::default() };
    let results = admin.describe_configs(&[resource(name)], &options).await;
    let entries = results.into_values().collect::<ottla_client::Result<Vec<_>>>()?;
    Ok(entries.into_iter().flatten().collect())
}

async fn describe(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let mut wanted = names(admin).await?;
    if let Some(name) = args.value("name")? {
        if !wanted.iter().any(|it| it == name) {
            outln!(io, "The client metric resource {name} doesn't exist and doesn't have dynamic config.");
            return Ok(());
        }
        wanted = vec![name.to_owned()];
    }
    let mut document = Map::new();
    for name in wanted {
        let entries = entries(admin, &name).await?;
        if io.json() {
            let value = |it: &ConfigEntry| (it.name.to_string(), it.value.as_deref().into());
            document.insert(name, Value::Object(entries.iter().map(value).collect()));
            continue;
        }
        outln!(io, "Client metrics configs for {name} are:");
        for it in entries {
            outln!(io, "  {}={}", it.name, it.value.as_deref().unwrap_or("null"));
        }
    }
    if io.json() {
        io.print_json(&document.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refused;
    use ottla_client::admin::AlterConfigOpType;

    #[test]
    fn command_lines_are_refused_in_kafkas_words() {
        let check = |arguments: &str, expect: &str| refused("client-metrics", arguments, expect);
        let server = "--bootstrap-server localhost:1";
        check(
            &format!("{server} --alter --list"),
            "Command must include exactly one action: --alter, --delete, --describe or --list.",
        );
        check("--list", "--bootstrap-server must be specified.");
        check(
            &format!("{server} --alter"),
            "One of --name or --generate-name must be specified with --alter.",
        );
        check(
            &format!("{server} --alter --name a --interval x"),
            "Invalid interval value. Enter an integer, or leave empty to reset.",
        );
        check(
            &format!("{server} --delete"),
            "A client metrics resource name must be specified with --delete.",
        );
        check(&format!("{server} --list --name a"), "Option \"[list]\" can't be used with option \"[name]\"");
    }

    #[test]
    fn what_is_empty_is_taken_back() {
        let (mut io, _) = Io::captured("");
        let arguments = ["--alter", "--name", "a", "--metrics", "m,n", "--interval", ""].map(str::to_owned);
        let args = TOOL.parse(&mut io, &arguments).unwrap();
        let changes = changes(&args).unwrap();
        assert_eq!((&*changes[0].name, changes[0].op), ("interval.ms", AlterConfigOpType::Delete));
        assert_eq!((&*changes[1].name, changes[1].value.as_deref()), ("metrics", Some("m,n")));
        assert_eq!(random_name().unwrap().len(), 22);
    }
}

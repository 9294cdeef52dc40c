//! `ottla cluster`: Kafka's `ClusterTool`.

use ottla_client::Error;
use ottla_client::admin::{Admin, ClusterNode, DescribeClusterOptions, TimeoutOptions};

use crate::args::Args;
use crate::connect::{read_properties, set_bootstrap, with_admin};
use crate::failure::Failure;
use crate::io::Io;
use crate::option::{Kind, Opt, opt};
use crate::outln;
use crate::table::Table;
use crate::tool::{Command, Group, Syntax, Tool};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "cluster",
    script: "kafka-cluster",
    group: Group::Cluster,
    about: "Prints the id and the nodes of a cluster; unregisters brokers.",
    examples: "kafka-cluster.sh cluster-id --bootstrap-server localhost:9092\n\
               kafka-cluster.sh list-endpoints --bootstrap-server localhost:9092\n\
               kafka-cluster.sh unregister --bootstrap-server localhost:9092 --id 3",
    syntax: Syntax::Commands(&COMMAND),
    run,
};

const SERVER: Opt = opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas.")
    .alias(&["b"])
    .value("BOOTSTRAP_SERVER")
    .exclusive(1, true);
const CONTROLLER: Opt =
    opt("bootstrap-controller", "Controllers to connect to, as host:port, separated by commas.")
        .alias(&["C"])
        .value("BOOTSTRAP_CONTROLLER")
        .exclusive(1, true);
const OLD_CONFIG: Opt =
    opt("config", "The older spelling of --command-config.").value("CONFIG").deprecated("command-config");
const CONFIG: Opt =
    opt("command-config", "A properties file with settings of the client: security, time-outs.")
        .alias(&["c"])
        .value("COMMAND_CONFIG");

static COMMAND: Command = Command {
    name: "kafka-cluster",
    about: "The id and the nodes of a cluster.",
    options: &[],
    metavar: "",
    commands: &[
        Command {
            name: "cluster-id",
            about: "Prints the id of the cluster.",
            options: &[SERVER, CONTROLLER, OLD_CONFIG, CONFIG],
            metavar: "",
            commands: &[],
            help_code: 1,
        },
        Command {
            name: "unregister",
            about: "Takes a broker that is shut down for good out of the cluster.",
            options: &[
                SERVER,
                CONTROLLER,
                OLD_CONFIG,
                CONFIG,
                opt("id", "The id of the broker.").alias(&["i"]).value("ID").kind(Kind::Int).required(),
            ],
            metavar: "",
            commands: &[],
            help_code: 1,
        },
        Command {
            name: "list-endpoints",
            about: "Lists brokers, or with --bootstrap-controller controllers.",
            options: &[
                SERVER,
                CONTROLLER,
                OLD_CONFIG,
                CONFIG,
                opt("include-fenced-brokers", "Also brokers that are registered but not serving."),
            ],
            metavar: "",
            commands: &[],
            help_code: 1,
        },
    ],
    help_code: 1,
};

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = tool.parse(io, arguments)?;
    let command = args.commands.first().copied().unwrap_or_default();
    if args.has("config") && args.has("command-config") {
        return Err(Failure::message("--config and --command-config cannot be specified together."));
    }
    let mut path = args.value("command-config")?;
    if let Some(old) = args.value("config")? {
        outln!(
            io,
            "Option --config has been deprecated and will be removed in a future version. Use --command-config instead."
        );
        path = Some(old);
    }
    let mut properties = path.map(read_properties).transpose()?.unwrap_or_default();
    set_bootstrap(&mut properties, args.value("bootstrap-server")?, args.value("bootstrap-controller")?)?;
    let fenced = command == "list-endpoints" && args.has("include-fenced-brokers");
    if fenced && args.has("bootstrap-controller") {
        return Err(Failure::illegal_argument(
            "The option --include-fenced-brokers is only supported with --bootstrap-server option",
        ));
    }
    with_admin(&properties, async |admin| match command {
        "cluster-id" => cluster_id(io, admin).await,
        "unregister" => unregister(io, &args, admin).await,
        _ => list_endpoints(io, &args, admin, fenced).await,
    })
}

async fn cluster_id(io: &mut Io, admin: &Admin) -> Result<(), Failure> {
    let options = DescribeClusterOptions::default();
    let id = admin.describe_cluster(&options).await.map_err(Failure::in_future)?.cluster_id;
    if io.json() {
        io.print_json(&serde_json::json!({ "cluster_id": id.as_deref() }));
        return Ok(());
    }
    match id {
        Some(id) => outln!(io, "Cluster ID: {id}"),
        None => outln!(io, "No cluster ID found. The Kafka version is probably too old."),
    }
    Ok(())
}

async fn unregister(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let id: i32 = args.number("id")?.unwrap_or_default();
    match admin.unregister_broker(id, &TimeoutOptions::default()).await {
        Ok(()) => outln!(io, "Broker {id} is no longer registered."),
        Err(error) if is_unsupported(&error) => {
            outln!(io, "The target cluster does not support the broker unregistration API.");
        }
        Err(error) => return Err(Failure::in_future(error)),
    }
    Ok(())
}

/// Whether Java has an `UnsupportedVersionException` for it.
pub(crate) fn is_unsupported(error: &Error) -> bool {
    matches!(error, Error::UnsupportedVersion(_))
        || error.code() == Some(ottla_protocol::ErrorCode::UnsupportedVersion)
}

async fn list_endpoints(io: &mut Io, args: &Args, admin: &Admin, fenced: bool) -> Result<(), Failure> {
    let options = DescribeClusterOptions { include_fenced_brokers: fenced, ..Default::default() };
    match admin.describe_cluster(&options).await {
        Ok(cluster) => print_endpoints(io, &cluster.nodes, args.has("bootstrap-controller")),
        Err(error) if is_unsupported(&error) => outln!(io, "{error}"),
        Err(error) => return Err(Failure::in_future(error)),
    }
    Ok(())
}

fn print_endpoints(io: &mut Io, nodes: &[ClusterNode], controllers: bool) {
    let headers: &[&str] = match controllers {
        true => &["ID", "HOST", "PORT", "RACK", "ENDPOINT_TYPE"],
        false => &["ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE"],
    };
    let mut table = Table::new(headers);
    for it in nodes {
        let node = &it.node;
        let rack = node.rack.as_deref().unwrap_or("null");
        let mut row =
            vec![node.id.to_string(), node.host.to_string(), node.port.to_string(), rack.to_owned()];
        if !controllers {
            row.push(if it.is_fenced { "fenced" } else { "unfenced" }.to_owned());
        }
        row.push(if controllers { "controller" } else { "broker" }.to_owned());
        table.row(row);
    }
    if io.json() {
        return io.print_json(&table.to_json());
    }
    let host = nodes.iter().map(|it| it.node.host.chars().count()).max().unwrap_or(100);
    let racks = nodes.iter().filter_map(|it| it.node.rack.as_ref());
    let rack = racks.map(|rack| rack.chars().count()).max().unwrap_or(10);
    let widths: &[usize] = match controllers {
        true => &[10, host, 10, rack, 15],
        false => &[10, host, 10, rack, 10, 15],
    };
    for row in std::iter::once(&table.headers).chain(&table.rows) {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}", width = *width)).collect();
        outln!(io, "{}", cells.join(" "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_captured;
    use ottla_client::cluster::Node;

    #[test]
    fn nodes_are_listed_in_kafkas_columns() {
        let node = |id, rack: Option<&str>, is_fenced| ClusterNode {
            node: Node { id, host: "localhost".into(), port: 9092, rack: rack.map(Into::into) },
            is_fenced,
        };
        let (mut io, captured) = Io::captured("");
        print_endpoints(&mut io, &[node(0, Some("rack0"), false), node(1, None, true)], false);
        assert_eq!(
            captured.out(),
            "ID         HOST      PORT       RACK  STATE      ENDPOINT_TYPE  \n\
             0          localhost 9092       rack0 unfenced   broker         \n\
             1          localhost 9092       null  fenced     broker         \n"
        );
        let (mut io, captured) = Io::captured("");
        print_endpoints(&mut io, &[node(0, None, false)], true);
        assert_eq!(
            captured.out(),
            "ID         HOST      PORT       RACK       ENDPOINT_TYPE  \n\
             0          localhost 9092       null       controller     \n"
        );
    }

    #[test]
    fn fenced_brokers_are_known_to_brokers_only() {
        let (code, _, err) = run_captured(
            "cluster",
            &["list-endpoints", "--bootstrap-controller", "localhost:1", "--include-fenced-brokers"],
            "",
        )
        .unwrap();
        assert_eq!(
            (code, err.as_str()),
            (1, "The option --include-fenced-brokers is only supported with --bootstrap-server option\n")
        );
        let (code, out, err) = run_captured(
            "kafka-cluster.sh",
            &["cluster-id", "-b", "localhost:1", "--config", "/none", "--command-config", "/none"],
            "",
        )
        .unwrap();
        assert_eq!((code, out.as_str()), (1, ""));
        assert_eq!(err, "--config and --command-config cannot be specified together.\n");
    }
}

//! `ottla doctor`: what is wrong with a node or a cluster, in words (Kafka has no such tool).
//!
//! | file | what |
//! | --- | --- |
//! | `finding` | what was found, and how it is printed |
//! | `node` | configuration, disks, limits and clock of this machine |
//! | `cluster` | whether clients reach what the brokers advertise |

mod cluster;
mod finding;
mod node;

use self::finding::{Findings, Level};
use crate::connect::{block_on, read_properties};
use crate::option::{Opt, opt};
use crate::tool::{Group, Syntax, Tool};
use crate::{Failure, Io};
use ottla_client::config::Properties;

static OPTIONS: [Opt; 3] = [
    opt(
        "config",
        "The configuration file of a node of this machine, to look at its settings, disks and limits.",
    )
    .value("file")
    .beyond_kafka(),
    opt("bootstrap-server", "Addresses of a cluster, to see whether clients reach its listeners.")
        .value("server to connect to")
        .beyond_kafka(),
    opt("command-config", "A file of properties of the client.").value("config file").beyond_kafka(),
];

/// The tool.
pub static TOOL: Tool = Tool {
    name: "doctor",
    script: "",
    group: Group::Cluster,
    about: "Looks for what commonly goes wrong with a node or a cluster.",
    examples: "ottla doctor --bootstrap-server localhost:9092\n\
               ottla doctor --config config/server.properties",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = tool.parse(io, arguments)?;
    let mut findings = Findings::default();
    node::clock(crate::clock::now_ms(), &mut findings);
    node::open_files(&mut findings);
    if let Some(path) = args.value("config")? {
        node::configuration(&read_properties(path)?, &mut findings);
    }
    if let Some(servers) = args.value("bootstrap-server")? {
        let mut properties = match args.value("command-config")? {
            Some(path) => read_properties(path)?,
            None => Properties::new(),
        };
        properties.insert("bootstrap.servers".to_owned(), servers.to_owned());
        block_on(async {
            cluster::listeners(servers, &properties, &mut findings).await;
            Ok(())
        })?;
    }
    findings.print(io);
    if findings.worst() == Level::Wrong { Err(Failure::Exit(1)) } else { Ok(()) }
}

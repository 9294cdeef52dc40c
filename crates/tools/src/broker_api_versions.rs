//! `ottla broker-api-versions`: Kafka's `BrokerApiVersionsCommand`.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_client::admin::{Admin, ClusterNode, DescribeClusterOptions};
use ottla_client::{Error, Target};
use ottla_protocol::ApiKey;
use ottla_protocol::messages::api_versions_response::ApiVersion;
use ottla_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::connect::{admin_properties, with_admin};
use crate::failure::Failure;
use crate::io::Io;
use crate::option::{Opt, opt};
use crate::out;
use crate::tool::{Group, Syntax, Tool};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "broker-api-versions",
    script: "kafka-broker-api-versions",
    group: Group::Cluster,
    about: "Shows which requests each broker understands, in which versions.",
    examples: "kafka-broker-api-versions.sh --bootstrap-server localhost:9092",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

static OPTIONS: [Opt; 2] = [
    opt("command-config", "A properties file with settings of the client: security, time-outs.")
        .value("command config property file"),
    opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas. Required.")
        .value("server(s) to use for bootstrapping"),
];

const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = tool.parse(io, arguments)?;
    args.require(&["bootstrap-server"])?;
    let mut properties = admin_properties(&args)?;
    let timeout = || REQUEST_TIMEOUT.as_millis().to_string();
    let timeout = properties.entry("request.timeout.ms".to_owned()).or_insert_with(timeout).clone();
    // It must not be the shorter one.
    properties.entry("default.api.timeout.ms".to_owned()).or_insert(timeout);
    with_admin(&properties, async |admin| show(io, admin).await)
}

async fn show(io: &mut Io, admin: &Admin) -> Result<(), Failure> {
    let servers = admin.cluster().config().bootstrap_servers.join(", ");
    let cluster = admin
        .describe_cluster(&DescribeClusterOptions::default())
        .await
        .map_err(|_| Failure::runtime(format!("Request METADATA failed on brokers [{servers}]")))?;
    let mut document = Vec::new();
    for it in &cluster.nodes {
        let answer = ask(admin, it).await;
        if io.json() {
            document.push(to_json(it, &answer));
            continue;
        }
        let node = node_text(it);
        match answer {
            Ok(response) => out!(io, "{node} -> {}\n", versions_text(&response.api_keys)),
            Err(error) => out!(io, "{node} -> ERROR: {}\n", Failure::in_future(error).text()),
        }
    }
    if io.json() {
        io.print_json(&Value::Array(document));
    }
    Ok(())
}

async fn ask(admin: &Admin, it: &ClusterNode) -> Result<ApiVersionsResponse, Error> {
    let request = ApiVersionsRequest {
        client_software_name: "ottla-tools".into(),
        client_software_version: env!("CARGO_PKG_VERSION").into(),
    };
    let deadline = Instant::now() + admin.cluster().config().request_timeout;
    let response = admin.cluster().call(Target::Node(it.node.id), request, deadline).await?;
    Error::check(response.error_code, None)?;
    Ok(response)
}

/// As Java's `Node` prints itself.
fn node_text(it: &ClusterNode) -> String {
    let node = &it.node;
    let rack = node.rack.as_deref().unwrap_or("null");
    format!("{}:{} (id: {} rack: {rack} isFenced: {})", node.host, node.port, node.id, it.is_fenced)
}

fn versions_text(versions: &[ApiVersion]) -> String {
    let mut lines: BTreeMap<i16, String> = versions.iter().map(|it| (it.api_key, version_text(it))).collect();
    for api in ApiKey::ALL.iter().filter(|api| api.on_broker()) {
        lines.entry(api.code()).or_insert_with(|| format!("{}({}): UNSUPPORTED", api.name(), api.code()));
    }
    let lines: Vec<String> = lines.into_values().collect();
    format!("(\n\t{}\n)", lines.join(",\n\t"))
}

fn version_text(it: &ApiVersion) -> String {
    let range = match it.min_version == it.max_version {
        true => it.min_version.to_string(),
        false => format!("{} to {}", it.min_version, it.max_version),
    };
    let Some(api) = ApiKey::from_code(it.api_key) else { return format!("UNKNOWN({}): {range}", it.api_key) };
    let usable = if api.max_version() < it.min_version {
        "unusable: node too new".to_owned()
    } else if it.max_version < api.min_version() {
        "unusable: node too old".to_owned()
    } else {
        format!("usable: {}", api.max_version().min(it.max_version))
    };
    format!("{}({}): {range} [{usable}]", api.name(), it.api_key)
}

fn to_json(it: &ClusterNode, answer: &Result<ApiVersionsResponse, Error>) -> Value {
    let api = |it: &ApiVersion| {
        json!({
            "api": ApiKey::from_code(it.api_key).map(|api| api.name()),
            "key": it.api_key,
            "min_version": it.min_version,
            "max_version": it.max_version,
        })
    };
    json!({
        "id": it.node.id,
        "host": &*it.node.host,
        "port": it.node.port,
        "rack": it.node.rack.as_deref(),
        "apis": answer.as_ref().ok().map(|response| response.api_keys.iter().map(api).collect::<Vec<_>>()),
        "error": answer.as_ref().err().map(ToString::to_string),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_written_as_kafka_writes_them() {
        let check = |api_key, min_version, max_version, expect: &str| {
            assert_eq!(version_text(&ApiVersion { api_key, min_version, max_version }), expect);
        };
        check(0, 0, 13, "Produce(0): 0 to 13 [usable: 13]");
        check(24, 0, 3, "AddPartitionsToTxn(24): 0 to 3 [usable: 3]");
        check(18, 0, 0, "ApiVersions(18): 0 [usable: 0]");
        check(1, 100, 101, "Fetch(1): 100 to 101 [unusable: node too new]");
        check(1, 0, 1, "Fetch(1): 0 to 1 [unusable: node too old]");
        check(9999, 0, 1, "UNKNOWN(9999): 0 to 1");
        let all = versions_text(&[ApiVersion { api_key: 3, min_version: 0, max_version: 13 }]);
        assert!(all.starts_with("(\n\tProduce(0): UNSUPPORTED,\n\tFetch(1): UNSUPPORTED,\n"), "{all}");
        assert!(all.contains(",\n\tMetadata(3): 0 to 13 [usable: 13],\n") && all.ends_with("\n)"));
    }
}

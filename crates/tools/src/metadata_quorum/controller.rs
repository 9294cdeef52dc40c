//! Adding controllers to the quorum, and removing them.

use ottla_client::admin::{Admin, RaftVoterEndpoint, RaftVoterOptions};
use ottla_client::config::Properties;
use ottla_protocol::Uuid;

use super::endpoint;
use crate::args::Args;
use crate::connect::read_properties;
use crate::failure::Failure;
use crate::io::Io;
use crate::{java, outln};

fn refuse(text: impl Into<String>) -> Failure {
    Failure::message(text)
}

pub(super) async fn add(
    io: &mut Io,
    admin: &Admin,
    dry_run: bool,
    properties: &Properties,
) -> Result<(), Failure> {
    let id = controller_id(properties)?;
    let directory = metadata_directory(properties)?;
    let directory_id = directory_id(&directory)?;
    let endpoints = controller_listeners(properties)?;
    if !dry_run {
        let options = RaftVoterOptions::default();
        admin.add_raft_voter(id, directory_id, &endpoints, &options).await.map_err(Failure::in_future)?;
    }
    let done = if dry_run { "DRY RUN of adding" } else { "Added" };
    let endpoints: Vec<String> = endpoints.iter().map(endpoint).collect();
    outln!(
        io,
        "{done} controller {id} with directory id {directory_id} and endpoints: {}",
        endpoints.join(", ")
    );
    Ok(())
}

fn controller_id(properties: &Properties) -> Result<i32, Failure> {
    const WRONG: &str = "file. Is this a valid controller configuration file?";
    let text = properties
        .get("node.id")
        .ok_or_else(|| refuse(format!("node.id not found in configuration {WRONG}")))?;
    let id = java::parse_int(text)?;
    if id < 0 {
        return Err(refuse(format!("node.id was negative in configuration {WRONG}")));
    }
    if !properties.get("process.roles").is_some_and(|roles| roles.contains("controller")) {
        return Err(refuse(format!("process.roles did not contain 'controller' in configuration {WRONG}")));
    }
    Ok(id)
}

fn metadata_directory(properties: &Properties) -> Result<String, Failure> {
    if let Some(dir) = properties.get("metadata.log.dir") {
        return Ok(dir.clone());
    }
    let dirs = properties.get("log.dirs").map(|dirs| dirs.trim());
    dirs.and_then(|dirs| dirs.split(',').next()).map(str::to_owned).ok_or_else(|| {
        refuse(
            "Neither metadata.log.dir nor log.dirs were found. Is this a valid controller configuration file?",
        )
    })
}

fn directory_id(directory: &str) -> Result<Uuid, Failure> {
    let path = std::path::Path::new(directory).join("meta.properties");
    let properties = read_properties(path)
        .map_err(|_| refuse(format!("Unable to read meta.properties from {directory}")))?;
    let id = properties.get("directory.id").and_then(|text| text.parse().ok());
    id.ok_or_else(|| refuse(format!("No directory id found in {directory}")))
}

/// The listeners of the controller; what is advertised goes before what is listened on.
fn controller_listeners(properties: &Properties) -> Result<Vec<RaftVoterEndpoint>, Failure> {
    let mut listeners = Vec::new();
    for key in ["advertised.listeners", "listeners"] {
        let texts = properties.get(key).map(String::as_str).unwrap_or_default();
        for text in texts.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let parsed = parse_listener(text).ok_or_else(|| {
                Failure::illegal_argument(format!("Unable to parse {text} to a broker endpoint"))
            })?;
            listeners.push(parsed);
        }
    }
    let names = properties.get("controller.listener.names").ok_or_else(|| {
        refuse("controller.listener.names was not found. Is this a valid controller configuration file?")
    })?;
    let mut found: Vec<RaftVoterEndpoint> = Vec::new();
    for name in names.split(',').map(|name| name.trim().to_uppercase()) {
        let listener = listeners.iter().find(|it| *it.listener == *name).ok_or_else(|| {
            refuse(format!("Cannot find information about controller listener name: {name}"))
        })?;
        if !found.contains(listener) {
            found.push(listener.clone());
        }
    }
    Ok(found)
}

fn parse_listener(text: &str) -> Option<RaftVoterEndpoint> {
    let (name, address) = text.split_once("://")?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = if host.is_empty() { "localhost" } else { host };
    Some(RaftVoterEndpoint {
        listener: name.to_uppercase().into(),
        host: host.into(),
        port: port.parse().ok()?,
    })
}

pub(super) async fn remove(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let id: i32 = args.number("controller-id")?.unwrap_or_default();
    if id < 0 {
        return Err(refuse(format!("Invalid negative --controller-id: {id}")));
    }
    let directory_id = java::parse_uuid(args.text("controller-directory-id")?).map_err(|failure| {
        refuse(format!("Failed to parse --controller-directory-id: {}", failure.text()))
    })?;
    let dry_run = args.has("dry-run");
    if !dry_run {
        let options = RaftVoterOptions::default();
        admin.remove_raft_voter(id, directory_id, &options).await.map_err(Failure::in_future)?;
    }
    let done = if dry_run { "DRY RUN of removing " } else { "Removed " };
    outln!(io, "{done} KRaft controller {id} with directory id {directory_id}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> Properties {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_file_must_be_a_controllers() {
        let check = |pairs: &[(&str, &str)], expect: &str| {
            assert_eq!(controller_id(&properties(pairs)).unwrap_err().text(), expect);
        };
        check(&[], "node.id not found in configuration file. Is this a valid controller configuration file?");
        check(
            &[("node.id", "-1")],
            "node.id was negative in configuration file. Is this a valid controller configuration file?",
        );
        check(
            &[("node.id", "1"), ("process.roles", "broker")],
            "process.roles did not contain 'controller' in configuration file. Is this a valid controller configuration file?",
        );
        assert_eq!(metadata_directory(&properties(&[("log.dirs", "/a,/b")])).unwrap(), "/a");
    }

    #[test]
    fn advertised_listeners_go_first() {
        let found = controller_listeners(&properties(&[
            ("listeners", "CONTROLLER://:9093,BROKER://:9092"),
            ("advertised.listeners", "CONTROLLER://example.com:9094"),
            ("controller.listener.names", "controller"),
        ]))
        .unwrap();
        assert_eq!(found.iter().map(endpoint).collect::<Vec<_>>(), ["CONTROLLER://example.com:9094"]);
        let missing = properties(&[("controller.listener.names", "X")]);
        assert_eq!(
            controller_listeners(&missing).unwrap_err().text(),
            "Cannot find information about controller listener name: X"
        );
    }
}

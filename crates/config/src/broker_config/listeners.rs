//! Where a node listens, and what it tells others of it (Kafka's `SocketServerConfigs`,
//! `AbstractKafkaConfig`).

use std::collections::BTreeMap;

pub use super::endpoint::{Endpoint, SecurityProtocol};
use super::endpoint::{SECURITY_PROTOCOL_MAP, normalized, parse_csv_map, parse_endpoints};
use super::quorum::QuorumConfig;
use crate::error::{ConfigError, ErrorKind};
use crate::key_def::Scope;
use crate::keys;
use crate::layers::RawMap;
use crate::synonyms;
use crate::value;
use crate::values::Values;

const LISTENERS: &str = "listeners";
const ADVERTISED_LISTENERS: &str = "advertised.listeners";

/// A listener to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub endpoint: Endpoint,
    /// Whether it serves controllers and not clients.
    pub is_controller: bool,
    /// `max.connections` of this listener, or of the broker.
    pub max_connections: i32,
    /// `max.connection.creation.rate` of this listener, or of the broker; per second.
    pub max_connection_creation_rate: i32,
    /// `num.network.threads` of this listener, or of the broker.
    pub num_network_threads: i32,
}

/// Where a node listens, and what it tells others of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenersConfig {
    /// All listeners to open, those for controllers included.
    pub listeners: Vec<Listener>,
    /// What clients and other brokers are told.
    pub advertised: Vec<Endpoint>,
    /// What other controllers are told.
    pub controller_advertised: Vec<Endpoint>,
    /// `controller.listener.names`.
    pub controller_listener_names: Vec<String>,
    /// The listener over which brokers talk to each other.
    pub inter_broker_listener_name: String,
    /// How it is secured.
    pub inter_broker_security_protocol: SecurityProtocol,
    /// Which protocol each name of a listener stands for.
    pub security_protocol_map: BTreeMap<String, SecurityProtocol>,
}

impl ListenersConfig {
    pub(super) fn from_values(
        values: &Values,
        originals: &RawMap,
        quorum: &QuorumConfig,
    ) -> Result<ListenersConfig, ConfigError> {
        let protocols = security_protocol_map(values, originals)?;
        let controller_names = values.list("controller.listener.names").to_vec();
        let is_controller = |name: &str| controller_names.iter().any(|controller| controller == name);
        let endpoints = parse_endpoints(LISTENERS, values.list(LISTENERS), &protocols, true)?;
        let advertised = match values.opt_list(ADVERTISED_LISTENERS) {
            Some(entries) => Some(parse_endpoints(ADVERTISED_LISTENERS, entries, &protocols, false)?),
            None => None,
        };
        let controller_advertised = controller_names
            .iter()
            .enumerate()
            .filter_map(|(index, name)| {
                let voters = if index == 0 { Some((quorum, values.int("node.id"))) } else { None };
                controller_endpoint(name, advertised.as_deref().unwrap_or_default(), &endpoints, voters)
            })
            .collect();
        let (inter_broker_listener_name, inter_broker_security_protocol) =
            inter_broker_listener(values, originals, &protocols)?;
        let mut advertised = advertised.unwrap_or_else(|| endpoints.clone());
        advertised.retain(|endpoint| !is_controller(&endpoint.listener));
        let listeners = endpoints
            .into_iter()
            .map(|endpoint| {
                let of_listener = |key| listener_int(values, originals, &endpoint.listener, key);
                Ok(Listener {
                    is_controller: is_controller(&endpoint.listener),
                    max_connections: of_listener("max.connections")?,
                    max_connection_creation_rate: of_listener("max.connection.creation.rate")?,
                    num_network_threads: of_listener("num.network.threads")?,
                    endpoint,
                })
            })
            .collect::<Result<_, ConfigError>>()?;
        Ok(ListenersConfig {
            listeners,
            advertised,
            controller_advertised,
            controller_listener_names: controller_names,
            inter_broker_listener_name,
            inter_broker_security_protocol,
            security_protocol_map: protocols,
        })
    }

    /// The listeners that serve clients.
    pub fn for_clients(&self) -> impl Iterator<Item = &Listener> {
        self.listeners.iter().filter(|listener| !listener.is_controller)
    }

    /// The listeners that serve controllers.
    pub fn for_controllers(&self) -> impl Iterator<Item = &Listener> {
        self.listeners.iter().filter(|listener| listener.is_controller)
    }
}

/// What controllers are told of one of their listeners: the advertised address, else the one it listens at.
/// The first listener takes this node's address among the voters if it listens at all interfaces.
fn controller_endpoint(
    name: &str,
    advertised: &[Endpoint],
    listeners: &[Endpoint],
    voters: Option<(&QuorumConfig, i32)>,
) -> Option<Endpoint> {
    if let Some(endpoint) = advertised.iter().find(|endpoint| endpoint.listener == name) {
        return Some(endpoint.clone());
    }
    let mut endpoint = listeners.iter().find(|endpoint| endpoint.listener == name)?.clone();
    if !matches!(endpoint.host.as_deref(), None | Some("0.0.0.0")) {
        return Some(endpoint);
    }
    endpoint.host = None;
    if let Some((quorum, node_id)) = voters
        && let Some(voter) = quorum.voters.iter().find(|voter| voter.id == node_id)
    {
        endpoint.host = Some(voter.address.host.clone());
        endpoint.port = voter.address.port;
    }
    Some(endpoint)
}

/// A value of one listener, or of the broker.
fn listener_int(values: &Values, originals: &RawMap, listener: &str, key: &str) -> Result<i32, ConfigError> {
    let name = format!("{}{key}", synonyms::listener_prefix(listener));
    let (Some(text), Some(def)) = (originals.get(&name), keys::lookup(Scope::Broker, key)) else {
        return Ok(values.int(key));
    };
    let value = value::parse(def, Some(text)).map_err(|error| error.for_key(&name))?;
    Ok(value.as_i64().and_then(|number| i32::try_from(number).ok()).unwrap_or_else(|| values.int(key)))
}

/// The protocols by listener name. If the map is left to its default and nothing but PLAINTEXT is in use,
/// the names of controller listeners stand for PLAINTEXT too.
fn security_protocol_map(
    values: &Values,
    originals: &RawMap,
) -> Result<BTreeMap<String, SecurityProtocol>, ConfigError> {
    let mut protocols = BTreeMap::new();
    for (name, protocol) in parse_csv_map(SECURITY_PROTOCOL_MAP, values.string(SECURITY_PROTOCOL_MAP))? {
        let protocol = SecurityProtocol::from_name(&protocol, SECURITY_PROTOCOL_MAP)?;
        let name = normalized(&name, SECURITY_PROTOCOL_MAP)?;
        if protocols.insert(name.clone(), protocol).is_some() {
            let message = format!("Duplicate key {name} in {SECURITY_PROTOCOL_MAP}");
            return Err(ConfigError::new(ErrorKind::IllegalArgument, message).for_key(SECURITY_PROTOCOL_MAP));
        }
    }
    if originals.contains_key(SECURITY_PROTOCOL_MAP) {
        return Ok(protocols);
    }
    let is_secure = |name: &str| matches!(name, "SSL" | "SASL_SSL" | "SASL_PLAINTEXT");
    let controllers = values.list("controller.listener.names");
    let scheme_of = |entry: &String| entry.split_once(':').map(|(scheme, _)| scheme.to_uppercase());
    if controllers.iter().any(|name| is_secure(name))
        || values.list(LISTENERS).iter().filter_map(scheme_of).any(|name| is_secure(&name))
    {
        return Ok(protocols);
    }
    protocols.extend(controllers.iter().map(|name| (name.clone(), SecurityProtocol::Plaintext)));
    Ok(protocols)
}

fn inter_broker_listener(
    values: &Values,
    originals: &RawMap,
    protocols: &BTreeMap<String, SecurityProtocol>,
) -> Result<(String, SecurityProtocol), ConfigError> {
    const NAME: &str = "inter.broker.listener.name";
    const PROTOCOL: &str = "security.inter.broker.protocol";
    let Some(name) = values.opt_string(NAME) else {
        let protocol = SecurityProtocol::from_name(values.string(PROTOCOL), PROTOCOL)?;
        return Ok((protocol.name().to_owned(), protocol));
    };
    if originals.contains_key(PROTOCOL) {
        let message = format!("Only one of {NAME} and {PROTOCOL} should be set.");
        return Err(ConfigError::config(message).for_key(NAME));
    }
    let name = normalized(name, NAME)?;
    match protocols.get(&name) {
        Some(protocol) => Ok((name, *protocol)),
        None => {
            let message =
                format!("Listener with name {name} defined in {NAME} not found in {SECURITY_PROTOCOL_MAP}.");
            Err(ConfigError::config(message).for_key(NAME))
        }
    }
}

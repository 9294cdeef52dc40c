//! Addresses of listeners: how they are written, and which may stand together.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::error::{ConfigError, ErrorKind};
use crate::java;
use crate::quorum_address::{is_host_char, strip_brackets};

pub(super) const SECURITY_PROTOCOL_MAP: &str = "listener.security.protocol.map";

/// How a connection is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecurityProtocol {
    /// Not at all.
    Plaintext,
    /// By TLS.
    Ssl,
    /// By SASL without encryption.
    SaslPlaintext,
    /// By SASL over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    const ALL: [SecurityProtocol; 4] = [
        SecurityProtocol::Plaintext,
        SecurityProtocol::Ssl,
        SecurityProtocol::SaslPlaintext,
        SecurityProtocol::SaslSsl,
    ];

    /// Kafka's name.
    pub const fn name(self) -> &'static str {
        match self {
            SecurityProtocol::Plaintext => "PLAINTEXT",
            SecurityProtocol::Ssl => "SSL",
            SecurityProtocol::SaslPlaintext => "SASL_PLAINTEXT",
            SecurityProtocol::SaslSsl => "SASL_SSL",
        }
    }

    /// Kafka's number, as in the metadata records.
    pub const fn id(self) -> i16 {
        match self {
            SecurityProtocol::Plaintext => 0,
            SecurityProtocol::Ssl => 1,
            SecurityProtocol::SaslPlaintext => 2,
            SecurityProtocol::SaslSsl => 3,
        }
    }

    pub(super) fn from_name(name: &str, key: &str) -> Result<SecurityProtocol, ConfigError> {
        let found =
            SecurityProtocol::ALL.into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| {
            let message = format!("Invalid security protocol `{name}` defined in {key}");
            ConfigError::config(message).for_key(key).hint("use PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")
        })
    }
}

/// An address by the name of its listener.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Name of the listener, in capitals.
    pub listener: String,
    /// How its connections are secured.
    pub security_protocol: SecurityProtocol,
    /// Name or address; `None` for all interfaces. Whoever advertises such an endpoint puts in the name of
    /// the machine.
    pub host: Option<String>,
    /// The port; 0 for any free one. Whoever advertises such an endpoint puts in the port that it got.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.as_deref().unwrap_or_default() {
            host if host.contains(':') => write!(f, "{}://[{host}]:{}", self.listener, self.port),
            host => write!(f, "{}://{host}:{}", self.listener, self.port),
        }
    }
}

/// Reads entries `NAME://host:port`.
pub(super) fn parse_endpoints(
    key: &str,
    entries: &[String],
    protocols: &BTreeMap<String, SecurityProtocol>,
    distinct_ports: bool,
) -> Result<Vec<Endpoint>, ConfigError> {
    let shown = java::list_to_string(entries);
    let endpoints: Result<Vec<Endpoint>, ConfigError> =
        entries.iter().map(|entry| parse_endpoint(key, entry, protocols)).collect();
    endpoints
        .and_then(|endpoints| {
            check_distinct(&endpoints, &shown, distinct_ports)?;
            Ok(endpoints)
        })
        .map_err(|error| {
            let message = format!("Error creating broker listeners from '{shown}': {}", error.message);
            let error = ConfigError { kind: ErrorKind::IllegalArgument, message, ..error };
            error.for_key(key).with_value(entries.join(","))
        })
}

fn parse_endpoint(
    key: &str,
    entry: &str,
    protocols: &BTreeMap<String, SecurityProtocol>,
) -> Result<Endpoint, ConfigError> {
    let error = |message: String| ConfigError::config(message).hint("give entries NAME://host:port");
    let parts = entry.rsplit_once("://").and_then(|(name, address)| {
        let (host, port) = address.rsplit_once(':')?;
        let host = strip_brackets(host);
        let digits = port.strip_prefix('-').unwrap_or(port);
        let valid = host.chars().all(is_host_char)
            && !digits.is_empty()
            && digits.bytes().all(|digit| digit.is_ascii_digit());
        valid.then_some((name, host, port))
    });
    let Some((name, host, port)) = parts else {
        return Err(error(format!("Unable to parse {entry} to a broker endpoint")));
    };
    let name = normalized(name, key)?;
    let port = port.parse().map_err(|_| error(format!("{port} in {entry} is not a port (0 to 65535)")))?;
    let Some(security_protocol) = protocols.get(&name).copied() else {
        let hint = format!("add {name}:PLAINTEXT to {SECURITY_PROTOCOL_MAP}");
        return Err(
            ConfigError::config(format!("No security protocol defined for listener {name}")).hint(hint)
        );
    };
    let host = (!host.is_empty()).then(|| host.to_owned());
    Ok(Endpoint { listener: name, security_protocol, host, port })
}

/// No two listeners share a name, and none a port but one of IPv4 with one of IPv6.
fn check_distinct(endpoints: &[Endpoint], shown: &str, distinct_ports: bool) -> Result<(), ConfigError> {
    let error = |message: String| Err(ConfigError::new(ErrorKind::IllegalArgument, message));
    let names: BTreeSet<&str> = endpoints.iter().map(|endpoint| endpoint.listener.as_str()).collect();
    if names.len() != endpoints.len() {
        return error(format!("Each listener must have a different name, listeners: {shown}"));
    }
    if !distinct_ports {
        return Ok(());
    }
    let ports: BTreeSet<u16> =
        endpoints.iter().map(|endpoint| endpoint.port).filter(|port| *port != 0).collect();
    for port in ports {
        let on_port: Vec<&Endpoint> = endpoints.iter().filter(|endpoint| endpoint.port == port).collect();
        let addresses: Vec<IpAddr> =
            on_port.iter().filter_map(|endpoint| endpoint.host.as_deref()?.parse().ok()).collect();
        let others = on_port.len() - addresses.len();
        if others > 1 {
            return error(format!("Each listener must have a different port, listeners: {shown}"));
        }
        match addresses.as_slice() {
            _ if on_port.len() < 2 => {}
            [a, b] if others == 0 && a.is_ipv4() != b.is_ipv4() => {}
            [_, _] => {
                return error(format!(
                    "If you have two listeners on the same port then one needs to be IPv4 and the other \
                     IPv6, listeners: {shown}, port: {port}"
                ));
            }
            _ => {
                return error(format!(
                    "Each listener must have a different port unless exactly one listener has an IPv4 \
                     address and the other IPv6 address, listeners: {shown}, port: {port}"
                ));
            }
        }
    }
    Ok(())
}

/// A listener's name in capitals.
pub(super) fn normalized(name: &str, key: &str) -> Result<String, ConfigError> {
    if name.trim().is_empty() {
        return Err(ConfigError::config("The provided listener name is null or empty string").for_key(key));
    }
    Ok(name.to_uppercase())
}

/// Reads `a:b,c:d`; the last colon of an entry counts, so that IPv6 addresses can stand before it.
pub(super) fn parse_csv_map(key: &str, text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let mut parts = java::split_commas(text);
    while parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    parts
        .into_iter()
        .map(|part| match part.rsplit_once(':') {
            Some((name, value)) => Ok((java::trim(name).to_owned(), java::trim(value).to_owned())),
            None => {
                let message = format!(
                    "Error parsing configuration property '{key}': begin 0, end -1, length {}",
                    part.encode_utf16().count()
                );
                let error = ConfigError::new(ErrorKind::IllegalArgument, message);
                Err(error.for_key(key).hint("give entries name:value, separated by commas"))
            }
        })
        .collect()
}

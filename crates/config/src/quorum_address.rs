//! Addresses of `controller.quorum.voters` and `controller.quorum.bootstrap.servers` (Kafka's
//! `QuorumConfig`).

use std::fmt;

use crate::error::ConfigError;

const VOTERS: &str = "controller.quorum.voters";
const BOOTSTRAP_SERVERS: &str = "controller.quorum.bootstrap.servers";

/// A host, by name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Name or address; IPv6 addresses without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl HostPort {
    /// Reads `host:port`, with a host; an IPv6 address stands in brackets.
    pub fn parse(text: &str) -> Option<HostPort> {
        if text.contains("://") {
            return None;
        }
        let (host, port) = split_host_port(text)?;
        let port = port.parse().ok()?;
        (!host.is_empty()).then(|| HostPort { host: host.to_owned(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// A voter of a static quorum.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Voter {
    /// Its node id.
    pub id: i32,
    /// Where its controller listens.
    pub address: HostPort,
}

/// Reads entries `id@host:port`; of two with the same id the later counts.
///
/// # Errors
/// Kafka's `ConfigException` for an entry of another form.
pub fn parse_voters(entries: &[String]) -> Result<Vec<Voter>, ConfigError> {
    let mut voters: Vec<Voter> = Vec::with_capacity(entries.len());
    for entry in entries {
        let voter = parse_voter(entry)?;
        voters.retain(|other| other.id != voter.id);
        voters.push(voter);
    }
    Ok(voters)
}

fn parse_voter(entry: &str) -> Result<Voter, ConfigError> {
    let error = |text: String| ConfigError::config(text).for_key(VOTERS);
    let form = "Each entry should be in the form `{id}@{host}:{port}`.";
    // Java's split drops empty parts at the end.
    let parts: Vec<&str> = entry.trim_end_matches('@').split('@').collect();
    let [id, address] = parts[..] else {
        return Err(error(format!("Invalid configuration value for {VOTERS}. {form}")));
    };
    let id = id.parse().map_err(|_| error(format!("Failed to parse voter ID as an integer from {id}")))?;
    let Some((host, port)) = split_host_port(address) else {
        let text =
            format!("Failed to parse host name from entry {entry} for the configuration {VOTERS}. {form}");
        return Err(error(text));
    };
    let port = port.parse().map_err(|_| error(format!("port out of range:{port}")))?;
    Ok(Voter { id, address: HostPort { host: host.to_owned(), port } })
}

/// Reads entries `host:port`.
///
/// # Errors
/// Kafka's `ConfigException` for an entry of another form.
pub fn parse_bootstrap_servers(entries: &[String]) -> Result<Vec<HostPort>, ConfigError> {
    let parse = |entry: &String| {
        let error = |text: String| ConfigError::config(text).for_key(BOOTSTRAP_SERVERS);
        let Some((host, port)) = split_host_port(entry) else {
            return Err(error(format!(
                "Failed to parse host name from {entry} for the configuration {BOOTSTRAP_SERVERS}. Each \
                 entry should be in the form \"{{host}}:{{port}}\""
            )));
        };
        let port = port.parse().map_err(|_| error(format!("port out of range:{port}")))?;
        Ok(HostPort { host: host.to_owned(), port })
    };
    entries.iter().map(parse).collect()
}

/// Kafka's `HOST_PORT_PATTERN`: an optional scheme, a host that may stand in brackets, a colon, digits.
fn split_host_port(address: &str) -> Option<(&str, &str)> {
    let address = match address.split_once("://") {
        Some((scheme, rest)) if scheme.chars().all(|c| c != ':' && is_host_char(c)) => rest,
        Some(_) => return None,
        None => address,
    };
    let (host, port) = address.rsplit_once(':')?;
    if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let host = strip_brackets(host);
    host.chars().all(is_host_char).then_some((host, port))
}

/// Drops the brackets around an IPv6 address.
pub(crate) fn strip_brackets(host: &str) -> &str {
    let host = host.strip_prefix('[').unwrap_or(host);
    host.strip_suffix(']').unwrap_or(host)
}

/// Characters that Kafka takes in host names and addresses.
pub(crate) fn is_host_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '%' | '.' | '_' | ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voters(entry: &str) -> Result<Vec<Voter>, String> {
        parse_voters(&[entry.to_owned()]).map_err(|error| error.message)
    }

    #[test]
    fn voters_are_id_host_and_port() {
        let voter = |id, host: &str, port| Voter { id, address: HostPort { host: host.to_owned(), port } };
        assert_eq!(voters("1@localhost:9093").unwrap(), [voter(1, "localhost", 9093)]);
        assert_eq!(voters("7@[::1]:9093").unwrap(), [voter(7, "::1", 9093)]);
        assert_eq!(
            voters("localhost:9093").unwrap_err(),
            "Invalid configuration value for controller.quorum.voters. Each entry should be in the form \
             `{id}@{host}:{port}`."
        );
        assert_eq!(voters("x@localhost:9093").unwrap_err(), "Failed to parse voter ID as an integer from x");
        assert!(
            voters("1@localhost")
                .unwrap_err()
                .starts_with("Failed to parse host name from entry 1@localhost")
        );
    }

    #[test]
    fn of_two_voters_with_one_id_the_later_counts() {
        let entries = ["1@a:1".to_owned(), "2@b:2".to_owned(), "1@c:3".to_owned()];
        let ids: Vec<String> =
            parse_voters(&entries).unwrap().iter().map(|v| format!("{}@{}", v.id, v.address)).collect();
        assert_eq!(ids, ["2@b:2", "1@c:3"]);
    }

    #[test]
    fn bootstrap_servers_are_host_and_port() {
        let parsed = parse_bootstrap_servers(&["kafka-1:9093".to_owned(), "[fe80::1]:1".to_owned()]).unwrap();
        assert_eq!(
            parsed.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["kafka-1:9093", "[fe80::1]:1"]
        );
        assert!(parse_bootstrap_servers(&["kafka".to_owned()]).is_err());
        assert!(parse_bootstrap_servers(&["kafka:99999".to_owned()]).is_err());
    }
}

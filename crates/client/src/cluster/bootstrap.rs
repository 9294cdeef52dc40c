//! `bootstrap.servers`: from text to addresses (Kafka's `ClientUtils.parseAndValidateAddresses`).

use ottla_config::ConfigError;
use ottla_protocol::Str;

use super::Node;
use crate::Result;

/// Reads entries `host:port`, `[address]:port` and `PROTOCOL://host:port`. The nodes are numbered -1, -2, ... until
/// their true ids are known.
///
/// # Errors
/// Kafka's `ConfigException` when an entry is no address, or there is none.
pub(super) fn parse(entries: &[String], key: &str) -> Result<Vec<Node>> {
    let mut nodes = Vec::new();
    for entry in entries.iter().map(|entry| entry.trim()).filter(|entry| !entry.is_empty()) {
        let (host, port) = split(entry).ok_or_else(|| invalid(key, "url", entry))?;
        let port = port.parse().map_err(|_| invalid(key, "port", entry))?;
        nodes.push(Node { id: -(nodes.len() as i32) - 1, host: Str::from(host), port, rack: None });
    }
    if nodes.is_empty() {
        return Err(none_resolvable(key).into());
    }
    Ok(nodes)
}

/// What Kafka says when no name of the list has an address.
pub(super) fn none_resolvable(key: &str) -> ConfigError {
    ConfigError::config(format!("No resolvable bootstrap urls given in {key}"))
        .for_key(key)
        .hint("check the host names and that this machine can resolve them")
}

fn invalid(key: &str, what: &str, entry: &str) -> ConfigError {
    ConfigError::config(format!("Invalid {what} in {key}: {entry}"))
        .for_key(key)
        .with_value(entry)
        .allowed("entries host:port separated by commas")
}

/// Host and port; the brackets of an IPv6 address are taken off.
fn split(entry: &str) -> Option<(&str, &str)> {
    let address = match entry.split_once("://") {
        Some((protocol, rest)) if !protocol.is_empty() && protocol.bytes().all(is_word) => rest,
        Some(_) => return None,
        None => entry,
    };
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let allowed = |b: u8| is_word(b) || matches!(b, b'-' | b'.' | b':' | b'%');
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    (!host.is_empty() && host.bytes().all(allowed) && digits).then_some((host, port))
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entries: &str, expect: &str) {
        let entries: Vec<String> = entries.split(',').map(str::to_owned).collect();
        let shown = match parse(&entries, "bootstrap.servers") {
            Ok(nodes) => {
                let nodes = nodes.iter().map(|node| format!("{} {} {}", node.id, node.host, node.port));
                nodes.collect::<Vec<_>>().join(", ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expect);
    }

    #[test]
    fn addresses_are_read_as_kafka_reads_them() {
        check("a:1, b.example-1.org:9092,", "-1 a 1, -2 b.example-1.org 9092");
        check("127.0.0.1:8000", "-1 127.0.0.1 8000");
        check(
            "[::1]:8000,[2001:db8:85a3:8d3:1319:8a2e:370:7348]:1234",
            "-1 ::1 8000, -2 2001:db8:85a3:8d3:1319:8a2e:370:7348 1234",
        );
        check("PLAINTEXT://mydomain.com:8080", "-1 mydomain.com 8080");
        check("localhost", "Invalid url in bootstrap.servers: localhost");
        check("localhost:8,localhost", "Invalid url in bootstrap.servers: localhost");
        check("host:99999", "Invalid port in bootstrap.servers: host:99999");
        check("a b:1", "Invalid url in bootstrap.servers: a b:1");
        check("", "No resolvable bootstrap urls given in bootstrap.servers");
    }
}

//! What the command lines of the console and performance tools have in common.

use ottla_client::config::Properties;

use crate::connect::{key_values, read_properties};
use crate::{Args, Failure, Io, Tool, outln};

/// Reads a command line; whatever is wrong with it is answered with help, as these tools of Kafka do.
///
/// # Errors
/// As [`Tool::parse`].
pub fn parse_or_usage(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<Args, Failure> {
    tool.parse(io, arguments).map_err(|failure| match failure {
        Failure::Exception { message, .. } => Failure::Usage { tool, message },
        other => other,
    })
}

/// Of an option and its older spelling the one that was given; `warn` is said when it is the older.
///
/// # Errors
/// When both were given.
pub fn newer<'n>(
    args: &Args,
    io: &mut Io,
    name: &'n str,
    older: &'n str,
    warn: &str,
) -> Result<&'n str, Failure> {
    if !args.has(older) {
        return Ok(name);
    }
    if args.has(name) {
        return Err(args.usage(format!("Options --{name} and --{older} cannot be specified together.")));
    }
    outln!(io, "{warn}");
    Ok(older)
}

/// The properties of a file option, over which those of `key=value` options go.
///
/// # Errors
/// When the file can't be read.
pub fn properties(args: &Args, file: &str, pairs: &str) -> Result<Properties, Failure> {
    let mut properties = match args.value(file)? {
        Some(path) => read_properties(path)?,
        None => Properties::new(),
    };
    properties.extend(key_values(&args.values(pairs)));
    Ok(properties)
}

/// Sets `key` from an option when it was given, or when nothing else set the key
/// (`CommandLineUtils.maybeMergeOptions`).
///
/// # Errors
/// When the option was given twice.
pub fn merge(properties: &mut Properties, key: &str, args: &Args, option: &str) -> Result<(), Failure> {
    if args.has(option) || !properties.contains_key(key) {
        match args.checked(option)? {
            Some(value) => properties.insert(key.to_owned(), value.to_owned()),
            None => properties.remove(key),
        };
    }
    Ok(())
}

/// Whether every address of a list has a port (`ToolsUtils.validateBootstrapServer`).
///
/// # Errors
/// The words of Kafka.
pub fn validate_bootstrap_server(servers: Option<&str>) -> Result<(), &'static str> {
    let servers = servers.unwrap_or_default();
    if servers.trim().is_empty() {
        return Err("Error while validating the bootstrap address\n");
    }
    let has_port = |address: &str| {
        address.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit())
        })
    };
    if servers.trim_end_matches(',').split(',').all(has_port) {
        Ok(())
    } else {
        Err("Please provide valid host:port like host1:9091,host2:9092\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_need_ports() {
        let check = |servers, is_fine: bool| {
            assert_eq!(validate_bootstrap_server(servers).is_ok(), is_fine, "{servers:?}");
        };
        check(Some("localhost:9092"), true);
        check(Some("a:1,[::1]:2,PLAINTEXT://b:3"), true);
        check(Some("a:1,b"), false);
        check(Some("a:x"), false);
        check(Some(" "), false);
        check(None, false);
    }
}

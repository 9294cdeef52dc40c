//! The controllers of a new dynamic quorum: `id@host:port:directory`, separated by commas (`DynamicVoters`).

use std::collections::BTreeMap;

use ottla_protocol::messages::VotersRecord;
use ottla_protocol::messages::voters_record::{Endpoint, KRaftVersionFeature, Voter};
use ottla_protocol::{Str, Uuid};

/// One controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicVoter {
    /// Id of its metadata log directory.
    pub directory_id: Uuid,
    /// Where it listens.
    pub host: String,
    /// Where it listens.
    pub port: u16,
}

/// Controllers by node id.
pub type DynamicVoters = BTreeMap<i32, DynamicVoter>;

/// Reads a list.
///
/// # Errors
/// What is wrong with it, in Kafka's words.
pub fn parse(text: &str) -> Result<DynamicVoters, String> {
    let mut voters = DynamicVoters::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (id, voter) = parse_one(part.trim())?;
        if voters.insert(id, voter).is_some() {
            return Err(format!("Node id {id} was specified more than once."));
        }
    }
    if voters.is_empty() {
        return Err("No voters given.".to_owned());
    }
    Ok(voters)
}

fn parse_one(text: &str) -> Result<(i32, DynamicVoter), String> {
    let (id, rest) = text.split_once('@').ok_or("No @ found in dynamic voter string.")?;
    if id.is_empty() {
        return Err("Invalid @ at beginning of dynamic voter string.".to_owned());
    }
    let id: i32 = id.parse().map_err(|_| "Failed to parse node id in dynamic voter string.")?;
    if id < 0 {
        return Err(format!("Invalid negative node id {id} in dynamic voter string."));
    }
    if rest.is_empty() {
        return Err("No hostname found after node id.".to_owned());
    }
    let (host, rest) = match rest.strip_prefix('[') {
        Some(rest) => {
            rest.split_once(']').ok_or("Hostname began with left bracket, but no right bracket was found.")?
        }
        None => {
            let end = rest.find(':').ok_or("No colon following hostname could be found.")?;
            rest.split_at(end)
        }
    };
    let rest = rest.strip_prefix(':').ok_or("Port section must start with a colon.")?;
    let (port, directory) = rest.split_once(':').ok_or("No colon following port could be found.")?;
    let port: i32 = port.parse().map_err(|_| "Failed to parse port in dynamic voter string.")?;
    let port = u16::try_from(port).map_err(|_| format!("Invalid port {port} in dynamic voter string."))?;
    let directory_id =
        directory.parse().map_err(|_| "Failed to parse directory ID in dynamic voter string.")?;
    Ok((id, DynamicVoter { directory_id, host: host.to_owned(), port }))
}

/// The record that a dynamic quorum begins with.
pub fn to_record(voters: &DynamicVoters, listener: &str) -> VotersRecord {
    let voter = |(id, voter): (&i32, &DynamicVoter)| Voter {
        voter_id: *id,
        voter_directory_id: voter.directory_id,
        endpoints: vec![Endpoint {
            name: Str::from(listener.to_ascii_uppercase()),
            host: Str::from(voter.host.as_str()),
            port: voter.port,
        }],
        k_raft_version_feature: KRaftVersionFeature { min_supported_version: 0, max_supported_version: 1 },
    };
    VotersRecord { version: 0, voters: voters.iter().map(voter).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_what_is_wrong_with_them() {
        let check = |text: &str, expect: &str| {
            let shown = match parse(text) {
                Ok(voters) => {
                    let each = voters.iter().map(|(id, v)| format!("{id} {} {}", v.host, v.port));
                    each.collect::<Vec<_>>().join(", ")
                }
                Err(why) => why,
            };
            assert_eq!(shown, expect, "{text}");
        };
        let dir = "K90IZ-0DRNazJ49kCZ1EMQ";
        check(&format!("0@localhost:8020:{dir}"), "0 localhost 8020");
        check(&format!(" 1@[::1]:9:{dir}, 0@h:1:{dir},"), "0 h 1, 1 ::1 9");
        check(&format!("0@h:1:{dir},0@h:1:{dir}"), "Node id 0 was specified more than once.");
        check("", "No voters given.");
        check("x", "No @ found in dynamic voter string.");
        check("@h", "Invalid @ at beginning of dynamic voter string.");
        check("-1@h", "Invalid negative node id -1 in dynamic voter string.");
        check("1@", "No hostname found after node id.");
        check("1@[h", "Hostname began with left bracket, but no right bracket was found.");
        check("1@h", "No colon following hostname could be found.");
        check("1@[h]8", "Port section must start with a colon.");
        check("1@h:8", "No colon following port could be found.");
        check("1@h:x:y", "Failed to parse port in dynamic voter string.");
        check("1@h:70000:y", "Invalid port 70000 in dynamic voter string.");
        check("1@h:7:y", "Failed to parse directory ID in dynamic voter string.");
    }
}

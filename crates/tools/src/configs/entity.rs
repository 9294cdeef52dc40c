//! What has settings, as the command line names it.

use crate::args::Args;
use crate::failure::Failure;

/// Flags that name a type and an entity of it.
const FLAGS: [(&str, &str); 8] = [
    ("topic", "topics"),
    ("client", "clients"),
    ("user", "users"),
    ("broker", "brokers"),
    ("broker-logger", "broker-loggers"),
    ("ip", "ips"),
    ("client-metrics", "client-metrics"),
    ("group", "groups"),
];

/// Flags that name a type and its default.
const DEFAULT_FLAGS: [(&str, &str); 4] = [
    ("client-defaults", "clients"),
    ("user-defaults", "users"),
    ("broker-defaults", "brokers"),
    ("ip-defaults", "ips"),
];

/// Types and names, in the order of the command line; an empty name is the default.
#[derive(Debug)]
pub(super) struct Entities {
    pub types: Vec<String>,
    pub names: Vec<String>,
}

impl Entities {
    pub fn new(args: &Args) -> Result<Self, Failure> {
        let mut types: Vec<String> = args.values("entity-type").into_iter().map(str::to_owned).collect();
        let mut given = args.values("entity-name").into_iter();
        let mut names: Vec<String> = args
            .sequence
            .iter()
            .filter_map(|option| match *option {
                "entity-name" => given.next().map(str::to_owned),
                "entity-default" => Some(String::new()),
                _ => None,
            })
            .collect();
        for (flag, kind) in FLAGS.into_iter().filter(|(flag, _)| args.has(flag)) {
            types.push(kind.to_owned());
            names.push(args.text(flag)?.to_owned());
        }
        for (_, kind) in DEFAULT_FLAGS.into_iter().filter(|(flag, _)| args.has(flag)) {
            types.push(kind.to_owned());
            names.push(String::new());
        }
        Ok(Self { types, names })
    }

    pub fn has(&self, kind: &str) -> bool {
        self.types.iter().any(|known| known == kind)
    }
}

/// Whether a flag of a type of its own was given.
pub(super) fn has_specific_flag(args: &Args) -> bool {
    FLAGS.iter().chain(&DEFAULT_FLAGS).any(|(flag, _)| args.has(flag))
}

/// `topics` to `topic`.
pub(super) fn singular(kind: &str) -> &str {
    let mut chars = kind.chars();
    chars.next_back();
    chars.as_str()
}

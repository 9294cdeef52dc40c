//! What may not be together on the command line.

use std::net::ToSocketAddrs;

use super::entity::{Entities, has_specific_flag};
use crate::args::Args;
use crate::failure::Failure;

const TYPES: [&str; 8] =
    ["topics", "clients", "users", "brokers", "ips", "client-metrics", "groups", "broker-loggers"];

pub(super) fn check(args: &Args) -> Result<(), Failure> {
    if args.has("alter") == args.has("describe") {
        return Err(args.usage("Command must include exactly one action: --describe, --alter"));
    }
    args.forbid("describe", &["alter", "add-config", "delete-config"])?;
    let entities = Entities::new(args)?;
    check_types(args, &entities)?;
    let illegal = |text: String| Err(Failure::illegal_argument(text));
    if (args.has("entity-name") || args.has("entity-type") || args.has("entity-default"))
        && has_specific_flag(args)
    {
        return illegal(
            "--entity-{type,name,default} should not be used in conjunction with specific entity flags"
                .into(),
        );
    }
    if args.has("bootstrap-server") && args.has("bootstrap-controller") {
        return illegal("Only one of --bootstrap-server or --bootstrap-controller can be specified".into());
    }
    let has_name = entities.names.iter().any(|name| !name.is_empty());
    if has_name {
        check_names(args, &entities)?;
    }
    let all = entities.types.join(",");
    let may_have_default = ["users", "clients", "brokers", "ips"].iter().any(|kind| entities.has(kind));
    if args.has("describe") {
        if !may_have_default && args.has("entity-default") {
            return illegal(format!("--entity-default must not be specified with --describe of {all}"));
        }
        if entities.has("broker-loggers") && !has_name {
            return illegal(format!("An entity name must be specified with --describe of {all}"));
        }
        return Ok(());
    }
    if may_have_default {
        if entities.names.is_empty() {
            return illegal(
                "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips"
                    .into(),
            );
        }
    } else if !has_name {
        return illegal(format!("An entity name must be specified with --alter of {all}"));
    }
    check_changes(args)
}

fn check_types(args: &Args, entities: &Entities) -> Result<(), Failure> {
    let illegal = |text: String| Err(Failure::illegal_argument(text));
    let types = &entities.types;
    let mut seen: Vec<&str> = Vec::new();
    let mut repeated: Vec<&str> = Vec::new();
    for kind in types {
        if seen.contains(&kind.as_str()) {
            repeated.push(kind);
        } else {
            seen.push(kind);
        }
    }
    if !repeated.is_empty() {
        return illegal(format!("Duplicate entity type(s) specified: {}", repeated.join(",")));
    }
    if !args.has("bootstrap-server") && !args.has("bootstrap-controller") {
        return illegal("Either --bootstrap-server or --bootstrap-controller must be specified.".into());
    }
    if let Some(unknown) = types.iter().find(|kind| !TYPES.contains(&kind.as_str())) {
        return illegal(format!(
            "Invalid entity type {unknown}, the entity type must be one of {} with a --bootstrap-server or \
             --bootstrap-controller argument",
            TYPES.join(", ")
        ));
    }
    if types.is_empty() {
        return illegal("At least one entity type must be specified".into());
    }
    if types.len() > 1 && !(entities.has("users") && entities.has("clients")) {
        return illegal("Only 'users' and 'clients' entity types may be specified together".into());
    }
    Ok(())
}

fn check_names(args: &Args, entities: &Entities) -> Result<(), Failure> {
    let head = entities.types.first().map_or("", String::as_str);
    let given = |options: &[&'static str]| -> Result<Vec<String>, Failure> {
        let mut texts = Vec::new();
        for option in options.iter().filter(|option| args.has(option)) {
            texts.push(args.text(option)?.to_owned());
        }
        Ok(texts)
    };
    if entities.has("brokers") || entities.has("broker-loggers") {
        for id in given(&["entity-name", "broker", "broker-logger"])? {
            if id.parse::<i32>().is_err() {
                return Err(Failure::illegal_argument(format!(
                    "The entity name for {head} must be a valid integer broker id, but it is: {id}"
                )));
            }
        }
    }
    if entities.has("ips") {
        for address in given(&["entity-name", "ip"])? {
            if (address.as_str(), 0).to_socket_addrs().is_err() {
                return Err(Failure::illegal_argument(format!(
                    "The entity name for {head} must be a valid IP or resolvable host, but it is: {address}"
                )));
            }
        }
    }
    Ok(())
}

fn check_changes(args: &Args) -> Result<(), Failure> {
    let (add, file) = (args.has("add-config"), args.has("add-config-file"));
    if add && file {
        return Err(Failure::illegal_argument(
            "Only one of --add-config or --add-config-file must be specified",
        ));
    }
    if !add && !file && !args.has("delete-config") {
        return Err(Failure::illegal_argument(
            "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
        ));
    }
    Ok(())
}

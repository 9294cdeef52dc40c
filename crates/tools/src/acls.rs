//! `ottla acls`: Kafka's `AclCommand`.

mod change;
mod select;

use std::collections::{BTreeMap, BTreeSet};

use ottla_client::admin::{
    AccessControlEntry, AclBinding, AclBindingFilter, Admin, ResourcePattern, TimeoutOptions,
};
use serde_json::json;

use crate::args::Args;
use crate::connect::{read_properties, with_admin};
use crate::failure::Failure;
use crate::io::Io;
use crate::option::{Opt, opt};
use crate::outln;
use crate::tool::{Group, Syntax, Tool};
use select::{ResourceFilter, principals, resource_filters};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "acls",
    script: "kafka-acls",
    group: Group::Security,
    about: "Lists, adds and removes ACLs: who may do what.",
    examples: "kafka-acls.sh --bootstrap-server localhost:9092 --add --allow-principal User:alice --operation Read --topic orders\n\
               kafka-acls.sh --bootstrap-server localhost:9092 --add --allow-principal User:alice --consumer --topic orders --group billing\n\
               kafka-acls.sh --bootstrap-server localhost:9092 --list --topic orders\n\
               kafka-acls.sh --bootstrap-server localhost:9092 --remove --topic orders --force",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

#[rustfmt::skip]
static OPTIONS: [Opt; 23] = [
    opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas.").value("server to connect to"),
    opt("bootstrap-controller", "Controllers to connect to, as host:port, separated by commas.").value("controller to connect to"),
    opt("command-config", "A properties file with settings of the client: security, time-outs.").optional_value("command-config"),
    opt("topic", "The topic whose ACLs are meant; '*' stands for all topics.").value("topic"),
    opt("cluster", "The ACLs of the cluster are meant."),
    opt("group", "The group whose ACLs are meant; '*' stands for all groups.").value("group"),
    opt("transactional-id", "The transactional id whose ACLs are meant; '*' stands for all.").value("transactional-id"),
    opt("idempotent", "With --producer: the producer may write idempotently. With a transactional id it may anyway."),
    opt("delegation-token", "The delegation token whose ACLs are meant; '*' stands for all tokens.").value("delegation-token"),
    opt("resource-pattern-type", "How names are meant: literal or prefixed. To list or remove, also any (this name, of either kind) \
        or match (all that apply to the name; be careful with --remove).").value("ANY|MATCH|LITERAL|PREFIXED").default("LITERAL"),
    opt("add", "Adds ACLs."),
    opt("remove", "Removes ACLs."),
    opt("list", "Lists ACLs of what --topic, --group, --cluster and so on name; without these all."),
    opt("operation", "What is allowed or denied; may be given again: Describe, DescribeConfigs, Alter, IdempotentWrite, Read, Delete, Create, \
        ClusterAction, All, Write, AlterConfigs, CreateTokens, DescribeTokens, TwoPhaseCommit.").value("String").default("All"),
    opt("allow-principal", "Who is allowed, as type:name; User:'*' stands for everyone.").value("allow-principal"),
    opt("deny-principal", "Who is denied, as type:name. Everyone is who is not allowed; denying goes before allowing.").value("deny-principal"),
    opt("principal", "With --list: only ACLs of this principal; may be given again.").optional_value("principal"),
    opt("allow-host", "From where those of --allow-principal are allowed; from everywhere when it is not given.").value("allow-host"),
    opt("deny-host", "From where those of --deny-principal are denied; from everywhere when it is not given.").value("deny-host"),
    opt("producer", "What a producer needs: Write, Describe and Create on the topic."),
    opt("consumer", "What a consumer needs: Read and Describe on the topic, Read on the group."),
    opt("force", "Does not ask."),
    opt("user-principal", "The user whose ACLs are meant: who may create or describe tokens in its name.").value("user-principal"),
];

const ACTIONS: [&str; 3] = ["add", "remove", "list"];

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = match tool.parse(io, arguments) {
        Err(Failure::Exception { class, message }) if class.starts_with("joptsimple.") => {
            return Err(Failure::Usage { tool, message });
        }
        other => other?,
    };
    check(&args)?;
    match act(io, &args) {
        Err(failure) if !failure.is_exit() => {
            outln!(io, "Error while executing ACL command: {}", failure.text());
            Err(Failure::Exit(1))
        }
        other => other,
    }
}

fn check(args: &Args) -> Result<(), Failure> {
    let refuse = |text: &str| Err(args.usage(text));
    match (args.has("bootstrap-server"), args.has("bootstrap-controller")) {
        (true, true) => {
            return refuse("Only one of --bootstrap-server or --bootstrap-controller must be specified");
        }
        (false, false) => {
            return refuse("One of --bootstrap-server or --bootstrap-controller must be specified");
        }
        _ => {}
    }
    if ACTIONS.iter().filter(|action| args.has(action)).count() != 1 {
        return refuse("Command must include exactly one action: --list, --add, --remove. ");
    }
    args.forbid(
        "list",
        &["producer", "consumer", "allow-host", "allow-principal", "deny-host", "deny-principal"],
    )?;
    args.forbid("producer", &["operation", "deny-principal", "deny-host"])?;
    args.forbid("consumer", &["operation", "deny-principal", "deny-host"])?;
    if args.has("principal") && !args.has("list") {
        return refuse("The --principal option is only available if --list is set");
    }
    if args.has("producer") && !args.has("topic") {
        return refuse("With --producer you must specify a --topic");
    }
    if args.has("idempotent") && !args.has("producer") {
        return refuse("The --idempotent option is only available if --producer is set");
    }
    let others = !args.has("producer") && (args.has("cluster") || args.has("transactional-id"));
    if args.has("consumer") && (!args.has("topic") || !args.has("group") || others) {
        return refuse(
            "With --consumer you must specify a --topic and a --group and no --cluster or --transactional-id option should be specified.",
        );
    }
    Ok(())
}

fn act(io: &mut Io, args: &Args) -> Result<(), Failure> {
    let mut properties = args.value("command-config")?.map(read_properties).transpose()?.unwrap_or_default();
    match args.value("bootstrap-server")? {
        Some(servers) => drop(properties.insert("bootstrap.servers".to_owned(), servers.to_owned())),
        None => {
            let controllers = args.text("bootstrap-controller")?.to_owned();
            properties.insert("bootstrap.controllers".to_owned(), controllers);
        }
    }
    with_admin(&properties, async |admin| {
        if args.has("add") {
            change::add(io, args, admin).await
        } else if args.has("remove") {
            change::remove(io, args, admin).await
        } else {
            list(io, args, admin).await
        }
    })
}

/// ACLs by what they protect.
type ByResource = BTreeMap<ResourcePattern, BTreeSet<AccessControlEntry>>;

async fn list(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let filters = resource_filters(args, false)?;
    let wanted = principals(args, "principal")?;
    let mut found = ByResource::new();
    let any = [AclBindingFilter::ANY];
    let filters: Vec<AclBindingFilter> = filters.iter().map(ResourceFilter::any_entry).collect();
    for filter in if filters.is_empty() { &any[..] } else { &filters } {
        let acls =
            admin.describe_acls(filter, &TimeoutOptions::default()).await.map_err(Failure::in_future)?;
        for acl in acls {
            found.entry(acl.pattern).or_default().insert(acl.entry);
        }
    }
    if io.json() {
        let of = |entry: &AccessControlEntry| wanted.is_empty() || wanted.contains(&*entry.principal);
        let all =
            found.iter().flat_map(|(pattern, entries)| entries.iter().map(move |entry| (pattern, entry)));
        let rows = all.filter(|(_, entry)| of(entry)).map(|(pattern, entry)| {
            json!({
                "resource_type": pattern.resource_type.name(),
                "name": &*pattern.name,
                "pattern_type": pattern.pattern_type.name(),
                "principal": &*entry.principal,
                "host": &*entry.host,
                "operation": entry.operation.name(),
                "permission_type": entry.permission_type.name(),
            })
        });
        io.print_json(&rows.collect());
        return Ok(());
    }
    if wanted.is_empty() {
        print(io, &found);
    }
    for principal in &wanted {
        outln!(io, "ACLs for principal `{principal}`");
        let mut of_principal = found.clone();
        of_principal.retain(|_, entries| {
            entries.retain(|entry| *entry.principal == **principal);
            !entries.is_empty()
        });
        print(io, &of_principal);
    }
    Ok(())
}

fn print(io: &mut Io, acls: &ByResource) {
    for (resource, entries) in acls {
        outln!(io, "Current ACLs for resource `{resource}`:\n{}\n", lines(entries));
    }
}

/// Entries, one each line, indented by a tab.
fn lines<'a>(entries: impl IntoIterator<Item = &'a AccessControlEntry>) -> String {
    entries.into_iter().map(|entry| format!("\t{entry}")).collect::<Vec<_>>().join("\n")
}

/// An ACL of its two parts.
fn binding(pattern: &ResourcePattern, entry: &AccessControlEntry) -> AclBinding {
    AclBinding { pattern: pattern.clone(), entry: entry.clone() }
}

#[cfg(test)]
#[path = "acls_test.rs"]
mod tests;

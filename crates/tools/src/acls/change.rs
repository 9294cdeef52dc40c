//! Adding and removing ACLs.

use std::io::BufRead as _;

use ottla_client::admin::{AclBinding, AclBindingFilter, Admin, PatternType, TimeoutOptions};

use super::select::{by_filter, pattern_type};
use super::{binding, lines};
use crate::args::Args;
use crate::failure::Failure;
use crate::io::Io;
use crate::outln;

pub(super) async fn add(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let kind = pattern_type(args)?;
    if !matches!(kind, PatternType::Literal | PatternType::Prefixed) {
        let text = format!("A '--resource-pattern-type' value of '{kind}' is not valid when adding acls.");
        return Err(args.usage(text));
    }
    let acls = by_filter(args)?;
    if acls.values().any(|entries| entries.is_empty()) {
        return Err(args
            .usage("You must specify one of: --allow-principal, --deny-principal when trying to add ACLs."));
    }
    let options = TimeoutOptions::default();
    for (filter, entries) in &acls {
        let there = admin.describe_acls(&filter.any_entry(), &options).await.map_err(Failure::in_future)?;
        let mut wanted: Vec<AclBinding> = Vec::new();
        for entry in entries {
            let acl = binding(&filter.0, entry);
            match there.contains(&acl) {
                true => outln!(io, "Acl {acl} already exists."),
                false => wanted.push(acl),
            }
        }
        if !wanted.is_empty() {
            let lines = lines(wanted.iter().map(|acl| &acl.entry));
            outln!(io, "Adding ACLs for resource `{filter}`: \n {lines}\n");
            for result in admin.create_acls(&wanted, &options).await.into_values() {
                result.map_err(Failure::in_future)?;
            }
        }
    }
    Ok(())
}

pub(super) async fn remove(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    for (filter, entries) in &by_filter(args)? {
        let question = match entries.is_empty() {
            true => format!("Are you sure you want to delete all ACLs for resource filter `{filter}`? (y/n)"),
            false => format!(
                "Are you sure you want to remove ACLs: \n {}\n from resource filter `{filter}`? (y/n)",
                lines(entries)
            ),
        };
        if !args.has("force") && !confirmed(io, &question) {
            continue;
        }
        let filters: Vec<AclBindingFilter> = match entries.is_empty() {
            true => vec![filter.any_entry()],
            false => entries.iter().map(|entry| filter.with_entry(entry)).collect(),
        };
        for deleted in admin.delete_acls(&filters, &TimeoutOptions::default()).await.into_values() {
            for acl in deleted.map_err(Failure::in_future)? {
                acl.result.map_err(Failure::in_future)?;
            }
        }
    }
    Ok(())
}

fn confirmed(io: &mut Io, question: &str) -> bool {
    outln!(io, "{question}");
    io.flush();
    let mut answer = String::new();
    io.input.read_line(&mut answer).is_ok() && answer.trim_end_matches(['\r', '\n']).eq_ignore_ascii_case("y")
}

//! Which ACLs a command line means.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ottla_client::admin::{
    AccessControlEntry, AclBindingFilter, AclOperation, AclPermissionType, PatternType, ResourcePattern,
    ResourceType,
};
use ottla_protocol::Str;

use crate::args::Args;
use crate::failure::Failure;

/// What ACLs protect, as a filter; its name is always given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ResourceFilter(pub ResourcePattern);

impl ResourceFilter {
    fn new(resource_type: ResourceType, name: &str, pattern_type: PatternType) -> Self {
        Self(ResourcePattern { resource_type, name: name.into(), pattern_type })
    }

    fn cluster() -> Self {
        Self::new(ResourceType::Cluster, "kafka-cluster", PatternType::Literal)
    }

    /// All ACLs of it.
    pub(super) fn any_entry(&self) -> AclBindingFilter {
        AclBindingFilter {
            resource_type: self.0.resource_type,
            name: Some(self.0.name.clone()),
            pattern_type: self.0.pattern_type,
            ..AclBindingFilter::ANY
        }
    }

    /// The ACL of it with this entry.
    pub(super) fn with_entry(&self, entry: &AccessControlEntry) -> AclBindingFilter {
        AclBindingFilter {
            principal: Some(entry.principal.clone()),
            host: Some(entry.host.clone()),
            operation: entry.operation,
            permission_type: entry.permission_type,
            ..self.any_entry()
        }
    }
}

impl fmt::Display for ResourceFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Entries by what they protect.
pub(super) type ByFilter = BTreeMap<ResourceFilter, BTreeSet<AccessControlEntry>>;

pub(super) fn pattern_type(args: &Args) -> Result<PatternType, Failure> {
    let text = args.text("resource-pattern-type")?;
    match PatternType::parse(text) {
        PatternType::Unknown => Err(Failure::exception(
            "joptsimple.OptionArgumentConversionException",
            format!("Cannot parse argument '{text}' of option resource-pattern-type"),
        )),
        found => Ok(found),
    }
}

/// The resources that options name.
pub(super) fn resource_filters(args: &Args, needed: bool) -> Result<BTreeSet<ResourceFilter>, Failure> {
    let kind = pattern_type(args)?;
    let mut filters = BTreeSet::new();
    for (option, resource) in [
        ("topic", ResourceType::Topic),
        ("group", ResourceType::Group),
        ("transactional-id", ResourceType::TransactionalId),
        ("delegation-token", ResourceType::DelegationToken),
        ("user-principal", ResourceType::User),
    ] {
        filters
            .extend(args.values(option).iter().map(|name| ResourceFilter::new(resource, name.trim(), kind)));
    }
    if kind == PatternType::Literal && (args.has("cluster") || args.has("idempotent")) {
        filters.insert(ResourceFilter::cluster());
    }
    if filters.is_empty() && needed {
        return Err(args.usage(
            "You must provide at least one resource: --topic <topic> or --cluster or --group <group> or --delegation-token <Delegation Token ID>",
        ));
    }
    Ok(filters)
}

/// The ACLs that options describe.
pub(super) fn by_filter(args: &Args) -> Result<ByFilter, Failure> {
    let mut acls = ByFilter::new();
    let filters = resource_filters(args, true)?;
    let of = |kind: ResourceType| filters.iter().filter(move |filter| filter.0.resource_type == kind);
    if !args.has("producer") && !args.has("consumer") {
        let operations: BTreeSet<AclOperation> =
            args.values("operation").iter().map(|name| operation(name.trim())).collect();
        let entries = entries(args, &operations)?;
        acls.extend(filters.iter().map(|filter| (filter.clone(), entries.clone())));
    }
    if args.has("producer") {
        use AclOperation::{Create, Describe, IdempotentWrite, Write};
        let topic = entries(args, &BTreeSet::from([Write, Describe, Create]))?;
        let transactional_id = entries(args, &BTreeSet::from([Write, Describe]))?;
        acls.extend(of(ResourceType::Topic).map(|filter| (filter.clone(), topic.clone())));
        let ids = of(ResourceType::TransactionalId);
        acls.extend(ids.map(|filter| (filter.clone(), transactional_id.clone())));
        if args.has("idempotent") {
            acls.insert(ResourceFilter::cluster(), entries(args, &BTreeSet::from([IdempotentWrite]))?);
        }
    }
    if args.has("consumer") {
        use AclOperation::{Describe, Read};
        let topic = entries(args, &BTreeSet::from([Read, Describe]))?;
        let group = entries(args, &BTreeSet::from([Read]))?;
        for filter in of(ResourceType::Topic) {
            acls.entry(filter.clone()).or_default().extend(topic.iter().cloned());
        }
        for filter in of(ResourceType::Group) {
            acls.entry(filter.clone()).or_default().extend(group.iter().cloned());
        }
    }
    check_operations(args, &acls)?;
    Ok(acls)
}

/// By its name in either of Kafka's spellings: `DescribeConfigs` and `DESCRIBE_CONFIGS`' letters.
fn operation(name: &str) -> AclOperation {
    let same = |it: &&AclOperation| it.name().replace('_', "").eq_ignore_ascii_case(name);
    AclOperation::ALL.iter().find(same).copied().unwrap_or(AclOperation::Unknown)
}

fn supported(resource: ResourceType) -> &'static [AclOperation] {
    use AclOperation::*;
    match resource {
        ResourceType::Topic => {
            &[Read, Write, Create, Describe, Delete, Alter, DescribeConfigs, AlterConfigs, All]
        }
        ResourceType::Group => &[Read, Describe, Delete, DescribeConfigs, AlterConfigs, All],
        ResourceType::Cluster => {
            &[Create, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite, Alter, Describe, All]
        }
        ResourceType::TransactionalId => &[Describe, Write, TwoPhaseCommit, All],
        ResourceType::DelegationToken => &[Describe, All],
        ResourceType::User => &[CreateTokens, DescribeTokens, All],
        ResourceType::Any | ResourceType::Unknown => &[],
    }
}

fn check_operations(args: &Args, acls: &ByFilter) -> Result<(), Failure> {
    for (filter, entries) in acls {
        let valid = supported(filter.0.resource_type);
        if entries.iter().any(|entry| !valid.contains(&entry.operation)) {
            let valid = crate::java::list(valid);
            let kind = filter.0.resource_type;
            return Err(args.usage(format!("ResourceType {kind} only supports operations {valid}")));
        }
    }
    Ok(())
}

fn entries(
    args: &Args,
    operations: &BTreeSet<AclOperation>,
) -> Result<BTreeSet<AccessControlEntry>, Failure> {
    let mut entries = BTreeSet::new();
    for (who, from, permission_type) in [
        ("allow-principal", "allow-host", AclPermissionType::Allow),
        ("deny-principal", "deny-host", AclPermissionType::Deny),
    ] {
        let hosts: Vec<&str> = match args.has(from) {
            true => args.values(from).into_iter().map(str::trim).collect(),
            false => vec!["*"],
        };
        for principal in principals(args, who)? {
            for operation in operations {
                entries.extend(hosts.iter().map(|host| AccessControlEntry {
                    principal: principal.clone(),
                    host: Str::from(*host),
                    operation: *operation,
                    permission_type,
                }));
            }
        }
    }
    Ok(entries)
}

/// The principals of an option, as `type:name`.
pub(super) fn principals(args: &Args, option: &str) -> Result<BTreeSet<Str>, Failure> {
    let principal = |text: &str| match text.trim() {
        text if text.contains(':') => Ok(Str::from(text)),
        text => Err(Failure::illegal_argument(format!(
            "expected a string in format principalType:principalName but got {text}"
        ))),
    };
    args.values(option).into_iter().map(principal).collect()
}

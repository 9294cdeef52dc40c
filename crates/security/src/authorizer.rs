//! Whether somebody may do something (`StandardAuthorizer`, KIP-801).
//!
//! An entry that denies goes before all that allow; super users are never denied; a resource without entries is
//! for nobody else, or for everybody (`allow.everyone.if.no.acl.found`).

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ahash::AHashMap;
use ottla_metadata::{
    AclOperation, AclPatternType, AclPermissionType, AclResourceType, StandardAcl, WILDCARD_RESOURCE,
};
use ottla_protocol::Str;

use crate::Principal;

const ANY_HOST: &str = "*";
const ANY_USER: &str = "User:*";
/// Codes of `AclResourceType` are below it.
const RESOURCE_TYPES: usize = 8;

/// What an authorizer is configured with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizerOptions {
    /// `super.users`: they may do everything.
    pub super_users: Vec<Principal>,
    /// `allow.everyone.if.no.acl.found`.
    pub allow_everyone_if_no_acl_found: bool,
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub struct Action<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// From where.
    pub host: IpAddr,
    /// What.
    pub operation: AclOperation,
    /// On what kind of thing.
    pub resource_type: AclResourceType,
    /// On which.
    pub resource_name: &'a str,
}

/// Why a decision is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule<'a> {
    /// They may do everything.
    SuperUser,
    /// An entry says so.
    Matching(&'a StandardAcl),
    /// No entry says anything.
    Default,
}

/// Whether somebody may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// Whether they may.
    pub is_allowed: bool,
    /// Why.
    pub rule: Rule<'a>,
}

/// The entries of one kind of resource, by how they name it.
#[derive(Debug, Default)]
struct Entries {
    literal: AHashMap<Str, Vec<StandardAcl>>,
    prefixed: AHashMap<Str, Vec<StandardAcl>>,
    /// Lengths of the prefixes, so that a look-up tries those only.
    prefix_lengths: BTreeSet<usize>,
}

/// Decides by a set of entries. Changed entries make a new one.
#[derive(Debug, Default)]
pub struct Authorizer {
    options: AuthorizerOptions,
    entries: [Entries; RESOURCE_TYPES],
}

impl Authorizer {
    /// An authorizer by these entries.
    pub fn new<'a>(options: AuthorizerOptions, acls: impl IntoIterator<Item = &'a StandardAcl>) -> Self {
        let mut authorizer = Self { options, ..Self::default() };
        for acl in acls {
            let Some(entries) = authorizer.entries.get_mut(index(acl.resource_type)) else { continue };
            let by_name = match acl.pattern_type {
                AclPatternType::Prefixed => {
                    entries.prefix_lengths.insert(acl.resource_name.len());
                    &mut entries.prefixed
                }
                _ => &mut entries.literal,
            };
            by_name.entry(acl.resource_name.clone()).or_default().push(acl.clone());
        }
        authorizer
    }

    /// Whether somebody may do something.
    pub fn authorize(&self, action: &Action<'_>) -> Decision<'_> {
        if self.options.super_users.contains(action.principal) {
            return Decision { is_allowed: true, rule: Rule::SuperUser };
        }
        let host = HostText::of(action.host);
        let (mut allowed_by, mut has_entries) = (None, false);
        for acl in self.applying(action.resource_type, action.resource_name) {
            has_entries = true;
            if !is_meant(acl, action.principal, host.as_str()) || !covers(acl, action.operation) {
                continue;
            }
            match acl.permission_type {
                AclPermissionType::Allow => allowed_by = Some(acl),
                _ => return Decision { is_allowed: false, rule: Rule::Matching(acl) },
            }
        }
        match allowed_by {
            Some(acl) => Decision { is_allowed: true, rule: Rule::Matching(acl) },
            None => {
                let is_allowed = !has_entries && self.options.allow_everyone_if_no_acl_found;
                Decision { is_allowed, rule: Rule::Default }
            }
        }
    }

    /// Whether somebody may do something with at least one thing of a kind, whatever its name
    /// (`Authorizer.authorizeByResourceType`): what IDEMPOTENT_WRITE is derived from.
    pub fn authorize_any(
        &self,
        principal: &Principal,
        host: IpAddr,
        operation: AclOperation,
        resource_type: AclResourceType,
    ) -> bool {
        // With an arbitrary name: super users, and who may do it with everything.
        let arbitrary = Action { principal, host, operation, resource_type, resource_name: "hardcode" };
        if self.authorize(&arbitrary).is_allowed {
            return true;
        }
        let Some(entries) = self.entries.get(index(resource_type)) else { return false };
        let host = HostText::of(host);
        let has = |acls: &[StandardAcl], permission| {
            acls.iter().any(|acl| {
                acl.permission_type == permission
                    && (acl.operation == operation || acl.operation == AclOperation::All)
                    && is_meant(acl, principal, host.as_str())
            })
        };
        let denies =
            |acls: Option<&Vec<StandardAcl>>| acls.is_some_and(|acls| has(acls, AclPermissionType::Deny));
        if denies(entries.literal.get(WILDCARD_RESOURCE)) {
            return false;
        }
        let is_denied_by_prefix = |name: &str| prefixes(entries, name).any(|acls| denies(Some(acls)));
        let literal = entries.literal.iter().any(|(name, acls)| {
            has(acls, AclPermissionType::Allow)
                && (&**name == WILDCARD_RESOURCE || (!denies(Some(acls)) && !is_denied_by_prefix(name)))
        });
        literal
            || entries
                .prefixed
                .iter()
                .any(|(prefix, acls)| has(acls, AclPermissionType::Allow) && !is_denied_by_prefix(prefix))
    }

    /// The entries that apply to a resource.
    fn applying<'a>(
        &'a self,
        resource_type: AclResourceType,
        name: &str,
    ) -> impl Iterator<Item = &'a StandardAcl> {
        let entries = self.entries.get(index(resource_type));
        entries.into_iter().flat_map(move |entries| {
            let named = entries.literal.get(name);
            let all = if name == WILDCARD_RESOURCE { None } else { entries.literal.get(WILDCARD_RESOURCE) };
            named.into_iter().chain(prefixes(entries, name)).chain(all).flatten()
        })
    }
}

fn index(resource_type: AclResourceType) -> usize {
    usize::try_from(resource_type.code()).unwrap_or(RESOURCE_TYPES)
}

/// The entries whose prefix a name begins with.
fn prefixes<'a>(entries: &'a Entries, name: &str) -> impl Iterator<Item = &'a Vec<StandardAcl>> {
    let lengths = entries.prefix_lengths.range(..=name.len());
    lengths.filter_map(|length| entries.prefixed.get(name.get(..*length)?))
}

/// Whether an entry is about somebody from somewhere.
fn is_meant(acl: &StandardAcl, principal: &Principal, host: &str) -> bool {
    (acl.principal == ANY_USER || principal.is_written(&acl.principal))
        && (acl.host == ANY_HOST || acl.host == host)
}

/// Whether an entry is about an operation; what is allowed implies some others.
fn covers(acl: &StandardAcl, operation: AclOperation) -> bool {
    use AclOperation::*;
    if acl.operation == All || acl.operation == operation {
        return true;
    }
    acl.permission_type == AclPermissionType::Allow
        && match operation {
            Describe => matches!(acl.operation, Read | Write | Delete | Alter),
            DescribeConfigs => acl.operation == AlterConfigs,
            _ => false,
        }
}

/// An address as Java prints it, which is how entries name hosts; without an allocation.
struct HostText {
    bytes: [u8; 40],
    len: usize,
}

impl HostText {
    fn of(address: IpAddr) -> Self {
        use std::io::Write;
        let mut text = Self { bytes: [0; 40], len: 0 };
        let mut rest = &mut text.bytes[..];
        // 39 characters at most: eight groups of four, and seven colons.
        let _ = match address {
            IpAddr::V4(v4) => write!(rest, "{v4}"),
            IpAddr::V6(v6) => {
                let [first, others @ ..] = v6.segments();
                write!(rest, "{first:x}")
                    .and_then(|()| others.iter().try_for_each(|group| write!(rest, ":{group:x}")))
            }
        };
        let left = rest.len();
        text.len = text.bytes.len() - left;
        text
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl fmt::Display for Rule<'_> {
    /// As Kafka's audit log names it, but for the default, which there says what it comes to.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::SuperUser => f.write_str("SuperUser"),
            Rule::Default => f.write_str("Default"),
            Rule::Matching(acl) => write!(
                f,
                "MatchingAcl(acl=StandardAcl[resourceType={}, resourceName={}, patternType={}, principal={}, \
                 host={}, operation={}, permissionType={}])",
                acl.resource_type,
                acl.resource_name,
                acl.pattern_type,
                acl.principal,
                acl.host,
                acl.operation,
                acl.permission_type
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use AclOperation::*;
    use AclPatternType::{Literal, Prefixed};
    use AclPermissionType::{Allow, Deny};
    use AclResourceType::{Group, Topic};

    use super::*;

    fn acl(
        name: &str,
        pattern_type: AclPatternType,
        principal: &str,
        host: &str,
        operation: AclOperation,
        permission_type: AclPermissionType,
    ) -> StandardAcl {
        StandardAcl {
            resource_type: Topic,
            resource_name: name.into(),
            pattern_type,
            principal: principal.into(),
            host: host.into(),
            operation,
            permission_type,
        }
    }

    fn authorizer(acls: &[StandardAcl]) -> Authorizer {
        let super_users = vec![Principal::user("root")];
        Authorizer::new(AuthorizerOptions { super_users, ..Default::default() }, acls)
    }

    fn may(authorizer: &Authorizer, who: &str, host: &str, operation: AclOperation, topic: &str) -> bool {
        let (principal, host) = (Principal::user(who), host.parse().expect("an address"));
        let resource_type = Topic;
        let action = Action { principal: &principal, host, operation, resource_type, resource_name: topic };
        authorizer.authorize(&action).is_allowed
    }

    #[test]
    fn nothing_is_allowed_but_to_super_users_until_an_entry_says_so() {
        let none = authorizer(&[]);
        assert!(may(&none, "root", "10.0.0.1", Write, "t"));
        assert!(!may(&none, "alice", "10.0.0.1", Write, "t"));
        let everyone = AuthorizerOptions { allow_everyone_if_no_acl_found: true, ..Default::default() };
        let entries = [acl("t", Literal, "User:bob", "*", Read, Allow)];
        let everyone = Authorizer::new(everyone, &entries);
        assert!(may(&everyone, "alice", "10.0.0.1", Write, "u"), "a topic without entries");
        assert!(!may(&everyone, "alice", "10.0.0.1", Write, "t"), "a topic with one");
    }

    #[test]
    fn entries_apply_by_name_prefix_and_wildcard() {
        let all = authorizer(&[
            acl("orders", Literal, "User:alice", "*", Read, Allow),
            acl("order", Prefixed, "User:bob", "*", Read, Allow),
            acl("*", Literal, "User:carol", "*", Read, Allow),
            acl("ö", Prefixed, "User:bob", "*", Read, Allow),
        ]);
        for (who, topic, expected) in [
            ("alice", "orders", true),
            ("alice", "orders2", false),
            ("bob", "orders", true),
            ("bob", "order", true),
            ("bob", "orde", false),
            ("bob", "öl", true),
            ("carol", "anything", true),
            ("mallory", "orders", false),
        ] {
            assert_eq!(may(&all, who, "10.0.0.1", Read, topic), expected, "{who} {topic}");
        }
    }

    #[test]
    fn who_is_denied_is_denied_whatever_else_is_said() {
        let all = authorizer(&[
            acl("*", Literal, "User:*", "*", All, Allow),
            acl("sec", Prefixed, "User:alice", "*", Write, Deny),
            acl("*", Literal, "User:eve", "10.0.0.9", All, Deny),
        ]);
        assert!(may(&all, "alice", "10.0.0.1", Write, "public"));
        assert!(!may(&all, "alice", "10.0.0.1", Write, "secret"));
        assert!(may(&all, "alice", "10.0.0.1", Describe, "secret"), "denied WRITE does not deny DESCRIBE");
        assert!(may(&all, "eve", "10.0.0.8", Read, "public"));
        assert!(!may(&all, "eve", "10.0.0.9", Read, "public"));
    }

    #[test]
    fn some_operations_imply_others() {
        for (granted, implied) in [(Read, Describe), (Write, Describe), (Delete, Describe), (Alter, Describe)]
        {
            let one = authorizer(&[acl("t", Literal, "User:a", "*", granted, Allow)]);
            assert!(may(&one, "a", "::1", implied, "t"), "{granted}");
            assert!(!may(&one, "a", "::1", DescribeConfigs, "t"), "{granted}");
        }
        let configs = authorizer(&[acl("t", Literal, "User:a", "*", AlterConfigs, Allow)]);
        assert!(may(&configs, "a", "::1", DescribeConfigs, "t") && !may(&configs, "a", "::1", Describe, "t"));
        let describe = authorizer(&[acl("t", Literal, "User:a", "*", Describe, Allow)]);
        assert!(!may(&describe, "a", "::1", Read, "t"));
    }

    #[test]
    fn hosts_are_compared_as_java_prints_them() {
        let one = authorizer(&[acl("t", Literal, "User:a", "0:0:0:0:0:0:0:1", Read, Allow)]);
        assert!(may(&one, "a", "::1", Read, "t"));
        let longest = "2001:db80:1111:2222:3333:4444:5555:6666";
        let one = authorizer(&[acl("t", Literal, "User:a", longest, Read, Allow)]);
        assert!(may(&one, "a", longest, Read, "t"));
    }

    #[test]
    fn entries_of_other_kinds_do_not_count() {
        let mut group = acl("t", Literal, "User:a", "*", Read, Allow);
        group.resource_type = Group;
        assert!(!may(&authorizer(&[group]), "a", "10.0.0.1", Read, "t"));
    }

    #[test]
    fn something_of_a_kind_is_enough_unless_it_is_denied() {
        let any = |acls: &[StandardAcl], who: &str| {
            let host = "10.0.0.1".parse().expect("an address");
            authorizer(acls).authorize_any(&Principal::user(who), host, Write, Topic)
        };
        let literal = acl("t", Literal, "User:a", "*", Write, Allow);
        let prefixed = acl("pre", Prefixed, "User:a", "*", All, Allow);
        assert!(any(&[], "root") && !any(&[], "a"));
        assert!(any(std::slice::from_ref(&literal), "a") && !any(std::slice::from_ref(&literal), "b"));
        assert!(any(std::slice::from_ref(&prefixed), "a"));
        assert!(!any(&[acl("t", Literal, "User:a", "*", Read, Allow)], "a"));
        let deny_all = acl("*", Literal, "User:a", "*", Write, Deny);
        assert!(!any(&[literal.clone(), deny_all], "a"));
        let deny_same = acl("t", Literal, "User:a", "*", Write, Deny);
        assert!(!any(&[literal.clone(), deny_same], "a"));
        let deny_prefix = acl("p", Prefixed, "User:a", "*", Write, Deny);
        assert!(!any(&[prefixed.clone(), deny_prefix.clone()], "a"));
        assert!(any(&[prefixed, literal, deny_prefix], "a"), "the other one is left");
    }
}

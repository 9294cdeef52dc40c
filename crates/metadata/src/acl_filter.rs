//! Which access control entries a request means (`AclBindingFilter`, KIP-290).

use ottla_protocol::Str;

use crate::{AclOperation, AclPatternType, AclPermissionType, AclResourceType, StandardAcl};

/// Name of the resource that stands for all of its kind.
pub const WILDCARD_RESOURCE: &str = "*";

/// A filter of access control entries; what is not given matches anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclFilter {
    /// Kind of the resource, or any.
    pub resource_type: AclResourceType,
    /// Name of the resource.
    pub resource_name: Option<Str>,
    /// How entries must mean their names; `Match` selects whatever applies to the resource of the name.
    pub pattern_type: AclPatternType,
    /// Principal.
    pub principal: Option<Str>,
    /// Host.
    pub host: Option<Str>,
    /// Operation, or any.
    pub operation: AclOperation,
    /// Permission, or any.
    pub permission_type: AclPermissionType,
}

impl AclFilter {
    /// Whether the resource part holds something unknown.
    pub fn is_pattern_unknown(&self) -> bool {
        self.resource_type == AclResourceType::Unknown || self.pattern_type == AclPatternType::Unknown
    }

    /// Whether the entry part holds something unknown.
    pub fn is_entry_unknown(&self) -> bool {
        self.operation == AclOperation::Unknown || self.permission_type == AclPermissionType::Unknown
    }

    /// Whether an entry is meant.
    pub fn matches(&self, acl: &StandardAcl) -> bool {
        self.matches_pattern(acl) && self.matches_entry(acl)
    }

    fn matches_pattern(&self, acl: &StandardAcl) -> bool {
        use AclPatternType as Pattern;
        if self.resource_type != AclResourceType::Any && self.resource_type != acl.resource_type {
            return false;
        }
        let Some(name) = &self.resource_name else {
            return matches!(self.pattern_type, Pattern::Any | Pattern::Match)
                || self.pattern_type == acl.pattern_type;
        };
        match (self.pattern_type, acl.pattern_type) {
            (Pattern::Match, Pattern::Literal) => {
                *name == acl.resource_name || acl.resource_name == WILDCARD_RESOURCE
            }
            (Pattern::Match, Pattern::Prefixed) => name.starts_with(&*acl.resource_name),
            (Pattern::Match, _) => false,
            (wanted, has) => (wanted == Pattern::Any || wanted == has) && *name == acl.resource_name,
        }
    }

    fn matches_entry(&self, acl: &StandardAcl) -> bool {
        self.principal.as_ref().is_none_or(|principal| *principal == acl.principal)
            && self.host.as_ref().is_none_or(|host| *host == acl.host)
            && (self.operation == AclOperation::Any || self.operation == acl.operation)
            && (self.permission_type == AclPermissionType::Any || self.permission_type == acl.permission_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(pattern_type: AclPatternType, name: &str) -> StandardAcl {
        StandardAcl {
            resource_type: AclResourceType::Topic,
            resource_name: name.into(),
            pattern_type,
            principal: "User:alice".into(),
            host: "*".into(),
            operation: AclOperation::Read,
            permission_type: AclPermissionType::Allow,
        }
    }

    fn matching(pattern_type: AclPatternType, name: Option<&str>) -> Vec<usize> {
        let filter = AclFilter {
            resource_type: AclResourceType::Topic,
            resource_name: name.map(Str::from),
            pattern_type,
            principal: None,
            host: None,
            operation: AclOperation::Any,
            permission_type: AclPermissionType::Any,
        };
        let acls = [
            acl(AclPatternType::Literal, "orders"),
            acl(AclPatternType::Literal, "*"),
            acl(AclPatternType::Prefixed, "ord"),
            acl(AclPatternType::Prefixed, "orders"),
        ];
        (0..acls.len()).filter(|at| filter.matches(&acls[*at])).collect()
    }

    #[test]
    fn patterns() {
        assert_eq!(matching(AclPatternType::Match, Some("orders")), [0, 1, 2, 3]);
        assert_eq!(matching(AclPatternType::Match, Some("order")), [1, 2]);
        assert_eq!(matching(AclPatternType::Any, Some("orders")), [0, 3]);
        assert_eq!(matching(AclPatternType::Literal, Some("orders")), [0]);
        assert_eq!(matching(AclPatternType::Prefixed, None), [2, 3]);
        assert_eq!(matching(AclPatternType::Any, None), [0, 1, 2, 3]);
    }
}

//! DescribeAcls, CreateAcls and DeleteAcls.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ottla_protocol::messages::create_acls_request::AclCreation;
use ottla_protocol::messages::create_acls_response::AclCreationResult;
use ottla_protocol::messages::delete_acls_request::DeleteAclsFilter;
use ottla_protocol::messages::delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl};
use ottla_protocol::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeAclsRequest,
    DescribeAclsResponse,
};
use ottla_protocol::{ErrorCode, Str};

use super::call::{To, check_controller};
use super::types::coded;
use super::{AclOperation, Admin, PerKey, TimeoutOptions};
use crate::{Error, Result};

coded! {
    /// What kind of thing is protected (`ResourceType`).
    ResourceType {
        /// One that this crate does not know.
        Unknown = 0 "UNKNOWN",
        /// Any; only in filters.
        Any = 1 "ANY",
        /// A topic.
        Topic = 2 "TOPIC",
        /// A group.
        Group = 3 "GROUP",
        /// The cluster, whose name is `kafka-cluster`.
        Cluster = 4 "CLUSTER",
        /// A transactional id.
        TransactionalId = 5 "TRANSACTIONAL_ID",
        /// A delegation token.
        DelegationToken = 6 "DELEGATION_TOKEN",
        /// A user.
        User = 7 "USER",
    }
}

coded! {
    /// How a name is meant (`PatternType`).
    PatternType {
        /// One that this crate does not know.
        Unknown = 0 "UNKNOWN",
        /// Any; only in filters.
        Any = 1 "ANY",
        /// All that apply to the name, whatever their kind; only in filters.
        Match = 2 "MATCH",
        /// The name itself; `*` stands for all.
        Literal = 3 "LITERAL",
        /// All names that begin so.
        Prefixed = 4 "PREFIXED",
    }
}

coded! {
    /// Whether an ACL allows or denies (`AclPermissionType`).
    AclPermissionType {
        /// One that this crate does not know.
        Unknown = 0 "UNKNOWN",
        /// Either; only in filters.
        Any = 1 "ANY",
        /// It denies.
        Deny = 2 "DENY",
        /// It allows.
        Allow = 3 "ALLOW",
    }
}

/// The things that an ACL protects (`ResourcePattern`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourcePattern {
    /// What kind they are.
    pub resource_type: ResourceType,
    /// Their name.
    pub name: Str,
    /// How the name is meant.
    pub pattern_type: PatternType,
}

/// Who may do what from where (`AccessControlEntry`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessControlEntry {
    /// Who, like `User:alice`.
    pub principal: Str,
    /// From where; `*` for anywhere.
    pub host: Str,
    /// What.
    pub operation: AclOperation,
    /// Whether it is allowed or denied.
    pub permission_type: AclPermissionType,
}

/// An ACL (`AclBinding`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AclBinding {
    /// What it protects.
    pub pattern: ResourcePattern,
    /// Who may do what.
    pub entry: AccessControlEntry,
}

/// Which ACLs are meant (`AclBindingFilter`); what is nothing or `Any` fits all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AclBindingFilter {
    /// Kind of things.
    pub resource_type: ResourceType,
    /// Their name.
    pub name: Option<Str>,
    /// How the name is meant.
    pub pattern_type: PatternType,
    /// Who.
    pub principal: Option<Str>,
    /// From where.
    pub host: Option<Str>,
    /// What.
    pub operation: AclOperation,
    /// Whether it is allowed or denied.
    pub permission_type: AclPermissionType,
}

impl AclBindingFilter {
    /// All ACLs there are.
    pub const ANY: AclBindingFilter = AclBindingFilter {
        resource_type: ResourceType::Any,
        name: None,
        pattern_type: PatternType::Any,
        principal: None,
        host: None,
        operation: AclOperation::Any,
        permission_type: AclPermissionType::Any,
    };

    fn is_unknown(&self) -> bool {
        self.resource_type == ResourceType::Unknown
            || self.pattern_type == PatternType::Unknown
            || self.operation == AclOperation::Unknown
            || self.permission_type == AclPermissionType::Unknown
    }

    /// What keeps the filter from meaning exactly one ACL.
    pub fn find_indefinite_field(&self) -> Option<&'static str> {
        match self.resource_type {
            ResourceType::Any => return Some("Resource type is ANY."),
            ResourceType::Unknown => return Some("Resource type is UNKNOWN."),
            _ => {}
        }
        if self.name.is_none() {
            return Some("Resource name is NULL.");
        }
        match self.pattern_type {
            PatternType::Match => return Some("Resource pattern type is MATCH."),
            PatternType::Unknown => return Some("Resource pattern type is UNKNOWN."),
            _ => {}
        }
        if self.principal.is_none() {
            return Some("Principal is NULL");
        }
        if self.host.is_none() {
            return Some("Host is NULL");
        }
        match (self.operation, self.permission_type) {
            (AclOperation::Any, _) => Some("Operation is ANY"),
            (AclOperation::Unknown, _) => Some("Operation is UNKNOWN"),
            (_, AclPermissionType::Any) => Some("Permission type is ANY"),
            (_, AclPermissionType::Unknown) => Some("Permission type is UNKNOWN"),
            _ => None,
        }
    }
}

impl From<&AclBinding> for AclBindingFilter {
    fn from(acl: &AclBinding) -> Self {
        Self {
            resource_type: acl.pattern.resource_type,
            name: Some(acl.pattern.name.clone()),
            pattern_type: acl.pattern.pattern_type,
            principal: Some(acl.entry.principal.clone()),
            host: Some(acl.entry.host.clone()),
            operation: acl.entry.operation,
            permission_type: acl.entry.permission_type,
        }
    }
}

impl fmt::Display for ResourcePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource_type, name, pattern_type } = self;
        write!(f, "ResourcePattern(resourceType={resource_type}, name={name}, patternType={pattern_type})")
    }
}

impl fmt::Display for AccessControlEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { principal, host, operation, permission_type } = self;
        write!(
            f,
            "(principal={principal}, host={host}, operation={operation}, permissionType={permission_type})"
        )
    }
}

impl fmt::Display for AclBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(pattern={}, entry={})", self.pattern, self.entry)
    }
}

/// An ACL that a filter fitted, and whether it was deleted.
#[derive(Clone, Debug)]
pub struct DeletedAcl {
    /// The ACL.
    pub binding: AclBinding,
    /// Whether it was deleted.
    pub result: Result<()>,
}

impl Admin {
    /// The ACLs that a filter fits.
    ///
    /// # Errors
    /// SECURITY_DISABLED (there is no authorizer), CLUSTER_AUTHORIZATION_FAILED, ...
    pub async fn describe_acls(
        &self,
        filter: &AclBindingFilter,
        options: &TimeoutOptions,
    ) -> Result<Vec<AclBinding>> {
        if filter.is_unknown() {
            let text = "The AclBindingFilter must not contain UNKNOWN elements.";
            return Err(Error::api(ErrorCode::InvalidRequest, Some(text)));
        }
        let build = |_| DescribeAclsRequest {
            resource_type_filter: filter.resource_type.id(),
            resource_name_filter: filter.name.clone(),
            pattern_type_filter: filter.pattern_type.id(),
            principal_filter: filter.principal.clone(),
            host_filter: filter.host.clone(),
            operation: filter.operation.id(),
            permission_type: filter.permission_type.id(),
        };
        let deadline = self.deadline(options.timeout);
        self.call("describeAcls", To::AnyOrActiveController, deadline, build, |it| Ok(described(it))).await?
    }

    /// Creates ACLs; one that is there already is no error.
    ///
    /// # Errors
    /// For each ACL: SECURITY_DISABLED, CLUSTER_AUTHORIZATION_FAILED, INVALID_REQUEST, ...
    pub async fn create_acls(&self, acls: &[AclBinding], options: &TimeoutOptions) -> PerKey<AclBinding, ()> {
        let mut done = PerKey::new();
        let mut wanted = BTreeSet::new();
        for acl in acls {
            match AclBindingFilter::from(acl).find_indefinite_field() {
                Some(field) => {
                    let text = format!("Invalid ACL creation: {field}");
                    done.insert(acl.clone(), Err(Error::api(ErrorCode::InvalidRequest, Some(&text))));
                }
                None => drop(wanted.insert(acl.clone())),
            }
        }
        let build = |_| CreateAclsRequest { creations: wanted.iter().map(creation).collect() };
        let respond = |response| {
            let results = created(&wanted, response);
            check_controller(self.controllers, results.values())?;
            Ok(results)
        };
        let deadline = self.deadline(options.timeout);
        match self.call("createAcls", To::AnyOrActiveController, deadline, build, respond).await {
            Ok(results) => done.extend(results),
            Err(error) => done.extend(wanted.iter().map(|acl| (acl.clone(), Err(error.clone())))),
        }
        done
    }

    /// Deletes the ACLs that filters fit; gives what was deleted, by filter.
    ///
    /// # Errors
    /// For each filter: SECURITY_DISABLED, CLUSTER_AUTHORIZATION_FAILED, ...
    pub async fn delete_acls(
        &self,
        filters: &[AclBindingFilter],
        options: &TimeoutOptions,
    ) -> PerKey<AclBindingFilter, Vec<DeletedAcl>> {
        let wanted: BTreeSet<AclBindingFilter> = filters.iter().cloned().collect();
        let build = |_| DeleteAclsRequest { filters: wanted.iter().map(deletion).collect() };
        let respond = |response| {
            let results = deleted(&wanted, response);
            check_controller(self.controllers, results.values())?;
            Ok(results)
        };
        let deadline = self.deadline(options.timeout);
        match self.call("deleteAcls", To::AnyOrActiveController, deadline, build, respond).await {
            Ok(results) => results,
            Err(error) => wanted.iter().map(|filter| (filter.clone(), Err(error.clone()))).collect(),
        }
    }
}

fn described(response: DescribeAclsResponse) -> Result<Vec<AclBinding>> {
    Error::check(response.error_code, response.error_message.as_deref())?;
    let mut acls = Vec::new();
    for resource in response.resources {
        let pattern = ResourcePattern {
            resource_type: ResourceType::from_id(resource.resource_type),
            name: resource.resource_name,
            pattern_type: PatternType::from_id(resource.pattern_type),
        };
        acls.extend(resource.acls.into_iter().map(|acl| AclBinding {
            pattern: pattern.clone(),
            entry: AccessControlEntry {
                principal: acl.principal,
                host: acl.host,
                operation: AclOperation::from_id(acl.operation),
                permission_type: AclPermissionType::from_id(acl.permission_type),
            },
        }));
    }
    Ok(acls)
}

fn creation(acl: &AclBinding) -> AclCreation {
    AclCreation {
        resource_type: acl.pattern.resource_type.id(),
        resource_name: acl.pattern.name.clone(),
        resource_pattern_type: acl.pattern.pattern_type.id(),
        principal: acl.entry.principal.clone(),
        host: acl.entry.host.clone(),
        operation: acl.entry.operation.id(),
        permission_type: acl.entry.permission_type.id(),
    }
}

/// Results come in the order of the request.
fn created(wanted: &BTreeSet<AclBinding>, response: CreateAclsResponse) -> PerKey<AclBinding, ()> {
    let mut results = response.results.into_iter();
    let mut result = |acl: &AclBinding| match results.next() {
        Some(AclCreationResult { error_code, error_message }) => {
            Error::check(error_code, error_message.as_deref())
        }
        None => {
            let text = format!("The broker reported no creation result for the given ACL: {acl}");
            Err(Error::api(ErrorCode::UnknownServerError, Some(&text)))
        }
    };
    wanted.iter().map(|acl| (acl.clone(), result(acl))).collect()
}

fn deletion(filter: &AclBindingFilter) -> DeleteAclsFilter {
    DeleteAclsFilter {
        resource_type_filter: filter.resource_type.id(),
        resource_name_filter: filter.name.clone(),
        pattern_type_filter: filter.pattern_type.id(),
        principal_filter: filter.principal.clone(),
        host_filter: filter.host.clone(),
        operation: filter.operation.id(),
        permission_type: filter.permission_type.id(),
    }
}

fn deleted(
    wanted: &BTreeSet<AclBindingFilter>,
    response: DeleteAclsResponse,
) -> BTreeMap<AclBindingFilter, Result<Vec<DeletedAcl>>> {
    let mut results = response.filter_results.into_iter();
    let mut result = || match results.next() {
        Some(DeleteAclsFilterResult { error_code, error_message, matching_acls }) => {
            Error::check(error_code, error_message.as_deref())?;
            Ok(matching_acls.into_iter().map(matching).collect())
        }
        None => {
            let text = "The broker reported no deletion result for the given filter.";
            Err(Error::api(ErrorCode::UnknownServerError, Some(text)))
        }
    };
    wanted.iter().map(|filter| (filter.clone(), result())).collect()
}

fn matching(acl: DeleteAclsMatchingAcl) -> DeletedAcl {
    DeletedAcl {
        result: Error::check(acl.error_code, acl.error_message.as_deref()),
        binding: AclBinding {
            pattern: ResourcePattern {
                resource_type: ResourceType::from_id(acl.resource_type),
                name: acl.resource_name,
                pattern_type: PatternType::from_id(acl.pattern_type),
            },
            entry: AccessControlEntry {
                principal: acl.principal,
                host: acl.host,
                operation: AclOperation::from_id(acl.operation),
                permission_type: AclPermissionType::from_id(acl.permission_type),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(name: &str) -> AclBinding {
        AclBinding {
            pattern: ResourcePattern {
                resource_type: ResourceType::Topic,
                name: name.into(),
                pattern_type: PatternType::Literal,
            },
            entry: AccessControlEntry {
                principal: "User:a".into(),
                host: "*".into(),
                operation: AclOperation::Read,
                permission_type: AclPermissionType::Allow,
            },
        }
    }

    #[test]
    fn texts_are_those_of_java() {
        assert_eq!(
            acl("t").to_string(),
            "(pattern=ResourcePattern(resourceType=TOPIC, name=t, patternType=LITERAL), \
             entry=(principal=User:a, host=*, operation=READ, permissionType=ALLOW))"
        );
    }

    #[test]
    fn only_what_is_definite_can_be_created() {
        assert_eq!(AclBindingFilter::from(&acl("t")).find_indefinite_field(), None);
        assert_eq!(AclBindingFilter::ANY.find_indefinite_field(), Some("Resource type is ANY."));
        let mut any = acl("t");
        any.entry.operation = AclOperation::Any;
        assert_eq!(AclBindingFilter::from(&any).find_indefinite_field(), Some("Operation is ANY"));
    }

    #[test]
    fn results_follow_the_order_of_the_request() {
        let wanted = BTreeSet::from([acl("a"), acl("b"), acl("c")]);
        let result = |code: ErrorCode| AclCreationResult { error_code: code as i16, error_message: None };
        let response = CreateAclsResponse {
            results: vec![result(ErrorCode::None), result(ErrorCode::SecurityDisabled)],
            ..Default::default()
        };
        let done = created(&wanted, response);
        assert!(done[&acl("a")].is_ok());
        assert_eq!(done[&acl("b")].as_ref().unwrap_err().code(), Some(ErrorCode::SecurityDisabled));
        assert_eq!(done[&acl("c")].as_ref().unwrap_err().code(), Some(ErrorCode::UnknownServerError));
    }
}

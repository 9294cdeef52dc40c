//! Tests of CreateAcls and DeleteAcls.

use ottla_protocol::messages::{DeleteAclsRequest, delete_acls_request};

use super::*;
use crate::testing::{World, error};

fn creation(name: &str) -> AclCreation {
    AclCreation {
        resource_type: AclResourceType::Topic.code(),
        resource_name: name.into(),
        resource_pattern_type: AclPatternType::Literal.code(),
        principal: "User:alice".into(),
        host: "*".into(),
        operation: AclOperation::Read.code(),
        permission_type: AclPermissionType::Allow.code(),
    }
}

fn create(world: &mut World, creations: Vec<AclCreation>) -> Vec<(ErrorCode, Option<String>)> {
    let request = CreateAclsRequest { creations };
    let response = world.run(|c, ctx| c.create_acls(&request, ctx));
    let brief = |r: &AclCreationResult| {
        let (code, message) = error(r.error_code, &r.error_message);
        (code, message.map(str::to_owned))
    };
    response.results.iter().map(brief).collect()
}

#[test]
fn an_entry_is_created_once() {
    let mut world = World::empty();
    let fine = (ErrorCode::None, None);
    assert_eq!(
        create(&mut world, vec![creation("a"), creation("a"), creation("b")]),
        [fine.clone(), fine.clone(), fine.clone()]
    );
    assert_eq!(world.controller.image().acls.iter().count(), 2);
    assert_eq!(create(&mut world, vec![creation("a")]), [fine]);
    assert_eq!(world.controller.image().acls.iter().count(), 2);
}

#[test]
fn bad_entries() {
    let mut world = World::empty();
    let mut refused = |creation| {
        let (code, message) = create(&mut world, vec![creation]).remove(0);
        assert_eq!(code, ErrorCode::InvalidRequest);
        message.unwrap()
    };
    assert_eq!(refused(creation("")), "Invalid empty resource name");
    assert_eq!(refused(AclCreation { resource_type: 1, ..creation("a") }), "Invalid resourceType ANY");
    assert_eq!(
        refused(AclCreation { resource_pattern_type: 2, ..creation("a") }),
        "Invalid patternType MATCH"
    );
    assert_eq!(refused(AclCreation { operation: 77, ..creation("a") }), "Invalid operation UNKNOWN");
    assert_eq!(refused(AclCreation { permission_type: 1, ..creation("a") }), "Invalid permissionType ANY");
    assert_eq!(
        refused(AclCreation { resource_type: 4, ..creation("a") }),
        "The only valid name for the CLUSTER resource is kafka-cluster"
    );
    assert_eq!(
        refused(AclCreation { principal: "alice".into(), ..creation("a") }),
        "Could not parse principal from `alice` (no colon is present separating the principal type from the principal \
         name)"
    );
}

#[test]
fn deletion_by_filter() {
    let mut world = World::empty();
    create(&mut world, vec![creation("a"), creation("b"), creation("c")]);
    let filter = |name: Option<&str>, operation| delete_acls_request::DeleteAclsFilter {
        resource_type_filter: AclResourceType::Any.code(),
        resource_name_filter: name.map(Into::into),
        pattern_type_filter: AclPatternType::Any.code(),
        principal_filter: None,
        host_filter: None,
        operation,
        permission_type: AclPermissionType::Any.code(),
    };
    let any = AclOperation::Any.code();
    let filters =
        vec![filter(Some("a"), any), filter(Some("a"), any), filter(Some("x"), any), filter(None, 99)];
    let request = DeleteAclsRequest { filters };
    let result = world.decide(|c, ctx| c.delete_acls(&request, ctx));
    assert_eq!(result.records.len(), 1);
    let answers = &result.response.filter_results;
    let counts: Vec<_> = answers.iter().map(|answer| answer.matching_acls.len()).collect();
    assert_eq!(counts, [1, 1, 0, 0]);
    assert_eq!(
        error(answers[3].error_code, &answers[3].error_message),
        (ErrorCode::InvalidRequest, Some("Unknown entryFilter."))
    );
    world.append(result);
    let request = DeleteAclsRequest { filters: vec![filter(None, any)] };
    world.run(|c, ctx| c.delete_acls(&request, ctx));
    assert_eq!(world.controller.image().acls.iter().count(), 0);
}

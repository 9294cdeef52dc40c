//! The authorizer, and what a connection remembers of it.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Result, ensure};
use ottla_metadata::{AclOperation, AclPatternType, AclPermissionType, AclResourceType, StandardAcl};
use ottla_security::{Action, Authorizer, AuthorizerOptions, Decisions, Principal};

use crate::Body;

const ENTRIES: usize = 1_000;
const TOPICS: usize = 10_000;
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub fn allowed_before() -> Result<Body> {
    let (kind, operation) = (AclResourceType::Topic, AclOperation::Write);
    let mut decisions = Decisions::default();
    for at in 0..TOPICS {
        decisions.keep(1, kind, &topic(at), operation);
    }
    let name = topic(TOPICS / 2);
    Ok(Box::new(move || {
        ensure!(decisions.is_known(black_box(1), kind, black_box(&name), operation));
        Ok(())
    }))
}

pub fn decide_literal() -> Result<Body> {
    decide(AclPatternType::Literal)
}

pub fn decide_prefixed() -> Result<Body> {
    decide(AclPatternType::Prefixed)
}

fn decide(pattern_type: AclPatternType) -> Result<Body> {
    let acl = |at| StandardAcl {
        resource_type: AclResourceType::Topic,
        resource_name: topic(at).into(),
        pattern_type,
        principal: "User:alice".into(),
        host: "*".into(),
        operation: AclOperation::Write,
        permission_type: AclPermissionType::Allow,
    };
    let acls: Vec<StandardAcl> = (0..ENTRIES).map(acl).collect();
    let authorizer = Authorizer::new(AuthorizerOptions::default(), &acls);
    let (principal, name) = (Principal::user("alice"), topic(ENTRIES / 2));
    Ok(Box::new(move || {
        let action = Action {
            principal: &principal,
            host: HOST,
            operation: AclOperation::Write,
            resource_type: AclResourceType::Topic,
            resource_name: black_box(&name),
        };
        ensure!(authorizer.authorize(&action).is_allowed);
        Ok(())
    }))
}

fn topic(at: usize) -> String {
    format!("some-topic-{at:05}")
}

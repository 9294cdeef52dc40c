//! Whether who asks may do what they ask (`AuthHelper`).
//!
//! Without an authorizer everybody may do everything, and nothing is looked up. What each API asks is declared in
//! [`declared`]; in debug builds a handler that asks anything else panics, so that the page made from the declarations
//! stays true.

pub mod declared;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use ottla_config::broker_config::authorization::AuthorizationConfig;
use ottla_coordinator::TopicSight;
use ottla_metadata::{AclOperation, AclResourceType, MetadataImage};
use ottla_protocol::{ErrorCode, Str};
use ottla_security::{Action, Authorizer, AuthorizerOptions, Decision, Decisions, Rule};

use crate::broker::Broker;
use crate::context::RequestContext;
use crate::partitions::HostedTopic;

/// Name of the resource that stands for the cluster.
pub const CLUSTER_NAME: &str = "kafka-cluster";

/// Target of the log lines of decisions: what was denied at level info, what was allowed at debug
/// (`kafka.authorizer.logger`).
pub const AUDIT: &str = "ottla_authorizer";

/// Something protected.
#[derive(Clone, Copy)]
pub enum Resource<'a> {
    /// A topic by name.
    Topic(&'a str),
    /// A topic that is here.
    Hosted(&'a HostedTopic),
    /// A group of any kind.
    Group(&'a str),
    /// The cluster as a whole.
    Cluster,
    /// A transactional id.
    TransactionalId(&'a str),
    /// A delegation token by its id.
    DelegationToken(&'a str),
    /// A user, whose tokens are meant.
    User(&'a str),
}

impl<'a> Resource<'a> {
    fn kind(self) -> AclResourceType {
        match self {
            Resource::Topic(_) | Resource::Hosted(_) => AclResourceType::Topic,
            Resource::Group(_) => AclResourceType::Group,
            Resource::Cluster => AclResourceType::Cluster,
            Resource::TransactionalId(_) => AclResourceType::TransactionalId,
            Resource::DelegationToken(_) => AclResourceType::DelegationToken,
            Resource::User(_) => AclResourceType::User,
        }
    }

    fn name(self) -> &'a str {
        match self {
            Resource::Cluster => CLUSTER_NAME,
            Resource::Hosted(topic) => &topic.name,
            Resource::Topic(name)
            | Resource::Group(name)
            | Resource::TransactionalId(name)
            | Resource::DelegationToken(name)
            | Resource::User(name) => name,
        }
    }
}

/// The authorizer of a broker, with the entries of the metadata.
pub struct Authorization {
    options: Option<AuthorizerOptions>,
    authorizer: ArcSwap<Authorizer>,
    /// Counts the sets of entries, so that connections know when what they keep is old.
    version: AtomicU64,
}

impl Authorization {
    /// As it is configured. Nobody but super users may do anything before the first image.
    pub fn new(config: &AuthorizationConfig) -> Self {
        let options = config.is_enabled.then(|| AuthorizerOptions {
            super_users: config.super_users.iter().filter_map(|name| name.parse().ok()).collect(),
            allow_everyone_if_no_acl_found: config.allow_everyone_if_no_acl_found,
        });
        let closed = AuthorizerOptions {
            allow_everyone_if_no_acl_found: false,
            ..options.clone().unwrap_or_default()
        };
        Self {
            options,
            authorizer: ArcSwap::from_pointee(Authorizer::new(closed, [])),
            version: AtomicU64::new(1),
        }
    }

    /// Whether anybody is ever refused anything.
    pub fn is_enabled(&self) -> bool {
        self.options.is_some()
    }

    /// Takes the entries of an image.
    pub fn follow(&self, image: &MetadataImage) {
        if let Some(options) = &self.options {
            let acls = image.acls.iter().map(|(_, acl)| acl);
            self.authorizer.store(Authorizer::new(options.clone(), acls).into());
            // After the entries: who sees the new version decides by them.
            self.version.fetch_add(1, Ordering::Release);
        }
    }
}

/// What of a decision is told at the levels at which somebody may look (`logIfAllowed`, `logIfDenied`); the rest is told
/// at trace.
#[derive(Clone, Copy)]
struct Audit {
    allowed: bool,
    denied: bool,
}

impl Audit {
    const ALL: Self = Self { allowed: true, denied: true };
    const ALLOWED: Self = Self { allowed: true, denied: false };
    const NOTHING: Self = Self { allowed: false, denied: false };
}

impl Broker {
    /// Whether who sent a request may do something. A denial is logged.
    pub fn may(&self, ctx: &RequestContext, operation: AclOperation, resource: Resource<'_>) -> bool {
        self.decide(ctx, operation, resource, Audit::ALL)
    }

    /// The same, as the error that tells of a denial.
    ///
    /// # Errors
    /// That of the kind of resource, such as TOPIC_AUTHORIZATION_FAILED.
    pub fn authorize(
        &self,
        ctx: &RequestContext,
        operation: AclOperation,
        resource: Resource<'_>,
    ) -> Result<(), ErrorCode> {
        match self.may(ctx, operation, resource) {
            true => Ok(()),
            false => Err(declared::denial(resource.kind())),
        }
    }

    /// Whether they may, where a denial is nothing unusual: what is denied is left out, or something else is asked next.
    pub fn may_see(&self, ctx: &RequestContext, operation: AclOperation, resource: Resource<'_>) -> bool {
        self.decide(ctx, operation, resource, Audit::ALLOWED)
    }

    /// Decides of many topics for one request; what is denied is logged once.
    pub fn topics<'a>(&'a self, ctx: &'a RequestContext, operation: AclOperation) -> Topics<'a> {
        Topics { broker: self, ctx, operation, denied: HashSet::new() }
    }

    /// The topics that who sent a request may describe, also after it. Nothing is logged: this only leaves out.
    pub fn topic_sight(&self, ctx: &RequestContext) -> TopicSight {
        let (operation, kind) = (AclOperation::Describe, AclResourceType::Topic);
        assert_declared(ctx, operation, kind);
        if !self.authorization.is_enabled() {
            return TopicSight::default();
        }
        let (authorization, principal, host) =
            (self.authorization.clone(), ctx.principal.clone(), ctx.peer().ip());
        TopicSight::of(move |topic| {
            let action = Action {
                principal: &principal,
                host,
                operation: AclOperation::Describe,
                resource_type: AclResourceType::Topic,
                resource_name: topic,
            };
            authorization.authorizer.load().authorize(&action).is_allowed
        })
    }

    /// Whether who sent a request may do something with any resource of a kind (`authorizeByResourceType`).
    pub fn may_with_any(
        &self,
        ctx: &RequestContext,
        operation: AclOperation,
        resource_type: AclResourceType,
    ) -> bool {
        assert_declared(ctx, operation, resource_type);
        if !self.authorization.is_enabled() {
            return true;
        }
        let authorizer = self.authorization.authorizer.load();
        let is_allowed = authorizer.authorize_any(&ctx.principal, ctx.peer().ip(), operation, resource_type);
        ctx.requests.decided(is_allowed);
        is_allowed
    }

    fn decide(
        &self,
        ctx: &RequestContext,
        operation: AclOperation,
        resource: Resource<'_>,
        audit: Audit,
    ) -> bool {
        assert_declared(ctx, operation, resource.kind());
        if !self.authorization.is_enabled() {
            return true;
        }
        let version = self.authorization.version.load(Ordering::Acquire);
        let (kind, name) = (resource.kind(), resource.name());
        // Each decision has its line in the log, where somebody reads it.
        let is_told = tracing::enabled!(target: AUDIT, tracing::Level::DEBUG);
        let is_known = |known: &mut Decisions| match resource {
            Resource::Hosted(topic) => known.is_known_topic(version, topic.id, operation),
            _ => known.is_known(version, kind, name, operation),
        };
        if !is_told && ctx.with_decisions(is_known) {
            ctx.requests.decided(true);
            return true;
        }
        let is_allowed = self.decide_anew(ctx, operation, resource, audit);
        ctx.requests.decided(is_allowed);
        if is_allowed {
            ctx.with_decisions(|known| match resource {
                Resource::Hosted(topic) => known.keep_topic(version, topic.id, operation),
                _ => known.keep(version, kind, name, operation),
            });
        }
        is_allowed
    }

    fn decide_anew(
        &self,
        ctx: &RequestContext,
        operation: AclOperation,
        resource: Resource<'_>,
        audit: Audit,
    ) -> bool {
        let authorizer = self.authorization.authorizer.load();
        let action = Action {
            principal: &ctx.principal,
            host: ctx.peer().ip(),
            operation,
            resource_type: resource.kind(),
            resource_name: resource.name(),
        };
        let decision = authorizer.authorize(&action);
        log(ctx, &action, &decision, audit);
        decision.is_allowed
    }

    /// The operations that who sent a request may do, as the bit field of the protocol: bit n stands for the
    /// operation with code n. `supported` is what there is.
    pub fn authorized_operations(&self, ctx: &RequestContext, supported: i32, resource: Resource<'_>) -> i32 {
        if !self.authorization.is_enabled() {
            return supported;
        }
        let allowed =
            |code: i8| self.decide_anew(ctx, AclOperation::from_code(code), resource, Audit::NOTHING);
        let codes = (0..31_i8).filter(|code| supported & (1 << code) != 0);
        codes.filter(|code| allowed(*code)).fold(0, |bits, code| bits | (1 << code))
    }
}

/// One operation on the topics of one request (`AuthHelper.filterByAuthorized`).
pub struct Topics<'a> {
    broker: &'a Broker,
    ctx: &'a RequestContext,
    operation: AclOperation,
    denied: HashSet<Str>,
}

impl Topics<'_> {
    /// Whether it may be done with a topic.
    pub fn allow(&mut self, topic: &str) -> bool {
        if self.denied.contains(topic) {
            return false;
        }
        let is_allowed = self.broker.may(self.ctx, self.operation, Resource::Topic(topic));
        if !is_allowed {
            self.denied.insert(Str::from(topic));
        }
        is_allowed
    }
}

/// In debug builds: a handler asks nothing that its API's declaration does not say.
#[track_caller]
fn assert_declared(ctx: &RequestContext, operation: AclOperation, kind: AclResourceType) {
    debug_assert!(
        declared::asks(ctx.api_key, operation, kind),
        "{} asks for {operation}, which authorization/declared.rs does not say",
        ctx.api_key.name()
    );
}

/// `StandardAuthorizerData.buildAuditMessage`
fn log(ctx: &RequestContext, action: &Action<'_>, decision: &Decision<'_>, audit: Audit) {
    let outcome = if decision.is_allowed { "Allowed" } else { "Denied" };
    macro_rules! tell {
        ($level:ident) => {
            tracing::$level!(
                target: AUDIT,
                "Principal = {} is {outcome} operation = {} from host = {} on resource = {}:LITERAL:{} for request = {} \
                 with resourceRefCount = 1 based on rule {}",
                action.principal,
                action.operation,
                action.host,
                declared::resource_name(action.resource_type),
                action.resource_name,
                ctx.api_key.name(),
                RuleText(decision),
            )
        };
    }
    match (decision.is_allowed, audit) {
        (false, Audit { denied: true, .. }) => tell!(info),
        (true, Audit { allowed: true, .. }) => tell!(debug),
        _ => tell!(trace),
    }
}

/// The rule of a decision; Kafka's names for the default say what it comes to.
struct RuleText<'a>(&'a Decision<'a>);

impl std::fmt::Display for RuleText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0.rule, self.0.is_allowed) {
            (Rule::Default, true) => f.write_str("DefaultAllow"),
            (Rule::Default, false) => f.write_str("DefaultDeny"),
            (rule, _) => rule.fmt(f),
        }
    }
}

impl RequestContext {
    /// The text of an answer to a request that its sender may not make.
    pub fn not_authorized(&self) -> String {
        format!("Request {} of {} is not authorized.", self.api_key.name(), self.principal)
    }
}

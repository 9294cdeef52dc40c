//! Principals, authorization, delegation tokens.

use crate::key_def::Importance::{Low, Medium};
use crate::key_def::Type::{Password, String};
use crate::key_def::{KeyDef, class, long, string, unset};
use crate::validator::Validator;

const NO_JVM: &str = "there is no JVM";

pub(super) const KEYS: &[KeyDef] = &[
    string("authorizer.class.name", "", Low)
        .check(Validator::NonNull)
        .honoured_but(
            "only Kafka's own `org.apache.kafka.metadata.authorizer.StandardAuthorizer`, also by the name `standard`",
        )
        .doc("Who decides who may do what, by `super.users` and the entries of the metadata. Empty: everybody everything."),
    class(
        "principal.builder.class",
        "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
        Medium,
    )
    .per_broker()
    .refused("a JVM class cannot be loaded; without it users would get other names than intended")
    .doc("The class that makes a principal of what a connection has proved."),
    unset(String, "security.providers", Low)
        .without_effect(NO_JVM)
        .doc("Classes that add security algorithms to a JVM."),
    long("connections.max.reauth.ms", 0, Medium)
        .honoured()
        .doc("A connection must authenticate anew after this time. 0 asks for nothing."),
    unset(Password, "delegation.token.secret.key", Medium).honoured().doc(
        "The secret that delegation tokens are signed with, the same on all nodes. Without it there \
             are no tokens.",
    ),
    long("delegation.token.max.lifetime.ms", 604_800_000, Medium)
        .at_least(1)
        .honoured()
        .doc("The longest life of a token, renewals included."),
    long("delegation.token.expiry.time.ms", 86_400_000, Medium)
        .at_least(1)
        .honoured()
        .doc("How long a token is good for until it is renewed."),
    long("delegation.token.expiry.check.interval.ms", 3_600_000, Low)
        .at_least(1)
        .honoured()
        .doc("Time between two looks for expired tokens."),
];

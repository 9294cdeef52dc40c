//! Keys of the clients. What producer, consumer and admin have in common stands in `common`; TLS and SASL are the
//! broker's declarations, seen from the other side.

use crate::key_def::Importance::{self, High, Low, Medium};
use crate::key_def::{KeyDef, Support, UpdateMode};

use super::{sasl, sasl_oauthbearer, ssl};

pub(super) mod admin;
pub(super) mod common;
pub(super) mod consumer;
pub(super) mod producer;

/// Of what a broker checks tokens by.
const NO_CHECKS: &str = "clients do not check tokens: brokers do";
const NO_CLASS: &str = "a JVM class cannot be loaded; clients read sasl.jaas.config by themselves";
const NO_CHOICE: &str = "rustls has no such choice; a JVM class cannot be loaded";

/// What has an effect in clients, some of it with a limit.
const HONOURED: &[(&str, &str)] = &[
    ("ssl.key.password", ""),
    ("ssl.keystore.certificate.chain", ""),
    ("ssl.keystore.key", ""),
    ("ssl.keystore.location", ""),
    ("ssl.keystore.password", ""),
    ("ssl.keystore.type", ""),
    ("ssl.truststore.certificates", ""),
    ("ssl.truststore.location", ""),
    ("ssl.truststore.password", ""),
    ("ssl.truststore.type", ""),
    ("ssl.enabled.protocols", "TLSv1.2 and TLSv1.3; others are refused"),
    ("ssl.cipher.suites", "those of rustls; others are refused"),
    ("ssl.endpoint.identification.algorithm", "https, or empty; others are refused"),
    ("sasl.jaas.config", "login modules of PLAIN, SCRAM, GSSAPI and OAUTHBEARER"),
    ("sasl.kerberos.min.time.before.relogin", ""),
    ("sasl.kerberos.service.name", ""),
    ("sasl.kerberos.ticket.renew.jitter", ""),
    ("sasl.kerberos.ticket.renew.window.factor", ""),
    ("sasl.login.callback.handler.class", OAUTH_HANDLERS),
    ("sasl.login.connect.timeout.ms", "for OAUTHBEARER; 30 s where it is not set"),
    ("sasl.login.read.timeout.ms", "for OAUTHBEARER; 30 s where it is not set"),
    ("sasl.login.retry.backoff.max.ms", ""),
    ("sasl.login.retry.backoff.ms", ""),
    ("sasl.oauthbearer.assertion.algorithm", ""),
    ("sasl.oauthbearer.assertion.claim.aud", ""),
    ("sasl.oauthbearer.assertion.claim.exp.seconds", ""),
    ("sasl.oauthbearer.assertion.claim.iss", ""),
    ("sasl.oauthbearer.assertion.claim.jti.include", ""),
    ("sasl.oauthbearer.assertion.claim.nbf.seconds", ""),
    ("sasl.oauthbearer.assertion.claim.sub", ""),
    ("sasl.oauthbearer.assertion.file", ALLOWED),
    ("sasl.oauthbearer.assertion.private.key.file", ALLOWED),
    ("sasl.oauthbearer.assertion.private.key.passphrase", ""),
    ("sasl.oauthbearer.assertion.template.file", ALLOWED),
    ("sasl.oauthbearer.client.credentials.client.id", ""),
    ("sasl.oauthbearer.client.credentials.client.secret", ""),
    ("sasl.oauthbearer.jwt.retriever.class", "Kafka's four, by their names"),
    ("sasl.oauthbearer.scope", ""),
    ("sasl.oauthbearer.scope.claim.name", ""),
    ("sasl.oauthbearer.sub.claim.name", ""),
    ("sasl.oauthbearer.token.endpoint.url", ALLOWED),
];
const OAUTH_HANDLERS: &str = "for OAUTHBEARER: OAuthBearerLoginCallbackHandler and OAuthBearerUnsecuredLoginCallbackHandler, by their names";
const ALLOWED: &str =
    "the environment must allow it: OTTLA_SASL_OAUTHBEARER_ALLOWED_URLS or _FILES, or KAFKA_OPTS";
/// What has none, and why; the rest is about how brokers check tokens.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("ssl.protocol", "ssl.enabled.protocols decides"),
    ("ssl.provider", NO_CHOICE),
    ("ssl.engine.factory.class", NO_CHOICE),
    ("ssl.keymanager.algorithm", NO_CHOICE),
    ("ssl.secure.random.implementation", NO_CHOICE),
    ("ssl.trustmanager.algorithm", NO_CHOICE),
    ("sasl.client.callback.handler.class", NO_CLASS),
    ("sasl.kerberos.kinit.cmd", "clients renew their tickets themselves"),
    ("sasl.login.class", NO_CLASS),
];

/// Keys of TLS and SASL that clients have too, and how much they matter there.
const SECURE: &[(Importance, &[&str])] = &[
    (
        High,
        &[
            "ssl.key.password",
            "ssl.keystore.certificate.chain",
            "ssl.keystore.key",
            "ssl.keystore.location",
            "ssl.keystore.password",
            "ssl.truststore.certificates",
            "ssl.truststore.location",
            "ssl.truststore.password",
            "sasl.oauthbearer.expected.audience",
            "sasl.oauthbearer.expected.issuer",
        ],
    ),
    (
        Medium,
        &[
            "ssl.enabled.protocols",
            "ssl.keystore.type",
            "ssl.protocol",
            "ssl.provider",
            "ssl.truststore.type",
            "sasl.client.callback.handler.class",
            "sasl.jaas.config",
            "sasl.kerberos.service.name",
            "sasl.login.callback.handler.class",
            "sasl.login.class",
            "sasl.oauthbearer.assertion.algorithm",
            "sasl.oauthbearer.assertion.claim.aud",
            "sasl.oauthbearer.assertion.claim.iss",
            "sasl.oauthbearer.assertion.claim.jti.include",
            "sasl.oauthbearer.assertion.claim.sub",
            "sasl.oauthbearer.assertion.file",
            "sasl.oauthbearer.assertion.private.key.file",
            "sasl.oauthbearer.assertion.private.key.passphrase",
            "sasl.oauthbearer.assertion.template.file",
            "sasl.oauthbearer.client.credentials.client.id",
            "sasl.oauthbearer.client.credentials.client.secret",
            "sasl.oauthbearer.jwks.endpoint.url",
            "sasl.oauthbearer.jwt.retriever.class",
            "sasl.oauthbearer.jwt.validator.class",
            "sasl.oauthbearer.scope",
            "sasl.oauthbearer.token.endpoint.url",
        ],
    ),
    (
        Low,
        &[
            "ssl.cipher.suites",
            "ssl.endpoint.identification.algorithm",
            "ssl.engine.factory.class",
            "ssl.keymanager.algorithm",
            "ssl.secure.random.implementation",
            "ssl.trustmanager.algorithm",
            "sasl.kerberos.kinit.cmd",
            "sasl.kerberos.min.time.before.relogin",
            "sasl.kerberos.ticket.renew.jitter",
            "sasl.kerberos.ticket.renew.window.factor",
            "sasl.login.connect.timeout.ms",
            "sasl.login.read.timeout.ms",
            "sasl.login.retry.backoff.max.ms",
            "sasl.login.retry.backoff.ms",
            "sasl.oauthbearer.assertion.claim.exp.seconds",
            "sasl.oauthbearer.assertion.claim.nbf.seconds",
            "sasl.oauthbearer.clock.skew.seconds",
            "sasl.oauthbearer.jwks.endpoint.refresh.ms",
            "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
            "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms",
            "sasl.oauthbearer.scope.claim.name",
            "sasl.oauthbearer.sub.claim.name",
        ],
    ),
];

/// The declarations of TLS and SASL for clients.
pub(super) fn secure() -> Vec<KeyDef> {
    let declared = [ssl::KEYS, sasl::KEYS, sasl_oauthbearer::KEYS].concat();
    let importance =
        |name| SECURE.iter().find(|(_, names)| names.contains(&name)).map(|(importance, _)| *importance);
    let of_client = |def: KeyDef| {
        let importance = importance(def.name)?;
        let (support, note) = effect(def.name);
        Some(KeyDef { importance, support, note, update_mode: UpdateMode::ReadOnly, ..def })
    };
    declared.into_iter().filter_map(of_client).collect()
}

fn effect(name: &str) -> (Support, &'static str) {
    let of = |table: &[(&str, &'static str)]| {
        table.iter().find(|(known, _)| *known == name).map(|(_, note)| *note)
    };
    match of(HONOURED) {
        Some(note) => (Support::Honoured, note),
        None => (Support::AcceptedWithoutEffect, of(WITHOUT_EFFECT).unwrap_or(NO_CHECKS)),
    }
}

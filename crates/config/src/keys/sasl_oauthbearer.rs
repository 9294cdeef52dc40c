//! SASL/OAUTHBEARER.

use crate::key_def::Importance::{High, Low, Medium};
use crate::key_def::Type::{Password, String};
use crate::key_def::{KeyDef, boolean, class, int, list, long, string, unset};
use crate::validator::Validator;

const NO_SASL: &str = "a client's: this broker connects to no other";

pub(super) const KEYS: &[KeyDef] = &[
    unset(String, "sasl.oauthbearer.token.endpoint.url", Medium)
        .without_effect(NO_SASL)
        .doc("Where tokens are asked for."),
    unset(String, "sasl.oauthbearer.jwks.endpoint.url", Medium)
        .honoured_but("http and https: redirects are not followed; file: read again when it changes; ottla.sasl.oauthbearer.allowed.urls must name it")
        .doc("Where the keys that tokens are signed with are found."),
    long("sasl.oauthbearer.jwks.endpoint.refresh.ms", 3_600_000, Low)
        .honoured()
        .doc("How long fetched keys are good for."),
    long("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", 100, Low)
        .honoured()
        .doc("First pause between attempts to fetch the keys."),
    long("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", 10_000, Low)
        .honoured()
        .doc("Longest pause between attempts to fetch the keys."),
    list("sasl.oauthbearer.expected.audience", &[], High)
        .no_duplicates()
        .honoured()
        .doc("Audiences of which a token must name one."),
    unset(String, "sasl.oauthbearer.expected.issuer", High)
        .honoured()
        .doc("The issuer that a token must name."),
    int("sasl.oauthbearer.clock.skew.seconds", 30, Low)
        .honoured()
        .doc("By how much the clocks of broker and issuer may differ."),
    unset(String, "sasl.oauthbearer.scope", Medium)
        .without_effect(NO_SASL)
        .doc("The scope that is asked for with a token."),
    string("sasl.oauthbearer.scope.claim.name", "scope", Low)
        .honoured()
        .doc("Name of the claim that holds the scope."),
    string("sasl.oauthbearer.sub.claim.name", "sub", Low)
        .honoured()
        .doc("Name of the claim that holds the user."),
    class(
        "sasl.oauthbearer.jwt.retriever.class",
        "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
        Medium,
    )
    .without_effect(NO_SASL)
    .doc("The class that asks for tokens."),
    class(
        "sasl.oauthbearer.jwt.validator.class",
        "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
        Medium,
    )
    .honoured_but("DefaultJwtValidator and BrokerJwtValidator, by their names")
    .doc("The class that checks tokens."),
    unset(String, "sasl.oauthbearer.client.credentials.client.id", Medium)
        .without_effect(NO_SASL)
        .doc("Client id for a token by client credentials."),
    unset(Password, "sasl.oauthbearer.client.credentials.client.secret", Medium)
        .without_effect(NO_SASL)
        .doc("Client secret for a token by client credentials."),
    unset(String, "sasl.oauthbearer.assertion.file", Medium)
        .without_effect(NO_SASL)
        .doc("File with a ready-made assertion."),
    unset(String, "sasl.oauthbearer.assertion.template.file", Medium)
        .without_effect(NO_SASL)
        .doc("File with header and claims that assertions are made from."),
    string("sasl.oauthbearer.assertion.algorithm", "RS256", Medium)
        .check(Validator::OneOfIgnoringCase(&["ES256", "RS256"]))
        .without_effect(NO_SASL)
        .doc("How assertions are signed."),
    unset(String, "sasl.oauthbearer.assertion.private.key.file", Medium)
        .without_effect(NO_SASL)
        .doc("File with the key that assertions are signed with."),
    unset(Password, "sasl.oauthbearer.assertion.private.key.passphrase", Medium)
        .without_effect(NO_SASL)
        .doc("Passphrase of the key that assertions are signed with."),
    unset(String, "sasl.oauthbearer.assertion.claim.aud", Medium)
        .without_effect(NO_SASL)
        .doc("Audience that assertions name."),
    unset(String, "sasl.oauthbearer.assertion.claim.iss", Medium)
        .without_effect(NO_SASL)
        .doc("Issuer that assertions name."),
    unset(String, "sasl.oauthbearer.assertion.claim.sub", Medium)
        .without_effect(NO_SASL)
        .doc("Subject that assertions name."),
    int("sasl.oauthbearer.assertion.claim.exp.seconds", 300, Low)
        .between(0, 86_400)
        .without_effect(NO_SASL)
        .doc("How long assertions are good for."),
    int("sasl.oauthbearer.assertion.claim.nbf.seconds", 60, Low)
        .between(0, 3600)
        .without_effect(NO_SASL)
        .doc("How far the start of an assertion's life is put back."),
    boolean("sasl.oauthbearer.assertion.claim.jti.include", false, Medium)
        .without_effect(NO_SASL)
        .doc("Whether assertions carry a random id."),
];

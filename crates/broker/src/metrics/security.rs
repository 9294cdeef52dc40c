//! Logins, and what the authorizer decides.

use super::collect::{Out, Sources};
use super::metric::{Metric, counter, gauge};
use crate::authentication::counts::Login;

const BY: &[&str] = &["listener", "mechanism"];
/// Stands for the mechanism where a handshake of TLS is what was completed or refused.
const TLS: &str = "TLS";

pub static SUCCESSFUL: Metric = counter(
    "kafka_server_socketservermetrics_successful_authentication_total",
    "Clients that have authenticated by SASL; `TLS` as mechanism: handshakes that were completed on listeners without SASL.",
)
.by(BY);
pub static FAILED: Metric = counter(
    "kafka_server_socketservermetrics_failed_authentication_total",
    "Clients that could not authenticate by SASL; `other` stands for mechanisms that are not enabled, `TLS` for handshakes that \
     failed on any listener with TLS.",
)
.by(BY);
pub static SUCCESSFUL_AGAIN: Metric = counter(
    "kafka_server_socketservermetrics_successful_reauthentication_total",
    "Known clients that have authenticated again.",
)
.by(BY);
pub static FAILED_AGAIN: Metric = counter(
    "kafka_server_socketservermetrics_failed_reauthentication_total",
    "Known clients that could not authenticate again.",
)
.by(BY);
pub static EXPIRED: Metric = counter(
    "kafka_server_socketservermetrics_expiredconnectionskilled_total",
    "Connections that were closed because their client's session was over: it has not authenticated again in time.",
)
.by(BY);
pub static TOKENS: Metric = gauge("ottla_delegation_tokens", "Delegation tokens in the metadata.");
pub static ACLS: Metric = gauge(
    "kafka_server_authorizermetrics_acls_total_count",
    "Entries of the authorizer, of which one says what one principal may or may not do.",
);
pub static REQUESTED: Metric = counter(
    "kafka_server_authorizermetrics_authorization_request_total",
    "Questions that were put to the authorizer: whether somebody may do something.",
);
pub static ALLOWED: Metric =
    counter("kafka_server_authorizermetrics_authorization_allowed_total", "Those that it answered by yes.");
pub static DENIED: Metric =
    counter("kafka_server_authorizermetrics_authorization_denied_total", "Those that it answered by no.");

/// In the order in which they are told.
pub static METRICS: &[&Metric] = &[
    &SUCCESSFUL,
    &FAILED,
    &SUCCESSFUL_AGAIN,
    &FAILED_AGAIN,
    &EXPIRED,
    &TOKENS,
    &ACLS,
    &REQUESTED,
    &ALLOWED,
    &DENIED,
];

pub(super) fn collect(sources: &Sources, out: &mut Out) {
    let broker = &sources.broker;
    let logins = broker.authentication.counts.all();
    let by_login = [
        (&SUCCESSFUL, Login::Successful),
        (&FAILED, Login::Failed),
        (&SUCCESSFUL_AGAIN, Login::SuccessfulAgain),
        (&FAILED_AGAIN, Login::FailedAgain),
        (&EXPIRED, Login::Expired),
    ];
    let handshakes = sources.tls.handshakes();
    for (metric, login) in by_login {
        out.begin(metric);
        for (listener, mechanism, logins) in &logins {
            out.sample(metric, &[listener, mechanism], logins.get(login));
        }
        for (listener, done, failed) in &handshakes {
            match login {
                // With SASL the client is not known yet.
                Login::Successful if !broker.authentication.has_sasl(listener) => {
                    out.sample(metric, &[listener, TLS], *done);
                }
                Login::Failed => out.sample(metric, &[listener, TLS], *failed),
                _ => {}
            }
        }
    }
    let image = broker.image();
    out.one(&TOKENS, image.delegation_tokens.iter().count());
    out.one(&ACLS, image.acls.iter().count());
    let (allowed, denied) = broker.requests.decisions();
    out.one(&REQUESTED, allowed.saturating_add(denied));
    out.one(&ALLOWED, allowed);
    out.one(&DENIED, denied);
}

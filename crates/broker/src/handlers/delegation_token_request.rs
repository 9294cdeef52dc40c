//! What the handlers of delegation tokens share.

use ottla_net::SecurityProtocol;
use ottla_protocol::{ErrorCode, Str};
use ottla_security::Principal;

use crate::broker::Broker;
use crate::context::RequestContext;

/// Time in answers to requests that are refused before the controller sees them (`DelegationTokenManager.ERROR_TIMESTAMP`).
pub const ERROR_TIMESTAMP: i64 = -1;

/// Whether a connection may ask for tokens (`KafkaApis.allowTokenRequests`): it must say who uses it, and not by a token.
///
/// # Errors
/// DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.
pub fn check(ctx: &RequestContext) -> Result<(), ErrorCode> {
    let is_allowed = match ctx.connection.security_protocol() {
        SecurityProtocol::Plaintext => false,
        SecurityProtocol::Ssl => *ctx.principal != Principal::anonymous(),
        SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl => !ctx.is_token_authenticated(),
    };
    if is_allowed { Ok(()) } else { Err(ErrorCode::DelegationTokenRequestNotAllowed) }
}

/// Which token an HMAC belongs to, if there is one, and who asks.
///
/// # Errors
/// As [`check`].
pub fn token_and_requester(
    ctx: &RequestContext,
    broker: &Broker,
    hmac: &[u8],
) -> Result<(Option<Str>, String), ErrorCode> {
    check(ctx)?;
    let token_id = broker.authentication.tokens().and_then(|tokens| tokens.id_of(hmac));
    Ok((token_id, ctx.principal.to_string()))
}

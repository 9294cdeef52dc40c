//! SaslHandshake (key 17), versions 0-1, where it is out of place: on a listener without SASL, or after authentication. The
//! handshake of a connection that is still unknown is in `authentication`.

use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{SaslHandshakeRequest, SaslHandshakeResponse};

use crate::broker::Broker;
use crate::context::RequestContext;

/// Refuses it.
pub fn handle(_: &RequestContext, _: &Broker, _: SaslHandshakeRequest) -> SaslHandshakeResponse {
    SaslHandshakeResponse { error_code: ErrorCode::IllegalSaslState.code(), ..Default::default() }
}

//! SaslAuthenticate (key 36), versions 0-2, where it is out of place: on a listener without SASL, or after authentication.

use ottla_protocol::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use ottla_protocol::{ErrorCode, Str};

use crate::broker::Broker;
use crate::context::RequestContext;

const OUT_OF_PLACE: &str = "SaslAuthenticate request received after successful authentication";

/// Refuses it.
pub fn handle(_: &RequestContext, _: &Broker, _: SaslAuthenticateRequest) -> SaslAuthenticateResponse {
    SaslAuthenticateResponse {
        error_code: ErrorCode::IllegalSaslState.code(),
        error_message: Some(Str::from_static(OUT_OF_PLACE)),
        ..Default::default()
    }
}

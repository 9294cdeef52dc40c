//! Logins by SASL.
#![allow(dead_code, reason = "each test uses a part of it")]

use ottla_protocol::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest};
use ottla_protocol::{ErrorCode, base64};
use ottla_security::sasl::{HashFunction, ScramClient, plain};

use crate::wire_client::WireClient;

pub fn handshake(client: &mut WireClient, mechanism: &str, version: i16) -> (ErrorCode, Vec<String>) {
    let response = client.call(&SaslHandshakeRequest { mechanism: mechanism.into() }, version);
    let names = response.mechanisms.iter().map(ToString::to_string).collect();
    (ErrorCode::from_code(response.error_code), names)
}

pub fn authenticate(client: &mut WireClient, token: &[u8]) -> SaslAuthenticateResponse {
    client.call(&SaslAuthenticateRequest { auth_bytes: token.to_vec().into() }, 2)
}

pub fn log_in_plain(client: &mut WireClient, user: &str, password: &str) -> SaslAuthenticateResponse {
    assert_eq!(handshake(client, "PLAIN", 1).0, ErrorCode::None);
    authenticate(client, &plain::message(user, password))
}

pub fn log_in_scram(
    client: &mut WireClient,
    hash: HashFunction,
    user: &str,
    password: &str,
) -> SaslAuthenticateResponse {
    exchange(client, hash, ScramClient::new(hash, user, password, "nonce".into()))
}

/// With a delegation token.
pub fn log_in_token(
    client: &mut WireClient,
    hash: HashFunction,
    id: &str,
    hmac: &[u8],
) -> SaslAuthenticateResponse {
    exchange(client, hash, ScramClient::for_token(hash, id, &base64::encode(hmac), "nonce".into()))
}

fn exchange(client: &mut WireClient, hash: HashFunction, mut scram: ScramClient) -> SaslAuthenticateResponse {
    let name = if hash == HashFunction::Sha256 { "SCRAM-SHA-256" } else { "SCRAM-SHA-512" };
    assert_eq!(handshake(client, name, 1).0, ErrorCode::None);
    let first = authenticate(client, &scram.evaluate(b"").expect("a message"));
    assert_eq!(first.error_code, 0, "whoever it is hears of a salt: {:?}", first.error_message);
    let last = authenticate(client, &scram.evaluate(&first.auth_bytes).expect("a message"));
    if last.error_code == 0 {
        scram.evaluate(&last.auth_bytes).expect("the server knows the user");
    }
    last
}

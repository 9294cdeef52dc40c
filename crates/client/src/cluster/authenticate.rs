//! Logging in on a connection (`SaslClientAuthenticator`): before the first request, and again before the session ends. The decisions
//! are [`ClientSession`]'s.

use ottla_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use ottla_protocol::{ErrorCode, Request};
use ottla_security::sasl::client::{ClientSession, Login, LoginFailure, Next};

use super::versions::NodeVersions;
use crate::security::Credentials;
use crate::{Error, random};

/// First version of SaslHandshake after which tokens travel in SaslAuthenticate (Kafka 1.0).
const FIRST_WRAPPED: i16 = 1;

/// How a login's requests reach the broker, one at a time.
pub(super) trait Caller {
    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// When the connection ends before.
    async fn call<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response, NoConnection>;
}

/// Why a connection can't be used.
#[derive(Clone, Debug)]
pub(super) enum NoConnection {
    /// It is lost, or was never made; another attempt may succeed.
    Lost(String),
    /// One of Kafka's `AuthenticationException`s: another attempt would end the same.
    Refused(Error),
}

impl From<LoginFailure> for NoConnection {
    fn from(failure: LoginFailure) -> Self {
        if failure.is_final() {
            NoConnection::Refused(Error::Api { code: failure.code, message: failure.message })
        } else {
            NoConnection::Lost(format!("the broker did not let the client log in: {failure}"))
        }
    }
}

impl From<Error> for NoConnection {
    fn from(error: Error) -> Self {
        match error {
            error if error.is_authentication() => NoConnection::Refused(error),
            error => NoConnection::Lost(error.to_string()),
        }
    }
}

/// Logs in to the broker on a host. How long the session lasts, in ms; 0 when it never ends.
///
/// # Errors
/// When the broker refuses, or the connection ends.
pub(super) async fn log_in(
    caller: &mut impl Caller,
    credentials: &Credentials,
    host: &str,
    versions: &NodeVersions,
) -> Result<i64, NoConnection> {
    let login = credentials.login(host).await?;
    let outcome = log_in_by(caller, &login, versions).await;
    if outcome.is_err() {
        credentials.refused(host).await;
    }
    outcome
}

async fn log_in_by(
    caller: &mut impl Caller,
    login: &Login,
    versions: &NodeVersions,
) -> Result<i64, NoConnection> {
    let mut session = ClientSession::new(login, nonce()?);
    let handshake = SaslHandshakeRequest { mechanism: session.mechanism().into() };
    let version = highest::<SaslHandshakeRequest>(versions, FIRST_WRAPPED)?;
    let answer = caller.call(&handshake, version).await?;
    let mut token =
        session.handshake_answered(ErrorCode::from_code(answer.error_code), &answer.mechanisms)?;
    let version = highest::<SaslAuthenticateRequest>(versions, 0)?;
    loop {
        let request = SaslAuthenticateRequest { auth_bytes: token.into() };
        let answer = caller.call(&request, version).await?;
        let next = session.authenticate_answered(
            ErrorCode::from_code(answer.error_code),
            answer.error_message.as_deref(),
            &answer.auth_bytes,
            answer.session_lifetime_ms,
        )?;
        match next {
            Next::Authenticate(next) => token = next,
            Next::Complete { session_lifetime_ms } => return Ok(session_lifetime_ms),
        }
    }
}

fn highest<R: Request>(versions: &NodeVersions, lowest: i16) -> Result<i16, NoConnection> {
    Ok(versions.highest(R::KEY, lowest, R::MAX_VERSION)?)
}

/// A random text for SCRAM and GSSAPI.
fn nonce() -> Result<String, NoConnection> {
    random::secret().map_err(|why| NoConnection::Lost(format!("the system gives no random bytes: {why}")))
}

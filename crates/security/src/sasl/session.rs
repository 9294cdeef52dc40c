//! A connection's life around its SASL exchanges (`SaslServerAuthenticator`, KIP-43, KIP-152, KIP-368).
//!
//! ```text
//! Initial ──ApiVersions──► Handshake ──SaslHandshake──► Exchange ──tokens──► Complete
//!    └──────────SaslHandshake─────────────────────────────►│    ▲               │
//!                                                          ▼    └─SaslHandshake─┘ re-authentication
//!                                                        Failed
//! ```
//!
//! After a handshake of version 0 the client's tokens come as frames of their own; from version 1 on they come in
//! SaslAuthenticate requests.

use std::fmt;

use super::{Credentials, Mechanism, SaslError, SaslServer, Step};

/// Re-authentications that come faster than this are refused.
const REAUTHENTICATION_INTERVAL_MIN_MS: i64 = 1_000;

/// What a connection may send next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expects {
    /// ApiVersions or SaslHandshake.
    ApiVersionsOrHandshake,
    /// SaslHandshake.
    Handshake,
    /// SaslAuthenticate.
    Authenticate,
    /// A token without a request around it.
    Token,
    /// Anything: the client is known.
    Anything,
    /// Nothing: authentication has failed.
    Nothing,
}

/// What a token has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The server's token; another one of the client's is waited for.
    Challenge(Vec<u8>),
    /// The client is known.
    Complete {
        /// The server's last token.
        token: Vec<u8>,
        /// After so many milliseconds the client must authenticate again; 0: never (KIP-368).
        session_lifetime_ms: i64,
    },
}

/// A failed authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the client hears.
    pub told: String,
    /// What the log says. Holds nothing that the client has sent.
    pub why: String,
    /// The connection closes without an answer, and the client may try again at once.
    pub is_silent: bool,
}

impl Failure {
    fn open(text: String) -> Self {
        Self { told: text.clone(), why: text, is_silent: false }
    }
}

/// The state of one connection.
#[derive(Debug, Default)]
pub struct SaslSession {
    state: State,
    /// Who the client was before it began to authenticate again.
    previous: Option<Known>,
    /// When the client must have authenticated again, in Unix milliseconds.
    expires_ms: Option<i64>,
    reauthenticated_ms: Option<i64>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Initial,
    Handshake,
    Exchange {
        mechanism: Mechanism,
        server: SaslServer,
        is_wrapped: bool,
    },
    Complete(Known),
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    mechanism: Mechanism,
    user: String,
    is_token: bool,
}

impl SaslSession {
    /// What may come next.
    pub fn expects(&self) -> Expects {
        match self.state {
            State::Initial => Expects::ApiVersionsOrHandshake,
            State::Handshake => Expects::Handshake,
            State::Exchange { is_wrapped: true, .. } => Expects::Authenticate,
            State::Exchange { .. } => Expects::Token,
            State::Complete(_) => Expects::Anything,
            State::Failed => Expects::Nothing,
        }
    }

    /// The user, once it is known; during re-authentication the user that it was.
    pub fn user(&self) -> Option<&str> {
        match &self.state {
            State::Complete(known) => Some(&known.user),
            _ => self.previous.as_ref().map(|known| known.user.as_str()),
        }
    }

    /// The mechanism of the exchange that is going on, and whether the client authenticates again by it.
    pub fn exchange(&self) -> Option<(Mechanism, bool)> {
        match &self.state {
            State::Exchange { mechanism, .. } => Some((*mechanism, self.previous.is_some())),
            _ => None,
        }
    }

    /// The mechanism that the user is known by.
    pub fn known_by(&self) -> Option<Mechanism> {
        match &self.state {
            State::Complete(known) => Some(known.mechanism),
            _ => self.previous.as_ref().map(|known| known.mechanism),
        }
    }

    /// Whether the user is known by a delegation token (`KafkaPrincipal.tokenAuthenticated`).
    pub fn is_token(&self) -> bool {
        match &self.state {
            State::Complete(known) => known.is_token,
            _ => self.previous.as_ref().is_some_and(|known| known.is_token),
        }
    }

    /// Whether the time is up by which the client had to authenticate again.
    pub fn is_expired(&self, now_ms: i64) -> bool {
        matches!(self.state, State::Complete(_)) && self.expires_ms.is_some_and(|expires| now_ms > expires)
    }

    /// ApiVersions was answered with the versions: the handshake must follow.
    pub fn versions_told(&mut self) {
        if matches!(self.state, State::Initial) {
            self.state = State::Handshake;
        }
    }

    /// Something came that may not come now.
    pub fn fail(&mut self) {
        self.state = State::Failed;
    }

    /// A known client wants to authenticate again. `false` where its session never ends or it did so within the last second:
    /// its SaslHandshake is then a request out of place.
    pub fn begin_again(&mut self, now_ms: i64) -> bool {
        let too_soon =
            self.reauthenticated_ms.is_some_and(|last| now_ms - last < REAUTHENTICATION_INTERVAL_MIN_MS);
        if self.expires_ms.is_none() || too_soon {
            return false;
        }
        if let State::Complete(known) = &self.state {
            self.previous = Some(known.clone());
            self.state = State::Handshake;
            self.reauthenticated_ms = Some(now_ms);
            return true;
        }
        false
    }

    /// SaslHandshake of a version. `false`: the mechanism is not one of those enabled, and the connection ends with the answer.
    pub fn handshake(&mut self, name: &str, version: i16, enabled: &[Mechanism]) -> bool {
        match Mechanism::from_name(name).filter(|mechanism| enabled.contains(mechanism)) {
            Some(mechanism) => {
                let server = SaslServer::new(mechanism);
                self.state = State::Exchange { mechanism, server, is_wrapped: version >= 1 };
                true
            }
            None => {
                self.state = State::Failed;
                false
            }
        }
    }

    /// A token of the client. `max_reauth_ms` is `connections.max.reauth.ms` of a mechanism, 0: never; `nonce` a random text.
    ///
    /// # Errors
    /// When the client is not who it says. The connection ends.
    pub fn token(
        &mut self,
        token: &[u8],
        users: &dyn Credentials,
        nonce: &str,
        max_reauth_ms: impl FnOnce(Mechanism) -> i64,
        now_ms: i64,
    ) -> Result<Progress, Failure> {
        let State::Exchange { mechanism, server, .. } = &mut self.state else {
            self.state = State::Failed;
            return Err(Failure::open("a SASL token came out of order".to_owned()));
        };
        let mechanism = *mechanism;
        let step = match self.previous.as_ref().filter(|previous| previous.mechanism != mechanism) {
            Some(previous) => Err(Failure::open(format!(
                "SASL mechanism '{mechanism}' requested by client is not supported for re-authentication of mechanism '{}'",
                previous.mechanism
            ))),
            None => server
                .evaluate(token, users, nonce)
                .map_err(|error| failure(error, mechanism, self.previous.is_some())),
        };
        let is_token = server.is_token();
        let step = step.and_then(|step| self.check_user(step));
        match step {
            Err(failure) => {
                self.state = State::Failed;
                Err(failure)
            }
            Ok(Step::Challenge(token)) => Ok(Progress::Challenge(token)),
            Ok(Step::Done { user, response: token, expires_ms }) => {
                let (session_lifetime_ms, ends_ms) =
                    session_end(max_reauth_ms(mechanism), expires_ms, now_ms);
                self.expires_ms = ends_ms;
                self.previous = None;
                self.state = State::Complete(Known { mechanism, user, is_token });
                Ok(Progress::Complete { token, session_lifetime_ms })
            }
        }
    }

    fn check_user(&self, step: Step) -> Result<Step, Failure> {
        match (&step, &self.previous) {
            (Step::Done { user, .. }, Some(previous)) if *user != previous.user => {
                Err(Failure::open(format!(
                    "Cannot change principals during re-authentication from User.{}: User.{user}",
                    previous.user
                )))
            }
            _ => Ok(step),
        }
    }
}

/// How long a session lasts and when it ends: with what the client has shown, but at the latest after `max_reauth_ms`, if that is
/// set.
fn session_end(max_reauth_ms: i64, expires_ms: Option<i64>, now_ms: i64) -> (i64, Option<i64>) {
    let left_ms = expires_ms.map(|expires| expires.saturating_sub(now_ms));
    let lifetime_ms = match left_ms {
        None if max_reauth_ms <= 0 => return (0, None),
        None => max_reauth_ms,
        Some(left) if max_reauth_ms <= 0 => left.max(0),
        Some(left) => left.min(max_reauth_ms).max(0),
    };
    (lifetime_ms, Some(now_ms.saturating_add(lifetime_ms)))
}

fn failure(error: SaslError, mechanism: Mechanism, is_again: bool) -> Failure {
    let what = if is_again { "re-authentication" } else { "authentication" };
    let hidden = |why: &dyn fmt::Display, is_silent: bool| Failure {
        told: format!(
            "Authentication failed during {what} due to invalid credentials with SASL mechanism {mechanism}"
        ),
        why: format!("{what} with {mechanism} failed: {why}"),
        is_silent,
    };
    match error {
        SaslError::Told(text) => Failure::open(text),
        SaslError::Explained { told, why } => {
            Failure { told, why: format!("{what} with {mechanism} failed: {why}"), is_silent: false }
        }
        SaslError::Hidden(why) => hidden(&why, false),
        #[cfg(feature = "gssapi")]
        SaslError::Kerberos(refusal) => hidden(&refusal, refusal.is_retriable()),
    }
}

#[cfg(test)]
#[path = "session_test.rs"]
mod session_test;

//! One exchange of any mechanism, seen by the server (`javax.security.sasl.SaslServer`).

#[cfg(feature = "gssapi")]
use super::gssapi::{self, GssapiServer, KerberosService};
use super::oauthbearer::{OAuthServer, Refusal, Token};
use super::scram::{Credential, Found, ScramName, ScramServer};
use super::{HashFunction, Mechanism, SaslError, plain};

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The exchange goes on.
    Challenge(Vec<u8>),
    /// It has ended well.
    Done {
        /// Who the client is.
        user: String,
        /// The last message.
        response: Vec<u8>,
        /// When what the client has shown is over, in Unix milliseconds; `None`: never (KIP-368).
        expires_ms: Option<i64>,
    },
}

/// Whose a delegation token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenOwner {
    /// Name of the user.
    pub user: String,
    /// When the token is good no more, in Unix milliseconds.
    pub expires_ms: i64,
}

/// What a server knows of users.
pub trait Credentials {
    /// Whether a user of PLAIN has this password. Takes the same time for users that do not exist.
    fn is_plain_password(&self, user: &str, password: &str) -> bool;

    /// A user's SCRAM credential and `true`, or [`Credential::of_nobody`] and `false`.
    fn scram(&self, hash: HashFunction, user: &str) -> (Credential, bool);

    /// The service that tickets of Kerberos must be for, and the time in Unix milliseconds; `None` where nobody comes by Kerberos.
    #[cfg(feature = "gssapi")]
    fn kerberos(&self) -> Option<(&KerberosService, i64)> {
        None
    }

    /// The credential and the owner of a delegation token by its id, or [`Credential::of_nobody`] and none. By default there are
    /// no tokens.
    fn token(&self, hash: HashFunction, id: &str) -> (Credential, Option<TokenOwner>) {
        (Credential::of_nobody(hash, id, &[], None), None)
    }

    /// What a bearer token says, once it is known to be good.
    ///
    /// # Errors
    /// Why it is not. Nobody is let in by tokens unless this says otherwise.
    fn bearer(&self, token: &str) -> Result<Token, Refusal> {
        let _ = token;
        Err(Refusal::invalid_token("this listener takes no tokens"))
    }
}

/// One exchange.
#[derive(Debug)]
pub struct SaslServer {
    state: State,
    is_token: bool,
}

#[derive(Debug)]
enum State {
    Plain,
    Scram(ScramServer),
    #[cfg(feature = "gssapi")]
    Gssapi(GssapiServer),
    OAuth(OAuthServer),
    Ended,
}

impl SaslServer {
    /// An exchange that waits for the client's first message.
    pub fn new(mechanism: Mechanism) -> Self {
        Self {
            state: match mechanism {
                Mechanism::Plain => State::Plain,
                Mechanism::Scram(hash) => State::Scram(ScramServer::new(hash)),
                #[cfg(feature = "gssapi")]
                Mechanism::Gssapi => State::Gssapi(GssapiServer::default()),
                Mechanism::OAuthBearer => State::OAuth(OAuthServer::default()),
            },
            is_token: false,
        }
    }

    /// Whether the client has shown, or is about to show, a delegation token, of which the user is the owner.
    pub fn is_token(&self) -> bool {
        self.is_token
    }

    /// Takes a message; `nonce` is a random text, used where the mechanism wants one.
    ///
    /// # Errors
    /// When the client is not who it says, or does not speak the mechanism. The exchange has ended then.
    pub fn evaluate(
        &mut self,
        message: &[u8],
        users: &dyn Credentials,
        nonce: &str,
    ) -> Result<Step, SaslError> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Plain => {
                let user =
                    plain::authenticate(message, |user, password| users.is_plain_password(user, password))?;
                Ok(Step::Done { user, response: Vec::new(), expires_ms: None })
            }
            State::Scram(mut server) => {
                let hash = server.hash();
                let find = |name: ScramName<'_>| match name {
                    ScramName::User(user) => Found::user(users.scram(hash, user)),
                    ScramName::Token(id) => Found::token(users.token(hash, id)),
                };
                let step = server.evaluate(message, find, nonce)?;
                self.is_token = server.is_token();
                if matches!(step, Step::Challenge(_)) {
                    self.state = State::Scram(server);
                }
                Ok(step)
            }
            State::OAuth(mut server) => {
                let step = server.evaluate(message, |token| users.bearer(token))?;
                if matches!(step, Step::Challenge(_)) {
                    self.state = State::OAuth(server);
                }
                Ok(step)
            }
            #[cfg(feature = "gssapi")]
            State::Gssapi(mut server) => {
                let (service, now_ms) =
                    users.kerberos().ok_or(SaslError::Kerberos(gssapi::Refusal::NoService))?;
                let step = server.evaluate(message, service, now_ms, nonce).map_err(SaslError::Kerberos)?;
                if matches!(step, Step::Challenge(_)) {
                    self.state = State::Gssapi(server);
                }
                Ok(step)
            }
            State::Ended => Err(SaslError::Hidden("a message after the end of the exchange")),
        }
    }
}

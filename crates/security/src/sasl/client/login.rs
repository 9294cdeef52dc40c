//! Who a client is.

use std::fmt;

use super::{Exchange, SaslClient};
use crate::jaas::{JaasEntry, PLAIN_LOGIN_MODULE, SCRAM_LOGIN_MODULE};
#[cfg(feature = "gssapi")]
use crate::sasl::gssapi::{Credential, GssapiClient};
use crate::sasl::oauthbearer::{Extensions, OAuthClient};
use crate::sasl::{HashFunction, Mechanism, ScramClient, plain};

/// A user and its password, a bearer token, or a ticket, for one mechanism. Its `Debug` form shows none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    mechanism: Mechanism,
    user: String,
    /// With OAUTHBEARER the token, which names the user.
    password: String,
    /// What goes with the token of OAUTHBEARER.
    extensions: Extensions,
    /// The user is a delegation token's id, the password its HMAC (KIP-48).
    is_token: bool,
    /// With GSSAPI a ticket for the broker, and when it is shown.
    #[cfg(feature = "gssapi")]
    ticket: Option<(Credential, i64)>,
}

/// Why a JAAS entry is no login. No value of an option is named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum LoginError {
    #[error("the login module {module} is not there for {mechanism}; there is {expected}")]
    Module { module: String, mechanism: &'static str, expected: &'static str },
    #[error("the option {option} is missing behind the login module {module}")]
    NoOption { option: &'static str, module: String },
}

impl Login {
    /// What clients speak.
    pub const MECHANISMS: &[Mechanism] = Mechanism::ALL;

    /// The login of `PlainLoginModule` and `ScramLoginModule`: the options `username` and `password`, and with SCRAM `tokenauth`. As
    /// in Kafka either module will do for either mechanism.
    ///
    /// # Errors
    /// When the module is another, or an option is missing.
    pub fn from_jaas(mechanism: Mechanism, entry: &JaasEntry) -> Result<Self, LoginError> {
        let module = &entry.login_module;
        let is_for_passwords = matches!(mechanism, Mechanism::Plain | Mechanism::Scram(_));
        if !is_for_passwords || ![PLAIN_LOGIN_MODULE, SCRAM_LOGIN_MODULE].contains(&module.as_str()) {
            let expected = match mechanism {
                Mechanism::Scram(_) => SCRAM_LOGIN_MODULE,
                _ => PLAIN_LOGIN_MODULE,
            };
            return Err(LoginError::Module { module: module.clone(), mechanism: mechanism.name(), expected });
        }
        let option = |option: &'static str| {
            let value = entry.option(option).map(str::to_owned);
            value.ok_or_else(|| LoginError::NoOption { option, module: module.clone() })
        };
        let is_token = module == SCRAM_LOGIN_MODULE
            && entry.option("tokenauth").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let (user, password) = (option("username")?, option("password")?);
        Ok(Self { user, password, is_token, ..Self::of(mechanism) })
    }

    /// The login of `OAuthBearerLoginModule`, with a token that is good now.
    pub fn bearer(token: &str, extensions: &Extensions) -> Self {
        let (password, extensions) = (token.to_owned(), extensions.clone());
        Self { password, extensions, ..Self::of(Mechanism::OAuthBearer) }
    }

    /// The login of `Krb5LoginModule`, with a ticket for the broker that is good at `now_ms`, which is when the login begins.
    #[cfg(feature = "gssapi")]
    pub fn kerberos(ticket: Credential, now_ms: i64) -> Self {
        Self { ticket: Some((ticket, now_ms)), ..Self::of(Mechanism::Gssapi) }
    }

    fn of(mechanism: Mechanism) -> Self {
        Self {
            mechanism,
            user: String::new(),
            password: String::new(),
            extensions: Extensions::new(),
            is_token: false,
            #[cfg(feature = "gssapi")]
            ticket: None,
        }
    }

    /// The mechanism.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// An exchange that is about to begin. `nonce` is a random text without commas, as [`crate::sasl::scram::nonce`] makes it.
    pub(super) fn exchange(&self, nonce: String) -> SaslClient {
        let scram = |hash: HashFunction, nonce: String| {
            let begin = if self.is_token { ScramClient::for_token } else { ScramClient::new };
            Exchange::Scram(begin(hash, &self.user, &self.password, nonce))
        };
        SaslClient(match self.mechanism {
            Mechanism::Plain => Exchange::Plain(Some(plain::message(&self.user, &self.password))),
            Mechanism::Scram(hash) => scram(hash, nonce),
            Mechanism::OAuthBearer => Exchange::OAuth {
                client: OAuthClient::default(),
                first: Some((self.password.clone(), self.extensions.clone())),
                is_taken: false,
            },
            #[cfg(feature = "gssapi")]
            Mechanism::Gssapi => match &self.ticket {
                Some((ticket, now_ms)) => {
                    Exchange::Gssapi(Box::new(GssapiClient::new(ticket.clone(), *now_ms, nonce)))
                }
                // Nobody makes a login without: the exchange is over before it begins.
                None => Exchange::Plain(None),
            },
        })
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.mechanism)
    }
}

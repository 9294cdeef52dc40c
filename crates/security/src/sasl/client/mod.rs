//! The client's halves of the mechanisms (`javax.security.sasl.SaslClient`), and a connection's way through a login.
//!
//! | file | what |
//! | --- | --- |
//! | `login` | [`Login`]: who a client is, out of its `sasl.jaas.config` |
//! | `session` | [`ClientSession`]: handshake, tokens, end; [`reauthenticate_after_ms`] |

mod login;
mod session;

pub use login::{Login, LoginError};
pub use session::{ClientSession, LoginFailure, Next, reauthenticate_after_ms};

#[cfg(feature = "gssapi")]
use super::gssapi::GssapiClient;
use super::oauthbearer::{Extensions, OAuthClient};
use super::{SaslError, ScramClient};

/// One exchange of any mechanism, seen by the client.
#[derive(Debug)]
pub struct SaslClient(Exchange);

enum Exchange {
    /// The message that is to be sent; none once it was.
    Plain(Option<Vec<u8>>),
    Scram(ScramClient),
    OAuth {
        client: OAuthClient,
        /// The token and its extensions; none once they were sent.
        first: Option<(String, Extensions)>,
        /// The server has taken the token.
        is_taken: bool,
    },
    #[cfg(feature = "gssapi")]
    Gssapi(Box<GssapiClient>),
}

impl SaslClient {
    /// The token that answers a server's; the first is given for an empty one.
    ///
    /// # Errors
    /// When the server does not speak the mechanism, or does not know the user's credential.
    pub fn evaluate(&mut self, challenge: &[u8]) -> Result<Vec<u8>, SaslError> {
        match &mut self.0 {
            Exchange::Plain(message) => {
                message.take().ok_or(SaslError::Hidden("Unexpected challenge after the end of the exchange"))
            }
            Exchange::Scram(scram) => scram.evaluate(challenge),
            Exchange::OAuth { client, first, is_taken } => match first.take() {
                Some((token, extensions)) => client.first(&token, &extensions),
                None => {
                    let answer = client.evaluate(challenge)?;
                    *is_taken = answer.is_none();
                    Ok(answer.unwrap_or_default())
                }
            },
            #[cfg(feature = "gssapi")]
            Exchange::Gssapi(client) => {
                client.evaluate(challenge).map_err(|why| SaslError::Told(why.to_string()))
            }
        }
    }

    /// Whether nothing more is to be sent.
    pub fn is_complete(&self) -> bool {
        match &self.0 {
            Exchange::Plain(message) => message.is_none(),
            Exchange::Scram(scram) => scram.is_complete(),
            Exchange::OAuth { is_taken, .. } => *is_taken,
            #[cfg(feature = "gssapi")]
            Exchange::Gssapi(client) => client.is_complete(),
        }
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Exchange::Plain(_) => "Plain",
            Exchange::Scram(_) => "Scram",
            Exchange::OAuth { .. } => "OAuth",
            #[cfg(feature = "gssapi")]
            Exchange::Gssapi(_) => "Gssapi",
        })
    }
}

#[cfg(test)]
#[path = "client_test.rs"]
mod client_test;

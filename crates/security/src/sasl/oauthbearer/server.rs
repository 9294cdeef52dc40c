//! The server's side (`OAuthBearerSaslServer`).

use super::super::{SaslError, Step};
use super::messages::ClientFirst;
use super::{Refusal, Token};

/// One exchange.
#[derive(Debug, Default)]
pub(in crate::sasl) struct OAuthServer {
    /// What the client was told of its token, which it must take note of.
    refused: Option<Refusal>,
}

impl OAuthServer {
    /// Takes a message; `check` looks at a token. After an error there is nothing but its end, whatever the client sends: Kafka
    /// would look at another token.
    pub fn evaluate(
        &mut self,
        message: &[u8],
        check: impl FnOnce(&str) -> Result<Token, Refusal>,
    ) -> Result<Step, SaslError> {
        if let Some(refusal) = self.refused.take() {
            return Err(SaslError::Explained { told: refusal.json(), why: refusal.why });
        }
        let first = ClientFirst::parse(message)?;
        let token = match check(first.token) {
            Ok(token) => token,
            Err(refusal) => {
                let challenge = refusal.json().into_bytes();
                self.refused = Some(refusal);
                return Ok(Step::Challenge(challenge));
            }
        };
        if !first.authorization_id.is_empty() && first.authorization_id != token.user {
            return Err(SaslError::Explained {
                told: format!(
                    "Authentication failed: Client requested an authorization id ({}) that is different from the token's \
                     principal name ({})",
                    first.authorization_id, token.user
                ),
                why: "the client wants to be somebody else than its token says".to_owned(),
            });
        }
        Ok(Step::Done { user: token.user, response: Vec::new(), expires_ms: Some(token.expires_ms) })
    }
}

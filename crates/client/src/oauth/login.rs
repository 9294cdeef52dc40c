//! The token that a client shows now (`OAuthBearerRefreshingLogin`).

use std::sync::Arc;

use ottla_security::jaas::JaasEntry;
use ottla_security::jwt::unsecured;
use ottla_security::jwt::validator::inspect;
use ottla_security::sasl::oauthbearer::Extensions;
use tokio::sync::Mutex;

use super::refresh::Refresh;
use super::{RawToken, SharedSource, TokenError, TokenFuture, TokenSource};
use crate::clock::unix_ms;
use crate::random;

/// How long to leave a source alone that has failed, while the token before is still good.
const RETRY_PAUSE_MS: i64 = 10_000;

/// Logs a client in by tokens: asks its source for one, keeps it, and asks for the next before it ends. Shared by the client's
/// connections; whoever comes while a token is asked for waits for it.
#[derive(Debug)]
pub struct OAuthLogin {
    source: SharedSource,
    claims: Claims,
    extensions: Extensions,
    refresh: Refresh,
    kept: Mutex<Option<Kept>>,
}

/// How a token's own words are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claims {
    /// Of a signed token, whose signature is the broker's affair (`ClientJwtValidator`).
    Signed {
        /// `sasl.oauthbearer.scope.claim.name`
        scope: String,
        /// `sasl.oauthbearer.sub.claim.name`
        sub: String,
    },
    /// Of a token that was made here: until when it is good is known.
    Unsecured,
}

#[derive(Debug)]
struct Kept {
    token: Arc<RawToken>,
    expires_ms: i64,
    renew_ms: i64,
}

impl OAuthLogin {
    /// A login by the tokens of a source.
    pub fn new(source: SharedSource, claims: Claims, extensions: Extensions, refresh: Refresh) -> Self {
        Self { source, claims, extensions, refresh, kept: Mutex::new(None) }
    }

    /// What goes with the token.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// A token that is good now.
    ///
    /// # Errors
    /// When there is none to be had.
    pub async fn token(&self) -> Result<Arc<RawToken>, TokenError> {
        let mut kept = self.kept.lock().await;
        let now = unix_ms();
        if let Some(kept) = kept.as_ref().filter(|kept| now < kept.renew_ms && now < kept.expires_ms) {
            return Ok(kept.token.clone());
        }
        match self.ask().await {
            Ok(new) => {
                let token = new.token.clone();
                *kept = Some(new);
                Ok(token)
            }
            Err(why) => match kept.as_mut().filter(|kept| unix_ms() < kept.expires_ms) {
                Some(kept) => {
                    tracing::warn!(%why, "the token cannot be renewed yet; the one before is still good");
                    kept.renew_ms = unix_ms().saturating_add(RETRY_PAUSE_MS);
                    Ok(kept.token.clone())
                }
                None => Err(why),
            },
        }
    }

    async fn ask(&self) -> Result<Kept, TokenError> {
        let token = self.source.token().await?;
        let times = match &self.claims {
            Claims::Signed { scope, sub } => inspect(&token.0, scope, sub)
                .map(|it| (it.issued_ms, it.expires_ms))
                .map_err(|why| why.to_string()),
            Claims::Unsecured => unsecured::times(&token.0),
        };
        let (issued_ms, expires_ms) =
            times.map_err(|why| TokenError::Refused(format!("the token that was got is no good: {why}")))?;
        let now = unix_ms();
        if expires_ms < now {
            tracing::warn!("the token that was got is over already: do the clocks agree?");
        }
        let renew_ms = self.refresh.at_ms(issued_ms, expires_ms, now, random::next_f64());
        Ok(Kept { token: Arc::new(token), expires_ms, renew_ms })
    }
}

/// Makes tokens without a signature, as a login module's options say. For development.
#[derive(Debug)]
pub struct UnsecuredSource {
    /// The login module.
    pub entry: JaasEntry,
}

impl TokenSource for UnsecuredSource {
    fn token(&self) -> TokenFuture<'_> {
        Box::pin(async {
            match unsecured::issue(&self.entry, unix_ms()) {
                Ok(Some((token, _))) => Ok(RawToken(token)),
                Ok(None) => Err(TokenError::Refused(
                    "the login module has no options, and sasl.oauthbearer.token.endpoint.url is not set: there are no tokens"
                        .to_owned(),
                )),
                Err(why) => Err(TokenError::Refused(why.to_string())),
            }
        })
    }
}

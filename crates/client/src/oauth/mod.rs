//! Tokens that a client logs in with by SASL/OAUTHBEARER (KIP-255, KIP-768, KIP-1139).
//!
//! | module | what |
//! | --- | --- |
//! | [`login`] | [`OAuthLogin`]: the token to show now, renewed before it ends |
//! | [`settings`] | which source a configuration asks for |
//! | [`http`] | a token endpoint, asked with what [`grant`] says |
//! | [`grant`] | the forms that a token endpoint understands, and its answers; pure |
//! | [`assertion`] | what a client proves itself by to a token endpoint |
//! | [`file`] | a file that somebody else keeps fresh |
//! | [`refresh`] | when a token is renewed; pure |

pub mod assertion;
pub mod file;
pub mod grant;
pub mod http;
pub mod login;
pub mod refresh;
pub mod settings;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use login::OAuthLogin;
pub use settings::Allowed;

/// Why there is no token. Nothing secret is named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Another attempt would end the same: the endpoint refuses the client, or what it says is no token.
    #[error("{0}")]
    Refused(String),
    /// Another attempt may succeed.
    #[error("{0}")]
    Failed(String),
}

/// A token as it was got. Its `Debug` form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct RawToken(pub String);

impl fmt::Debug for RawToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawToken")
    }
}

/// What a [`TokenSource`] promises.
pub type TokenFuture<'a> = Pin<Box<dyn Future<Output = Result<RawToken, TokenError>> + Send + 'a>>;

/// Where tokens come from. Programs may have one of their own.
pub trait TokenSource: Send + Sync + fmt::Debug {
    /// A token that is good from now on. Asked again before it ends.
    fn token(&self) -> TokenFuture<'_>;
}

/// A source that many share.
pub type SharedSource = Arc<dyn TokenSource>;

/// Reads a file of at most 512 KiB away from the threads that serve connections.
async fn read_file(path: std::path::PathBuf) -> Result<String, TokenError> {
    const BYTES_MAX: usize = 512 << 10;
    let failed =
        |why: String| TokenError::Failed(format!("the file {} cannot be read: {why}", path.display()));
    let bytes =
        ottla_http::files::read_aside(&path, BYTES_MAX).await.map_err(|why| failed(why.to_string()))?;
    String::from_utf8(bytes).map_err(|why| failed(why.to_string()))
}

#[cfg(test)]
mod oauth_test;

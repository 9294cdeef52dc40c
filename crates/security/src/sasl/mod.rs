//! SASL mechanisms as state machines (RFC 4422): messages in, messages out.
//!
//! | module | what |
//! | --- | --- |
//! | [`plain`] | PLAIN (RFC 4616): users of a JAAS configuration |
//! | [`scram`] | SCRAM-SHA-256 and -512 (RFC 5802, 7677): both sides |
//! | `gssapi` | GSSAPI, that is Kerberos: both sides, by the feature `gssapi` |
//! | [`oauthbearer`] | OAUTHBEARER (RFC 7628): both sides |
//! | [`server`] | [`SaslServer`]: one exchange of any mechanism |
//! | [`session`] | [`SaslSession`]: a connection's life around its exchanges |
//! | [`client`] | [`ClientSession`](client::ClientSession): the same, seen by a client |
//! | [`hash`] | the hash functions |
//!
//! Whether a user exists is not to be seen from outside: who is unknown gets a salt that is derived from a secret of the
//! broker, goes through the same steps, and hears the same words as who gave a wrong password.

pub mod client;
#[cfg(feature = "gssapi")]
pub mod gssapi;
pub mod hash;
pub mod oauthbearer;
pub mod plain;
pub mod scram;
pub mod server;
pub mod session;

use std::fmt;

pub use hash::HashFunction;
pub use oauthbearer::{OAuthClient, Refusal, Token};
pub use plain::PlainUsers;
pub use scram::{Credential, ScramClient};
pub use server::{Credentials, SaslServer, Step, TokenOwner};
pub use session::SaslSession;

/// A mechanism that is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Mechanism {
    Plain,
    Scram(HashFunction),
    #[cfg(feature = "gssapi")]
    Gssapi,
    OAuthBearer,
}

impl Mechanism {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Plain,
        Self::Scram(HashFunction::Sha256),
        Self::Scram(HashFunction::Sha512),
        #[cfg(feature = "gssapi")]
        Self::Gssapi,
        Self::OAuthBearer,
    ];

    /// The mechanism of a name such as `SCRAM-SHA-256`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mechanism| mechanism.name() == name)
    }

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram(HashFunction::Sha256) => "SCRAM-SHA-256",
            Self::Scram(HashFunction::Sha512) => "SCRAM-SHA-512",
            #[cfg(feature = "gssapi")]
            Self::Gssapi => "GSSAPI",
            Self::OAuthBearer => "OAUTHBEARER",
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an exchange failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    /// The other side may hear why (`SaslAuthenticationException`).
    #[error("{0}")]
    Told(String),
    /// The other side hears less than the log.
    #[error("{why}")]
    Explained {
        /// What the other side hears.
        told: String,
        /// What the log says. Holds nothing that the other side has sent.
        why: String,
    },
    /// It must not: only that its credentials are no good (`SaslException`).
    #[error("{0}")]
    Hidden(&'static str),
    /// The same, of Kerberos. Where it may go better at once the other side hears nothing at all.
    #[cfg(feature = "gssapi")]
    #[error("{0}")]
    Kerberos(gssapi::Refusal),
}

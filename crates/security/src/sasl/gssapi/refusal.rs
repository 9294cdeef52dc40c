//! Why a client's tokens are not taken.

use super::short_name::NoShortName;

/// What is wrong, for the log. Nothing of it is told to the client, and nothing but numbers is the client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be read.
    #[error("a token that is not Kerberos'")]
    Malformed,
    /// SPNEGO.
    #[error("a token of SPNEGO; only tokens of Kerberos itself are served")]
    Spnego,
    /// There is no Kerberos here.
    #[error("this listener has no keytab")]
    NoService,
    /// The ticket names another service.
    #[error(
        "its ticket is for another service; clients make the service's name of sasl.kerberos.service.name, the host name they connect to, \
         and their realm, which together must be the principal of the broker's JAAS configuration"
    )]
    OtherService,
    /// The ticket is encrypted with another ticket's key.
    #[error("its ticket is encrypted for a user, not for a service")]
    UserToUser,
    /// No key of this encryption type.
    #[error(
        "its ticket is of encryption type {0}, of which the keytab has no key that is served; types 17 to 20 (AES) are"
    )]
    NoKeyOfType(i64),
    /// No key of this version.
    #[error(
        "its ticket is for version {ticket} of the key, of which the keytab has none (newest: {newest}); export the keytab again, or let \
         the client get a new ticket"
    )]
    KeyVersion {
        /// What the ticket wants.
        ticket: i64,
        /// What there is.
        newest: u32,
    },
    /// The ticket does not decrypt.
    #[error("its ticket was not made with the key of the keytab")]
    Ticket,
    /// The authenticator does not decrypt, or is somebody else's.
    #[error("it does not know the key of its ticket")]
    Authenticator,
    /// The session key.
    #[error("its session key is of an encryption type that is not served; types 17 to 20 (AES) are")]
    SessionKeyType,
    /// Too early.
    #[error("its ticket is not valid yet")]
    NotYetValid,
    /// Too late.
    #[error("its ticket has expired")]
    Expired,
    /// The clocks.
    #[error("its clock and the broker's differ by {0} ms, more than krb5.conf's clockskew")]
    ClockSkew(i64),
    /// The checksum of the authenticator.
    #[error("its authenticator lacks the checksum of GSS-API")]
    Checksum,
    /// Seen before.
    #[error("its authenticator was seen before")]
    Replay,
    /// The user.
    #[error("its principal is no user: {0}")]
    NoUser(#[from] NoShortName),
    /// The message that ends the exchange.
    #[error("its last token is malformed, or was not made with the key that was agreed on")]
    Wrapped,
    /// Integrity or confidentiality of its own.
    #[error("it wants a security layer of SASL; only authentication is served (qop auth), use TLS")]
    SecurityLayer,
    /// A token where none was to come.
    #[error("a token came out of order")]
    OutOfOrder,
    /// An algorithm gave nothing; cannot happen with keys of the right length.
    #[error("a key could not be used")]
    Key,
}

impl Refusal {
    /// Whether it may go better at once: the client hears nothing, so that it tries again (`KerberosError`).
    pub fn is_retriable(self) -> bool {
        matches!(self, Self::Replay | Self::NotYetValid)
    }
}

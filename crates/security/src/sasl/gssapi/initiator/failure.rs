//! Why a client has no ticket, or can't use it: cause and cure. No key and no ticket is named.

use super::kdc_error::KdcError;

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The keytab is somebody else's.
    #[error(
        "the keytab has no key of {principal}; it has {others}. Name one of those as principal in sasl.jaas.config, or export the key"
    )]
    NoKey {
        /// Who.
        principal: String,
        /// Who has keys in it.
        others: String,
    },
    /// Only keys of broken types.
    #[error(
        "the keytab has no key of {0} of an encryption type that is served: types 17 to 20 (AES), if default_tkt_enctypes of krb5.conf \
         does not name fewer; export it with such a key"
    )]
    NoServedKey(String),
    /// The key is not the client's, or no more.
    #[error(
        "the key of {principal} in the keytab is not the one that the key distribution centre of {realm} has: the keytab is older than the \
         principal's last change of key, export it again"
    )]
    WrongKey {
        /// Who.
        principal: String,
        /// The realm.
        realm: String,
    },
    /// A centre said no.
    #[error("the key distribution centre of {realm} gives no ticket: {error}")]
    Refused {
        /// The realm.
        realm: String,
        /// Its words.
        error: Box<KdcError>,
    },
    /// The service is not known there.
    #[error("there is no ticket for {service}: the key distribution centre of {realm} says that {error}")]
    UnknownService {
        /// The service.
        service: String,
        /// The realm that was asked.
        realm: String,
        /// Its words.
        error: Box<KdcError>,
    },
    /// The clocks.
    #[error(
        "the clocks of the key distribution centre and of this machine differ by {0} s, more than it allows: set them by the same time"
    )]
    ClockSkew(i64),
    /// The answer can't be read.
    #[error("what the key distribution centre answered can't be read: is it one?")]
    Malformed,
    /// The answer is not to what was asked.
    #[error("what the key distribution centre answered is no answer to what it was asked: {0}")]
    OtherAnswer(&'static str),
    /// The answer is encrypted with a key that is not there.
    #[error(
        "the answer of the key distribution centre is encrypted with a key of type {enctype} and version {version} of the client, which \
         the keytab does not have: export it again"
    )]
    OtherKey {
        /// The type's number.
        enctype: i64,
        /// Which of several keys; 0 where it was not told.
        version: i64,
    },
    /// The answer does not decrypt.
    #[error("the answer of the key distribution centre does not decrypt: {0}")]
    Decrypt(&'static str),
    /// The session key.
    #[error("the ticket's session key is of an encryption type that is not served; types 17 to 20 (AES) are")]
    SessionKeyType,
    /// The way to the service's realm has no end.
    #[error(
        "the way to the realm of {0} leads over too many others; name the host's realm under [domain_realm] in krb5.conf"
    )]
    Way(String),
    /// The broker's answer can't be read.
    #[error("the broker's token can't be read: is it a token of Kerberos?")]
    Token,
    /// The broker said no.
    #[error("the broker refuses the ticket: {0}")]
    Broker(Box<KdcError>),
    /// The broker does not know the ticket's key.
    #[error("the broker does not prove that it is the service that the ticket is for")]
    Impostor,
    /// The broker's offer was changed on its way.
    #[error("the broker's offer of security layers was not made with the key that was agreed on")]
    Wrapped,
    /// The broker wants a layer.
    #[error("the broker wants a security layer of SASL; only authentication is there (qop auth), use TLS")]
    SecurityLayer,
    /// A token where none was to come.
    #[error("a token of the broker came out of order")]
    OutOfOrder,
    /// An algorithm gave nothing; cannot happen with keys of the right length.
    #[error("a key could not be used")]
    Key,
}

impl Failure {
    /// Whether it may go better at once.
    pub fn is_retriable(&self) -> bool {
        match self {
            Failure::Refused { error, .. } | Failure::Broker(error) => error.is_retriable(),
            _ => false,
        }
    }
}

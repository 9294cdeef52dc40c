//! The settings of a listener's TLS, named as Kafka's keys.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

/// `ssl.client.auth`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate is asked for.
    None,
    /// One is asked for, and checked if it comes.
    Requested,
    /// Without a good one there is no connection.
    Required,
}

/// What a listener presents and asks for. Its `Debug` form shows no key.
#[derive(Clone)]
pub struct TlsSettings {
    /// The listener's certificate and those that lead to its authority, in DER.
    pub certificate_chain: Vec<Vec<u8>>,
    /// The key of the first certificate, in DER (PKCS#8, PKCS#1 or SEC1).
    pub private_key: Vec<u8>,
    /// Authorities of clients' certificates, in DER.
    pub trusted: Vec<Vec<u8>>,
    /// `ssl.client.auth`
    pub client_auth: ClientAuth,
    /// What encrypts, with the suites of `ssl.cipher.suites`.
    pub provider: Arc<CryptoProvider>,
    /// The versions of `ssl.enabled.protocols`.
    pub versions: Vec<&'static SupportedProtocolVersion>,
}

/// Why TLS can't be served as it is set.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Versions and suites that do not fit each other.
    #[error("TLS cannot be spoken as it is set: {0}")]
    Choices(rustls::Error),
    /// The key can't be read.
    #[error("the private key of the key store cannot be used: {0}")]
    Key(&'static str),
    /// Certificate and key.
    #[error("the key store cannot be used: {0}")]
    Certificate(rustls::Error),
    /// An authority.
    #[error("a certificate of the trust store cannot be used: {0}")]
    Trusted(rustls::Error),
    /// There is no secret for the keys of tickets.
    #[error("sessions cannot be resumed: {0}")]
    Tickets(rustls::Error),
    /// `ssl.client.auth` without authorities.
    #[error("ssl.client.auth asks for certificates, but there is no trust store to check them by: {0}")]
    NoTrusted(String),
}

impl TlsSettings {
    pub(super) fn build(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let builder = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&self.versions)
            .map_err(TlsError::Choices)?;
        let builder = match self.client_auth {
            ClientAuth::None => builder.with_no_client_auth(),
            asked => {
                let roots = Arc::new(roots(&self.trusted)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, self.provider.clone());
                let verifier =
                    if asked == ClientAuth::Requested { verifier.allow_unauthenticated() } else { verifier };
                builder.with_client_cert_verifier(
                    verifier.build().map_err(|why| TlsError::NoTrusted(why.to_string()))?,
                )
            }
        };
        let chain = self.certificate_chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
        let key = PrivateKeyDer::try_from(self.private_key.clone()).map_err(TlsError::Key)?;
        let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Certificate)?;
        // Records are sealed and opened here, see `traffic`.
        config.enable_secret_extraction = true;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        if self.client_auth == ClientAuth::None {
            // rustls changes the keys of tickets every six hours. One ticket for each connection is what the next one needs.
            config.ticketer = ring::Ticketer::new().map_err(TlsError::Tickets)?;
            config.send_tls13_tickets = 1;
        } else {
            // A resumed session would carry over a certificate of a client that may no longer be trusted.
            config.send_tls13_tickets = 0;
        }
        Ok(Arc::new(config))
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("certificates", &self.certificate_chain.len())
            .field("trusted", &self.trusted.len())
            .field("client_auth", &self.client_auth)
            .field("versions", &self.versions)
            .finish_non_exhaustive()
    }
}

fn roots(trusted: &[Vec<u8>]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for der in trusted {
        roots.add(CertificateDer::from(der.clone())).map_err(TlsError::Trusted)?;
    }
    Ok(roots)
}

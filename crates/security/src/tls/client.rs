//! The settings of who connects, named as Kafka's keys.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::choices::{TlsChoiceError, TlsChoices};
use super::verifier::Verifier;
use crate::keystore::KeyEntry;

/// What a client trusts and presents. Its `Debug` form shows no key.
#[derive(Clone)]
pub struct ClientTls {
    /// The client's own key and certificates, for brokers that ask for them.
    pub key: Option<KeyEntry>,
    /// Certificates that are trusted, and authorities of such, in DER. Those that can't be read are left out.
    pub trusted: Vec<Vec<u8>>,
    /// `ssl.endpoint.identification.algorithm` is `https`: a certificate must hold the name that was connected to.
    pub checks_names: bool,
    /// `ssl.enabled.protocols`, such as `TLSv1.3`; empty: both that are served.
    pub enabled_protocols: Vec<String>,
    /// `ssl.cipher.suites` by the names of the registry (and of Java); empty: all that are served.
    pub cipher_suites: Vec<String>,
}

/// Why TLS can't be spoken as it is set.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientTlsError {
    /// Versions or suites.
    #[error(transparent)]
    Choice(#[from] TlsChoiceError),
    /// The trust store is empty, or nothing in it can be read.
    #[error("the trust store holds no certificate that can be used")]
    NothingTrusted,
    /// The key can't be read.
    #[error("the private key of the key store cannot be used: {0}")]
    Key(&'static str),
    /// Certificate and key.
    #[error("the key store cannot be used: {0}")]
    Certificate(rustls::Error),
}

impl ClientTls {
    /// Checks the settings and makes them ready to be used, by any number of connections.
    ///
    /// # Errors
    /// When something is asked for that is not served, nothing is trusted, or key and certificate do not belong together.
    pub fn build(&self) -> Result<Arc<ClientConfig>, ClientTlsError> {
        let TlsChoices { provider, versions } =
            TlsChoices::new(&self.enabled_protocols, &self.cipher_suites)?;
        let trusted: Vec<CertificateDer<'static>> =
            self.trusted.iter().map(|der| CertificateDer::from(der.clone())).collect();
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(trusted.iter().cloned());
        if usable == 0 {
            return Err(ClientTlsError::NothingTrusted);
        }
        let algorithms = provider.signature_verification_algorithms;
        let verifier = Verifier { roots, trusted, checks_names: self.checks_names, algorithms };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(|_| TlsChoiceError::NoSuite)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let Some(KeyEntry { private_key, certificate_chain }) = &self.key else {
            return Ok(Arc::new(builder.with_no_client_auth()));
        };
        let chain = certificate_chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
        let key = PrivateKeyDer::try_from(private_key.clone()).map_err(ClientTlsError::Key)?;
        let config = builder.with_client_auth_cert(chain, key).map_err(ClientTlsError::Certificate)?;
        Ok(Arc::new(config))
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("has_key", &self.key.is_some())
            .field("trusted", &self.trusted.len())
            .field("checks_names", &self.checks_names)
            .field("enabled_protocols", &self.enabled_protocols)
            .field("cipher_suites", &self.cipher_suites)
            .finish()
    }
}

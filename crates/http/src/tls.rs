//! Whom an `https` address is believed by.

use std::sync::Arc;

use ottla_security::tls::{ClientStores, ClientTls, ClientTlsError, StoreSettingError};
use rustls::ClientConfig;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsTrustError {
    /// Nothing to believe.
    #[error(
        "there is no trust store, and this system has no authorities that are trusted; install its package ca-certificates, name a PEM \
         file by SSL_CERT_FILE, or a store with the authority by ssl.truststore.location"
    )]
    NoSystemStore,
    /// A store can't be used.
    #[error("{}", with_hint(.0))]
    Store(#[from] StoreSettingError),
    /// TLS itself.
    #[error(transparent)]
    Tls(#[from] ClientTlsError),
}

fn with_hint(error: &StoreSettingError) -> String {
    match error.hint() {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    }
}

/// What TLS of a client rests on.
#[derive(Clone, Debug)]
pub struct TlsTrust(pub(crate) Arc<ClientConfig>);

impl TlsTrust {
    /// As the options of a login module say (`JaasOptionsUtils.createSSLSocketFactory`): `ssl.truststore.*` and `ssl.keystore.*`; without
    /// a trust store, whom the system believes. Names are checked always, and versions and suites are those that are served: Kafka takes
    /// no more than the stores from there. Reads files.
    ///
    /// # Errors
    /// When a store can't be used.
    pub fn from_options<'a>(option: impl Fn(&str) -> Option<&'a str>) -> Result<Self, TlsTrustError> {
        let stores = ClientStores { setting: &option, read: &read };
        let settings = ClientTls {
            key: stores.key()?,
            trusted: match stores.trusted()? {
                Some(trusted) => trusted,
                None => system_authorities()?,
            },
            checks_names: true,
            enabled_protocols: Vec::new(),
            cipher_suites: Vec::new(),
        };
        Ok(Self(settings.build()?))
    }
}

/// Certificates of the authorities that the operating system trusts, in DER. `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
///
/// # Errors
/// When there are none.
pub fn system_authorities() -> Result<Vec<Vec<u8>>, TlsTrustError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err(TlsTrustError::NoSystemStore);
    }
    Ok(found.certs.into_iter().map(|certificate| certificate.to_vec()).collect())
}

/// The bytes of a file that a setting names, or why they can't be had.
///
/// # Errors
/// The operating system's words.
pub fn read(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|why| why.to_string())
}

#[cfg(test)]
#[path = "tls_test.rs"]
mod tls_test;

//! Versions and cipher suites.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, SupportedProtocolVersion};

/// Why versions and suites can't be spoken as they are set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsChoiceError {
    /// No such version, or one that nobody should speak.
    #[error("ssl.enabled.protocols: {0} is not served; TLSv1.2 and TLSv1.3 are")]
    Protocol(String),
    /// Versions and suites together leave nothing.
    #[error("ssl.cipher.suites: none of them belongs to a version of ssl.enabled.protocols")]
    NoSuite,
    /// A suite that is not served.
    #[error("ssl.cipher.suites: {name} is not served; these are: {served}")]
    CipherSuite {
        /// The suite.
        name: String,
        /// Those that are.
        served: String,
    },
}

/// What is spoken, for both sides.
#[derive(Clone, Debug)]
pub struct TlsChoices {
    /// What encrypts, with the suites that may be chosen.
    pub provider: Arc<CryptoProvider>,
    /// The versions that may be chosen.
    pub versions: Vec<&'static SupportedProtocolVersion>,
}

impl TlsChoices {
    /// Those of `ssl.enabled.protocols`, such as `TLSv1.3` (empty: both that are served), and of `ssl.cipher.suites` by the names of the
    /// registry and of Java, in their order (empty: all that are served).
    ///
    /// # Errors
    /// When something is named that is not served, or nothing is left.
    pub fn new(enabled_protocols: &[String], cipher_suites: &[String]) -> Result<Self, TlsChoiceError> {
        let provider = provider(cipher_suites)?;
        let versions = versions(enabled_protocols)?;
        if !provider.cipher_suites.iter().any(|suite| versions.contains(&suite.version())) {
            return Err(TlsChoiceError::NoSuite);
        }
        Ok(Self { provider: Arc::new(provider), versions })
    }
}

/// The versions of `ssl.enabled.protocols`; both when it is empty.
fn versions(enabled_protocols: &[String]) -> Result<Vec<&'static SupportedProtocolVersion>, TlsChoiceError> {
    let version = |name: &String| match name.as_str() {
        "TLSv1.2" => Ok(&TLS12),
        "TLSv1.3" => Ok(&TLS13),
        other => Err(TlsChoiceError::Protocol(other.to_owned())),
    };
    if enabled_protocols.is_empty() {
        return Ok(vec![&TLS13, &TLS12]);
    }
    enabled_protocols.iter().map(version).collect()
}

/// What encrypts, with the suites of `ssl.cipher.suites` in their order; all when it is empty.
fn provider(cipher_suites: &[String]) -> Result<CryptoProvider, TlsChoiceError> {
    let mut provider = ring::default_provider();
    if cipher_suites.is_empty() {
        return Ok(provider);
    }
    let mut chosen = Vec::with_capacity(cipher_suites.len());
    for name in cipher_suites {
        let suite = provider.cipher_suites.iter().find(|suite| suite_name(suite.suite()) == *name);
        chosen.push(*suite.ok_or_else(|| {
            let served: Vec<String> =
                provider.cipher_suites.iter().map(|suite| suite_name(suite.suite())).collect();
            TlsChoiceError::CipherSuite { name: name.clone(), served: served.join(", ") }
        })?);
    }
    provider.cipher_suites = chosen;
    Ok(provider)
}

/// The registry's name of a suite, which is Java's; rustls writes those of TLS 1.3 otherwise.
fn suite_name(suite: CipherSuite) -> String {
    let name = format!("{suite:?}");
    match name.strip_prefix("TLS13_") {
        Some(rest) => format!("TLS_{rest}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(protocols: &[&str], suites: &[&str]) -> String {
        let [protocols, suites] =
            [protocols, suites].map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        TlsChoices::new(&protocols, &suites).map(drop).expect_err("nothing that is served").to_string()
    }

    #[test]
    fn what_is_not_served_is_named() {
        assert!(refused(&["TLSv1.1"], &[]).contains("TLSv1.1 is not served"));
        let why = refused(&[], &["TLS_RSA_WITH_NULL_MD5"]);
        assert!(
            why.contains("TLS_RSA_WITH_NULL_MD5 is not served") && why.contains("TLS_AES_256_GCM_SHA384"),
            "{why}"
        );
        assert_eq!(
            refused(&["TLSv1.2"], &["TLS_AES_256_GCM_SHA384"]),
            "ssl.cipher.suites: none of them belongs to a version of ssl.enabled.protocols"
        );
    }
}

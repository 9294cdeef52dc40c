//! Key stores and trust stores as Kafka's users have them: PEM, PKCS#12 and Java's own JKS. From bytes to certificates and a key,
//! all in DER; whose files they are is not this crate's.

mod encrypted;
mod jks;
mod pem;
mod pkcs12;

use std::fmt;

use crate::der::Der;
use crate::x509;

/// The form of a store (`ssl.keystore.type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum StoreType {
    Pem,
    Pkcs12,
    Jks,
}

impl StoreType {
    /// The type of a name such as `PKCS12`, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "PEM" => Some(Self::Pem),
            "PKCS12" | "PFX" | "P12" => Some(Self::Pkcs12),
            "JKS" => Some(Self::Jks),
            _ => None,
        }
    }

    /// The type as the first bytes show it: Java opens either of its two as the other.
    fn of_content(self, bytes: &[u8]) -> Self {
        match (self, bytes) {
            (Self::Pem, _) => Self::Pem,
            (_, [0xfe, 0xed, 0xfe, 0xed, ..]) => Self::Jks,
            (_, [0x30, ..]) => Self::Pkcs12,
            (named, _) => named,
        }
    }
}

/// A key and its certificates. Its `Debug` form does not show the key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyEntry {
    /// The key: PKCS#8, or from PEM also PKCS#1 or SEC1.
    pub private_key: Vec<u8>,
    /// Its certificate, then those that lead to an authority.
    pub certificate_chain: Vec<Vec<u8>>,
}

impl fmt::Debug for KeyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyEntry({} certificates)", self.certificate_chain.len())
    }
}

/// Why a store can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum StoreError {
    #[error("it is not of the form that its type names, or it is broken")]
    Malformed,
    #[error("the password is wrong, or the file was changed")]
    Password,
    #[error("it needs a password")]
    NoPassword,
    #[error(
        "it is encrypted by {0}, which is not served; keytool -importkeystore or openssl pkcs12 -export write it anew"
    )]
    Algorithm(String),
    #[error("it holds no private key with a certificate")]
    NoKey,
    #[error("it holds no certificate")]
    NoCertificate,
}

/// The first key of a store. `key_password` opens the key where it has a password of its own.
///
/// # Errors
/// When the store can't be read, a password is wrong, or no key is there.
pub fn read_key(
    kind: StoreType,
    bytes: &[u8],
    password: Option<&str>,
    key_password: Option<&str>,
) -> Result<KeyEntry, StoreError> {
    match kind.of_content(bytes) {
        StoreType::Pem => {
            let text = std::str::from_utf8(bytes).map_err(|_| StoreError::Malformed)?;
            read_pem_key(text, text, key_password.or(password))
        }
        StoreType::Pkcs12 => {
            pkcs12::read(bytes, password.unwrap_or_default())?.into_key(key_password.or(password))
        }
        StoreType::Jks => {
            jks::read(bytes, password.ok_or(StoreError::NoPassword)?)?.into_key(key_password.or(password))
        }
    }
}

/// The key of a PEM text, and the certificates of another (`ssl.keystore.key`, `ssl.keystore.certificate.chain`).
///
/// # Errors
/// As [`read_key`].
pub fn read_pem_key(key: &str, certificates: &str, password: Option<&str>) -> Result<KeyEntry, StoreError> {
    let private_key = pem::private_key(key, password)?;
    let certificate_chain = pem::certificates(certificates)?;
    if certificate_chain.is_empty() {
        Err(StoreError::NoKey)
    } else {
        Ok(KeyEntry { private_key, certificate_chain })
    }
}

/// The private key of a PEM text alone, in DER.
///
/// # Errors
/// As [`read_key`].
pub fn read_pem_private_key(text: &str, password: Option<&str>) -> Result<Vec<u8>, StoreError> {
    pem::private_key(text, password)
}

/// The certificates that a store trusts; at least one.
///
/// # Errors
/// When the store can't be read, its password is wrong, or no certificate is there.
pub fn read_trusted(
    kind: StoreType,
    bytes: &[u8],
    password: Option<&str>,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let certificates = match kind.of_content(bytes) {
        StoreType::Pem => pem::certificates(std::str::from_utf8(bytes).map_err(|_| StoreError::Malformed)?)?,
        StoreType::Pkcs12 => pkcs12::read(bytes, password.unwrap_or_default())?.trusted(),
        // Java reads the certificates of a JKS without a password, and does not look for changes then.
        StoreType::Jks => jks::read_unchecked(bytes, password)?.trusted(),
    };
    if certificates.is_empty() { Err(StoreError::NoCertificate) } else { Ok(certificates) }
}

/// Certificates in the order from the first to its authority, as far as they are there. Others are left out.
fn chain_from(first: Vec<u8>, mut others: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut chain = vec![first];
    loop {
        let next = chain.last().and_then(|last| {
            let names = x509::names(last)?;
            if names.issuer == names.subject {
                return None;
            }
            others.iter().position(|other| x509::names(other).is_some_and(|it| it.subject == names.issuer))
        });
        match next {
            Some(at) => chain.push(others.swap_remove(at)),
            None => return chain,
        }
    }
}

/// Whether bytes are one DER value, as a key must be.
fn is_der(bytes: &[u8]) -> bool {
    let mut der = Der::new(bytes);
    der.value().is_some() && der.is_empty()
}

#[cfg(test)]
#[path = "keystore_test.rs"]
mod keystore_test;

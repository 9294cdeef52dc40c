//! TLS of a listener: its stores, and what it asks of clients.

use super::endpoint::SecurityProtocol;
use super::security::ListenerKeys;
use crate::error::ConfigError;
use crate::value::{Password, Value};

/// TLS of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// The key and its certificates.
    pub keystore: StoreConfig,
    /// The authorities of clients' certificates.
    pub truststore: Option<StoreConfig>,
    /// `ssl.key.password`
    pub key_password: Option<Password>,
    /// `ssl.client.auth`
    pub client_auth: ClientAuth,
    /// `ssl.enabled.protocols`, such as `TLSv1.3`.
    pub enabled_protocols: Vec<String>,
    /// `ssl.cipher.suites`; empty: all that are served.
    pub cipher_suites: Vec<String>,
    /// `ssl.principal.mapping.rules`
    pub principal_mapping_rules: String,
    /// `ssl.allow.dn.changes`
    pub allow_dn_changes: bool,
    /// `ssl.allow.san.changes`
    pub allow_san_changes: bool,
}

/// Where a store is, and in which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// `ssl.keystore.type`, `ssl.truststore.type`: such as `PEM`.
    pub kind: String,
    /// A file, or the texts themselves.
    pub place: StorePlace,
    /// `ssl.keystore.password`, `ssl.truststore.password`
    pub password: Option<Password>,
}

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace {
    /// `ssl.keystore.location`, `ssl.truststore.location`
    File(String),
    /// PEM in the configuration: `ssl.keystore.certificate.chain` or `ssl.truststore.certificates`, and `ssl.keystore.key`.
    Inline {
        /// The certificates.
        certificates: Password,
        /// The key; none for a trust store.
        key: Option<Password>,
    },
}

/// `ssl.client.auth`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ClientAuth {
    None,
    Requested,
    Required,
}

impl TlsConfig {
    pub(super) fn from_keys(
        keys: &ListenerKeys<'_>,
        protocol: SecurityProtocol,
    ) -> Result<TlsConfig, ConfigError> {
        let client_auth = client_auth(keys, protocol)?;
        let truststore = truststore(keys)?;
        if client_auth != ClientAuth::None && truststore.is_none() {
            let message = format!(
                "The listener {} asks for certificates by ssl.client.auth, but has no trust store to check them by",
                keys.listener()
            );
            let error = ConfigError::config(message).for_key("ssl.client.auth");
            return Err(error.hint("set ssl.truststore.location or ssl.truststore.certificates"));
        }
        Ok(TlsConfig {
            keystore: keystore(keys)?,
            truststore,
            key_password: keys.password("ssl.key.password")?,
            client_auth,
            enabled_protocols: list(keys.value("ssl.enabled.protocols")?),
            cipher_suites: list(keys.value("ssl.cipher.suites")?),
            principal_mapping_rules: keys.text("ssl.principal.mapping.rules")?,
            allow_dn_changes: keys.value("ssl.allow.dn.changes")?.as_bool().unwrap_or(false),
            allow_san_changes: keys.value("ssl.allow.san.changes")?.as_bool().unwrap_or(false),
        })
    }
}

/// The broker's value is for listeners that have nothing else to know their clients by: one with SASL asks for certificates where
/// its own key says so (KIP-684).
fn client_auth(keys: &ListenerKeys<'_>, protocol: SecurityProtocol) -> Result<ClientAuth, ConfigError> {
    let value = match protocol {
        SecurityProtocol::SaslSsl => keys.own_value("ssl.client.auth")?,
        _ => Some(keys.value("ssl.client.auth")?),
    };
    Ok(match value.as_ref().and_then(Value::as_str) {
        Some("required") => ClientAuth::Required,
        Some("requested") => ClientAuth::Requested,
        _ => ClientAuth::None,
    })
}

fn keystore(keys: &ListenerKeys<'_>) -> Result<StoreConfig, ConfigError> {
    let kind = keys.text("ssl.keystore.type")?;
    let location = keys.text("ssl.keystore.location")?;
    let certificates = keys.password("ssl.keystore.certificate.chain")?;
    let place = match certificates {
        Some(certificates) => StorePlace::Inline { certificates, key: keys.password("ssl.keystore.key")? },
        None if !location.is_empty() => StorePlace::File(location),
        None => {
            let message = format!("The listener {} has TLS, but no key store", keys.listener());
            let error = ConfigError::config(message).for_key("ssl.keystore.location");
            return Err(error.hint(
                "name a file that holds key and certificates, and its form by ssl.keystore.type=PEM, PKCS12 or JKS",
            ));
        }
    };
    Ok(StoreConfig { kind, place, password: keys.password("ssl.keystore.password")? })
}

fn truststore(keys: &ListenerKeys<'_>) -> Result<Option<StoreConfig>, ConfigError> {
    let location = keys.text("ssl.truststore.location")?;
    let place = match keys.password("ssl.truststore.certificates")? {
        Some(certificates) => StorePlace::Inline { certificates, key: None },
        None if !location.is_empty() => StorePlace::File(location),
        None => return Ok(None),
    };
    let kind = keys.text("ssl.truststore.type")?;
    Ok(Some(StoreConfig { kind, place, password: keys.password("ssl.truststore.password")? }))
}

fn list(value: Value) -> Vec<String> {
    value.as_list().unwrap_or_default().to_vec()
}

//! The stores of who connects, as settings name them (`DefaultSslEngineFactory`): texts and the bytes of files in, certificates and a
//! key out. The settings are a client's, or the options of a login module.

use crate::keystore::{self, KeyEntry, StoreError, StoreType};

/// Of stores whose type nothing names.
const DEFAULT_TYPE: &str = "JKS";

/// Why the stores can't be used as they are set. No text of a setting that may be secret is shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreSettingError {
    /// A kind of store that is not served.
    #[error("{key}={name} can't be read")]
    Type {
        /// The setting.
        key: &'static str,
        /// Its value.
        name: String,
    },
    /// The file can't be read.
    #[error("{key}: the file {path} can't be read: {why}")]
    File {
        /// The setting.
        key: &'static str,
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// What the file holds can't be used.
    #[error("{key}={path} can't be used: {why}")]
    Store {
        /// The setting.
        key: &'static str,
        /// The file.
        path: String,
        /// What it was read as.
        kind: StoreType,
        /// Why.
        why: StoreError,
    },
    /// What stands in the setting itself can't be used.
    #[error("{key} can't be used: {why}")]
    Inline {
        /// The setting.
        key: &'static str,
        /// Why.
        why: StoreError,
    },
    /// Settings that do not go together.
    #[error("{text}")]
    Together {
        /// One of them.
        key: &'static str,
        /// What is wrong, in Kafka's words.
        text: &'static str,
    },
}

impl StoreSettingError {
    /// The setting.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Type { key, .. }
            | Self::File { key, .. }
            | Self::Store { key, .. }
            | Self::Inline { key, .. }
            | Self::Together { key, .. } => key,
        }
    }

    /// What to do about it, where there is more to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Type { .. } => Some("JKS, PKCS12 and PEM are served".to_owned()),
            Self::Store { key, kind, why: StoreError::Malformed, .. } => {
                Some(format!("it was read as {kind:?}, as {} says", key.replace("location", "type")))
            }
            Self::Store { key, why: StoreError::Password | StoreError::NoPassword, .. } => {
                Some(format!("see {} and ssl.key.password", key.replace("location", "password")))
            }
            _ => None,
        }
    }
}

/// Settings, and a way to files.
pub struct ClientStores<'f, 'a> {
    /// The text of a setting such as `ssl.keystore.location`.
    pub setting: &'f dyn Fn(&str) -> Option<&'a str>,
    /// The bytes of a file, or why they can't be had.
    pub read: &'f dyn Fn(&str) -> Result<Vec<u8>, String>,
}

impl<'a> ClientStores<'_, 'a> {
    /// The client's own key and certificates, if it has any.
    ///
    /// # Errors
    /// When the store can't be used, or settings contradict each other.
    pub fn key(&self) -> Result<Option<KeyEntry>, StoreSettingError> {
        const LOCATION: &str = "ssl.keystore.location";
        const TYPE: &str = "ssl.keystore.type";
        const KEY: &str = "ssl.keystore.key";
        const CHAIN: &str = "ssl.keystore.certificate.chain";
        let kind = self.kind(TYPE)?;
        let key_password = (self.setting)("ssl.key.password");
        let together = |key, text| Err(StoreSettingError::Together { key, text });
        match ((self.setting)(KEY), (self.setting)(CHAIN), self.location(LOCATION)) {
            (None, None, None) => Ok(None),
            (None, None, Some(path)) => {
                let password = (self.setting)("ssl.keystore.password");
                keystore::read_key(kind, &self.bytes(LOCATION, path)?, password, key_password)
                    .map(Some)
                    .map_err(|why| unusable(LOCATION, path, kind, why))
            }
            (.., Some(_)) => {
                together(LOCATION, "Both SSL key store location and separate private key are specified.")
            }
            _ if kind != StoreType::Pem => together(
                TYPE,
                "SSL private key can be specified only for PEM, but key store type is another.",
            ),
            (None, ..) => {
                together(KEY, "SSL certificate chain is specified, but private key is not specified.")
            }
            (_, None, _) => {
                together(CHAIN, "SSL private key is specified, but certificate chain is not specified.")
            }
            (Some(key), Some(chain), None) => keystore::read_pem_key(key, chain, key_password)
                .map(Some)
                .map_err(|why| StoreSettingError::Inline { key: KEY, why }),
        }
    }

    /// The certificates of the trust store, in DER. `None`: none is set, and the system's authorities count.
    ///
    /// # Errors
    /// As [`ClientStores::key`].
    pub fn trusted(&self) -> Result<Option<Vec<Vec<u8>>>, StoreSettingError> {
        const LOCATION: &str = "ssl.truststore.location";
        const TYPE: &str = "ssl.truststore.type";
        const INLINE: &str = "ssl.truststore.certificates";
        let kind = self.kind(TYPE)?;
        let together = |key, text| Err(StoreSettingError::Together { key, text });
        match ((self.setting)(INLINE), self.location(LOCATION)) {
            (None, None) => Ok(None),
            (None, Some(path)) => {
                let password = (self.setting)("ssl.truststore.password");
                keystore::read_trusted(kind, &self.bytes(LOCATION, path)?, password)
                    .map(Some)
                    .map_err(|why| unusable(LOCATION, path, kind, why))
            }
            (Some(_), Some(_)) => together(
                LOCATION,
                "Both SSL trust store location and separate trust certificates are specified.",
            ),
            (Some(_), None) if kind != StoreType::Pem => together(
                TYPE,
                "SSL trust store certs can be specified only for PEM, but trust store type is another.",
            ),
            (Some(certificates), None) => {
                keystore::read_trusted(StoreType::Pem, certificates.as_bytes(), None)
                    .map(Some)
                    .map_err(|why| StoreSettingError::Inline { key: INLINE, why })
            }
        }
    }

    fn location(&self, key: &str) -> Option<&'a str> {
        (self.setting)(key).filter(|path| !path.is_empty())
    }

    fn kind(&self, key: &'static str) -> Result<StoreType, StoreSettingError> {
        let name = (self.setting)(key).unwrap_or(DEFAULT_TYPE);
        StoreType::from_name(name).ok_or_else(|| StoreSettingError::Type { key, name: name.to_owned() })
    }

    fn bytes(&self, key: &'static str, path: &str) -> Result<Vec<u8>, StoreSettingError> {
        (self.read)(path).map_err(|why| StoreSettingError::File { key, path: path.to_owned(), why })
    }
}

fn unusable(key: &'static str, path: &str, kind: StoreType, why: StoreError) -> StoreSettingError {
    StoreSettingError::Store { key, path: path.to_owned(), kind, why }
}

//! Key store and trust store, from files and from the configuration itself (`DefaultSslEngineFactory`).

use ottla_config::{ClientValues, ConfigError, Value};
use ottla_security::keystore::KeyEntry;
use ottla_security::tls::{ClientStores, StoreSettingError};

/// The client's own key and certificates, if it has any.
pub(super) fn key(values: &ClientValues) -> Result<Option<KeyEntry>, ConfigError> {
    let setting = |key: &str| text(values, key);
    ClientStores { setting: &setting, read: &ottla_http::tls::read }.key().map_err(error)
}

/// What the client trusts: its trust store, or else the authorities that the system trusts.
pub(super) fn trusted(values: &ClientValues) -> Result<Vec<Vec<u8>>, ConfigError> {
    let setting = |key: &str| text(values, key);
    let stores = ClientStores { setting: &setting, read: &ottla_http::tls::read };
    match stores.trusted().map_err(error)? {
        Some(trusted) => Ok(trusted),
        None => ottla_http::system_authorities()
            .map_err(|why| ConfigError::config(why.to_string()).for_key("ssl.truststore.location")),
    }
}

/// A key's text, whether it is a secret or not.
fn text<'a>(values: &'a ClientValues, key: &str) -> Option<&'a str> {
    match values.get(key)? {
        Value::Password(secret) => Some(secret.expose()),
        value => value.as_str(),
    }
}

fn error(why: StoreSettingError) -> ConfigError {
    let error = ConfigError::config(why.to_string()).for_key(why.key());
    match (why.hint(), &why) {
        (_, StoreSettingError::Type { name, .. }) => error.with_value(name).allowed("JKS, PKCS12 or PEM"),
        (Some(hint), _) => error.hint(hint),
        (None, _) => error,
    }
}

//! How a client's connections are secured: `security.protocol`, `ssl.*`, `sasl.*`.
//!
//! Stores are read once, when the client is made. What TLS and SASL are is in `ottla-security`; what happens on a connection in
//! `cluster/transport` and `cluster/authenticate`.

mod jaas;
mod sasl;
mod stores;

use std::fmt;
use std::sync::Arc;

use ottla_config::{ClientValues, ConfigError};
use ottla_security::tls::ClientTls;
use tokio_rustls::TlsConnector;

pub(crate) use sasl::Credentials;

/// How connections are secured. The default is not at all. Its `Debug` form shows the protocol only.
#[derive(Clone, Default)]
pub struct Security {
    pub(crate) tls: Option<Tls>,
    pub(crate) login: Option<Arc<Credentials>>,
}

/// TLS as it is set.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) connector: TlsConnector,
    /// The client has a certificate of its own.
    pub(crate) has_key: bool,
}

impl Security {
    /// Reads a client's keys, and the stores that they name.
    ///
    /// # Errors
    /// When a store can't be read, or what is asked for is not there.
    pub fn from_values(values: &ClientValues) -> Result<Self, ConfigError> {
        let protocol = values.string("security.protocol").to_ascii_uppercase();
        let with_tls = protocol.ends_with("SSL");
        let with_sasl = protocol.starts_with("SASL_");
        Ok(Self {
            tls: if with_tls { Some(Tls::from_values(values)?) } else { None },
            login: if with_sasl { Some(Arc::new(Credentials::from_values(values)?)) } else { None },
        })
    }

    /// The protocol's name, such as `SASL_SSL`.
    pub fn protocol(&self) -> &'static str {
        match (&self.login, &self.tls) {
            (None, None) => "PLAINTEXT",
            (None, Some(_)) => "SSL",
            (Some(_), None) => "SASL_PLAINTEXT",
            (Some(_), Some(_)) => "SASL_SSL",
        }
    }

    /// Whether connections are more than TCP.
    pub(crate) fn is_any(&self) -> bool {
        self.tls.is_some() || self.login.is_some()
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.protocol())
    }
}

impl Tls {
    fn from_values(values: &ClientValues) -> Result<Self, ConfigError> {
        let key = stores::key(values)?;
        let algorithm = values.string("ssl.endpoint.identification.algorithm");
        let checks_names = match algorithm.to_ascii_lowercase().as_str() {
            "" => false,
            "https" => true,
            _ => {
                let text = "is not there: the names of brokers are checked by https, or not at all";
                return Err(ConfigError::config(format!(
                    "ssl.endpoint.identification.algorithm={algorithm} {text}"
                ))
                .for_key("ssl.endpoint.identification.algorithm")
                .with_value(algorithm)
                .allowed("https, or nothing"));
            }
        };
        let settings = ClientTls {
            trusted: stores::trusted(values)?,
            checks_names,
            enabled_protocols: values.list("ssl.enabled.protocols").to_vec(),
            cipher_suites: values.list("ssl.cipher.suites").to_vec(),
            key,
        };
        let config = settings.build().map_err(|why| ConfigError::config(why.to_string()))?;
        Ok(Self { connector: TlsConnector::from(config), has_key: settings.key.is_some() })
    }
}

#[cfg(test)]
#[path = "security_test.rs"]
mod security_test;

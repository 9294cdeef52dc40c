//! Where a node can be reached (`Endpoint`, `ListenerInfo`).

use ottla_protocol::Str;

use crate::{ReplayError, detach};

/// How a listener is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i16)]
#[allow(missing_docs)]
pub enum SecurityProtocol {
    Plaintext = 0,
    Ssl = 1,
    SaslPlaintext = 2,
    SaslSsl = 3,
}

impl SecurityProtocol {
    /// The protocol of a code.
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::Plaintext, Self::Ssl, Self::SaslPlaintext, Self::SaslSsl]
            .into_iter()
            .find(|protocol| protocol.code() == code)
    }

    /// The code in records.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// Kafka's name, such as `SASL_SSL`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }
}

/// A listener as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Name of the listener, never empty.
    pub name: Str,
    /// Host that clients are told.
    pub host: Str,
    /// Port that clients are told.
    pub port: u16,
    /// How it is protected.
    pub security_protocol: SecurityProtocol,
}

/// Endpoints of records, in their order; a name that comes twice means the later one.
pub(crate) fn endpoints<'a>(
    raw: impl Iterator<Item = (&'a Str, &'a Str, u16, i16)>,
) -> Result<Vec<Endpoint>, ReplayError> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for (name, host, port, code) in raw {
        if name.is_empty() {
            return Err(ReplayError::UnnamedListener);
        }
        let security_protocol = SecurityProtocol::from_code(code)
            .ok_or_else(|| ReplayError::UnknownSecurityProtocol { listener: name.clone(), code })?;
        let endpoint = Endpoint { name: detach::str(name), host: detach::str(host), port, security_protocol };
        match endpoints.iter_mut().find(|known| known.name == endpoint.name) {
            Some(known) => *known = endpoint,
            None => endpoints.push(endpoint),
        }
    }
    Ok(endpoints)
}

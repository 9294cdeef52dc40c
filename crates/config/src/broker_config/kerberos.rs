//! Kerberos on a listener (`sasl.kerberos.*`).

use super::security::ListenerKeys;
use crate::error::ConfigError;

/// The mechanism's name.
pub const GSSAPI: &str = "GSSAPI";

/// What a listener is told of Kerberos, beside the login module of the mechanism.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KerberosConfig {
    /// `sasl.kerberos.service.name`; it may stand in the login module instead.
    pub service_name: Option<String>,
    /// `sasl.kerberos.principal.to.local.rules`, in their order.
    pub principal_to_local_rules: Vec<String>,
}

impl KerberosConfig {
    pub(super) fn from_keys(keys: &ListenerKeys<'_>) -> Result<Self, ConfigError> {
        let service_name = Some(keys.text("sasl.kerberos.service.name")?).filter(|name| !name.is_empty());
        let rules = keys.value("sasl.kerberos.principal.to.local.rules")?;
        let principal_to_local_rules = rules.as_list().unwrap_or_default().to_vec();
        Ok(Self { service_name, principal_to_local_rules })
    }
}

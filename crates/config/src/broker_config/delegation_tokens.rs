//! Delegation tokens (`DelegationTokenManagerConfigs`).

use crate::value::{Password, Value};
use crate::values::Values;

/// Delegation tokens, where there are any. Times are in milliseconds, each at least 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegationTokensConfig {
    /// `delegation.token.secret.key`, not empty.
    pub secret_key: Password,
    /// `delegation.token.max.lifetime.ms`
    pub max_lifetime_ms: i64,
    /// `delegation.token.expiry.time.ms`
    pub expiry_time_ms: i64,
    /// `delegation.token.expiry.check.interval.ms`
    pub expiry_check_interval_ms: i64,
}

impl DelegationTokensConfig {
    /// None without `delegation.token.secret.key`, or when that is empty.
    pub(super) fn from_values(values: &Values) -> Option<DelegationTokensConfig> {
        let secret_key = match values.get("delegation.token.secret.key") {
            Some(Value::Password(key)) if !key.expose().is_empty() => key.clone(),
            _ => return None,
        };
        Some(DelegationTokensConfig {
            secret_key,
            max_lifetime_ms: values.long("delegation.token.max.lifetime.ms"),
            expiry_time_ms: values.long("delegation.token.expiry.time.ms"),
            expiry_check_interval_ms: values.long("delegation.token.expiry.check.interval.ms"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BrokerConfig, RawMap};

    fn config(key: &str) -> Option<DelegationTokensConfig> {
        let properties = [("log.dirs", "/data"), ("delegation.token.secret.key", key)];
        let properties = properties.map(|(key, text)| (key.to_owned(), text.to_owned()));
        let (config, warnings) =
            BrokerConfig::from_properties(&RawMap::from(properties)).expect("a configuration");
        assert!(warnings.is_empty());
        config.security.delegation_tokens
    }

    #[test]
    fn without_a_secret_there_are_none() {
        assert_eq!(config(""), None);
        let tokens = config("hush").expect("tokens");
        assert_eq!((tokens.secret_key.expose(), tokens.max_lifetime_ms), ("hush", 7 * 24 * 60 * 60 * 1_000));
        assert_eq!((tokens.expiry_time_ms, tokens.expiry_check_interval_ms), (86_400_000, 3_600_000));
        assert!(!format!("{tokens:?}").contains("hush"));
    }
}

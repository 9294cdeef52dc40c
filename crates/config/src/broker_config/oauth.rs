//! SASL/OAUTHBEARER of a listener: what its tokens are checked by.

use super::security::MechanismKeys;
use crate::error::ConfigError;
use crate::keys::own;

/// What the tokens of a listener are checked by. Each key may be set for the mechanism of the listener, the listener, or the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthConfig {
    /// `sasl.server.callback.handler.class`
    pub handler_class: Option<String>,
    /// `sasl.oauthbearer.jwt.validator.class`
    pub validator_class: String,
    /// `sasl.oauthbearer.jwks.endpoint.url`
    pub jwks_endpoint_url: Option<String>,
    /// `sasl.oauthbearer.jwks.endpoint.refresh.ms`
    pub jwks_refresh_ms: i64,
    /// `sasl.oauthbearer.jwks.endpoint.retry.backoff.ms`
    pub jwks_retry_backoff_ms: i64,
    /// `sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms`
    pub jwks_retry_backoff_max_ms: i64,
    /// `sasl.oauthbearer.expected.audience`
    pub expected_audience: Vec<String>,
    /// `sasl.oauthbearer.expected.issuer`
    pub expected_issuer: Option<String>,
    /// `sasl.oauthbearer.clock.skew.seconds`
    pub clock_skew_seconds: i64,
    /// `sasl.oauthbearer.scope.claim.name`
    pub scope_claim: String,
    /// `sasl.oauthbearer.sub.claim.name`
    pub sub_claim: String,
    /// `ottla.sasl.oauthbearer.allowed.urls`
    pub allowed_urls: Vec<String>,
}

impl OAuthConfig {
    pub(super) fn from_keys(keys: &MechanismKeys<'_>) -> Result<Self, ConfigError> {
        let text = |key: &str| {
            let value = keys.value(key)?;
            let text = value.as_str().map(str::trim).filter(|text| !text.is_empty());
            Ok::<_, ConfigError>(text.map(str::to_owned))
        };
        let number = |key: &str| Ok::<_, ConfigError>(keys.value(key)?.as_i64().unwrap_or_default());
        let list = |key: &str| {
            let value = keys.value(key)?;
            let items = value.as_list().unwrap_or_default().iter();
            Ok::<_, ConfigError>(items.map(|item| item.trim().to_owned()).collect::<Vec<_>>())
        };
        let claim = |key: &'static str| {
            text(key)?.ok_or_else(|| {
                ConfigError::config(format!("The OAuth configuration option {key} value is required"))
                    .for_key(key)
            })
        };
        let config = Self {
            handler_class: text("sasl.server.callback.handler.class")?,
            validator_class: text("sasl.oauthbearer.jwt.validator.class")?.unwrap_or_default(),
            jwks_endpoint_url: text("sasl.oauthbearer.jwks.endpoint.url")?,
            jwks_refresh_ms: number("sasl.oauthbearer.jwks.endpoint.refresh.ms")?,
            jwks_retry_backoff_ms: number("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms")?,
            jwks_retry_backoff_max_ms: number("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms")?,
            expected_audience: list("sasl.oauthbearer.expected.audience")?,
            expected_issuer: text("sasl.oauthbearer.expected.issuer")?,
            clock_skew_seconds: number("sasl.oauthbearer.clock.skew.seconds")?,
            scope_claim: claim("sasl.oauthbearer.scope.claim.name")?,
            sub_claim: claim("sasl.oauthbearer.sub.claim.name")?,
            allowed_urls: list(own::OAUTH_ALLOWED_URLS)?,
        };
        config.check()?;
        Ok(config)
    }

    /// What Kafka checks when it makes `RefreshingHttpsJwks` and `Retry`.
    fn check(&self) -> Result<(), ConfigError> {
        if self.jwks_endpoint_url.is_none() {
            return Ok(());
        }
        let (first, most) = (self.jwks_retry_backoff_ms, self.jwks_retry_backoff_max_ms);
        let wrong = |key: &str, value: i64, why: &str| Err(ConfigError::invalid_value(key, value, why));
        if self.jwks_refresh_ms <= 0 {
            return wrong(
                "sasl.oauthbearer.jwks.endpoint.refresh.ms",
                self.jwks_refresh_ms,
                "it must be positive",
            );
        }
        if first < 0 {
            return wrong(
                "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms",
                first,
                "it must not be negative",
            );
        }
        if most < first {
            let why = "it is less than sasl.oauthbearer.jwks.endpoint.retry.backoff.ms";
            return wrong("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", most, why);
        }
        Ok(())
    }
}

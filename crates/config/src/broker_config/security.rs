//! What each listener asks of who connects, from the keys of the listener (`listener.name.<listener>.<key>`) or of the broker.

use std::collections::BTreeMap;

use super::delegation_tokens::DelegationTokensConfig;
use super::kerberos::{GSSAPI, KerberosConfig};
use super::listeners::{ListenersConfig, SecurityProtocol};
use super::oauth::OAuthConfig;
use super::tls::TlsConfig;
use crate::error::ConfigError;
use crate::key_def::Scope;
use crate::keys;
use crate::layers::RawMap;
use crate::synonyms;
use crate::value::{self, Password, Value};
use crate::values::Values;

const ENABLED_MECHANISMS: &str = "sasl.enabled.mechanisms";
const JAAS_CONFIG: &str = "sasl.jaas.config";
const MAX_REAUTH_MS: &str = "connections.max.reauth.ms";

/// The mechanisms that are spoken.
pub const SERVED_MECHANISMS: [&str; 5] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", GSSAPI, "OAUTHBEARER"];

/// The listeners that authenticate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecurityConfig {
    /// By listener: those with SASL.
    pub sasl: BTreeMap<String, SaslConfig>,
    /// By listener: those with TLS.
    pub tls: BTreeMap<String, TlsConfig>,
    /// Delegation tokens, where there are any.
    pub delegation_tokens: Option<DelegationTokensConfig>,
    /// `connection.failed.authentication.delay.ms`
    pub failed_authentication_delay_ms: i32,
}

/// SASL on a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaslConfig {
    /// `sasl.enabled.mechanisms`, in the order given.
    pub mechanisms: Vec<MechanismConfig>,
    /// `sasl.server.max.receive.size`: bytes of a request before authentication.
    pub max_receive_size: i32,
    /// Where GSSAPI is among the mechanisms.
    pub kerberos: KerberosConfig,
}

/// A mechanism of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MechanismConfig {
    /// Such as `SCRAM-SHA-256`.
    pub name: String,
    /// `listener.name.<listener>.<mechanism>.sasl.jaas.config`; where there is none, a JAAS file may say what it would.
    pub jaas_config: Option<Password>,
    /// `connections.max.reauth.ms` of the mechanism, the listener or the broker; 0: never.
    pub max_reauth_ms: i64,
    /// What tokens are checked by, for OAUTHBEARER.
    pub oauth: Option<OAuthConfig>,
}

impl SecurityConfig {
    pub(super) fn from_values(
        values: &Values,
        originals: &RawMap,
        listeners: &ListenersConfig,
    ) -> Result<SecurityConfig, ConfigError> {
        let (mut sasl, mut tls) = (BTreeMap::new(), BTreeMap::new());
        for listener in &listeners.listeners {
            let endpoint = &listener.endpoint;
            let keys = ListenerKeys { values, originals, listener: &endpoint.listener };
            let protocol = endpoint.security_protocol;
            if matches!(protocol, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl) {
                sasl.insert(endpoint.listener.clone(), keys.sasl()?);
            }
            if matches!(protocol, SecurityProtocol::Ssl | SecurityProtocol::SaslSsl) {
                tls.insert(endpoint.listener.clone(), TlsConfig::from_keys(&keys, protocol)?);
            }
        }
        let failed_authentication_delay_ms = values.int("connection.failed.authentication.delay.ms");
        let delegation_tokens = DelegationTokensConfig::from_values(values);
        Ok(SecurityConfig { sasl, tls, delegation_tokens, failed_authentication_delay_ms })
    }
}

/// The keys of one listener.
pub(super) struct ListenerKeys<'a> {
    values: &'a Values,
    originals: &'a RawMap,
    listener: &'a str,
}

impl ListenerKeys<'_> {
    fn sasl(&self) -> Result<SaslConfig, ConfigError> {
        let enabled = self.value(ENABLED_MECHANISMS)?;
        let names = enabled.as_list().unwrap_or_default();
        if names.is_empty() {
            let message = format!("No SASL mechanisms are enabled for the listener {}", self.listener);
            return Err(ConfigError::config(message).for_key(ENABLED_MECHANISMS));
        }
        let mechanisms = names.iter().map(|name| self.mechanism(name)).collect::<Result<_, _>>()?;
        let max_receive_size = self.value("sasl.server.max.receive.size")?.as_i64().unwrap_or(0);
        let max_receive_size = i32::try_from(max_receive_size).unwrap_or(i32::MAX);
        Ok(SaslConfig { mechanisms, max_receive_size, kerberos: KerberosConfig::from_keys(self)? })
    }

    fn mechanism(&self, name: &str) -> Result<MechanismConfig, ConfigError> {
        if !SERVED_MECHANISMS.contains(&name) {
            let message =
                format!("The SASL mechanism {name} of the listener {} is not served", self.listener);
            let error = ConfigError::unsupported(message).for_key(ENABLED_MECHANISMS).with_value(name);
            return Err(error.allowed(SERVED_MECHANISMS.join(", ")));
        }
        let own = |key: &str| format!("{}{}.{key}", self.prefix(), name.to_lowercase());
        let jaas_config = self.originals.get(&own(JAAS_CONFIG)).map(|text| Password::new(text.clone()));
        let keys = MechanismKeys { listener: self, mechanism: name };
        let max_reauth = keys.value(MAX_REAUTH_MS)?;
        let oauth = if name == "OAUTHBEARER" { Some(OAuthConfig::from_keys(&keys)?) } else { None };
        Ok(MechanismConfig {
            name: name.to_owned(),
            jaas_config,
            max_reauth_ms: max_reauth.as_i64().unwrap_or(0),
            oauth,
        })
    }

    pub(super) fn listener(&self) -> &str {
        self.listener
    }

    /// A text; empty where there is none.
    pub(super) fn text(&self, key: &str) -> Result<String, ConfigError> {
        Ok(self.value(key)?.as_str().unwrap_or_default().to_owned())
    }

    pub(super) fn password(&self, key: &str) -> Result<Option<Password>, ConfigError> {
        Ok(match self.value(key)? {
            Value::Password(password) => Some(password),
            _ => None,
        })
    }

    fn prefix(&self) -> String {
        synonyms::listener_prefix(self.listener)
    }

    /// The listener's own value, else the broker's.
    pub(super) fn value(&self, key: &str) -> Result<Value, ConfigError> {
        let own = self.own_value(key)?;
        Ok(own.unwrap_or_else(|| self.values.get(key).cloned().unwrap_or(Value::Null)))
    }

    /// What is given with the listener's prefix.
    pub(super) fn own_value(&self, key: &str) -> Result<Option<Value>, ConfigError> {
        let own = format!("{}{key}", self.prefix());
        self.originals.get(&own).map(|text| parse(key, &own, text)).transpose()
    }
}

/// The keys of one mechanism of a listener.
pub(super) struct MechanismKeys<'a> {
    listener: &'a ListenerKeys<'a>,
    mechanism: &'a str,
}

impl MechanismKeys<'_> {
    /// The mechanism's own value, else the listener's, else the broker's.
    pub(super) fn value(&self, key: &str) -> Result<Value, ConfigError> {
        let own = format!("{}{}.{key}", self.listener.prefix(), self.mechanism.to_lowercase());
        match self.listener.originals.get(&own) {
            Some(text) => parse(key, &own, text),
            None => self.listener.value(key),
        }
    }
}

fn parse(key: &str, name: &str, text: &str) -> Result<Value, ConfigError> {
    match keys::lookup(Scope::Broker, key) {
        Some(def) => value::parse(def, Some(text)).map_err(|error| error.for_key(name)),
        None => Ok(Value::Null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BrokerConfig;
    use crate::broker_config::tls::{ClientAuth, StorePlace};

    const JAAS: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required user_a=\"hush\";";

    fn config(entries: &[(&str, &str)]) -> Result<SecurityConfig, String> {
        let mut properties = RawMap::from(
            [("log.dirs", "/data"), ("listeners", "PLAINTEXT://:9092,SASL_PLAINTEXT://:9093")]
                .map(|(key, text)| (key.to_owned(), text.to_owned())),
        );
        properties.extend(entries.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())));
        match BrokerConfig::from_properties(&properties) {
            Ok((config, _)) => Ok(config.security),
            Err(errors) => Err(errors.iter().map(|error| error.explain()).collect()),
        }
    }

    #[test]
    fn keys_of_mechanisms_listeners_and_the_broker() {
        let found = config(&[
            ("sasl.enabled.mechanisms", "SCRAM-SHA-512"),
            ("listener.name.sasl_plaintext.sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256"),
            ("listener.name.sasl_plaintext.plain.sasl.jaas.config", JAAS),
            ("connections.max.reauth.ms", "1000"),
            ("listener.name.sasl_plaintext.plain.connections.max.reauth.ms", "2000"),
            ("listener.name.sasl_plaintext.sasl.server.max.receive.size", "1234"),
        ])
        .expect("a configuration");
        assert_eq!(found.sasl.keys().collect::<Vec<_>>(), ["SASL_PLAINTEXT"]);
        let sasl = &found.sasl["SASL_PLAINTEXT"];
        let brief: Vec<_> = sasl.mechanisms.iter().map(|m| (m.name.as_str(), m.max_reauth_ms)).collect();
        assert_eq!(brief, [("PLAIN", 2000), ("SCRAM-SHA-256", 1000)]);
        assert_eq!(sasl.max_receive_size, 1234);
        assert!(!format!("{found:?}").contains("hush"));
    }

    #[test]
    fn oauth_of_listeners() {
        let prefix = "listener.name.sasl_plaintext.";
        let own = format!("{prefix}oauthbearer.sasl.oauthbearer.expected.audience");
        let of_listener = format!("{prefix}sasl.oauthbearer.clock.skew.seconds");
        let entries = [
            ("sasl.enabled.mechanisms", "OAUTHBEARER"),
            ("sasl.oauthbearer.jwks.endpoint.url", "https://issuer/keys"),
            ("sasl.oauthbearer.expected.audience", "other"),
            (own.as_str(), "kafka, second"),
            (of_listener.as_str(), "7"),
            ("ottla.sasl.oauthbearer.allowed.urls", "https://issuer/keys,https://x"),
        ];
        let found = config(&entries).expect("a configuration");
        let oauth = found.sasl["SASL_PLAINTEXT"].mechanisms[0].oauth.clone().expect("OAUTHBEARER");
        assert_eq!(oauth.expected_audience, ["kafka", "second"]);
        assert_eq!((oauth.clock_skew_seconds, oauth.jwks_refresh_ms), (7, 3_600_000));
        assert_eq!(oauth.allowed_urls, ["https://issuer/keys", "https://x"]);
        assert_eq!((oauth.scope_claim.as_str(), oauth.sub_claim.as_str()), ("scope", "sub"));
        for (key, value) in [
            ("sasl.oauthbearer.jwks.endpoint.refresh.ms", "0"),
            ("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", "99"),
            ("sasl.oauthbearer.sub.claim.name", " "),
        ] {
            let why = config(&[&entries[..], &[(key, value)]].concat()).expect_err(key);
            assert!(why.contains(key), "{why}");
        }
    }

    #[test]
    fn kerberos_of_listeners() {
        let jaas = "com.sun.security.auth.module.Krb5LoginModule required keyTab=\"/etc/hush\";";
        let found = config(&[
            ("listener.name.sasl_plaintext.gssapi.sasl.jaas.config", jaas),
            ("sasl.kerberos.service.name", "kafka"),
            ("listener.name.sasl_plaintext.sasl.kerberos.principal.to.local.rules", "RULE:[1:$1]/L,DEFAULT"),
        ])
        .expect("a configuration");
        let sasl = &found.sasl["SASL_PLAINTEXT"];
        assert_eq!(sasl.kerberos.service_name.as_deref(), Some("kafka"));
        assert_eq!(sasl.kerberos.principal_to_local_rules, ["RULE:[1:$1]/L", "DEFAULT"]);
        assert_eq!(sasl.mechanisms[0].jaas_config.as_ref().map(Password::expose), Some(jaas));
        assert!(!format!("{found:?}").contains("hush"));
    }

    #[test]
    fn stores_of_listeners() {
        let tls = [
            ("listeners", "PLAINTEXT://:9092,SSL://:9093"),
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.location", "/etc/all.pem"),
            ("listener.name.ssl.ssl.keystore.key", "hush"),
            ("listener.name.ssl.ssl.keystore.certificate.chain", "open"),
            ("ssl.principal.mapping.rules", "RULE:^CN=(.*?),.*$/$1/,DEFAULT"),
        ];
        let found = config(&tls).expect("a configuration");
        let ssl = &found.tls["SSL"];
        assert!(matches!(ssl.keystore.place, StorePlace::Inline { key: Some(_), .. }));
        assert_eq!((ssl.client_auth, ssl.truststore.as_ref()), (ClientAuth::None, None));
        assert_eq!(ssl.enabled_protocols, ["TLSv1.2", "TLSv1.3"]);
        assert_eq!(ssl.principal_mapping_rules, "RULE:^CN=(.*?),.*$/$1/,DEFAULT");
        assert!(!format!("{found:?}").contains("hush"));
        let why = config(&[tls.as_slice(), &[("ssl.client.auth", "required")]].concat()).unwrap_err();
        assert!(why.contains("ssl.truststore.location"), "{why}");
        let why = config(&tls[..1]).unwrap_err();
        assert!(why.contains("ssl.keystore.location"), "{why}");
    }

    #[test]
    fn certificates_beside_passwords_are_asked_for_by_the_listeners_own_key() {
        let tls = [
            ("listeners", "SSL://:9093,SASL_SSL://:9094"),
            ("inter.broker.listener.name", "SSL"),
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.location", "/etc/all.pem"),
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.location", "/etc/all.pem"),
            ("sasl.enabled.mechanisms", "SCRAM-SHA-256"),
            ("ssl.client.auth", "required"),
        ];
        let found = config(&tls).expect("a configuration");
        assert_eq!(found.tls["SSL"].client_auth, ClientAuth::Required);
        assert_eq!(found.tls["SASL_SSL"].client_auth, ClientAuth::None);
        let own = [("listener.name.sasl_ssl.ssl.client.auth", "requested")];
        let found = config(&[&tls[..], &own[..]].concat()).expect("a configuration");
        assert_eq!(found.tls["SASL_SSL"].client_auth, ClientAuth::Requested);
    }

    #[test]
    fn what_is_missing_is_said() {
        let why = config(&[("sasl.enabled.mechanisms", "DIGEST-MD5")]).unwrap_err();
        assert!(
            why.contains("DIGEST-MD5") && why.contains("GSSAPI") && why.contains("SCRAM-SHA-256"),
            "{why}"
        );
        let key = "listener.name.sasl_plaintext.connections.max.reauth.ms";
        let why = config(&[("sasl.enabled.mechanisms", "SCRAM-SHA-256"), (key, "x")]).unwrap_err();
        assert!(why.contains(key), "{why}");
    }
}

//! The tokens of a listener with OAUTHBEARER: what they are checked by, and where the issuer's keys come from.
//!
//! Checking is [`ottla_security::jwt`]'s. Here is what the configuration asks for, and in [`keys`] the set of keys that a thread of its
//! own keeps fresh. A token that names a key which is not there yet waits for the next set, and only its connection with it.

mod fetch;
mod keys;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ottla_config::broker_config::oauth::OAuthConfig;
use ottla_config::broker_config::security::{MechanismConfig, SecurityConfig};
use ottla_http::{InvalidUrl, TlsTrustError};
use ottla_security::jaas::{JaasEntry, OAUTHBEARER_LOGIN_MODULE};
use ottla_security::jwt::validator::missing_key;
use ottla_security::jwt::{self, UnsecuredValidator, Validator};
use ottla_security::sasl::oauthbearer::ClientFirst;
use ottla_security::sasl::{Refusal, Token};

use fetch::{FetchThread, Place};
use keys::Keys;

/// How long a login waits for the issuer's keys, at most.
const LOGIN_WAIT_MAX: Duration = Duration::from_secs(10);

/// Classes that check tokens by the issuer's keys: Kafka 4's, and where it was before.
const SECURED_HANDLERS: [&str; 2] = [
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerValidatorCallbackHandler",
];
/// The class that believes what has no signature.
const UNSECURED_HANDLER: &str = "org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler";
/// Classes of `sasl.oauthbearer.jwt.validator.class` that look at signatures.
const VALIDATORS: [&str; 2] = [
    "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
    "org.apache.kafka.common.security.oauthbearer.BrokerJwtValidator",
];

/// Why a listener can't take tokens as configured.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    /// The login module.
    #[error("the login module {0} is not served; OAUTHBEARER's is {OAUTHBEARER_LOGIN_MODULE}")]
    LoginModule(String),
    /// Nothing says what to check tokens by.
    #[error(
        "OAUTHBEARER needs sasl.oauthbearer.jwks.endpoint.url: where the keys are that tokens are signed with. For development only, \
         tokens without a signature are taken with sasl.server.callback.handler.class={UNSECURED_HANDLER}"
    )]
    NoKeys,
    /// A class of somebody's own.
    #[error("{key}={class} is not served; these are: {served}")]
    Class {
        /// The key.
        key: &'static str,
        /// Its value.
        class: String,
        /// What may stand there.
        served: String,
    },
    /// The address.
    #[error("sasl.oauthbearer.jwks.endpoint.url={url} cannot be used: {why}")]
    Url {
        /// The address.
        url: String,
        /// Why.
        why: InvalidUrl,
    },
    /// The address is not on the list.
    #[error(
        "sasl.oauthbearer.jwks.endpoint.url={0} is not allowed; name it in ottla.sasl.oauthbearer.allowed.urls, or as Kafka wants it by \
         KAFKA_OPTS=-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={0}"
    )]
    NotAllowed(String),
    /// The file can't be used.
    #[error("sasl.oauthbearer.jwks.endpoint.url names the file {path}, which cannot be used: {why}")]
    File {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// TLS towards the issuer.
    #[error("the options of the login module: {0}")]
    Trust(#[from] TlsTrustError),
    /// What fetches keys.
    #[error("no thread to fetch the issuer's keys: {0}")]
    Thread(std::io::Error),
    /// Other options.
    #[error(transparent)]
    Option(#[from] jwt::unsecured::InvalidOption),
}

/// The listeners that take tokens.
#[derive(Debug, Default)]
pub(super) struct OAuthListeners(ArcSwap<HashMap<String, Listener>>);

/// What a listener checks tokens by, and what it was made of.
#[derive(Clone, Debug)]
struct Listener {
    config: OAuthConfig,
    jaas: Option<JaasEntry>,
    tokens: Arc<BearerTokens>,
}

impl OAuthListeners {
    /// Takes over what is configured; `jaas` finds the login module of a mechanism of a listener. Where nothing has changed keys stay
    /// as they are. On an error all stays as it was.
    ///
    /// # Errors
    /// When a listener can't take tokens as configured: the listener, and why.
    pub fn replace<E>(
        &self,
        config: &SecurityConfig,
        jaas: impl Fn(&str, &MechanismConfig) -> Result<Option<JaasEntry>, E>,
        wrap: impl Fn(String, OAuthError) -> E,
    ) -> Result<(), E> {
        let before = self.0.load();
        let mut listeners = HashMap::new();
        for (name, sasl) in &config.sasl {
            for mechanism in &sasl.mechanisms {
                let Some(config) = &mechanism.oauth else { continue };
                let jaas = jaas(name, mechanism)?;
                let same = before.get(name).filter(|it| it.config == *config && it.jaas == jaas);
                let listener = match same {
                    Some(same) => same.clone(),
                    None => {
                        let tokens = BearerTokens::new(name, config, jaas.as_ref());
                        let tokens = Arc::new(tokens.map_err(|why| wrap(name.clone(), why))?);
                        Listener { config: config.clone(), jaas, tokens }
                    }
                };
                listeners.insert(name.clone(), listener);
            }
        }
        self.0.store(Arc::new(listeners));
        Ok(())
    }

    /// Whether listeners could be set up so. Nothing is asked of an issuer.
    ///
    /// # Errors
    /// As [`OAuthListeners::replace`].
    pub fn check<E>(
        config: &SecurityConfig,
        jaas: impl Fn(&str, &MechanismConfig) -> Result<Option<JaasEntry>, E>,
        wrap: impl Fn(String, OAuthError) -> E,
    ) -> Result<(), E> {
        for (name, sasl) in &config.sasl {
            for mechanism in &sasl.mechanisms {
                let Some(config) = &mechanism.oauth else { continue };
                let jaas = jaas(name, mechanism)?;
                Plan::new(config, jaas.as_ref()).map_err(|why| wrap(name.clone(), why))?;
            }
        }
        Ok(())
    }

    /// What a listener checks tokens by.
    pub fn of(&self, listener: &str) -> Option<Arc<BearerTokens>> {
        self.0.load().get(listener).map(|it| it.tokens.clone())
    }
}

/// What a listener will check tokens by.
enum Plan {
    Unsecured(UnsecuredValidator),
    Signed(Place),
}

impl Plan {
    fn new(config: &OAuthConfig, jaas: Option<&JaasEntry>) -> Result<Self, OAuthError> {
        if let Some(entry) = jaas.filter(|entry| entry.login_module != OAUTHBEARER_LOGIN_MODULE) {
            return Err(OAuthError::LoginModule(entry.login_module.clone()));
        }
        if is_unsecured(config, jaas)? {
            return Ok(Self::Unsecured(jaas.map(UnsecuredValidator::new).transpose()?.unwrap_or_default()));
        }
        let url = config.jwks_endpoint_url.as_ref().ok_or(OAuthError::NoKeys)?;
        let option = |name: &str| jaas.and_then(|entry| entry.option(name));
        Ok(Self::Signed(Place::new(url, &config.allowed_urls, option)?))
    }
}

/// What the tokens of a listener are checked by.
#[derive(Debug)]
pub(super) enum BearerTokens {
    Unsecured(UnsecuredValidator),
    Signed { validator: Validator, keys: Arc<Keys>, _thread: FetchThread },
}

impl BearerTokens {
    /// As a listener is configured.
    ///
    /// # Errors
    /// When nothing says what to check tokens by, or what is said can't be used.
    pub fn new(listener: &str, config: &OAuthConfig, jaas: Option<&JaasEntry>) -> Result<Self, OAuthError> {
        let place = match Plan::new(config, jaas)? {
            Plan::Signed(place) => place,
            Plan::Unsecured(validator) => {
                tracing::warn!(
                    listener,
                    "tokens without a signature are taken: whoever reaches this listener can be whoever it likes. For development only"
                );
                return Ok(Self::Unsecured(validator));
            }
        };
        warn_of_gaps(listener, config);
        let (keys, _thread) = fetch::start(listener, place, config)?;
        let validator = Validator {
            audience: config.expected_audience.clone(),
            issuer: config.expected_issuer.clone(),
            clock_skew_seconds: config.clock_skew_seconds,
            scope_claim: config.scope_claim.clone(),
            sub_claim: config.sub_claim.clone(),
        };
        Ok(Self::Signed { validator, keys, _thread })
    }

    /// Checks a token.
    ///
    /// # Errors
    /// Why it is not good.
    pub fn check(&self, token: &str, now_ms: i64) -> Result<Token, Refusal> {
        match self {
            Self::Unsecured(validator) => validator.validate(token, now_ms),
            Self::Signed { validator, keys, .. } => Ok(validator.validate(token, &keys.current(), now_ms)?),
        }
    }

    /// What a client's message must wait for before its token can be checked: `None` where it need not, or waiting would not help.
    pub fn wanted(&self, message: &[u8], now_ms: i64) -> Option<impl Future<Output = ()> + use<>> {
        let Self::Signed { keys, .. } = self else { return None };
        let first = ClientFirst::parse(message).ok()?;
        let missing = missing_key(first.token, &keys.current())?;
        let fetched = keys.ask(missing.as_deref(), now_ms)?;
        Some(async move {
            // Whether it came in time shows in the keys.
            let _ = tokio::time::timeout(LOGIN_WAIT_MAX, fetched).await;
        })
    }
}

/// Whether tokens without a signature are asked for: by their class, or by its options where there is no address of keys. Kafka takes
/// them wherever nothing else is said.
fn is_unsecured(config: &OAuthConfig, jaas: Option<&JaasEntry>) -> Result<bool, OAuthError> {
    let handler = config.handler_class.as_deref();
    let served = [SECURED_HANDLERS.as_slice(), &[UNSECURED_HANDLER]].concat();
    if let Some(class) = handler.filter(|class| !served.contains(class)) {
        let key = "sasl.server.callback.handler.class";
        return Err(OAuthError::Class { key, class: class.to_owned(), served: served.join(", ") });
    }
    if handler == Some(UNSECURED_HANDLER) {
        return Ok(true);
    }
    let is_asked_for = jaas.is_some_and(jwt::unsecured::is_asked_for);
    if handler.is_none() && config.jwks_endpoint_url.is_none() && is_asked_for {
        return Ok(true);
    }
    if !VALIDATORS.contains(&config.validator_class.as_str()) {
        let key = "sasl.oauthbearer.jwt.validator.class";
        let class = config.validator_class.clone();
        return Err(OAuthError::Class { key, class, served: VALIDATORS.join(", ") });
    }
    Ok(false)
}

fn warn_of_gaps(listener: &str, config: &OAuthConfig) {
    if config.expected_audience.is_empty() {
        tracing::warn!(
            listener,
            "sasl.oauthbearer.expected.audience is not set: tokens that name no audience are taken, also those meant for others"
        );
    }
    if config.expected_issuer.is_none() {
        tracing::warn!(
            listener,
            "sasl.oauthbearer.expected.issuer is not set: tokens of any issuer are taken"
        );
    }
    if let Some(url) = config.jwks_endpoint_url.as_ref().filter(|url| url.starts_with("http:")) {
        tracing::warn!(listener, url, "keys come in the clear: who is in between can put in its own");
    }
}

#[cfg(test)]
#[path = "oauth_test.rs"]
mod oauth_test;

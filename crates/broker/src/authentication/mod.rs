//! Who a connection belongs to: SASL on the listeners that ask for it (`SaslServerAuthenticator`).
//!
//! The decisions are [`ottla_security::sasl`]'s; here are the users of each listener, and in `gate` the requests around them.

pub mod counts;
mod gate;
mod java_options;
#[cfg(feature = "gssapi")]
mod kerberos;
mod oauth;
mod out_of_place;
mod tls;
mod tokens;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ottla_config::broker_config::security::{MechanismConfig, SaslConfig, SecurityConfig};
use ottla_config::broker_config::tls::TlsConfig;
use ottla_metadata::{MetadataImage, ScramMechanism};
use ottla_protocol::Str;
use ottla_security::jaas::{
    self, JaasEntry, JaasError, JaasFileFailure, OAUTHBEARER_LOGIN_MODULE, PLAIN_LOGIN_MODULE,
};
#[cfg(feature = "gssapi")]
use ottla_security::sasl::gssapi::{KerberosService, replay::ReplayCache};
use ottla_security::sasl::{
    Credential, Credentials, HashFunction, Mechanism, PlainUsers, Refusal, Token, TokenOwner,
};
use ottla_security::{InvalidRule, PrincipalMapping};

use counts::LoginCounts;
pub(crate) use gate::{certificate, gate};
use java_options::JavaOptions;
#[cfg(feature = "gssapi")]
use kerberos::Kerberos;
#[cfg(feature = "gssapi")]
pub use kerberos::KerberosError;
pub use oauth::OAuthError;
use oauth::{BearerTokens, OAuthListeners};
pub use tls::{TlsListenerError, TlsListeners};
pub(crate) use tokens::Tokens;

/// Bytes of the secret that answers about unknown users are derived from.
const SECRET_BYTES: usize = 32;

/// Why a listener can't authenticate as configured.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// The mechanism is not known.
    #[error("listener {listener}: the SASL mechanism {mechanism} is not served")]
    Mechanism {
        /// The listener.
        listener: String,
        /// The mechanism.
        mechanism: String,
    },
    /// The text is not JAAS.
    #[error("listener.name.{listener}.{mechanism}.sasl.jaas.config: {why}")]
    Jaas {
        /// The listener in lower case.
        listener: String,
        /// The mechanism in lower case.
        mechanism: String,
        /// What is wrong.
        why: JaasError,
    },
    /// The JAAS file, where a login module is looked for in it.
    #[error(transparent)]
    JaasFile(#[from] JaasFileFailure),
    /// The login module of PLAIN is another one.
    #[error(
        "listener.name.{listener}.plain.sasl.jaas.config: the login module {module} is not served; PLAIN's users are those \
         of {PLAIN_LOGIN_MODULE}, such as user_alice=\"alice-secret\""
    )]
    LoginModule {
        /// The listener in lower case.
        listener: String,
        /// The module.
        module: String,
    },
    /// Nobody is known by PLAIN.
    #[error(
        "the SASL mechanism PLAIN has no users: set listener.name.{listener}.plain.sasl.jaas.config, such as \
         {PLAIN_LOGIN_MODULE} required user_alice=\"alice-secret\"; or name a JAAS file with a section KafkaServer or \
         {listener}.KafkaServer by KAFKA_OPTS=-Djava.security.auth.login.config=<file>"
    )]
    NoUsers {
        /// The listener in lower case.
        listener: String,
    },
    /// OAUTHBEARER.
    #[error("listener {listener}: {why}")]
    OAuth {
        /// The listener.
        listener: String,
        /// What is wrong.
        why: OAuthError,
    },
    /// The rules of principals.
    #[error("listener {listener}: ssl.principal.mapping.rules: {why}")]
    Rules {
        /// The listener.
        listener: String,
        /// What is wrong.
        why: InvalidRule,
    },
    /// Kerberos.
    #[cfg(feature = "gssapi")]
    #[error("listener {listener}: {why}")]
    Kerberos {
        /// The listener.
        listener: String,
        /// What is wrong.
        why: KerberosError,
    },
    /// The operating system.
    #[error("the system gives no random bytes for a secret: {0}")]
    Random(getrandom::Error),
}

/// What the listeners with SASL know of their users.
#[derive(Debug, Default)]
pub struct Authentication {
    /// By name. What replaces one is seen by the connections that come, and by those that are there when they authenticate again.
    listeners: ArcSwap<HashMap<String, Arc<SaslListener>>>,
    /// By listener: users of certificates' names.
    mappings: ArcSwap<HashMap<String, PrincipalMapping>>,
    /// What tokens of OAuth are checked by.
    oauth: OAuthListeners,
    /// Delegation tokens, where there are any.
    tokens: Option<Tokens>,
    /// How logins went.
    pub(crate) counts: LoginCounts,
    failure_delay: Duration,
    shared: Shared,
}

/// What all listeners have in common, and keep when they are set up anew.
#[derive(Debug, Default)]
struct Shared {
    /// What holds for mechanisms that have no `sasl.jaas.config`.
    java: JavaOptions,
    /// The authenticators of Kerberos that were seen.
    #[cfg(feature = "gssapi")]
    replays: Arc<ReplayCache>,
    /// What answers about unknown users are derived from.
    secret: Vec<u8>,
}

#[derive(Debug, Default)]
struct SaslListener {
    mechanisms: Vec<Mechanism>,
    names: Vec<Str>,
    max_reauth_ms: HashMap<Mechanism, i64>,
    plain: PlainUsers,
    #[cfg(feature = "gssapi")]
    kerberos: Option<Kerberos>,
}

impl Authentication {
    /// As the listeners are configured, and the options of a Java virtual machine say. A new secret is drawn: what unknown users are told
    /// of salts changes with a restart.
    ///
    /// # Errors
    /// When a JAAS configuration can't be understood.
    pub fn new(config: &SecurityConfig, java_options: &str) -> Result<Self, AuthenticationError> {
        let mut secret = vec![0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(AuthenticationError::Random)?;
        let shared = Shared { java: JavaOptions::new(java_options), secret, ..Default::default() };
        let listener = |(name, sasl): (&String, &SaslConfig)| {
            let listener = SaslListener::new(name, sasl, &shared)?;
            Ok((name.clone(), Arc::new(listener)))
        };
        let listeners =
            config.sasl.iter().map(listener).collect::<Result<HashMap<_, _>, AuthenticationError>>()?;
        let failure_delay =
            Duration::from_millis(config.failed_authentication_delay_ms.max(0).unsigned_abs().into());
        let mappings = config.tls.iter().map(|(name, tls)| Ok((name.clone(), mapping(name, tls)?)));
        let mappings = mappings.collect::<Result<HashMap<_, _>, AuthenticationError>>()?;
        let tokens = config.delegation_tokens.as_ref();
        let tokens = tokens.map(|tokens| Tokens::new(tokens.secret_key.expose(), &shared.secret));
        let (listeners, mappings) = (ArcSwap::from_pointee(listeners), ArcSwap::from_pointee(mappings));
        let counts = LoginCounts::default();
        let new =
            Self { listeners, mappings, oauth: Default::default(), tokens, counts, failure_delay, shared };
        new.replace_oauth(config)?;
        Ok(new)
    }

    fn replace_oauth(&self, config: &SecurityConfig) -> Result<(), AuthenticationError> {
        self.oauth.replace(config, |listener, mechanism| self.oauth_entry(listener, mechanism), oauth_error)
    }

    fn oauth_entry(
        &self,
        listener: &str,
        mechanism: &MechanismConfig,
    ) -> Result<Option<JaasEntry>, AuthenticationError> {
        self.shared.login_module(listener, mechanism, OAUTHBEARER_LOGIN_MODULE)
    }

    /// Takes over what was changed at run time. What can't be used is told of, and stays as it was.
    pub fn reload(&self, config: &SecurityConfig) {
        let before = self.listeners.load();
        let listeners = config.sasl.iter().filter_map(|(name, sasl)| {
            let listener = match SaslListener::new(name, sasl, &self.shared) {
                Ok(listener) => Some(Arc::new(listener)),
                Err(why) => {
                    tracing::error!(listener = name, %why, "what the listener knows of its users stays as it was");
                    before.get(name).cloned()
                }
            };
            Some((name.clone(), listener?))
        });
        self.listeners.store(Arc::new(listeners.collect()));
        if let Err(why) = self.replace_oauth(config) {
            tracing::error!(%why, "what tokens are checked by stays as it was");
        }
        let before = self.mappings.load();
        let mappings = config.tls.iter().filter_map(|(name, tls)| {
            let mapping = match mapping(name, tls) {
                Ok(mapping) => Some(mapping),
                Err(why) => {
                    tracing::error!(listener = name, %why, "the rules stay as they were");
                    before.get(name).cloned()
                }
            };
            Some((name.clone(), mapping?))
        });
        self.mappings.store(Arc::new(mappings.collect()));
    }

    /// Whether listeners could be set up so.
    ///
    /// # Errors
    /// As [`Authentication::new`].
    pub fn check(&self, config: &SecurityConfig) -> Result<(), AuthenticationError> {
        for (name, sasl) in &config.sasl {
            SaslListener::new(name, sasl, &self.shared)?;
        }
        let entry = |listener: &str, mechanism: &_| self.oauth_entry(listener, mechanism);
        OAuthListeners::check(config, entry, oauth_error)?;
        config.tls.iter().try_for_each(|(name, tls)| mapping(name, tls).map(|_| ()))
    }

    /// Whether a listener asks for SASL.
    pub(crate) fn has_sasl(&self, listener: &str) -> bool {
        self.listeners.load().contains_key(listener)
    }

    /// Delegation tokens, where there are any.
    pub(crate) fn tokens(&self) -> Option<&Tokens> {
        self.tokens.as_ref()
    }

    /// Takes over which of the delegation tokens named are there.
    pub fn follow_tokens<'a>(&self, image: &MetadataImage, changed: impl IntoIterator<Item = &'a Str>) {
        if let Some(tokens) = &self.tokens {
            tokens.follow(image, changed);
        }
    }
}

fn oauth_error(listener: String, why: OAuthError) -> AuthenticationError {
    AuthenticationError::OAuth { listener, why }
}

fn mapping(listener: &str, tls: &TlsConfig) -> Result<PrincipalMapping, AuthenticationError> {
    PrincipalMapping::parse(&tls.principal_mapping_rules)
        .map_err(|why| AuthenticationError::Rules { listener: listener.to_owned(), why })
}

impl SaslListener {
    fn new(listener: &str, config: &SaslConfig, shared: &Shared) -> Result<Self, AuthenticationError> {
        let mut new = Self::default();
        for mechanism_config in &config.mechanisms {
            let MechanismConfig { name, jaas_config, max_reauth_ms, .. } = mechanism_config;
            let unknown =
                || AuthenticationError::Mechanism { listener: listener.into(), mechanism: name.clone() };
            let mechanism = Mechanism::from_name(name).ok_or_else(unknown)?;
            new.mechanisms.push(mechanism);
            new.names.push(Str::from_static(mechanism.name()));
            new.max_reauth_ms.insert(mechanism, *max_reauth_ms);
            match mechanism {
                Mechanism::Plain => {
                    let entry = shared.login_module(listener, mechanism_config, PLAIN_LOGIN_MODULE)?;
                    new.plain = PlainUsers::new(&plain_entry(listener, entry)?, &shared.secret);
                }
                #[cfg(feature = "gssapi")]
                Mechanism::Gssapi => {
                    let entry = shared.login_module(listener, mechanism_config, jaas::KRB5_LOGIN_MODULE)?;
                    let properties = &shared.java.properties;
                    let kerberos = kerberos::required(listener, entry).and_then(|entry| {
                        Kerberos::new(&entry, &config.kerberos, properties, shared.replays.clone())
                    });
                    let failed = |why| AuthenticationError::Kerberos { listener: listener.to_owned(), why };
                    new.kerberos = Some(kerberos.map_err(failed)?);
                }
                // Theirs has nothing that a broker needs; it must be one all the same.
                _ => {
                    if let Some(text) = jaas_config {
                        jaas_entry(listener, name, text.expose())?;
                    }
                }
            }
        }
        Ok(new)
    }
}

impl Shared {
    /// The login module of a mechanism: `sasl.jaas.config`, else the one with this name in the file's section of the listener or of all
    /// (`JaasContext`).
    fn login_module(
        &self,
        listener: &str,
        mechanism: &MechanismConfig,
        name: &str,
    ) -> Result<Option<JaasEntry>, AuthenticationError> {
        if let Some(text) = &mechanism.jaas_config {
            return jaas_entry(listener, &mechanism.name, text.expose()).map(Some);
        }
        let entries = self.java.of_listener(listener)?;
        Ok(entries.iter().find(|entry| entry.login_module == name).cloned())
    }
}

fn jaas_entry(listener: &str, mechanism: &str, text: &str) -> Result<JaasEntry, AuthenticationError> {
    jaas::parse_single(text).map_err(|why| AuthenticationError::Jaas {
        listener: listener.to_lowercase(),
        mechanism: mechanism.to_lowercase(),
        why,
    })
}

/// What holds PLAIN's users.
fn plain_entry(listener: &str, entry: Option<JaasEntry>) -> Result<JaasEntry, AuthenticationError> {
    let listener = listener.to_lowercase();
    match entry {
        Some(entry) if entry.login_module == PLAIN_LOGIN_MODULE => Ok(entry),
        Some(entry) => Err(AuthenticationError::LoginModule { listener, module: entry.login_module }),
        None => Err(AuthenticationError::NoUsers { listener }),
    }
}

/// The users that a listener sees at one time.
struct Users<'a> {
    listener: &'a SaslListener,
    image: &'a MetadataImage,
    tokens: Option<&'a Tokens>,
    oauth: Option<&'a BearerTokens>,
    secret: &'a [u8],
    now_ms: i64,
}

impl Credentials for Users<'_> {
    fn is_plain_password(&self, user: &str, password: &str) -> bool {
        self.listener.plain.is_password(user, password)
    }

    fn scram(&self, hash: HashFunction, user: &str) -> (Credential, bool) {
        let mechanism = match hash {
            HashFunction::Sha256 => ScramMechanism::Sha256,
            HashFunction::Sha512 => ScramMechanism::Sha512,
        };
        let credential = |found: &ottla_metadata::ScramCredential| Credential {
            salt: found.salt.to_vec(),
            stored_key: found.stored_key.to_vec(),
            server_key: found.server_key.to_vec(),
            iterations: found.iterations.max(0).unsigned_abs(),
        };
        // Worked out whether it is needed or not, so that both take the same time.
        let model = self
            .image
            .scram
            .iter()
            .find(|(_, kind, _)| *kind == mechanism)
            .map(|(.., found)| credential(found));
        let of_nobody = Credential::of_nobody(hash, user, self.secret, model.as_ref());
        match self.image.scram.get(&Str::from(user), mechanism) {
            Some(found) => (credential(found), true),
            None => (of_nobody, false),
        }
    }

    fn token(&self, hash: HashFunction, id: &str) -> (Credential, Option<TokenOwner>) {
        // Kafka lets a token in that is over and not yet swept, and closes the connection at its first request.
        let token = self.image.delegation_tokens.get(id).filter(|token| !token.is_expired(self.now_ms));
        let (Some(tokens), Some(token)) = (self.tokens, token) else {
            return (Credential::of_nobody(hash, id, self.secret, None), None);
        };
        // Of a principal's text only the name goes on: all that come over the network are users.
        let user = token.owner.split_once(':').map_or(&*token.owner, |(_, name)| name).to_owned();
        let owner = TokenOwner { user, expires_ms: token.expiration_timestamp_ms };
        (tokens.credential(hash, &token.token_id), Some(owner))
    }

    fn bearer(&self, token: &str) -> Result<Token, Refusal> {
        match self.oauth {
            Some(tokens) => tokens.check(token, self.now_ms),
            None => Err(Refusal::invalid_token("the listener takes no tokens")),
        }
    }

    #[cfg(feature = "gssapi")]
    fn kerberos(&self) -> Option<(&KerberosService, i64)> {
        self.listener.kerberos.as_ref().map(|kerberos| (kerberos.service(self.now_ms), self.now_ms))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ottla_config::Password;
    use ottla_security::jaas::LOGIN_CONFIG;

    use super::*;

    fn config(name: &str, jaas: Option<&str>) -> SecurityConfig {
        let mechanism = MechanismConfig {
            name: name.into(),
            jaas_config: jaas.map(Password::new),
            max_reauth_ms: 7,
            oauth: None,
        };
        let sasl =
            SaslConfig { mechanisms: vec![mechanism], max_receive_size: 1, kerberos: Default::default() };
        SecurityConfig {
            sasl: BTreeMap::from([("EXTERNAL".to_owned(), sasl)]),
            tls: BTreeMap::new(),
            delegation_tokens: None,
            failed_authentication_delay_ms: 100,
        }
    }

    fn authentication(name: &str, jaas: &str) -> Result<Authentication, String> {
        Authentication::new(&config(name, Some(jaas)), "").map_err(|why| why.to_string())
    }

    fn is_password(authentication: &Authentication, user: &str, password: &str) -> bool {
        authentication.listeners.load()["EXTERNAL"].plain.is_password(user, password)
    }

    #[test]
    fn jaas_configurations_are_checked_at_the_start() {
        let jaas = format!("{PLAIN_LOGIN_MODULE} required user_alice=\"hush\";");
        let good = authentication("PLAIN", &jaas).expect("PLAIN's own module");
        assert!(is_password(&good, "alice", "hush"));
        assert!(!format!("{good:?}").contains("hush"));
        let why = authentication("PLAIN", "org.example.Module required;").expect_err("another module");
        assert!(
            why.contains("listener.name.external.plain.sasl.jaas.config") && why.contains("org.example"),
            "{why}"
        );
        let why = authentication("SCRAM-SHA-256", "hush").expect_err("no JAAS");
        assert!(why.contains("scram-sha-256") && !why.contains("hush"), "{why}");
    }

    #[test]
    fn users_come_from_the_configuration_before_the_file() {
        let section = |name: &str, user: &str| format!("{name} {{ {PLAIN_LOGIN_MODULE} required {user}; }};");
        let text = section("KafkaServer", "user_bob=b") + &section("external.KafkaServer", "user_alice=a");
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("jaas.conf");
        let file = |text: &str| {
            std::fs::write(&path, text).expect("a file");
            format!("-D{LOGIN_CONFIG}={}", path.display())
        };
        let with =
            |jaas: Option<&str>, options: String| Authentication::new(&config("PLAIN", jaas), &options);
        let own = with(None, file(&text)).expect("the listener's section");
        assert!(is_password(&own, "alice", "a") && !is_password(&own, "bob", "b"));
        let all = with(None, file(&section("KafkaServer", "user_bob=b"))).expect("the brokers' section");
        assert!(is_password(&all, "bob", "b"));
        let jaas = format!("{PLAIN_LOGIN_MODULE} required user_carol=c;");
        let dynamic = with(Some(&jaas), file(&text)).expect("the configuration");
        assert!(is_password(&dynamic, "carol", "c") && !is_password(&dynamic, "alice", "a"));
        let nowhere = format!("-D{LOGIN_CONFIG}=/nowhere/at.all");
        assert!(with(Some(&jaas), nowhere.clone()).is_ok(), "nothing is looked for in it");
        let why = with(None, nowhere).expect_err("no file").to_string();
        assert!(why.contains("/nowhere/at.all"), "{why}");
        for without in [String::new(), file(""), file("KafkaServer { M required; };")] {
            let why = with(None, without).expect_err("nobody").to_string();
            assert!(
                why.contains("listener.name.external.plain.sasl.jaas.config") && why.contains("KAFKA_OPTS"),
                "{why}"
            );
        }
    }

    #[test]
    fn changes_are_taken_over_or_told_of() {
        let jaas = |users: &str| format!("{PLAIN_LOGIN_MODULE} required {users};");
        let found = authentication("PLAIN", &jaas("user_alice=a")).expect("users");
        let other = config("PLAIN", Some(&jaas("user_bob=b")));
        assert!(found.check(&other).is_ok() && is_password(&found, "alice", "a"));
        found.reload(&other);
        assert!(is_password(&found, "bob", "b") && !is_password(&found, "alice", "a"));
        let bad = config("PLAIN", Some("nonsense"));
        assert!(found.check(&bad).is_err());
        found.reload(&bad);
        assert!(is_password(&found, "bob", "b"), "what can't be used changes nothing");
        found.reload(&SecurityConfig::default());
        assert!(found.listeners.load().is_empty(), "a listener that is gone is forgotten");
    }

    #[test]
    fn unknown_users_are_not_told_apart() {
        let new = Authentication::new(&SecurityConfig::default(), "").expect("a secret");
        let (listener, image) = (SaslListener::default(), MetadataImage::default());
        let users = Users {
            listener: &listener,
            image: &image,
            tokens: None,
            oauth: None,
            secret: &new.shared.secret,
            now_ms: 0,
        };
        let (credential, is_known) = users.scram(HashFunction::Sha512, "nobody");
        assert!(!is_known && credential == users.scram(HashFunction::Sha512, "nobody").0);
        assert!(!users.is_plain_password("nobody", ""));
        assert!(users.token(HashFunction::Sha512, "token").1.is_none());
    }
}

//! Which source a client's configuration asks for (`OAuthBearerLoginCallbackHandler`, `DefaultJwtRetriever`,
//! `ClientCredentialsRequestFormatterFactory`).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ottla_config::{ClientValues, ConfigError, java_options};
use ottla_http::{HttpClient, Limits, TlsTrust, Url};
use ottla_security::jaas::{JaasEntry, OAUTHBEARER_LOGIN_MODULE};
use ottla_security::jwt::unsecured;
use serde_json::Map;

use super::assertion::{Algorithm, Assertion, Signer};
use super::file::FileSource;
use super::grant::Grant;
use super::http::HttpSource;
use super::login::{Claims, UnsecuredSource};
use super::refresh::Refresh;
use super::{OAuthLogin, SharedSource};

const URL: &str = "sasl.oauthbearer.token.endpoint.url";
const HANDLER: &str = "sasl.login.callback.handler.class";
const RETRIEVER: &str = "sasl.oauthbearer.jwt.retriever.class";
const PACKAGE: &str = "org.apache.kafka.common.security.oauthbearer.";
const UNSECURED_HANDLER: &str = "internals.unsecured.OAuthBearerUnsecuredLoginCallbackHandler";
const URLS_VARIABLE: &str = "OTTLA_SASL_OAUTHBEARER_ALLOWED_URLS";
const FILES_VARIABLE: &str = "OTTLA_SASL_OAUTHBEARER_ALLOWED_FILES";
/// Where `sasl.login.connect.timeout.ms` and `sasl.login.read.timeout.ms` set none. Java waits without end.
const TIMEOUT_MS: i64 = 30_000;
/// Bytes of a token endpoint's answer.
const BYTES_MAX: usize = 512 << 10;

/// What configurations may name, so that whoever may write one can't have this process ask any address or read any file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Addresses.
    pub urls: Vec<String>,
    /// Files.
    pub files: Vec<String>,
}

impl Allowed {
    /// As the environment says: `OTTLA_SASL_OAUTHBEARER_ALLOWED_URLS` and `_FILES`, or Kafka's system properties in `KAFKA_OPTS`.
    pub fn from_environment() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    pub(super) fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        let options = variable(java_options::KAFKA_OPTS).unwrap_or_default();
        let list = |name: &str, property: &str| -> Vec<String> {
            let text = variable(name)
                .or_else(|| java_options::system_property(&options, property).map(str::to_owned));
            text.unwrap_or_default()
                .split(',')
                .map(|it| it.trim().to_owned())
                .filter(|it| !it.is_empty())
                .collect()
        };
        Self {
            urls: list(URLS_VARIABLE, java_options::OAUTH_ALLOWED_URLS),
            files: list(FILES_VARIABLE, java_options::OAUTH_ALLOWED_FILES),
        }
    }
}

impl OAuthLogin {
    /// The login that a configuration asks for; `entry` is its `sasl.jaas.config`.
    ///
    /// # Errors
    /// When a key is missing, or can't be used.
    pub fn from_values(
        values: &ClientValues,
        entry: &JaasEntry,
        allowed: &Allowed,
    ) -> Result<Self, ConfigError> {
        if entry.login_module != OAUTHBEARER_LOGIN_MODULE {
            let text = format!(
                "sasl.jaas.config: the login module {} is not there for OAUTHBEARER; there is {OAUTHBEARER_LOGIN_MODULE}",
                entry.login_module
            );
            return Err(ConfigError::config(text).for_key("sasl.jaas.config"));
        }
        let refresh = Refresh {
            window_factor: values.double("sasl.login.refresh.window.factor"),
            window_jitter: values.double("sasl.login.refresh.window.jitter"),
            period_min_seconds: values.long("sasl.login.refresh.min.period.seconds"),
            buffer_seconds: values.long("sasl.login.refresh.buffer.seconds"),
        };
        let options = |prefix| {
            let found = unsecured::extensions(entry, prefix);
            found.map_err(|why| ConfigError::config(why.to_string()).for_key("sasl.jaas.config"))
        };
        if is_unsecured(values)? {
            let source = Arc::new(UnsecuredSource { entry: entry.clone() });
            return Ok(Self::new(source, Claims::Unsecured, options("unsecuredLoginExtension_")?, refresh));
        }
        let reader = Reader { values, entry, allowed };
        let claims = Claims::Signed {
            scope: reader.wanted("sasl.oauthbearer.scope.claim.name")?.to_owned(),
            sub: reader.wanted("sasl.oauthbearer.sub.claim.name")?.to_owned(),
        };
        Ok(Self::new(reader.source()?, claims, options("extension_")?, refresh))
    }
}

/// Whether tokens are made here: by their class, or where nothing says where else they come from.
fn is_unsecured(values: &ClientValues) -> Result<bool, ConfigError> {
    let Some(class) = values.opt_string(HANDLER).filter(|class| !class.is_empty()) else {
        return Ok(values.string(URL).trim().is_empty());
    };
    match class.strip_prefix(PACKAGE) {
        Some("OAuthBearerLoginCallbackHandler" | "secured.OAuthBearerLoginCallbackHandler") => Ok(false),
        Some(UNSECURED_HANDLER) => Ok(true),
        _ => Err(unknown_class(HANDLER, class, &["OAuthBearerLoginCallbackHandler", UNSECURED_HANDLER])),
    }
}

fn unknown_class(key: &str, class: &str, served: &[&str]) -> ConfigError {
    let served: Vec<String> = served.iter().map(|it| format!("{PACKAGE}{it}")).collect();
    let error = ConfigError::unsupported(format!("{key}={class} is not served"));
    error.for_key(key).with_value(class).allowed(served.join(", "))
}

struct Reader<'a> {
    values: &'a ClientValues,
    entry: &'a JaasEntry,
    allowed: &'a Allowed,
}

impl<'a> Reader<'a> {
    fn text(&self, key: &str) -> Option<&'a str> {
        self.values.opt_string(key).map(str::trim).filter(|text| !text.is_empty())
    }

    fn wanted(&self, key: &str) -> Result<&'a str, ConfigError> {
        self.text(key).ok_or_else(|| {
            ConfigError::config(format!("The OAuth configuration option {key} value is required"))
                .for_key(key)
        })
    }

    /// A key, or the option of the login module that it took the place of.
    fn or_option(&self, key: &str, option: &str) -> Option<&'a str> {
        let of_module = self.entry.option(option).map(str::trim).filter(|text| !text.is_empty());
        self.text(key).or(of_module)
    }

    fn allowed_file(&self, key: &str, path: &str) -> Result<PathBuf, ConfigError> {
        if self.allowed.files.iter().any(|it| it == path) {
            return Ok(PathBuf::from(path));
        }
        let error =
            ConfigError::config(format!("{key}={path}: the file is not allowed to be read")).for_key(key);
        Err(error.hint(format!(
            "name it in the environment: {FILES_VARIABLE}={path}, or KAFKA_OPTS=-D{}={path}",
            java_options::OAUTH_ALLOWED_FILES
        )))
    }

    fn file(&self, key: &str) -> Result<Option<PathBuf>, ConfigError> {
        self.text(key).map(|path| self.allowed_file(key, path)).transpose()
    }

    fn source(&self) -> Result<SharedSource, ConfigError> {
        let url = self.wanted(URL)?;
        if !self.allowed.urls.iter().any(|it| it == url) {
            let error = ConfigError::config(format!("{URL}={url}: the address is not allowed")).for_key(URL);
            return Err(error.hint(format!(
                "name it in the environment: {URLS_VARIABLE}={url}, or KAFKA_OPTS=-D{}={url}",
                java_options::OAUTH_ALLOWED_URLS
            )));
        }
        let class = self.values.string(RETRIEVER);
        let is_file = url.starts_with("file:");
        match class.strip_prefix(PACKAGE) {
            Some("DefaultJwtRetriever") if is_file => self.file_source(url),
            Some("FileJwtRetriever") => self.file_source(url),
            Some("DefaultJwtRetriever" | "ClientCredentialsJwtRetriever") => self.client_credentials(url),
            Some("JwtBearerJwtRetriever") => {
                let scope = self.text("sasl.oauthbearer.scope").map(str::to_owned);
                self.http(url, Grant::JwtBearer { scope }, Some(self.assertion()?))
            }
            _ => Err(unknown_class(
                RETRIEVER,
                class,
                &[
                    "DefaultJwtRetriever",
                    "FileJwtRetriever",
                    "ClientCredentialsJwtRetriever",
                    "JwtBearerJwtRetriever",
                ],
            )),
        }
    }

    fn file_source(&self, url: &str) -> Result<SharedSource, ConfigError> {
        let rest = url
            .strip_prefix("file:")
            .ok_or_else(|| ConfigError::invalid_value(URL, url, "no file: address"))?;
        let path = match rest.strip_prefix("//") {
            Some(with_host) => with_host.find('/').and_then(|at| with_host.get(at..)).unwrap_or_default(),
            None => rest,
        };
        Ok(Arc::new(FileSource { path: PathBuf::from(path) }))
    }

    /// With an assertion where one is configured, else with the client's secret.
    fn client_credentials(&self, url: &str) -> Result<SharedSource, ConfigError> {
        const ID: &str = "sasl.oauthbearer.client.credentials.client.id";
        const SECRET: &str = "sasl.oauthbearer.client.credentials.client.secret";
        let scope = self.or_option("sasl.oauthbearer.scope", "scope").map(str::to_owned);
        let id = self.or_option(ID, "clientId").map(str::to_owned);
        let has_assertion = self.text("sasl.oauthbearer.assertion.file").is_some()
            || self.text("sasl.oauthbearer.assertion.claim.iss").is_some();
        if has_assertion {
            return self.http(url, Grant::ClientAssertion { id, scope }, Some(self.assertion()?));
        }
        let missing = |key: &str, option: &str| {
            ConfigError::config(format!("{key} is not set, nor the option {option} of the login module"))
                .for_key(key)
        };
        let own = self.values.password(SECRET).map(|secret| secret.expose().trim());
        let secret = own.or(self.entry.option("clientSecret").map(str::trim)).filter(|it| !it.is_empty());
        let grant = Grant::ClientSecret {
            id: id.ok_or_else(|| missing(ID, "clientId"))?,
            secret: secret.ok_or_else(|| missing(SECRET, "clientSecret"))?.to_owned(),
            scope,
            is_encoded: self.values.boolean("sasl.oauthbearer.header.urlencode"),
        };
        self.http(url, grant, None)
    }

    fn http(
        &self,
        url: &str,
        grant: Grant,
        assertion: Option<Assertion>,
    ) -> Result<SharedSource, ConfigError> {
        let parsed = Url::parse(url).map_err(|why| ConfigError::invalid_value(URL, url, why))?;
        let trust = match parsed.is_tls() {
            true => Some(TlsTrust::from_options(|name| self.entry.option(name)).map_err(|why| {
                ConfigError::config(format!("sasl.jaas.config, for {url}: {why}")).for_key("sasl.jaas.config")
            })?),
            false => None,
        };
        let time = |key: &str| {
            let set = self.values.get(key).and_then(|value| value.as_i64()).filter(|it| *it > 0);
            Duration::from_millis(set.unwrap_or(TIMEOUT_MS).unsigned_abs())
        };
        let limits = Limits {
            connect: time("sasl.login.connect.timeout.ms"),
            answer: time("sasl.login.read.timeout.ms"),
            body_bytes: BYTES_MAX,
        };
        let backoff_ms = self.values.long("sasl.login.retry.backoff.ms");
        let backoff_max_ms = self.values.long("sasl.login.retry.backoff.max.ms");
        let client = HttpClient::new(parsed, trust, limits);
        Ok(Arc::new(HttpSource { client, grant, assertion, backoff_ms, backoff_max_ms }))
    }

    fn assertion(&self) -> Result<Assertion, ConfigError> {
        const PREFIX: &str = "sasl.oauthbearer.assertion";
        if let Some(path) = self.file("sasl.oauthbearer.assertion.file")? {
            return Ok(Assertion::File(path));
        }
        let key = format!("{PREFIX}.private.key.file");
        let mut claims = Map::new();
        for name in ["aud", "iss", "sub"] {
            if let Some(value) = self.text(&format!("{PREFIX}.claim.{name}")) {
                claims.insert(name.to_owned(), value.into());
            }
        }
        let algorithm = self.wanted("sasl.oauthbearer.assertion.algorithm")?;
        Ok(Assertion::Signed(Signer {
            algorithm: if algorithm.eq_ignore_ascii_case("ES256") {
                Algorithm::Es256
            } else {
                Algorithm::Rs256
            },
            key_file: self.allowed_file(&key, self.wanted(&key)?)?,
            passphrase: self.values.password("sasl.oauthbearer.assertion.private.key.passphrase").cloned(),
            template_file: self.file("sasl.oauthbearer.assertion.template.file")?,
            claims,
            exp_seconds: self.values.long("sasl.oauthbearer.assertion.claim.exp.seconds"),
            nbf_seconds: self.values.long("sasl.oauthbearer.assertion.claim.nbf.seconds"),
            has_jti: self.values.boolean("sasl.oauthbearer.assertion.claim.jti.include"),
        }))
    }
}

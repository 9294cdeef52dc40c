//! `sasl.mechanism`, and who logs in by it.

#[cfg(feature = "gssapi")]
use std::sync::Arc;

use ottla_config::java_options::KAFKA_OPTS;
use ottla_config::{ClientValues, ConfigError};
use ottla_protocol::ErrorCode;
use ottla_security::sasl::Mechanism;
use ottla_security::sasl::client::Login;

use super::jaas;
#[cfg(feature = "gssapi")]
use crate::kerberos::{KerberosLogin, NoTicket, Settings};
use crate::oauth::{Allowed, OAuthLogin, TokenError};
use crate::{Error, Result};

/// What a client logs in by.
#[derive(Debug)]
pub(crate) enum Credentials {
    /// A user and a password, which stay.
    Fixed(Login),
    /// Tokens, which end.
    Tokens(OAuthLogin),
    /// Tickets of Kerberos, one for each broker, which end too.
    #[cfg(feature = "gssapi")]
    Tickets(Arc<KerberosLogin>),
}

impl Credentials {
    pub(super) fn from_values(values: &ClientValues) -> Result<Self, ConfigError> {
        let name = values.string("sasl.mechanism");
        if name.is_empty() {
            return Err(ConfigError::invalid_value(
                "sasl.mechanism",
                "null",
                "When the security.protocol configuration enables SASL, mechanism must be non-null and non-empty string.",
            ));
        }
        let mechanism = Mechanism::from_name(name).ok_or_else(|| {
            let known: Vec<&str> = Login::MECHANISMS.iter().map(|it| it.name()).collect();
            ConfigError::unsupported(format!("sasl.mechanism={name} is not spoken"))
                .for_key("sasl.mechanism")
                .with_value(name)
                .allowed(known.join(", "))
                .hint("GSSAPI is Kafka's default: name the mechanism that the listener offers")
        })?;
        let options = std::env::var(KAFKA_OPTS).unwrap_or_default();
        let entry = jaas::entry(values, mechanism, &options)?;
        if mechanism == Mechanism::OAuthBearer {
            return OAuthLogin::from_values(values, &entry, &Allowed::from_environment())
                .map(Credentials::Tokens);
        }
        #[cfg(feature = "gssapi")]
        if mechanism == Mechanism::Gssapi {
            let settings = Settings::new(values, &entry, |name| std::env::var(name).ok())?;
            return Ok(Credentials::Tickets(Arc::new(KerberosLogin::new(settings))));
        }
        let login = Login::from_jaas(mechanism, &entry).map_err(|why| {
            ConfigError::config(format!("sasl.jaas.config: {why}")).for_key("sasl.jaas.config")
        })?;
        Ok(Credentials::Fixed(login))
    }

    /// What the next login on a connection to the broker on a host is made with.
    ///
    /// # Errors
    /// When it can't be had.
    #[cfg_attr(not(feature = "gssapi"), allow(unused_variables))]
    pub(crate) async fn login(&self, host: &str) -> Result<Login> {
        match self {
            Credentials::Fixed(login) => Ok(login.clone()),
            Credentials::Tokens(login) => match login.token().await {
                Ok(token) => Ok(Login::bearer(&token.0, login.extensions())),
                Err(TokenError::Refused(message)) => {
                    Err(Error::Api { code: ErrorCode::SaslAuthenticationFailed, message })
                }
                Err(TokenError::Failed(why)) => Err(Error::Unreachable(format!("there is no token: {why}"))),
            },
            #[cfg(feature = "gssapi")]
            Credentials::Tickets(login) => match login.ticket(host).await {
                Ok((ticket, now_ms)) => Ok(Login::kerberos(ticket, now_ms)),
                Err(NoTicket::Refused(message)) => {
                    Err(Error::Api { code: ErrorCode::SaslAuthenticationFailed, message })
                }
                Err(NoTicket::Failed(why)) => Err(Error::Unreachable(format!("there is no ticket: {why}"))),
            },
        }
    }

    /// The login on a connection to the broker on a host has failed.
    #[cfg_attr(not(feature = "gssapi"), allow(unused_variables))]
    pub(crate) async fn refused(&self, host: &str) {
        #[cfg(feature = "gssapi")]
        if let Credentials::Tickets(login) = self {
            login.forget(host).await;
        }
    }
}

/// What `sasl.jaas.config` may look like.
pub(super) fn example(mechanism: Mechanism) -> String {
    match mechanism {
        #[cfg(feature = "gssapi")]
        Mechanism::Gssapi => format!(
            "GSSAPI is Kafka's default. For Kerberos set it to {}; for another mechanism set sasl.mechanism too",
            Settings::example()
        ),
        _ => "set it to a login module with username and password, such as \
              org.apache.kafka.common.security.scram.ScramLoginModule required username=\"alice\" \
              password=\"alice-secret\";"
            .to_owned(),
    }
}

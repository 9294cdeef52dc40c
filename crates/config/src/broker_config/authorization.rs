//! Who decides who may do what.

use crate::error::ConfigError;
use crate::layers::RawMap;
use crate::values::Values;

/// Kafka's authorizer over the metadata (KIP-801).
pub const STANDARD_AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";

/// Its short name, Ottla's own.
pub const STANDARD_AUTHORIZER_ALIAS: &str = "standard";

/// Keys that Kafka's broker does not know, but its authorizer.
pub const AUTHORIZER_KEYS: [&str; 2] = [SUPER_USERS, ALLOW_EVERYONE];

const SUPER_USERS: &str = "super.users";
const ALLOW_EVERYONE: &str = "allow.everyone.if.no.acl.found";

/// The authorizer and what it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizationConfig {
    /// `authorizer.class.name` names Kafka's authorizer. Without one everybody may do everything.
    pub is_enabled: bool,
    /// `super.users`, such as `User:alice`: they may do everything.
    pub super_users: Vec<String>,
    /// `allow.everyone.if.no.acl.found`
    pub allow_everyone_if_no_acl_found: bool,
}

impl AuthorizationConfig {
    pub(super) fn from_values(
        values: &Values,
        originals: &RawMap,
    ) -> Result<AuthorizationConfig, ConfigError> {
        let class = values.string("authorizer.class.name");
        let is_enabled = match class {
            "" => false,
            STANDARD_AUTHORIZER | STANDARD_AUTHORIZER_ALIAS => true,
            other => {
                let message = format!(
                    "authorizer.class.name cannot be set to {other}: a JVM class cannot be loaded, and a broker \
                     without its authorizer would let everybody in"
                );
                let error =
                    ConfigError::unsupported(message).for_key("authorizer.class.name").with_value(other);
                return Err(error.allowed(format!("{STANDARD_AUTHORIZER}, or {STANDARD_AUTHORIZER_ALIAS}")));
            }
        };
        let text = |key: &str| originals.get(key).map_or("", |text| text.trim());
        Ok(AuthorizationConfig {
            is_enabled,
            super_users: super_users(text(SUPER_USERS))?,
            allow_everyone_if_no_acl_found: text(ALLOW_EVERYONE).eq_ignore_ascii_case("true"),
        })
    }
}

/// Names that stand between semicolons, as commas occur in distinguished names.
fn super_users(text: &str) -> Result<Vec<String>, ConfigError> {
    let names = text.split(';').map(str::trim).filter(|name| !name.is_empty());
    let checked = names.map(|name| match name.split_once(':') {
        Some((kind, user)) if !kind.is_empty() && !user.is_empty() => Ok(name.to_owned()),
        _ => {
            let message = format!("expected a string in format principalType:principalName but got {name}");
            Err(ConfigError::config(message).for_key(SUPER_USERS).with_value(text).hint("such as User:alice"))
        }
    });
    checked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BrokerConfig;

    fn config(entries: &[(&str, &str)]) -> Result<(AuthorizationConfig, usize), String> {
        let mut properties = RawMap::from([("log.dirs".to_owned(), "/data".to_owned())]);
        properties.extend(entries.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())));
        match BrokerConfig::from_properties(&properties) {
            Ok((config, warnings)) => Ok((config.authorization, warnings.len())),
            Err(errors) => Err(errors.iter().map(|error| error.explain()).collect()),
        }
    }

    #[test]
    fn the_authorizer_is_kafkas_or_none() {
        assert_eq!(config(&[]).unwrap().0, AuthorizationConfig::default());
        for name in [STANDARD_AUTHORIZER, "standard"] {
            assert!(config(&[("authorizer.class.name", name)]).unwrap().0.is_enabled);
        }
        let why = config(&[("authorizer.class.name", "org.example.Authorizer")]).unwrap_err();
        assert!(why.contains("would let everybody in") && why.contains("standard"), "{why}");
    }

    #[test]
    fn super_users_stand_between_semicolons() {
        let text = "User:CN=a,OU=b; User:bob ;";
        let (found, warnings) =
            config(&[(SUPER_USERS, text), (ALLOW_EVERYONE, "True")]).expect("a configuration");
        assert_eq!(found.super_users, ["User:CN=a,OU=b", "User:bob"]);
        assert!(found.allow_everyone_if_no_acl_found && warnings == 0, "the authorizer's keys are known");
        let why = config(&[(SUPER_USERS, "bob")]).unwrap_err();
        assert!(why.contains("principalType:principalName but got bob"), "{why}");
    }
}

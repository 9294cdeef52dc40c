//! The options of a client's `com.sun.security.auth.module.Krb5LoginModule`.

use crate::jaas::{JaasEntry, KRB5_LOGIN_MODULE};

/// Where a client's tickets come from. Both may be there: the cache comes first, as in Java.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginModule {
    /// `principal`: who the client is; with a cache alone, whoever the cache is of.
    pub principal: Option<String>,
    /// `keyTab`, with `useKeyTab=true`.
    pub keytab: Option<String>,
    /// With `useTicketCache=true`.
    pub ticket_cache: Option<TicketCache>,
    /// `serviceName`, which Kafka reads beside `sasl.kerberos.service.name`.
    pub service_name: Option<String>,
}

/// Which cache of tickets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TicketCache {
    /// `ticketCache`
    File(String),
    /// The environment's or the user's own.
    Default,
}

/// Why a JAAS entry is no login of Kerberos.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum LoginModuleError {
    #[error("the login module {0} is not there for GSSAPI; there is {KRB5_LOGIN_MODULE}")]
    Module(String),
    #[error("with useKeyTab=true, the option {0} is missing behind the login module {KRB5_LOGIN_MODULE}")]
    NoOption(&'static str),
    #[error(
        "nothing says where tickets come from, and nobody is asked for a password: set useKeyTab=true with keyTab and principal, or \
         useTicketCache=true"
    )]
    NoSource,
    #[error("renewTGT=true is about the tickets of a cache: set useTicketCache=true too")]
    RenewTgt,
}

impl LoginModule {
    /// Reads the options. `storeKey`, `doNotPrompt`, `debug` and others that are not about tickets have no effect, nor has `renewTGT`: a
    /// ticket that can be renewed is renewed, as Kafka does it by `kinit -R`.
    ///
    /// # Errors
    /// When it is another module, or says nothing of where tickets come from.
    pub fn from_jaas(entry: &JaasEntry) -> Result<Self, LoginModuleError> {
        if entry.login_module != KRB5_LOGIN_MODULE {
            return Err(LoginModuleError::Module(entry.login_module.clone()));
        }
        let text = |option: &str| entry.option(option).filter(|value| !value.is_empty());
        let is_true = |option: &str| text(option).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let principal = text("principal").map(str::to_owned);
        let keytab = match is_true("useKeyTab") {
            false => None,
            true if principal.is_none() => return Err(LoginModuleError::NoOption("principal")),
            true => Some(file(text("keyTab").ok_or(LoginModuleError::NoOption("keyTab"))?)),
        };
        let ticket_cache = is_true("useTicketCache")
            .then(|| text("ticketCache").map_or(TicketCache::Default, |path| TicketCache::File(file(path))));
        match (&keytab, &ticket_cache) {
            (_, None) if is_true("renewTGT") => return Err(LoginModuleError::RenewTgt),
            (None, None) => return Err(LoginModuleError::NoSource),
            _ => {}
        }
        Ok(Self { principal, keytab, ticket_cache, service_name: text("serviceName").map(str::to_owned) })
    }
}

/// A path that may have `FILE:` in front.
fn file(path: &str) -> String {
    match path.split_at_checked(5) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("file:") => rest.to_owned(),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jaas;

    #[test]
    fn options_of_the_module() {
        let read = |options: &str| {
            let text = format!("{KRB5_LOGIN_MODULE} required {options};");
            LoginModule::from_jaas(&jaas::parse_single(&text).expect("an entry"))
        };
        let expected = LoginModule {
            principal: Some("alice@R".to_owned()),
            keytab: Some("/a.keytab".to_owned()),
            ticket_cache: None,
            service_name: Some("kafka".to_owned()),
        };
        let options =
            "useKeyTab=true storeKey=true keyTab=\"FILE:/a.keytab\" principal=\"alice@R\" serviceName=kafka";
        assert_eq!(read(options), Ok(expected));
        let cache = |options: &str| read(options).expect("a login").ticket_cache.expect("a cache");
        assert_eq!(cache("useTicketCache=TRUE renewTGT=true"), TicketCache::Default);
        assert_eq!(
            cache("useTicketCache=true ticketCache=\"file:/tmp/x\""),
            TicketCache::File("/tmp/x".to_owned())
        );
        assert_eq!(read("useKeyTab=true principal=a"), Err(LoginModuleError::NoOption("keyTab")));
        assert_eq!(read("useKeyTab=true keyTab=\"/a\""), Err(LoginModuleError::NoOption("principal")));
        assert_eq!(read("keyTab=\"/a\" principal=a"), Err(LoginModuleError::NoSource));
        let renew = "useKeyTab=true keyTab=\"/a\" principal=a renewTGT=true";
        assert_eq!(read(renew), Err(LoginModuleError::RenewTgt));
        let other = jaas::parse_single("com.example.Module required;").expect("an entry");
        let why = LoginModule::from_jaas(&other).expect_err("another module").to_string();
        assert!(why.contains("com.example.Module") && why.contains(KRB5_LOGIN_MODULE), "{why}");
    }
}

//! The login module of a client: `sasl.jaas.config`, else the section `KafkaClient` of the JAAS file that
//! `java.security.auth.login.config` names in `KAFKA_OPTS` (`JaasContext.loadClientContext`).

use ottla_config::java_options::{KAFKA_OPTS, system_properties};
use ottla_config::{ClientValues, ConfigError};
use ottla_security::jaas::{
    self, JaasEntry, JaasFile, LOGIN_CONFIG, OAUTHBEARER_LOGIN_MODULE, PLAIN_LOGIN_MODULE, SCRAM_LOGIN_MODULE,
};
use ottla_security::sasl::Mechanism;

const KEY: &str = "sasl.jaas.config";

/// The login module for a mechanism. `options` are those of a JVM, as `KAFKA_OPTS` holds them. May read a file.
///
/// # Errors
/// When there is none, or it can't be understood.
pub(super) fn entry(
    values: &ClientValues,
    mechanism: Mechanism,
    options: &str,
) -> Result<JaasEntry, ConfigError> {
    let text = values.password(KEY).map(|text| text.expose()).unwrap_or_default();
    if !text.is_empty() {
        return jaas::parse_single(text).map_err(|why| wrong(format!("{KEY}: {why}")));
    }
    let file = JaasFile::named_by(&system_properties(options), |path| std::fs::read_to_string(path))
        .map_err(|why| wrong(why.to_string()))?;
    let modules = file.as_ref().and_then(JaasFile::of_clients).unwrap_or_default();
    let of_mechanism = modules.iter().find(|entry| suits(mechanism, &entry.login_module));
    if let Some(entry) = of_mechanism.or(modules.first()) {
        return Ok(entry.clone());
    }
    if mechanism == Mechanism::OAuthBearer {
        // All that its module has options for has keys too.
        let own = format!("{OAUTHBEARER_LOGIN_MODULE} required;");
        return jaas::parse_single(&own).map_err(|why| wrong(why.to_string()));
    }
    Err(match file {
        None => wrong(format!("No credentials: {KEY} is not set")),
        Some(_) => wrong(format!(
            "No credentials: {KEY} is not set. Could not find a 'KafkaClient' entry in the JAAS configuration that -D{LOGIN_CONFIG} \
             in {KAFKA_OPTS} names"
        )),
    }
    .hint(super::sasl::example(mechanism)))
}

fn wrong(text: String) -> ConfigError {
    ConfigError::config(text).for_key(KEY)
}

/// Whether a login module is one for a mechanism.
fn suits(mechanism: Mechanism, module: &str) -> bool {
    match mechanism {
        Mechanism::Plain | Mechanism::Scram(_) => [PLAIN_LOGIN_MODULE, SCRAM_LOGIN_MODULE].contains(&module),
        Mechanism::OAuthBearer => module == OAUTHBEARER_LOGIN_MODULE,
        #[allow(unreachable_patterns, reason = "there is another one where Kerberos is built in")]
        _ => module == jaas::KRB5_LOGIN_MODULE,
    }
}

#[cfg(test)]
mod tests {
    use ottla_config::Scope;
    use ottla_security::sasl::client::Login;

    use super::*;

    fn found(more: &[(&str, &str)], mechanism: Mechanism, options: &str) -> Result<JaasEntry, String> {
        let entries = more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let values = ClientValues::parse(Scope::Admin, &entries).expect("a configuration");
        entry(&values, mechanism, options).map_err(|why| why.explain())
    }

    fn named(dir: &tempfile::TempDir, text: &str) -> String {
        let path = dir.path().join("jaas.conf");
        std::fs::write(&path, text).expect("a disk");
        format!("-Xmx1G -Dwho=alice -D{LOGIN_CONFIG}={}", path.display())
    }

    #[test]
    fn the_section_of_clients() {
        let dir = tempfile::tempdir().expect("a directory");
        let options = named(
            &dir,
            &format!(
                "KafkaServer {{ {PLAIN_LOGIN_MODULE} required username=broker password=hush; }};
                 KafkaClient {{
                     {OAUTHBEARER_LOGIN_MODULE} required clientId=me;
                     {SCRAM_LOGIN_MODULE} required username=\"${{who}}\" password=hush;
                 }};"
            ),
        );
        let plain = found(&[], Mechanism::Plain, &options).expect("either module of passwords will do");
        assert_eq!(plain.option("username"), Some("alice"));
        assert!(Login::from_jaas(Mechanism::Plain, &plain).is_ok());
        let tokens = found(&[], Mechanism::OAuthBearer, &options).expect("its own module");
        assert_eq!(tokens.option("clientId"), Some("me"));
        let own = format!("{PLAIN_LOGIN_MODULE} required username=bob password=hush;");
        let key = found(&[(KEY, &own)], Mechanism::Plain, &options).expect("the key comes first");
        assert_eq!(key.option("username"), Some("bob"));
        let unnamed = found(&[], Mechanism::OAuthBearer, "").expect("its options have keys");
        assert_eq!(unnamed.login_module, OAUTHBEARER_LOGIN_MODULE);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let check = |options: &str, expect: &str| {
            let why = found(&[], Mechanism::Plain, options).expect_err(expect);
            assert!(why.contains(expect) && !why.contains("hush"), "{why}");
        };
        check("", "sasl.jaas.config is not set");
        check(&format!("-D{LOGIN_CONFIG}=/nowhere/at.all"), "/nowhere/at.all");
        let server = "KafkaServer { M required password=hush; };";
        check(&named(&dir, server), "Could not find a 'KafkaClient' entry");
        check(&named(&dir, "KafkaClient { M needed password=hush; };"), "in the section KafkaClient");
        let other = found(&[], Mechanism::Plain, &named(&dir, "KafkaClient { M required; };"));
        let other = other.expect("whether a module is one that is there is for others to say");
        assert!(Login::from_jaas(Mechanism::Plain, &other).is_err());
    }
}

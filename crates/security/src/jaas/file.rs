//! JAAS files, as `java.security.auth.login.config` names them (`javax.security.auth.login.Configuration`, `JaasContext`).
//!
//! ```text
//! KafkaServer {
//!     org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="secret";
//! };
//! ```
//!
//! Each section has a name and the login modules that belong to it. A listener's own section, such as `external.KafkaServer`, comes
//! before `KafkaServer`; clients have `KafkaClient`.

use std::collections::{BTreeMap, HashMap};
use std::io;

use super::{JaasEntry, JaasError, Token, Tokens, parse_entry};

/// Name of the section of brokers.
const SERVER_SECTION: &str = "KafkaServer";
/// Name of the section of clients.
const CLIENT_SECTION: &str = "KafkaClient";
/// The system property of Java that names the file.
pub const LOGIN_CONFIG: &str = "java.security.auth.login.config";

/// The sections of a file. Its `Debug` form shows no value of an option.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JaasFile {
    sections: BTreeMap<String, Vec<JaasEntry>>,
}

/// What is wrong with a JAAS file. No value of an option is named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum JaasFileError {
    #[error("a section begins with a name and '{{', such as KafkaServer {{")]
    NoSection,
    #[error("the section {0} does not end with '}};'")]
    NotClosed(String),
    #[error("there are two sections {0}")]
    Twice(String),
    #[error("in the section {section}: {why}")]
    Entry { section: String, why: JaasError },
    #[error("in the section {section}, the value of {option}: the property ${{{property}}} is not known")]
    Property { section: String, option: String, property: String },
}

/// Why a JAAS file that is named can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JaasFileFailure {
    /// It can't be read.
    #[error("the JAAS file {path} of -D{LOGIN_CONFIG} in KAFKA_OPTS cannot be read: {why}")]
    Io {
        /// Where it should be.
        path: String,
        /// Why.
        why: io::Error,
    },
    /// It is not one.
    #[error("the JAAS file {path}: {why}")]
    Content {
        /// Where it is.
        path: String,
        /// What is wrong.
        why: JaasFileError,
    },
}

impl JaasFile {
    /// The file that the system properties of a JVM name, if they name one; `read` reads it. Other properties stand in for `${...}` in
    /// it.
    ///
    /// # Errors
    /// When there is no such file, or it is none.
    pub fn named_by(
        properties: &HashMap<String, String>,
        read: impl Fn(&str) -> io::Result<String>,
    ) -> Result<Option<Self>, JaasFileFailure> {
        let Some(path) = properties.get(LOGIN_CONFIG).filter(|path| !path.is_empty()) else {
            return Ok(None);
        };
        // Java takes the name of a file, and `=name` for that file alone, and URLs.
        let path = path.trim_start_matches('=');
        let path = path.strip_prefix("file:").unwrap_or(path);
        let text = read(path).map_err(|why| JaasFileFailure::Io { path: path.to_owned(), why })?;
        let file = Self::parse(&text, |name| properties.get(name).cloned());
        file.map(Some).map_err(|why| JaasFileFailure::Content { path: path.to_owned(), why })
    }

    /// Reads a file's text. `property` gives the values of `${...}` in values of options.
    ///
    /// # Errors
    /// When the text is not made of sections.
    pub fn parse(text: &str, property: impl Fn(&str) -> Option<String>) -> Result<Self, JaasFileError> {
        let mut tokens = Tokens { rest: text };
        let mut sections = BTreeMap::new();
        while let Some(first) = tokens.next() {
            let Token::Text(name) = first else { return Err(JaasFileError::NoSection) };
            if !matches!(tokens.next(), Some(Token::Symbol('{'))) {
                return Err(JaasFileError::NoSection);
            }
            let mut entries = parse_section(&name, &mut tokens)?;
            entries.iter_mut().try_for_each(|entry| expand(&name, entry, &property))?;
            if sections.insert(name.clone(), entries).is_some() {
                return Err(JaasFileError::Twice(name));
            }
        }
        Ok(Self { sections })
    }

    /// The login modules of a section.
    pub fn section(&self, name: &str) -> Option<&[JaasEntry]> {
        self.sections.get(name).map(Vec::as_slice)
    }

    /// The login modules of a listener: of its own section, which its name in lower case begins, else of the brokers'.
    pub fn of_listener(&self, listener: &str) -> Option<&[JaasEntry]> {
        let own = format!("{}.{SERVER_SECTION}", listener.to_lowercase());
        let section = self.sections.get(&own).or_else(|| self.sections.get(SERVER_SECTION));
        section.map(Vec::as_slice)
    }

    /// The login modules of clients.
    pub fn of_clients(&self) -> Option<&[JaasEntry]> {
        self.sections.get(CLIENT_SECTION).map(Vec::as_slice)
    }
}

fn parse_section(name: &str, tokens: &mut Tokens<'_>) -> Result<Vec<JaasEntry>, JaasFileError> {
    let mut entries = Vec::new();
    loop {
        match tokens.next() {
            Some(Token::Symbol('}')) => break,
            Some(first) => {
                let entry = parse_entry(first, tokens);
                entries.push(entry.map_err(|why| JaasFileError::Entry { section: name.to_owned(), why })?);
            }
            None => return Err(JaasFileError::NotClosed(name.to_owned())),
        }
    }
    match tokens.next() {
        Some(Token::Symbol(';')) => Ok(entries),
        _ => Err(JaasFileError::NotClosed(name.to_owned())),
    }
}

/// Puts values in place of `${property}`; `${{...}}` and what has no end stay.
fn expand(
    section: &str,
    entry: &mut JaasEntry,
    property: impl Fn(&str) -> Option<String>,
) -> Result<(), JaasFileError> {
    for (option, value) in &mut entry.options {
        let mut expanded = String::with_capacity(value.len());
        let mut rest = value.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, behind)) = after.split_once('}').filter(|_| !after.starts_with('{')) else {
                break;
            };
            expanded.push_str(before);
            match name {
                "/" => expanded.push('/'),
                name => expanded.push_str(&property(name).ok_or_else(|| JaasFileError::Property {
                    section: section.to_owned(),
                    option: option.clone(),
                    property: name.to_owned(),
                })?),
            }
            rest = behind;
        }
        expanded.push_str(rest);
        *value = expanded;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::jaas::PLAIN_LOGIN_MODULE;

    const TEXT: &str = r#"
        // Who comes from outside.
        external.KafkaServer {
            org.apache.kafka.common.security.scram.ScramLoginModule required;
            org.apache.kafka.common.security.plain.PlainLoginModule required
                username="admin"
                user_alice="a ${who}" /* and */ user_bob="${/}b";
        };
        KafkaServer {
            org.apache.kafka.common.security.plain.PlainLoginModule required user_carol="c";
        };
        Client {
            com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true;
        };
    "#;

    fn parse(text: &str) -> Result<JaasFile, JaasFileError> {
        JaasFile::parse(text, |name| (name == "who").then(|| "hush".to_owned()))
    }

    #[test]
    fn a_listeners_own_section_comes_first() {
        let file = parse(TEXT).expect("a file");
        let of = |listener: &str| file.of_listener(listener).expect("a section");
        assert_eq!(of("EXTERNAL").len(), 2);
        let plain = &of("EXTERNAL")[1];
        assert_eq!(plain.login_module, PLAIN_LOGIN_MODULE);
        assert_eq!((plain.option("user_alice"), plain.option("user_bob")), (Some("a hush"), Some("/b")));
        assert_eq!(of("INTERNAL")[0].option("user_carol"), Some("c"));
        assert!(!format!("{file:?}").contains("hush"));
        assert_eq!(parse("Client { };").expect("a file").of_listener("EXTERNAL"), None);
        assert_eq!(file.of_clients(), None);
        let clients = parse("KafkaClient { M required a=b; };").expect("a file");
        assert_eq!(clients.of_clients().expect("a section")[0].option("a"), Some("b"));
        assert_eq!(parse(" /* nothing */ ").expect("a file"), JaasFile::default());
    }

    #[test]
    fn what_is_refused_and_why() {
        let check = |text: &str, expect: &str| {
            assert_eq!(parse(text).expect_err(text).to_string(), expect);
        };
        check("KafkaServer", "a section begins with a name and '{', such as KafkaServer {");
        check("{ };", "a section begins with a name and '{', such as KafkaServer {");
        check("A { M required;", "the section A does not end with '};'");
        check("A { M required; } B { };", "the section A does not end with '};'");
        check("A { }; A { };", "there are two sections A");
        check(
            "A { M needed; };",
            "in the section A: Invalid login module control flag 'needed' in JAAS config",
        );
        check(
            "A { M required a=\"${b}\"; };",
            "in the section A, the value of a: the property ${b} is not known",
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[ -~\n{};$\"=]{0,80}") {
            let _ = parse(&text);
        }
    }
}

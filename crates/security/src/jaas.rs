//! JAAS configuration strings, as `sasl.jaas.config` holds them (`JaasConfig`, `JaasContext`).
//!
//! ```text
//! org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="secret";
//! ```
//!
//! Kafka reads them with Java's `StreamTokenizer`, whose rules are kept: a value that is not quoted is a word, so one
//! that begins with a digit is refused; a slash begins a comment; a quoted value knows Java's escapes.

mod file;

use std::collections::BTreeMap;
use std::fmt;

pub use file::{JaasFile, JaasFileError, JaasFileFailure, LOGIN_CONFIG};

/// Class of the login module of SASL/PLAIN.
pub const PLAIN_LOGIN_MODULE: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";
/// Class of the login module of SASL/SCRAM.
pub const SCRAM_LOGIN_MODULE: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";
/// Class of the login module of SASL/GSSAPI.
pub const KRB5_LOGIN_MODULE: &str = "com.sun.security.auth.module.Krb5LoginModule";
/// Class of the login module of SASL/OAUTHBEARER.
pub const OAUTHBEARER_LOGIN_MODULE: &str =
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";

/// How much depends on a login module (`LoginModuleControlFlag`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ControlFlag {
    Required,
    Requisite,
    Sufficient,
    Optional,
}

/// One login module and its options. Its `Debug` form shows the options' names only.
#[derive(Clone, PartialEq, Eq)]
pub struct JaasEntry {
    /// The class, of which only the name matters.
    pub login_module: String,
    /// Its flag.
    pub control_flag: ControlFlag,
    options: BTreeMap<String, String>,
}

impl JaasEntry {
    /// The value of an option.
    pub fn option(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(String::as_str)
    }

    /// All options by name.
    pub fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl fmt::Debug for JaasEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.options.keys().map(String::as_str).collect();
        write!(f, "{} {:?} {names:?}", self.login_module, self.control_flag)
    }
}

/// What is wrong with a JAAS configuration. No value of an option is named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum JaasError {
    #[error("Login module not specified in JAAS config")]
    NoModule,
    #[error("Login module control flag not specified in JAAS config")]
    NoFlag,
    #[error("Invalid login module control flag '{0}' in JAAS config")]
    BadFlag(String),
    #[error("Value not specified for key '{0}' in JAAS config")]
    NoValue(String),
    #[error("JAAS config entry not terminated by semi-colon")]
    NotTerminated,
    #[error("JAAS config property contains {0} login modules, should be 1 module")]
    ManyModules(usize),
}

/// Reads all entries of a text; there is at least one.
///
/// # Errors
/// When the text is not a JAAS configuration.
pub fn parse(text: &str) -> Result<Vec<JaasEntry>, JaasError> {
    let mut tokens = Tokens { rest: text };
    let mut entries = Vec::new();
    while let Some(first) = tokens.next() {
        entries.push(parse_entry(first, &mut tokens)?);
    }
    if entries.is_empty() { Err(JaasError::NoModule) } else { Ok(entries) }
}

/// Reads the one entry of a `sasl.jaas.config`.
///
/// # Errors
/// When the text is not a JAAS configuration, or one of several modules.
pub fn parse_single(text: &str) -> Result<JaasEntry, JaasError> {
    let mut entries = parse(text)?;
    match (entries.pop(), entries.len()) {
        (Some(entry), 0) => Ok(entry),
        (_, others) => Err(JaasError::ManyModules(others + 1)),
    }
}

fn parse_entry(first: Token, tokens: &mut Tokens<'_>) -> Result<JaasEntry, JaasError> {
    let Token::Text(login_module) = first else { return Err(JaasError::NoModule) };
    let control_flag = match tokens.next() {
        None => return Err(JaasError::NoFlag),
        Some(Token::Text(flag)) => control_flag(&flag)?,
        Some(_) => return Err(JaasError::NoFlag),
    };
    let mut options = BTreeMap::new();
    loop {
        let key = match tokens.next() {
            None => return Err(JaasError::NotTerminated),
            Some(Token::Symbol(';')) => return Ok(JaasEntry { login_module, control_flag, options }),
            Some(Token::Text(key)) => key,
            Some(_) => return Err(JaasError::NoValue("null".to_owned())),
        };
        match (tokens.next(), tokens.next()) {
            (Some(Token::Symbol('=')), Some(Token::Text(value))) => options.insert(key, value),
            _ => return Err(JaasError::NoValue(key)),
        };
    }
}

fn control_flag(text: &str) -> Result<ControlFlag, JaasError> {
    Ok(match text.to_uppercase().as_str() {
        "REQUIRED" => ControlFlag::Required,
        "REQUISITE" => ControlFlag::Requisite,
        "SUFFICIENT" => ControlFlag::Sufficient,
        "OPTIONAL" => ControlFlag::Optional,
        _ => return Err(JaasError::BadFlag(text.to_owned())),
    })
}

/// What `java.io.StreamTokenizer` tells apart.
enum Token {
    /// A word or a quoted text.
    Text(String),
    /// A number, whose digits nobody asks for.
    Number,
    /// Any other character.
    Symbol(char),
}

struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Option<Token> {
        self.skip_blanks_and_comments();
        let first = self.rest.chars().next()?;
        if first.is_ascii_digit() || first == '.' || first == '-' {
            return Some(self.number_or_minus());
        }
        if is_word_start(first) {
            let end = self.rest.find(|c| !is_word_part(c)).unwrap_or(self.rest.len());
            return Some(Token::Text(self.take(end).to_owned()));
        }
        self.take(first.len_utf8());
        Some(if first == '"' || first == '\'' {
            Token::Text(self.quoted(first))
        } else {
            Token::Symbol(first)
        })
    }

    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches(|c| c <= ' ');
            if let Some(comment) = self.rest.strip_prefix("/*") {
                self.rest = comment.split_once("*/").map_or("", |(_, rest)| rest);
            } else if self.rest.starts_with('/') {
                self.rest = self.rest.find(['\n', '\r']).and_then(|at| self.rest.get(at..)).unwrap_or("");
            } else {
                return;
            }
        }
    }

    /// A minus that no digit follows stands for itself.
    fn number_or_minus(&mut self) -> Token {
        if let Some(rest) = self.rest.strip_prefix('-') {
            self.rest = rest;
            if !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
                return Token::Symbol('-');
            }
        }
        let mut dots = 0;
        let ends = |c: char| {
            dots += usize::from(c == '.');
            !(c.is_ascii_digit() || (c == '.' && dots <= 1))
        };
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        self.take(end);
        Token::Number
    }

    /// The text up to the closing quote, the end of the line, or the end.
    fn quoted(&mut self, quote: char) -> String {
        let mut text = String::new();
        loop {
            let Some(c) = self.rest.chars().next() else { return text };
            if c == '\n' || c == '\r' {
                return text;
            }
            self.take(c.len_utf8());
            if c == quote {
                return text;
            }
            if c == '\\' {
                text.extend(self.escaped());
            } else {
                text.push(c);
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let first = self.rest.chars().next()?;
        if let Some(digit) = first.to_digit(8) {
            // Up to three digits, as long as they stand for one byte.
            let most = if digit <= 3 { 3 } else { 2 };
            let len = self.rest.chars().take(most).take_while(|c| c.is_digit(8)).count();
            return u8::from_str_radix(self.take(len), 8).ok().map(char::from);
        }
        self.take(first.len_utf8());
        Some(match first {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            other => other,
        })
    }
}

/// Letters, `_`, `$`, and all from U+00A0 on. A minus counts, but is looked at as a number's first.
fn is_word_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == '$' || c >= '\u{a0}'
}

fn is_word_part(c: char) -> bool {
    is_word_start(c) || c.is_ascii_digit() || c == '.' || c == '-'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expect: &[(&str, &str)]) {
        let entry = parse_single(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(entry.options().collect::<Vec<_>>(), expect, "{text}");
    }

    #[test]
    fn what_brokers_and_clients_write() {
        let text = "org.apache.kafka.common.security.plain.PlainLoginModule required \n username=\"admin\" user_alice=\"a b\";";
        let entry = parse_single(text).expect("an entry");
        assert_eq!(entry.login_module, PLAIN_LOGIN_MODULE);
        assert_eq!(entry.control_flag, ControlFlag::Required);
        assert_eq!((entry.option("username"), entry.option("user_alice")), (Some("admin"), Some("a b")));
        assert!(!format!("{entry:?}").contains("a b"), "no value is shown");
        check("M optional;", &[]);
        check("M REQUIRED a=b c = 'd' ;", &[("a", "b"), ("c", "d")]);
        check("M required a=\"x\" a=\"y\";", &[("a", "y")]);
        check("M required /* one */ a=b // two\n c=d; / three", &[("a", "b"), ("c", "d")]);
        check(r#"M required a="q\"\\\n\101\7771";"#, &[("a", "q\"\\\nA?71")]);
        check("M required a-b=c_d$e.f-1;", &[("a-b", "c_d$e.f-1")]);
        check("M required a=\u{fc}ber;", &[("a", "\u{fc}ber")]);
    }

    #[test]
    fn what_is_refused_and_why() {
        let check = |text: &str, expect: &str| {
            assert_eq!(parse_single(text).expect_err(text).to_string(), expect);
        };
        check("", "Login module not specified in JAAS config");
        check("M", "Login module control flag not specified in JAAS config");
        check("M needed;", "Invalid login module control flag 'needed' in JAAS config");
        check("M required", "JAAS config entry not terminated by semi-colon");
        check("M required a;", "Value not specified for key 'a' in JAAS config");
        check("M required a=;", "Value not specified for key 'a' in JAAS config");
        check("M required a=1234;", "Value not specified for key 'a' in JAAS config");
        check("M required a=-x;", "Value not specified for key 'a' in JAAS config");
        check("M required a=\"b\"", "JAAS config entry not terminated by semi-colon");
        check("M required; N required;", "JAAS config property contains 2 login modules, should be 1 module");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[ -~\n\\\\\"';=/*\u{fc}]{0,80}") {
            let _ = parse(&text);
        }

        #[test]
        fn quoted_values_are_kept(value in "[^\"\\\\\r\n]{0,20}") {
            let entry = parse_single(&format!("M required key=\"{value}\";")).expect("an entry");
            prop_assert_eq!(entry.option("key"), Some(value.as_str()));
        }
    }
}

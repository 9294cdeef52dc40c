//! A client's first message (RFC 7628 section 3.1, `OAuthBearerClientInitialResponse`).

use std::collections::BTreeMap;

use super::super::SaslError;

/// Between the parts of a message.
const SEPARATOR: char = '\u{1}';
/// The part that holds the token.
const AUTH: &str = "auth";

/// What a client says beside its token (KIP-342), by name.
pub type Extensions = BTreeMap<String, String>;

/// A client's first message. Its `Debug` form shows no token.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientFirst<'a> {
    /// Whom the client wants to be; empty: whom the token names.
    pub authorization_id: &'a str,
    /// The token, whatever it is worth.
    pub token: &'a str,
    /// The rest.
    pub extensions: Extensions,
}

impl std::fmt::Debug for ClientFirst<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientFirst({:?}, {:?})", self.authorization_id, self.extensions.keys())
    }
}

impl<'a> ClientFirst<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// When it is none, or holds no token.
    pub fn parse(message: &'a [u8]) -> Result<Self, SaslError> {
        const MALFORMED: SaslError = SaslError::Hidden("Invalid OAUTHBEARER client first message");
        let text = std::str::from_utf8(message).map_err(|_| MALFORMED)?;
        let (authorization_id, pairs) = split(text).ok_or(MALFORMED)?;
        let mut extensions = Extensions::new();
        for pair in pairs.split_terminator(SEPARATOR) {
            let (key, value) = pair.split_once('=').ok_or(MALFORMED)?;
            let is_new = is_key(key)
                && is_value(value)
                && extensions.insert(key.to_owned(), value.to_owned()).is_none();
            if !is_new {
                return Err(MALFORMED);
            }
        }
        if extensions.remove(AUTH).is_none() {
            return Err(SaslError::Hidden("Invalid OAUTHBEARER client first message: 'auth' not specified"));
        }
        let is_auth = |pair: &&str| pair.starts_with("auth=");
        let auth = pairs.split(SEPARATOR).find(is_auth).and_then(|pair| pair.get(AUTH.len() + 1..));
        let token = auth.and_then(bearer).ok_or(SaslError::Hidden(
            "Invalid OAUTHBEARER client first message: invalid 'auth' format, or another scheme than Bearer",
        ))?;
        Ok(Self { authorization_id, token, extensions })
    }

    /// The message.
    pub fn encode(&self) -> Vec<u8> {
        let authorization_id = match self.authorization_id {
            "" => String::new(),
            id => format!("a={id}"),
        };
        let mut message = format!("n,{authorization_id},{SEPARATOR}auth=Bearer {}{SEPARATOR}", self.token);
        for (name, value) in &self.extensions {
            message.push_str(&format!("{name}={value}{SEPARATOR}"));
        }
        message.push(SEPARATOR);
        message.into_bytes()
    }
}

/// Whether extensions can be sent.
///
/// # Errors
/// Which one can't, in Kafka's words.
pub fn check_extensions(extensions: &Extensions) -> Result<(), SaslError> {
    for (name, value) in extensions {
        if name == AUTH || !is_key(name) {
            return Err(SaslError::Told(format!("Extension name {name} is invalid")));
        }
        if !is_value(value) {
            return Err(SaslError::Told(format!("Extension value for extension {name} is invalid")));
        }
    }
    Ok(())
}

/// Whom the client wants to be, and the pairs, each with its separator.
fn split(text: &str) -> Option<(&str, &str)> {
    let (id, rest) = text.strip_prefix("n,")?.split_once(',')?;
    let authorization_id = match id {
        "" => "",
        id => id.strip_prefix("a=").filter(|id| is_name(id))?,
    };
    let pairs = rest.strip_prefix(SEPARATOR)?.strip_suffix(SEPARATOR)?;
    (pairs.is_empty() || pairs.ends_with(SEPARATOR)).then_some((authorization_id, pairs))
}

/// RFC 5801's `saslname`.
fn is_name(text: &str) -> bool {
    let escaped = text.replace("=2C", "").replace("=3D", "");
    !text.is_empty() && escaped.chars().all(|c| matches!(c, '\u{1}'..='\u{7f}') && c != '=' && c != ',')
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_value(text: &str) -> bool {
    let is_part = |byte| matches!(byte, 0x21..=0x7e | b' ' | b'\t' | b'\r' | b'\n');
    !text.is_empty() && text.bytes().all(is_part)
}

/// The token of an `auth`.
fn bearer(auth: &str) -> Option<&str> {
    let (scheme, token) = auth.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    let body = token.trim_end_matches('=');
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~+/.".contains(&byte);
    (scheme.eq_ignore_ascii_case("bearer") && !body.is_empty() && body.bytes().all(is_part)).then_some(token)
}

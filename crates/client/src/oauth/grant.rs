//! What a token endpoint is asked, and what it answers (RFC 6749, 7521, 7523; `ClientSecretRequestFormatter`,
//! `ClientAssertionRequestFormatter`, `JwtBearerRequestFormatter`, `JwtResponseParser`, `HttpJwtRetriever`).

use ottla_security::base64;
use serde_json::Value;

use super::{RawToken, TokenError};

/// How much of an endpoint's error is repeated.
const ERROR_CHARS_MAX: usize = 500;
/// Statuses that another attempt would not change.
const FINAL_STATUSES: [u16; 17] =
    [400, 401, 402, 403, 404, 405, 406, 407, 409, 410, 411, 412, 413, 414, 415, 501, 505];

/// What a client asks for a token with. Its `Debug` form shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Grant {
    /// `client_credentials`, proved by a secret.
    ClientSecret {
        /// The client.
        id: String,
        /// Its secret.
        secret: String,
        /// The scope to ask for.
        scope: Option<String>,
        /// `sasl.oauthbearer.header.urlencode`: id, secret and scope are encoded as in a form.
        is_encoded: bool,
    },
    /// `client_credentials`, proved by an assertion (KIP-1258).
    ClientAssertion {
        /// The client, where the endpoint does not take it from the assertion.
        id: Option<String>,
        /// The scope to ask for.
        scope: Option<String>,
    },
    /// An assertion for a token (KIP-1139).
    JwtBearer {
        /// The scope to ask for.
        scope: Option<String>,
    },
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ClientSecret { .. } => "ClientSecret",
            Self::ClientAssertion { .. } => "ClientAssertion",
            Self::JwtBearer { .. } => "JwtBearer",
        })
    }
}

impl Grant {
    /// Whether an assertion goes with it.
    pub fn wants_assertion(&self) -> bool {
        !matches!(self, Self::ClientSecret { .. })
    }

    /// Value of the `Authorization` header.
    pub fn authorization(&self) -> Option<String> {
        let Self::ClientSecret { id, secret, is_encoded, .. } = self else { return None };
        let part = |text: &str| if *is_encoded { form_encoded(text) } else { text.to_owned() };
        let pair = format!("{}:{}", part(id), part(secret));
        Some(format!("Basic {}", base64::encode(pair.as_bytes())))
    }

    /// The form, with an assertion where one is wanted.
    pub fn form(&self, assertion: &str) -> String {
        let assertion = form_encoded(assertion);
        let (mut form, scope) = match self {
            Self::ClientSecret { scope, is_encoded, .. } => {
                let scope = scope.as_ref().map(|it| if *is_encoded { form_encoded(it) } else { it.clone() });
                ("grant_type=client_credentials".to_owned(), scope)
            }
            Self::ClientAssertion { id, scope } => {
                let mut form = format!(
                    "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
                     &client_assertion={assertion}&grant_type=client_credentials"
                );
                if let Some(id) = id {
                    form.push_str(&format!("&client_id={}", form_encoded(id)));
                }
                (form, scope.as_deref().map(form_encoded))
            }
            Self::JwtBearer { scope } => (
                format!(
                    "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}"
                ),
                scope.as_deref().map(form_encoded),
            ),
        };
        if let Some(scope) = scope {
            form.push_str(&format!("&scope={scope}"));
        }
        form
    }
}

/// The token of an answer.
///
/// # Errors
/// When the answer is an error, or holds none.
pub fn token_of(status: u16, body: &[u8]) -> Result<RawToken, TokenError> {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    if status != 200 && status != 201 {
        let text = format!("the token endpoint answers with status {status}{}", explained(json.as_ref()));
        let is_final = FINAL_STATUSES.contains(&status);
        return Err(if is_final { TokenError::Refused(text) } else { TokenError::Failed(text) });
    }
    if body.is_empty() {
        return Err(TokenError::Failed("the token endpoint's answer is empty".to_owned()));
    }
    let json =
        json.ok_or_else(|| TokenError::Refused("the token endpoint's answer is not JSON".to_owned()))?;
    let text = |name: &str| json.get(name).and_then(Value::as_str).map(str::trim).filter(|it| !it.is_empty());
    match text("access_token").or_else(|| text("id_token")) {
        Some(token) => Ok(RawToken(token.to_owned())),
        None => Err(TokenError::Refused(
            "the token endpoint's answer has neither access_token nor id_token".to_owned(),
        )),
    }
}

/// What an endpoint says of an error, in the words that RFC 6749 (or Okta) has for it.
fn explained(json: Option<&Value>) -> String {
    let text = |name: &str| json?.get(name).and_then(Value::as_str);
    let (code, more) = match (text("error"), text("errorCode")) {
        (Some(code), _) => (code, text("error_description")),
        (None, Some(code)) => (code, text("errorSummary")),
        (None, None) => return String::new(),
    };
    let told = match more {
        Some(more) => format!(": {code} - {more}"),
        None => format!(": {code}"),
    };
    told.chars().map(|c| if c.is_control() { ' ' } else { c }).take(ERROR_CHARS_MAX).collect()
}

/// As in a form (`java.net.URLEncoder`).
pub fn form_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

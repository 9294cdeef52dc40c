//! Whether a token is to be believed (`BrokerJwtValidator`, jose4j's `JwtConsumer`).

use std::fmt;

use serde_json::Value;

use super::json::Object;
use super::jwks::Jwks;
use super::signature::Algorithm;
use super::{Jwt, Malformed};
use crate::sasl::oauthbearer::{Refusal, Token};

/// How much of a key's id the log shows.
const KEY_ID_CHARS_MAX: usize = 64;

/// What is expected of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    /// `sasl.oauthbearer.expected.audience`: a token must name one of these; when there are none, it must name no audience at all.
    pub audience: Vec<String>,
    /// `sasl.oauthbearer.expected.issuer`: the issuer a token must name; `None`: any.
    pub issuer: Option<String>,
    /// `sasl.oauthbearer.clock.skew.seconds`
    pub clock_skew_seconds: i64,
    /// `sasl.oauthbearer.scope.claim.name`
    pub scope_claim: String,
    /// `sasl.oauthbearer.sub.claim.name`
    pub sub_claim: String,
}

/// Why a token is not believed. Its text is for the log: it holds a key's id, and nothing else of the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidJwt {
    /// It can't be read.
    Malformed(Malformed),
    /// An algorithm that is none, or none that is believed.
    Algorithm,
    /// There is no key to check it with.
    NoKey(Option<String>),
    /// The signature is not that of the key.
    Signature,
    /// What it says is not what is expected.
    Claim(String),
}

impl fmt::Display for InvalidJwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "{why}"),
            Self::Algorithm => {
                f.write_str("the token is signed by an algorithm that is not served; RS*, PS*, ES256, ES384 and EdDSA are")
            }
            Self::NoKey(None) => f.write_str("the token names no key, and none of the issuer's keys fits"),
            Self::NoKey(Some(id)) => {
                let id: String = id.chars().take(KEY_ID_CHARS_MAX).collect();
                write!(f, "none of the issuer's keys fits the token's key id {id:?} and algorithm")
            }
            Self::Signature => f.write_str("the token's signature is not that of the issuer's key"),
            Self::Claim(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for InvalidJwt {}

impl From<InvalidJwt> for Refusal {
    fn from(why: InvalidJwt) -> Refusal {
        Refusal::invalid_token(why.to_string())
    }
}

/// Whether a key is missing to check a token with: its id, or `None` where the token names none. `None` at all: a key is there, or
/// none would help.
pub fn missing_key(token: &str, keys: &Jwks) -> Option<Option<String>> {
    let jwt = Jwt::parse(token).ok()?;
    Algorithm::from_name(&jwt.algorithm)?;
    keys.select(&jwt).is_none().then_some(jwt.key_id)
}

impl Validator {
    /// Checks a token.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn validate(&self, token: &str, keys: &Jwks, now_ms: i64) -> Result<Token, InvalidJwt> {
        let jwt = Jwt::parse(token).map_err(InvalidJwt::Malformed)?;
        if Algorithm::from_name(&jwt.algorithm).is_none() {
            return Err(InvalidJwt::Algorithm);
        }
        let (key, algorithm) = keys.select(&jwt).ok_or_else(|| InvalidJwt::NoKey(jwt.key_id.clone()))?;
        if !key.verifies(algorithm, jwt.signed.as_bytes(), &jwt.signature) {
            return Err(InvalidJwt::Signature);
        }
        let claims = jwt.claims();
        self.check_times(claims, now_ms.div_euclid(1_000)).map_err(InvalidJwt::Claim)?;
        self.check_audience(claims).map_err(InvalidJwt::Claim)?;
        self.check_issuer(claims).map_err(InvalidJwt::Claim)?;
        for name in ["sub", "jti"] {
            text(claims, name).map_err(InvalidJwt::Claim)?;
        }
        read_token(claims, &self.scope_claim, &self.sub_claim).map_err(InvalidJwt::Claim)
    }

    fn check_times(&self, claims: &Object, now: i64) -> Result<(), String> {
        let expires = seconds(claims, "exp")?.ok_or("No Expiration Time (exp) claim present")?;
        let issued = seconds(claims, "iat")?.ok_or("No Issued At (iat) claim present")?;
        let not_before = seconds(claims, "nbf")?;
        let skew = self.clock_skew_seconds;
        if now.saturating_sub(skew) >= expires {
            return Err(format!(
                "the token is no longer valid: exp was {expires}, it is {now}, and the clocks may differ by {skew} seconds"
            ));
        }
        if expires < issued || not_before.is_some_and(|begin| expires < begin) {
            return Err("the token ends (exp) before it begins (iat, nbf)".to_owned());
        }
        match not_before.filter(|begin| now.saturating_add(skew) < *begin) {
            Some(begin) => Err(format!(
                "the token is not yet valid: nbf is {begin}, it is {now}, and the clocks may differ by {skew} seconds"
            )),
            None => Ok(()),
        }
    }

    fn check_audience(&self, claims: &Object) -> Result<(), String> {
        let expected = |name: &Value| self.audience.iter().any(|it| name.as_str() == Some(it));
        let is_expected = match claims.get("aud") {
            None if self.audience.is_empty() => true,
            None => return Err("No Audience (aud) claim present".to_owned()),
            Some(Value::Array(names)) if names.iter().all(Value::is_string) => names.iter().any(expected),
            Some(name @ Value::String(_)) => expected(name),
            Some(_) => {
                return Err("the token's audience (aud) is neither a text nor a list of texts".to_owned());
            }
        };
        match is_expected {
            true => Ok(()),
            false if self.audience.is_empty() => Err(
                "the token names an audience (aud), but sasl.oauthbearer.expected.audience names none; set it".to_owned(),
            ),
            false => Err("the token's audience (aud) is none of sasl.oauthbearer.expected.audience".to_owned()),
        }
    }

    fn check_issuer(&self, claims: &Object) -> Result<(), String> {
        let found = text(claims, "iss")?;
        match &self.issuer {
            Some(expected) if found != Some(expected) => {
                Err("the token's issuer (iss) is not sasl.oauthbearer.expected.issuer".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// What a client may know of its own token without the issuer's keys (`ClientJwtValidator`).
///
/// # Errors
/// When it says not what a token must say.
pub fn inspect(token: &str, scope_claim: &str, sub_claim: &str) -> Result<Token, InvalidJwt> {
    let jwt = Jwt::parse(token).map_err(InvalidJwt::Malformed)?;
    read_token(jwt.claims(), scope_claim, sub_claim).map_err(InvalidJwt::Claim)
}

fn read_token(claims: &Object, scope_claim: &str, sub_claim: &str) -> Result<Token, String> {
    let millis = |name: &str| -> Result<Option<i64>, String> {
        match seconds(claims, name)?.map(|it| it.saturating_mul(1_000)) {
            Some(negative) if negative < 0 => Err(format!("{name} value must be non-negative")),
            found => Ok(found),
        }
    };
    let user = text(claims, sub_claim)?.ok_or_else(|| format!("{sub_claim} value must be non-null"))?;
    Ok(Token {
        user: not_blank(sub_claim, user)?,
        expires_ms: millis("exp")?.ok_or("exp value must be non-null")?,
        issued_ms: millis("iat")?,
        scope: scopes(claims, scope_claim)?,
    })
}

fn scopes(claims: &Object, claim: &str) -> Result<Vec<String>, String> {
    let values = match claims.get(claim) {
        Some(text @ Value::String(_)) => std::slice::from_ref(text),
        Some(Value::Array(values)) => values.as_slice(),
        _ => return Ok(Vec::new()),
    };
    let mut found = Vec::with_capacity(values.len());
    for value in values {
        let scope =
            not_blank(claim, value.as_str().ok_or_else(|| format!("{claim} holds what is no text"))?)?;
        found.push(scope);
    }
    let count = found.len();
    found.sort();
    found.dedup();
    if found.len() == count { Ok(found) } else { Err(format!("{claim} value must not contain duplicates")) }
}

fn not_blank(claim: &str, value: &str) -> Result<String, String> {
    match value.trim() {
        "" => Err(format!("{claim} value must be non-empty")),
        trimmed => Ok(trimmed.to_owned()),
    }
}

/// A claim that must be a text if it is there.
fn text<'a>(claims: &'a Object, name: &str) -> Result<Option<&'a String>, String> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("Could not extract the '{name}' claim from the access token: it is no text")),
    }
}

/// A claim that must be a number if it is there: seconds since 1970, without the fraction.
fn seconds(claims: &Object, name: &str) -> Result<Option<i64>, String> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_i64().or_else(|| number.as_f64().map(|it| it as i64))),
        Some(_) => {
            Err(format!("Could not extract the '{name}' claim from the access token: it is no number"))
        }
    }
}

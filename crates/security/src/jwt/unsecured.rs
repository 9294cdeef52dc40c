//! Tokens without a signature, for development (`OAuthBearerUnsecuredValidatorCallbackHandler`,
//! `OAuthBearerUnsecuredLoginCallbackHandler`, `OAuthBearerUnsecuredJws`). Anybody can make them.

use serde_json::{Number, Value};

use super::json::Object;
use super::object;
use crate::base64;
use crate::jaas::JaasEntry;
use crate::sasl::oauthbearer::{Extensions, Refusal, Token, check_extensions};

/// Begins the options of who checks tokens.
const VALIDATOR: &str = "unsecuredValidator";
/// Begins the options of who makes them.
const LOGIN: &str = "unsecuredLogin";
/// How long they are good for unless it is said.
const LIFETIME_SECONDS: i64 = 3_600;

/// Why options can't be used. No value is named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the option {option} of the login module {why}")]
pub struct InvalidOption {
    option: String,
    why: &'static str,
}

fn invalid(option: impl Into<String>, why: &'static str) -> InvalidOption {
    InvalidOption { option: option.into(), why }
}

/// What is expected of unsecured tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsecuredValidator {
    principal_claim: String,
    scope_claim: String,
    required_scope: Vec<String>,
    clock_skew_ms: i64,
}

impl Default for UnsecuredValidator {
    fn default() -> Self {
        let (principal_claim, scope_claim) = ("sub".to_owned(), "scope".to_owned());
        Self { principal_claim, scope_claim, required_scope: Vec::new(), clock_skew_ms: 0 }
    }
}

/// Whether options ask for tokens without a signature.
pub fn is_asked_for(entry: &JaasEntry) -> bool {
    entry.options().any(|(key, _)| key.starts_with(VALIDATOR) || key.starts_with(LOGIN))
}

impl UnsecuredValidator {
    /// As the options of a login module say.
    ///
    /// # Errors
    /// When an option's value can't be used.
    pub fn new(entry: &JaasEntry) -> Result<Self, InvalidOption> {
        let option = |name: &str| value(entry, &format!("{VALIDATOR}{name}"));
        let clock_skew_ms = match option("AllowableClockSkewMs") {
            None => 0,
            Some(text) => i64::from(text.parse::<i32>().ok().filter(|skew| *skew >= 0).ok_or_else(|| {
                invalid(format!("{VALIDATOR}AllowableClockSkewMs"), "is no number of milliseconds")
            })?),
        };
        let scope = option("RequiredScope").unwrap_or_default();
        let is_item = |item: &str| item.bytes().all(|byte| matches!(byte, b'!' | 0x23..=0x5b | 0x5d..=0x7e));
        let required_scope: Vec<String> =
            scope.split(' ').filter(|item| !item.is_empty()).map(str::to_owned).collect();
        if !required_scope.iter().all(|item| is_item(item)) {
            return Err(invalid(format!("{VALIDATOR}RequiredScope"), "holds what is no scope"));
        }
        Ok(Self {
            principal_claim: option("PrincipalClaimName").unwrap_or("sub").to_owned(),
            scope_claim: option("ScopeClaimName").unwrap_or("scope").to_owned(),
            required_scope,
            clock_skew_ms,
        })
    }

    /// Checks a token.
    ///
    /// # Errors
    /// Why it is no good.
    pub fn validate(&self, token: &str, now_ms: i64) -> Result<Token, Refusal> {
        let claims = unsigned_claims(token).map_err(Refusal::invalid_token)?;
        let token =
            read(&claims, &self.principal_claim, &self.scope_claim).map_err(Refusal::invalid_token)?;
        let now = now_ms as f64;
        let skew = self.clock_skew_ms as f64;
        let expires = seconds(&claims, "exp").map_err(Refusal::invalid_token)?.unwrap_or_default();
        let issued = seconds(&claims, "iat").map_err(Refusal::invalid_token)?;
        if issued.is_some_and(|issued| 1_000.0 * issued > now + skew) {
            return Err(Refusal::invalid_token("the token is issued (iat) in the future"));
        }
        if now - skew >= 1_000.0 * expires {
            return Err(Refusal::invalid_token("the token is no longer valid (exp)"));
        }
        if issued.is_some_and(|issued| expires <= issued) {
            return Err(Refusal::invalid_token("the token ends (exp) before it is issued (iat)"));
        }
        if self.required_scope.iter().all(|item| token.scope.contains(item)) {
            return Ok(token);
        }
        Err(Refusal {
            status: "insufficient_scope",
            scope: Some(format!("[{}]", self.required_scope.join(", "))),
            why: "the token's scope is not all that unsecuredValidatorRequiredScope asks for".to_owned(),
        })
    }
}

/// Makes a token as a client's login module says; `None` when it has no options.
///
/// # Errors
/// When an option's value can't be used, or a token of them would be no good.
pub fn issue(entry: &JaasEntry, now_ms: i64) -> Result<Option<(String, Token)>, InvalidOption> {
    if entry.options().next().is_none() {
        return Ok(None);
    }
    let mut claims = serde_json::Map::new();
    let lifetime = match entry.option("unsecuredLoginLifetimeSeconds") {
        None => LIFETIME_SECONDS,
        Some(text) => {
            text.parse().map_err(|_| invalid("unsecuredLoginLifetimeSeconds", "is no number of seconds"))?
        }
    };
    let now = now_ms as f64 / 1_000.0;
    claims.insert("exp".to_owned(), number("exp", now + lifetime as f64)?);
    claims.insert("iat".to_owned(), number("iat", now)?);
    for (option, text) in entry.options() {
        if let Some((name, value)) = claim(option, text)? {
            if claims.contains_key(name) && ["exp", "iat"].contains(&name) {
                return Err(invalid(option, "sets a claim that is set anyway"));
            }
            claims.insert(name.to_owned(), value);
        }
    }
    let encode = |text: String| base64::encode_url(text.as_bytes());
    let token =
        format!("{}.{}.", encode(r#"{"alg":"none"}"#.to_owned()), encode(Value::Object(claims).to_string()));
    let name = |option: &str, default: &'static str| value(entry, option).unwrap_or(default).to_owned();
    let principal_claim = name("unsecuredLoginPrincipalClaimName", "sub");
    let scope_claim = name("unsecuredLoginScopeClaimName", "scope");
    let bad = |_| invalid("unsecuredLoginStringClaim_sub", "is wanted: it names the user");
    let read = unsigned_claims(&token)
        .map_err(str::to_owned)
        .and_then(|claims| read(&claims, &principal_claim, &scope_claim));
    Ok(Some((token, read.map_err(bad)?)))
}

/// When an unsecured token was issued, if it says so, and when it ends; both in Unix milliseconds.
///
/// # Errors
/// When it is none.
pub fn times(token: &str) -> Result<(Option<i64>, i64), String> {
    let claims = unsigned_claims(token)?;
    let millis =
        |name: &str| Ok::<_, String>(seconds(&claims, name)?.map(|it| (it * 1_000.0).round() as i64));
    Ok((millis("iat")?, millis("exp")?.ok_or("No expiration time in JWT")?))
}

/// The extensions that a login module's options name behind a prefix, such as `unsecuredLoginExtension_` or `extension_`.
///
/// # Errors
/// When one can't be sent.
pub fn extensions(entry: &JaasEntry, prefix: &str) -> Result<Extensions, InvalidOption> {
    let named = entry.options().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?, value)));
    let found: Extensions = named.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    check_extensions(&found)
        .map_err(|_| invalid(format!("{prefix}*"), "names an extension that cannot be sent"))?;
    Ok(found)
}

/// The claim that an option sets.
fn claim<'a>(option: &'a str, text: &str) -> Result<Option<(&'a str, Value)>, InvalidOption> {
    let name = |prefix| option.strip_prefix(prefix).filter(|name: &&str| !name.is_empty());
    if let Some(name) = name("unsecuredLoginStringClaim_") {
        return Ok(Some((name, Value::from(text))));
    }
    if let Some(name) = name("unsecuredLoginNumberClaim_") {
        let value = text.trim().parse().map_err(|_| invalid(option, "is no number"))?;
        return Ok(Some((name, number(option, value)?)));
    }
    // The first character of a list stands between its elements.
    Ok(name("unsecuredLoginListClaim_").map(|name| {
        let mut characters = text.chars();
        let elements: Vec<&str> = match characters.next() {
            Some(delimiter) if !characters.as_str().is_empty() => {
                characters.as_str().split(delimiter).collect()
            }
            _ => Vec::new(),
        };
        (name, Value::from(elements))
    }))
}

fn number(option: &str, value: f64) -> Result<Value, InvalidOption> {
    Number::from_f64(value).map(Value::Number).ok_or_else(|| invalid(option, "is no number"))
}

/// An option that is not blank.
fn value<'a>(entry: &'a JaasEntry, option: &str) -> Option<&'a str> {
    entry.option(option).map(str::trim).filter(|text| !text.is_empty())
}

/// The claims of a token that has no signature and says so.
fn unsigned_claims(token: &str) -> Result<Object, &'static str> {
    let parts: Vec<&str> = token.splitn(4, '.').collect();
    let [header, claims, signature] = parts[..] else {
        return Err(
            "Unsecured JWS compact serializations must have 3 dot-separated Base64URL-encoded values",
        );
    };
    let header = object(header).map_err(|_| "the token's header cannot be read")?;
    if header.get("alg").and_then(Value::as_str) != Some("none") {
        return Err("Unsecured JWS must have 'none' for an algorithm");
    }
    if !signature.is_empty() {
        return Err("Unsecured JWS must not contain a digital signature");
    }
    object(claims).map_err(|_| "the token's claims cannot be read")
}

fn read(claims: &Object, principal_claim: &str, scope_claim: &str) -> Result<Token, String> {
    let millis = |seconds: f64| (seconds * 1_000.0).round() as i64;
    let user = claims.get(principal_claim).and_then(Value::as_str).filter(|user| !user.trim().is_empty());
    let scopes: Vec<&str> = match claims.get(scope_claim) {
        None => Vec::new(),
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        Some(_) => return Err(format!("The '{scope_claim}' claim was neither a text nor a list")),
    };
    let mut scope: Vec<String> =
        scopes.into_iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect();
    scope.sort();
    scope.dedup();
    Ok(Token {
        user: user.ok_or_else(|| format!("No principal name in JWT claim: {principal_claim}"))?.to_owned(),
        expires_ms: seconds(claims, "exp")?.map(millis).ok_or("No expiration time in JWT")?,
        issued_ms: seconds(claims, "iat")?.map(millis),
        scope,
    })
}

fn seconds(claims: &Object, name: &str) -> Result<Option<f64>, String> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => {
            value.as_f64().map(Some).ok_or_else(|| format!("The '{name}' claim was not of type Number"))
        }
    }
}

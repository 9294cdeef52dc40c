//! JSON Web Tokens (RFC 7519) as OAuth issues them: what they say, and whether to believe it.
//!
//! | module | what |
//! | --- | --- |
//! | [`validator`] | [`Validator`]: signature and claims, as `BrokerJwtValidator` and jose4j look at them |
//! | [`jwks`] | [`Jwks`]: the issuer's keys (RFC 7517), and which of them a token is signed with |
//! | [`signature`] | algorithms (RFC 7518) |
//! | [`missing`] | how often unknown keys are asked for |
//! | [`retry`] | pauses between attempts |
//! | [`unsecured`] | tokens without a signature, for development |
//! | [`json`] | objects whose names are there once |
//!
//! *Invariant:* what a token is checked by follows from the issuer's key: a token's `alg` only chooses among what that key can do, and
//! neither `none` nor a symmetric algorithm is ever among it.

pub mod json;
pub mod jwks;
pub mod missing;
pub mod retry;
pub mod signature;
pub mod unsecured;
pub mod validator;

pub use jwks::Jwks;
pub use missing::MissingKeys;
pub use retry::Retries;
pub use unsecured::UnsecuredValidator;
pub use validator::Validator;

use crate::base64;
use json::Object;

/// Why a token can't be read. Nothing of it is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not three parts.
    #[error("Malformed JWT provided; expected three sections (header, payload, and signature)")]
    Sections,
    /// Not Base64.
    #[error("a part of the token is not Base64 for URLs without padding")]
    Base64,
    /// Not JSON.
    #[error("header or payload of the token are not JSON objects whose names are there once")]
    Json,
    /// A header's value.
    #[error("the token's header has no alg, or an alg or kid that is no text")]
    Header,
    /// An extension that must be understood.
    #[error("the token's header names extensions as critical; none is known here")]
    Critical,
}

/// A token in its parts (RFC 7515, compact). Its `Debug` form shows the header's algorithm and key only.
pub struct Jwt<'a> {
    /// `alg`
    pub algorithm: String,
    /// `kid`
    pub key_id: Option<String>,
    claims: Object,
    signed: &'a str,
    signature: Vec<u8>,
}

impl std::fmt::Debug for Jwt<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Jwt({:?}, {:?})", self.algorithm, self.key_id)
    }
}

impl<'a> Jwt<'a> {
    /// Takes a token apart. It says nothing about whether it is to be believed.
    ///
    /// # Errors
    /// When it is no signed token.
    pub fn parse(token: &'a str) -> Result<Self, Malformed> {
        let token = token.trim();
        let (signed, signature) = token.rsplit_once('.').ok_or(Malformed::Sections)?;
        let (header, claims) = signed.split_once('.').ok_or(Malformed::Sections)?;
        if claims.contains('.') || [header, claims, signature].contains(&"") {
            return Err(Malformed::Sections);
        }
        let header = object(header)?;
        let text = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(value) => value.as_str().map(|text| Some(text.to_owned())).ok_or(Malformed::Header),
        };
        if header.get("crit").is_some() {
            return Err(Malformed::Critical);
        }
        Ok(Self {
            algorithm: text("alg")?.ok_or(Malformed::Header)?,
            key_id: text("kid")?,
            claims: object(claims)?,
            signed,
            signature: base64::decode_url(signature).ok_or(Malformed::Base64)?,
        })
    }

    /// What the token says, whether it is signed well or not.
    pub fn claims(&self) -> &Object {
        &self.claims
    }
}

/// The JSON object of a part.
fn object(part: &str) -> Result<Object, Malformed> {
    Object::parse(&base64::decode_url(part).ok_or(Malformed::Base64)?).ok_or(Malformed::Json)
}

#[cfg(test)]
#[path = "jwt_test.rs"]
mod jwt_test;

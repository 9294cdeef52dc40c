//! The keys of an issuer (RFC 7517), and which of them a token is signed with (jose4j's `JsonWebKeySet`,
//! `VerificationJwkSelector`).

use serde_json::Value;

use super::Jwt;
use super::json::Object;
use super::signature::{Algorithm, PublicKey};
use crate::base64;

/// Keys of a set; more are refused, not cut.
pub const KEYS_MAX: usize = 1_000;

/// Why a set of keys can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJwks {
    /// Not a set.
    #[error("no JSON object with a list \"keys\"")]
    Shape,
    /// Too many.
    #[error("more than 1000 keys")]
    TooMany,
}

/// The keys of an issuer that signatures can be checked with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jwks {
    keys: Vec<Key>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    id: Option<String>,
    algorithm: Option<String>,
    public: PublicKey,
}

impl Jwks {
    /// Reads a set. Keys for other purposes, of other kinds, and broken ones are left out, as jose4j does.
    ///
    /// # Errors
    /// When it is no set.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidJwks> {
        let object = Object::parse(bytes).ok_or(InvalidJwks::Shape)?;
        let keys = object.get("keys").and_then(Value::as_array).ok_or(InvalidJwks::Shape)?;
        if keys.len() > KEYS_MAX {
            return Err(InvalidJwks::TooMany);
        }
        Ok(Self { keys: keys.iter().filter_map(Key::read).collect() })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether there is a key of this id.
    pub fn has(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// The key that a token is to be checked with: of its id, if it names one, and fit for its algorithm. Of several that which names
    /// the algorithm, else the first. A key that names another algorithm is not used, which jose4j would do if there is only one.
    pub fn select(&self, jwt: &Jwt<'_>) -> Option<(&PublicKey, Algorithm)> {
        let algorithm = Algorithm::from_name(&jwt.algorithm)?;
        let mut fit = self.keys.iter().filter(|key| {
            let is_id = jwt.key_id.is_none() || key.id == jwt.key_id;
            let is_algorithm = key.algorithm.as_ref().is_none_or(|name| *name == jwt.algorithm);
            is_id && is_algorithm && key.public.fits(algorithm)
        });
        let first = fit.next()?;
        let named = std::iter::once(first).chain(fit).find(|key| key.algorithm.is_some());
        Some((&named.unwrap_or(first).public, algorithm))
    }
}

impl Key {
    fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let is_for_signatures = value.get("use").is_none_or(|it| it.as_str() == Some("sig"));
        let verifies = |it: &Value| it.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify"));
        if !(is_for_signatures && value.get("key_ops").is_none_or(verifies)) {
            return None;
        }
        let number = |name: &str| text(name).and_then(base64::decode_url);
        let point = |size: usize| {
            let mut point = vec![4];
            point.extend(padded(&number("x")?, size)?);
            point.extend(padded(&number("y")?, size)?);
            Some(point)
        };
        let public = match (text("kty")?, text("crv")) {
            ("RSA", _) => PublicKey::Rsa { n: stripped(number("n")?), e: stripped(number("e")?) },
            ("EC", Some("P-256")) => PublicKey::P256(point(32)?),
            ("EC", Some("P-384")) => PublicKey::P384(point(48)?),
            ("OKP", Some("Ed25519")) => PublicKey::Ed25519(number("x")?),
            _ => return None,
        };
        Some(Self { id: text("kid").map(str::to_owned), algorithm: text("alg").map(str::to_owned), public })
    }
}

/// A number without leading zeros, as `ring` wants it.
fn stripped(number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default().to_vec()
}

/// A number in as many bytes as it must have; some issuers leave out leading zeros.
fn padded(number: &[u8], size: usize) -> Option<Vec<u8>> {
    let missing = size.checked_sub(number.len())?;
    Some(std::iter::repeat_n(0, missing).chain(number.iter().copied()).collect())
}

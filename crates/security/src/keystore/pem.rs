//! PEM (RFC 7468): Base64 between lines that say what it is. What stands around is skipped, as are headers within.

use super::{StoreError, encrypted, is_der};
use crate::base64;

/// All certificates of a text.
pub(super) fn certificates(text: &str) -> Result<Vec<Vec<u8>>, StoreError> {
    sections(text).filter(|(label, _)| *label == "CERTIFICATE").map(|(_, body)| decode(body)).collect()
}

/// The first private key of a text.
pub(super) fn private_key(text: &str, password: Option<&str>) -> Result<Vec<u8>, StoreError> {
    let (label, body) =
        sections(text).find(|(label, _)| label.ends_with("PRIVATE KEY")).ok_or(StoreError::NoKey)?;
    if body.contains("ENCRYPTED") {
        return Err(StoreError::Algorithm("the old form of PEM (Proc-Type)".to_owned()));
    }
    let der = decode(body)?;
    match label {
        "ENCRYPTED PRIVATE KEY" => encrypted::pkcs8(&der, password.ok_or(StoreError::NoPassword)?),
        "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => Ok(der),
        other => Err(StoreError::Algorithm(other.to_owned())),
    }
}

/// Labels and what stands under them.
fn sections(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, begun) = rest.split_once("-----BEGIN ")?;
        let (label, body) = begun.split_once("-----")?;
        let (body, after) = body.split_once("-----END ")?;
        rest = after;
        Some((label, body))
    })
}

fn decode(body: &str) -> Result<Vec<u8>, StoreError> {
    let base64: String = body
        .lines()
        .filter(|line| !line.contains(':'))
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect();
    base64::decode(&base64).filter(|der| is_der(der)).ok_or(StoreError::Malformed)
}

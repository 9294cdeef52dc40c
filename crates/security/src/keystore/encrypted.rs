//! What a password protects: PBES2 (PKCS#5, RFC 8018) with AES, and the older scheme of PKCS#12 (RFC 7292) with triple DES.

use aes::{Aes128, Aes192, Aes256};
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockDecryptMut, KeyIvInit};
use des::TdesEde3;
use hmac::Hmac;
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha384, Sha512};

use super::StoreError;
use crate::der::{Der, oid_text, tag};

const PBES2: &str = "1.2.840.113549.1.5.13";
const PBKDF2: &str = "1.2.840.113549.1.5.12";
const PBE_SHA1_3DES: &str = "1.2.840.113549.1.12.1.3";
/// The most rounds that a file can make a start wait for: seconds.
const ITERATIONS_MAX: u32 = 10_000_000;

/// The key of an `EncryptedPrivateKeyInfo`.
pub(super) fn pkcs8(der: &[u8], password: &str) -> Result<Vec<u8>, StoreError> {
    let mut info = Der::new(der).inside(tag::SEQUENCE).ok_or(StoreError::Malformed)?;
    let algorithm = info.inside(tag::SEQUENCE).ok_or(StoreError::Malformed)?;
    let bytes = info.expect(tag::OCTET_STRING).ok_or(StoreError::Malformed)?;
    let key = decrypt(algorithm, bytes, password)?;
    if super::is_der(&key) { Ok(key) } else { Err(StoreError::Password) }
}

/// What was encrypted by an `AlgorithmIdentifier`'s scheme.
pub(super) fn decrypt(mut algorithm: Der<'_>, bytes: &[u8], password: &str) -> Result<Vec<u8>, StoreError> {
    let oid = algorithm.expect(tag::OID).and_then(oid_text).ok_or(StoreError::Malformed)?;
    let parameters = algorithm.inside(tag::SEQUENCE).ok_or(StoreError::Malformed)?;
    match oid.as_str() {
        PBES2 => pbes2(parameters, bytes, password),
        PBE_SHA1_3DES => triple_des(parameters, bytes, password),
        _ => Err(StoreError::Algorithm(name(&oid))),
    }
}

fn name(oid: &str) -> String {
    match oid {
        "1.2.840.113549.1.12.1.6" => "RC2 with 40 bits".to_owned(),
        other => format!("the algorithm {other}"),
    }
}

fn pbes2(mut parameters: Der<'_>, bytes: &[u8], password: &str) -> Result<Vec<u8>, StoreError> {
    let mut derivation = parameters.inside(tag::SEQUENCE).ok_or(StoreError::Malformed)?;
    let mut cipher = parameters.inside(tag::SEQUENCE).ok_or(StoreError::Malformed)?;
    let derivation_oid = derivation.expect(tag::OID).and_then(oid_text).ok_or(StoreError::Malformed)?;
    if derivation_oid != PBKDF2 {
        return Err(StoreError::Algorithm(name(&derivation_oid)));
    }
    let derivation = derivation.inside(tag::SEQUENCE).ok_or(StoreError::Malformed)?;
    let cipher_oid = cipher.expect(tag::OID).and_then(oid_text).ok_or(StoreError::Malformed)?;
    let iv = cipher.expect(tag::OCTET_STRING).ok_or(StoreError::Malformed)?;
    let derive = |len| pbkdf2_key(derivation, password, len);
    match cipher_oid.as_str() {
        "2.16.840.1.101.3.4.1.2" => cbc::<Aes128>(&derive(16)?, iv, bytes),
        "2.16.840.1.101.3.4.1.22" => cbc::<Aes192>(&derive(24)?, iv, bytes),
        "2.16.840.1.101.3.4.1.42" => cbc::<Aes256>(&derive(32)?, iv, bytes),
        "1.2.840.113549.3.7" => cbc::<TdesEde3>(&derive(24)?, iv, bytes),
        other => Err(StoreError::Algorithm(name(other))),
    }
}

fn pbkdf2_key(mut parameters: Der<'_>, password: &str, len: usize) -> Result<Vec<u8>, StoreError> {
    let salt = parameters.expect(tag::OCTET_STRING).ok_or(StoreError::Malformed)?;
    let rounds = iterations(parameters.number())?;
    if parameters.peek() == Some(tag::INTEGER) {
        parameters.value();
    }
    let hash = match parameters.inside(tag::SEQUENCE) {
        None => "1.2.840.113549.2.7".to_owned(),
        Some(mut hash) => hash.expect(tag::OID).and_then(oid_text).ok_or(StoreError::Malformed)?,
    };
    let mut key = vec![0; len];
    let (password, out) = (password.as_bytes(), key.as_mut_slice());
    let derived = match hash.as_str() {
        "1.2.840.113549.2.7" => pbkdf2::pbkdf2::<Hmac<Sha1>>(password, salt, rounds, out),
        "1.2.840.113549.2.9" => pbkdf2::pbkdf2::<Hmac<Sha256>>(password, salt, rounds, out),
        "1.2.840.113549.2.10" => pbkdf2::pbkdf2::<Hmac<Sha384>>(password, salt, rounds, out),
        "1.2.840.113549.2.11" => pbkdf2::pbkdf2::<Hmac<Sha512>>(password, salt, rounds, out),
        other => return Err(StoreError::Algorithm(name(other))),
    };
    derived.map_err(|_| StoreError::Malformed)?;
    Ok(key)
}

pub(super) fn iterations(number: Option<u32>) -> Result<u32, StoreError> {
    number.filter(|number| (1..=ITERATIONS_MAX).contains(number)).ok_or(StoreError::Malformed)
}

fn triple_des(mut parameters: Der<'_>, bytes: &[u8], password: &str) -> Result<Vec<u8>, StoreError> {
    let salt = parameters.expect(tag::OCTET_STRING).ok_or(StoreError::Malformed)?;
    let rounds = iterations(parameters.number())?;
    let password = bmp(password);
    let key = pkcs12_key::<Sha1>(1, &password, salt, rounds, 64, 24);
    let iv = pkcs12_key::<Sha1>(2, &password, salt, rounds, 64, 8);
    cbc::<TdesEde3>(&key, &iv, bytes)
}

fn cbc<C>(key: &[u8], iv: &[u8], bytes: &[u8]) -> Result<Vec<u8>, StoreError>
where
    C: cbc::cipher::BlockCipher + cbc::cipher::BlockDecryptMut + cbc::cipher::KeyInit,
    Decryptor<C>: KeyIvInit + BlockDecryptMut,
{
    let cipher = Decryptor::<C>::new_from_slices(key, iv).map_err(|_| StoreError::Malformed)?;
    // A wrong password shows in the padding.
    cipher.decrypt_padded_vec_mut::<Pkcs7>(bytes).map_err(|_| StoreError::Password)
}

/// A password as PKCS#12 hashes it: UTF-16 with a zero behind it.
pub(super) fn bmp(password: &str) -> Vec<u8> {
    password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect()
}

/// The derivation of RFC 7292, appendix B.2: key material for one purpose (1 keys, 2 initial vectors, 3 authentication).
/// `block` is the hash's block in bytes.
pub(super) fn pkcs12_key<D: Digest>(
    purpose: u8,
    password: &[u8],
    salt: &[u8],
    rounds: u32,
    block: usize,
    len: usize,
) -> Vec<u8> {
    let diversifier = vec![purpose; block];
    let fill = |bytes: &[u8]| -> Vec<u8> {
        let padded = bytes.len().next_multiple_of(block);
        bytes.iter().copied().cycle().take(if bytes.is_empty() { 0 } else { padded }).collect()
    };
    let mut input = [fill(salt), fill(password)].concat();
    let mut out = Vec::with_capacity(len);
    while out.len() < len {
        let mut hash = D::new().chain_update(&diversifier).chain_update(&input).finalize();
        for _ in 1..rounds {
            hash = D::digest(&hash);
        }
        out.extend_from_slice(&hash);
        let addend: Vec<u8> = hash.iter().copied().cycle().take(block).collect();
        for chunk in input.chunks_mut(block) {
            // chunk = chunk + addend + 1, as numbers of the block's size.
            let mut carry = 1_u16;
            for (byte, more) in chunk.iter_mut().zip(&addend).rev() {
                carry += u16::from(*byte) + u16::from(*more);
                *byte = carry as u8;
                carry >>= 8;
            }
        }
    }
    out.truncate(len);
    out
}

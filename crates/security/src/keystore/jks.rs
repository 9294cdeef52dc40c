//! JKS, the form that Java's key stores had before PKCS#12 (`sun.security.provider.JavaKeyStore`).
//!
//! ```text
//! magic version count (1 alias date key-length key chain-length (type length certificate)* | 2 alias date type length certificate)* sha1
//! ```

use sha1::{Digest, Sha1};

use super::{KeyEntry, StoreError, is_der};
use crate::der::{Der, oid_text, tag};
use crate::sasl::hash::equal;

const MAGIC: u32 = 0xfeed_feed;
const KEY: u32 = 1;
const CERTIFICATE: u32 = 2;
/// The algorithm by which a key is hidden.
const KEY_PROTECTOR: &str = "1.3.6.1.4.1.42.2.17.1.1";
const SHA1_LEN: usize = 20;

/// What a store holds.
#[derive(Default)]
pub(super) struct Store {
    keys: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    certificates: Vec<Vec<u8>>,
}

impl Store {
    /// The first key and its certificates.
    pub(super) fn into_key(self, password: Option<&str>) -> Result<KeyEntry, StoreError> {
        let (hidden, certificate_chain) = self.keys.into_iter().next().ok_or(StoreError::NoKey)?;
        if certificate_chain.is_empty() {
            return Err(StoreError::NoKey);
        }
        let private_key = recover(&hidden, password.ok_or(StoreError::NoPassword)?)?;
        Ok(KeyEntry { private_key, certificate_chain })
    }

    /// The certificates that stand for themselves.
    pub(super) fn trusted(self) -> Vec<Vec<u8>> {
        self.certificates
    }
}

/// Reads a store, and checks by its password that nobody has changed it.
pub(super) fn read(bytes: &[u8], password: &str) -> Result<Store, StoreError> {
    read_unchecked(bytes, Some(password))
}

/// Likewise; without a password nothing is checked.
pub(super) fn read_unchecked(bytes: &[u8], password: Option<&str>) -> Result<Store, StoreError> {
    let end = bytes.len().checked_sub(SHA1_LEN).ok_or(StoreError::Malformed)?;
    let (contents, digest) = bytes.split_at_checked(end).ok_or(StoreError::Malformed)?;
    let store = parse(contents).ok_or(StoreError::Malformed)?;
    if let Some(password) = password {
        let hash = Sha1::new().chain_update(utf16(password)).chain_update(b"Mighty Aphrodite");
        if !equal(&hash.chain_update(contents).finalize(), digest) {
            return Err(StoreError::Password);
        }
    }
    Ok(store)
}

fn parse(contents: &[u8]) -> Option<Store> {
    let mut input = Input { rest: contents };
    if input.u32()? != MAGIC {
        return None;
    }
    let version = input.u32()?;
    let count = input.u32()?;
    let mut store = Store::default();
    for _ in 0..count {
        let kind = input.u32()?;
        input.text()?;
        input.take(8)?;
        match kind {
            KEY => {
                let key = input.block()?.to_vec();
                let chain = (0..input.u32()?).map(|_| input.certificate(version)).collect::<Option<_>>()?;
                store.keys.push((key, chain));
            }
            CERTIFICATE => store.certificates.push(input.certificate(version)?),
            _ => return None,
        }
    }
    input.rest.is_empty().then_some(store)
}

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn block(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.u32()?).ok()?;
        self.take(len)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let len = self.take(2)?.try_into().ok().map(u16::from_be_bytes)?;
        self.take(usize::from(len))
    }

    fn certificate(&mut self, version: u32) -> Option<Vec<u8>> {
        // The first version did not say of what type certificates are.
        if version > 1 {
            self.text()?;
        }
        self.block().map(<[u8]>::to_vec)
    }
}

/// A hidden key: salt, key under a stream of hashes, hash of the key.
fn recover(hidden: &[u8], password: &str) -> Result<Vec<u8>, StoreError> {
    let malformed = || StoreError::Malformed;
    let mut info = Der::new(hidden).inside(tag::SEQUENCE).ok_or_else(malformed)?;
    let mut algorithm = info.inside(tag::SEQUENCE).ok_or_else(malformed)?;
    let oid = algorithm.expect(tag::OID).and_then(oid_text).ok_or_else(malformed)?;
    if oid != KEY_PROTECTOR {
        return Err(StoreError::Algorithm(format!("the algorithm {oid}")));
    }
    let bytes = info.expect(tag::OCTET_STRING).ok_or_else(malformed)?;
    let end = bytes.len().checked_sub(SHA1_LEN).ok_or_else(malformed)?;
    let (rest, check) = bytes.split_at_checked(end).ok_or_else(malformed)?;
    let (salt, cipher) = rest.split_at_checked(SHA1_LEN).ok_or_else(malformed)?;
    let password = utf16(password);
    let mut key = Vec::with_capacity(cipher.len());
    let mut digest = salt.to_vec();
    for chunk in cipher.chunks(SHA1_LEN) {
        digest = Sha1::new().chain_update(&password).chain_update(&digest).finalize().to_vec();
        key.extend(chunk.iter().zip(&digest).map(|(byte, mask)| byte ^ mask));
    }
    let found = Sha1::new().chain_update(&password).chain_update(&key).finalize();
    if equal(&found, check) && is_der(&key) { Ok(key) } else { Err(StoreError::Password) }
}

fn utf16(password: &str) -> Vec<u8> {
    password.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

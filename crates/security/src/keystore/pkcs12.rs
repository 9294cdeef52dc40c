//! PKCS#12 (RFC 7292), as keytool and openssl write it.

use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::{KeyEntry, StoreError, chain_from, encrypted};
use crate::der::{Der, oid_text, tag};

const DATA: &str = "1.2.840.113549.1.7.1";
const ENCRYPTED_DATA: &str = "1.2.840.113549.1.7.6";
const KEY_BAG: &str = "1.2.840.113549.1.12.10.1.1";
const SHROUDED_KEY_BAG: &str = "1.2.840.113549.1.12.10.1.2";
const CERTIFICATE_BAG: &str = "1.2.840.113549.1.12.10.1.3";
const X509: &str = "1.2.840.113549.1.9.22.1";
const LOCAL_KEY_ID: &str = "1.2.840.113549.1.9.21";

/// What a store holds.
#[derive(Default)]
pub(super) struct Store {
    keys: Vec<Key>,
    certificates: Vec<Certificate>,
}

struct Key {
    der: Vec<u8>,
    is_encrypted: bool,
    id: Option<Vec<u8>>,
}

struct Certificate {
    der: Vec<u8>,
    id: Option<Vec<u8>>,
}

impl Store {
    /// The first key and its certificates.
    pub(super) fn into_key(self, password: Option<&str>) -> Result<KeyEntry, StoreError> {
        let key = self.keys.into_iter().next().ok_or(StoreError::NoKey)?;
        let private_key = if key.is_encrypted {
            encrypted::pkcs8(&key.der, password.unwrap_or_default())?
        } else {
            key.der
        };
        let mut certificates = self.certificates;
        let first = certificates.iter().position(|it| it.id.is_some() && it.id == key.id).unwrap_or(0);
        if certificates.is_empty() {
            return Err(StoreError::NoKey);
        }
        let first = certificates.remove(first).der;
        let others = certificates.into_iter().map(|it| it.der).collect();
        Ok(KeyEntry { private_key, certificate_chain: chain_from(first, others) })
    }

    /// The certificates that stand for themselves; those of keys are not trusted for that.
    pub(super) fn trusted(self) -> Vec<Vec<u8>> {
        let of_key = |it: &Certificate| it.id.is_some() && self.keys.iter().any(|key| key.id == it.id);
        self.certificates.iter().filter(|it| !of_key(it)).map(|it| it.der.clone()).collect()
    }
}

/// Reads a store, and checks by its password that nobody has changed it.
pub(super) fn read(bytes: &[u8], password: &str) -> Result<Store, StoreError> {
    let malformed = || StoreError::Malformed;
    let mut pfx = Der::new(bytes).inside(tag::SEQUENCE).ok_or_else(malformed)?;
    pfx.number().filter(|version| *version == 3).ok_or_else(malformed)?;
    let content = content_info(&mut pfx).filter(|(kind, _)| kind == DATA).ok_or_else(malformed)?.1;
    let safe = Der::new(content).expect(tag::OCTET_STRING).ok_or_else(malformed)?;
    if !pfx.is_empty() {
        check(pfx.inside(tag::SEQUENCE).ok_or_else(malformed)?, safe, password)?;
    }
    let mut store = Store::default();
    let mut parts = Der::new(safe).inside(tag::SEQUENCE).ok_or_else(malformed)?;
    while !parts.is_empty() {
        let (kind, content) = content_info(&mut parts).ok_or_else(malformed)?;
        match kind.as_str() {
            DATA => {
                let bags = Der::new(content).expect(tag::OCTET_STRING).ok_or_else(malformed)?;
                store.add(bags).ok_or_else(malformed)?;
            }
            ENCRYPTED_DATA => {
                let bags = decrypt(content, password)?;
                store.add(&bags).ok_or(StoreError::Password)?;
            }
            other => return Err(StoreError::Algorithm(format!("the content type {other}"))),
        }
    }
    Ok(store)
}

/// A `ContentInfo`'s type and content.
fn content_info<'a>(der: &mut Der<'a>) -> Option<(String, &'a [u8])> {
    let mut info = der.inside(tag::SEQUENCE)?;
    Some((oid_text(info.expect(tag::OID)?)?, info.expect(tag::CONTEXT_0)?))
}

fn decrypt(content: &[u8], password: &str) -> Result<Vec<u8>, StoreError> {
    let malformed = || StoreError::Malformed;
    let mut data = Der::new(content).inside(tag::SEQUENCE).ok_or_else(malformed)?;
    data.number().ok_or_else(malformed)?;
    let mut info = data.inside(tag::SEQUENCE).ok_or_else(malformed)?;
    info.expect(tag::OID).ok_or_else(malformed)?;
    let algorithm = info.inside(tag::SEQUENCE).ok_or_else(malformed)?;
    let bytes = info.expect(tag::CONTEXT_0_PRIMITIVE).ok_or_else(malformed)?;
    encrypted::decrypt(algorithm, bytes, password)
}

/// `MacData` over the contents.
fn check(mut data: Der<'_>, contents: &[u8], password: &str) -> Result<(), StoreError> {
    let malformed = || StoreError::Malformed;
    let mut info = data.inside(tag::SEQUENCE).ok_or_else(malformed)?;
    let mut algorithm = info.inside(tag::SEQUENCE).ok_or_else(malformed)?;
    let oid = algorithm.expect(tag::OID).and_then(oid_text).ok_or_else(malformed)?;
    let expected = info.expect(tag::OCTET_STRING).ok_or_else(malformed)?;
    let salt = data.expect(tag::OCTET_STRING).ok_or_else(malformed)?;
    let rounds = if data.is_empty() { 1 } else { encrypted::iterations(data.number())? };
    let password = encrypted::bmp(password);
    macro_rules! verify {
        ($hash:ty, $block:expr, $len:expr) => {{
            let key = encrypted::pkcs12_key::<$hash>(3, &password, salt, rounds, $block, $len);
            <Hmac<$hash> as Mac>::new_from_slice(&key)
                .is_ok_and(|mac| mac.chain_update(contents).verify_slice(expected).is_ok())
        }};
    }
    let is_right = match oid.as_str() {
        "1.3.14.3.2.26" => verify!(Sha1, 64, 20),
        "2.16.840.1.101.3.4.2.1" => verify!(Sha256, 64, 32),
        "2.16.840.1.101.3.4.2.2" => verify!(Sha384, 128, 48),
        "2.16.840.1.101.3.4.2.3" => verify!(Sha512, 128, 64),
        other => return Err(StoreError::Algorithm(format!("the digest {other}"))),
    };
    if is_right { Ok(()) } else { Err(StoreError::Password) }
}

impl Store {
    /// Adds the keys and certificates of a `SafeContents`; `None` when it is malformed.
    fn add(&mut self, bags: &[u8]) -> Option<()> {
        let mut bags = Der::new(bags).inside(tag::SEQUENCE)?;
        while !bags.is_empty() {
            let mut bag = bags.inside(tag::SEQUENCE)?;
            let kind = oid_text(bag.expect(tag::OID)?)?;
            let value = bag.expect(tag::CONTEXT_0)?;
            let id = if bag.is_empty() { None } else { local_key_id(bag.inside(tag::SET)?) };
            match kind.as_str() {
                KEY_BAG => self.keys.push(Key { der: value.to_vec(), is_encrypted: false, id }),
                SHROUDED_KEY_BAG => self.keys.push(Key { der: value.to_vec(), is_encrypted: true, id }),
                CERTIFICATE_BAG => {
                    let mut certificate = Der::new(value).inside(tag::SEQUENCE)?;
                    if oid_text(certificate.expect(tag::OID)?)? == X509 {
                        let der = certificate.inside(tag::CONTEXT_0)?.expect(tag::OCTET_STRING)?.to_vec();
                        self.certificates.push(Certificate { der, id });
                    }
                }
                // Secrets and revocations are nobody's certificate.
                _ => {}
            }
        }
        Some(())
    }
}

fn local_key_id(mut attributes: Der<'_>) -> Option<Vec<u8>> {
    while !attributes.is_empty() {
        let mut attribute = attributes.inside(tag::SEQUENCE)?;
        let oid = oid_text(attribute.expect(tag::OID)?)?;
        let mut values = attribute.inside(tag::SET)?;
        if oid == LOCAL_KEY_ID {
            return values.expect(tag::OCTET_STRING).map(<[u8]>::to_vec);
        }
    }
    None
}

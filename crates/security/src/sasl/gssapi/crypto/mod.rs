//! What Kerberos does with keys: encryption with integrity, and checksums (RFC 3961, 3962, 8009).
//!
//! | module | what |
//! | --- | --- |
//! | [`cts`] | AES in CBC with ciphertext stealing |
//! | [`derive`] | keys for one use made of the keys that are kept |
//!
//! Only AES is served. DES and RC4 are broken (RFC 6649, 8429), and whoever has nothing else is told so.

mod cts;
mod derive;

use std::fmt;

use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384};
use subtle::ConstantTimeEq;

use cts::Aes;

/// Bytes of a block of AES.
pub(super) const BLOCK: usize = 16;

/// Random bytes in front of what is encrypted.
pub type Confounder = [u8; BLOCK];

/// What a key is used for (RFC 4120 section 7.5.1, RFC 4121 section 2).
pub mod usage {
    /// The time that a client proves itself by to a key distribution centre.
    pub const AS_REQ_TIMESTAMP: u32 = 1;
    /// The part of a ticket that its service reads.
    pub const TICKET: u32 = 2;
    /// The client's part of an AS-REP.
    pub const AS_REP: u32 = 3;
    /// The checksum of a TGS-REQ in its authenticator.
    pub const TGS_REQ_CHECKSUM: u32 = 6;
    /// The authenticator of a TGS-REQ.
    pub const TGS_REQ_AUTHENTICATOR: u32 = 7;
    /// The client's part of a TGS-REP, with the session key of the ticket that was shown.
    pub const TGS_REP: u32 = 8;
    /// The authenticator of an AP-REQ.
    pub const AP_REQ_AUTHENTICATOR: u32 = 11;
    /// The encrypted part of an AP-REP.
    pub const AP_REP: u32 = 12;
    /// Wrap tokens of the acceptor.
    pub const ACCEPTOR_SEAL: u32 = 22;
    /// Wrap tokens of the initiator.
    pub const INITIATOR_SEAL: u32 = 24;
}

/// An encryption type that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Enctype {
    /// `aes128-cts-hmac-sha1-96`
    Aes128Sha1,
    /// `aes256-cts-hmac-sha1-96`
    Aes256Sha1,
    /// `aes128-cts-hmac-sha256-128`
    Aes128Sha256,
    /// `aes256-cts-hmac-sha384-192`
    Aes256Sha384,
}

impl Enctype {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Aes128Sha1, Self::Aes256Sha1, Self::Aes128Sha256, Self::Aes256Sha384];

    /// All of them in the order that clients ask for them where nobody says otherwise, which is other libraries' too.
    pub const PREFERRED: [Self; 4] =
        [Self::Aes256Sha1, Self::Aes128Sha1, Self::Aes256Sha384, Self::Aes128Sha256];

    /// The type of a registered number.
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Its registered number.
    pub fn code(self) -> i32 {
        match self {
            Self::Aes128Sha1 => 17,
            Self::Aes256Sha1 => 18,
            Self::Aes128Sha256 => 19,
            Self::Aes256Sha384 => 20,
        }
    }

    /// The types that a configuration's word means (`default_tkt_enctypes` of `krb5.conf`): `aes256-cts-hmac-sha1-96` and its short
    /// names, or `aes`, which is all of them; none for types that are not served.
    pub fn named(word: &str) -> &'static [Self] {
        match word.to_ascii_lowercase().as_str() {
            "aes" | "default" => &Self::PREFERRED,
            "aes256-cts-hmac-sha1-96" | "aes256-cts" | "aes256-sha1" => &[Self::Aes256Sha1],
            "aes128-cts-hmac-sha1-96" | "aes128-cts" | "aes128-sha1" => &[Self::Aes128Sha1],
            "aes256-cts-hmac-sha384-192" | "aes256-sha2" => &[Self::Aes256Sha384],
            "aes128-cts-hmac-sha256-128" | "aes128-sha2" => &[Self::Aes128Sha256],
            _ => &[],
        }
    }

    /// The registered number of the checksum that goes with it.
    pub fn checksum_code(self) -> i64 {
        match self {
            Self::Aes128Sha1 => 15,
            Self::Aes256Sha1 => 16,
            Self::Aes128Sha256 => 19,
            Self::Aes256Sha384 => 20,
        }
    }

    /// Bytes of a key.
    pub fn key_len(self) -> usize {
        match self {
            Self::Aes128Sha1 | Self::Aes128Sha256 => 16,
            Self::Aes256Sha1 | Self::Aes256Sha384 => 32,
        }
    }

    /// Bytes of a checksum, and of what stands behind an encrypted text.
    pub fn mac_len(self) -> usize {
        match self {
            Self::Aes128Sha1 | Self::Aes256Sha1 => 12,
            Self::Aes128Sha256 => 16,
            Self::Aes256Sha384 => 24,
        }
    }

    fn mac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        fn with<M: Mac + hmac::digest::KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
            // Keys of any length are taken.
            let Ok(mut mac) = <M as Mac>::new_from_slice(key) else { return Vec::new() };
            parts.iter().for_each(|part| mac.update(part));
            mac.finalize().into_bytes().to_vec()
        }
        let mut mac = match self {
            Self::Aes128Sha1 | Self::Aes256Sha1 => with::<Hmac<Sha1>>(key, parts),
            Self::Aes128Sha256 => with::<Hmac<Sha256>>(key, parts),
            Self::Aes256Sha384 => with::<Hmac<Sha384>>(key, parts),
        };
        mac.truncate(self.mac_len());
        mac
    }
}

/// A key with its type. Its `Debug` form shows the type only.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    enctype: Enctype,
    bytes: Vec<u8>,
}

impl Key {
    /// A key of these bytes; `None` where their number is not the type's.
    pub fn new(enctype: Enctype, bytes: &[u8]) -> Option<Self> {
        (bytes.len() == enctype.key_len()).then(|| Self { enctype, bytes: bytes.to_vec() })
    }

    /// Its type.
    pub fn enctype(&self) -> Enctype {
        self.enctype
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Encrypts a text, so that whoever changes it is found out.
    pub fn encrypt(&self, usage: u32, confounder: &Confounder, text: &[u8]) -> Option<Vec<u8>> {
        let aes = Aes::new(&derive::encryption_key(self, usage)?)?;
        let integrity = derive::integrity_key(self, usage)?;
        let plain = [confounder.as_slice(), text].concat();
        let mut out = aes.encrypt_cts(&plain)?;
        let mac = self.encrypted_mac(&integrity, &plain, &out);
        out.extend_from_slice(&mac);
        Some(out)
    }

    /// The text of what [`Self::encrypt`] gave; `None` when it was made with another key, for another use, or was changed since.
    pub fn decrypt(&self, usage: u32, encrypted: &[u8]) -> Option<Vec<u8>> {
        let end = encrypted.len().checked_sub(self.enctype.mac_len())?;
        let (cipher, mac) = encrypted.split_at_checked(end)?;
        let aes = Aes::new(&derive::encryption_key(self, usage)?)?;
        let integrity = derive::integrity_key(self, usage)?;
        let plain = aes.decrypt_cts(cipher)?;
        let expected = self.encrypted_mac(&integrity, &plain, cipher);
        if !bool::from(expected.as_slice().ct_eq(mac)) {
            return None;
        }
        plain.get(BLOCK..).map(<[u8]>::to_vec)
    }

    /// A checksum of a text in parts.
    pub fn checksum(&self, usage: u32, parts: &[&[u8]]) -> Option<Vec<u8>> {
        Some(self.enctype.mac(&derive::checksum_key(self, usage)?, parts))
    }

    /// The older types protect the plain text, the newer ones the cipher behind its (empty) initial vector.
    fn encrypted_mac(&self, key: &[u8], plain: &[u8], cipher: &[u8]) -> Vec<u8> {
        match self.enctype {
            Enctype::Aes128Sha1 | Enctype::Aes256Sha1 => self.enctype.mac(key, &[plain]),
            Enctype::Aes128Sha256 | Enctype::Aes256Sha384 => self.enctype.mac(key, &[&[0; BLOCK], cipher]),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.enctype)
    }
}

#[cfg(test)]
#[path = "crypto_test.rs"]
mod crypto_test;

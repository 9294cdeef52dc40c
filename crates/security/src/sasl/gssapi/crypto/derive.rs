//! Keys for one use, made of the key that is kept: `DK` of RFC 3961 for the types with SHA-1, `KDF-HMAC-SHA2` of RFC 8009 for the
//! newer ones.

use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha384};

use super::cts::Aes;
use super::{BLOCK, Enctype, Key};

/// `Kc`
pub(super) fn checksum_key(key: &Key, usage: u32) -> Option<Vec<u8>> {
    derive(key, usage, 0x99)
}

/// `Ke`
pub(super) fn encryption_key(key: &Key, usage: u32) -> Option<Vec<u8>> {
    derive(key, usage, 0xaa)
}

/// `Ki`
pub(super) fn integrity_key(key: &Key, usage: u32) -> Option<Vec<u8>> {
    derive(key, usage, 0x55)
}

fn derive(key: &Key, usage: u32, purpose: u8) -> Option<Vec<u8>> {
    let [a, b, c, d] = usage.to_be_bytes();
    let constant = [a, b, c, d, purpose];
    let is_for_encryption = purpose == 0xaa;
    match key.enctype() {
        Enctype::Aes128Sha1 | Enctype::Aes256Sha1 => dk(key.bytes(), &constant),
        Enctype::Aes128Sha256 => kdf_sha256(key.bytes(), &constant, 16),
        Enctype::Aes256Sha384 => kdf_sha384(key.bytes(), &constant, if is_for_encryption { 32 } else { 24 }),
    }
}

/// A key as long as the one given.
pub(super) fn dk(key: &[u8], constant: &[u8]) -> Option<Vec<u8>> {
    let aes = Aes::new(key)?;
    let mut block = n_fold(constant);
    let mut out = Vec::with_capacity(key.len() + BLOCK);
    while out.len() < key.len() {
        block = aes.encrypt_block(block);
        out.extend_from_slice(&block);
    }
    out.truncate(key.len());
    Some(out)
}

/// Copies of the text, each turned 13 bits further to the right, added block by block in ones' complement.
fn n_fold(text: &[u8]) -> [u8; BLOCK] {
    let mut folded = [0; BLOCK];
    if text.is_empty() {
        return folded;
    }
    let bits = text.len() * 8;
    let total = lcm(text.len(), BLOCK);
    let bit = |at: usize| {
        let (copy, within) = (at / bits, at % bits);
        // Where the bit was before its copy was turned.
        let from = (within + bits - (13 * copy) % bits) % bits;
        text.get(from / 8).is_some_and(|byte| byte >> (7 - from % 8) & 1 == 1)
    };
    let byte = |at: usize| (0..8).fold(0_u16, |byte, n| byte << 1 | u16::from(bit(at * 8 + n)));
    let mut carry = 0_u16;
    for column in (0..BLOCK).rev() {
        carry += (column..total).step_by(BLOCK).map(byte).sum::<u16>();
        if let Some(slot) = folded.get_mut(column) {
            *slot = (carry & 0xff) as u8;
        }
        carry >>= 8;
    }
    while carry > 0 {
        for slot in folded.iter_mut().rev() {
            carry += u16::from(*slot);
            *slot = (carry & 0xff) as u8;
            carry >>= 8;
        }
    }
    folded
}

fn lcm(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while y > 0 {
        (x, y) = (y, x % y);
    }
    a / x.max(1) * b
}

pub(super) fn kdf_sha256(key: &[u8], label: &[u8], len: usize) -> Option<Vec<u8>> {
    kdf::<Hmac<Sha256>>(key, label, len)
}

pub(super) fn kdf_sha384(key: &[u8], label: &[u8], len: usize) -> Option<Vec<u8>> {
    kdf::<Hmac<Sha384>>(key, label, len)
}

/// One round of the function, which is all that any key here needs.
fn kdf<M: Mac + hmac::digest::KeyInit>(key: &[u8], label: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut mac = <M as Mac>::new_from_slice(key).ok()?;
    mac.update(&1_u32.to_be_bytes());
    mac.update(label);
    mac.update(&[0]);
    mac.update(&u32::try_from(len * 8).ok()?.to_be_bytes());
    let out = mac.finalize().into_bytes();
    out.get(..len).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hex"))
            .collect()
    }

    /// RFC 3961, A.1 (those of 128 bits), and RFC 3962's for "kerberos".
    #[test]
    fn folded_texts() {
        let check =
            |text: &str, expect: &str| assert_eq!(n_fold(text.as_bytes()).to_vec(), hex(expect), "{text}");
        check("kerberos", "6b65726265726f737b9b5b2b93132b93");
        assert_eq!(n_fold(b""), [0; BLOCK]);
    }

    /// RFC 8009, appendix A: keys of usage 2.
    #[test]
    fn keys_of_the_newer_types() {
        let key = Key::new(Enctype::Aes128Sha256, &hex("3705D96080C17728A0E800EAB6E0D23C")).expect("a key");
        assert_eq!(checksum_key(&key, 2), Some(hex("B31A018A48F54776F403E9A396325DC3")));
        assert_eq!(encryption_key(&key, 2), Some(hex("9B197DD1E8C5609D6E67C3E37C62C72E")));
        assert_eq!(integrity_key(&key, 2), Some(hex("9FDA0E56AB2D85E1569A688696C26A6C")));
        let long = hex("6D404D37FAF79F9DF0D33568D320669800EB4836472EA8A026D16B7182460C52");
        let key = Key::new(Enctype::Aes256Sha384, &long).expect("a key");
        assert_eq!(checksum_key(&key, 2), Some(hex("EF5718BE86CC84963D8BBB5031E9F5C4BA41F28FAF69E73D")));
        let expected = "56AB22BEE63D82D7BC5227F6773F8EA7A5EB1C825160C38312980C442E5C7E49";
        assert_eq!(encryption_key(&key, 2), Some(hex(expected)));
        assert_eq!(integrity_key(&key, 2), Some(hex("69B16514E3CD8E56B82010D5C73012B622C4D00FFC23ED1F")));
    }
}

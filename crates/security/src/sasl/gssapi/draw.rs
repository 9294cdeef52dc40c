//! Random bytes for several purposes out of one random text, so that what needs them stays a function of its arguments.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::crypto::{Enctype, Key};

/// Up to 32 bytes for one purpose. `random` is a text that nobody can guess, used once.
pub(super) fn drawn<const N: usize>(random: &str, purpose: &str) -> [u8; N] {
    let mut out = [0; N];
    // Keys of any length are taken.
    if let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(random.as_bytes()) {
        mac.update(purpose.as_bytes());
        out.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
    }
    out
}

/// A number below 2^30, because some read numbers of 32 bits with a sign, and count on from there.
pub(super) fn number(random: &str, purpose: &str) -> u32 {
    u32::from_be_bytes(drawn(random, purpose)) >> 2
}

/// A new key.
pub(super) fn key(enctype: Enctype, random: &str, purpose: &str) -> Option<Key> {
    let bytes: [u8; 32] = drawn(random, purpose);
    bytes.get(..enctype.key_len()).and_then(|bytes| Key::new(enctype, bytes))
}

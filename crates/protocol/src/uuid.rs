//! Kafka's UUIDs: 16 bytes on the wire, 22 characters of URL-safe base64 in text.

use std::fmt;
use std::str::FromStr;

/// A topic id, directory id, incarnation id, ... (`org.apache.kafka.common.Uuid`).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid(pub [u8; 16]);

/// A text that is no UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a UUID is 22 characters of URL-safe base64")]
pub struct InvalidUuid;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Uuid {
    /// "None": the id of nothing.
    pub const ZERO: Uuid = Uuid([0; 16]);
    /// The id of the metadata topic; also "lost" as a directory id is 1 (`DirectoryId`).
    pub const ONE: Uuid = Uuid::from_parts(0, 1);

    /// A UUID of its two halves.
    pub const fn from_parts(high: u64, low: u64) -> Self {
        Self((((high as u128) << 64) | low as u128).to_be_bytes())
    }

    /// Makes 128 random bits a version 4 UUID, as Java's `UUID.randomUUID` lays them out.
    pub const fn from_random(bits: u128) -> Self {
        let bits = bits & !(0xf000 << 64) | (0x4000 << 64);
        let bits = bits & !(0b11 << 62) | (0b10 << 62);
        Self(bits.to_be_bytes())
    }

    /// Whether this is [`Uuid::ZERO`].
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// The RFC form with hyphens, as Java's `java.util.UUID` prints it (member ids carry it).
    pub fn to_hyphenated(self) -> String {
        let hex: String = self.0.iter().map(|b| format!("{b:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_be_bytes(self.0);
        // 22 characters hold 132 bits: the last four are zero.
        for at in 0..22u32 {
            let shift = 122 - 6 * at as i32;
            let six = if shift >= 0 { bits >> shift } else { bits << -shift } & 0x3f;
            write!(f, "{}", char::from(ALPHABET[six as usize]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Uuid {
    type Err = InvalidUuid;

    fn from_str(text: &str) -> Result<Self, InvalidUuid> {
        let text = text.trim_end_matches('=');
        if text.len() != 22 {
            return Err(InvalidUuid);
        }
        let mut bits: u128 = 0;
        for (at, byte) in text.bytes().enumerate() {
            let six = ALPHABET.iter().position(|c| *c == byte).ok_or(InvalidUuid)? as u128;
            let shift = 122 - 6 * at as i32;
            bits |= if shift >= 0 { six << shift } else { six >> -shift };
        }
        Ok(Self(bits.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_java() {
        // Read off org.apache.kafka.common.Uuid#toString.
        assert_eq!(Uuid::from_parts(0, 1).to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(Uuid::from_parts(u64::MAX, u64::MAX).to_string(), "_____________________w");
        let id = Uuid::from_parts(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("short".parse::<Uuid>(), Err(InvalidUuid));
        assert_eq!("??????????????????????".parse::<Uuid>(), Err(InvalidUuid));
    }

    #[test]
    fn random_bits_become_version_4() {
        let text = Uuid::from_random(u128::MAX).to_hyphenated();
        assert_eq!(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}

//! Key tables, the files with the keys of services: version 2 of MIT's format, as `ktutil`, `kadmin`, Java's `ktab` and Active
//! Directory's `ktpass` write it.
//!
//! ```text
//! 05 02  entries
//! entry: i32 size (negative: a hole of so many bytes), then in them
//!        u16 components, realm, components..., u32 name type, u32 time, u8 version, u16 enctype, key[, u32 version]
//! texts and keys: u16 length, bytes; all numbers big-endian
//! ```

use super::crypto::{Enctype, Key};
use super::messages::PrincipalName;

/// Keytabs with more bytes than this are refused.
pub const BYTES_MAX: usize = 1 << 20;

/// The keys of a file that can be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keytab {
    /// In the file's order.
    pub entries: Vec<KeytabEntry>,
}

/// A key of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeytabEntry {
    /// Whose.
    pub principal: PrincipalName,
    /// Which of several in time.
    pub key_version: u32,
    /// The number of its encryption type.
    pub enctype: i32,
    /// The key; `None` when it is of a type that is not served.
    pub key: Option<Key>,
}

/// What is wrong with a keytab.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum KeytabError {
    #[error("it is no keytab: the first byte is not 5")]
    NoKeytab,
    #[error("it is a keytab of version {0}; only version 2 is read (write it again with ktutil)")]
    Version(u8),
    #[error("it ends within an entry, or an entry is malformed")]
    Broken,
    #[error("it is larger than {BYTES_MAX} bytes")]
    Large,
}

impl Keytab {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// When they are no keytab of version 2.
    pub fn read(bytes: &[u8]) -> Result<Self, KeytabError> {
        if bytes.len() > BYTES_MAX {
            return Err(KeytabError::Large);
        }
        let mut rest = match bytes {
            [5, 2, rest @ ..] => rest,
            [5, version, ..] => return Err(KeytabError::Version(*version)),
            _ => return Err(KeytabError::NoKeytab),
        };
        let mut entries = Vec::new();
        while let Some((size, after)) = rest.split_first_chunk() {
            let size = i32::from_be_bytes(*size);
            if size == 0 {
                break;
            }
            let len = usize::try_from(size.unsigned_abs()).map_err(|_| KeytabError::Broken)?;
            // A hole at the end may be cut off.
            let (entry, after) = match after.split_at_checked(len) {
                Some(parts) => parts,
                None if size < 0 => break,
                None => return Err(KeytabError::Broken),
            };
            if size > 0 {
                entries.push(read_entry(&mut Bytes(entry)).ok_or(KeytabError::Broken)?);
            }
            rest = after;
        }
        Ok(Self { entries })
    }

    /// The entries of a principal.
    pub fn of<'a>(&'a self, principal: &'a PrincipalName) -> impl Iterator<Item = &'a KeytabEntry> {
        self.entries.iter().filter(move |entry| entry.principal == *principal)
    }
}

fn read_entry(bytes: &mut Bytes<'_>) -> Option<KeytabEntry> {
    let count = bytes.u16()?;
    let realm = bytes.text()?;
    let components = (0..count).map(|_| bytes.text()).collect::<Option<Vec<_>>>()?;
    let _name_type = bytes.u32()?;
    let _time = bytes.u32()?;
    let short_version = bytes.array::<1>()?;
    let enctype = i32::from(bytes.u16()?);
    let len = bytes.u16()?;
    let key = bytes.take(len.into())?;
    let key = match Enctype::from_code(enctype) {
        Some(kind) => Some(Key::new(kind, key)?),
        None => None,
    };
    // Newer writers repeat the version in full; zeros may fill up an entry.
    let key_version = match bytes.u32() {
        Some(version) if version != 0 => version,
        _ => u32::from(u8::from_be_bytes(short_version)),
    };
    Some(KeytabEntry { principal: PrincipalName { components, realm }, key_version, enctype, key })
}

/// Reads what files of Kerberos are made of.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn text(&mut self) -> Option<String> {
        let len = self.u16()?;
        self.take(len.into()).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

#[cfg(test)]
#[path = "keytab_test.rs"]
pub(super) mod keytab_test;

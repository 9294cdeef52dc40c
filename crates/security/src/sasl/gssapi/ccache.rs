//! Credential caches, the files that `kinit` leaves tickets in: versions 3 and 4 of MIT's format, which Java and Heimdal write too.
//!
//! ```text
//! 05 03           principal  credentials...
//! 05 04  header   principal  credentials...      header: u16 length, bytes
//! principal:  u32 name type, u32 components, realm, components...
//! credential: client, server, u16 enctype (version 3: twice), key, u32 authenticated, u32 start, u32 end, u32 renew till, u8,
//!             u32 flags, addresses, authorization data, ticket, second ticket
//! addresses, authorization data: u32 number, then u16 type and bytes of each
//! texts, keys, tickets: u32 length, bytes; all numbers big-endian
//! ```

use super::crypto::{Enctype, Key};
use super::initiator::Credential;
use super::keytab::Bytes;
use super::messages::PrincipalName;

/// Caches with more bytes than this are refused.
pub const BYTES_MAX: usize = 1 << 20;
/// More components than any principal has.
const COMPONENTS_MAX: u32 = 16;
/// The realm of what is no ticket but a note of the library's.
const NOTES: &str = "X-CACHECONF:";

/// Somebody's tickets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialCache {
    /// Whose.
    pub principal: PrincipalName,
    /// Those that can be used, in the file's order.
    pub credentials: Vec<Credential>,
}

/// What is wrong with a cache.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum CacheError {
    #[error("it is no credential cache: the first byte is not 5")]
    NoCache,
    #[error("it is a credential cache of version {0}; only versions 3 and 4 are read (run kinit again)")]
    Version(u8),
    #[error("it ends within an entry, or an entry is malformed")]
    Broken,
    #[error("it is larger than {BYTES_MAX} bytes")]
    Large,
}

impl CredentialCache {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// When they are no cache of version 3 or 4.
    pub fn read(bytes: &[u8]) -> Result<Self, CacheError> {
        if bytes.len() > BYTES_MAX {
            return Err(CacheError::Large);
        }
        let (version, rest) = match bytes {
            [5, version @ (3 | 4), rest @ ..] => (*version, rest),
            [5, version, ..] => return Err(CacheError::Version(*version)),
            _ => return Err(CacheError::NoCache),
        };
        Self::read_version(version, &mut Bytes(rest)).ok_or(CacheError::Broken)
    }

    fn read_version(version: u8, bytes: &mut Bytes<'_>) -> Option<Self> {
        if version == 4 {
            let len = bytes.u16()?;
            bytes.take(len.into())?;
        }
        let principal = read_principal(bytes)?;
        let mut credentials = Vec::new();
        while !bytes.0.is_empty() {
            credentials.extend(read_credential(version, bytes)?);
        }
        Some(Self { principal, credentials })
    }

    /// The ticket that others are asked for with, of the principal's own realm; the one that is good for longest.
    pub fn ticket_granting_ticket(&self) -> Option<&Credential> {
        let realm = self.principal.realm.as_str();
        self.credentials
            .iter()
            .filter(|it| it.client == self.principal && it.service.realm == realm)
            .filter(|it| it.granted_realm() == Some(realm))
            .max_by_key(|it| it.end_s)
    }
}

fn read_principal(bytes: &mut Bytes<'_>) -> Option<PrincipalName> {
    let _name_type = bytes.u32()?;
    let count = bytes.u32()?;
    if count > COMPONENTS_MAX {
        return None;
    }
    let realm = text(bytes)?;
    let components = (0..count).map(|_| text(bytes)).collect::<Option<Vec<_>>>()?;
    Some(PrincipalName { components, realm })
}

/// The inner `None` for notes, and for keys of types that are not served.
fn read_credential(version: u8, bytes: &mut Bytes<'_>) -> Option<Option<Credential>> {
    let (client, service) = (read_principal(bytes)?, read_principal(bytes)?);
    let enctype = bytes.u16()?;
    if version == 3 {
        bytes.u16()?;
    }
    let key = data(bytes)?;
    let authenticated = bytes.u32()?;
    let (start, end, renew_till) = (bytes.u32()?, bytes.u32()?, bytes.u32()?);
    let _is_for_a_user = bytes.array::<1>()?;
    let flags = bytes.u32()?;
    skip_typed(bytes)?;
    skip_typed(bytes)?;
    let ticket = data(bytes)?.to_vec();
    let _second_ticket = data(bytes)?;
    let key = Enctype::from_code(enctype.into()).and_then(|enctype| Key::new(enctype, key));
    let session_key = key.filter(|_| service.realm != NOTES);
    Some(session_key.map(|session_key| Credential {
        client,
        service,
        session_key,
        flags,
        // None is told where it is the time of the login.
        start_s: if start == 0 { authenticated } else { start }.into(),
        end_s: end.into(),
        renew_till_s: (renew_till != 0).then(|| renew_till.into()),
        ticket,
    }))
}

/// Addresses and authorization data, which nobody here asks for.
fn skip_typed(bytes: &mut Bytes<'_>) -> Option<()> {
    for _ in 0..bytes.u32()? {
        // Each takes bytes, so that a number that is too large ends with them.
        bytes.u16()?;
        data(bytes)?;
    }
    Some(())
}

fn data<'a>(bytes: &mut Bytes<'a>) -> Option<&'a [u8]> {
    let len = usize::try_from(bytes.u32()?).ok()?;
    bytes.take(len)
}

fn text(bytes: &mut Bytes<'_>) -> Option<String> {
    data(bytes).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
#[path = "ccache_test.rs"]
mod ccache_test;

//! The messages of Kerberos between a client and a service (RFC 4120 section 5), read. Written they are in `writing`.

use std::fmt;

use super::crypto::{Enctype, Key};
use super::der::{self, Fields};
use super::writing::{AP_REP, AP_REQ, AUTHENTICATOR, ENC_AP_REP_PART, VERSION};
use crate::der::{Der, tag};

pub(super) const TICKET: u8 = 1;
const ENC_TICKET_PART: u8 = 3;

/// More components than any principal has.
const COMPONENTS_MAX: usize = 16;

/// Somebody with a name in a realm: `kafka/broker.example.org@EXAMPLE.ORG`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PrincipalName {
    /// What stands before the realm, between slashes; one at least.
    pub components: Vec<String>,
    /// The realm.
    pub realm: String,
}

impl PrincipalName {
    /// Reads a text as configurations have it. Where it names no realm, `default_realm` is meant. `None` where a part is empty.
    pub fn parse(text: &str, default_realm: &str) -> Option<Self> {
        let (name, realm) = text.rsplit_once('@').unwrap_or((text, default_realm));
        let components: Vec<String> = name.split('/').map(str::to_owned).collect();
        let name = Self { components, realm: realm.to_owned() };
        (name.is_plain() && !name.components.iter().any(String::is_empty) && !name.realm.is_empty())
            .then_some(name)
    }

    /// Whether its text can mean nobody else: no part has a separator or a control character in it.
    pub fn is_plain(&self) -> bool {
        let parts = self.components.iter().chain([&self.realm]);
        parts.flat_map(|part| part.chars()).all(|c| c != '/' && c != '@' && !c.is_control())
    }

    /// Reads its components from a message, where the realm stands elsewhere.
    pub(super) fn read(realm: String, der: &mut Der<'_>) -> Option<Self> {
        let mut fields = Fields::of_sequence(der)?;
        fields.integer(0)?;
        let mut names = fields.field(1)?.inside(tag::SEQUENCE)?;
        let mut components = Vec::new();
        while !names.is_empty() {
            if components.len() == COMPONENTS_MAX {
                return None;
            }
            components.push(der::text(&mut names)?);
        }
        (!components.is_empty()).then_some(Self { components, realm })
    }
}

impl fmt::Display for PrincipalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.components.join("/"), self.realm)
    }
}

/// An encrypted part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encrypted<'a> {
    /// The number of the encryption type, served or not.
    pub enctype: i64,
    /// Which of several keys of one principal it is encrypted with.
    pub key_version: Option<i64>,
    /// The bytes.
    pub cipher: &'a [u8],
}

impl<'a> Encrypted<'a> {
    pub(super) fn read(der: &mut Der<'a>) -> Option<Self> {
        let mut fields = Fields::of_sequence(der)?;
        let enctype = fields.integer(0)?;
        let key_version = fields.optional_integer(1)?;
        Some(Self { enctype, key_version, cipher: fields.octets(2)? })
    }
}

/// What a client sends to a service: a ticket, and the proof that it is the client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApReq<'a> {
    /// Bit 30 asks for the session key of the service's own ticket, bit 29 for an answer.
    pub options: u32,
    /// Whose ticket it is.
    pub service: PrincipalName,
    /// Of the ticket, for the service: [`EncTicketPart`].
    pub ticket: Encrypted<'a>,
    /// With the ticket's session key: [`Authenticator`].
    pub authenticator: Encrypted<'a>,
}

impl<'a> ApReq<'a> {
    /// The option that asks for an answer.
    pub const MUTUAL_REQUIRED: u32 = 1 << 29;
    /// The option of tickets that are encrypted with another ticket's session key.
    pub const USE_SESSION_KEY: u32 = 1 << 30;

    /// `None` when it is malformed.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut fields = Fields::of_message(bytes, AP_REQ)?;
        if fields.integer(0)? != VERSION || fields.integer(1)? != i64::from(AP_REQ) {
            return None;
        }
        let options = fields.flags(2)?;
        let mut ticket = fields.field(3)?.inside(der::application_tag(TICKET))?;
        let authenticator = Encrypted::read(&mut fields.field(4)?)?;
        let mut fields = Fields::of_sequence(&mut ticket)?;
        if fields.integer(0)? != VERSION {
            return None;
        }
        let realm = fields.text(1)?;
        let service = PrincipalName::read(realm, &mut fields.field(2)?)?;
        let ticket = Encrypted::read(&mut fields.field(3)?)?;
        Some(Self { options, service, ticket, authenticator })
    }
}

/// What the key distribution centre tells a service in a ticket. Times are Unix seconds.
#[derive(Clone, Debug)]
pub struct EncTicketPart {
    /// Bit 24: not valid yet.
    pub flags: u32,
    /// Shared by the client and the service; `None` when it is of a type that is not served.
    pub session_key: Option<Key>,
    /// The client.
    pub client: PrincipalName,
    /// From when on it is good.
    pub start_s: i64,
    /// Until when.
    pub end_s: i64,
}

impl EncTicketPart {
    /// The flag of tickets that must be validated first.
    pub const INVALID: u32 = 1 << 24;

    /// `None` when it is malformed.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::of_message(bytes, ENC_TICKET_PART)?;
        let flags = fields.flags(0)?;
        let session_key = read_key(&mut fields.field(1)?)?;
        let realm = fields.text(2)?;
        let client = PrincipalName::read(realm, &mut fields.field(3)?)?;
        fields.field(4)?;
        let authenticated_s = fields.time(5)?;
        let start_s = fields.time(6).unwrap_or(authenticated_s);
        Some(Self { flags, session_key, client, start_s, end_s: fields.time(7)? })
    }
}

/// What a client proves with that it knows a ticket's session key.
#[derive(Clone, Debug)]
pub struct Authenticator {
    /// The client.
    pub client: PrincipalName,
    /// Type and bytes of a checksum, in GSS-API the flags.
    pub checksum: Option<(i64, Vec<u8>)>,
    /// Microseconds of the client's time.
    pub microsecond: i64,
    /// The client's time in Unix seconds.
    pub time_s: i64,
    /// A key of the client's for what follows; the inner `None` when it is of a type that is not served.
    pub subkey: Option<Option<Key>>,
    /// The number of the client's first message.
    pub sequence: u32,
}

impl Authenticator {
    /// `None` when it is malformed.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::of_message(bytes, AUTHENTICATOR)?;
        if fields.integer(0)? != VERSION {
            return None;
        }
        let realm = fields.text(1)?;
        let client = PrincipalName::read(realm, &mut fields.field(2)?)?;
        let checksum = match fields.field(3) {
            None => None,
            Some(mut der) => {
                let mut fields = Fields::of_sequence(&mut der)?;
                Some((fields.integer(0)?, fields.octets(1)?.to_vec()))
            }
        };
        let (microsecond, time_s) = (fields.integer(4)?, fields.time(5)?);
        if !(0..1_000_000).contains(&microsecond) {
            return None;
        }
        let subkey = match fields.field(6) {
            None => None,
            Some(mut der) => Some(read_key(&mut der)?),
        };
        // Some clients write a number above i32::MAX as a negative one.
        let sequence = fields.optional_integer(7)?.unwrap_or(0) as u32;
        Some(Self { client, checksum, microsecond, time_s, subkey, sequence })
    }
}

/// A service's answer: that it knows the ticket's session key.
#[derive(Clone, Debug)]
pub struct EncApRepPart {
    /// The time of the client's authenticator in Unix seconds.
    pub time_s: i64,
    /// Its microseconds.
    pub microsecond: i64,
    /// A key of the service's for what follows; the inner `None` when it is of a type that is not served.
    pub subkey: Option<Option<Key>>,
    /// The number of the service's first message.
    pub sequence: Option<u32>,
}

impl EncApRepPart {
    /// What is encrypted in an AP-REP; `None` when that is malformed.
    pub fn encrypted(message: &[u8]) -> Option<Encrypted<'_>> {
        let mut fields = Fields::of_message(message, AP_REP)?;
        if fields.integer(0)? != VERSION || fields.integer(1)? != i64::from(AP_REP) {
            return None;
        }
        Encrypted::read(&mut fields.field(2)?)
    }

    /// `None` when it is malformed.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::of_message(bytes, ENC_AP_REP_PART)?;
        let (time_s, microsecond) = (fields.time(0)?, fields.integer(1)?);
        let subkey = match fields.field(2) {
            None => None,
            Some(mut der) => Some(read_key(&mut der)?),
        };
        let sequence = fields.optional_integer(3)?.map(|number| number as u32);
        Some(Self { time_s, microsecond, subkey, sequence })
    }
}

/// A ticket as its holder sees it: all of its bytes, and the service that it is for.
pub(super) fn read_ticket<'a>(der: &mut Der<'a>) -> Option<(&'a [u8], PrincipalName)> {
    let (tag, content, whole) = der.value()?;
    let mut fields = Fields::of_sequence(&mut Der::new(content))?;
    if tag != der::application_tag(TICKET) || fields.integer(0)? != VERSION {
        return None;
    }
    let realm = fields.text(1)?;
    Some((whole, PrincipalName::read(realm, &mut fields.field(2)?)?))
}

/// The inner `None` for keys of types that are not served.
pub(super) fn read_key(der: &mut Der<'_>) -> Option<Option<Key>> {
    let mut fields = Fields::of_sequence(der)?;
    let enctype = i32::try_from(fields.integer(0)?).ok().and_then(Enctype::from_code);
    let bytes = fields.octets(1)?;
    Some(match enctype {
        Some(enctype) => Some(Key::new(enctype, bytes)?),
        None => None,
    })
}

/// The centre's part of a ticket, and a service's answer read, for tests.
#[cfg(test)]
pub(super) mod written {
    use super::*;
    use crate::sasl::gssapi::writing::{NameType, ap_req as whole, flags, key, name, text};

    pub fn ap_req(options: u32, service: &PrincipalName, part: &[u8], authenticator: &[u8]) -> Vec<u8> {
        whole(options, &ticket(service, part), authenticator)
    }

    pub fn ticket(service: &PrincipalName, part: &[u8]) -> Vec<u8> {
        der::message(
            TICKET,
            &[
                der::field(0, &der::number(VERSION)),
                der::field(1, &text(&service.realm)),
                der::field(2, &name(service, NameType::Service)),
                der::field(3, part),
            ],
        )
    }

    pub fn enc_ticket_part(part: &EncTicketPart) -> Vec<u8> {
        let session_key = part.session_key.as_ref().expect("a key");
        let nothing = der::sequence(&[der::field(0, &der::number(1)), der::field(1, &der::octets(b""))]);
        der::message(
            ENC_TICKET_PART,
            &[
                der::field(0, &flags(part.flags)),
                der::field(1, &key(session_key)),
                der::field(2, &text(&part.client.realm)),
                der::field(3, &name(&part.client, NameType::Principal)),
                der::field(4, &nothing),
                der::field(5, &der::time(part.start_s - 60)),
                der::field(6, &der::time(part.start_s)),
                der::field(7, &der::time(part.end_s)),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_configurations_have_them() {
        let check = |text: &str, expect: Option<&str>| {
            let found = PrincipalName::parse(text, "HOME").map(|name| name.to_string());
            assert_eq!(found.as_deref(), expect, "{text}");
        };
        check("kafka/host@REALM", Some("kafka/host@REALM"));
        check("kafka", Some("kafka@HOME"));
        check("kafka/host", Some("kafka/host@HOME"));
        check("a/b/c@R", Some("a/b/c@R"));
        for bad in ["", "@R", "kafka/@R", "/host@R", "kafka@", "a@b@R", "a\n@R"] {
            check(bad, None);
        }
        assert!(PrincipalName::parse("kafka", "").is_none());
    }
}

//! What a key distribution centre answers (RFC 4120 section 5.4.2). Whoever sits in between can send anything: what is not encrypted is
//! compared with what is.

use super::credential::Credential;
use super::failure::Failure;
use super::kdc_error::KdcError;
use crate::der::{Der, tag};
use crate::sasl::gssapi::crypto::Key;
use crate::sasl::gssapi::der::{self, Fields};
use crate::sasl::gssapi::messages::{Encrypted, PrincipalName, read_key, read_ticket};
use crate::sasl::gssapi::writing::VERSION;

pub(super) const AS_REP: u8 = 11;
pub(super) const TGS_REP: u8 = 13;
pub(super) const ENC_AS_REP_PART: u8 = 25;
pub(super) const ENC_TGS_REP_PART: u8 = 26;

/// The number of data in an answer that are looked at.
const DATA_MAX: usize = 64;

/// An AS-REP or TGS-REP.
#[derive(Clone, Debug)]
pub(super) struct KdcReply<'a> {
    pub client: PrincipalName,
    /// The ticket's bytes, and who it says that it is for.
    pub ticket: &'a [u8],
    pub service: PrincipalName,
    /// For the client: [`EncKdcReplyPart`].
    pub part: Encrypted<'a>,
}

impl<'a> KdcReply<'a> {
    /// Reads an answer of a kind.
    ///
    /// # Errors
    /// When the centre says no, or its answer can't be read.
    pub(super) fn read(bytes: &'a [u8], kind: u8, realm: &str) -> Result<Self, Failure> {
        if bytes.first() == Some(&der::application_tag(super::kdc_error::KRB_ERROR)) {
            let error = KdcError::read(bytes).ok_or(Failure::Malformed)?;
            return Err(Failure::Refused { realm: realm.to_owned(), error: Box::new(error) });
        }
        Self::read_granted(bytes, kind).ok_or(Failure::Malformed)
    }

    fn read_granted(bytes: &'a [u8], kind: u8) -> Option<Self> {
        let mut fields = Fields::of_message(bytes, kind)?;
        if fields.integer(0)? != VERSION || fields.integer(1)? != i64::from(kind) {
            return None;
        }
        fields.field(2);
        let realm = fields.text(3)?;
        let client = PrincipalName::read(realm, &mut fields.field(4)?)?;
        let (ticket, service) = read_ticket(&mut fields.field(5)?)?;
        Some(Self { client, ticket, service, part: Encrypted::read(&mut fields.field(6)?)? })
    }

    /// The ticket with what belongs to it. `plain` is what was encrypted.
    ///
    /// # Errors
    /// When it is no answer to what was asked.
    pub(super) fn credential(
        &self,
        plain: &[u8],
        client: &PrincipalName,
        nonce: u32,
    ) -> Result<Credential, Failure> {
        let part = EncKdcReplyPart::read(plain).ok_or(Failure::Malformed)?;
        // Some centres count it as a number with a sign.
        if part.nonce as u32 != nonce {
            return Err(Failure::OtherAnswer("it was asked another time"));
        }
        if self.client != *client {
            return Err(Failure::OtherAnswer("the ticket is somebody else's"));
        }
        if self.service != part.service {
            return Err(Failure::OtherAnswer("the ticket is for another service than the answer"));
        }
        Ok(Credential {
            client: self.client.clone(),
            service: part.service,
            session_key: part.session_key.ok_or(Failure::SessionKeyType)?,
            flags: part.flags,
            start_s: part.start_s,
            end_s: part.end_s,
            renew_till_s: part.renew_till_s,
            ticket: self.ticket.to_vec(),
        })
    }
}

/// What a centre tells the client of a ticket.
#[derive(Clone, Debug)]
struct EncKdcReplyPart {
    session_key: Option<Key>,
    nonce: i64,
    flags: u32,
    start_s: i64,
    end_s: i64,
    renew_till_s: Option<i64>,
    service: PrincipalName,
}

impl EncKdcReplyPart {
    fn read(bytes: &[u8]) -> Option<Self> {
        // Some centres give the one the other's number.
        let mut fields = Fields::of_message(bytes, ENC_AS_REP_PART)
            .or_else(|| Fields::of_message(bytes, ENC_TGS_REP_PART))?;
        let session_key = read_key(&mut fields.field(0)?)?;
        fields.field(1);
        let nonce = fields.integer(2)?;
        fields.field(3);
        let flags = fields.flags(4)?;
        let authenticated_s = fields.time(5)?;
        let start_s = fields.optional_time(6)?.unwrap_or(authenticated_s);
        let end_s = fields.time(7)?;
        let renew_till_s = fields.optional_time(8)?;
        let realm = fields.text(9)?;
        let service = PrincipalName::read(realm, &mut fields.field(10)?)?;
        Some(Self { session_key, nonce, flags, start_s, end_s, renew_till_s, service })
    }
}

/// The types of keys that the centre has of the client, its dearest first, out of the data of an error (ETYPE-INFO2).
pub(super) fn enctypes(data: &[u8]) -> Vec<i64> {
    const ETYPE_INFO2: i64 = 19;
    let read = || {
        let mut all = Der::new(data).inside(tag::SEQUENCE)?;
        for _ in 0..DATA_MAX {
            let mut fields = Fields::of_sequence(&mut all)?;
            if fields.integer(1)? == ETYPE_INFO2 {
                return Der::new(fields.octets(2)?).inside(tag::SEQUENCE);
            }
        }
        None
    };
    let Some(mut entries) = read() else { return Vec::new() };
    let entry = || Fields::of_sequence(&mut entries)?.integer(0);
    std::iter::from_fn(entry).take(DATA_MAX).collect()
}

//! The messages of Kerberos in bytes (RFC 4120 section 5), for both sides: what [`super::messages`] reads.

use super::crypto::{Enctype, Key};
use super::der;
use super::messages::{Authenticator, PrincipalName};
use crate::der::tag;

pub(super) const VERSION: i64 = 5;
pub(super) const AP_REQ: u8 = 14;
pub(super) const AP_REP: u8 = 15;
pub(super) const AUTHENTICATOR: u8 = 2;
pub(super) const ENC_AP_REP_PART: u8 = 27;

const GENERAL_STRING: u8 = 0x1b;

/// What a name is meant for, which nobody relies on (RFC 4120 section 6.2).
#[derive(Clone, Copy, Debug)]
pub(super) enum NameType {
    /// Somebody.
    Principal = 1,
    /// A service, or the centre itself.
    Service = 2,
}

/// The components; the realm stands elsewhere.
pub(super) fn name(name: &PrincipalName, kind: NameType) -> Vec<u8> {
    let components: Vec<Vec<u8>> = name.components.iter().map(|part| text(part)).collect();
    der::sequence(&[der::field(0, &der::number(kind as i64)), der::field(1, &der::sequence(&components))])
}

pub(super) fn text(text: &str) -> Vec<u8> {
    der::value(GENERAL_STRING, text.as_bytes())
}

/// The first flag is the highest bit.
pub(super) fn flags(flags: u32) -> Vec<u8> {
    der::value(tag::BIT_STRING, &[&[0], flags.to_be_bytes().as_slice()].concat())
}

pub(super) fn key(key: &Key) -> Vec<u8> {
    der::sequence(&[
        der::field(0, &der::number(key.enctype().code().into())),
        der::field(1, &der::octets(key.bytes())),
    ])
}

pub(super) fn encrypted(enctype: Enctype, key_version: Option<u32>, cipher: &[u8]) -> Vec<u8> {
    encrypted_as(enctype.code().into(), key_version.map(i64::from), cipher)
}

/// Of any type, served or not.
pub(super) fn encrypted_as(enctype: i64, key_version: Option<i64>, cipher: &[u8]) -> Vec<u8> {
    let mut fields = vec![der::field(0, &der::number(enctype))];
    fields.extend(key_version.map(|version| der::field(1, &der::number(version))));
    fields.push(der::field(2, &der::octets(cipher)));
    der::sequence(&fields)
}

/// `ticket` is a whole ticket, `authenticator` what [`encrypted`] makes.
pub(super) fn ap_req(options: u32, ticket: &[u8], authenticator: &[u8]) -> Vec<u8> {
    der::message(
        AP_REQ,
        &[
            der::field(0, &der::number(VERSION)),
            der::field(1, &der::number(AP_REQ.into())),
            der::field(2, &flags(options)),
            der::field(3, ticket),
            der::field(4, authenticator),
        ],
    )
}

/// What is encrypted in an AP-REQ. A key of a type that is not served is left out.
pub(super) fn authenticator(part: &Authenticator) -> Vec<u8> {
    let mut fields = vec![
        der::field(0, &der::number(VERSION)),
        der::field(1, &text(&part.client.realm)),
        der::field(2, &name(&part.client, NameType::Principal)),
    ];
    fields.extend(part.checksum.as_ref().map(|(kind, bytes)| {
        let sum = der::sequence(&[der::field(0, &der::number(*kind)), der::field(1, &der::octets(bytes))]);
        der::field(3, &sum)
    }));
    fields.push(der::field(4, &der::number(part.microsecond)));
    fields.push(der::field(5, &der::time(part.time_s)));
    let subkey = part.subkey.as_ref().and_then(Option::as_ref);
    fields.extend(subkey.map(|subkey| der::field(6, &key(subkey))));
    fields.push(der::field(7, &der::number(part.sequence.into())));
    der::message(AUTHENTICATOR, &fields)
}

/// The part of an AP-REP that only the client can read.
pub(super) fn enc_ap_rep_part(authenticator: &Authenticator, subkey: Option<&Key>, sequence: u32) -> Vec<u8> {
    let mut fields = vec![
        der::field(0, &der::time(authenticator.time_s)),
        der::field(1, &der::number(authenticator.microsecond)),
    ];
    fields.extend(subkey.map(|subkey| der::field(2, &key(subkey))));
    fields.push(der::field(3, &der::number(sequence.into())));
    der::message(ENC_AP_REP_PART, &fields)
}

/// A service's answer to an AP-REQ.
pub(super) fn ap_rep(enctype: Enctype, cipher: &[u8]) -> Vec<u8> {
    der::message(
        AP_REP,
        &[
            der::field(0, &der::number(VERSION)),
            der::field(1, &der::number(AP_REP.into())),
            der::field(2, &encrypted(enctype, None, cipher)),
        ],
    )
}

//! What a key distribution centre is asked (RFC 4120 section 5.4.1).

use super::credential::Credential;
use crate::sasl::gssapi::crypto::{Confounder, Enctype, Key, usage};
use crate::sasl::gssapi::der;
use crate::sasl::gssapi::draw;
use crate::sasl::gssapi::messages::{Authenticator, PrincipalName};
use crate::sasl::gssapi::writing::{self, NameType, VERSION};

pub(super) const AS_REQ: u8 = 10;
pub(super) const TGS_REQ: u8 = 12;

const PA_TGS_REQ: i64 = 1;
const PA_ENC_TIMESTAMP: i64 = 2;

/// Ask for a ticket that can be renewed.
pub(super) const RENEWABLE: u32 = 1 << 23;
/// Another name of the service will do, and a ticket for the way to its realm.
pub(super) const CANONICALIZE: u32 = 1 << 16;
/// Renew the ticket that is shown.
pub(super) const RENEW: u32 = 1 << 1;

/// What is wished for.
#[derive(Clone, Debug)]
pub(super) struct Body<'a> {
    pub options: u32,
    /// Where no ticket tells who the client is.
    pub client: Option<&'a PrincipalName>,
    pub service: &'a PrincipalName,
    /// Unix seconds; 0 for as long as the centre likes.
    pub till_s: i64,
    pub renew_till_s: Option<i64>,
    /// Comes back in the answer.
    pub nonce: u32,
    pub enctypes: &'a [Enctype],
}

impl Body<'_> {
    fn write(&self) -> Vec<u8> {
        let mut fields = vec![der::field(0, &writing::flags(self.options))];
        fields.extend(self.client.map(|name| der::field(1, &writing::name(name, NameType::Principal))));
        fields.push(der::field(2, &writing::text(&self.service.realm)));
        fields.push(der::field(3, &writing::name(self.service, NameType::Service)));
        fields.push(der::field(5, &der::time(self.till_s)));
        fields.extend(self.renew_till_s.map(|till| der::field(6, &der::time(till))));
        fields.push(der::field(7, &der::number(self.nonce.into())));
        let types: Vec<Vec<u8>> = self.enctypes.iter().map(|kind| der::number(kind.code().into())).collect();
        fields.push(der::field(8, &der::sequence(&types)));
        der::sequence(&fields)
    }
}

fn request(kind: u8, proof: Option<(i64, Vec<u8>)>, body: &[u8]) -> Vec<u8> {
    let mut fields = vec![der::field(1, &der::number(VERSION)), der::field(2, &der::number(kind.into()))];
    fields.extend(proof.map(|(kind, value)| {
        let one = der::sequence(&[der::field(1, &der::number(kind)), der::field(2, &der::octets(&value))]);
        der::field(3, &der::sequence(&[one]))
    }));
    fields.push(der::field(4, body));
    der::message(kind, &fields)
}

/// Asks for a first ticket. With a key the client proves that it has it, by the time. `None` where the key can't be used.
pub(super) fn as_req(body: &Body<'_>, key: Option<&Key>, now_ms: i64, random: &str) -> Option<Vec<u8>> {
    let proof = match key {
        None => None,
        Some(key) => {
            let (time_s, microsecond) = clock(now_ms);
            let time =
                der::sequence(&[der::field(0, &der::time(time_s)), der::field(1, &der::number(microsecond))]);
            let confounder: Confounder = draw::drawn(random, "timestamp");
            let cipher = key.encrypt(usage::AS_REQ_TIMESTAMP, &confounder, &time)?;
            Some((PA_ENC_TIMESTAMP, writing::encrypted(key.enctype(), None, &cipher)))
        }
    };
    Some(request(AS_REQ, proof, &body.write()))
}

/// Asks for a ticket by showing another. `None` where its key can't be used.
pub(super) fn tgs_req(body: &Body<'_>, shown: &Credential, now_ms: i64, random: &str) -> Option<Vec<u8>> {
    let key = &shown.session_key;
    let body = body.write();
    let sum = key.checksum(usage::TGS_REQ_CHECKSUM, &[&body])?;
    let (time_s, microsecond) = clock(now_ms);
    let authenticator = Authenticator {
        client: shown.client.clone(),
        checksum: Some((key.enctype().checksum_code(), sum)),
        microsecond,
        time_s,
        subkey: None,
        sequence: draw::number(random, "sequence"),
    };
    let plain = writing::authenticator(&authenticator);
    let cipher = key.encrypt(usage::TGS_REQ_AUTHENTICATOR, &draw::drawn(random, "authenticator"), &plain)?;
    let authenticator = writing::encrypted(key.enctype(), None, &cipher);
    let proof = writing::ap_req(0, &shown.ticket, &authenticator);
    Some(request(TGS_REQ, Some((PA_TGS_REQ, proof)), &body))
}

/// Unix seconds, and the microseconds beyond.
pub(super) fn clock(now_ms: i64) -> (i64, i64) {
    (now_ms.div_euclid(1_000), now_ms.rem_euclid(1_000) * 1_000)
}

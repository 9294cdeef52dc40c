//! A key distribution centre as small as it can be, for tests: whom it knows, it gives tickets.

use std::collections::BTreeMap;

use super::credential::{Credential, ticket_granting_service};
use super::kdc_error::{KRB_ERROR, KdcError};
use super::kdc_reply::{AS_REP, ENC_AS_REP_PART, ENC_TGS_REP_PART, TGS_REP};
use super::kdc_request::{AS_REQ, RENEW, TGS_REQ};
use crate::der::{Der, tag};
use crate::sasl::gssapi::crypto::{Enctype, Key, usage};
use crate::sasl::gssapi::der::{self, Fields};
use crate::sasl::gssapi::messages::{ApReq, Authenticator, EncTicketPart, Encrypted, PrincipalName, written};
use crate::sasl::gssapi::writing::{self, NameType, VERSION};

pub struct SmallKdc {
    pub realm: String,
    /// Keys by the principals' texts, `krbtgt/...` among them.
    pub keys: BTreeMap<String, Key>,
    pub now_s: i64,
    pub wants_proof: bool,
    /// Where it sends those who ask for services that it does not know.
    pub refers_to: Option<String>,
    pub session_enctype: Enctype,
    pub lifetime_s: i64,
    /// Requests that were answered with a ticket.
    pub granted: usize,
}

struct Asked {
    options: u32,
    client: Option<PrincipalName>,
    service: PrincipalName,
    renew_till_s: Option<i64>,
    nonce: i64,
}

impl SmallKdc {
    pub fn new(realm: &str, principals: &[(&str, &Key)], now_s: i64) -> Self {
        let mut keys: BTreeMap<String, Key> =
            principals.iter().map(|(name, key)| (format!("{name}@{realm}"), (*key).clone())).collect();
        let own = Key::new(Enctype::Aes256Sha1, &[99; 32]).expect("a key");
        keys.insert(ticket_granting_service(realm, realm).to_string(), own);
        Self {
            realm: realm.to_owned(),
            keys,
            now_s,
            wants_proof: true,
            refers_to: None,
            session_enctype: Enctype::Aes256Sha1,
            lifetime_s: 36_000,
            granted: 0,
        }
    }

    pub fn answer(&mut self, message: &[u8]) -> Vec<u8> {
        let answer = match message.first().map(|tag| tag & 0x1f) {
            Some(AS_REQ) => self.authenticate(message),
            Some(TGS_REQ) => self.give(message),
            _ => panic!("no request"),
        };
        answer.unwrap_or_else(|(code, data)| self.error(code, &data))
    }

    pub fn error(&self, code: i64, data: &[u8]) -> Vec<u8> {
        let mut fields = vec![
            der::field(0, &der::number(VERSION)),
            der::field(1, &der::number(KRB_ERROR.into())),
            der::field(4, &der::time(self.now_s)),
            der::field(5, &der::number(0)),
            der::field(6, &der::number(code)),
            der::field(9, &writing::text(&self.realm)),
            der::field(
                10,
                &writing::name(&ticket_granting_service(&self.realm, &self.realm), NameType::Service),
            ),
            der::field(11, &writing::text("no\u{7}")),
        ];
        if !data.is_empty() {
            fields.push(der::field(12, &der::octets(data)));
        }
        der::message(KRB_ERROR, &fields)
    }

    fn authenticate(&mut self, message: &[u8]) -> Result<Vec<u8>, (i64, Vec<u8>)> {
        let (proof, body) = parts(message, AS_REQ, 2);
        let asked = read_body(body);
        let client = asked.client.clone().expect("a name");
        let key = self.keys.get(&client.to_string()).ok_or((6, Vec::new()))?.clone();
        match proof {
            None if self.wants_proof => return Err((KdcError::PROOF_WANTED, method_data(&key))),
            None => {}
            Some(proof) => {
                let cipher = Encrypted::read(&mut Der::new(proof)).expect("a cipher").cipher;
                let plain = key.decrypt(usage::AS_REQ_TIMESTAMP, cipher);
                let plain = plain.ok_or((KdcError::WRONG_KEY, Vec::new()))?;
                let mut fields = Fields::of_sequence(&mut Der::new(&plain)).expect("a time");
                let time_s = fields.time(0).expect("a time");
                if (time_s - self.now_s).abs() > 300 {
                    return Err((KdcError::CLOCK_SKEW, Vec::new()));
                }
            }
        }
        self.grant(&asked, &client, (&key, usage::AS_REP), (AS_REP, ENC_AS_REP_PART), None)
    }

    fn give(&mut self, message: &[u8]) -> Result<Vec<u8>, (i64, Vec<u8>)> {
        let (proof, body) = parts(message, TGS_REQ, 1);
        let shown = ApReq::read(proof.expect("a ticket")).expect("a ticket");
        // From another realm it has the key that both realms share, by the other realm's name for it.
        let key = self.keys.get(&shown.service.to_string()).expect("the key of the ticket");
        let ticket = EncTicketPart::read(&key.decrypt(usage::TICKET, shown.ticket.cipher).expect("its key"));
        let ticket = ticket.expect("a ticket");
        if ticket.end_s < self.now_s {
            return Err((32, Vec::new()));
        }
        let session_key = ticket.session_key.expect("a key");
        let plain = session_key.decrypt(usage::TGS_REQ_AUTHENTICATOR, shown.authenticator.cipher);
        let authenticator = Authenticator::read(&plain.expect("its key")).expect("an authenticator");
        assert_eq!(authenticator.client, ticket.client);
        let sum = session_key.checksum(usage::TGS_REQ_CHECKSUM, &[body]).expect("a sum");
        let kind = session_key.enctype().checksum_code();
        assert_eq!(authenticator.checksum, Some((kind, sum)), "what is asked is guarded");
        let mut asked = read_body(body);
        if asked.options & RENEW == 0 && !self.keys.contains_key(&asked.service.to_string()) {
            let to = self.refers_to.clone().ok_or((KdcError::UNKNOWN_SERVICE, Vec::new()))?;
            asked.service = ticket_granting_service(&to, &self.realm);
        }
        let kinds = (TGS_REP, ENC_TGS_REP_PART);
        self.grant(&asked, &ticket.client, (&session_key, usage::TGS_REP), kinds, Some(ticket.end_s))
    }

    fn grant(
        &mut self,
        asked: &Asked,
        client: &PrincipalName,
        (key, usage): (&Key, u32),
        (kind, part_kind): (u8, u8),
        shown_end_s: Option<i64>,
    ) -> Result<Vec<u8>, (i64, Vec<u8>)> {
        self.granted += 1;
        let service_key = self.keys.get(&asked.service.to_string()).ok_or((7, Vec::new()))?;
        let fill = 100 + self.granted as u8;
        let session_key =
            Key::new(self.session_enctype, &vec![fill; self.session_enctype.key_len()]).expect("a key");
        let flags = if asked.renew_till_s.is_some() || asked.options & RENEW != 0 {
            Credential::RENEWABLE
        } else {
            0
        };
        let end_s = match shown_end_s.filter(|_| asked.options & RENEW == 0) {
            Some(end_s) => end_s,
            None => self.now_s + self.lifetime_s,
        };
        let part = EncTicketPart {
            flags,
            session_key: Some(session_key.clone()),
            client: client.clone(),
            start_s: self.now_s,
            end_s,
        };
        let cipher =
            service_key.encrypt(usage::TICKET, &[1; 16], &written::enc_ticket_part(&part)).expect("a cipher");
        let ticket =
            written::ticket(&asked.service, &writing::encrypted(service_key.enctype(), Some(2), &cipher));
        let mut fields = vec![
            der::field(0, &writing::key(&session_key)),
            der::field(1, &der::sequence(&[])),
            der::field(2, &der::number(asked.nonce)),
            der::field(4, &writing::flags(flags)),
            der::field(5, &der::time(self.now_s)),
            der::field(7, &der::time(end_s)),
        ];
        fields.extend(asked.renew_till_s.map(|till| der::field(8, &der::time(till))));
        fields.push(der::field(9, &writing::text(&asked.service.realm)));
        fields.push(der::field(10, &writing::name(&asked.service, NameType::Service)));
        let plain = der::message(part_kind, &fields);
        let cipher = key.encrypt(usage, &[2; 16], &plain).expect("a cipher");
        let fields = [
            der::field(0, &der::number(VERSION)),
            der::field(1, &der::number(kind.into())),
            der::field(3, &writing::text(&client.realm)),
            der::field(4, &writing::name(client, NameType::Principal)),
            der::field(5, &ticket),
            der::field(6, &writing::encrypted(key.enctype(), None, &cipher)),
        ];
        Ok(der::message(kind, &fields))
    }
}

/// The proof of a kind, and the bytes of the body.
fn parts(message: &[u8], kind: u8, proof: i64) -> (Option<&[u8]>, &[u8]) {
    let mut fields = Fields::of_message(message, kind).expect("a request");
    assert_eq!((fields.integer(1), fields.integer(2)), (Some(VERSION), Some(kind.into())));
    let value = fields.field(3).map(|mut data| {
        let mut one = Fields::of_sequence(&mut data.inside(tag::SEQUENCE).expect("data")).expect("one");
        assert_eq!(one.integer(1), Some(proof));
        one.octets(2).expect("a proof")
    });
    (value, fields.field(4).expect("a body").rest())
}

fn read_body(body: &[u8]) -> Asked {
    let mut fields = Fields::of_sequence(&mut Der::new(body)).expect("a body");
    let options = fields.flags(0).expect("options");
    let mut client = fields.field(1);
    let realm = fields.text(2).expect("a realm");
    let client = client.as_mut().map(|der| PrincipalName::read(realm.clone(), der).expect("a name"));
    let service = PrincipalName::read(realm, &mut fields.field(3).expect("a service")).expect("a name");
    assert_eq!(fields.time(5), Some(0), "for as long as there is");
    let renew_till_s = fields.optional_time(6).expect("a time");
    let nonce = fields.integer(7).expect("a nonce");
    assert!(!fields.field(8).expect("types").is_empty());
    Asked { options, client, service, renew_till_s, nonce }
}

/// The types of keys that it has, in the data of the error that asks for a proof; one that nobody serves comes first.
fn method_data(key: &Key) -> Vec<u8> {
    let entry = |code: i64| {
        der::sequence(&[der::field(0, &der::number(code)), der::field(1, &writing::text("salt"))])
    };
    let types = der::sequence(&[entry(23), entry(key.enctype().code().into())]);
    let data = |kind: i64, value: &[u8]| {
        der::sequence(&[der::field(1, &der::number(kind)), der::field(2, &der::octets(value))])
    };
    der::sequence(&[data(2, b""), data(19, &types)])
}

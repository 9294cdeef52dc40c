//! A first ticket for a key (RFC 4120 section 3.1): the client names itself, hears that it must prove itself, and does so by the time,
//! encrypted with its key.

use super::credential::{Credential, ticket_granting_service};
use super::failure::Failure;
use super::kdc_error::KdcError;
use super::kdc_reply::{self, AS_REP, KdcReply};
use super::kdc_request::{self, Body};
use super::{Next, Wishes};
use crate::sasl::gssapi::crypto::{Enctype, Key, usage};
use crate::sasl::gssapi::draw;
use crate::sasl::gssapi::keytab::Keytab;
use crate::sasl::gssapi::messages::{Encrypted, PrincipalName};

/// Principals of a keytab that are named where it has not the one that is looked for.
const NAMED_MAX: usize = 5;

/// One first login.
#[derive(Clone, Debug)]
pub struct Authentication {
    client: PrincipalName,
    /// The client's keys with their versions, the newest first.
    keys: Vec<(u32, Key)>,
    wishes: Wishes,
    random: Random,
    nonce: u32,
    has_proven: bool,
}

/// A text that nobody can guess, and that is not shown.
#[derive(Clone)]
pub(super) struct Random(pub String);

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random")
    }
}

impl Authentication {
    /// A login with the keys of a keytab. `random` is a text that nobody can guess, used once.
    ///
    /// # Errors
    /// When the keytab has no key that can be used.
    pub fn new(
        client: PrincipalName,
        keytab: &Keytab,
        wishes: Wishes,
        random: String,
    ) -> Result<Self, Failure> {
        if keytab.of(&client).next().is_none() {
            return Err(Failure::NoKey { principal: client.to_string(), others: principals(keytab) });
        }
        let mut keys: Vec<(u32, Key)> = keytab
            .of(&client)
            .filter_map(|entry| Some((entry.key_version, entry.key.clone()?)))
            .filter(|(_, key)| wishes.enctypes.contains(&key.enctype()))
            .collect();
        keys.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
        if keys.is_empty() {
            return Err(Failure::NoServedKey(client.to_string()));
        }
        Ok(Self { client, keys, wishes, random: Random(random), nonce: 0, has_proven: false })
    }

    /// The first question.
    ///
    /// # Errors
    /// Cannot happen.
    pub fn begin(&mut self, now_ms: i64) -> Result<Next, Failure> {
        self.ask(None, now_ms)
    }

    /// Takes an answer.
    ///
    /// # Errors
    /// Why there is no ticket.
    pub fn answered(&mut self, answer: &[u8], now_ms: i64) -> Result<Next, Failure> {
        let reply = match KdcReply::read(answer, AS_REP, &self.client.realm) {
            Ok(reply) => reply,
            Err(Failure::Refused { error, .. })
                if !self.has_proven && error.code == KdcError::PROOF_WANTED =>
            {
                let key = self.wanted_key(&kdc_reply::enctypes(&error.data))?.clone();
                self.has_proven = true;
                return self.ask(Some(&key), now_ms);
            }
            // Kerby says it so; others have a number of its own for it.
            Err(Failure::Refused { realm, error })
                if self.has_proven && matches!(error.code, KdcError::WRONG_KEY | KdcError::INTEGRITY) =>
            {
                return Err(Failure::WrongKey { principal: self.client.to_string(), realm });
            }
            Err(why) => return Err(skewed(why, now_ms)),
        };
        let plain = self.decrypt(&reply.part)?;
        let credential = reply.credential(&plain, &self.client, self.nonce)?;
        if credential.granted_realm() != Some(self.client.realm.as_str()) {
            return Err(Failure::OtherAnswer("the ticket is not for asking for others"));
        }
        check_times(&credential, &self.wishes, now_ms)?;
        Ok(Next::Granted(Box::new(credential)))
    }

    fn ask(&mut self, key: Option<&Key>, now_ms: i64) -> Result<Next, Failure> {
        let random = format!("{} {}", self.random.0, u8::from(self.has_proven));
        self.nonce = draw::number(&random, "nonce");
        let service = ticket_granting_service(&self.client.realm, &self.client.realm);
        let enctypes = self.enctypes();
        let (till_s, renew_till_s) = times(&self.wishes, now_ms);
        let body = Body {
            options: if renew_till_s.is_some() { kdc_request::RENEWABLE } else { 0 },
            client: Some(&self.client),
            service: &service,
            till_s,
            renew_till_s,
            nonce: self.nonce,
            enctypes: &enctypes,
        };
        let message = kdc_request::as_req(&body, key, now_ms, &random).ok_or(Failure::Key)?;
        Ok(Next::Ask { realm: self.client.realm.clone(), message })
    }

    /// Those of the wishes of which there is a key.
    fn enctypes(&self) -> Vec<Enctype> {
        let has = |kind: &Enctype| self.keys.iter().any(|(_, key)| key.enctype() == *kind);
        self.wishes.enctypes.iter().copied().filter(has).collect()
    }

    /// The key that the centre wants to see, of those that it knows; the dearest where it did not say.
    fn wanted_key(&self, known: &[i64]) -> Result<&Key, Failure> {
        let of = |code: i64| {
            self.keys.iter().map(|(_, key)| key).find(|key| code == i64::from(key.enctype().code()))
        };
        let dearest = self.enctypes().first().map(|kind| i64::from(kind.code()));
        let mut codes = known.iter().copied().chain(dearest.filter(|_| known.is_empty()));
        codes.find_map(of).ok_or_else(|| Failure::OtherKey {
            enctype: known.first().copied().unwrap_or_default(),
            version: 0,
        })
    }

    fn decrypt(&self, part: &Encrypted<'_>) -> Result<Vec<u8>, Failure> {
        let version = part.key_version.unwrap_or(0);
        let of_type: Vec<&(u32, Key)> =
            self.keys.iter().filter(|(_, key)| part.enctype == i64::from(key.enctype().code())).collect();
        // Not all who write keytabs know the version, so that it only tells which key is tried first.
        let named = of_type.iter().filter(|(known, _)| i64::from(*known) == version);
        let others = of_type.iter().filter(|(known, _)| i64::from(*known) != version);
        let mut plain = named.chain(others).filter_map(|(_, key)| key.decrypt(usage::AS_REP, part.cipher));
        plain.next().ok_or(Failure::OtherKey { enctype: part.enctype, version })
    }
}

/// From now on: until when, and until when it can be renewed.
pub(super) fn times(wishes: &Wishes, now_ms: i64) -> (i64, Option<i64>) {
    let now_s = now_ms.div_euclid(1_000);
    let till_s = wishes.lifetime_s.map_or(0, |lifetime| now_s.saturating_add(lifetime));
    (till_s, wishes.renew_lifetime_s.map(|lifetime| now_s.saturating_add(lifetime)))
}

/// A ticket that begins later or has ended shows that the clocks do not agree.
pub(super) fn check_times(credential: &Credential, wishes: &Wishes, now_ms: i64) -> Result<(), Failure> {
    let early_ms = credential.start_s.saturating_mul(1_000).saturating_sub(now_ms);
    let late_ms = now_ms.saturating_sub(credential.end_ms());
    let apart_ms = early_ms.max(late_ms);
    if apart_ms > wishes.clock_skew_ms || late_ms >= 0 {
        return Err(Failure::ClockSkew(apart_ms / 1_000));
    }
    Ok(())
}

/// A refusal for the clocks, with how far they are apart.
pub(super) fn skewed(why: Failure, now_ms: i64) -> Failure {
    match why {
        Failure::Refused { error, .. }
            if error.code == KdcError::CLOCK_SKEW && error.server_time_s.is_some() =>
        {
            let server_s = error.server_time_s.unwrap_or_default();
            Failure::ClockSkew(server_s.saturating_sub(now_ms.div_euclid(1_000)).saturating_abs())
        }
        why => why,
    }
}

fn principals(keytab: &Keytab) -> String {
    let mut names: Vec<String> = Vec::new();
    for entry in &keytab.entries {
        let name = entry.principal.to_string().chars().filter(|c| !c.is_control()).collect();
        if !names.contains(&name) {
            if names.len() == NAMED_MAX {
                names.push("others".to_owned());
                break;
            }
            names.push(name);
        }
    }
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

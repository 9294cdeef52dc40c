//! Tickets for a ticket (RFC 4120 section 3.3): for a service, over the realms in between where it is in another one (RFC 6806), and the
//! same ticket again for longer.

use super::authentication::{Random, check_times, skewed, times};
use super::credential::{Credential, ticket_granting_service};
use super::failure::Failure;
use super::kdc_error::KdcError;
use super::kdc_reply::{KdcReply, TGS_REP};
use super::kdc_request::{self, Body};
use super::{Next, Wishes};
use crate::sasl::gssapi::crypto::usage;
use crate::sasl::gssapi::draw;
use crate::sasl::gssapi::krb5_conf::Krb5Conf;
use crate::sasl::gssapi::messages::PrincipalName;

/// Realms on the way to a service's.
const REALMS_MAX: usize = 8;

/// One ticket that is asked for.
#[derive(Clone, Debug)]
pub struct ServiceTicket {
    /// What is wanted at the end; its realm is a guess where nobody has named it.
    service: PrincipalName,
    is_realm_named: bool,
    is_renewal: bool,
    /// The realms from the client's to the service's, where a configuration names them.
    way: Vec<String>,
    /// What is shown.
    shown: Credential,
    /// What was asked for.
    asked: PrincipalName,
    wishes: Wishes,
    random: Random,
    nonce: u32,
    asked_realms: usize,
}

impl ServiceTicket {
    /// A ticket for a service, such as `kafka` on a host, whose realm and the way there the configuration may name. `random` is a text
    /// that nobody can guess, used once.
    ///
    /// # Errors
    /// When the ticket that is to be shown is none for asking for others.
    pub fn new(
        granting: Credential,
        service: &str,
        host: &str,
        conf: &Krb5Conf,
        random: String,
    ) -> Result<Self, Failure> {
        let own = granting.granted_realm().ok_or(NOT_GRANTING)?.to_owned();
        let realm = conf.realm_of(host);
        let components = vec![service.to_owned(), host.to_ascii_lowercase()];
        let service = PrincipalName { components, realm: realm.unwrap_or(&own).to_owned() };
        let between = conf.way(&own, &service.realm).to_vec();
        let way = [vec![own], between].concat();
        let ticket = Self::of(granting, service, realm.is_some(), false, Wishes::new(conf), random);
        Ok(Self { way, ..ticket })
    }

    /// The same ticket for longer. `random` is a text that nobody can guess, used once.
    ///
    /// # Errors
    /// When it is no ticket for asking for others.
    pub fn renewal(granting: Credential, wishes: Wishes, random: String) -> Result<Self, Failure> {
        granting.granted_realm().ok_or(NOT_GRANTING)?;
        let service = granting.service.clone();
        Ok(Self::of(granting, service, true, true, wishes, random))
    }

    fn of(
        shown: Credential,
        service: PrincipalName,
        is_realm_named: bool,
        is_renewal: bool,
        wishes: Wishes,
        random: String,
    ) -> Self {
        let asked = service.clone();
        let random = Random(random);
        Self {
            service,
            is_realm_named,
            is_renewal,
            way: Vec::new(),
            shown,
            asked,
            wishes,
            random,
            nonce: 0,
            asked_realms: 0,
        }
    }

    /// The first question.
    ///
    /// # Errors
    /// Cannot happen with a ticket that a centre gave.
    pub fn begin(&mut self, now_ms: i64) -> Result<Next, Failure> {
        let realm = match self.is_renewal {
            true => self.service.realm.clone(),
            false => self.shown.granted_realm().ok_or(NOT_GRANTING)?.to_owned(),
        };
        self.asked = match self.service.realm == realm {
            true => self.service.clone(),
            false => ticket_granting_service(self.realm_after(&realm), &realm),
        };
        self.asked_realms += 1;
        let random = format!("{} {}", self.random.0, self.asked_realms);
        self.nonce = draw::number(&random, "nonce");
        let (till_s, _) = times(&self.wishes, now_ms);
        let body = Body {
            options: match self.is_renewal {
                true => kdc_request::RENEW | kdc_request::RENEWABLE,
                false => kdc_request::CANONICALIZE,
            },
            client: None,
            service: &self.asked,
            till_s,
            renew_till_s: None,
            nonce: self.nonce,
            enctypes: &self.wishes.enctypes,
        };
        let message = kdc_request::tgs_req(&body, &self.shown, now_ms, &random).ok_or(Failure::Key)?;
        Ok(Next::Ask { realm, message })
    }

    /// The next realm on the way to the service's.
    fn realm_after(&self, realm: &str) -> &str {
        let mut way = self.way.iter().skip_while(|it| *it != realm);
        way.nth(1).unwrap_or(&self.service.realm)
    }

    /// Takes an answer.
    ///
    /// # Errors
    /// Why there is no ticket.
    pub fn answered(&mut self, answer: &[u8], now_ms: i64) -> Result<Next, Failure> {
        let reply = KdcReply::read(answer, TGS_REP, &self.asked.realm)
            .map_err(|why| skewed(self.unknown(why), now_ms))?;
        let key = &self.shown.session_key;
        if reply.part.enctype != i64::from(key.enctype().code()) {
            return Err(Failure::Decrypt("it is of another encryption type than the ticket that was shown"));
        }
        let plain = key.decrypt(usage::TGS_REP, reply.part.cipher);
        let plain =
            plain.ok_or(Failure::Decrypt("it was not made with the key of the ticket that was shown"))?;
        let credential = reply.credential(&plain, &self.shown.client, self.nonce)?;
        check_times(&credential, &self.wishes, now_ms)?;
        if credential.service == self.asked && self.asked == self.service {
            return Ok(Next::Granted(Box::new(credential)));
        }
        self.follow(credential, now_ms)
    }

    /// Goes on with a ticket for another realm.
    fn follow(&mut self, credential: Credential, now_ms: i64) -> Result<Next, Failure> {
        let realm = credential.granted_realm().map(str::to_owned);
        let realm = realm.filter(|_| !self.is_renewal && credential.service.realm == self.asked.realm);
        let Some(realm) = realm.filter(|realm| *realm != self.asked.realm) else {
            return Err(Failure::OtherAnswer("the ticket is for another service"));
        };
        if self.asked_realms == REALMS_MAX {
            return Err(Failure::Way(self.service.to_string()));
        }
        if self.asked == self.service && !self.is_realm_named {
            self.service.realm = realm;
        }
        self.shown = credential;
        self.begin(now_ms)
    }

    fn unknown(&self, why: Failure) -> Failure {
        match why {
            Failure::Refused { realm, error } if error.code == KdcError::UNKNOWN_SERVICE => {
                Failure::UnknownService { service: self.asked.to_string(), realm, error }
            }
            why => why,
        }
    }
}

const NOT_GRANTING: Failure = Failure::OtherAnswer("the ticket is not for asking for others");

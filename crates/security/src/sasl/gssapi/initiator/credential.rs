//! A ticket, with what its holder must know to show it.

use std::fmt;

use crate::sasl::gssapi::crypto::Key;
use crate::sasl::gssapi::messages::PrincipalName;

/// The first component of the service that gives tickets.
pub(super) const TICKET_GRANTING: &str = "krbtgt";

/// A ticket. Its `Debug` form shows neither keys nor the ticket.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Whose it is.
    pub client: PrincipalName,
    /// Who takes it.
    pub service: PrincipalName,
    /// Shared by both.
    pub session_key: Key,
    /// The first is the highest bit.
    pub flags: u32,
    /// From when on it is good, in Unix seconds.
    pub start_s: i64,
    /// Until when.
    pub end_s: i64,
    /// Until when it can be renewed.
    pub renew_till_s: Option<i64>,
    /// The ticket's bytes, which only its service can read.
    pub ticket: Vec<u8>,
}

impl Credential {
    /// The flag of tickets that can be renewed.
    pub const RENEWABLE: u32 = 1 << 23;

    /// The realm whose tickets it gives; nothing where it is for a common service.
    pub fn granted_realm(&self) -> Option<&str> {
        match self.service.components.as_slice() {
            [first, realm] if first == TICKET_GRANTING => Some(realm),
            _ => None,
        }
    }

    /// Whether it has not come to its end.
    pub fn is_good(&self, now_ms: i64) -> bool {
        now_ms < self.end_ms()
    }

    /// Whether it can be renewed now.
    pub fn is_renewable(&self, now_ms: i64) -> bool {
        let lives_on = self.renew_till_s.is_some_and(|till| till > self.end_s && till > now_ms / 1_000);
        self.flags & Self::RENEWABLE != 0 && lives_on && self.is_good(now_ms)
    }

    /// Its end in Unix ms.
    pub fn end_ms(&self) -> i64 {
        self.end_s.saturating_mul(1_000)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({} for {}, {:?})", self.client, self.service, self.session_key)
    }
}

/// The name of the service that gives tickets for `of`, in `realm`.
pub(super) fn ticket_granting_service(of: &str, realm: &str) -> PrincipalName {
    PrincipalName { components: vec![TICKET_GRANTING.to_owned(), of.to_owned()], realm: realm.to_owned() }
}

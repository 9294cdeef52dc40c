//! Kerberos as a client (RFC 4120, 4121, 4752): tickets are asked for, shown, and kept; nothing here knows a network or a clock.
//!
//! ```text
//! keytab ──► AS-REQ ──► ticket-granting ticket ──► TGS-REQ ──► the service's ticket ──► AP-REQ, in GSS-API in SASL
//! ```
//!
//! | module | what |
//! | --- | --- |
//! | [`login_module`] | [`LoginModule`]: the options of `Krb5LoginModule` |
//! | [`authentication`] | [`Authentication`]: a key proves who the client is |
//! | [`service_ticket`] | [`ServiceTicket`]: tickets for a ticket, also of other realms, and renewed ones |
//! | [`credential`] | [`Credential`]: a ticket and what belongs to it |
//! | [`context`] | GSS-API's first tokens |
//! | [`client`] | [`GssapiClient`]: one exchange of SASL |
//! | `kdc_request`, `kdc_reply`, [`kdc_error`] | the messages of key distribution centres |
//! | [`renewal`] | [`Renewal`]: when a ticket is renewed |
//! | [`failure`] | [`Failure`]: why there is no ticket, and what to do |

pub mod authentication;
pub mod client;
pub mod context;
pub mod credential;
pub mod failure;
pub mod kdc_error;
mod kdc_reply;
mod kdc_request;
pub mod login_module;
pub mod renewal;
pub mod service_ticket;

pub use authentication::Authentication;
pub use client::GssapiClient;
pub use credential::Credential;
pub use failure::Failure;
pub use kdc_error::KdcError;
pub use login_module::{LoginModule, LoginModuleError};
pub use renewal::Renewal;
pub use service_ticket::ServiceTicket;

use super::crypto::Enctype;
use super::krb5_conf::Krb5Conf;

/// How far a conversation with key distribution centres has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A message for a centre of a realm, whose answer is waited for.
    Ask {
        /// The realm.
        realm: String,
        /// The message.
        message: Vec<u8>,
    },
    /// The ticket is there.
    Granted(Box<Credential>),
}

/// What tickets shall be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wishes {
    /// Types of keys, the dearest first.
    pub enctypes: Vec<Enctype>,
    /// How long they shall be good, in seconds; as long as the centre likes where nothing is said.
    pub lifetime_s: Option<i64>,
    /// For how long they can be renewed, in seconds.
    pub renew_lifetime_s: Option<i64>,
    /// By how much clocks may differ, in ms.
    pub clock_skew_ms: i64,
}

impl Wishes {
    /// As a configuration says.
    pub fn new(conf: &Krb5Conf) -> Self {
        Self {
            enctypes: conf.enctypes.clone(),
            lifetime_s: conf.ticket_lifetime_s,
            renew_lifetime_s: conf.renew_lifetime_s,
            clock_skew_ms: conf.clock_skew_s.saturating_mul(1_000),
        }
    }
}

#[cfg(test)]
mod initiator_test;
#[cfg(test)]
mod small_kdc;

//! Tickets that a client logs in with by SASL/GSSAPI (`KerberosLogin`). What tickets and their messages are is in `ottla-security`.
//!
//! | module | what |
//! | --- | --- |
//! | [`login`] | [`KerberosLogin`]: the ticket to show now, renewed before it ends |
//! | [`settings`] | what a configuration and its environment ask for |
//! | [`centres`] | key distribution centres, asked over TCP |
//! | [`dns`] | where a realm has its centres, asked of name servers |
//! | [`files`] | keytabs and caches of tickets |

mod centres;
mod dns;
mod files;
mod login;
mod settings;

pub(crate) use login::KerberosLogin;
pub(crate) use settings::Settings;

use ottla_security::sasl::gssapi::initiator::Failure;

/// Why there is no ticket. Nothing secret is named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoTicket {
    /// Another attempt would end the same.
    #[error("{0}")]
    Refused(String),
    /// Another attempt may succeed.
    #[error("{0}")]
    Failed(String),
}

impl From<Failure> for NoTicket {
    fn from(why: Failure) -> Self {
        match why.is_retriable() {
            true => NoTicket::Failed(why.to_string()),
            false => NoTicket::Refused(why.to_string()),
        }
    }
}

#[cfg(test)]
mod kerberos_test;

//! The initiator's side of Kerberos in GSS-API (RFC 4121): a ticket is shown, and the service proves that it can read it.

use super::credential::Credential;
use super::failure::Failure;
use super::kdc_error::KdcError;
use super::kdc_request::clock;
use crate::sasl::gssapi::acceptor::{GSS_CHECKSUM, MUTUAL, REPLAY_DETECTION, SEQUENCE};
use crate::sasl::gssapi::crypto::{Key, usage};
use crate::sasl::gssapi::messages::{ApReq, Authenticator, EncApRepPart};
use crate::sasl::gssapi::token::{self, Answer, WrapKey};
use crate::sasl::gssapi::{draw, writing};

/// Messages are protected by a checksum, as those of SASL's last step are.
const INTEGRITY: u32 = 32;

/// A ticket that was shown, and whose answer is waited for.
#[derive(Debug)]
pub struct Initiated {
    session_key: Key,
    subkey: Key,
    time_s: i64,
    microsecond: i64,
    sequence: u32,
}

/// What client and service have agreed on.
#[derive(Debug)]
pub struct Agreed {
    /// The key of messages.
    pub key: WrapKey,
    /// The number of the client's next message.
    pub send_sequence: u32,
}

/// The first token. `random` is a text that nobody can guess, used once.
///
/// # Errors
/// Cannot happen with a ticket that a centre gave.
pub fn initiate(credential: &Credential, now_ms: i64, random: &str) -> Result<(Vec<u8>, Initiated), Failure> {
    let session_key = credential.session_key.clone();
    let subkey = draw::key(session_key.enctype(), random, "subkey").ok_or(Failure::Key)?;
    let (time_s, microsecond) = clock(now_ms);
    // Beyond what is known of the time: two logins at once are not the same to who remembers them by their times.
    let microsecond = microsecond + i64::from(draw::number(random, "microsecond") % 1_000);
    let sequence = draw::number(random, "sequence");
    let flags = MUTUAL | REPLAY_DETECTION | SEQUENCE | INTEGRITY;
    // No channel is bound.
    let sum = [16_u32.to_le_bytes().as_slice(), &[0; 16], &flags.to_le_bytes()].concat();
    let authenticator = Authenticator {
        client: credential.client.clone(),
        checksum: Some((GSS_CHECKSUM, sum)),
        microsecond,
        time_s,
        subkey: Some(Some(subkey.clone())),
        sequence,
    };
    let plain = writing::authenticator(&authenticator);
    let confounder = draw::drawn(random, "confounder");
    let cipher = session_key.encrypt(usage::AP_REQ_AUTHENTICATOR, &confounder, &plain).ok_or(Failure::Key)?;
    let proof = writing::encrypted(session_key.enctype(), None, &cipher);
    let message = writing::ap_req(ApReq::MUTUAL_REQUIRED, &credential.ticket, &proof);
    let initiated = Initiated { session_key, subkey, time_s, microsecond, sequence };
    Ok((token::write_ap_req(&message), initiated))
}

impl Initiated {
    /// Takes the service's answer.
    ///
    /// # Errors
    /// When the service refuses the ticket, or can't read it.
    pub fn answered(self, token: &[u8]) -> Result<Agreed, Failure> {
        let message = match token::read_answer(token) {
            Answer::ApRep(message) => message,
            Answer::Error(message) => {
                let error = KdcError::read(message).ok_or(Failure::Token)?;
                return Err(Failure::Broker(Box::new(error)));
            }
            Answer::Unknown => return Err(Failure::Token),
        };
        let part = EncApRepPart::encrypted(message).ok_or(Failure::Token)?;
        let plain = self.session_key.decrypt(usage::AP_REP, part.cipher).ok_or(Failure::Impostor)?;
        let part = EncApRepPart::read(&plain).ok_or(Failure::Token)?;
        if (part.time_s, part.microsecond) != (self.time_s, self.microsecond) {
            return Err(Failure::Impostor);
        }
        // The service's own number of messages is not looked at: the key is new, and protects one message of each side.
        let key = match part.subkey {
            None => WrapKey { key: self.subkey, is_acceptors: false },
            Some(Some(key)) => WrapKey { key, is_acceptors: true },
            Some(None) => return Err(Failure::SessionKeyType),
        };
        Ok(Agreed { key, send_sequence: self.sequence })
    }
}

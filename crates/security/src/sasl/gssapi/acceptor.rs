//! The acceptor's side of Kerberos in GSS-API (RFC 4121): from an AP-REQ to a client and a key that only it shares.
//!
//! No key distribution centre is asked: that a ticket decrypts with the service's key shows who has made it, and that the authenticator
//! decrypts with the ticket's session key shows whose it is.

use super::crypto::{Confounder, Key, usage};
use super::messages::{ApReq, Authenticator, EncTicketPart, PrincipalName};
use super::refusal::Refusal;
use super::service::KerberosService;
use super::token::{self, Initial, WrapKey};
use super::{draw, writing};

/// The type of checksum that holds the flags of GSS-API (RFC 4121 section 4.1.1).
pub(super) const GSS_CHECKSUM: i64 = 0x8003;
/// Bytes of it up to the flags: a length, a digest of channel bindings, the flags.
const CHECKSUM_MIN: usize = 24;

pub(super) const MUTUAL: u32 = 2;
pub(super) const REPLAY_DETECTION: u32 = 4;
pub(super) const SEQUENCE: u32 = 8;

/// A client that is known, and what messages between it and the service are protected with.
#[derive(Debug)]
pub struct Context {
    /// The client.
    pub client: PrincipalName,
    /// The key of messages.
    pub key: WrapKey,
    /// Number of the service's next message.
    pub send_sequence: u32,
    /// Number of the client's next message; `None` where it has asked for no order.
    pub receive_sequence: Option<u32>,
    /// The answer, where the client wants one.
    pub answer: Option<Vec<u8>>,
}

/// Takes a client's first token. `random` is a text that nobody can guess, used once.
///
/// # Errors
/// Why the client is not known.
pub fn accept(
    token: &[u8],
    service: &KerberosService,
    now_ms: i64,
    random: &str,
) -> Result<Context, Refusal> {
    let message = match token::read_initial(token) {
        Initial::ApReq(message) => message,
        Initial::Spnego => return Err(Refusal::Spnego),
        Initial::Unknown => return Err(Refusal::Malformed),
    };
    let request = ApReq::read(message).ok_or(Refusal::Malformed)?;
    let (client, session_key) = check_ticket(&request, service, now_ms)?;
    let authenticator = check_authenticator(&request, &client, &session_key, service, now_ms)?;
    let flags = gss_flags(&authenticator)?;
    // Last, so that only who has a ticket can fill the memory.
    let end_ms = authenticator.time_s.saturating_mul(1_000).saturating_add(service.clock_skew_ms() + 1_000);
    if !service.replays.insert(request.authenticator.cipher, end_ms, now_ms) {
        return Err(Refusal::Replay);
    }
    let initiators = match authenticator.subkey.clone() {
        None => session_key.clone(),
        Some(Some(key)) => key,
        Some(None) => return Err(Refusal::SessionKeyType),
    };
    let receive_sequence = (flags & (REPLAY_DETECTION | SEQUENCE) != 0).then_some(authenticator.sequence);
    if flags & MUTUAL == 0 && request.options & ApReq::MUTUAL_REQUIRED == 0 {
        let key = WrapKey { key: initiators, is_acceptors: false };
        let send_sequence = authenticator.sequence;
        return Ok(Context { client, key, send_sequence, receive_sequence, answer: None });
    }
    let (answer, key, send_sequence) = answer(&authenticator, &session_key, &initiators, random)?;
    let key = WrapKey { key, is_acceptors: true };
    Ok(Context { client, key, send_sequence, receive_sequence, answer: Some(answer) })
}

/// Whose ticket it is, and its session key.
fn check_ticket(
    request: &ApReq<'_>,
    service: &KerberosService,
    now_ms: i64,
) -> Result<(PrincipalName, Key), Refusal> {
    if request.options & ApReq::USE_SESSION_KEY != 0 {
        return Err(Refusal::UserToUser);
    }
    if request.service != *service.principal() {
        return Err(Refusal::OtherService);
    }
    let key = service.key(request.ticket.enctype, request.ticket.key_version)?;
    let plain = key.decrypt(usage::TICKET, request.ticket.cipher).ok_or(Refusal::Ticket)?;
    let ticket = EncTicketPart::read(&plain).ok_or(Refusal::Malformed)?;
    let skew_ms = service.clock_skew_ms();
    if ticket.flags & EncTicketPart::INVALID != 0 || ticket.start_s.saturating_mul(1_000) > now_ms + skew_ms {
        return Err(Refusal::NotYetValid);
    }
    if ticket.end_s.saturating_mul(1_000) < now_ms - skew_ms {
        return Err(Refusal::Expired);
    }
    Ok((ticket.client, ticket.session_key.ok_or(Refusal::SessionKeyType)?))
}

fn check_authenticator(
    request: &ApReq<'_>,
    client: &PrincipalName,
    session_key: &Key,
    service: &KerberosService,
    now_ms: i64,
) -> Result<Authenticator, Refusal> {
    if request.authenticator.enctype != i64::from(session_key.enctype().code()) {
        return Err(Refusal::Authenticator);
    }
    let plain = session_key
        .decrypt(usage::AP_REQ_AUTHENTICATOR, request.authenticator.cipher)
        .ok_or(Refusal::Authenticator)?;
    let authenticator = Authenticator::read(&plain).ok_or(Refusal::Malformed)?;
    if authenticator.client != *client {
        return Err(Refusal::Authenticator);
    }
    let time_ms =
        authenticator.time_s.saturating_mul(1_000).saturating_add(authenticator.microsecond / 1_000);
    let apart_ms = now_ms.saturating_sub(time_ms);
    if apart_ms.saturating_abs() > service.clock_skew_ms() {
        return Err(Refusal::ClockSkew(apart_ms));
    }
    Ok(authenticator)
}

/// Channel bindings, which are a digest in front of the flags, are not looked at: Kafka has none.
fn gss_flags(authenticator: &Authenticator) -> Result<u32, Refusal> {
    let (kind, bytes) = authenticator.checksum.as_ref().ok_or(Refusal::Checksum)?;
    let bindings_len = bytes.first_chunk().map(|len| u32::from_le_bytes(*len));
    if *kind != GSS_CHECKSUM || bytes.len() < CHECKSUM_MIN || bindings_len != Some(16) {
        return Err(Refusal::Checksum);
    }
    let flags = bytes.get(20..).and_then(<[u8]>::first_chunk).ok_or(Refusal::Checksum)?;
    Ok(u32::from_le_bytes(*flags))
}

/// The answer's token, the service's own key, and the number of its first message.
///
/// The key is new for each login, so that what a client sends afterwards is good once only, whatever is remembered of authenticators.
fn answer(
    authenticator: &Authenticator,
    session_key: &Key,
    initiators: &Key,
    random: &str,
) -> Result<(Vec<u8>, Key, u32), Refusal> {
    let subkey = draw::key(initiators.enctype(), random, "subkey").ok_or(Refusal::Key)?;
    let confounder: Confounder = draw::drawn(random, "confounder");
    let sequence = draw::number(random, "sequence");
    let part = writing::enc_ap_rep_part(authenticator, Some(&subkey), sequence);
    let cipher = session_key.encrypt(usage::AP_REP, &confounder, &part).ok_or(Refusal::Key)?;
    let message = writing::ap_rep(session_key.enctype(), &cipher);
    Ok((token::write_ap_rep(&message), subkey, sequence))
}

//! The frames of GSS-API around Kerberos' messages (RFC 2743 section 3.1, RFC 4121 sections 4.1 and 4.2.6.2).

use subtle::ConstantTimeEq;

use super::crypto::{Key, usage};
use super::der;
use crate::der::{Der, oid_text, tag};

/// Kerberos 5 among the mechanisms of GSS-API.
const KERBEROS: &str = "1.2.840.113554.1.2.2";
/// The same in DER, without its tag.
const KERBEROS_DER: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2];
/// What begins the first token of SPNEGO, which Kafka's clients do not speak.
const SPNEGO: &str = "1.3.6.1.5.5.2";

const AP_REQ: [u8; 2] = [1, 0];
const AP_REP: [u8; 2] = [2, 0];
const ERROR: [u8; 2] = [3, 0];

/// Bytes in front of a wrapped message.
const WRAP_HEADER: usize = 16;
const WRAP: [u8; 2] = [5, 4];
const SENT_BY_ACCEPTOR: u8 = 1;
const SEALED: u8 = 2;
const ACCEPTOR_SUBKEY: u8 = 4;
const FILLER: u8 = 0xff;

/// What a client's first token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial<'a> {
    /// An AP-REQ.
    ApReq(&'a [u8]),
    /// Negotiation of a mechanism, which is not served.
    Spnego,
    /// Nothing that is known.
    Unknown,
}

/// Takes a client's first token out of its frame.
pub fn read_initial(token: &[u8]) -> Initial<'_> {
    let read = || {
        let mut frame = Der::new(token).inside(der::application_tag(0))?;
        let oid = oid_text(frame.expect(tag::OID)?)?;
        Some((oid, frame.rest()))
    };
    match read() {
        Some((oid, body)) if oid == KERBEROS => {
            body.strip_prefix(&AP_REQ).map_or(Initial::Unknown, Initial::ApReq)
        }
        Some((oid, _)) if oid == SPNEGO => Initial::Spnego,
        _ => Initial::Unknown,
    }
}

fn framed(kind: [u8; 2], message: &[u8]) -> Vec<u8> {
    let oid = der::value(tag::OID, &KERBEROS_DER);
    der::value(der::application_tag(0), &[oid.as_slice(), &kind, message].concat())
}

/// The acceptor's answer.
pub fn write_ap_rep(message: &[u8]) -> Vec<u8> {
    framed(AP_REP, message)
}

/// The initiator's first token.
pub fn write_ap_req(message: &[u8]) -> Vec<u8> {
    framed(AP_REQ, message)
}

/// What an acceptor's first token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// An AP-REP.
    ApRep(&'a [u8]),
    /// A KRB-ERROR.
    Error(&'a [u8]),
    /// Nothing that is known.
    Unknown,
}

/// Takes an acceptor's first token out of its frame.
pub fn read_answer(token: &[u8]) -> Answer<'_> {
    let read = || {
        let mut frame = Der::new(token).inside(der::application_tag(0))?;
        (frame.expect(tag::OID)? == KERBEROS_DER).then(|| frame.rest().split_first_chunk())?
    };
    match read() {
        Some((kind, message)) if *kind == AP_REP => Answer::ApRep(message),
        Some((kind, message)) if *kind == ERROR => Answer::Error(message),
        _ => Answer::Unknown,
    }
}

/// The key of wrapped messages, and whether it is the acceptor's own.
#[derive(Clone, Debug)]
pub struct WrapKey {
    /// The key.
    pub key: Key,
    /// Whether the acceptor has chosen it.
    pub is_acceptors: bool,
}

impl WrapKey {
    fn flags(&self, is_by_acceptor: bool) -> u8 {
        let subkey = if self.is_acceptors { ACCEPTOR_SUBKEY } else { 0 };
        subkey | if is_by_acceptor { SENT_BY_ACCEPTOR } else { 0 }
    }

    /// A message of the acceptor with a checksum, not encrypted.
    pub fn wrap(&self, message: &[u8], sequence: u64) -> Option<Vec<u8>> {
        self.wrap_as(true, message, sequence)
    }

    /// The message of an initiator's token, and its number.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn unwrap<'a>(&self, token: &'a [u8], turned: &'a mut Vec<u8>) -> Result<(&'a [u8], u64), Unwrap> {
        self.unwrap_as(false, token, turned)
    }

    /// A message of the initiator, as [`Self::wrap`].
    pub fn wrap_by_initiator(&self, message: &[u8], sequence: u64) -> Option<Vec<u8>> {
        self.wrap_as(false, message, sequence)
    }

    /// The message of an acceptor's token, as [`Self::unwrap`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn unwrap_by_acceptor<'a>(
        &self,
        token: &'a [u8],
        turned: &'a mut Vec<u8>,
    ) -> Result<(&'a [u8], u64), Unwrap> {
        self.unwrap_as(true, token, turned)
    }

    fn wrap_as(&self, is_by_acceptor: bool, message: &[u8], sequence: u64) -> Option<Vec<u8>> {
        let header = header(self.flags(is_by_acceptor), 0, sequence);
        let sum = self.key.checksum(seal_usage(is_by_acceptor), &[message, &header])?;
        let sent = self::header(self.flags(is_by_acceptor), u16::try_from(sum.len()).ok()?, sequence);
        Some([&sent, message, &sum].concat())
    }

    /// `turned` is room for what a sender has turned.
    fn unwrap_as<'a>(
        &self,
        is_by_acceptor: bool,
        token: &'a [u8],
        turned: &'a mut Vec<u8>,
    ) -> Result<(&'a [u8], u64), Unwrap> {
        let (head, body) = token.split_first_chunk::<WRAP_HEADER>().ok_or(Unwrap::Malformed)?;
        let [a, b, flags, FILLER, extra_1, extra_2, turn_1, turn_2, number @ ..] = *head else {
            return Err(Unwrap::Malformed);
        };
        if [a, b] != WRAP || (flags & SENT_BY_ACCEPTOR != 0) != is_by_acceptor {
            return Err(Unwrap::Malformed);
        }
        if flags & SEALED != 0 {
            return Err(Unwrap::Sealed);
        }
        if (flags & ACCEPTOR_SUBKEY != 0) != self.is_acceptors {
            return Err(Unwrap::OtherKey);
        }
        let turn = usize::from(u16::from_be_bytes([turn_1, turn_2]));
        turned.extend_from_slice(body);
        if let Some(turn) = turn.checked_rem(turned.len()) {
            turned.rotate_left(turn);
        }
        let sum_len = self.key.enctype().mac_len();
        if usize::from(u16::from_be_bytes([extra_1, extra_2])) != sum_len {
            return Err(Unwrap::Malformed);
        }
        let turned: &'a [u8] = turned;
        let end = turned.len().checked_sub(sum_len).ok_or(Unwrap::Malformed)?;
        let (message, sum) = turned.split_at_checked(end).ok_or(Unwrap::Malformed)?;
        let sequence = u64::from_be_bytes(number);
        let header = header(flags, 0, sequence);
        let expected = self.key.checksum(seal_usage(is_by_acceptor), &[message, &header]);
        match expected.is_some_and(|expected| expected.as_slice().ct_eq(sum).into()) {
            true => Ok((message, sequence)),
            false => Err(Unwrap::Checksum),
        }
    }
}

/// What is wrong with a wrapped message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwrap {
    /// It is none.
    Malformed,
    /// It is encrypted, which nobody asked for.
    Sealed,
    /// It names another key.
    OtherKey,
    /// It was made with another key, or changed.
    Checksum,
}

fn seal_usage(is_by_acceptor: bool) -> u32 {
    if is_by_acceptor { usage::ACCEPTOR_SEAL } else { usage::INITIATOR_SEAL }
}

/// A header with the number of bytes behind the message. Its checksum is made of one where that is 0.
fn header(flags: u8, extra: u16, sequence: u64) -> [u8; WRAP_HEADER] {
    let [a, b] = WRAP;
    let [e, f] = extra.to_be_bytes();
    let [s0, s1, s2, s3, s4, s5, s6, s7] = sequence.to_be_bytes();
    [a, b, flags, FILLER, e, f, 0, 0, s0, s1, s2, s3, s4, s5, s6, s7]
}

/// The initiator's side with less to write, for tests.
#[cfg(test)]
pub(super) mod initiator {
    use super::*;

    pub fn wrap(key: &WrapKey, message: &[u8], sequence: u64) -> Vec<u8> {
        key.wrap_by_initiator(message, sequence).expect("a token")
    }

    pub fn unwrap(key: &WrapKey, token: &[u8]) -> Result<(Vec<u8>, u64), Unwrap> {
        let mut room = Vec::new();
        key.unwrap_by_acceptor(token, &mut room).map(|(message, sequence)| (message.to_vec(), sequence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::gssapi::crypto::Enctype;

    fn key(is_acceptors: bool) -> WrapKey {
        WrapKey { key: Key::new(Enctype::Aes256Sha1, &[3; 32]).expect("a key"), is_acceptors }
    }

    #[test]
    fn frames() {
        assert_eq!(read_initial(&write_ap_req(b"xy")), Initial::ApReq(b"xy"));
        assert_eq!(read_initial(&write_ap_rep(b"xy")), Initial::Unknown, "an answer is no request");
        let spnego = der::value(0x60, &der::value(tag::OID, &[0x2b, 6, 1, 5, 5, 2]));
        assert_eq!(read_initial(&spnego), Initial::Spnego);
        assert_eq!(read_initial(b""), Initial::Unknown);
        assert_eq!(read_answer(&write_ap_rep(b"xy")), Answer::ApRep(b"xy"));
        assert_eq!(read_answer(&framed(ERROR, b"xy")), Answer::Error(b"xy"));
        assert_eq!(read_answer(&write_ap_req(b"xy")), Answer::Unknown, "a request is no answer");
        assert_eq!(read_answer(b""), Answer::Unknown);
    }

    #[test]
    fn wrapped_messages() {
        let (key, other) = (key(true), key(false));
        let unwrap = |key: &WrapKey, token: &[u8]| {
            let mut room = Vec::new();
            key.unwrap(token, &mut room).map(|(message, sequence)| (message.to_vec(), sequence))
        };
        let token = initiator::wrap(&key, b"hello", 7);
        assert_eq!(token[..16], [5, 4, 4, 0xff, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(unwrap(&key, &token), Ok((b"hello".to_vec(), 7)));
        assert_eq!(unwrap(&other, &token), Err(Unwrap::OtherKey));
        assert_eq!(initiator::unwrap(&key, &token), Err(Unwrap::Malformed), "one's own token sent back");
        // Windows turns what stands behind the header.
        for turn in [1, 12, 17, 18, 40_000_u16] {
            let mut turned = token.clone();
            turned[6..8].copy_from_slice(&turn.to_be_bytes());
            let len = token.len() - 16;
            turned[16..].rotate_right(usize::from(turn) % len);
            assert_eq!(unwrap(&key, &turned), Ok((b"hello".to_vec(), 7)), "{turn}");
        }
        let mut sealed = token.clone();
        sealed[2] |= 2;
        assert_eq!(unwrap(&key, &sealed), Err(Unwrap::Sealed));
        for at in [0, 1, 2, 3, 5, 15, 16, 20, 21, 32] {
            let mut changed = token.clone();
            changed[at] ^= 1;
            assert!(unwrap(&key, &changed).is_err(), "{at}");
        }
        for len in 0..token.len() {
            assert!(unwrap(&key, &token[..len]).is_err(), "{len}");
        }
        let ours = key.wrap(&[1, 0, 0, 0], 9).expect("a token");
        assert_eq!(ours[2], 5);
        assert_eq!(initiator::unwrap(&key, &ours), Ok((vec![1, 0, 0, 0], 9)));
    }
}

//! A handshake, and sessions of TLS 1.2: rustls on bytes in memory.

use std::io::IoSlice;

use bytes::BytesMut;
use rustls::ProtocolVersion;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, ReadTraffic, UnbufferedStatus,
};

use super::records::{ALERT, DATA, HANDSHAKE, HEADER, PLAIN_MAX, RecordError};
use super::send_buffer::{SendBuffer, gather};
use super::traffic::Traffic;

/// What may be received of messages that are not complete: a certificate's chain is the longest. Java's limit is half of it.
const PENDING_MAX: usize = 64 * 1024;
/// Types of records; the first is a relic that may stand among a handshake's.
const KINDS: [u8; 4] = [20, ALERT, HANDSHAKE, DATA];
/// The most that follows a record's header in any version.
const SEALED_MAX: usize = PLAIN_MAX + 2048;

/// A connection while rustls sees its records.
pub(super) struct Negotiation {
    tls: UnbufferedServerConnection,
    /// What was received and not used.
    pending: Vec<u8>,
    /// Records at the front of `pending` that rustls may see: those behind the handshake are not for it.
    shown: usize,
    /// Answers that are to be sent.
    answer: Vec<u8>,
    /// rustls has found an error: it panics when it has to look at records again.
    has_failed: bool,
}

/// What became of what was received.
pub(super) enum Outcome {
    /// More is needed.
    Continues,
    /// The client has said that nothing follows.
    Ended,
    /// The handshake is done, and rustls not needed any more.
    Established,
}

impl Negotiation {
    pub(super) fn new(tls: UnbufferedServerConnection) -> Self {
        Negotiation { tls, pending: Vec::new(), shown: 0, answer: Vec::new(), has_failed: false }
    }

    /// The client's certificate, in DER.
    pub(super) fn peer_certificate(&self) -> Option<&[u8]> {
        self.tls.peer_certificates()?.first().map(|certificate| certificate.as_ref())
    }

    /// Whether keys are still to be agreed on.
    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// What is to be sent; the caller takes it.
    pub(super) fn answer(&mut self) -> &mut Vec<u8> {
        &mut self.answer
    }

    /// Adds what was received, and goes as far as it leads. Data goes to `buffer`.
    ///
    /// # Errors
    /// When it is not TLS, or nothing that both sides can speak. The answer then says so to the client.
    pub(super) fn receive(&mut self, bytes: &[u8], buffer: &mut BytesMut) -> Result<Outcome, rustls::Error> {
        if self.has_failed {
            return Err(rustls::Error::HandshakeNotComplete);
        }
        self.pending.extend_from_slice(bytes);
        let outcome = loop {
            match self.step(buffer)? {
                Outcome::Continues if self.is_established() => break Outcome::Established,
                Outcome::Continues if self.show_next() => {}
                outcome => break outcome,
            }
        };
        if self.pending.len() > PENDING_MAX {
            return Err(rustls::Error::General("a message of the handshake is too long".into()));
        }
        if self.pending.is_empty() {
            // A connection at rest holds none.
            self.pending = Vec::new();
        }
        Ok(outcome)
    }

    fn is_established(&self) -> bool {
        !self.tls.is_handshaking() && self.tls.protocol_version() == Some(ProtocolVersion::TLSv1_3)
    }

    /// Shows rustls one record more; `false` if there is none. What looks like no record is shown as it is, for rustls to say so.
    fn show_next(&mut self) -> bool {
        let left = self.pending.get(self.shown..).unwrap_or_default();
        let Some(&[kind, major, _, high, low]) = left.first_chunk::<HEADER>() else { return false };
        let len = usize::from(u16::from_be_bytes([high, low]));
        let is_record = KINDS.contains(&kind) && major == 3 && len <= SEALED_MAX;
        let end = if is_record { HEADER + len } else { left.len() };
        if end > left.len() {
            return false;
        }
        self.shown += end;
        true
    }

    /// Lets rustls work on what it may see.
    fn step(&mut self, buffer: &mut BytesMut) -> Result<Outcome, rustls::Error> {
        loop {
            let seen = self.pending.get_mut(..self.shown).unwrap_or_default();
            let UnbufferedStatus { mut discard, state } = self.tls.process_tls_records(seen);
            let outcome = match state {
                Ok(ConnectionState::EncodeTlsData(message)) => {
                    encode(message, &mut self.answer);
                    Ok(None)
                }
                Ok(ConnectionState::TransmitTlsData(message)) => {
                    message.done();
                    Ok(None)
                }
                Ok(ConnectionState::ReadTraffic(data)) => {
                    take_data(data, buffer, &mut discard);
                    Ok(None)
                }
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Ok(Some(Outcome::Ended)),
                Ok(_) => Ok(Some(Outcome::Continues)),
                Err(error) => Err(error),
            };
            self.pending.drain(..discard.min(self.pending.len()));
            self.shown = self.shown.saturating_sub(discard);
            match outcome {
                Ok(None) => {}
                Ok(Some(outcome)) => return Ok(outcome),
                Err(error) => {
                    self.collect_alert();
                    return Err(error);
                }
            }
        }
    }

    /// After an error rustls has last messages. It gives one at a time, before it looks at records, and must not get to those.
    fn collect_alert(&mut self) {
        self.has_failed = true;
        while self.tls.wants_write() {
            let seen = self.pending.get_mut(..self.shown).unwrap_or_default();
            let Ok(ConnectionState::EncodeTlsData(message)) = self.tls.process_tls_records(seen).state else {
                return;
            };
            encode(message, &mut self.answer);
        }
    }

    /// Goes on without rustls; only once it is [`Outcome::Established`], and the answer is taken.
    pub(super) fn into_traffic(self) -> Result<Traffic, RecordError> {
        let (secrets, kernel) = self.tls.dangerous_into_kernel_connection()?;
        Traffic::new(secrets, kernel, self.pending)
    }

    /// Encrypts from the slices as far as there is room. How many bytes were taken.
    pub(super) fn seal(
        &mut self,
        slices: &[IoSlice<'_>],
        out: &mut SendBuffer,
    ) -> Result<usize, rustls::Error> {
        if self.has_failed {
            return Err(rustls::Error::HandshakeNotComplete);
        }
        let all: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut plain = [0; PLAIN_MAX];
        let mut taken = 0;
        while taken < all {
            let n = gather(slices, taken, &mut plain);
            let record = plain.get(..n).unwrap_or_default();
            // Shown again what is there in part: rustls may hold places in it.
            let seen = self.pending.get_mut(..self.shown).unwrap_or_default();
            let sealed = match self.tls.process_tls_records(seen).state? {
                ConnectionState::WriteTraffic(mut traffic) => traffic.encrypt(record, out.room()),
                // What was to be sent before it was taken when it came.
                _ => return Err(rustls::Error::HandshakeNotComplete),
            };
            match sealed {
                Ok(len) => out.filled(len),
                Err(EncryptError::InsufficientSize(_)) => break,
                Err(EncryptError::EncryptExhausted) => return Err(rustls::Error::EncryptError),
            }
            taken += n;
        }
        Ok(taken)
    }

    /// Adds that nothing follows to the answer.
    pub(super) fn close(&mut self) {
        if self.has_failed {
            return;
        }
        let answer = &mut self.answer;
        let seen = self.pending.get_mut(..self.shown).unwrap_or_default();
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = self.tls.process_tls_records(seen).state {
            append(answer, |room| match traffic.queue_close_notify(room) {
                Err(EncryptError::InsufficientSize(more)) => Err(Some(more.required_size)),
                Err(EncryptError::EncryptExhausted) => Err(None),
                Ok(len) => Ok(len),
            });
        }
    }
}

fn encode(mut message: EncodeTlsData<'_, ServerConnectionData>, answer: &mut Vec<u8>) {
    append(answer, |room| match message.encode(room) {
        Err(EncodeError::InsufficientSize(more)) => Err(Some(more.required_size)),
        Err(EncodeError::AlreadyEncoded) => Err(None),
        Ok(len) => Ok(len),
    });
}

fn take_data(
    mut data: ReadTraffic<'_, '_, ServerConnectionData>,
    buffer: &mut BytesMut,
    discard: &mut usize,
) {
    while let Some(Ok(record)) = data.next_record() {
        buffer.extend_from_slice(record.payload);
        *discard += record.discard;
    }
}

/// Adds what `write` writes, in as much room as it asks for.
fn append(target: &mut Vec<u8>, mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>) {
    let at = target.len();
    let outcome = match write(&mut []) {
        Err(Some(room)) => {
            target.resize(at + room, 0);
            write(target.get_mut(at..).unwrap_or_default())
        }
        outcome => outcome,
    };
    target.truncate(at + outcome.unwrap_or(0));
}

//! A session of TLS 1.3 after its handshake: rustls keeps the secrets, records are sealed and opened here.
//!
//! Why not by rustls: it hands out what it has decrypted in memory of its own, and gives what it encrypts a memory of its own, record
//! by record. Here a record is opened where the socket put it, so that frames are cut from what was received without any copy, and
//! what is sent is copied once, into the buffer that is encrypted and sent; a range of a file is read into it (decision 0015).
//!
//! Pure: bytes in, bytes out. It is what `rustls::kernel` is made for, with this process in the place of a kernel.

use std::io::{self, IoSlice, IoSliceMut};

use bytes::BytesMut;
use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use rustls::{AlertDescription, ExtractedSecrets};

use super::records::{
    ALERT, DATA, FULL_RECORD, HANDSHAKE, HEADER, PLAIN_MAX, Protection, RecordError, TRAILER, plaintext,
    sealed_len,
};
use super::send_buffer::{RECORDS_MAX, SendBuffer, gather};

/// Records after which the key is changed. AES-GCM may protect 2^24.5 full ones (RFC 8446, 5.5).
const RECORDS_PER_KEY: u64 = 1 << 23;
/// Records without data that may follow each other: changes of keys, warnings, empty ones. Who sends more wants to keep us busy.
const IDLE_RECORDS_MAX: u8 = 32;

/// Handshake message: the other side changes its key.
const KEY_UPDATE: u8 = 24;
/// Levels of alerts.
const WARNING: u8 = 1;
const FATAL: u8 = 2;

/// A session.
pub(super) struct Traffic {
    kernel: KernelConnection<ServerConnectionData>,
    incoming: Protection,
    outgoing: Protection,
    /// What has come of a record whose rest has not.
    pending: Vec<u8>,
    idle_records: u8,
    /// The client wants to see another key, and has not yet.
    key_asked_for: bool,
    records_per_key: u64,
}

impl Traffic {
    /// Goes on where a handshake has ended; `pending` came behind it.
    pub(super) fn new(
        secrets: ExtractedSecrets,
        kernel: KernelConnection<ServerConnectionData>,
        pending: Vec<u8>,
    ) -> Result<Self, RecordError> {
        Ok(Traffic {
            kernel,
            incoming: Protection::new(secrets.rx)?,
            outgoing: Protection::new(secrets.tx)?,
            pending,
            idle_records: 0,
            key_asked_for: false,
            records_per_key: RECORDS_PER_KEY,
        })
    }

    /// Changes keys after fewer records.
    #[cfg(test)]
    pub(super) fn set_records_per_key(&mut self, records: u64) {
        self.records_per_key = records;
    }

    /// Bytes of an incomplete record.
    #[cfg(test)]
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Puts what is left of earlier reads behind the plaintext in `buffer`, where the next read goes on, and makes room for the rest
    /// of its record.
    pub(super) fn prepare(&mut self, buffer: &mut BytesMut) {
        if self.pending.is_empty() {
            return;
        }
        let record = match sealed_len(&self.pending) {
            Ok(Some(len)) => HEADER + len,
            _ => FULL_RECORD / 4,
        };
        buffer.reserve(record.max(self.pending.len() + 1));
        buffer.extend_from_slice(&self.pending);
        self.pending.clear();
    }

    /// Takes back what [`Traffic::prepare`] has put from `start` on, as nothing came.
    pub(super) fn put_back(&mut self, buffer: &mut BytesMut, start: usize) {
        self.pending.extend_from_slice(buffer.get(start..).unwrap_or_default());
        buffer.truncate(start);
    }

    /// Opens the records in `buffer` from `start` on; afterwards there is plaintext only. Whether the client has said that nothing
    /// follows.
    ///
    /// # Errors
    /// When something is there that must not be. What came before it is in the buffer, and [`Traffic::alert`] has words for it.
    pub(super) fn open(&mut self, buffer: &mut BytesMut, start: usize) -> Result<bool, RecordError> {
        let mut plain = start;
        let mut at = start;
        let outcome = loop {
            match self.open_next(buffer, &mut plain, at) {
                Ok(Next::Record(end)) => at = end,
                Ok(Next::End) => break Ok(true),
                Ok(Next::Incomplete) => break Ok(false),
                Err(error) => break Err(error),
            }
        };
        if matches!(outcome, Ok(false)) {
            self.pending.extend_from_slice(buffer.get(at..).unwrap_or_default());
            if self.pending.is_empty() {
                // A connection at rest holds none.
                self.pending = Vec::new();
            }
        }
        buffer.truncate(plain);
        outcome
    }

    /// Opens the record at `at`, and puts its plaintext at `plain`, before it.
    fn open_next(
        &mut self,
        buffer: &mut BytesMut,
        plain: &mut usize,
        at: usize,
    ) -> Result<Next, RecordError> {
        let Some(len) = sealed_len(buffer.get(at..).unwrap_or_default())? else {
            return Ok(Next::Incomplete);
        };
        let end = at + HEADER + len;
        let Some(bytes) = buffer.get_mut(*plain..end) else { return Ok(Next::Incomplete) };
        let (kind, len) = self.incoming.open(bytes, at - *plain)?;
        if kind == DATA && len > 0 {
            self.idle_records = 0;
            *plain += len;
            return Ok(Next::Record(end));
        }
        self.idle_records += 1;
        if self.idle_records > IDLE_RECORDS_MAX {
            return Err(RecordError::Unexpected("too many records without data"));
        }
        let message = bytes.get(..len).unwrap_or_default();
        match kind {
            DATA => Ok(Next::Record(end)),
            ALERT => alert(message).map(|is_end| if is_end { Next::End } else { Next::Record(end) }),
            HANDSHAKE => self.handshake(message).map(|()| Next::Record(end)),
            _ => Err(RecordError::Unexpected("a record of another type")),
        }
    }

    /// The only message of a handshake that a client may send afterwards is that its key changes.
    fn handshake(&mut self, message: &[u8]) -> Result<(), RecordError> {
        let &[KEY_UPDATE, 0, 0, 1, asks_for_ours @ (0 | 1)] = message else {
            return Err(RecordError::Unexpected("a handshake after the handshake"));
        };
        self.incoming = Protection::new(self.kernel.update_rx_secret()?)?;
        self.key_asked_for |= asks_for_ours == 1;
        Ok(())
    }

    /// Adds what the client is owed and nobody asked to send: the answer to its change of keys.
    pub(super) fn answer(&mut self, out: &mut SendBuffer) -> Result<(), RecordError> {
        if self.key_asked_for {
            self.change_key(out)?;
        }
        Ok(())
    }

    /// Whether [`Traffic::answer`] has something to say.
    pub(super) fn owes_answer(&self) -> bool {
        self.key_asked_for
    }

    fn change_key(&mut self, out: &mut SendBuffer) -> Result<(), RecordError> {
        if self.message(HANDSHAKE, &[KEY_UPDATE, 0, 0, 1, 0], out)? {
            self.outgoing = Protection::new(self.kernel.update_tx_secret()?)?;
            self.key_asked_for = false;
        }
        Ok(())
    }

    /// Adds a record, if there is room.
    fn message(&mut self, kind: u8, message: &[u8], out: &mut SendBuffer) -> Result<bool, RecordError> {
        let Some(record) = out.record(message.len()) else { return Ok(false) };
        gather(&[IoSlice::new(message)], 0, plaintext(record));
        self.outgoing.seal(kind, record)?;
        let len = record.len();
        out.filled(len);
        Ok(true)
    }

    /// Adds an alert: that nothing follows, or why.
    pub(super) fn alert(&mut self, why: Option<&RecordError>, out: &mut SendBuffer) {
        let (level, description) = match why.map(RecordError::alert) {
            None => (WARNING, AlertDescription::CloseNotify),
            Some(Some(description)) => (FATAL, description),
            Some(None) => return,
        };
        // Without room, or where sealing fails, the connection ends without a word.
        let _ = self.message(ALERT, &[level, u8::from(description)], out);
    }

    /// Adds records with what the slices hold, as far as there is room. How many bytes were taken.
    pub(super) fn seal(
        &mut self,
        slices: &[IoSlice<'_>],
        out: &mut SendBuffer,
    ) -> Result<usize, RecordError> {
        let all: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut taken = 0;
        while taken < all {
            self.keep_key_fresh(out)?;
            let Some(record) = out.record((all - taken).min(PLAIN_MAX)) else { break };
            taken += gather(slices, taken, plaintext(record));
            self.outgoing.seal(DATA, record)?;
            let len = record.len();
            out.filled(len);
        }
        Ok(taken)
    }

    /// Adds records with up to `len` bytes that `read` puts where they are encrypted. How many it has read.
    ///
    /// # Errors
    /// Those of `read`; a failure of TLS as such an error.
    pub(super) fn seal_read(
        &mut self,
        len: usize,
        out: &mut SendBuffer,
        read: impl FnOnce(&mut [IoSliceMut<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.keep_key_fresh(out).map_err(io::Error::other)?;
        let mut left = len;
        let mut rooms = out.room().chunks_exact_mut(FULL_RECORD);
        let mut slices: [IoSliceMut<'_>; RECORDS_MAX] = std::array::from_fn(|_| {
            let room = rooms.next().and_then(|room| room.get_mut(HEADER..HEADER + left.min(PLAIN_MAX)));
            let room = room.unwrap_or_default();
            left -= room.len();
            IoSliceMut::new(room)
        });
        let read = read(&mut slices)?;
        let mut unsealed = read;
        // All but the last are full, so that one stands right behind the other.
        for room in out.room().chunks_mut(FULL_RECORD) {
            let plain = unsealed.min(PLAIN_MAX);
            let Some(record) = room.get_mut(..HEADER + plain + TRAILER).filter(|_| plain > 0) else { break };
            self.outgoing.seal(DATA, record).map_err(io::Error::other)?;
            unsealed -= plain;
        }
        let records = read.div_ceil(PLAIN_MAX);
        out.filled(read + records * (HEADER + TRAILER));
        Ok(read)
    }

    /// Changes the key before it has protected too much, and before the next record where the client wants it.
    fn keep_key_fresh(&mut self, out: &mut SendBuffer) -> Result<(), RecordError> {
        if self.key_asked_for || self.outgoing.records() >= self.records_per_key {
            self.change_key(out)
        } else {
            Ok(())
        }
    }
}

/// What follows a record in a buffer.
enum Next {
    /// Another may begin here.
    Record(usize),
    /// Nothing, the client says.
    End,
    /// Not all of one.
    Incomplete,
}

/// Whether an alert is the end; those that are failures are errors.
fn alert(message: &[u8]) -> Result<bool, RecordError> {
    match message.last().filter(|_| message.len() == 2).map(|code| AlertDescription::from(*code)) {
        Some(AlertDescription::CloseNotify) => Ok(true),
        Some(AlertDescription::UserCanceled) => Ok(false),
        Some(description) => Err(RecordError::Told(description)),
        None => Err(RecordError::Unexpected("an alert that is none")),
    }
}

#[cfg(test)]
#[path = "traffic_test.rs"]
mod traffic_test;

//! The encrypted stream of one connection: what comes from the socket is decrypted where frames are cut from it, what is to be sent
//! is encrypted where it is sent from.

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use rustls::server::UnbufferedServerConnection;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::net::TcpStream;

use super::TlsListener;
use super::gate::{HandshakeGate, Place};
use super::negotiation::{Negotiation, Outcome};
use super::records::RecordError;
use super::send_buffer::{RECORD_ROOM, SendBuffer};
use super::traffic::Traffic;
use crate::transport::Received;

/// Bytes that are read at once while rustls sees the records.
const SCRATCH: usize = 32 * 1024;
/// What a record of TLS begins with while nothing is encrypted.
const HANDSHAKE_RECORD: u8 = 0x16;

thread_local! {
    /// Encrypted bytes on their way in, or bytes of a file on their way out, where rustls sees the records; no connection keeps any
    /// of it.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

/// Why a stream is not what it should be. The client's fault, or its settings'.
#[derive(Debug)]
pub(crate) enum TlsFailure {
    /// The first byte is not TLS's.
    NotTls,
    /// The handshake, or a record of TLS 1.2.
    Protocol(rustls::Error),
    /// A record of TLS 1.3.
    Record(RecordError),
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsFailure::NotTls => f.write_str(
                "it sent no TLS handshake to a listener with TLS; set security.protocol=SSL (or SASL_SSL) in the client, or \
                 connect to a listener without TLS",
            ),
            TlsFailure::Protocol(error) => write!(f, "TLS failed: {error}"),
            TlsFailure::Record(error) => write!(f, "TLS failed: {error}"),
        }
    }
}

impl std::error::Error for TlsFailure {}

impl From<TlsFailure> for io::Error {
    fn from(failure: TlsFailure) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, failure)
    }
}

/// A connection with TLS, registered with its thread's runtime.
pub(crate) struct TlsStream {
    stream: TcpStream,
    phase: Phase,
    /// Whose handshakes are counted.
    listener: TlsListener,
    gate: Rc<HandshakeGate>,
    /// Its place among those who wait for a step of their handshake.
    place: Option<Place>,
    /// The client's, once the handshake is done.
    certificate: Option<Vec<u8>>,
    /// Records that are to be sent.
    out: Option<SendBuffer>,
    /// What rustls has to say behind them.
    answer: Vec<u8>,
    /// Whether TLS has come.
    begun: bool,
    /// Whether the client has said that nothing follows.
    ended: bool,
}

enum Phase {
    /// Its handshake, and all of TLS 1.2.
    Rustls(Box<Negotiation>),
    /// TLS 1.3 after the handshake.
    Traffic(Box<Traffic>),
    /// It has failed.
    Over,
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl TlsStream {
    pub(crate) fn new(
        stream: TcpStream,
        listener: &TlsListener,
        gate: Rc<HandshakeGate>,
    ) -> io::Result<Self> {
        let tls = UnbufferedServerConnection::new(listener.current()).map_err(io::Error::other)?;
        Ok(TlsStream {
            stream,
            phase: Phase::Rustls(Box::new(Negotiation::new(tls))),
            listener: listener.clone(),
            gate,
            place: None,
            certificate: None,
            out: None,
            answer: Vec::new(),
            begun: false,
            ended: false,
        })
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// The client's certificate, in DER.
    pub(crate) fn peer_certificate(&self) -> Option<&[u8]> {
        match &self.phase {
            Phase::Rustls(tls) => tls.peer_certificate(),
            _ => self.certificate.as_deref(),
        }
    }

    /// Whether something that is encrypted was not sent.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.answer.is_empty() || self.out.as_ref().is_some_and(|out| !out.is_empty())
    }

    /// Whether a read may bring something, be it the end; asks no kernel.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ended { Poll::Ready(Ok(())) } else { self.stream.poll_read_ready(cx) }
    }

    /// Adds what the client has sent to `buffer`, more than its spare capacity if a read brings more; 0 bytes are the end of the
    /// stream.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<Received>> {
        let before = buffer.len();
        let mut was_full = false;
        while !self.ended && buffer.len() == before {
            match &self.phase {
                Phase::Rustls(_) => ready!(self.poll_negotiate(cx, buffer))?,
                Phase::Traffic(_) => was_full = ready!(self.poll_open(cx, buffer))?,
                Phase::Over => self.ended = true,
            }
            if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            // What does not leave now leaves when the socket takes it: the task is woken then.
        }
        Poll::Ready(Ok(Received { bytes: buffer.len() - before, was_full }))
    }

    /// Reads once, and lets rustls have it.
    fn poll_negotiate(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<()>> {
        let Phase::Rustls(tls) = &mut self.phase else { return Poll::Ready(Ok(())) };
        // Asked first: who has nothing to do needs no turn.
        ready!(self.stream.poll_read_ready(cx))?;
        let was_handshaking = tls.is_handshaking();
        if was_handshaking {
            ready!(self.gate.poll_pass(cx, &mut self.place));
        }
        let outcome = BUFFER.with_borrow_mut(|scratch| {
            let mut read = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            let bytes = read.filled();
            if bytes.is_empty() {
                return Poll::Ready(Ok(Ok(Outcome::Ended)));
            }
            if !self.begun && bytes.first() != Some(&HANDSHAKE_RECORD) {
                self.listener.handshakes().failed();
                return Poll::Ready(Err(io::Error::from(TlsFailure::NotTls)));
            }
            self.begun = true;
            Poll::Ready(Ok(tls.receive(bytes, buffer)))
        });
        let outcome = ready!(outcome)?;
        self.answer.append(tls.answer());
        match &outcome {
            Err(_) if was_handshaking => self.listener.handshakes().failed(),
            Ok(_) if was_handshaking && !tls.is_handshaking() => self.listener.handshakes().done(),
            _ => {}
        }
        match outcome {
            Ok(Outcome::Continues) => {}
            Ok(Outcome::Ended) => self.ended = true,
            Ok(Outcome::Established) => {
                let start = buffer.len();
                self.establish(buffer).map_err(|error| self.fail(cx, error))?;
                return Poll::Ready(self.open(cx, buffer, start));
            }
            Err(error) => {
                self.phase = Phase::Over;
                // The alert says to the client what is wrong; nothing follows it.
                let _ = self.poll_flush(cx);
                return Poll::Ready(Err(TlsFailure::Protocol(error).into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Goes on without rustls, with what has come behind the handshake.
    fn establish(&mut self, buffer: &mut BytesMut) -> Result<(), RecordError> {
        if let Phase::Rustls(tls) = std::mem::replace(&mut self.phase, Phase::Over) {
            self.certificate = tls.peer_certificate().map(<[u8]>::to_vec);
            let mut traffic = tls.into_traffic()?;
            traffic.prepare(buffer);
            self.phase = Phase::Traffic(Box::new(traffic));
        }
        Ok(())
    }

    /// Reads once, behind what is in `buffer`, and opens it there. Whether there was more than room.
    fn poll_open(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<bool>> {
        let Phase::Traffic(traffic) = &mut self.phase else { return Poll::Ready(Ok(false)) };
        // Asked first, so that nothing is moved when there is nothing to read.
        ready!(self.stream.poll_read_ready(cx))?;
        let start = buffer.len();
        traffic.prepare(buffer);
        let room = buffer.capacity() - buffer.len();
        let read = match pin!(self.stream.read_buf(buffer)).poll(cx) {
            Poll::Ready(Ok(read)) => read,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => {
                traffic.put_back(buffer, start);
                return Poll::Pending;
            }
        };
        if read == 0 {
            buffer.truncate(start);
            self.ended = true;
            return Poll::Ready(Ok(false));
        }
        self.open(cx, buffer, start)?;
        Poll::Ready(Ok(read == room))
    }

    fn open(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut, start: usize) -> io::Result<()> {
        let Phase::Traffic(traffic) = &mut self.phase else { return Ok(()) };
        let opened = traffic.open(buffer, start).and_then(|is_end| {
            if traffic.owes_answer() {
                traffic.answer(self.out.get_or_insert_with(SendBuffer::take))?;
            }
            Ok(is_end)
        });
        match opened {
            Ok(is_end) => self.ended = is_end,
            Err(error) => return Err(self.fail(cx, error)),
        }
        Ok(())
    }

    /// Says to the client what is wrong; nothing follows it.
    fn fail(&mut self, cx: &mut Context<'_>, error: RecordError) -> io::Error {
        if let Phase::Traffic(traffic) = &mut self.phase {
            traffic.alert(Some(&error), self.out.get_or_insert_with(SendBuffer::take));
        }
        self.phase = Phase::Over;
        let _ = self.poll_flush(cx);
        TlsFailure::Record(error).into()
    }

    /// Encrypts the slices, as far as there is room for what is not sent yet, and sends; `more` may be sent together with what
    /// follows at once.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(cx))?;
        let out = self.out.get_or_insert_with(SendBuffer::take);
        let taken = match &mut self.phase {
            Phase::Traffic(traffic) => traffic.seal(slices, out).map_err(TlsFailure::Record)?,
            Phase::Rustls(tls) => tls.seal(slices, out).map_err(TlsFailure::Protocol)?,
            Phase::Over => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        };
        if more && out.room().len() >= RECORD_ROOM {
            Poll::Ready(Ok(taken))
        } else {
            self.start_sending(cx, taken)
        }
    }

    /// Encrypts up to `len` bytes of a file that is in the page cache, and sends; 0 is the end of the file.
    pub(crate) fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &File,
        position: u64,
        len: usize,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(cx))?;
        let out = self.out.get_or_insert_with(SendBuffer::take);
        let taken = match &mut self.phase {
            Phase::Traffic(traffic) => {
                traffic.seal_read(len, out, |rooms| Ok(rustix::io::preadv(file, rooms, position)?))
            }
            Phase::Rustls(tls) => BUFFER.with_borrow_mut(|scratch| {
                let end = len.min(scratch.len());
                let target = scratch.get_mut(..end).unwrap_or_default();
                let read = file.read_at(target, position)?;
                let read = IoSlice::new(target.get(..read).unwrap_or_default());
                tls.seal(&[read], out).map_err(|error| TlsFailure::Protocol(error).into())
            }),
            Phase::Over => Err(io::ErrorKind::BrokenPipe.into()),
        }?;
        if taken == 0 { Poll::Ready(Ok(0)) } else { self.start_sending(cx, taken) }
    }

    /// Waits for room for a record at least, behind everything that was to be sent before.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_full = self.out.as_mut().is_some_and(|out| !out.is_empty() && out.room().len() < RECORD_ROOM);
        if is_full || !self.answer.is_empty() { self.poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }

    fn start_sending(&mut self, cx: &mut Context<'_>, taken: usize) -> Poll<io::Result<usize>> {
        match self.poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(taken)),
        }
    }

    /// Sends what is encrypted.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.has_unsent() {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.try_send() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        if let Some(out) = self.out.take() {
            out.give_back();
        }
        Poll::Ready(Ok(()))
    }

    /// Sends once, what comes first.
    fn try_send(&mut self) -> io::Result<()> {
        let sent = match self.out.as_mut().filter(|out| !out.is_empty()) {
            Some(out) => {
                let sent = self.stream.try_write(out.unsent())?;
                out.sent(sent);
                sent
            }
            None => {
                let sent = self.stream.try_write(&self.answer)?;
                self.answer.drain(..sent.min(self.answer.len()));
                if self.answer.is_empty() {
                    self.answer = Vec::new();
                }
                sent
            }
        };
        if sent == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) }
    }

    /// Says that nothing follows, as far as the socket takes it at once.
    pub(crate) fn close(&mut self) {
        if !self.begun {
            return;
        }
        match &mut self.phase {
            Phase::Traffic(traffic) => traffic.alert(None, self.out.get_or_insert_with(SendBuffer::take)),
            Phase::Rustls(tls) => {
                tls.close();
                self.answer.append(tls.answer());
            }
            Phase::Over => {}
        }
        while self.has_unsent() && self.try_send().is_ok() {}
        if let Some(out) = self.out.take() {
            out.give_back();
        }
    }
}

//! The socket: the three system calls of a connection, with TLS over them where the listener has it.

use std::fs::File;
use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;

use crate::tls::{HandshakeGate, TlsListener, TlsStream};

/// A connection, registered with its thread's runtime.
#[derive(Debug)]
pub(crate) enum Transport {
    /// What is sent is what the other side reads.
    Plain(TcpStream),
    /// What is sent is encrypted.
    Tls(Box<TlsStream>),
}

/// What a read has brought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    /// Bytes that were added to the buffer.
    pub(crate) bytes: usize,
    /// There was no room for more.
    pub(crate) was_full: bool,
}

impl Transport {
    /// Takes an accepted, non-blocking socket. `gate` is its thread's.
    pub(crate) fn new(
        socket: OwnedFd,
        tls: Option<&TlsListener>,
        gate: &Rc<HandshakeGate>,
    ) -> io::Result<Self> {
        let stream = TcpStream::from_std(std::net::TcpStream::from(socket))?;
        Ok(match tls {
            None => Transport::Plain(stream),
            Some(tls) => Transport::Tls(Box::new(TlsStream::new(stream, tls, gate.clone())?)),
        })
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Transport::Plain(stream) => stream,
            Transport::Tls(tls) => tls.socket(),
        }
    }

    /// Whether a read may bring something; asks no kernel.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Plain(stream) => stream.poll_read_ready(cx),
            Transport::Tls(tls) => tls.poll_readable(cx),
        }
    }

    /// Reads into the spare capacity of `buffer`, with TLS perhaps beyond it; 0 is the end of the stream. A read that does not fill
    /// the buffer is known to have drained the socket, so that the next call returns `Pending` without asking the kernel.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<Received>> {
        match self {
            Transport::Plain(stream) => {
                let room = buffer.capacity() - buffer.len();
                let bytes = ready!(pin!(stream.read_buf(buffer)).poll(cx))?;
                Poll::Ready(Ok(Received { bytes, was_full: bytes == room }))
            }
            Transport::Tls(tls) => tls.poll_read(cx, buffer),
        }
    }

    /// The address the client connected to.
    pub(crate) fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
        self.socket().local_addr()
    }

    /// The certificate that the client has shown, in DER.
    pub(crate) fn peer_certificate(&self) -> Option<&[u8]> {
        match self {
            Transport::Plain(_) => None,
            Transport::Tls(tls) => tls.peer_certificate(),
        }
    }

    /// Sends the slices with one system call, as far as the socket takes them. `more` holds a last partial packet back for what
    /// follows at once.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        let stream = match self {
            Transport::Plain(stream) => stream,
            Transport::Tls(tls) => return tls.poll_send(cx, slices, more),
        };
        let flags = if more { SendFlags::NOSIGNAL | SendFlags::MORE } else { SendFlags::NOSIGNAL };
        poll_write(stream, cx, || {
            rustix::net::sendmsg(&*stream, slices, &mut SendAncillaryBuffer::default(), flags)
        })
    }

    /// Sends up to `len` bytes of the file from `position`, as far as the socket takes them; 0 is the end of the file.
    pub(crate) fn poll_sendfile(
        &mut self,
        cx: &mut Context<'_>,
        file: &File,
        position: u64,
        len: usize,
    ) -> Poll<io::Result<usize>> {
        let stream = match self {
            Transport::Plain(stream) => stream,
            Transport::Tls(tls) => return tls.poll_send_file(cx, file, position, len),
        };
        poll_write(stream, cx, || {
            let mut offset = position;
            rustix::fs::sendfile(&*stream, file, Some(&mut offset), len)
        })
    }

    /// Whether something that was taken is still to be sent.
    pub(crate) fn has_unsent(&self) -> bool {
        match self {
            Transport::Plain(_) => false,
            Transport::Tls(tls) => tls.has_unsent(),
        }
    }

    /// Sends what was taken.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Plain(_) => Poll::Ready(Ok(())),
            Transport::Tls(tls) => tls.poll_flush(cx),
        }
    }

    /// Tells the other side that nothing follows, where the protocol has words for it.
    pub(crate) fn close(&mut self) {
        if let Transport::Tls(tls) = self {
            tls.close();
        }
    }
}

fn poll_write(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    mut call: impl FnMut() -> rustix::io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match stream.try_io(Interest::WRITABLE, || Ok(call()?)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return Poll::Ready(done),
        }
    }
}

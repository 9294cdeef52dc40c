//! The socket: the three system calls of a connection. TLS will stand beside it here.

use std::fs::File;
use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;

/// A plaintext connection, registered with its thread's runtime.
#[derive(Debug)]
pub(crate) struct Transport {
    stream: TcpStream,
}

impl Transport {
    /// Takes an accepted, non-blocking socket.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        Ok(Transport { stream: TcpStream::from_std(std::net::TcpStream::from(socket))? })
    }

    /// Whether a read may bring something; asks no kernel.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_read_ready(cx)
    }

    /// Reads into the spare capacity of `buffer`; 0 is the end of the stream. A read that does not fill the buffer is known to have
    /// drained the socket, so that the next call returns `Pending` without asking the kernel.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        pin!(self.stream.read_buf(buffer)).poll(cx)
    }

    /// The address the client connected to.
    pub(crate) fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
        self.stream.local_addr()
    }

    /// Sends the slices with one system call, as far as the socket takes them. `more` holds a last partial packet back for what
    /// follows at once.
    pub(crate) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        let flags = if more { SendFlags::NOSIGNAL | SendFlags::MORE } else { SendFlags::NOSIGNAL };
        self.poll_write(cx, || {
            rustix::net::sendmsg(&self.stream, slices, &mut SendAncillaryBuffer::default(), flags)
        })
    }

    /// Sends up to `len` bytes of the file from `position`, as far as the socket takes them; 0 is the end of the file.
    pub(crate) fn poll_sendfile(
        &self,
        cx: &mut Context<'_>,
        file: &File,
        position: u64,
        len: usize,
    ) -> Poll<io::Result<usize>> {
        self.poll_write(cx, || {
            let mut offset = position;
            rustix::fs::sendfile(&self.stream, file, Some(&mut offset), len)
        })
    }

    fn poll_write(
        &self,
        cx: &mut Context<'_>,
        mut call: impl FnMut() -> rustix::io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_io(Interest::WRITABLE, || Ok(call()?)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

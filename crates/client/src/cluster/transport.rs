//! What carries the bytes of a connection: TCP, and TLS over it where the client is told so.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::security::Tls;

/// Sizes of a socket's buffers; the operating system's when there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketBuffers {
    /// `send.buffer.bytes`.
    pub send_bytes: Option<u32>,
    /// `receive.buffer.bytes`.
    pub receive_bytes: Option<u32>,
}

/// The half of a connection that is read.
pub(super) enum ReadHalf {
    Plain(OwnedReadHalf),
    Tls(tokio::io::ReadHalf<TlsStream<TcpStream>>),
    #[cfg(test)]
    Memory(tokio::io::ReadHalf<tokio::io::DuplexStream>),
}

/// The half of a connection that is written.
pub(super) enum WriteHalf {
    Plain(OwnedWriteHalf),
    /// Batches are encrypted from where they are.
    Tls(tokio::io::WriteHalf<TlsStream<TcpStream>>),
    #[cfg(test)]
    Memory(tokio::io::WriteHalf<tokio::io::DuplexStream>),
}

/// A connection of which nothing was read yet.
pub(super) enum Socket {
    Tcp(TcpStream),
    #[cfg(test)]
    Memory(tokio::io::DuplexStream),
}

impl Socket {
    /// Its two halves, behind a TLS handshake where there is TLS; `host` is the name that the certificate must hold.
    ///
    /// # Errors
    /// Those of the connection, and those of rustls as [`io::ErrorKind::InvalidData`].
    pub(super) async fn secure(self, tls: Option<&Tls>, host: &str) -> io::Result<(ReadHalf, WriteHalf)> {
        match (self, tls) {
            (Socket::Tcp(stream), None) => {
                let (read, write) = stream.into_split();
                Ok((ReadHalf::Plain(read), WriteHalf::Plain(write)))
            }
            (Socket::Tcp(stream), Some(tls)) => {
                let name = ServerName::try_from(host.to_owned()).map_err(|_| {
                    let text = format!("{host} is no name that a certificate could hold");
                    io::Error::new(io::ErrorKind::InvalidInput, text)
                })?;
                let (read, write) = tokio::io::split(tls.connector.connect(name, stream).await?);
                Ok((ReadHalf::Tls(read), WriteHalf::Tls(write)))
            }
            #[cfg(test)]
            (Socket::Memory(stream), _) => {
                let (read, write) = tokio::io::split(stream);
                Ok((ReadHalf::Memory(read), WriteHalf::Memory(write)))
            }
        }
    }
}

/// Connects to the first of the addresses that answers, each within `setup_timeout`.
///
/// # Errors
/// The error of the last address.
pub(super) async fn connect(
    addresses: &[SocketAddr],
    buffers: SocketBuffers,
    setup_timeout: Duration,
) -> io::Result<Socket> {
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
    for address in addresses {
        match timeout(setup_timeout, open(*address, buffers)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(error)) => last = error,
            Err(_) => {
                let text = format!("no connection within {} ms", setup_timeout.as_millis());
                last = io::Error::new(io::ErrorKind::TimedOut, text);
            }
        }
    }
    Err(last)
}

async fn open(address: SocketAddr, buffers: SocketBuffers) -> io::Result<Socket> {
    #[cfg(test)]
    if let Some(connecting) = crate::testing::memory::connect(address) {
        return Ok(Socket::Memory(connecting.await?));
    }
    Ok(Socket::Tcp(open_tcp(address, buffers).await?))
}

async fn open_tcp(address: SocketAddr, buffers: SocketBuffers) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_keepalive(true)?;
    if let Some(bytes) = buffers.send_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = buffers.receive_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl AsyncRead for ReadHalf {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ReadHalf::Plain(half) => Pin::new(half).poll_read(cx, buf),
            ReadHalf::Tls(half) => Pin::new(half).poll_read(cx, buf),
            #[cfg(test)]
            ReadHalf::Memory(half) => Pin::new(half).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            WriteHalf::Plain(half) => Pin::new(half).poll_write(cx, buf),
            WriteHalf::Tls(half) => Pin::new(half).poll_write(cx, buf),
            #[cfg(test)]
            WriteHalf::Memory(half) => Pin::new(half).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            WriteHalf::Plain(half) => Pin::new(half).poll_write_vectored(cx, bufs),
            WriteHalf::Tls(half) => Pin::new(half).poll_write_vectored(cx, bufs),
            #[cfg(test)]
            WriteHalf::Memory(half) => Pin::new(half).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            WriteHalf::Plain(half) => half.is_write_vectored(),
            WriteHalf::Tls(half) => half.is_write_vectored(),
            #[cfg(test)]
            WriteHalf::Memory(half) => half.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            WriteHalf::Plain(half) => Pin::new(half).poll_flush(cx),
            WriteHalf::Tls(half) => Pin::new(half).poll_flush(cx),
            #[cfg(test)]
            WriteHalf::Memory(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            WriteHalf::Plain(half) => Pin::new(half).poll_shutdown(cx),
            WriteHalf::Tls(half) => Pin::new(half).poll_shutdown(cx),
            #[cfg(test)]
            WriteHalf::Memory(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}

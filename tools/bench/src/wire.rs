//! A connection of our own client: blocking, one thread, frames prepared beforehand.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use ottla_protocol::messages::{ApiVersionsRequest, RequestHeader, ResponseHeader};
use ottla_protocol::{Message, Reader, Request, Str, Writer};
use rustls::{ClientConnection, StreamOwned};

use crate::secure::{self, Door};

/// Where the correlation id stands in a frame: after size, API key and version.
const CORRELATION_ID_AT: usize = 8;

/// A request as it goes over the wire, with its size.
pub fn frame<R: Request>(request: &R, version: i16, correlation_id: i32) -> Result<Vec<u8>> {
    let header = RequestHeader {
        request_api_key: R::KEY.code(),
        request_api_version: version,
        correlation_id,
        client_id: Some(Str::from_static("ottla-bench")),
    };
    let mut w = Writer::new();
    w.i32(0);
    header.encode(&mut w, if version >= R::FIRST_FLEXIBLE { 2 } else { 1 })?;
    request.encode(&mut w, version)?;
    let mut bytes = w.into_bytes().to_vec();
    let size = i32::try_from(bytes.len() - 4).context("the request is too large")?;
    bytes[..4].copy_from_slice(&size.to_be_bytes());
    Ok(bytes)
}

/// Gives a prepared frame another correlation id.
pub fn set_correlation_id(frame: &mut [u8], id: i32) {
    frame[CORRELATION_ID_AT..CORRELATION_ID_AT + 4].copy_from_slice(&id.to_be_bytes());
}

/// The bytes beneath.
enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A connection to a broker on this machine.
pub struct Connection {
    stream: Stream,
    /// What was read and not yet handed out is `buffer[start..end]`. The buffer is never shorter than it was, and
    /// handed out without copying, so that a large response costs the client little.
    buffer: BytesMut,
    start: usize,
    end: usize,
    correlation_id: i32,
}

impl Connection {
    /// Connects to a listener on the loopback interface: a port of plain text, or a door.
    pub fn open(door: impl Into<Door>, timeout: Duration) -> Result<Self> {
        Self::sized(&door.into(), timeout, 64 << 10)
    }

    /// Likewise, for one of thousands: with a small buffer.
    pub fn small(door: impl Into<Door>, timeout: Duration) -> Result<Self> {
        Self::sized(&door.into(), timeout, 2 << 10)
    }

    /// Number `i` of thousands. Each 32nd waits until it is served, and so all before it: with more than 50 that wait
    /// (`socket.listen.backlog.size`) the kernel forgets one, which tries again a second later.
    pub fn one_of_many(door: impl Into<Door>, timeout: Duration, i: usize) -> Result<Self> {
        let mut connection = Self::small(door, timeout).with_context(|| format!("connection {i}"))?;
        if i % 32 == 31 {
            connection.call(&ApiVersionsRequest::default(), 0)?;
        }
        Ok(connection)
    }

    fn sized(door: &Door, timeout: Duration, buffer: usize) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, door.port));
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        let stream = match &door.tls {
            None => Stream::Plain(stream),
            Some(config) => Stream::Tls(Box::new(StreamOwned::new(secure::client(config)?, stream))),
        };
        let mut connection = Self::over(stream, buffer);
        if door.logs_in {
            secure::log_in(&mut connection)?;
        }
        Ok(connection)
    }

    fn over(stream: Stream, buffer: usize) -> Self {
        Self { stream, buffer: BytesMut::zeroed(buffer), start: 0, end: 0, correlation_id: 0 }
    }

    /// The same connection once more, for another thread: one sends, the other receives.
    pub fn try_clone(&self) -> Result<Self> {
        let Stream::Plain(stream) = &self.stream else {
            bail!("a connection with TLS belongs to one thread")
        };
        Ok(Self::over(Stream::Plain(stream.try_clone()?), 64 << 10))
    }

    /// What TLS knows of itself, where there is some.
    pub fn tls(&self) -> Option<&ClientConnection> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => Some(&stream.conn),
        }
    }

    /// Ends it without the usual farewell.
    pub fn reset(self) -> Result<()> {
        rustix::net::sockopt::set_socket_linger(self.stream.socket(), Some(Duration::ZERO))?;
        Ok(())
    }

    /// One request, then its response.
    pub fn call<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response> {
        self.correlation_id += 1;
        let frame = frame(request, version, self.correlation_id)?;
        self.send(&frame)?;
        self.receive::<R>(version)
    }

    /// Sends a prepared frame.
    pub fn send(&mut self, frame: &[u8]) -> Result<()> {
        self.stream
            .write_all(frame)
            .and_then(|()| self.stream.flush())
            .with_context(|| format!("sending {} bytes", frame.len()))
    }

    /// The next response, decoded; for small ones, as it is copied.
    pub fn receive<R: Request>(&mut self, version: i16) -> Result<R::Response> {
        self.with_frame(|frame| response::<R>(Bytes::copy_from_slice(&frame), version))
    }

    /// Hands the next response to `read`, which must not keep any part of it.
    pub fn with_frame<T>(&mut self, read: impl FnOnce(Bytes) -> Result<T>) -> Result<T> {
        self.fill(4)?;
        let mut size = [0; 4];
        size.copy_from_slice(&self.buffer[self.start..self.start + 4]);
        let size = usize::try_from(i32::from_be_bytes(size)).context("a negative size")?;
        self.fill(4 + size)?;
        let whole = std::mem::take(&mut self.buffer).freeze();
        let result = read(whole.slice(self.start + 4..self.start + 4 + size));
        self.start += 4 + size;
        match whole.try_into_mut() {
            Ok(buffer) => self.buffer = buffer,
            Err(_) => bail!("a part of the response was kept"),
        }
        result
    }

    /// Reads until `wanted` bytes are there.
    fn fill(&mut self, wanted: usize) -> Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.start + wanted > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if wanted > self.buffer.len() {
                let mut larger = BytesMut::zeroed(wanted.next_power_of_two());
                larger[..self.end].copy_from_slice(&self.buffer[..self.end]);
                self.buffer = larger;
            }
        }
        while self.end - self.start < wanted {
            let n = self.stream.read(&mut self.buffer[self.end..]).context("receiving")?;
            ensure!(n > 0, "the broker closed the connection");
            self.end += n;
        }
        Ok(())
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.socket().as_fd()
    }
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

/// A response from its frame, whole.
pub fn response<R: Request>(frame: Bytes, version: i16) -> Result<R::Response> {
    let mut reader = Reader::new(frame);
    let flexible = version >= <R::Response as Message>::FIRST_FLEXIBLE;
    ResponseHeader::decode(&mut reader, i16::from(flexible))?;
    let response = R::Response::decode(&mut reader, version)?;
    reader.finish()?;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use ottla_protocol::messages::{MetadataRequest, MetadataResponse};

    use super::*;

    /// Answers every request with `responses`, each in a frame with header version 1.
    fn answering(responses: Vec<MetadataResponse>) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut all = Vec::new();
            for response in responses {
                let mut w = Writer::new();
                w.i32(0);
                ResponseHeader { correlation_id: 1 }.encode(&mut w, 1).expect("header");
                response.encode(&mut w, 12).expect("response");
                let mut bytes = w.into_bytes().to_vec();
                let size = bytes.len() as i32 - 4;
                bytes[..4].copy_from_slice(&size.to_be_bytes());
                all.extend(bytes);
            }
            stream.write_all(&all).expect("written");
        });
        port
    }

    #[test]
    fn responses_come_whole_whatever_their_size() {
        let of = |size: usize| MetadataResponse {
            cluster_id: Some("x".repeat(size).into()),
            ..Default::default()
        };
        let sizes = [1, 100_000, 5, 70_000, 300_000, 0];
        let port = answering(sizes.iter().map(|size| of(*size)).collect());
        let mut connection = Connection::open(port, Duration::from_secs(10)).expect("connected");
        for size in sizes {
            let got = connection.receive::<MetadataRequest>(12).expect("a response");
            assert_eq!(got.cluster_id.map(|id| id.len()), Some(size));
        }
        assert!(connection.receive::<MetadataRequest>(12).is_err());
    }

    #[test]
    fn frames_carry_their_size_and_id() {
        let mut bytes = frame(&MetadataRequest::default(), 12, 7).expect("encoded");
        assert_eq!(bytes[..4], (bytes.len() as i32 - 4).to_be_bytes());
        set_correlation_id(&mut bytes, 9);
        assert_eq!(bytes[4..12], [0, 3, 0, 12, 0, 0, 0, 9]);
    }
}

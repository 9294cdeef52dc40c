//! One request and its answer.

use std::future::Future;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST};
use hyper::{HeaderMap, Method};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::body::{self, Whole};
use crate::tls::TlsTrust;
use crate::url::Url;

/// Bytes that an answer's header may have.
const HEADER_BYTES_MAX: usize = 64 << 10;
/// Lines that it may have.
const HEADERS_MAX: usize = 100;

/// Where an exchange ends at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long finding the host, connecting and TLS may take.
    pub connect: Duration,
    /// How long the rest may take.
    pub answer: Duration,
    /// Bytes of an answer's body.
    pub body_bytes: usize,
}

/// A request. Its `Debug` form shows neither headers nor body.
pub struct Request {
    method: Method,
    headers: Vec<(&'static str, String)>,
    body: Option<Bytes>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({})", self.method)
    }
}

impl Request {
    /// A GET.
    pub fn get() -> Self {
        Self { method: Method::GET, headers: Vec::new(), body: None }
    }

    /// A POST.
    pub fn post(body: String) -> Self {
        Self { method: Method::POST, headers: Vec::new(), body: Some(body.into()) }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// An answer, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Such as 200.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection.
    #[error("no connection to {host}:{port}: {why}")]
    Connect {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// Why.
        why: io::Error,
    },
    /// TLS was not agreed upon.
    #[error("no TLS with {host}: {why}")]
    Tls {
        /// The host.
        host: String,
        /// Why.
        why: io::Error,
    },
    /// HTTP broke.
    #[error("the exchange broke: {0}")]
    Exchange(hyper::Error),
    /// The request can't be sent.
    #[error("the request has a header that cannot be sent")]
    Request,
    /// Too much.
    #[error("the answer has more than {limit} bytes")]
    TooLarge {
        /// Bytes that are read.
        limit: usize,
    },
    /// Too late.
    #[error("no {what} within {} ms", .limit.as_millis())]
    TimedOut {
        /// What did not come.
        what: &'static str,
        /// Within how long.
        limit: Duration,
    },
    /// `https` without anybody to believe.
    #[error("there is no trust store for an https address")]
    NoTrust,
}

/// Sends requests to one address.
#[derive(Clone, Debug)]
pub struct HttpClient {
    url: Url,
    trust: Option<TlsTrust>,
    limits: Limits,
}

impl HttpClient {
    /// For an address; an `https` one needs `trust`.
    pub fn new(url: Url, trust: Option<TlsTrust>, limits: Limits) -> Self {
        Self { url, trust, limits }
    }

    /// The address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Sends a request over a connection of its own.
    ///
    /// # Errors
    /// When no whole answer comes in time. An answer of whichever status is one.
    pub async fn send(&self, request: Request) -> Result<Answer, HttpError> {
        let connect = async {
            let (host, port) = (self.url.host(), self.url.port());
            let failed = |why| HttpError::Connect { host: host.to_owned(), port, why };
            let stream = TcpStream::connect((host, port)).await.map_err(failed)?;
            if !self.url.is_tls() {
                return Ok(Stream::Plain(stream));
            }
            let failed = |why| HttpError::Tls { host: host.to_owned(), why };
            let trust = self.trust.as_ref().ok_or(HttpError::NoTrust)?;
            let name = ServerName::try_from(host.to_owned())
                .map_err(|why| failed(io::Error::new(io::ErrorKind::InvalidInput, why)))?;
            let stream = TlsConnector::from(trust.0.clone()).connect(name, stream).await.map_err(failed)?;
            Ok(Stream::Tls(Box::new(stream)))
        };
        match within("connection", self.limits.connect, connect).await? {
            Stream::Plain(stream) => {
                within("answer", self.limits.answer, self.exchange(stream, request)).await
            }
            Stream::Tls(stream) => {
                within("answer", self.limits.answer, self.exchange(*stream, request)).await
            }
        }
    }

    async fn exchange<S>(&self, stream: S, request: Request) -> Result<Answer, HttpError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEADER_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .handshake::<_, Whole>(TokioIo::new(stream))
            .await
            .map_err(HttpError::Exchange)?;
        let request = self.request(request)?;
        let exchange = async move {
            let response = sender.send_request(request).await.map_err(HttpError::Exchange)?;
            let status = response.status().as_u16();
            let body = body::read(response.into_body(), self.limits.body_bytes).await?;
            Ok(Answer { status, body })
        };
        let (mut exchange, mut connection) = (std::pin::pin!(exchange), std::pin::pin!(connection));
        tokio::select! {
            answer = &mut exchange => answer,
            // The server is done and has closed: what it has sent is there.
            _ = &mut connection => exchange.await,
        }
    }

    fn request(&self, request: Request) -> Result<hyper::Request<Whole>, HttpError> {
        let mut headers = HeaderMap::new();
        let value = |text: &str| text.parse().map_err(|_| HttpError::Request);
        headers.insert(HOST, value(self.url.authority())?);
        headers.insert(CONNECTION, value("close")?);
        for (name, text) in &request.headers {
            let name = name.parse::<hyper::header::HeaderName>().map_err(|_| HttpError::Request)?;
            let mut text: hyper::header::HeaderValue = value(text)?;
            text.set_sensitive(true);
            headers.insert(name, text);
        }
        let mut built = hyper::Request::builder()
            .method(request.method)
            .uri(self.url.path_and_query())
            .body(Whole(request.body))
            .map_err(|_| HttpError::Request)?;
        *built.headers_mut() = headers;
        Ok(built)
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

async fn within<T>(
    what: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, HttpError>>,
) -> Result<T, HttpError> {
    timeout(limit, work).await.unwrap_or(Err(HttpError::TimedOut { what, limit }))
}

#[cfg(test)]
#[path = "client_test.rs"]
mod client_test;

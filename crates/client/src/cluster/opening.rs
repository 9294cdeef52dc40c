//! Making a connection: TCP, TLS, the versions of the APIs, the login.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use ottla_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use ottla_protocol::{ApiKey, ErrorCode, Message, Reader, Request, Str};
use ottla_security::tls::explain;
use tokio::time::{Instant, timeout};
use tokio_rustls::rustls;

use super::authenticate::{Caller, NoConnection, log_in};
use super::connection::{Opened, Settings};
use super::frame::{self, Frame};
use super::transport::{ReadHalf, Socket, WriteHalf, connect};
use super::versions::NodeVersions;
use super::wire::{FrameReader, write_all};
use crate::Error;

/// Why there is no connection, and whether TCP was there at least.
#[derive(Debug)]
pub(super) struct OpenError {
    pub why: NoConnection,
    pub before_tcp: bool,
}

/// Connects, agrees on versions, logs in. `host` is the name by which the node is known.
pub(super) async fn open(
    addresses: &[SocketAddr],
    host: &str,
    settings: &Settings,
    setup_timeout: Duration,
) -> Result<Opened, OpenError> {
    let socket = connect(addresses, settings.buffers, setup_timeout)
        .await
        .map_err(|error| OpenError { why: NoConnection::Lost(error.to_string()), before_tcp: true })?;
    let failed = |why| OpenError { why, before_tcp: false };
    match timeout(settings.request_timeout, introduce(socket, host, settings)).await {
        Ok(opened) => opened.map_err(failed),
        Err(_) => {
            let what = match (&settings.security.tls, &settings.security.login) {
                (None, None) => "the broker did not tell its API versions in time",
                (Some(_), None) => {
                    "the TLS handshake did not end, or the broker did not tell its API versions, in time"
                }
                _ => "the login did not end in time",
            };
            Err(failed(NoConnection::Lost(what.to_owned())))
        }
    }
}

async fn introduce(socket: Socket, host: &str, settings: &Settings) -> Result<Opened, NoConnection> {
    let secured = socket.secure(settings.security.tls.as_ref(), host).await;
    let (read, write) = secured.map_err(|error| lost(&error, Stage::Handshake, host, settings))?;
    let frames = FrameReader::new(settings.response_bytes_max);
    let mut strange =
        Stranger { read, write, frames, settings, host, stage: Stage::Versions, next_correlation_id: 0 };
    let versions = strange.negotiate().await?;
    let mut session_lifetime_ms = 0;
    let began = Instant::now();
    if let Some(credentials) = &settings.security.login {
        strange.stage = Stage::Login;
        session_lifetime_ms = log_in(&mut strange, credentials, host, &versions).await?;
    }
    let Stranger { read, write, frames, next_correlation_id, .. } = strange;
    let mut opened = Opened::new(versions, host, read, write, frames, next_correlation_id);
    opened.session_from(began, session_lifetime_ms);
    Ok(opened)
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Handshake,
    Versions,
    Login,
}

/// A connection whose other side is not known yet: one request at a time.
struct Stranger<'a> {
    read: ReadHalf,
    write: WriteHalf,
    frames: FrameReader,
    settings: &'a Settings,
    host: &'a str,
    stage: Stage,
    next_correlation_id: i32,
}

impl Stranger<'_> {
    /// Asks for the versions in our newest version; a broker that does not know it answers in version 0 and says what it
    /// knows (KIP-511).
    async fn negotiate(&mut self) -> Result<NodeVersions, NoConnection> {
        let mut version = ApiVersionsRequest::MAX_VERSION;
        loop {
            let response = self.ask_versions(version).await?;
            match ErrorCode::from_code(response.error_code) {
                ErrorCode::None => return Ok(NodeVersions::from_response(&response)),
                ErrorCode::UnsupportedVersion if version > 0 => {
                    let own = response.api_keys.iter().find(|api| api.api_key == ApiKey::ApiVersions.code());
                    version = own.map_or(0, |api| api.max_version).clamp(0, version - 1);
                }
                code => {
                    return Err(NoConnection::Lost(format!(
                        "the broker answered ApiVersions with {code}: {}",
                        code.message()
                    )));
                }
            }
        }
    }

    async fn ask_versions(&mut self, version: i16) -> Result<ApiVersionsResponse, NoConnection> {
        let mut request = ApiVersionsRequest::default();
        if version >= 3 {
            request.client_software_name = Str::from_static("ottla");
            request.client_software_version = Str::from_static(env!("CARGO_PKG_VERSION"));
        }
        let answer = self.exchange(&request, version).await?;
        // An error is always told in version 0.
        let unsupported = ErrorCode::UnsupportedVersion.code().to_be_bytes();
        let version = if answer.get(4..6) == Some(&unsupported) { 0 } else { version };
        let mut reader = Reader::new(answer.slice(4..));
        ApiVersionsResponse::decode(&mut reader, version).map_err(|why| {
            NoConnection::Lost(format!("the broker's answer to ApiVersions can't be read: {why}"))
        })
    }

    async fn exchange<R: Request>(&mut self, request: &R, version: i16) -> Result<Bytes, NoConnection> {
        let frame = Frame::new(request, version, &self.settings.client_id)?;
        let mut pieces = VecDeque::new();
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id += 1;
        frame.into_pieces(correlation_id, &mut pieces);
        let (stage, host, settings) = (self.stage, self.host, self.settings);
        let ended = |error: io::Error| lost(&error, stage, host, settings);
        write_all(&mut self.write, &mut pieces).await.map_err(ended)?;
        let answer = self.frames.next(&mut self.read).await.map_err(ended)?;
        if frame::correlation_id(&answer) != Some(correlation_id) {
            return Err(NoConnection::Lost("the broker answered a request that was not made".to_owned()));
        }
        Ok(answer)
    }
}

impl Caller for Stranger<'_> {
    async fn call<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response, NoConnection> {
        let answer = self.exchange(request, version).await?;
        Ok(frame::decode::<R>(answer, version)?)
    }
}

/// What the end of a connection means that is not ready yet: cause and cure.
fn lost(error: &io::Error, stage: Stage, host: &str, settings: &Settings) -> NoConnection {
    let tls = settings.security.tls.as_ref();
    if let (Some(tls), Some(why)) = (tls, tls_error(error)) {
        let why = explain(why, host, tls.has_key);
        return NoConnection::Refused(Error::SslAuthentication(format!("SSL handshake failed: {why}")));
    }
    let is_end = matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    );
    NoConnection::Lost(match stage {
        _ if !is_end => error.to_string(),
        Stage::Handshake => "the broker closed the connection during the TLS handshake; does its listener speak TLS? If \
                             not, set security.protocol=PLAINTEXT or SASL_PLAINTEXT"
            .to_owned(),
        Stage::Versions if tls.is_some() => {
            "the broker closed the connection right after the TLS handshake; does it ask for a client's certificate \
             (ssl.keystore.location)?"
                .to_owned()
        }
        Stage::Versions => {
            "the broker closed the connection before it told its API versions; is this the port of a Kafka broker, and \
             without TLS? With TLS, set security.protocol=SSL or SASL_SSL"
                .to_owned()
        }
        Stage::Login => {
            "the broker closed the connection during the login, without a word; its log may say why".to_owned()
        }
    })
}

/// The error of TLS, where it is one.
fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref::<rustls::Error>()
}

//! A client of a few lines: one request, one response.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use bytes::Bytes;
use ottla_protocol::messages::{RequestHeader, ResponseHeader};
use ottla_protocol::{ApiKey, Message, Reader, Request, Writer};

/// A connection.
pub struct WireClient {
    stream: TcpStream,
    correlation_id: i32,
}

impl WireClient {
    pub fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).expect("the node listens"), correlation_id: 0 }
    }

    /// Sends a request in a version that the node serves.
    pub fn call<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        self.send(request, version, version);
        self.receive(R::KEY, version)
    }

    /// Sends a request under another version than it is encoded in; the answer comes in version 0.
    pub fn call_unknown_version<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        claimed: i16,
    ) -> R::Response {
        self.send(request, version, claimed);
        self.receive(R::KEY, 0)
    }

    /// Sends a request, and leaves the answer for later.
    pub fn send<R: Request>(&mut self, request: &R, version: i16, claimed: i16) {
        self.correlation_id += 1;
        let header = RequestHeader {
            request_api_key: R::KEY.code(),
            request_api_version: claimed,
            correlation_id: self.correlation_id,
            client_id: Some("wire-client".into()),
        };
        let mut w = Writer::new();
        let header_version = if version >= R::FIRST_FLEXIBLE { 2 } else { 1 };
        header.encode(&mut w, header_version).expect("a header");
        request.encode(&mut w, version).expect("a request");
        let bytes = w.into_bytes();
        self.stream.write_all(&(bytes.len() as i32).to_be_bytes()).expect("the node reads");
        self.stream.write_all(&bytes).expect("the node reads");
    }

    /// The answer to the request before the last one, where two are under way, and so on.
    pub fn receive_earlier<M: Message>(&mut self, api: ApiKey, version: i16, later: i32) -> M {
        self.correlation_id -= later;
        let message = self.receive(api, version);
        self.correlation_id += later;
        message
    }

    /// Whether the node has closed the connection. Waits until there is something to know.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(0) | Err(_))
    }

    /// The answer to the last request.
    pub fn receive<M: Message>(&mut self, api: ApiKey, version: i16) -> M {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).expect("an answer");
        let mut body = vec![0; i32::from_be_bytes(size) as usize];
        self.stream.read_exact(&mut body).expect("a whole answer");
        let mut reader = Reader::new(Bytes::from(body));
        let flexible = version >= api.first_flexible() && api != ApiKey::ApiVersions;
        let header = ResponseHeader::decode(&mut reader, i16::from(flexible)).expect("a header");
        assert_eq!(header.correlation_id, self.correlation_id);
        let message = M::decode(&mut reader, version).expect("a response");
        reader.finish().expect("nothing behind the last field");
        message
    }
}

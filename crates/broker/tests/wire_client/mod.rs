//! A client of a few lines: one request, one response.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use bytes::Bytes;
use ottla_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::messages::{
    DescribeAclsRequest, IncrementalAlterConfigsRequest, ProduceRequest, RequestHeader, ResponseHeader,
};
use ottla_protocol::records::{BatchBuilder, BatchOptions};
use ottla_protocol::{ApiKey, ErrorCode, Message, Reader, Records, Request, Writer};

/// `CreateTime` of records that have none.
const NO_TIMESTAMP: i64 = -1;

/// Of one batch with one record.
pub fn produce_request(topic: &str, index: i32, value: &[u8], acks: i16) -> ProduceRequest {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(NO_TIMESTAMP, None, Some(value), &[]).expect("a record");
    let records = Some(Records::Bytes(builder.build().expect("a batch")));
    ProduceRequest {
        acks,
        timeout_ms: 1000,
        topic_data: vec![TopicProduceData {
            name: topic.into(),
            partition_data: vec![PartitionProduceData { index, records }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// What a connection is to its client.
pub trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// A connection.
pub struct WireClient {
    stream: Box<dyn Stream>,
    correlation_id: i32,
}

impl WireClient {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the node listens");
        // A request is two writes.
        stream.set_nodelay(true).expect("a TCP connection");
        Self::over(stream)
    }

    /// A client on a connection that is there.
    pub fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), correlation_id: 0 }
    }

    /// A connection from another of this machine's addresses.
    pub fn connect_from(source: std::net::IpAddr, address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
            socket.bind(SocketAddr::new(source, 0)).expect("an address of this machine");
            socket.connect(address).await.expect("the node listens").into_std().expect("a stream")
        });
        stream.set_nonblocking(false).expect("a socket can block");
        Self::over(stream)
    }

    /// Sends a request in a version that the node serves.
    pub fn call<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        self.send(request, version, version);
        self.receive(R::KEY, version)
    }

    /// Asks for all entries of the authorizer, which wants DESCRIBE on the cluster.
    pub fn describe_acls(&mut self) -> ErrorCode {
        let any = DescribeAclsRequest {
            resource_type_filter: 1,
            pattern_type_filter: 1,
            operation: 1,
            permission_type: 1,
            ..Default::default()
        };
        ErrorCode::from_code(self.call(&any, 3).error_code)
    }

    /// Sets keys of broker 1; its error and what it says.
    pub fn alter_broker(&mut self, configs: &[(&str, &str)]) -> (ErrorCode, String) {
        let config = |(key, value): &(&str, &str)| AlterableConfig {
            name: (*key).into(),
            value: Some((*value).into()),
            ..Default::default()
        };
        let configs = configs.iter().map(config).collect();
        let resource = AlterConfigsResource { resource_type: 4, resource_name: "1".into(), configs };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let response = self.call(&request, 1).responses.remove(0);
        let message = response.error_message.map(|message| message.to_string()).unwrap_or_default();
        (ErrorCode::from_code(response.error_code), message)
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

    /// Sends a frame that is no request.
    pub fn send_bare(&mut self, frame: &[u8]) {
        self.stream.write_all(&(frame.len() as i32).to_be_bytes()).expect("the node reads");
        self.stream.write_all(frame).expect("the node reads");
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the node reads");
    }

    /// A frame that is no response.
    pub fn receive_bare(&mut self) -> Vec<u8> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).expect("a frame");
        let mut frame = vec![0; i32::from_be_bytes(size) as usize];
        self.stream.read_exact(&mut frame).expect("a whole frame");
        frame
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

//! A sink that does what no broker can leave out when it takes records: receive, check the CRC, write to a file,
//! answer. One thread for each connection, one partition, nothing else: no offsets that survive, no validation, no reads.
//! Its cost is the floor under every broker on the same machine.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use ottla_protocol::messages::api_versions_response::ApiVersion;
use ottla_protocol::messages::create_topics_response::CreatableTopicResult;
use ottla_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use ottla_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use ottla_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, InitProducerIdRequest, InitProducerIdResponse, MetadataRequest, MetadataResponse,
    ProduceRequest, ProduceResponse, RequestHeader, ResponseHeader,
};
use ottla_protocol::records::BatchIter;
use ottla_protocol::{ApiKey, Message, Reader, Records, Request, Str, Writer};

/// After so many bytes a new file begins, as a log's segment does, and the one before is removed: a log fills pages that nobody has
/// written yet, and so does this.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// No client of the bench sends more.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// APIs it speaks, up to the last versions that name topics, not their ids.
const SERVED: [(ApiKey, i16, i16); 6] = [
    (ApiKey::Produce, 9, 12),
    (ApiKey::Metadata, 9, 12),
    (ApiKey::ApiVersions, 0, 3),
    (ApiKey::CreateTopics, 5, 7),
    (ApiKey::DeleteTopics, 4, 6),
    (ApiKey::InitProducerId, 2, 4),
];

struct Sink {
    port: u16,
    path: PathBuf,
    place: Mutex<Place>,
    offset: AtomicI64,
}

/// Where the next records go.
struct Place {
    file: Arc<File>,
    position: u64,
}

/// Serves until the process ends.
pub fn serve(port: u16, file: &Path) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let place = Mutex::new(Place { file: Arc::new(created(file)?), position: 0 });
    let sink = Arc::new(Sink { port, path: file.to_path_buf(), place, offset: AtomicI64::new(0) });
    for stream in listener.incoming() {
        let (stream, sink) = (stream?, sink.clone());
        thread::spawn(move || {
            if let Err(why) = sink.connection(stream) {
                eprintln!("connection: {why:#}");
            }
        });
    }
    Ok(())
}

fn created(file: &Path) -> Result<File> {
    File::create_new(file).with_context(|| format!("creating {}", file.display()))
}

impl Sink {
    fn connection(&self, mut stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        let mut buffer = BytesMut::zeroed(512 << 10);
        loop {
            let mut size = [0; 4];
            if stream.read_exact(&mut size).is_err() {
                return Ok(());
            }
            let size = usize::try_from(i32::from_be_bytes(size)).context("a negative size")?;
            ensure!(size <= FRAME_BYTES_MAX, "a frame of {size} bytes");
            if size > buffer.len() {
                buffer = BytesMut::zeroed(size.next_power_of_two());
            }
            stream.read_exact(&mut buffer[..size])?;
            let whole = buffer.freeze();
            let answer = self.answer(whole.slice(..size))?;
            stream.write_all(&answer)?;
            buffer = whole.try_into_mut().unwrap_or_else(|kept| BytesMut::zeroed(kept.len()));
        }
    }

    fn answer(&self, frame: Bytes) -> Result<Bytes> {
        let mut reader = Reader::new(frame.clone());
        let (key, version) = (reader.i16()?, reader.i16()?);
        let served = SERVED.iter().find(|(api, ..)| api.code() == key);
        let Some((api, ..)) = served else { bail!("api {key} is not served") };
        let reader = Reader::new(frame);
        match api {
            ApiKey::Produce => answer(reader, version, |request| self.produce(&request)),
            ApiKey::Metadata => answer(reader, version, |request| Ok(self.metadata(request))),
            ApiKey::CreateTopics => answer(reader, version, |request| Ok(create_topics(request))),
            ApiKey::DeleteTopics => {
                answer::<DeleteTopicsRequest>(reader, version, |_| Ok(DeleteTopicsResponse::default()))
            }
            ApiKey::InitProducerId => answer::<InitProducerIdRequest>(reader, version, |_| {
                Ok(InitProducerIdResponse { producer_id: 1, producer_epoch: 0, ..Default::default() })
            }),
            _ => api_versions(reader, version),
        }
    }

    /// The work that is measured.
    fn produce(&self, request: &ProduceRequest) -> Result<ProduceResponse> {
        let mut response = ProduceResponse::default();
        for topic in &request.topic_data {
            let mut partition_responses = Vec::with_capacity(topic.partition_data.len());
            for partition in &topic.partition_data {
                let records = partition.records.as_ref().and_then(Records::bytes);
                let base_offset = self.append(records.map_or(&[][..], |bytes| &bytes[..]))?;
                partition_responses.push(PartitionProduceResponse {
                    index: partition.index,
                    base_offset,
                    log_append_time_ms: -1,
                    ..Default::default()
                });
            }
            let name = topic.name.clone();
            response.responses.push(TopicProduceResponse { name, partition_responses, ..Default::default() });
        }
        Ok(response)
    }

    fn append(&self, records: &[u8]) -> Result<i64> {
        let mut count = 0;
        for batch in BatchIter::new(records) {
            let batch = batch?;
            batch.check_crc()?;
            count += i64::from(batch.header().last_offset_delta()) + 1;
        }
        let (file, position) = self.reserve(records.len() as u64)?;
        file.write_all_at(records, position)?;
        Ok(self.offset.fetch_add(count, Ordering::Relaxed))
    }

    /// The file and the place in it for so many bytes.
    fn reserve(&self, bytes: u64) -> Result<(Arc<File>, u64)> {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if place.position + bytes > FILE_BYTES_MAX {
            fs::remove_file(&self.path)?;
            let old =
                std::mem::replace(&mut *place, Place { file: Arc::new(created(&self.path)?), position: 0 });
            // A gigabyte of pages is given back when it is closed.
            thread::spawn(move || drop(old));
        }
        let position = place.position;
        place.position += bytes;
        Ok((place.file.clone(), position))
    }

    fn metadata(&self, request: MetadataRequest) -> MetadataResponse {
        let partition = MetadataResponsePartition {
            leader_id: 1,
            leader_epoch: 0,
            replica_nodes: vec![1],
            isr_nodes: vec![1],
            ..Default::default()
        };
        let topics = request.topics.unwrap_or_default().into_iter().map(|topic| MetadataResponseTopic {
            name: topic.name,
            partitions: vec![partition.clone()],
            ..Default::default()
        });
        let broker = MetadataResponseBroker {
            node_id: 1,
            host: Str::from_static("127.0.0.1"),
            port: i32::from(self.port),
            rack: None,
        };
        MetadataResponse {
            brokers: vec![broker],
            topics: topics.collect(),
            controller_id: 1,
            ..Default::default()
        }
    }
}

fn create_topics(request: CreateTopicsRequest) -> CreateTopicsResponse {
    let result = |name| CreatableTopicResult { name, ..Default::default() };
    let topics = request.topics.into_iter().map(|topic| result(topic.name)).collect();
    CreateTopicsResponse { topics, ..Default::default() }
}

/// A version that is not known gets version 0 with error 35, as from Kafka.
fn api_versions(reader: Reader, version: i16) -> Result<Bytes> {
    let api = |(key, min_version, max_version): &(ApiKey, i16, i16)| ApiVersion {
        api_key: key.code(),
        min_version: *min_version,
        max_version: *max_version,
    };
    let api_keys = SERVED.iter().map(api).collect();
    if version <= 3 {
        let response = ApiVersionsResponse { api_keys, ..Default::default() };
        return answer::<ApiVersionsRequest>(reader, version, |_| Ok(response));
    }
    let mut reader = reader;
    let header = RequestHeader::decode(&mut reader, 1)?;
    let response = ApiVersionsResponse { error_code: 35, api_keys, ..Default::default() };
    encode(header.correlation_id, 0, &response, 0)
}

fn answer<R: Request>(
    mut reader: Reader,
    version: i16,
    respond: impl FnOnce(R) -> Result<R::Response>,
) -> Result<Bytes> {
    let flexible = version >= R::FIRST_FLEXIBLE;
    let header = RequestHeader::decode(&mut reader, if flexible { 2 } else { 1 })?;
    let response = respond(R::decode(&mut reader, version)?)?;
    let header_version = i16::from(flexible && R::KEY != ApiKey::ApiVersions);
    encode(header.correlation_id, header_version, &response, version)
}

fn encode<M: Message>(correlation_id: i32, header_version: i16, response: &M, version: i16) -> Result<Bytes> {
    let mut w = Writer::new();
    w.i32(0);
    ResponseHeader { correlation_id }.encode(&mut w, header_version)?;
    response.encode(&mut w, version)?;
    let size = i32::try_from(w.len() - 4)?;
    w.patch_i32(0, size);
    Ok(w.into_bytes())
}

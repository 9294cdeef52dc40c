//! Requests as they come in, and responses as they go out.

use std::hint::black_box;

use anyhow::Result;
use bytes::Bytes;
use ottla_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use ottla_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use ottla_protocol::messages::{
    FetchRequest, FetchResponse, MetadataResponse, ProduceRequest, ProduceResponse, RequestHeader,
};
use ottla_protocol::records::BatchOptions;
use ottla_protocol::{Message, Reader, Records, Request, Str, Writer};

use crate::Body;
use crate::records::batch;

const PRODUCE_VERSION: i16 = 12;
const FETCH_VERSION: i16 = 12;
const METADATA_VERSION: i16 = 12;

/// One partition with a batch of 16 KB.
pub fn decode_produce_1() -> Result<Body> {
    decode::<ProduceRequest>(&produce_request(1)?, PRODUCE_VERSION)
}

/// Ten of them.
pub fn decode_produce_10() -> Result<Body> {
    decode::<ProduceRequest>(&produce_request(10)?, PRODUCE_VERSION)
}

fn produce_request(partitions: i32) -> Result<ProduceRequest> {
    let records = batch(16, 1024, BatchOptions::default())?;
    let partition = |index| PartitionProduceData { index, records: Some(Records::Bytes(records.clone())) };
    let topic = TopicProduceData {
        name: Str::from_static("topic"),
        partition_data: (0..partitions).map(partition).collect(),
        ..Default::default()
    };
    Ok(ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() })
}

/// Ten partitions, without a session.
pub fn decode_fetch() -> Result<Body> {
    let partition = |partition| FetchPartition {
        partition,
        fetch_offset: 1_000,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let topic = FetchTopic {
        topic: Str::from_static("topic"),
        partitions: (0..10).map(partition).collect(),
        ..Default::default()
    };
    let request = FetchRequest { max_wait_ms: 500, topics: vec![topic], ..Default::default() };
    decode::<FetchRequest>(&request, FETCH_VERSION)
}

/// Ten partitions acknowledged.
pub fn encode_produce() -> Result<Body> {
    let partition = |index| PartitionProduceResponse { index, base_offset: 1_000, ..Default::default() };
    let topic = TopicProduceResponse {
        name: Str::from_static("topic"),
        partition_responses: (0..10).map(partition).collect(),
        ..Default::default()
    };
    Ok(encode(ProduceResponse { responses: vec![topic], ..Default::default() }, PRODUCE_VERSION))
}

/// Ten partitions with 16 KB each.
pub fn encode_fetch() -> Result<Body> {
    let records = batch(16, 1024, BatchOptions::default())?;
    let partition = |partition_index| PartitionData {
        partition_index,
        high_watermark: 1_000,
        records: Some(Records::Bytes(records.clone())),
        ..Default::default()
    };
    let topic = FetchableTopicResponse {
        topic: Str::from_static("topic"),
        partitions: (0..10).map(partition).collect(),
        ..Default::default()
    };
    Ok(encode(FetchResponse { responses: vec![topic], ..Default::default() }, FETCH_VERSION))
}

/// A hundred topics of one partition.
pub fn encode_metadata() -> Result<Body> {
    let partition = MetadataResponsePartition {
        leader_id: 1,
        replica_nodes: vec![1],
        isr_nodes: vec![1],
        ..Default::default()
    };
    let topic = |i: usize| MetadataResponseTopic {
        name: Some(format!("topic-{i}").into()),
        partitions: vec![partition.clone()],
        ..Default::default()
    };
    let response = MetadataResponse { topics: (0..100).map(topic).collect(), ..Default::default() };
    Ok(encode(response, METADATA_VERSION))
}

/// A frame after its size: header, then request.
fn decode<R: Request + 'static>(request: &R, version: i16) -> Result<Body> {
    let header = RequestHeader {
        request_api_key: R::KEY.code(),
        request_api_version: version,
        correlation_id: 1,
        client_id: Some(Str::from_static("client")),
    };
    let mut w = Writer::new();
    header.encode(&mut w, 2)?;
    request.encode(&mut w, version)?;
    let frame: Bytes = w.into_bytes();
    Ok(Box::new(move || {
        let mut reader = Reader::new(frame.clone());
        let header = RequestHeader::decode(&mut reader, 2)?;
        let request = R::decode(&mut reader, version)?;
        reader.finish()?;
        black_box((&header, &request));
        Ok(())
    }))
}

fn encode<M: Message + 'static>(response: M, version: i16) -> Body {
    Box::new(move || {
        let mut w = Writer::new();
        response.encode(&mut w, version)?;
        black_box(&w);
        Ok(())
    })
}

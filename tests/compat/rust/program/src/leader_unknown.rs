//! Answers that do not know who leads, as they come while a leader is elected: of the answers that pass, some are changed.
//!
//! A Metadata answer says that a topic is not there, or that it or its partitions have no leader. A Produce answer says
//! that the broker is not the leader although it has written the batch: whoever sends it again must not write it twice. A
//! Fetch answer says so and brings no records.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use ottla_protocol::messages::{
    FetchRequest, FetchResponse, MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse,
};
use ottla_protocol::{ApiKey, ErrorCode, Message, Reader, Request, Uuid, encode_message};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::digest::Random;

/// Frames of this suite are far smaller.
const FRAME_MAX: usize = 64 << 20;
/// Of a hundred answers, so many are changed.
const METADATA: i64 = 60;
const PRODUCE: i64 = 8;
const FETCH: i64 = 10;

/// API key and version by correlation id.
type Asked = Mutex<HashMap<i32, (i16, i16)>>;

/// Carries frames both ways until a side ends; counts the answers that it changed.
pub async fn relay(client: TcpStream, broker: TcpStream, seed: i64, changed: Arc<AtomicI64>) {
    let asked = Asked::default();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_broker, mut to_broker) = broker.into_split();
    let up = async {
        while let Some(frame) = read_frame(&mut from_client).await {
            if let (Some(key), Some(version), Some(id)) =
                (i16_at(&frame, 0), i16_at(&frame, 2), id_at(&frame, 4))
            {
                asked.lock().unwrap_or_else(PoisonError::into_inner).insert(id, (key, version));
            }
            if write_frame(&mut to_broker, &frame).await.is_err() {
                break;
            }
        }
        let _ = to_broker.shutdown().await;
    };
    let down = async {
        let mut random = Random::new(seed);
        while let Some(frame) = read_frame(&mut from_broker).await {
            let id = id_at(&frame, 0);
            let request = id.and_then(|id| asked.lock().unwrap_or_else(PoisonError::into_inner).remove(&id));
            let other = request.and_then(|(key, version)| change(key, version, &frame, &mut random));
            if other.is_some() {
                changed.fetch_add(1, Ordering::Relaxed);
            }
            if write_frame(&mut to_client, &other.unwrap_or(frame)).await.is_err() {
                break;
            }
        }
        let _ = to_client.shutdown().await;
    };
    tokio::join!(up, down);
}

async fn read_frame(from: &mut (impl AsyncRead + Unpin)) -> Option<Bytes> {
    let size = usize::try_from(from.read_i32().await.ok()?).ok().filter(|size| *size <= FRAME_MAX)?;
    let mut frame = vec![0; size];
    from.read_exact(&mut frame).await.ok()?;
    Some(frame.into())
}

async fn write_frame(to: &mut (impl AsyncWriteExt + Unpin), frame: &[u8]) -> std::io::Result<()> {
    let mut whole = Vec::with_capacity(4 + frame.len());
    whole.extend_from_slice(&(frame.len() as u32).to_be_bytes());
    whole.extend_from_slice(frame);
    to.write_all(&whole).await
}

fn i16_at(frame: &[u8], at: usize) -> Option<i16> {
    frame.get(at..)?.first_chunk().map(|bytes| i16::from_be_bytes(*bytes))
}

fn id_at(frame: &[u8], at: usize) -> Option<i32> {
    frame.get(at..)?.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
}

/// Another answer, if this one is to be changed.
fn change(key: i16, version: i16, frame: &Bytes, random: &mut Random) -> Option<Bytes> {
    let drawn = random.below(100);
    let is = |api: ApiKey, percent: i64| key == api.code() && drawn < percent;
    if is(ApiKey::Metadata, METADATA) {
        let how = random.below(3);
        return rewrite::<MetadataRequest>(version, frame, |answer| no_leaders(answer, how));
    }
    if is(ApiKey::Produce, PRODUCE) {
        return rewrite::<ProduceRequest>(version, frame, not_written);
    }
    if is(ApiKey::Fetch, FETCH) {
        return rewrite::<FetchRequest>(version, frame, nothing_read);
    }
    None
}

fn no_leaders(answer: &mut MetadataResponse, how: i64) {
    for topic in answer.topics.iter_mut().filter(|topic| topic.error_code == 0) {
        if how == 0 {
            for partition in &mut topic.partitions {
                partition.error_code = ErrorCode::LeaderNotAvailable.code();
                partition.leader_id = -1;
            }
            continue;
        }
        let code = if how == 1 { ErrorCode::LeaderNotAvailable } else { ErrorCode::UnknownTopicOrPartition };
        topic.error_code = code.code();
        topic.topic_id = Uuid::default();
        topic.partitions.clear();
    }
}

fn not_written(answer: &mut ProduceResponse) {
    for partition in answer.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses) {
        if partition.error_code == 0 {
            partition.error_code = ErrorCode::NotLeaderOrFollower.code();
            (partition.base_offset, partition.log_append_time_ms, partition.log_start_offset) = (-1, -1, -1);
        }
    }
}

fn nothing_read(answer: &mut FetchResponse) {
    for partition in answer.responses.iter_mut().flat_map(|topic| &mut topic.partitions) {
        if partition.error_code == 0 {
            partition.error_code = ErrorCode::NotLeaderOrFollower.code();
            (partition.high_watermark, partition.last_stable_offset, partition.log_start_offset) =
                (-1, -1, -1);
            partition.aborted_transactions = None;
            partition.records = Some(ottla_protocol::Records::Bytes(Bytes::new()));
        }
    }
}

/// Reads an answer, changes it, and writes it again. Nothing when it can't be read, or stays as it was.
fn rewrite<R: Request>(version: i16, frame: &Bytes, change: impl FnOnce(&mut R::Response)) -> Option<Bytes> {
    let mut reader = Reader::new(frame.clone());
    reader.i32().ok()?;
    let is_flexible = version >= R::FIRST_FLEXIBLE;
    if is_flexible {
        for _ in 0..reader.tag_count().ok()? {
            let (_, outer) = reader.enter_tag().ok()?;
            reader.leave_tag(outer, false).ok()?;
        }
    }
    let mut answer = R::Response::decode(&mut reader, version).ok()?;
    change(&mut answer);
    let mut all = frame.get(..4)?.to_vec();
    if is_flexible {
        all.push(0);
    }
    all.extend_from_slice(&encode_message(&answer, version).ok()?);
    (all != frame[..]).then(|| all.into())
}

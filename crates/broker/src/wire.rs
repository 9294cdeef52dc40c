//! Frames in and out: request headers, response headers, sizes, record pieces.

use bytes::{Bytes, BytesMut};
use ottla_net::{Insert, ResponseFrame};
use ottla_protocol::messages::{RequestHeader, ResponseHeader};
use ottla_protocol::{ApiKey, DecodeError, EncodeError, Insert as WireInsert, Message, Reader, Writer};
use ottla_storage::Piece;

/// First bytes of a frame: the API and the version, before anything else is believed.
pub struct FrameStart {
    /// The key on the wire, known or not.
    pub api_key: i16,
    /// The version on the wire.
    pub api_version: i16,
    /// The correlation id.
    pub correlation_id: i32,
}

impl FrameStart {
    /// Reads the eight bytes that every request header begins with.
    ///
    /// # Errors
    /// When the frame is shorter.
    pub fn read(frame: &Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(frame.clone());
        Ok(Self { api_key: r.i16()?, api_version: r.i16()?, correlation_id: r.i32()? })
    }
}

/// Reads a request's header; the reader then stands at the body.
///
/// # Errors
/// When the frame is not a request of this API and version.
pub fn read_header(frame: Bytes, api: ApiKey, version: i16) -> Result<(RequestHeader, Reader), DecodeError> {
    let mut reader = Reader::new(frame);
    let header_version = if version >= api.first_flexible() { 2 } else { 1 };
    let header = RequestHeader::decode(&mut reader, header_version)?;
    Ok((header, reader))
}

/// Record data that a response holds in place of [`ottla_protocol::ExternalRecords`]: the id is the index.
pub type RecordPieces = Vec<Vec<Piece>>;

/// Encodes a response with its size and header.
///
/// # Errors
/// When the response has no encoding in this version: a defect of the handler.
pub fn response_frame<M: Message>(
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    body: &M,
    pieces: RecordPieces,
) -> Result<ResponseFrame, EncodeError> {
    let mut w = Writer::with_buffer(BytesMut::with_capacity(256));
    w.i32(0);
    // ApiVersions answers with header 0 always: its reader does not know yet what the broker speaks.
    let flexible = version >= api.first_flexible() && api != ApiKey::ApiVersions;
    ResponseHeader { correlation_id }.encode(&mut w, i16::from(flexible))?;
    body.encode(&mut w, version)?;
    let size = i32::try_from(w.len() - 4).map_err(|_| EncodeError::Length(w.len()))?;
    w.patch_i32(0, size);
    let (head, inserts) = w.into_parts();
    Ok(ResponseFrame { head: head.freeze(), inserts: net_inserts(inserts, pieces), mute_for: None })
}

fn net_inserts(inserts: Vec<(usize, WireInsert)>, mut pieces: RecordPieces) -> Vec<(u32, Insert)> {
    let mut out = Vec::with_capacity(inserts.len());
    for (position, insert) in inserts {
        // The head is far below 4 GiB: the frame's size fits an i32.
        let position = position as u32;
        match insert {
            WireInsert::Bytes(bytes) => out.push((position, Insert::Bytes(bytes))),
            WireInsert::External(id) => {
                let records = pieces.get_mut(id as usize).map(std::mem::take).unwrap_or_default();
                out.extend(records.into_iter().map(|piece| (position, net_insert(piece))));
            }
        }
    }
    out
}

fn net_insert(piece: Piece) -> Insert {
    match piece {
        Piece::Bytes(bytes) => Insert::Bytes(bytes),
        Piece::File(range) => Insert::File { file: range.file, position: range.position, len: range.len },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
    use ottla_protocol::messages::{ApiVersionsResponse, FetchResponse};
    use ottla_protocol::{ExternalRecords, Records};

    #[test]
    fn api_versions_has_the_oldest_header() {
        let frame = response_frame(ApiKey::ApiVersions, 3, 7, &ApiVersionsResponse::default(), Vec::new());
        let head = frame.expect("encodes").head;
        assert_eq!(&head[4..8], &7i32.to_be_bytes());
        assert_eq!(&head[8..10], &[0, 0], "the error code follows without tagged fields between");
    }

    #[test]
    fn pieces_stand_where_the_records_belong() {
        let external = Records::External(ExternalRecords { id: 0, len: 5 });
        let partition = PartitionData { records: Some(external), ..Default::default() };
        let body = FetchResponse {
            responses: vec![FetchableTopicResponse { partitions: vec![partition], ..Default::default() }],
            ..Default::default()
        };
        let pieces =
            vec![vec![Piece::Bytes(Bytes::from_static(b"ab")), Piece::Bytes(Bytes::from_static(b"cde"))]];
        let frame = response_frame(ApiKey::Fetch, 11, 7, &body, pieces).expect("encodes");
        let size = i32::from_be_bytes(frame.head[..4].try_into().expect("size"));
        assert_eq!(size as usize, frame.head.len() - 4 + 5);
        assert_eq!(frame.inserts.len(), 2);
        assert_eq!(frame.inserts[0].0, frame.inserts[1].0);
        assert_eq!(frame.inserts[0].0 as usize, frame.head.len(), "nothing follows the last records in v11");
    }
}

//! Requests and responses as bytes: size, header, body.

use bytes::{Bytes, BytesMut};
use ottla_protocol::{ApiKey, EncodeError, Insert, Message, Reader, Request, Str, Writer, constant_name};

use crate::{Error, Result};

/// Where the correlation id stands: behind size, API key and version.
const CORRELATION_AT: usize = 8;

/// An encoded request. Records stand beside the head, not copied into it.
#[derive(Debug)]
pub(super) struct Frame {
    head: BytesMut,
    inserts: Vec<(usize, Insert)>,
}

impl Frame {
    /// Encodes a request; its correlation id is set later.
    ///
    /// # Errors
    /// When the version can't carry what the request holds.
    pub(super) fn new<R: Request>(request: &R, version: i16, client_id: &Str) -> Result<Self> {
        let failed = |why| cannot_encode(R::KEY, version, &why);
        let flexible = version >= R::FIRST_FLEXIBLE;
        let mut writer = Writer::new();
        writer.i32(0);
        writer.i16(R::KEY.code());
        writer.i16(version);
        writer.i32(0);
        // The client id never became compact: brokers must be able to read it before they know the version.
        writer.string(client_id, false).map_err(failed)?;
        if flexible {
            writer.uvarint(0);
        }
        request.encode(&mut writer, version).map_err(failed)?;
        let size = writer.len() - 4;
        let size = i32::try_from(size).map_err(|_| failed(EncodeError::Length(size)))?;
        writer.patch_i32(0, size);
        let (head, inserts) = writer.into_parts();
        Ok(Self { head, inserts })
    }

    /// The pieces in the order of the wire.
    pub(super) fn into_pieces(mut self, correlation_id: i32, pieces: &mut impl Extend<Bytes>) {
        if let Some(place) = self.head.get_mut(CORRELATION_AT..CORRELATION_AT + 4) {
            place.copy_from_slice(&correlation_id.to_be_bytes());
        }
        let mut head = self.head.freeze();
        let mut at = 0;
        for (position, insert) in self.inserts {
            if let Insert::Bytes(bytes) = insert {
                pieces.extend([head.split_to(position.saturating_sub(at).min(head.len())), bytes]);
                at = position;
            }
        }
        pieces.extend([head]);
    }
}

/// The correlation id of a response, without its size.
pub(super) fn correlation_id(frame: &Bytes) -> Option<i32> {
    frame.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes))
}

/// Reads a response behind its size.
///
/// # Errors
/// [`Error::Protocol`] when the bytes are not the response in this version.
pub(super) fn decode<R: Request>(frame: Bytes, version: i16) -> Result<R::Response> {
    let mut reader = Reader::new(frame);
    let mut read = || {
        reader.i32()?;
        // ApiVersions answers with the oldest header, as the client may not know yet what the broker can.
        if version >= R::FIRST_FLEXIBLE && R::KEY != ApiKey::ApiVersions {
            for _ in 0..reader.tag_count()? {
                let (_, outer) = reader.enter_tag()?;
                reader.leave_tag(outer, false)?;
            }
        }
        R::Response::decode(&mut reader, version)
    };
    read().map_err(|why| {
        let name = constant_name(R::KEY.name());
        Error::Protocol(format!("An answer to {name} in version {version} can't be read: {why}"))
    })
}

fn cannot_encode(api: ApiKey, version: i16, why: &EncodeError) -> Error {
    let name = constant_name(api.name());
    match why {
        EncodeError::Unsupported { field, .. } => Error::UnsupportedVersion(format!(
            "Attempted to write a non-default {field} at version {version} of {name}"
        )),
        EncodeError::Version(_) => {
            Error::UnsupportedVersion(format!("{name} has no version {version} that can be sent"))
        }
        EncodeError::Null(_) | EncodeError::Length(_) => {
            Error::Illegal(format!("A request {name} in version {version} can't be written: {why}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use ottla_protocol::Records;
    use ottla_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    use ottla_protocol::messages::{MetadataRequest, ProduceRequest};

    use super::*;

    fn bytes(frame: Frame) -> Vec<u8> {
        let mut pieces: Vec<Bytes> = Vec::new();
        frame.into_pieces(7, &mut pieces);
        pieces.concat()
    }

    #[test]
    fn a_request_has_size_header_and_body() {
        let request = MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
        let all = bytes(Frame::new(&request, 4, &Str::from("me")).unwrap());
        assert_eq!(all, b"\0\0\0\x11\0\x03\0\x04\0\0\0\x07\0\x02me\0\0\0\0\x01");
        let all = bytes(Frame::new(&request, 12, &Str::from("me")).unwrap());
        assert_eq!(all, b"\0\0\0\x11\0\x03\0\x0c\0\0\0\x07\0\x02me\0\x01\x01\0\0");
    }

    #[test]
    fn records_are_not_copied() {
        let records = Bytes::from(vec![5; 4096]);
        let at = records.as_ptr();
        let partition = PartitionProduceData { records: Some(Records::Bytes(records)), ..Default::default() };
        let topic = TopicProduceData { partition_data: vec![partition], ..Default::default() };
        let request = ProduceRequest { topic_data: vec![topic], ..Default::default() };
        let mut pieces: Vec<Bytes> = Vec::new();
        Frame::new(&request, 9, &Str::new()).unwrap().into_pieces(1, &mut pieces);
        assert_eq!(pieces.iter().filter(|piece| piece.as_ptr() == at).count(), 1);
    }

    #[test]
    fn a_field_that_the_version_lacks_is_told() {
        let request = MetadataRequest { include_topic_authorized_operations: true, ..Default::default() };
        let error = Frame::new(&request, 5, &Str::new()).unwrap_err();
        assert!(matches!(error, Error::UnsupportedVersion(_)), "{error}");
    }
}

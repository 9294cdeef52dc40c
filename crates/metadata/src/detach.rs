//! Copies of what records hold.
//!
//! Strings and bytes of a decoded message are slices of the frame it came in: a topic name of twenty bytes
//! would keep a batch of a megabyte in memory for as long as the topic lives. What stays in the image
//! is therefore copied out of the record, here and nowhere else.

use bytes::Bytes;
use ottla_protocol::Str;

pub(crate) fn str(text: &Str) -> Str {
    Str::from(&**text)
}

pub(crate) fn option(text: Option<&Str>) -> Option<Str> {
    text.map(str)
}

pub(crate) fn strs(texts: &[Str]) -> Vec<Str> {
    texts.iter().map(str).collect()
}

pub(crate) fn bytes(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

//! A response as the service hands it over: encoded bytes, with record data inserted by reference.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

/// One response frame.
#[derive(Clone, Debug, Default)]
pub struct ResponseFrame {
    /// The encoded response, with the 4-byte size in front. The size counts everything after itself, inserts included.
    pub head: Bytes,
    /// Data that goes out within `head`: position in `head` (0 to its length, ascending), and what stands there.
    pub inserts: Vec<(u32, Insert)>,
    /// KIP-219: the answer leaves at once, and then nothing more is read from the connection for this long.
    pub mute_for: Option<Duration>,
}

/// Record data that is not copied into the response.
#[derive(Clone, Debug)]
pub enum Insert {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A range of a file. If the file turns out to be shorter, the connection is closed.
    File {
        /// The file; read with positions, its cursor is not used.
        file: Arc<File>,
        /// First byte of the range.
        position: u64,
        /// Length of the range in bytes.
        len: u32,
    },
}

impl Insert {
    /// Bytes that this insert adds to the response.
    pub fn len(&self) -> u64 {
        match self {
            Insert::Bytes(bytes) => bytes.len() as u64,
            Insert::File { len, .. } => u64::from(*len),
        }
    }

    /// Whether it adds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ResponseFrame {
    /// A response that is all in one piece, with the 4-byte size in front.
    pub fn new(head: impl Into<Bytes>) -> Self {
        ResponseFrame { head: head.into(), inserts: Vec::new(), mute_for: None }
    }

    /// Bytes on the wire, the 4-byte size included.
    pub fn len(&self) -> u64 {
        self.inserts.iter().fold(self.head.len() as u64, |sum, (_, insert)| sum.saturating_add(insert.len()))
    }

    /// Whether there is nothing to send, which is never so for a well-formed response.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the size in front is the true one and the inserts are in order: a response that is not would leave the client
    /// reading the middle of a record as the next response.
    pub(crate) fn is_well_formed(&self) -> bool {
        let Some(prefix) = self.head.first_chunk::<4>() else { return false };
        let mut last = 4;
        for (position, _) in &self.inserts {
            if *position < last || *position as usize > self.head.len() {
                return false;
            }
            last = *position;
        }
        i32::from_be_bytes(*prefix) as i64 as u64 == self.len() - 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(head: &'static [u8], inserts: &[(u32, &'static [u8])]) -> ResponseFrame {
        ResponseFrame {
            head: Bytes::from_static(head),
            inserts: inserts
                .iter()
                .map(|(at, bytes)| (*at, Insert::Bytes(Bytes::from_static(bytes))))
                .collect(),
            mute_for: None,
        }
    }

    #[test]
    fn size_prefix_counts_the_inserts() {
        assert!(frame(&[0, 0, 0, 2, 7, 8], &[]).is_well_formed());
        assert!(frame(&[0, 0, 0, 5, 7, 8], &[(5, b"abc")]).is_well_formed());
        assert!(frame(&[0, 0, 0, 5, 7, 8], &[(4, b"a"), (6, b"bc")]).is_well_formed());
        assert!(!frame(&[0, 0, 0, 5, 7, 8], &[]).is_well_formed());
        assert!(!frame(&[0, 0, 0, 2, 7, 8], &[(5, b"abc")]).is_well_formed());
        assert!(!frame(&[0, 0, 0, 5, 7, 8], &[(6, b"a"), (4, b"bc")]).is_well_formed());
        assert!(!frame(&[0, 0, 0, 5, 7, 8], &[(7, b"abc")]).is_well_formed());
        assert!(!frame(&[0, 0, 0, 5, 7, 8], &[(2, b"abc")]).is_well_formed());
        assert!(!frame(&[0, 0], &[]).is_well_formed());
        assert!(!frame(&[0xff, 0xff, 0xff, 0xff], &[]).is_well_formed());
    }
}

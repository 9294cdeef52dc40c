//! Records on their way out. A connection has such a buffer only while the socket does not take what is in it; all others share a
//! few of their thread's.

use std::cell::{Cell, RefCell};
use std::io::IoSlice;

use super::records::{HEADER, PLAIN_MAX, TRAILER};

/// Records that are made before they are sent together.
pub(super) const RECORDS_MAX: usize = 8;
/// Room for one record, of TLS 1.2 too, which adds a little more.
pub(super) const RECORD_ROOM: usize = PLAIN_MAX + 64;
/// Buffers that a thread keeps.
const SPARE_MAX: usize = 4;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static USED: Cell<bool> = const { Cell::new(false) };
}

/// Frees this thread's buffers if none was used since the last call.
pub(crate) fn trim() {
    if !USED.replace(false) {
        SPARE.with_borrow_mut(|spare| *spare = Vec::new());
    }
}

/// Room for [`RECORDS_MAX`] records; what waits to be sent is `bytes[start..end]`.
#[derive(Debug)]
pub(super) struct SendBuffer {
    /// As long as it ever gets, so that it is filled with zeros only once.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl SendBuffer {
    pub(super) fn take() -> Self {
        USED.set(true);
        let spare = SPARE.with_borrow_mut(Vec::pop);
        let bytes = spare.unwrap_or_else(|| vec![0; RECORDS_MAX * RECORD_ROOM]);
        SendBuffer { bytes, start: 0, end: 0 }
    }

    pub(super) fn give_back(self) {
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARE_MAX {
                spare.push(self.bytes);
            }
        });
    }

    pub(super) fn unsent(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes at the front have been sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// What is free.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// So many bytes of [`SendBuffer::room`] were filled.
    pub(super) fn filled(&mut self, bytes: usize) {
        self.end = (self.end + bytes).min(self.bytes.len());
    }

    /// Room for one record with `len` bytes of plaintext.
    pub(super) fn record(&mut self, len: usize) -> Option<&mut [u8]> {
        self.room().get_mut(..HEADER + len + TRAILER)
    }
}

/// Copies from the front of `slices`, without the first `skip` bytes, what fits into `target`; how much that was.
pub(super) fn gather(slices: &[IoSlice<'_>], mut skip: usize, target: &mut [u8]) -> usize {
    let mut filled = 0;
    for slice in slices {
        let part = slice.get(skip..).unwrap_or_default();
        skip = skip.saturating_sub(slice.len());
        let room = target.get_mut(filled..).unwrap_or_default();
        let len = part.len().min(room.len());
        if let (Some(from), Some(to)) = (part.get(..len), room.get_mut(..len)) {
            to.copy_from_slice(from);
            filled += len;
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_gathered_from_wherever() {
        let slices = [&b"abc"[..], b"", b"defg", b"h"].map(IoSlice::new);
        for skip in 0..=9 {
            for room in 0..=9 {
                let mut target = [b'.'; 9];
                let n = gather(&slices, skip, &mut target[..room]);
                let expected = &b"abcdefgh"[skip.min(8)..];
                let expected = &expected[..room.min(expected.len())];
                assert_eq!(&target[..n], expected, "{skip} {room}");
            }
        }
    }

    #[test]
    fn what_was_sent_makes_room() {
        let mut buffer = SendBuffer::take();
        let all = buffer.room().len();
        buffer.room()[..3].copy_from_slice(b"abc");
        buffer.filled(3);
        buffer.sent(1);
        assert_eq!(buffer.room().len(), all - 3);
        assert_eq!(buffer.unsent(), b"bc");
        buffer.sent(2);
        assert_eq!((buffer.is_empty(), buffer.room().len()), (true, all));
        assert!(buffer.record(PLAIN_MAX).is_some());
        buffer.filled(all - 10);
        assert!(buffer.record(0).is_none());
        buffer.give_back();
    }
}

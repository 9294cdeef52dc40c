//! The newest batches of a log in memory, so that consumers at the tail and followers touch no file.
//!
//! Large batches are kept as the slice of the receive buffer that they came in, beside a copy of the 16
//! header bytes that the log patched. Small ones are copied, several to a buffer: a record of 100 bytes must
//! not pin a receive buffer of a megabyte, and a fetch of a thousand of them must not become a thousand
//! pieces. Copied is also what is a small part of its frame only: a slice keeps the whole frame alive, of
//! which the rest may be anything, also batches that were refused. A buffer that is still being filled is
//! frozen when the first reader wants it; what comes after goes behind it in the same allocation.
//!
//! A log has a tail only while somebody reads at its end: where nobody does, an append copies nothing, and the
//! receive buffer that the records came in is free as soon as they are written. The tail is always a suffix of the active
//! segment, without gaps in position. Rolling empties it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};

use ottla_protocol::records::{BatchHeader, LOG_OVERHEAD};

use crate::piece::Piece;

/// Most bytes that one log keeps.
pub const PARTITION_BYTES_MAX: usize = 256 * 1024;
/// Most bytes that all logs keep together, by default.
pub const GLOBAL_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Batches below this size are copied.
const COPY_BELOW: usize = 8 * 1024;
/// And those that are less than such a part of the frame they came in: what slices keep alive is no more than so many times
/// what the budget counts. Low enough for a producer's frame with batches for a few partitions, which all stay.
const FRAME_PART_MIN: usize = 8;
/// Bounds of the buffers that small batches are copied to; they double while a log stays busy.
const CHUNK_MIN: usize = 512;
const CHUNK_MAX: usize = 64 * 1024;
/// Small batches in one piece: what a read may have to walk through.
const PIECE_MAX: usize = 16 * 1024;
/// A read of more pieces than this goes to the file instead.
const PIECES_MAX: usize = 64;

/// The bytes that all hot tails may hold together.
#[derive(Debug)]
pub struct TailBudget {
    used: AtomicUsize,
    max: usize,
}

impl TailBudget {
    /// A budget of `max` bytes.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), max })
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn reserve(&self, bytes: usize) -> bool {
        if self.used.fetch_add(bytes, Ordering::Relaxed) + bytes > self.max {
            self.release(bytes);
            return false;
        }
        true
    }

    fn release(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Whole batches that lie behind each other: one large one (with `head`), or any number of small ones.
#[derive(Debug)]
struct TailPiece {
    base_offset: i64,
    last_offset: i64,
    /// Of the first byte, in the segment file.
    position: u32,
    /// The patched first header bytes of a large batch; else empty.
    head: Bytes,
    body: Bytes,
}

impl TailPiece {
    fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

/// What a read found.
#[derive(Debug)]
pub struct TailRead {
    /// Where the first batch starts in the segment file.
    pub position: u32,
    /// Size of the first batch.
    pub first_batch_size: u32,
    /// Base offset of the first batch.
    pub first_base_offset: i64,
    /// Index of the piece that the batch is in, and where in it.
    piece: usize,
    skip: usize,
}

/// One log's newest batches.
#[derive(Debug)]
pub struct HotTail {
    budget: Arc<TailBudget>,
    pieces: VecDeque<TailPiece>,
    /// Small batches that no reader has asked for yet, and where they start.
    open: BytesMut,
    open_base_offset: i64,
    open_last_offset: i64,
    open_position: u32,
    chunk_size: usize,
    bytes: usize,
    /// Whether batches were added or found since the last [`HotTail::trim`].
    used: bool,
    /// Whether anybody has read at the log's end since then.
    wanted: bool,
}

impl HotTail {
    /// An empty tail.
    pub fn new(budget: &Arc<TailBudget>) -> Self {
        Self {
            budget: budget.clone(),
            pieces: VecDeque::new(),
            open: BytesMut::new(),
            open_base_offset: 0,
            open_last_offset: 0,
            open_position: 0,
            chunk_size: CHUNK_MIN,
            bytes: 0,
            used: false,
            wanted: false,
        }
    }

    /// Forgets everything and gives the memory back.
    pub fn clear(&mut self) {
        self.budget.release(self.bytes);
        self.bytes = 0;
        self.pieces = VecDeque::new();
        self.open = BytesMut::new();
        self.chunk_size = CHUNK_MIN;
    }

    /// Somebody reads at the log's end.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// Gives back what it holds, if nothing was added or found since the last call; whether anybody has wanted it since
    /// then.
    pub fn trim(&mut self) -> bool {
        if !std::mem::take(&mut self.used) && self.bytes > 0 {
            self.clear();
        }
        std::mem::take(&mut self.wanted)
    }

    /// Adds the batch that was just written at `position`: `head` are its first header bytes as they
    /// are on disk, `rest` is what follows them, a slice of a frame of `frame_bytes` (0: of nothing larger).
    pub fn push(
        &mut self,
        (base_offset, last_offset): (i64, i64),
        position: u32,
        head: &[u8],
        rest: &Bytes,
        frame_bytes: usize,
    ) {
        let len = head.len() + rest.len();
        self.used = true;
        if len > PARTITION_BYTES_MAX || !self.make_room(len) {
            return self.clear();
        }
        self.bytes += len;
        if len < COPY_BELOW || rest.len() < frame_bytes / FRAME_PART_MIN {
            self.push_copy(base_offset, last_offset, position, &[head, rest]);
        } else {
            self.close_open();
            self.ensure_chunk(head.len());
            self.open.extend_from_slice(head);
            let head = self.open.split().freeze();
            self.pieces.push_back(TailPiece { base_offset, last_offset, position, head, body: rest.clone() });
        }
    }

    fn push_copy(&mut self, base_offset: i64, last_offset: i64, position: u32, parts: &[&[u8]]) {
        self.ensure_chunk(parts.iter().map(|p| p.len()).sum());
        if self.open.is_empty() {
            self.open_base_offset = base_offset;
            self.open_position = position;
        }
        self.open_last_offset = last_offset;
        for part in parts {
            self.open.extend_from_slice(part);
        }
        if self.open.len() >= PIECE_MAX {
            self.close_open();
        }
    }

    /// Makes sure that the open buffer takes `len` more bytes without moving what it holds.
    fn ensure_chunk(&mut self, len: usize) {
        if self.open.capacity() - self.open.len() >= len {
            return;
        }
        self.close_open();
        self.open = BytesMut::with_capacity(self.chunk_size.max(len));
        self.chunk_size = (self.chunk_size * 2).min(CHUNK_MAX);
    }

    fn close_open(&mut self) {
        if !self.open.is_empty() {
            self.pieces.push_back(TailPiece {
                base_offset: self.open_base_offset,
                last_offset: self.open_last_offset,
                position: self.open_position,
                head: Bytes::new(),
                body: self.open.split().freeze(),
            });
        }
    }

    fn make_room(&mut self, len: usize) -> bool {
        while self.bytes + len > PARTITION_BYTES_MAX {
            if !self.drop_oldest() {
                return false;
            }
        }
        while !self.budget.reserve(len) {
            if !self.drop_oldest() {
                return false;
            }
        }
        true
    }

    fn drop_oldest(&mut self) -> bool {
        if self.pieces.is_empty() {
            self.close_open();
        }
        let Some(piece) = self.pieces.pop_front() else { return false };
        self.bytes -= piece.len();
        self.budget.release(piece.len());
        true
    }

    /// Finds the first batch whose last offset is at or after `offset`; none when the tail starts after
    /// `offset` or ends before it.
    pub fn find(&mut self, offset: i64) -> Option<TailRead> {
        let first = self.pieces.front().map_or(self.open_base_offset, |p| p.base_offset);
        if self.bytes == 0 || offset < first {
            return None;
        }
        (self.used, self.wanted) = (true, true);
        self.close_open();
        let piece_at = self.pieces.partition_point(|p| p.last_offset < offset);
        let piece = self.pieces.get(piece_at)?;
        if !piece.head.is_empty() {
            return Some(TailRead {
                position: piece.position,
                first_batch_size: u32::try_from(piece.len()).ok()?,
                first_base_offset: piece.base_offset,
                piece: piece_at,
                skip: 0,
            });
        }
        let skip = first_at_or_after(&piece.body, offset)?;
        let batch = BatchHeader::parse(piece.body.get(skip..)?).ok()?;
        Some(TailRead {
            position: piece.position + u32::try_from(skip).ok()?,
            first_batch_size: u32::try_from(batch.size()).ok()?,
            first_base_offset: batch.base_offset(),
            piece: piece_at,
            skip,
        })
    }

    /// `len` bytes from where `from` starts; none when they are not all here, or are too many pieces.
    pub fn take(&self, from: &TailRead, len: usize) -> Option<Vec<Piece>> {
        let mut out = Vec::with_capacity(2);
        let mut left = len;
        let mut skip = from.skip;
        for piece in self.pieces.iter().skip(from.piece) {
            for part in [&piece.head, &piece.body] {
                if left == 0 {
                    return Some(out);
                }
                let from = skip.min(part.len());
                skip -= from;
                let take = left.min(part.len() - from);
                if take > 0 {
                    out.push(Piece::Bytes(part.slice(from..from + take)));
                    left -= take;
                }
            }
            if out.len() > PIECES_MAX {
                return None;
            }
        }
        (left == 0).then_some(out)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Where in `batches` the first one starts whose last offset is at or after `offset`. Looks at no more of a
/// batch than its base offset and length, until it is the one or the one before it.
fn first_at_or_after(batches: &[u8], offset: i64) -> Option<usize> {
    let mut at = 0;
    loop {
        let head: &[u8; 12] = batches.get(at..)?.first_chunk()?;
        let [.., l0, l1, l2, l3] = *head;
        let next = at + LOG_OVERHEAD + u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        let next_base = batches.get(next..).and_then(<[u8]>::first_chunk).map(|b| i64::from_be_bytes(*b));
        if next_base.is_none_or(|base| base > offset) {
            let batch = BatchHeader::parse(batches.get(at..)?).ok()?;
            if batch.last_offset() >= offset {
                return Some(at);
            }
        }
        at = next;
    }
}

impl Drop for HotTail {
    fn drop(&mut self) {
        self.budget.release(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame that counts how many of its kind there are.
    struct Frame(Vec<u8>, Arc<AtomicUsize>);

    impl Frame {
        fn bytes(len: usize, alive: &Arc<AtomicUsize>) -> Bytes {
            alive.fetch_add(1, Ordering::Relaxed);
            Bytes::from_owner(Self(vec![0; len], alive.clone()))
        }
    }

    impl AsRef<[u8]> for Frame {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for Frame {
        fn drop(&mut self) {
            self.1.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn slices_keep_frames_of_a_few_times_their_size() {
        for (frame_bytes, batch_bytes, is_slice) in [
            (1 << 20, 9 << 10, false),
            (1 << 20, 100 << 10, false),
            (1 << 20, 200 << 10, true),
            (8 << 20, 256 << 10, false),
            (64 << 10, 9 << 10, true),
            (16 << 10, 15 << 10, true),
            (16 << 10, 1 << 10, false),
        ] {
            let (budget, alive) = (TailBudget::new(GLOBAL_BYTES_MAX), Arc::new(AtomicUsize::new(0)));
            let mut tail = HotTail::new(&budget);
            let head = [1; 61];
            let body = batch_bytes - head.len();
            let mut position = 0;
            for offset in 0..40 {
                let frame = Frame::bytes(frame_bytes, &alive);
                let rest = frame.slice(frame_bytes - body..);
                tail.push((offset, offset), position, &head, &rest, frame.len());
                position += batch_bytes as u32;
            }
            let what = format!("{batch_bytes} of {frame_bytes}");
            let kept = alive.load(Ordering::Relaxed) * frame_bytes;
            assert!(budget.used() > 0 && kept <= budget.used() * (FRAME_PART_MIN + 1), "{what}: {kept}");
            assert_eq!(kept > 0, is_slice, "{what}");
            tail.clear();
            assert_eq!((budget.used(), alive.load(Ordering::Relaxed)), (0, 0), "{what}");
        }
    }
}

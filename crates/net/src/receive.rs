//! Receive buffers: where bytes from sockets land, and how frames are cut from them without copying.
//!
//! A connection at rest holds no buffer. When its socket becomes readable it borrows one from its thread's [`ReceivePool`], reads
//! as much as fits with one system call, cuts all complete frames off the front ([`Bytes`] slices of the buffer, so the records of
//! a Produce are never copied) and gives the rest of the buffer back. So small requests of many connections share one buffer, and
//! in steady state the same warm memory is used again and again: a pooled buffer is a [`BytesMut`] handle that reclaims its whole
//! allocation as soon as the last frame cut from it is dropped, and is never zeroed.
//!
//! A frame that is incomplete when the socket runs dry stays with its connection, in a buffer that is sized by what has *arrived*,
//! not by what the size prefix claims: at most four times the bytes received, or what the connection's earlier frames have needed
//! (see [`ReceiveBuffer::expected`], bounded by 2 MiB). A stranger who announces 100 MB and sends nothing costs 4 KiB.
//!
//! How much to ask for: a connection learns the size of its bursts. It doubles when a read fills the buffer, follows the largest
//! frame, and halves when much less comes for a while. A producer of 16 KiB batches with five requests in flight ends at about
//! 128 KiB and gets all five with one read; a producer of 1 MiB batches gets each in one buffer of the right size.

use bytes::{Bytes, BytesMut};

use crate::frame::{BadInput, SIZE_LEN, parse_size};

/// The least that is read at once, and the size of the buffers that small frames share.
pub(crate) const CHUNK: usize = 16 * 1024;
/// The rest of a shared buffer is worth a read of small frames from this size on.
const SHARED_REST_MIN: usize = 4 * 1024;
/// The most that is reserved for a connection before any byte of a burst has arrived.
const EXPECTED_MAX: usize = 2 * 1024 * 1024;
/// Capacity of a connection's buffer for the first bytes of an incomplete frame.
const PARTIAL_MIN: usize = 4 * 1024;
/// A buffer may be this many times larger than the part of the frame that has arrived.
const GROWTH: usize = 4;
/// An incomplete rest of up to this many bytes is copied out, so that it does not hold a whole shared buffer.
const COPY_OUT_MAX: usize = 2 * 1024;
/// Reads with less than half of the expected bytes before the expectation is halved.
const SMALL_READS_MAX: u8 = 16;

/// The buffers of one thread that no connection holds.
#[derive(Debug, Default)]
pub(crate) struct ReceivePool {
    /// Handles without content, the most recently used last. Some still have frames outstanding.
    free: Vec<BytesMut>,
    /// Whether a buffer was taken since the last [`ReceivePool::trim`].
    used: bool,
}

/// Handles kept per thread.
const POOL_MAX: usize = 16;

impl ReceivePool {
    /// An empty buffer with `wanted` bytes of capacity, or with at least `enough` in what is left of one whose earlier frames are
    /// still in use.
    fn take(&mut self, wanted: usize, enough: usize) -> BytesMut {
        self.used = true;
        for index in (0..self.free.len()).rev() {
            if let Some(buffer) = self.free.get_mut(index) {
                // Reclaiming starts at the front of the allocation again, whose cache lines are warm.
                let fits = buffer.try_reclaim(wanted) || buffer.capacity() >= enough;
                if fits && buffer.capacity() <= wanted.saturating_mul(4) {
                    return self.free.remove(index);
                }
            }
        }
        BytesMut::with_capacity(round_up(wanted))
    }

    /// Takes back what is left of a buffer. Small leftovers without a pool-sized allocation behind them are worth nothing, but
    /// that is not visible from here; they leave the pool as the oldest.
    fn give(&mut self, mut buffer: BytesMut) {
        buffer.clear();
        if self.free.len() >= POOL_MAX {
            self.free.remove(0);
        }
        self.free.push(buffer);
    }

    /// Frees all buffers if none was used since the last call. Called by the thread's sweep.
    pub(crate) fn trim(&mut self) {
        if !self.used {
            self.free = Vec::new();
        }
        self.used = false;
    }
}

/// Multiples of 4 KiB up to 64 KiB, then of 64 KiB, so that buffers of similar frames can stand in for each other.
fn round_up(size: usize) -> usize {
    let step = if size <= 64 * 1024 { 4 * 1024 } else { 64 * 1024 };
    size.max(CHUNK).next_multiple_of(step)
}

/// What one connection has received and not yet handed up.
#[derive(Debug)]
pub(crate) struct ReceiveBuffer {
    bytes: BytesMut,
    /// Whether `bytes` came from the pool and goes back there.
    pooled: bool,
    /// Bytes to expect at the next read, see the module documentation. At least [`CHUNK`].
    expected: usize,
    small_reads: u8,
    /// Whether no frame was cut yet.
    first: bool,
    /// `socket.request.max.bytes`.
    max: u32,
}

impl ReceiveBuffer {
    pub(crate) fn new(max: u32) -> Self {
        ReceiveBuffer {
            bytes: BytesMut::new(),
            pooled: false,
            expected: CHUNK,
            small_reads: 0,
            first: true,
            max,
        }
    }

    /// The largest frame from now on.
    pub(crate) fn set_max(&mut self, max: u32) {
        self.max = max;
    }

    /// Bytes received and not handed up.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Size of the frame at the front, without its prefix; `None` while the prefix is incomplete.
    pub(crate) fn frame_size(&self) -> Result<Option<usize>, BadInput> {
        parse_size(&self.bytes, self.max, self.first)
    }

    /// Cuts the frame of `size` bytes (as [`ReceiveBuffer::frame_size`] said) off the front, if it is complete.
    pub(crate) fn split_frame(&mut self, size: usize) -> Option<Bytes> {
        let total = size.checked_add(SIZE_LEN)?;
        if self.bytes.len() < total {
            return None;
        }
        self.first = false;
        if total > self.expected {
            self.expected = total.min(EXPECTED_MAX);
        }
        let mut frame = self.bytes.split_to(total);
        Some(frame.split_off(SIZE_LEN).freeze())
    }

    /// The buffer to read into: it has spare capacity afterwards.
    pub(crate) fn prepare(&mut self, pool: &mut ReceivePool) -> &mut BytesMut {
        let received = self.bytes.len();
        if received == 0 {
            let enough = if self.expected > CHUNK { self.expected } else { SHARED_REST_MIN };
            if self.bytes.capacity() < enough {
                self.release(pool);
                self.bytes = pool.take(self.expected, enough);
                self.pooled = true;
            }
        } else if self.bytes.capacity() == received {
            let target = self.target(received);
            self.move_to(target, pool);
        }
        &mut self.bytes
    }

    /// Learns from a read of `read` bytes into a buffer that had `spare` bytes left.
    pub(crate) fn learn(&mut self, read: usize, spare: usize) {
        if read == spare {
            if spare < self.expected {
                return; // The rest of a shared buffer: says nothing.
            }
            self.expected = self.expected.saturating_mul(2).min(EXPECTED_MAX / 4).max(self.expected);
            self.small_reads = 0;
        } else if self.bytes.len() >= self.expected / 2 {
            self.small_reads = 0;
        } else if self.expected > CHUNK {
            self.small_reads += 1;
            if self.small_reads >= SMALL_READS_MAX {
                self.small_reads = 0;
                self.expected = (self.expected / 2).max(CHUNK);
            }
        }
    }

    /// Called when the socket has no more: gives the buffer back, or keeps only what an incomplete frame is entitled to.
    pub(crate) fn park(&mut self, pool: &mut ReceivePool) {
        let received = self.bytes.len();
        if received == 0 {
            self.release(pool);
        } else if self.pooled && received <= COPY_OUT_MAX {
            let target = self.target(received);
            self.move_to(target, pool);
        }
    }

    /// Capacity that the incomplete frame at the front may have.
    fn target(&self, received: usize) -> usize {
        let learned = if self.expected > CHUNK { self.expected } else { PARTIAL_MIN };
        let allowed = received.saturating_mul(GROWTH).max(learned);
        match self.frame_size() {
            // Never less than what is there, and always room for at least one more byte.
            Ok(Some(size)) => size.saturating_add(SIZE_LEN).min(allowed).max(received + 1),
            _ => PARTIAL_MIN.max(received + 1),
        }
    }

    fn move_to(&mut self, capacity: usize, pool: &mut ReceivePool) {
        let pooled = capacity >= CHUNK;
        let mut buffer =
            if pooled { pool.take(capacity, capacity) } else { BytesMut::with_capacity(capacity) };
        buffer.extend_from_slice(&self.bytes);
        self.release(pool);
        self.bytes = buffer;
        self.pooled = pooled;
    }

    fn release(&mut self, pool: &mut ReceivePool) {
        let buffer = std::mem::take(&mut self.bytes);
        if self.pooled {
            pool.give(buffer);
        }
        self.pooled = false;
    }
}

#[cfg(test)]
#[path = "receive_test.rs"]
mod receive_test;

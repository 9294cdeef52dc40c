//! Frames from and to a socket.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Small responses share buffers of this size.
const SHARED_BYTES: usize = 16 * 1024;
/// A buffer of a response's size is taken at once up to here; beyond, it grows with what really arrives.
const TRUSTED_BYTES: usize = 4 * 1024 * 1024;
/// Pieces given to the socket in one call.
const SLICES_MAX: usize = 64;

/// Cuts what a broker sends into responses. They are slices of the buffers that were read into.
pub(super) struct FrameReader {
    buffer: BytesMut,
    frame_bytes_max: usize,
}

impl FrameReader {
    /// A reader that refuses responses of more than `frame_bytes_max`.
    pub(super) fn new(frame_bytes_max: usize) -> Self {
        Self { buffer: BytesMut::new(), frame_bytes_max }
    }

    /// The next response, without its size.
    ///
    /// # Errors
    /// When the connection ends or breaks, or the broker announces an impossible size.
    pub(super) async fn next(&mut self, io: &mut (impl AsyncRead + Unpin)) -> io::Result<Bytes> {
        let size = loop {
            if let Some(size) = self.buffer.first_chunk::<4>() {
                break i32::from_be_bytes(*size);
            }
            self.fill(io).await?;
        };
        let size = match usize::try_from(size) {
            Ok(size) if size <= self.frame_bytes_max => size,
            _ => {
                let max = self.frame_bytes_max;
                let text =
                    format!("the broker announced a response of {size} bytes, at most {max} are taken");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        };
        self.buffer.advance(4);
        if self.buffer.len() >= size || size <= SHARED_BYTES / 2 {
            while self.buffer.len() < size {
                self.fill(io).await?;
            }
            return Ok(self.buffer.split_to(size).freeze());
        }
        self.large(io, size).await
    }

    /// Reads some bytes into the shared buffer.
    async fn fill(&mut self, io: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
        if self.buffer.capacity() - self.buffer.len() < SHARED_BYTES / 2 {
            self.buffer.reserve(SHARED_BYTES);
        }
        let limit = self.buffer.capacity() - self.buffer.len();
        at_least_one(io.read_buf(&mut (&mut self.buffer).limit(limit)).await?)
    }

    /// A response in a buffer of its own, read straight into it.
    async fn large(&mut self, io: &mut (impl AsyncRead + Unpin), size: usize) -> io::Result<Bytes> {
        let mut frame = BytesMut::with_capacity(size.min(TRUSTED_BYTES));
        frame.put(self.buffer.split());
        while frame.len() < size {
            if frame.len() == frame.capacity() {
                frame.reserve((size - frame.len()).min(frame.len().max(SHARED_BYTES)));
            }
            let limit = (frame.capacity() - frame.len()).min(size - frame.len());
            at_least_one(io.read_buf(&mut (&mut frame).limit(limit)).await?)?;
        }
        Ok(frame.freeze())
    }
}

fn at_least_one(read: usize) -> io::Result<()> {
    if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

/// Writes all pieces, many in one call.
///
/// # Errors
/// When the connection breaks.
pub(super) async fn write_all(
    io: &mut (impl AsyncWrite + Unpin),
    pieces: &mut VecDeque<Bytes>,
) -> io::Result<()> {
    loop {
        while pieces.front().is_some_and(Bytes::is_empty) {
            pieces.pop_front();
        }
        if pieces.is_empty() {
            return io.flush().await;
        }
        let slices: Vec<IoSlice<'_>> =
            pieces.iter().take(SLICES_MAX).map(|piece| IoSlice::new(piece)).collect();
        let mut written = io.write_vectored(&slices).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while written > 0 {
            let Some(front) = pieces.front_mut() else { break };
            let step = written.min(front.len());
            front.advance(step);
            written -= step;
            if front.is_empty() {
                pieces.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    fn frame(len: usize) -> Vec<u8> {
        let mut bytes = (len as i32).to_be_bytes().to_vec();
        bytes.extend((0..len).map(|i| (i * 7 + len) as u8));
        bytes
    }

    #[tokio::test]
    async fn frames_of_all_sizes_come_through() {
        let sizes = [0, 1, 100, 5000, 8191, 8192, 8193, 16_384, 70_000, 3, 5_000_000, 0, 9];
        for chunk in [1usize << 20, 4096, 997] {
            let (mut near, mut far) = duplex(chunk);
            let all: VecDeque<Bytes> = sizes.iter().map(|size| Bytes::from(frame(*size))).collect();
            let write = async move {
                let mut all = all;
                write_all(&mut far, &mut all).await.unwrap();
            };
            let read = async move {
                let mut frames = FrameReader::new(10_000_000);
                for size in sizes {
                    assert_eq!(frames.next(&mut near).await.unwrap(), frame(size)[4..]);
                }
                let end = frames.next(&mut near).await.unwrap_err();
                assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
            };
            tokio::join!(write, read);
        }
    }

    #[tokio::test]
    async fn sizes_that_cannot_be_are_refused() {
        for size in [-1, i32::MIN, i32::MAX, 101] {
            let (mut near, mut far) = duplex(64);
            far.write_all(&i32::to_be_bytes(size)).await.unwrap();
            let error = FrameReader::new(100).next(&mut near).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }

    #[tokio::test]
    async fn a_large_promise_takes_no_memory() {
        let (mut near, mut far) = duplex(64);
        far.write_all(&i32::to_be_bytes(i32::MAX)).await.unwrap();
        far.write_all(b"abc").await.unwrap();
        drop(far);
        let error = FrameReader::new(usize::MAX).next(&mut near).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

//! What a connection still has to send: response heads, record data in memory and in files, in order.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};

use crate::file_range::{ColdRead, FileBuffer, FileBuffers, FileRange};
use crate::response::{Insert, ResponseFrame};
use crate::stats::WorkerStats;
use crate::transport::Transport;
use crate::turn::{Turn, let_others};

/// Pieces that leave with one system call.
const SLICES_MAX: usize = 32;
/// Small file ranges read ahead of one write, so that a slow reader does not hold many buffers.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// The queue of pieces.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pieces: VecDeque<Piece>,
    unsent: u64,
    /// The piece at the front is a file range, and this read has to end before it can be sent.
    cold: Option<ColdRead>,
}

#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    /// A small file range that was read.
    Buffer(FileBuffer),
    File(FileRange),
}

/// Why sending stopped for good.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The socket failed: the client is gone.
    Socket(io::Error),
    /// A file could not be read, or is shorter than the response has promised.
    File(io::Error),
}

impl Output {
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes not sent yet.
    pub(crate) fn unsent(&self) -> u64 {
        self.unsent
    }

    /// Adds a response. Its size prefix must be right, see [`ResponseFrame::is_well_formed`].
    pub(crate) fn push(&mut self, frame: ResponseFrame) {
        self.unsent += frame.len();
        let mut head = frame.head;
        let mut cut = 0;
        for (position, insert) in frame.inserts {
            let before = (position as usize).saturating_sub(cut).min(head.len());
            cut += before;
            self.push_piece(Piece::Bytes(head.split_to(before)));
            self.push_piece(match insert {
                Insert::Bytes(bytes) => Piece::Bytes(bytes),
                Insert::File { file, position, len } => {
                    Piece::File(FileRange { file, position, len: u64::from(len), warm: 0 })
                }
            });
        }
        self.push_piece(Piece::Bytes(head));
    }

    fn push_piece(&mut self, piece: Piece) {
        if piece.len() > 0 {
            self.pieces.push_back(piece);
        }
    }

    /// Sends until everything is gone, the socket takes no more, or the turn is over.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut Transport,
        buffers: &FileBuffers,
        stats: &WorkerStats,
        turn: &mut Turn,
    ) -> Poll<Result<(), SendError>> {
        while !self.pieces.is_empty() {
            ready!(self.poll_front(cx, buffers, stats))?;
            let n = match self.pieces.front() {
                Some(Piece::File(range)) => {
                    let len = usize::try_from(range.warm.min(range.len)).unwrap_or(usize::MAX);
                    let n = ready!(transport.poll_sendfile(cx, &range.file, range.position, len))
                        .map_err(SendError::Socket)?;
                    if n == 0 {
                        return Poll::Ready(Err(SendError::File(io::ErrorKind::UnexpectedEof.into())));
                    }
                    n
                }
                _ => {
                    let window = self.fill_window(buffers);
                    ready!(self.poll_send_window(cx, transport, window))?
                }
            };
            turn.moved(n);
            stats.bytes_out.add(n as u64);
            self.advance(n, buffers);
            if turn.is_over() && !self.pieces.is_empty() {
                return let_others(cx);
            }
        }
        ready!(transport.poll_flush(cx)).map_err(SendError::Socket)?;
        if self.pieces.capacity() > SLICES_MAX {
            // A rare burst; an idle connection holds no more than a few hundred bytes.
            self.pieces = VecDeque::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Makes a file range at the front ready to be sent: a small one is read, a large one checked to be in the page cache.
    fn poll_front(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &FileBuffers,
        stats: &WorkerStats,
    ) -> Poll<Result<(), SendError>> {
        let Some(Piece::File(range)) = self.pieces.front_mut() else { return Poll::Ready(Ok(())) };
        if self.cold.is_none() {
            if range.is_large() || range.warm > 0 {
                if range.check_warm().map_err(SendError::File)? {
                    return Poll::Ready(Ok(()));
                }
            } else if let Some(buffer) = range.read_resident(buffers).map_err(SendError::File)? {
                self.replace_front(Piece::Buffer(buffer));
                return Poll::Ready(Ok(()));
            }
            stats.cold_reads.add(1);
        }
        let read = self.cold.get_or_insert_with(|| range.start_cold_read(buffers));
        let outcome = ready!(Pin::new(read).poll(cx));
        self.cold = None;
        let data = outcome.unwrap_or_else(|lost| Err(io::Error::other(lost))).map_err(SendError::File)?;
        if range.is_large() {
            range.warmed();
            FileBuffer::filled(data, 0).recycle(buffers);
        } else {
            let buffer = FileBuffer::filled(data, range.len);
            self.replace_front(Piece::Buffer(buffer));
        }
        Poll::Ready(Ok(()))
    }

    fn replace_front(&mut self, piece: Piece) {
        if let Some(front) = self.pieces.front_mut() {
            *front = piece;
        }
    }

    /// Reads the small file ranges that can leave with the pieces at the front, and says how many pieces the next write takes.
    fn fill_window(&mut self, buffers: &FileBuffers) -> usize {
        let mut file_bytes = 0;
        let mut count = 0;
        for piece in self.pieces.iter_mut().take(SLICES_MAX) {
            if let Piece::File(range) = piece {
                file_bytes += range.len;
                if range.is_large() || range.warm > 0 || file_bytes > FILE_BYTES_MAX {
                    break;
                }
                match range.read_resident(buffers) {
                    Ok(Some(buffer)) => *piece = Piece::Buffer(buffer),
                    // Cold or broken: what stands before it leaves first.
                    Ok(None) | Err(_) => break,
                }
            }
            count += 1;
        }
        count
    }

    fn poll_send_window(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut Transport,
        window: usize,
    ) -> Poll<Result<usize, SendError>> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(self.pieces.iter().take(window)) {
            *slice = IoSlice::new(piece.memory());
            count += 1;
        }
        let more = count < self.pieces.len();
        let sent = ready!(transport.poll_send(cx, slices.get(..count).unwrap_or_default(), more));
        Poll::Ready(sent.map_err(SendError::Socket))
    }

    fn advance(&mut self, mut n: usize, buffers: &FileBuffers) {
        self.unsent = self.unsent.saturating_sub(n as u64);
        while let Some(front) = self.pieces.front_mut() {
            let len = front.len();
            if len > n as u64 {
                front.advance(n);
                return;
            }
            n -= len as usize;
            if let Some(Piece::Buffer(buffer)) = self.pieces.pop_front() {
                buffer.recycle(buffers);
            }
        }
    }
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::Buffer(buffer) => buffer.unsent().len() as u64,
            Piece::File(range) => range.len,
        }
    }

    fn memory(&self) -> &[u8] {
        match self {
            Piece::Bytes(bytes) => bytes,
            Piece::Buffer(buffer) => buffer.unsent(),
            Piece::File(_) => &[],
        }
    }

    fn advance(&mut self, n: usize) {
        match self {
            Piece::Bytes(bytes) => bytes.advance(n.min(bytes.len())),
            Piece::Buffer(buffer) => buffer.advance(n),
            Piece::File(range) => range.advance(n as u64),
        }
    }
}

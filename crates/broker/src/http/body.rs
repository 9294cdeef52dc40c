//! An answer's body: whole, or in chunks as they are made.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{mpsc, oneshot};

/// A body.
pub(super) enum Answer {
    /// What is there; none once it was taken.
    Whole(Option<Bytes>),
    /// What comes.
    Chunks {
        /// The chunks.
        chunks: mpsc::Receiver<Bytes>,
        /// Says after the last chunk that it was the last one. Gone without a word: the answer is not whole.
        finished: oneshot::Receiver<()>,
    },
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Answer::Whole(Some(Bytes::from(text)))
    }
}

impl From<&'static str> for Answer {
    fn from(text: &'static str) -> Self {
        Answer::Whole(Some(Bytes::from_static(text.as_bytes())))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = |bytes| Some(Ok(Frame::data(bytes)));
        match self.get_mut() {
            Answer::Whole(bytes) => Poll::Ready(bytes.take().and_then(frame)),
            Answer::Chunks { chunks, finished } => chunks.poll_recv(cx).map(|chunk| match chunk {
                Some(bytes) => frame(bytes),
                // An error ends the connection, so that nobody takes half an answer for a whole one.
                None => match finished.try_recv() {
                    Ok(()) => None,
                    Err(_) => Some(Err(io::Error::other("the answer was not finished in time"))),
                },
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Answer::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Answer::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Answer::Chunks { .. } => SizeHint::default(),
        }
    }
}

//! The seam to what answers requests.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use crate::context::ConnectionContext;
use crate::response::ResponseFrame;

/// Answers frames. One service per data thread, built by a factory on that thread, so it needs neither `Send` nor locks.
pub trait Service: 'static {
    /// Called with each frame (without its 4-byte size) in the order of arrival, on the connection's own thread. Whatever
    /// must happen in that order (an append) happens before it returns; what may wait (replication, a long poll) goes into
    /// [`Reply::Later`]. It must not block: every connection of the thread waits meanwhile.
    ///
    /// The frame is a slice of a receive buffer that other small frames share: a slice kept for long keeps the whole buffer
    /// (16 KiB at least), so copy what outlives the request. A panic closes this connection only.
    fn call(&self, connection: &Rc<ConnectionContext>, frame: Bytes) -> Reply;

    /// A connection was accepted; nothing was read from it yet.
    fn connected(&self, _connection: &Rc<ConnectionContext>) {}

    /// A connection is gone, for whatever reason. Its waiting answers were dropped.
    fn disconnected(&self, _connection: &Rc<ConnectionContext>) {}
}

/// What a service says to a frame. Answers leave in the order of the requests.
pub enum Reply {
    /// The answer is here.
    Now(ResponseFrame),
    /// The answer will come; meanwhile the connection's later requests are called. The future is polled on the connection's
    /// task and dropped with the connection.
    Later(Pin<Box<dyn Future<Output = Answer>>>),
    /// There is no answer (a Produce with acks=0).
    None,
    /// There is no answer either, and nothing more is read from the connection for this long.
    Pause(Duration),
    /// Send the earlier answers, then close; the reason goes to the log.
    Close(String),
}

impl Reply {
    /// A [`Reply::Later`] from any future of an answer.
    pub fn later(answer: impl Future<Output = Answer> + 'static) -> Self {
        Reply::Later(Box::pin(answer))
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Now(frame) => f.debug_tuple("Now").field(frame).finish(),
            Reply::Later(_) => f.write_str("Later"),
            Reply::None => f.write_str("None"),
            Reply::Pause(duration) => f.debug_tuple("Pause").field(duration).finish(),
            Reply::Close(reason) => f.debug_tuple("Close").field(reason).finish(),
        }
    }
}

/// How a [`Reply::Later`] ends.
#[derive(Debug)]
pub enum Answer {
    /// With a response.
    Frame(ResponseFrame),
    /// Without one.
    None,
    /// Without one, and nothing more is read from the connection for this long.
    Pause(Duration),
    /// With a response after which the connection ends; the reason goes to the log.
    Last(ResponseFrame, String),
    /// With the end of the connection, after the earlier answers.
    Close(String),
}

impl From<Option<ResponseFrame>> for Answer {
    fn from(frame: Option<ResponseFrame>) -> Self {
        frame.map_or(Answer::None, Answer::Frame)
    }
}

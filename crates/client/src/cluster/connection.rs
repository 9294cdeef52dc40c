//! One connection: a task that writes requests in the order in which they are handed over, gives each answer to whom waits for it,
//! and logs in again before a session ends. How it is made is in `opening`.
//!
//! Requests are pipelined: any number may be under way, answers come in the order of the requests (Kafka's brokers keep
//! it). Whoever waits may stop waiting; the answer is then thrown away when it comes. When an answer does not come in
//! time the connection is given up, because what follows on it would be late as well.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ottla_protocol::{ApiKey, Str, constant_name};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::authenticate::NoConnection;
use super::frame::{self, Frame};
use super::peers::Load;
use super::transport::{ReadHalf, SocketBuffers, WriteHalf};
use super::versions::NodeVersions;
use super::wire::FrameReader;
use super::writer::{Writer, renew_at};
use crate::backoff::millis;
use crate::metrics::NodeFigures;
use crate::security::Security;
use crate::{ClientConfig, Error};

/// Requests that may wait to be written to one node.
const QUEUE_MAX: usize = 1024;
/// Brokers that ask for SASL tell their versions to anybody, and hear nothing else.
const CLOSED_AT_ONCE: &str = "the broker closed the connection before it answered anything but ApiVersions; if its \
                              listener asks for SASL, set security.protocol=SASL_SSL or SASL_PLAINTEXT, sasl.mechanism and \
                              sasl.jaas.config";

/// A request on its way to a connection's task.
pub(super) struct Outgoing {
    pub frame: Frame,
    pub api: ApiKey,
    /// The connection is given up when there is no answer by then, though not sooner than `request.timeout.ms` after it
    /// was written.
    pub deadline: Instant,
    pub expects_answer: bool,
    /// Not written when nobody waits any more.
    pub may_be_skipped: bool,
    pub reply: Reply,
    pub pause: PauseAsked,
    pub counted: InFlight,
}

/// Finds out for how many ms an answer asks the client to leave the node alone, when nobody waits for the answer any more.
#[derive(Clone, Copy)]
pub(super) struct PauseAsked {
    pub read: fn(Bytes, i16) -> i32,
    pub version: i16,
}

/// Takes the answer without its size, or why there is none.
pub(super) type Reply = oneshot::Sender<Result<Bytes, Arc<str>>>;

/// Counts as a request in flight until it is dropped.
pub(super) struct InFlight(Arc<AtomicUsize>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The near end of a connection. The connection ends when the last one is dropped.
#[derive(Clone)]
pub(super) struct Link {
    /// What the node can do.
    pub versions: Arc<NodeVersions>,
    queue: mpsc::Sender<Outgoing>,
    in_flight: Arc<AtomicUsize>,
}

impl Link {
    /// Counts a request.
    pub(super) fn count(&self) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.in_flight.clone())
    }

    /// Waits until a request can be handed over, or the connection has ended.
    pub(super) async fn has_room(&self) {
        // An ended connection shows itself when something is handed over.
        let _ = self.queue.reserve().await;
    }

    /// Hands a request over.
    pub(super) fn send(&self, outgoing: Outgoing) -> Result<(), NotSent> {
        self.queue.try_send(outgoing).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotSent::Full,
            mpsc::error::TrySendError::Closed(_) => NotSent::Ended,
        })
    }
}

/// Why a request was not handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotSent {
    /// Too many wait already.
    Full,
    /// The connection has just ended.
    Ended,
}

impl Load for Link {
    fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// A connection that is ready to be run.
pub(super) struct Opened {
    pub link: Link,
    /// The name by which the node is known.
    host: Arc<str>,
    read: ReadHalf,
    write: WriteHalf,
    frames: FrameReader,
    queue: mpsc::Receiver<Outgoing>,
    next_correlation_id: i32,
    /// Before the first request that is written after this, the client logs in again.
    renew_at: Option<Instant>,
}

impl Opened {
    pub(super) fn new(
        versions: NodeVersions,
        host: &str,
        read: ReadHalf,
        write: WriteHalf,
        frames: FrameReader,
        next_correlation_id: i32,
    ) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let link = Link { versions: Arc::new(versions), queue: sender, in_flight: Arc::default() };
        Self { link, host: host.into(), read, write, frames, queue, next_correlation_id, renew_at: None }
    }

    /// A login began a session of so many ms; 0: without an end.
    pub(super) fn session_from(&mut self, began: Instant, lifetime_ms: i64) {
        self.renew_at = renew_at(began, lifetime_ms);
    }

    /// Whether the client never has to log in again.
    pub(super) fn is_session_endless(&self) -> bool {
        self.renew_at.is_none()
    }
}

/// What connections need of the settings.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub client_id: Str,
    pub buffers: SocketBuffers,
    pub request_timeout: Duration,
    idle_max: Option<Duration>,
    pub response_bytes_max: usize,
    pub security: Security,
    started: Instant,
}

impl Settings {
    /// Out of a client's settings; `started` is when its clock began.
    pub(super) fn new(config: &ClientConfig, started: Instant) -> Self {
        Self {
            client_id: config.client_id.clone(),
            buffers: config.socket_buffers,
            request_timeout: config.request_timeout,
            idle_max: config.connections_max_idle,
            response_bytes_max: config.response_bytes_max,
            security: config.security.clone(),
            started,
        }
    }

    pub(super) fn ms_at(&self, time: Instant) -> i64 {
        millis(time.duration_since(self.started))
    }
}

/// Who waits for an answer.
pub(super) struct Waiting {
    pub correlation_id: i32,
    pub api: ApiKey,
    pub written_at: Instant,
    pub give_up_at: Instant,
    pub reply: Reply,
    /// Nothing for the requests of a login.
    pub pause: Option<PauseAsked>,
    /// Nothing for the requests of a login.
    pub _counted: Option<InFlight>,
}

/// What the reading, the writing and the watching part of a connection share.
pub(super) struct Pending {
    pub waiting: VecDeque<Waiting>,
    pub last_active: Instant,
}

/// How a connection came to its end.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// Nobody needs it any more.
    Unneeded,
    /// It was idle for `connections.max.idle.ms`.
    Idle,
    /// It broke, or was given up.
    Broken(String),
    /// The broker did not let the client log in again.
    Refused(Error),
}

impl From<NoConnection> for End {
    fn from(why: NoConnection) -> Self {
        match why {
            NoConnection::Lost(why) => End::Broken(why),
            NoConnection::Refused(error) => End::Refused(error),
        }
    }
}

/// Runs a connection until it ends. Who still waits is told. `throttle` is told of pauses that answers ask for which nobody
/// waits for any more.
pub(super) async fn run(
    opened: Opened,
    settings: &Settings,
    figures: &NodeFigures,
    throttle: &(dyn Fn(i32) + Sync),
) -> End {
    let Opened { link, host, mut read, write, mut frames, mut queue, next_correlation_id, renew_at } = opened;
    let versions = link.versions.clone();
    // The task must not keep its own connection alive.
    drop(link);
    let pending = Mutex::new(Pending { waiting: VecDeque::new(), last_active: Instant::now() });
    let writer = Writer {
        write,
        pending: &pending,
        settings,
        figures,
        host,
        versions,
        correlation_id: next_correlation_id,
        renew_at,
        pieces: VecDeque::new(),
        lined_up: Vec::new(),
    };
    let end = tokio::select! {
        biased;
        end = writer.write_requests(&mut queue) => end,
        why = read_answers(&mut read, &mut frames, &pending, settings, figures, throttle) => End::Broken(why),
        end = watch(&pending, settings) => end,
    };
    let why: Arc<str> = match &end {
        End::Unneeded => "the client was closed".into(),
        End::Idle => "it was idle".into(),
        End::Broken(why) => why.as_str().into(),
        End::Refused(error) => error.to_string().into(),
    };
    queue.close();
    let queued = std::iter::from_fn(|| queue.try_recv().ok()).map(|outgoing| outgoing.reply);
    let sent = pending.into_inner().waiting.into_iter().map(|waiting| waiting.reply);
    for reply in sent.chain(queued) {
        let _ = reply.send(Err(why.clone()));
    }
    end
}

async fn read_answers(
    read: &mut ReadHalf,
    frames: &mut FrameReader,
    pending: &Mutex<Pending>,
    settings: &Settings,
    figures: &NodeFigures,
    throttle: &(dyn Fn(i32) + Sync),
) -> String {
    let mut is_heard = false;
    loop {
        let frame = match frames.next(read).await {
            Ok(frame) => frame,
            Err(error) => {
                // Whoever waits for the last answer learns of it first.
                tokio::task::yield_now().await;
                return read_error(&error, is_heard, settings);
            }
        };
        is_heard = true;
        let now = Instant::now();
        let next = {
            let mut pending = pending.lock();
            pending.last_active = now;
            pending.waiting.pop_front()
        };
        match (next, frame::correlation_id(&frame)) {
            (Some(waiting), Some(id)) if waiting.correlation_id == id => {
                let latency = now.duration_since(waiting.written_at).as_secs_f64() * 1000.0;
                figures.received(frame.len() as u64 + 4, latency, settings.ms_at(now));
                // Whoever asked may have gone; the broker's wish for a pause is heard all the same.
                if let (Err(Ok(frame)), Some(pause)) = (waiting.reply.send(Ok(frame)), waiting.pause) {
                    throttle((pause.read)(frame, pause.version));
                }
            }
            (Some(waiting), id) => {
                let (expected, api) = (waiting.correlation_id, constant_name(waiting.api.name()));
                return format!("an answer has correlation id {id:?} where {expected} ({api}) was expected");
            }
            (None, _) => return "the broker answered a request that was not made".to_owned(),
        }
    }
}

fn read_error(error: &io::Error, is_heard: bool, settings: &Settings) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
            if !is_heard && settings.security.login.is_none() =>
        {
            CLOSED_AT_ONCE.to_owned()
        }
        io::ErrorKind::UnexpectedEof => "the broker closed the connection".to_owned(),
        _ => error.to_string(),
    }
}

/// Ends when an answer is overdue, or the connection was idle for too long.
async fn watch(pending: &Mutex<Pending>, settings: &Settings) -> End {
    loop {
        let now = Instant::now();
        // No request that is written later is given up sooner than this.
        let mut wake_at = now + settings.request_timeout;
        {
            let pending = pending.lock();
            for waiting in &pending.waiting {
                if waiting.give_up_at <= now {
                    let api = constant_name(waiting.api.name());
                    return End::Broken(format!("no answer to {api} came within request.timeout.ms"));
                }
                wake_at = wake_at.min(waiting.give_up_at);
            }
            if let Some(idle_max) = settings.idle_max
                && pending.waiting.is_empty()
            {
                let idle_at = pending.last_active + idle_max;
                if idle_at <= now {
                    return End::Idle;
                }
                wake_at = wake_at.min(idle_at);
            }
        }
        sleep_until(wake_at).await;
    }
}

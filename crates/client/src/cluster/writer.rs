//! The writing half of a connection: requests in the order in which they were handed over, and a login before those that would come
//! too late for the session that there is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ottla_protocol::Request;
use ottla_security::sasl::client::reauthenticate_after_ms;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::authenticate::{Caller, NoConnection, log_in};
use super::connection::{End, InFlight, Outgoing, Pending, Reply, Settings, Waiting};
use super::frame::{self, Frame};
use super::transport::WriteHalf;
use super::versions::NodeVersions;
use super::wire::write_all;
use crate::metrics::NodeFigures;
use crate::random;

/// Requests written in one go.
const BATCH_MAX: usize = 32;
/// The end of a connection is not held up for longer.
const GOODBYE_MAX: Duration = Duration::from_millis(200);

/// The half of a connection that writes.
pub(super) struct Writer<'a> {
    pub write: WriteHalf,
    pub pending: &'a Mutex<Pending>,
    pub settings: &'a Settings,
    pub figures: &'a NodeFigures,
    /// The name by which the node is known.
    pub host: Arc<str>,
    pub versions: Arc<NodeVersions>,
    pub correlation_id: i32,
    /// Before the first request that is written after this, the client logs in again.
    pub renew_at: Option<Instant>,
    /// What is about to be written.
    pub pieces: VecDeque<Bytes>,
    /// Who waits for an answer to it.
    pub lined_up: Vec<Waiting>,
}

impl Writer<'_> {
    /// Runs until the connection is needed no more, breaks, or the broker does not let the client log in again.
    pub(super) async fn write_requests(mut self, queue: &mut mpsc::Receiver<Outgoing>) -> End {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        // Requests that have no answer are done once they are written.
        let mut unanswered = Vec::new();
        loop {
            if queue.recv_many(&mut batch, BATCH_MAX).await == 0 {
                self.say_goodbye().await;
                return End::Unneeded;
            }
            let mut now = Instant::now();
            if self.renew_at.is_some_and(|at| at <= now) {
                if let Err(why) = self.log_in_again(now).await {
                    return end_with(why, batch);
                }
                now = Instant::now();
            }
            let mut requests = 0;
            for outgoing in batch.drain(..) {
                if !(outgoing.may_be_skipped && outgoing.reply.is_closed()) {
                    self.line_up(outgoing, now, &mut unanswered);
                    requests += 1;
                }
            }
            let bytes = self.pieces.iter().map(|piece| piece.len() as u64).sum();
            self.figures.sent(requests, bytes, self.settings.ms_at(now));
            if let Err(why) = self.flush().await {
                return End::Broken(why);
            }
            for (reply, _counted) in unanswered.drain(..) {
                let _ = reply.send(Ok(Bytes::new()));
            }
            self.pending.lock().last_active = Instant::now();
        }
    }

    /// Takes a request among those that are about to be written.
    fn line_up(&mut self, outgoing: Outgoing, now: Instant, unanswered: &mut Vec<(Reply, InFlight)>) {
        let Outgoing { frame, api, deadline, expects_answer, reply, pause, counted, .. } = outgoing;
        let correlation_id = self.next_correlation_id();
        frame.into_pieces(correlation_id, &mut self.pieces);
        if expects_answer {
            let give_up_at = deadline.max(now + self.settings.request_timeout);
            self.lined_up.push(Waiting {
                correlation_id,
                api,
                written_at: now,
                give_up_at,
                reply,
                pause: Some(pause),
                _counted: Some(counted),
            });
        } else {
            unanswered.push((reply, counted));
        }
    }

    fn next_correlation_id(&mut self) -> i32 {
        let id = self.correlation_id;
        self.correlation_id = id.wrapping_add(1) & i32::MAX;
        id
    }

    async fn flush(&mut self) -> Result<(), String> {
        let request_timeout = self.settings.request_timeout;
        self.pending.lock().waiting.extend(self.lined_up.drain(..));
        match timeout(request_timeout, write_all(&mut self.write, &mut self.pieces)).await {
            Ok(written) => written.map_err(|error| error.to_string()),
            Err(_) => {
                let ms = request_timeout.as_millis();
                Err(format!("the broker took no bytes for request.timeout.ms ({ms} ms)"))
            }
        }
    }

    /// TLS has a word for the end, so that nobody takes it for an accident.
    async fn say_goodbye(&mut self) {
        if self.settings.security.tls.is_some() {
            let _ = timeout(GOODBYE_MAX, self.write.shutdown()).await;
        }
    }

    /// What was asked before is still answered meanwhile; what is asked next waits.
    async fn log_in_again(&mut self, now: Instant) -> Result<(), NoConnection> {
        let Some(credentials) = self.settings.security.login.clone() else { return Ok(()) };
        let (host, versions) = (self.host.clone(), self.versions.clone());
        let outcome = log_in(self, &credentials, &host, &versions).await;
        let ended = Instant::now();
        if !matches!(outcome, Err(NoConnection::Lost(_))) {
            let latency_ms = ended.duration_since(now).as_secs_f64() * 1000.0;
            self.figures.logged_in_again(outcome.is_ok(), latency_ms, self.settings.ms_at(ended));
        }
        self.renew_at = renew_at(ended, outcome?);
        Ok(())
    }
}

impl Caller for Writer<'_> {
    async fn call<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response, NoConnection> {
        let frame = Frame::new(request, version, &self.settings.client_id)?;
        let (reply, receiver) = oneshot::channel();
        let now = Instant::now();
        let give_up_at = now + self.settings.request_timeout;
        let correlation_id = self.next_correlation_id();
        frame.into_pieces(correlation_id, &mut self.pieces);
        self.lined_up.push(Waiting {
            correlation_id,
            api: R::KEY,
            written_at: now,
            give_up_at,
            reply,
            pause: None,
            _counted: None,
        });
        self.flush().await.map_err(NoConnection::Lost)?;
        // The connection's end ends this as well.
        match receiver.await {
            Ok(Ok(answer)) => Ok(frame::decode::<R>(answer, version)?),
            Ok(Err(why)) => Err(NoConnection::Lost(why.to_string())),
            Err(_) => Err(NoConnection::Lost("the connection ended during the login".to_owned())),
        }
    }
}

/// Ends a connection, and tells who had handed over requests that were not written.
fn end_with(why: NoConnection, batch: Vec<Outgoing>) -> End {
    let end = End::from(why);
    let text: Arc<str> = match &end {
        End::Refused(error) => error.to_string().into(),
        End::Broken(why) => why.as_str().into(),
        End::Unneeded | End::Idle => "the connection ended".into(),
    };
    for outgoing in batch {
        let _ = outgoing.reply.send(Err(text.clone()));
    }
    end
}

/// When to log in again (KIP-368).
pub(super) fn renew_at(began: Instant, lifetime_ms: i64) -> Option<Instant> {
    let after_ms = reauthenticate_after_ms(lifetime_ms, random::next_f64())?;
    began.checked_add(Duration::from_millis(u64::try_from(after_ms).ok()?))
}

//! The task that owns the controller and its log.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ottla_controller::{Controller, ControllerResult, RequestContext, RequestOrigin};
use ottla_metadata::{MetadataLoader, MetadataProvenance, PublishedImage};
use ottla_protocol::messages::BrokerHeartbeatRequest;
use ottla_protocol::{ErrorCode, Uuid};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::metadata_log::{MetadataLog, MetadataLogError};
use super::snapshots::KnownSnapshot;
use super::{Operation, Request, Respond, Shared};
use crate::clock::now_ms;
use crate::fatal::Fatal;
use crate::random::Random;

/// Operations that share one fsync at most.
const BATCH_MAX: usize = 256;
/// How often a snapshot or old metadata may be due by time alone. Both are measured in hours.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// Version of the heartbeats of this node to itself.
const HEARTBEAT_VERSION: i16 = 2;

/// Owns the core.
pub(super) struct ControllerTask {
    pub(super) controller: Controller,
    pub(super) loader: MetadataLoader,
    pub(super) log: MetadataLog,
    pub(super) shared: Arc<Shared>,
    pub(super) random: Random,
    pub(super) fatal: Fatal,
    /// The snapshot that is being written.
    pub(super) snapshot: Option<JoinHandle<io::Result<KnownSnapshot>>>,
}

/// Waits for the snapshot that is being written; for ever if there is none.
async fn finished(snapshot: &mut Option<JoinHandle<io::Result<KnownSnapshot>>>) -> io::Result<KnownSnapshot> {
    let Some(handle) = snapshot else { return std::future::pending().await };
    let outcome = handle.await.unwrap_or_else(|why| Err(io::Error::other(why)));
    *snapshot = None;
    outcome
}

impl ControllerTask {
    /// Runs until nobody can send requests any more. `publish` makes the broker follow an image.
    pub(super) async fn run(
        mut self,
        mut requests: mpsc::UnboundedReceiver<Request>,
        mut publish: impl FnMut(&PublishedImage) -> Option<BrokerHeartbeatRequest>,
    ) {
        let mut batch = Vec::new();
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                count = requests.recv_many(&mut batch, BATCH_MAX) => {
                    if count == 0 {
                        break;
                    }
                    self.run_batch(std::mem::take(&mut batch), &mut publish);
                }
                outcome = finished(&mut self.snapshot) => self.end_snapshot(outcome),
                _ = look.tick() => self.tick(),
            }
            self.begin_snapshot();
        }
        if let Some(snapshot) = self.snapshot.take() {
            let outcome = snapshot.await.unwrap_or_else(|why| Err(io::Error::other(why)));
            self.end_snapshot(outcome);
        }
        if let Err(why) = self.log.close(now_ms()) {
            tracing::error!(%why, "the metadata log was not closed in order");
        }
    }

    /// Begins a snapshot if one is due. It is written on a thread that may block.
    fn begin_snapshot(&mut self) {
        // In the middle of a transaction the image ends where a batch need not.
        if self.snapshot.is_none()
            && !self.loader.is_in_transaction()
            && let Some(job) = self.log.snapshot_due(self.loader.image(), now_ms())
        {
            self.snapshot = Some(tokio::task::spawn_blocking(|| job.run()));
        }
    }

    fn end_snapshot(&mut self, outcome: io::Result<KnownSnapshot>) {
        if let Err(why) = self.log.snapshot_taken(outcome, now_ms()) {
            tracing::error!(%why, "old metadata could not be removed");
        }
    }

    fn tick(&mut self) {
        if let Err(why) = self.log.tick(now_ms()) {
            tracing::error!(%why, "old metadata could not be removed");
        }
    }

    fn run_batch(
        &mut self,
        requests: Vec<Request>,
        publish: &mut impl FnMut(&PublishedImage) -> Option<BrokerHeartbeatRequest>,
    ) {
        let before = self.controller.checkpoint();
        let mut answers: Vec<Respond> = Vec::with_capacity(requests.len());
        let mut failed = None;
        for request in requests {
            let (result, respond) = self.call(request.api_version, request.origin, request.operation);
            if failed.is_none()
                && let Err(why) = self.append(result)
            {
                failed = Some(why);
            }
            answers.push(respond);
        }
        let committed = match failed {
            None => self.commit(),
            Some(why) => Err(why),
        };
        let outcome = match committed {
            Ok(published) => {
                let news = published.and_then(|published| publish(&published));
                if let Some(heartbeat) = news {
                    self.heartbeat(&heartbeat, publish);
                }
                Ok(())
            }
            Err(why) => {
                // Nothing of this batch may count: whether it is on disk is not known.
                self.fatal.raise(format!("metadata could not be written ({why})"));
                self.controller.restore(before);
                Err(ErrorCode::KafkaStorageError)
            }
        };
        answers.into_iter().for_each(|respond| respond(outcome));
    }

    /// This broker has news of its own for the controller: decided and followed before anybody is answered.
    fn heartbeat(
        &mut self,
        heartbeat: &BrokerHeartbeatRequest,
        publish: &mut impl FnMut(&PublishedImage) -> Option<BrokerHeartbeatRequest>,
    ) {
        let mut result = None;
        let operation: Operation = {
            let heartbeat = heartbeat.clone();
            Box::new(move |controller, context| {
                let decided = controller.broker_heartbeat(&heartbeat, context);
                let (records, is_atomic) = (decided.records, decided.is_atomic);
                (ControllerResult { records, response: (), is_atomic }, Box::new(|_| {}))
            })
        };
        let (decided, _) = self.call(HEARTBEAT_VERSION, RequestOrigin::Forwarded, operation);
        if let Err(why) =
            self.append(decided).and_then(|()| self.commit().map(|published| result = published))
        {
            tracing::error!(%why, "the controller could not be told of this broker's directories");
        }
        if let Some(published) = result {
            publish(&published);
        }
    }

    fn call(
        &mut self,
        api_version: i16,
        origin: RequestOrigin,
        operation: Operation,
    ) -> (ControllerResult<()>, Respond) {
        let random = &self.random;
        let mut new_id = || Uuid::from_random(random.next_u128());
        let mut context = RequestContext {
            now_ms: now_ms(),
            api_version,
            origin,
            new_id: &mut new_id,
            seed: random.next_u64(),
            partition_changes: None,
        };
        operation(&mut self.controller, &mut context)
    }

    /// Appends what an operation decided, and replays it, so that the next operation sees it.
    pub(super) fn append<R>(&mut self, result: ControllerResult<R>) -> Result<(), MetadataLogError> {
        if result.records.is_empty() {
            return Ok(());
        }
        let now_ms = now_ms();
        let first = self.log.log_end_offset();
        self.log.append_records(&result.records, result.is_atomic, now_ms)?;
        for (offset, (record, _)) in (first..).zip(&result.records) {
            let provenance = MetadataProvenance {
                last_contained_offset: offset,
                last_contained_epoch: self.log.leader_epoch,
                last_contained_log_time_ms: now_ms,
            };
            let replayed =
                self.controller.replay(record, offset).and_then(|()| self.loader.replay(record, provenance));
            replayed.map_err(|why| self.log.fail(why))?;
        }
        Ok(())
    }

    /// Makes what was appended durable, and takes the new image.
    pub(super) fn commit(&mut self) -> Result<Option<PublishedImage>, MetadataLogError> {
        self.log.flush(now_ms())?;
        self.shared.log_end_offset.store(self.log.log_end_offset(), Ordering::Release);
        let published = self.loader.publish();
        if let Some(PublishedImage { image, .. }) = &published
            && !self.loader.is_in_transaction()
        {
            self.controller.share_topics(&image.topics);
        }
        Ok(published)
    }
}

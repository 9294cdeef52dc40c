//! Drives the controller: a quorum of one.
//!
//! One task on the control thread owns the core and the metadata log. Operations reach it as closures over the core. Those that
//! wait together are run one after the other, appended, and made durable by one fsync; then they are committed: the new
//! image is published, the broker follows it, and the answers leave.

mod bootstrap_file;
mod dynamic_quorum;
mod metadata_log;
mod quorum_state;
mod snapshot_file;
mod snapshots;
mod startup;
mod take_snapshot;
mod task;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ottla_controller::{Controller, ControllerResult, RequestContext, RequestOrigin};
use ottla_metadata::Endpoint;
use ottla_protocol::{ErrorCode, Uuid};
use tokio::sync::{mpsc, oneshot};

pub use metadata_log::MetadataLogError;
pub use snapshots::MetadataLogOptions;
pub use startup::{ControllerStartup, NewCluster, Started, StartupError, start};

/// What the operation answers once its records are committed, or why they are not.
type Respond = Box<dyn FnOnce(Result<(), ErrorCode>) + Send>;
/// An operation on the core, without its answer's type.
type Operation =
    Box<dyn FnOnce(&mut Controller, &mut RequestContext<'_>) -> (ControllerResult<()>, Respond) + Send>;

/// What the task is told.
struct Request {
    api_version: i16,
    origin: RequestOrigin,
    operation: Operation,
}

/// What everybody may know of the quorum.
#[derive(Debug)]
struct Shared {
    leader_epoch: i32,
    kraft_version: i16,
    directory_id: Uuid,
    listeners: Vec<Endpoint>,
    log_end_offset: AtomicI64,
}

/// The quorum as DescribeQuorum tells of it.
pub struct QuorumView {
    /// Epoch of this node's leadership.
    pub leader_epoch: i32,
    /// Directory of the metadata log.
    pub directory_id: Uuid,
    /// Offset of the next record.
    pub log_end_offset: i64,
    /// All before is committed.
    pub high_watermark: i64,
    /// Where controllers are reached.
    pub listeners: Vec<Endpoint>,
}

/// The controller, for handlers.
#[derive(Clone)]
pub struct ControllerHandle {
    requests: mpsc::UnboundedSender<Request>,
    shared: Arc<Shared>,
}

impl ControllerHandle {
    /// Runs an operation; the answer comes when what it decided is committed and this broker has followed.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR when the metadata log can't be written, NOT_CONTROLLER while stopping.
    pub async fn run<R: Send + 'static>(
        &self,
        api_version: i16,
        origin: RequestOrigin,
        operation: impl FnOnce(&mut Controller, &mut RequestContext<'_>) -> ControllerResult<R> + Send + 'static,
    ) -> Result<R, ErrorCode> {
        let (reply, answer) = oneshot::channel();
        let operation: Operation = Box::new(move |controller, context| {
            let result = operation(controller, context);
            let (records, response, is_atomic) = (result.records, result.response, result.is_atomic);
            let respond: Respond = Box::new(move |outcome| {
                // Whoever asked may be gone.
                let _ = reply.send(outcome.map(|()| response));
            });
            (ControllerResult { records, response: (), is_atomic }, respond)
        });
        let request = Request { api_version, origin, operation };
        self.requests.send(request).map_err(|_| ErrorCode::NotController)?;
        answer.await.unwrap_or(Err(ErrorCode::NotController))
    }

    /// Level of `kraft.version`: 1 when the voters stand in the log (KIP-853).
    pub fn kraft_version(&self) -> i16 {
        self.shared.kraft_version
    }

    /// The quorum's state.
    pub fn quorum_state(&self) -> QuorumView {
        let log_end_offset = self.shared.log_end_offset.load(Ordering::Acquire);
        QuorumView {
            leader_epoch: self.shared.leader_epoch,
            directory_id: self.shared.directory_id,
            log_end_offset,
            high_watermark: log_end_offset,
            listeners: self.shared.listeners.clone(),
        }
    }
}

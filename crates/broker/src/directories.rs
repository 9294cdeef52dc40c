//! What a broker tells the controller of its log directories: which replica lies in which (KIP-858, Kafka's
//! `AssignmentsManager`), and which have failed (`ReplicaManager.handleLogDirFailure`).

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ottla_controller::RequestOrigin;
use ottla_metadata::{MetadataImage, MetadataVersion};
use ottla_protocol::messages::assign_replicas_to_dirs_request::{DirectoryData, PartitionData, TopicData};
use ottla_protocol::messages::{AssignReplicasToDirsRequest, BrokerHeartbeatRequest};
use ottla_protocol::{ErrorCode, Uuid};
use ottla_storage::LogManager;
use tokio::sync::mpsc;

use crate::drivers::controller::ControllerHandle;
use crate::fatal::Fatal;

/// Version of the heartbeats of this node to itself: the first with offline directories.
const HEARTBEAT_VERSION: i16 = 1;
const ASSIGN_VERSION: i16 = 0;

/// A replica, and the directory that it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Topic id.
    pub topic: Uuid,
    /// Partition.
    pub partition: i32,
    /// Id of the directory.
    pub directory: Uuid,
}

enum News {
    Placed(Vec<Placement>),
    Failed(Uuid),
}

/// For those who know of news.
#[derive(Clone)]
pub struct DirectoryNews(mpsc::UnboundedSender<News>);

impl DirectoryNews {
    /// Replicas lie elsewhere than the metadata says.
    pub fn placed(&self, placements: Vec<Placement>) {
        if !placements.is_empty() {
            // Without a receiver the broker is stopping.
            let _ = self.0.send(News::Placed(placements));
        }
    }

    /// A directory has failed.
    pub fn failed(&self, directory: Uuid) {
        let _ = self.0.send(News::Failed(directory));
    }
}

/// News on their way to the controller.
pub struct PendingNews(mpsc::UnboundedReceiver<News>);

/// Where news go in and come out.
pub fn news() -> (DirectoryNews, PendingNews) {
    // Bounded all the same: one message per image or finished move, and one per directory.
    #[allow(clippy::disallowed_methods)]
    let (sender, receiver) = mpsc::unbounded_channel();
    (DirectoryNews(sender), PendingNews(receiver))
}

/// Tells the controller.
pub struct Directories {
    /// `node.id`.
    pub node_id: i32,
    /// The logs.
    pub logs: Arc<LogManager>,
    /// The controller.
    pub controller: ControllerHandle,
    /// The metadata as this broker follows it.
    pub image: Arc<ArcSwap<MetadataImage>>,
    /// Raised when no directory is left.
    pub fatal: Fatal,
}

impl Directories {
    /// Runs as long as there may be news.
    pub async fn run(self, mut pending: PendingNews) {
        while let Some(news) = pending.0.recv().await {
            let told = match news {
                News::Placed(placements) => self.assign(&placements).await,
                News::Failed(directory) => self.fail(directory).await,
            };
            if let Err(error) = told {
                tracing::error!(%error, "the controller could not be told of this broker's directories");
            }
        }
    }

    async fn assign(&self, placements: &[Placement]) -> Result<(), ErrorCode> {
        let image = self.image.load_full();
        let is_supported =
            image.features.metadata_version().is_some_and(MetadataVersion::is_directory_assignment_supported);
        if !is_supported {
            return Ok(());
        }
        let request = AssignReplicasToDirsRequest {
            broker_id: self.node_id,
            broker_epoch: image.cluster.broker_epoch(self.node_id),
            directories: by_directory(placements),
        };
        let response = self
            .controller
            .run(ASSIGN_VERSION, RequestOrigin::Forwarded, move |controller, context| {
                controller.assign_replicas_to_dirs(&request, context)
            })
            .await?;
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => Ok(()),
            error => Err(error),
        }
    }

    async fn fail(&self, directory: Uuid) -> Result<(), ErrorCode> {
        if self.logs.live_dirs().next().is_none() {
            self.fatal.raise("all log directories have failed; the log tells why, directory by directory");
            return Ok(());
        }
        let image = self.image.load_full();
        let request = BrokerHeartbeatRequest {
            broker_id: self.node_id,
            broker_epoch: image.cluster.broker_epoch(self.node_id),
            current_metadata_offset: image.provenance.last_contained_offset,
            offline_log_dirs: vec![directory],
            ..Default::default()
        };
        let told =
            self.controller.run(HEARTBEAT_VERSION, RequestOrigin::Forwarded, move |controller, context| {
                controller.broker_heartbeat(&request, context)
            });
        told.await.map(|_| ())
    }
}

fn by_directory(placements: &[Placement]) -> Vec<DirectoryData> {
    let mut directories: BTreeMap<Uuid, BTreeMap<Uuid, Vec<PartitionData>>> = BTreeMap::new();
    for Placement { topic, partition, directory } in placements {
        let topics = directories.entry(*directory).or_default();
        topics.entry(*topic).or_default().push(PartitionData { partition_index: *partition });
    }
    let topics = |topics: BTreeMap<Uuid, Vec<PartitionData>>| {
        topics.into_iter().map(|(topic_id, partitions)| TopicData { topic_id, partitions }).collect()
    };
    directories.into_iter().map(|(id, of)| DirectoryData { id, topics: topics(of) }).collect()
}

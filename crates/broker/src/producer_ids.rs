//! Producer ids: the controller gives blocks of a thousand, a broker gives out single ids (`ProducerIdManager`).

use std::sync::Arc;

use arc_swap::ArcSwap;
use ottla_controller::RequestOrigin;
use ottla_metadata::MetadataImage;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::AllocateProducerIdsRequest;
use parking_lot::Mutex;

use crate::drivers::controller::ControllerHandle;

/// The ids that this broker gives out.
pub struct ProducerIds {
    node_id: i32,
    controller: ControllerHandle,
    image: Arc<ArcSwap<MetadataImage>>,
    /// Next id, and the first that is not ours any more.
    block: Mutex<(i64, i64)>,
}

impl ProducerIds {
    /// Without a block: the first one is asked for with the first id.
    pub fn new(node_id: i32, controller: ControllerHandle, image: Arc<ArcSwap<MetadataImage>>) -> Self {
        Self { node_id, controller, image, block: Mutex::default() }
    }

    /// An id that no producer has had.
    ///
    /// # Errors
    /// When the controller gives no new block.
    pub async fn next(&self) -> Result<i64, ErrorCode> {
        loop {
            if let Some(id) = self.take() {
                return Ok(id);
            }
            let (start, len) = self.allocate().await?;
            let mut block = self.block.lock();
            // Two requests may have asked for a block at once. The ids of the one that is dropped are never used.
            if block.0 >= block.1 {
                *block = (start, start.saturating_add(i64::from(len)));
            }
        }
    }

    fn take(&self) -> Option<i64> {
        let mut block = self.block.lock();
        if block.0 >= block.1 {
            return None;
        }
        block.0 += 1;
        Some(block.0 - 1)
    }

    /// Asks the controller for a block: its first id and its length.
    async fn allocate(&self) -> Result<(i64, i32), ErrorCode> {
        let broker_epoch = self.image.load().cluster.broker_epoch(self.node_id);
        let request = AllocateProducerIdsRequest { broker_id: self.node_id, broker_epoch };
        let response = self
            .controller
            .run(0, RequestOrigin::Forwarded, move |controller, ctx| {
                controller.allocate_producer_ids(&request, ctx)
            })
            .await?;
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => Ok((response.producer_id_start, response.producer_id_len)),
            error => Err(error),
        }
    }
}

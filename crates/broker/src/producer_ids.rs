//! Producer ids: the controller gives blocks of a thousand, a broker gives out single ids (`ProducerIdManager`).

use ottla_controller::RequestOrigin;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::AllocateProducerIdsRequest;
use parking_lot::Mutex;

use crate::broker::Broker;

/// The block of ids that this broker has left.
#[derive(Debug, Default)]
pub struct ProducerIds {
    /// Next id, and the first that is not ours any more.
    block: Mutex<(i64, i64)>,
}

impl ProducerIds {
    /// An id that no producer has had.
    ///
    /// # Errors
    /// When the controller gives no new block.
    pub async fn next(&self, broker: &Broker) -> Result<i64, ErrorCode> {
        loop {
            if let Some(id) = self.take() {
                return Ok(id);
            }
            let (start, len) = allocate(broker).await?;
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
}

/// Asks the controller for a block: its first id and its length.
async fn allocate(broker: &Broker) -> Result<(i64, i32), ErrorCode> {
    let broker_epoch = broker.image().cluster.broker_epoch(broker.node_id);
    let request = AllocateProducerIdsRequest { broker_id: broker.node_id, broker_epoch };
    let response = broker
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

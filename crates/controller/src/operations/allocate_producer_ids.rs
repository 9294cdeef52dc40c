//! AllocateProducerIds (key 67): `ProducerIdControlManager.generateNextProducerId` (KIP-730).

use ottla_metadata::VersionedRecord;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{AllocateProducerIdsRequest, AllocateProducerIdsResponse, ProducerIdsRecord};

use crate::{ApiError, Controller, ControllerResult, RequestContext};

/// How many ids a broker gets at once.
pub const PRODUCER_ID_BLOCK_SIZE: i32 = 1_000;

impl Controller {
    /// AllocateProducerIds: a block of ids that nobody else gets.
    pub fn allocate_producer_ids(
        &self,
        request: &AllocateProducerIdsRequest,
        _: &mut RequestContext<'_>,
    ) -> ControllerResult<AllocateProducerIdsResponse> {
        match self.next_producer_ids(request) {
            Ok((record, producer_id_start)) => {
                let producer_id_len = PRODUCER_ID_BLOCK_SIZE;
                let response =
                    AllocateProducerIdsResponse { producer_id_start, producer_id_len, ..Default::default() };
                ControllerResult::of(vec![record], response)
            }
            Err(error) => ControllerResult::answer(AllocateProducerIdsResponse {
                error_code: error.error_code(),
                ..Default::default()
            }),
        }
    }

    fn next_producer_ids(
        &self,
        request: &AllocateProducerIdsRequest,
    ) -> Result<(VersionedRecord, i64), ApiError> {
        self.check_broker_epoch(request.broker_id, request.broker_epoch)?;
        let first = self.state.image.producer_ids.next_producer_id();
        let next_producer_id = first
            .checked_add(i64::from(PRODUCER_ID_BLOCK_SIZE))
            .ok_or(ApiError::bare(ErrorCode::UnknownServerError))?;
        let (broker_id, broker_epoch) = (request.broker_id, request.broker_epoch);
        let record = ProducerIdsRecord { broker_id, broker_epoch, next_producer_id };
        Ok(((MetadataRecord::ProducerIds(record), 0), first))
    }
}

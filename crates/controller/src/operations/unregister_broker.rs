//! UnregisterBroker (key 64): `ReplicationControlManager.unregisterBroker`.

use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use crate::{ApiError, Controller, ControllerResult, RequestContext};

impl Controller {
    /// UnregisterBroker: the cluster forgets a broker.
    pub fn unregister_broker(
        &self,
        request: &UnregisterBrokerRequest,
        _: &mut RequestContext<'_>,
    ) -> ControllerResult<UnregisterBrokerResponse> {
        let broker_id = request.broker_id;
        if self.state.image.cluster.broker(broker_id).is_none() {
            let message = format!("Broker ID {broker_id} is not currently registered");
            let error = ApiError::new(ErrorCode::BrokerIdNotRegistered, message);
            return ControllerResult::answer(UnregisterBrokerResponse {
                error_code: error.error_code(),
                error_message: error.error_message(),
                ..Default::default()
            });
        }
        let mut records = Vec::new();
        self.handle_broker_unregistered(broker_id, &mut records);
        ControllerResult::of(records, UnregisterBrokerResponse::default())
    }
}

//! BrokerHeartbeat (key 63): `ReplicationControlManager.processBrokerHeartbeat` (KIP-631).
//!
//! Unfences a broker that has read its own registration, fences or stops it when it asks to, and takes note of offline
//! and cordoned log directories.

use std::collections::BTreeSet;

use ottla_metadata::{BrokerRegistration, VersionedRecord};
use ottla_protocol::messages::metadata::MetadataRecord;
use ottla_protocol::messages::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationChangeRecord,
};
use ottla_protocol::{ErrorCode, Uuid};

use crate::broker_sessions::BrokerControlState;
use crate::leader_updates::BrokerChange;
use crate::{ApiError, Controller, ControllerResult, RequestContext};

impl Controller {
    /// BrokerHeartbeat.
    pub fn broker_heartbeat(
        &mut self,
        request: &BrokerHeartbeatRequest,
        ctx: &mut RequestContext<'_>,
    ) -> ControllerResult<BrokerHeartbeatResponse> {
        self.try_broker_heartbeat(request, ctx).unwrap_or_else(|error| {
            ControllerResult::answer(BrokerHeartbeatResponse {
                error_code: error.error_code(),
                ..Default::default()
            })
        })
    }

    fn try_broker_heartbeat(
        &mut self,
        request: &BrokerHeartbeatRequest,
        ctx: &mut RequestContext<'_>,
    ) -> Result<ControllerResult<BrokerHeartbeatResponse>, ApiError> {
        let broker_id = request.broker_id;
        // Even a heartbeat that is refused shows that somebody is there.
        let sessions = self.sessions.as_mut().ok_or(ApiError::bare(ErrorCode::NotController))?;
        sessions.track(broker_id, request.broker_epoch, ctx.now_ms);
        let register_offset = self.state.register_offset(broker_id).ok_or_else(|| {
            let message = format!("Receive a heartbeat from broker {broker_id} before registration");
            ApiError::thrown(ErrorCode::StaleBrokerEpoch, message)
        })?;
        self.check_broker_epoch(broker_id, request.broker_epoch)?;
        let sessions = self.sessions.as_ref().ok_or(ApiError::bare(ErrorCode::NotController))?;
        let (current, next) =
            sessions.next_state(request, register_offset, || self.has_leaderships(broker_id));
        let mut records = Vec::new();
        if current != next {
            match next {
                BrokerControlState::Fenced | BrokerControlState::ShutdownNow => {
                    self.handle_broker_fenced(broker_id, &mut records);
                }
                BrokerControlState::Unfenced => self.handle_broker_unfenced(broker_id, &mut records),
                BrokerControlState::ControlledShutdown => {
                    self.handle_broker_in_controlled_shutdown(broker_id, &mut records);
                }
            }
        }
        self.handle_directories(request, &mut records);
        let end_offset = self.next_write_offset + records.len() as i64 - 1;
        if let Some(sessions) = &mut self.sessions {
            sessions.touch(broker_id, next.is_fenced(), request.current_metadata_offset);
            if next == BrokerControlState::ControlledShutdown {
                sessions.begin_controlled_shutdown(broker_id, end_offset);
            }
        }
        let response = BrokerHeartbeatResponse {
            is_caught_up: request.current_metadata_offset >= register_offset,
            is_fenced: next.is_fenced(),
            should_shut_down: next == BrokerControlState::ShutdownNow,
            ..Default::default()
        };
        Ok(ControllerResult::of(records, response))
    }

    fn handle_directories(&self, request: &BrokerHeartbeatRequest, records: &mut Vec<VersionedRecord>) {
        let Some(broker) = self.state.image.cluster.broker(request.broker_id) else { return };
        if self.metadata_version().is_directory_assignment_supported() {
            self.handle_directories_offline(broker, &request.offline_log_dirs, records);
        }
        if let Some(cordoned) = &request.cordoned_log_dirs
            && self.metadata_version().is_cordoned_log_dirs_supported()
            && is_another_set(broker.cordoned_directories.as_ref(), cordoned)
        {
            let change = BrokerRegistrationChangeRecord {
                cordoned_log_dirs: Some(cordoned.clone()),
                ..self.registration_change(broker.id)
            };
            records.push((MetadataRecord::BrokerRegistrationChange(change), 3));
        }
    }

    fn handle_directories_offline(
        &self,
        broker: &BrokerRegistration,
        offline: &[Uuid],
        records: &mut Vec<VersionedRecord>,
    ) {
        let (newly_offline, online): (Vec<Uuid>, Vec<Uuid>) =
            broker.directories.iter().partition(|directory| offline.contains(directory));
        if newly_offline.is_empty() {
            return;
        }
        self.leader_and_isr_updates(BrokerChange::removing(broker.id), records, |_, _, partition| {
            partition.directory(broker.id).is_some_and(|directory| newly_offline.contains(&directory))
        });
        let change =
            BrokerRegistrationChangeRecord { log_dirs: online, ..self.registration_change(broker.id) };
        records.push((MetadataRecord::BrokerRegistrationChange(change), 2));
    }

    /// Refuses a broker that is not registered under the epoch it names.
    pub(super) fn check_broker_epoch(&self, broker_id: i32, broker_epoch: i64) -> Result<(), ApiError> {
        let stale = |message| ApiError::thrown(ErrorCode::StaleBrokerEpoch, message);
        let broker = self.state.image.cluster.broker(broker_id);
        let broker =
            broker.ok_or_else(|| stale(format!("No broker registration found for broker id {broker_id}")))?;
        if broker.epoch == broker_epoch {
            return Ok(());
        }
        Err(stale(format!("Expected broker epoch {}, but got broker epoch {broker_epoch}", broker.epoch)))
    }
}

fn is_another_set(old: Option<&Vec<Uuid>>, new: &[Uuid]) -> bool {
    old.is_none_or(|old| old.iter().collect::<BTreeSet<_>>() != new.iter().collect::<BTreeSet<_>>())
}

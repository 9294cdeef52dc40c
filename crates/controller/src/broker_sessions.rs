//! Which brokers are alive (`BrokerHeartbeatManager`, `BrokerHeartbeatTracker`).
//!
//! This is not part of the replicated state: only the active controller has it, and a new one begins by
//! taking every unfenced broker for alive.

use std::collections::BTreeMap;

use ottla_metadata::MetadataImage;
use ottla_protocol::messages::BrokerHeartbeatRequest;

/// How a broker stands to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BrokerControlState {
    Fenced,
    Unfenced,
    ControlledShutdown,
    ShutdownNow,
}

impl BrokerControlState {
    pub(crate) fn is_fenced(self) -> bool {
        matches!(self, Self::Fenced | Self::ShutdownNow)
    }
}

#[derive(Clone, Copy, Debug)]
struct Session {
    fenced: bool,
    /// How far the broker has read the metadata log.
    metadata_offset: i64,
    /// Others must have read up to here before the broker may stop; none unless it wants to.
    controlled_shutdown_offset: Option<i64>,
}

impl Session {
    fn state(&self) -> BrokerControlState {
        if self.controlled_shutdown_offset.is_some() {
            BrokerControlState::ControlledShutdown
        } else if self.fenced {
            BrokerControlState::Fenced
        } else {
            BrokerControlState::Unfenced
        }
    }
}

/// The brokers that the active controller hears from.
#[derive(Clone, Debug)]
pub(crate) struct BrokerSessions {
    timeout_ms: i64,
    brokers: BTreeMap<i32, Session>,
    /// Time of the last heartbeat by broker id and epoch.
    contacts: BTreeMap<(i32, i64), i64>,
    /// A broker, by id and epoch, whose process is known to be gone unless it is heard of.
    presumed_gone: Option<(i32, i64)>,
}

impl BrokerSessions {
    /// The sessions with which a controller becomes active. `own_broker` is the broker that runs in its process.
    pub(crate) fn new(image: &MetadataImage, timeout_ms: i64, now_ms: i64, own_broker: Option<i32>) -> Self {
        let (brokers, contacts, presumed_gone) = (BTreeMap::new(), BTreeMap::new(), None);
        let mut sessions = Self { timeout_ms, brokers, contacts, presumed_gone };
        for broker in image.cluster.brokers() {
            sessions.register(broker.id, broker.fenced);
            if !broker.fenced {
                sessions.track(broker.id, broker.epoch, now_ms);
            }
            if own_broker == Some(broker.id) {
                sessions.presumed_gone = Some((broker.id, broker.epoch));
            }
        }
        sessions
    }

    /// A heartbeat came.
    pub(crate) fn track(&mut self, broker_id: i32, broker_epoch: i64, now_ms: i64) {
        self.contacts.insert((broker_id, broker_epoch), now_ms);
        self.presumed_gone.take_if(|gone| *gone == (broker_id, broker_epoch));
    }

    fn is_expired(&self, contact_ms: i64, now_ms: i64) -> bool {
        contact_ms.saturating_add(self.timeout_ms) < now_ms
    }

    pub(crate) fn has_valid_session(&self, broker_id: i32, broker_epoch: i64, now_ms: i64) -> bool {
        let contact_ms = self.contacts.get(&(broker_id, broker_epoch));
        self.presumed_gone != Some((broker_id, broker_epoch))
            && contact_ms.is_some_and(|contact_ms| !self.is_expired(*contact_ms, now_ms))
    }

    /// Forgets one broker, given by id and epoch, that has gone silent.
    pub(crate) fn remove_expired(&mut self, now_ms: i64) -> Option<(i32, i64)> {
        let expired = self.contacts.iter().find(|(_, contact_ms)| self.is_expired(**contact_ms, now_ms));
        let broker = *expired?.0;
        self.contacts.remove(&broker);
        Some(broker)
    }

    /// When the next broker goes silent, in Unix milliseconds, if no heartbeat comes before.
    pub(crate) fn next_expiry_ms(&self) -> Option<i64> {
        self.contacts
            .values()
            .min()
            .map(|contact_ms| contact_ms.saturating_add(self.timeout_ms).saturating_add(1))
    }

    pub(crate) fn register(&mut self, broker_id: i32, fenced: bool) {
        let known = self.brokers.get(&broker_id);
        let metadata_offset =
            known.filter(|known| known.fenced != fenced).map_or(-1, |known| known.metadata_offset);
        let new = Session { fenced, metadata_offset: -1, controlled_shutdown_offset: None };
        self.brokers.entry(broker_id).or_insert(new);
        self.touch(broker_id, fenced, metadata_offset);
    }

    pub(crate) fn remove(&mut self, broker_id: i32) {
        self.brokers.remove(&broker_id);
    }

    pub(crate) fn fence(&mut self, broker_id: i32) {
        if let Some(session) = self.brokers.get_mut(&broker_id) {
            session.fenced = true;
        }
    }

    pub(crate) fn touch(&mut self, broker_id: i32, fenced: bool, metadata_offset: i64) {
        if let Some(session) = self.brokers.get_mut(&broker_id) {
            session.fenced = fenced;
            session.metadata_offset = metadata_offset;
            if fenced {
                session.controlled_shutdown_offset = None;
            }
        }
    }

    /// The broker hands over its partitions; what it takes ends at `offset`. Later calls do not move it.
    pub(crate) fn begin_controlled_shutdown(&mut self, broker_id: i32, offset: i64) {
        if let Some(session) = self.brokers.get_mut(&broker_id) {
            session.controlled_shutdown_offset.get_or_insert(offset);
        }
    }

    /// How far the slowest broker that serves has read the metadata log.
    fn lowest_active_offset(&self) -> i64 {
        let active = self.brokers.values().filter(|s| s.state() == BrokerControlState::Unfenced);
        active.map(|session| session.metadata_offset).min().unwrap_or(i64::MAX)
    }

    /// The state of a broker before and after a heartbeat.
    pub(crate) fn next_state(
        &self,
        request: &BrokerHeartbeatRequest,
        register_offset: i64,
        has_leaderships: impl Fn() -> bool,
    ) -> (BrokerControlState, BrokerControlState) {
        use BrokerControlState as State;
        let Some(session) = self.brokers.get(&request.broker_id) else {
            return (State::Fenced, State::Fenced);
        };
        let current = session.state();
        let next = match current {
            State::Fenced if request.want_shut_down => State::ShutdownNow,
            State::Fenced if !request.want_fence && request.current_metadata_offset >= register_offset => {
                State::Unfenced
            }
            State::Fenced => State::Fenced,
            State::Unfenced => match (request.want_fence, request.want_shut_down) {
                (true, true) => State::ShutdownNow,
                (true, false) => State::Fenced,
                (false, true) if has_leaderships() => State::ControlledShutdown,
                (false, true) => State::ShutdownNow,
                (false, false) => State::Unfenced,
            },
            State::ControlledShutdown if has_leaderships() => State::ControlledShutdown,
            State::ControlledShutdown => {
                let offset = session.controlled_shutdown_offset.unwrap_or(-1);
                if offset <= self.lowest_active_offset() {
                    State::ShutdownNow
                } else {
                    State::ControlledShutdown
                }
            }
            State::ShutdownNow => State::ShutdownNow,
        };
        (current, next)
    }
}

#[cfg(test)]
mod tests {
    use super::BrokerControlState as State;
    use super::*;

    fn sessions() -> BrokerSessions {
        BrokerSessions::new(&MetadataImage::default(), 100, 0, None)
    }

    fn heartbeat(offset: i64, want_fence: bool, want_shut_down: bool) -> BrokerHeartbeatRequest {
        BrokerHeartbeatRequest {
            broker_id: 1,
            current_metadata_offset: offset,
            want_fence,
            want_shut_down,
            ..Default::default()
        }
    }

    fn next(sessions: &BrokerSessions, request: BrokerHeartbeatRequest, leads: bool) -> State {
        sessions.next_state(&request, 10, || leads).1
    }

    #[test]
    fn starting_and_stopping() {
        let mut sessions = sessions();
        sessions.register(1, true);
        assert_eq!(next(&sessions, heartbeat(9, false, false), false), State::Fenced);
        assert_eq!(next(&sessions, heartbeat(10, true, false), false), State::Fenced);
        assert_eq!(next(&sessions, heartbeat(10, false, false), false), State::Unfenced);
        assert_eq!(next(&sessions, heartbeat(0, false, true), false), State::ShutdownNow);
        sessions.touch(1, false, 10);
        assert_eq!(next(&sessions, heartbeat(10, true, false), true), State::Fenced);
        assert_eq!(next(&sessions, heartbeat(10, false, true), false), State::ShutdownNow);
        assert_eq!(next(&sessions, heartbeat(10, false, true), true), State::ControlledShutdown);
        sessions.begin_controlled_shutdown(1, 20);
        sessions.register(2, false);
        sessions.touch(2, false, 19);
        assert_eq!(next(&sessions, heartbeat(20, false, true), true), State::ControlledShutdown);
        assert_eq!(next(&sessions, heartbeat(20, false, true), false), State::ControlledShutdown);
        sessions.touch(2, false, 20);
        assert_eq!(next(&sessions, heartbeat(20, false, true), false), State::ShutdownNow);
    }

    #[test]
    fn silence() {
        let mut sessions = sessions();
        sessions.track(1, 5, 1_000);
        assert!(sessions.has_valid_session(1, 5, 1_100) && !sessions.has_valid_session(1, 5, 1_101));
        assert!(!sessions.has_valid_session(1, 6, 1_000));
        assert_eq!(sessions.next_expiry_ms(), Some(1_101));
        assert_eq!(sessions.remove_expired(1_100), None);
        assert_eq!(sessions.remove_expired(1_101), Some((1, 5)));
        assert_eq!(sessions.remove_expired(9_999), None);
    }
}

//! What a membership is told.

use std::sync::Arc;

use ottla_protocol::messages::{
    ConsumerGroupHeartbeatResponse, HeartbeatResponse, JoinGroupResponse, LeaveGroupResponse,
    ShareGroupHeartbeatResponse, SyncGroupResponse,
};
use ottla_protocol::{ErrorCode, Str};

use super::Subscription;
use crate::cluster::Metadata;
use crate::{Error, Result};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The application called `poll` and waits in it: rebalances may go on, callbacks may be called. Sent again
    /// without an end between is fine.
    PollStarted,
    /// `poll` returned, or its future was dropped. From here `max.poll.interval.ms` runs.
    PollEnded,
    /// The application subscribed, or changed what it is subscribed to.
    Subscribed(Subscription),
    /// The application unsubscribed: callbacks, then the group is left, then [`super::Action::Left`].
    Unsubscribed,
    /// The application closes: likewise. Offsets that are to be committed at the end were committed before.
    Close(CloseOperation),
    /// The application asked for a rebalance (`enforceRebalance`), and why. Classic only.
    RejoinRequested(Str),
    /// Fresh metadata is there. The first is due before or with the first subscription.
    Metadata(Arc<Metadata>),
    /// [`super::Action::RefreshMetadata`] ended; the metadata came with [`Event::Metadata`] before this.
    Refreshed {
        /// Of the action.
        id: u64,
        /// Why there is none.
        result: Result<()>,
    },
    /// [`super::Action::Send`] was answered.
    Answered {
        /// Of the action.
        id: u64,
        /// What came, or why nothing did. [`Error::Disconnected`] where the request went out or the node went away,
        /// [`Error::UnsupportedVersion`] where no version can carry it.
        answer: Result<GroupAnswer>,
    },
    /// [`super::Action::Commit`] ended.
    Committed {
        /// Of the action.
        id: u64,
        /// How.
        result: Result<()>,
    },
    /// [`super::Action::Call`] was performed.
    Called {
        /// Of the action.
        id: u64,
        /// What the application's callback returned. An error is the driver's to report to the application.
        result: Result<()>,
    },
    /// A commit was refused because of the membership: UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS,
    /// FENCED_INSTANCE_ID. Of consequence in the classic protocol only.
    CommitRefused {
        /// The code.
        code: ErrorCode,
        /// The generation that was presented.
        generation_id: i32,
        /// The member id that was presented.
        member_id: Str,
    },
    /// Time passed.
    Tick,
}

/// An answer to a [`super::GroupRequest`].
#[derive(Clone, Debug)]
pub enum GroupAnswer {
    /// Classic.
    JoinGroup(JoinGroupResponse),
    /// Classic.
    SyncGroup(SyncGroupResponse),
    /// Classic.
    Heartbeat(HeartbeatResponse),
    /// Classic.
    LeaveGroup(LeaveGroupResponse),
    /// KIP-848.
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatResponse),
    /// KIP-932.
    ShareGroupHeartbeat(ShareGroupHeartbeatResponse),
}

/// What a close does with the membership (KIP-1092).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CloseOperation {
    /// Dynamic members leave; static ones stay (classic), or say that they will be back (KIP-848).
    #[default]
    Default,
    /// Leaves, also as a static member.
    LeaveGroup,
    /// Stays until the session runs out.
    RemainInGroup,
}

impl Event {
    /// An answer that never came.
    pub fn failed(id: u64, error: Error) -> Self {
        Event::Answered { id, answer: Err(error) }
    }
}

//! Membership in a group, without network and clock: what happened goes in, what is to be done comes out.
//!
//! Three protocols share one interface, [`Membership`]: the classic one (JoinGroup, SyncGroup, Heartbeat), the
//! consumer protocol of KIP-848 and that of share groups (KIP-932). A driver owns a membership and does this, over
//! and over: hands it what happened ([`Membership::handle`]), performs every [`Action`] it then has
//! ([`Membership::next_action`], in order), and comes back with [`Event::Tick`] at [`Membership::wake_at_ms`].
//!
//! What a driver must keep to:
//!
//! - The loop runs in the background as well, so that heartbeats leave while the application works on records.
//!   [`Action::Call`] is to be performed inside the application's `poll`, `unsubscribe` or `close`: it is emitted only
//!   after [`Event::PollStarted`], or as a consequence of the other two, except for `Lost` after the group threw the member
//!   out; such a call waits for the next `poll`.
//! - Nothing newer of the partitions in [`Action::PauseFetching`] is fetched or handed out until the next
//!   [`Action::Assign`].
//! - Partitions in `added` of an [`Action::Assign`] are not fetched until the [`Callback::Assigned`] that follows was
//!   answered (share groups have no callbacks: at once).
//! - Requests go to the group's coordinator over a connection that carries nothing else: brokers take the requests of a
//!   connection one by one, and a JoinGroup may wait for minutes. Finding the coordinator is the driver's, as is trying
//!   again while there is none; what FindCoordinator refuses for good (GROUP_AUTHORIZATION_FAILED) is an answer's error.
//! - Each action with an `id` is answered by exactly one event with that `id`, at any time; answers that came too late
//!   are ignored here.

mod action;
mod classic;
mod epochs;
mod event;
#[cfg(test)]
mod history;
mod outbox;
mod subscription;

use ottla_protocol::{Str, TopicPartition};

pub use self::action::{Action, Callback, GroupRequest, MetadataTopics, leave_group_for};
pub use self::classic::ClassicMembership;
pub use self::epochs::EpochMembership;
pub use self::event::{CloseOperation, Event, GroupAnswer};
pub use self::subscription::{Matcher, Subscription};
use crate::consumer::ConsumerGroupMetadata;

/// A member of a group. See the module's documentation for the rules of the game.
pub trait Membership: Send {
    /// Tells what happened. What is to be done about it can then be had from [`Membership::next_action`].
    fn handle(&mut self, now_ms: i64, event: Event);

    /// The next thing to be done; nothing when all was handed out.
    fn next_action(&mut self) -> Option<Action>;

    /// When to come with [`Event::Tick`], Unix ms; may be in the past (then at once). Nothing to wait for: `None`.
    fn wake_at_ms(&self) -> Option<i64>;

    /// Where the member stands.
    fn state(&self) -> MemberState;

    /// What commits and transactions have to present.
    fn group_metadata(&self) -> ConsumerGroupMetadata;

    /// Partitions that the member owns, in order: those of the last [`Action::Assign`].
    fn assignment(&self) -> Vec<TopicPartition>;
}

/// Where a member stands with its group: Kafka's `MemberState`, and the states of the classic protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemberState {
    /// Not in a group (classic: UNJOINED).
    Unsubscribed,
    /// About to join, or waiting for the first answer.
    Joining,
    /// A new assignment is being put into effect.
    Reconciling,
    /// It is in effect, and the next heartbeat says so.
    Acknowledging,
    /// In the group with nothing to do.
    Stable,
    /// Thrown out; partitions are being given up, then the member joins anew.
    Fenced,
    /// Giving up partitions before leaving.
    PrepareLeaving,
    /// The request that leaves is next.
    Leaving,
    /// An error that no further attempt mends.
    Fatal,
    /// Left because `poll` was not called within `max.poll.interval.ms`; the next `poll` joins again.
    Stale,
    /// Classic: JoinGroup is under way.
    PreparingRebalance,
    /// Classic: SyncGroup is under way.
    CompletingRebalance,
}

/// What a membership is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.id`.
    pub group_id: Str,
    /// `group.instance.id`: makes a static member.
    pub group_instance_id: Option<Str>,
    /// `client.rack`.
    pub rack_id: Option<Str>,
    /// `session.timeout.ms`; classic only, the others have it from the broker.
    pub session_timeout_ms: i32,
    /// `heartbeat.interval.ms`; likewise.
    pub heartbeat_interval_ms: i32,
    /// `max.poll.interval.ms`, which is the rebalance time-out too.
    pub max_poll_interval_ms: i32,
    /// `retry.backoff.ms`.
    pub retry_backoff_ms: i64,
    /// `retry.backoff.max.ms`.
    pub retry_backoff_max_ms: i64,
    /// `request.timeout.ms`.
    pub request_timeout_ms: i64,
    /// `enable.auto.commit`: positions are committed before partitions change hands.
    pub auto_commit: bool,
    /// For the jitter of back-offs; any number.
    pub seed: u64,
}

//! What a group's rebalances do to the consumer, and the application's listener.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ottla_protocol::TopicPartition;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::client::Consumer;
use super::group::Group;
use super::poll::Heeds;
use super::requests::CommitPurpose;
use super::shared::after;
use super::state::Subscription;
use crate::membership::{self, Action, Callback, CloseOperation, Event};
use crate::{Error, Result};

/// What a listener's method returns.
pub type ListenerFuture<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// Is told of partitions that come and go (`org.apache.kafka.clients.consumer.ConsumerRebalanceListener`). Called inside
/// of `poll`, `unsubscribe` and `close`, with the consumer at hand: to commit, to seek, to pause. It must not poll.
///
/// When the future of a poll is dropped while a listener runs, the next poll calls it again.
pub trait RebalanceListener: Send {
    /// These are assigned from now on; may be none. Called before anything of them is fetched.
    fn on_partitions_assigned<'a>(
        &'a mut self,
        consumer: &'a mut Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        let _ = (consumer, partitions);
        Box::pin(std::future::ready(Ok(())))
    }

    /// These are about to be given up: the last moment to commit.
    fn on_partitions_revoked<'a>(
        &'a mut self,
        consumer: &'a mut Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        let _ = (consumer, partitions);
        Box::pin(std::future::ready(Ok(())))
    }

    /// These are gone, others may have them already: commits are refused. As [`Self::on_partitions_revoked`] where it is
    /// not said otherwise.
    fn on_partitions_lost<'a>(
        &'a mut self,
        consumer: &'a mut Consumer,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        self.on_partitions_revoked(consumer, partitions)
    }
}

/// A listener that can be called while the consumer is lent to it.
#[derive(Clone)]
pub struct Listener(Arc<Mutex<Box<dyn RebalanceListener>>>);

impl Listener {
    /// Takes a listener.
    pub fn new(listener: Box<dyn RebalanceListener>) -> Self {
        Self(Arc::new(Mutex::new(listener)))
    }

    async fn call(
        &self,
        consumer: &mut Consumer,
        callback: Callback,
        partitions: &[TopicPartition],
    ) -> Result<()> {
        let mut listener = self.0.lock().await;
        match callback {
            Callback::Assigned => listener.on_partitions_assigned(consumer, partitions).await,
            Callback::Revoked => listener.on_partitions_revoked(consumer, partitions).await,
            Callback::Lost => listener.on_partitions_lost(consumer, partitions).await,
        }
    }
}

impl Consumer {
    /// Subscribes with the group, of which this becomes a member with the next poll.
    pub(super) fn join(&mut self, subscription: membership::Subscription) -> Result<()> {
        let group = match &self.group {
            Some(group) => group,
            None => {
                let membership = super::group::new_membership(&self.shared)?;
                self.group.insert(Group::new(self.shared.clone(), membership))
            }
        };
        group.handle(Event::Subscribed(subscription));
        self.assignment_changed();
        Ok(())
    }

    pub(super) fn tell_group(&self, event: Event) {
        if let Some(group) = &self.group {
            group.handle(event);
        }
    }

    /// Does what the membership wants of the application's side. Whether the group was left.
    ///
    /// # Errors
    /// What the group or the listener says.
    pub(super) async fn rebalance(&mut self) -> Result<bool> {
        let Some(group) = self.group.clone() else { return Ok(false) };
        while let Some(action) = group.next_action() {
            match action {
                Action::Call { id, callback, partitions } => {
                    let result = self.call_listener(callback, &partitions).await;
                    group.action_done();
                    if callback == Callback::Assigned {
                        self.state.enable(&partitions);
                        self.fetcher.dirty = true;
                    }
                    let failed = result.as_ref().err().map(callback_failed);
                    group.handle(Event::Called { id, result });
                    if let Some(error) = failed {
                        return Err(error);
                    }
                }
                action => {
                    group.action_done();
                    if self.apply(action)? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// What can be done at once. Whether the group was left.
    fn apply(&mut self, action: Action) -> Result<bool> {
        match action {
            Action::Commit { id, deadline_ms } => {
                let offsets = self.state.all_consumed();
                let deadline = self.shared.clock.instant(deadline_ms);
                self.spawn_commit(offsets, CommitPurpose::Rebalance(id), deadline);
            }
            Action::ResetAutoCommit => self.auto_commit_reset(),
            Action::PauseFetching(partitions) => self.state.mark_pending_revocation(&partitions),
            Action::Assign { partitions, added } => {
                tracing::info!(?partitions, ?added, "the group assigned partitions");
                self.state.assign_from_group(&partitions, &added);
                self.metrics.rebalanced();
                self.metrics.retain(|tp| self.state.get(tp).is_some());
                self.assignment_changed();
            }
            Action::Fail(error) => return Err(error),
            Action::Left => return Ok(true),
            // The background's; it does not get here.
            Action::Call { .. }
            | Action::Send { .. }
            | Action::ForgetCoordinator
            | Action::Topics(_)
            | Action::RefreshMetadata { .. } => {}
        }
        Ok(false)
    }

    async fn call_listener(&mut self, callback: Callback, partitions: &[TopicPartition]) -> Result<()> {
        match self.listener.clone() {
            Some(listener) => listener.call(self, callback, partitions).await,
            None => Ok(()),
        }
    }

    /// Has the group give out its partitions anew with the next poll. Classic groups only; those of KIP-848 decide for
    /// themselves.
    pub fn enforce_rebalance(&mut self, reason: &str) {
        self.tell_group(Event::RejoinRequested(reason.to_owned().into()));
    }

    /// Leaves the group, if there is one, and gives up all partitions. The listener is told. With `enable.auto.commit` what
    /// was consumed is committed first.
    ///
    /// # Errors
    /// What the listener says; the group is left nevertheless.
    pub async fn unsubscribe(&mut self) -> Result<()> {
        self.check_open()?;
        let deadline = self.shared.api_deadline();
        if self.group.is_some() {
            self.final_commit(deadline).await;
        }
        let result = self.leave(Event::Unsubscribed, deadline).await;
        self.state.unsubscribe();
        self.assignment_changed();
        self.shared.set_topics(crate::cluster::Topics::Named(Vec::new()));
        result
    }

    async fn leave(&mut self, event: Event, deadline: Instant) -> Result<()> {
        let Some(group) = self.group.clone() else { return Ok(()) };
        group.handle(event);
        let mut result = Ok(());
        loop {
            while let Some(done) = self.tasks.try_join_next() {
                self.handle_done(done);
            }
            match self.rebalance().await {
                Ok(true) => return result,
                Ok(false) => {}
                Err(error) => result = Err(error),
            }
            self.check_metadata();
            if Instant::now() >= deadline {
                return result
                    .and(Err(Error::Timeout("the group did not answer that it was left".to_owned())));
            }
            self.wait(deadline, Heeds { wakeup: false, group: true }).await;
        }
    }

    /// Commits with `enable.auto.commit`, leaves the group, ends the fetch sessions, and gives all this `timeout`
    /// (Kafka's default is 30 s).
    ///
    /// # Errors
    /// What the listener says, or that the time was up; the consumer is closed nevertheless.
    pub async fn close(mut self, timeout: Duration) -> Result<()> {
        self.close_with(timeout, CloseOperation::Default).await
    }

    /// Likewise, and says what becomes of the membership: a static member can be made to leave, a dynamic one to stay
    /// (KIP-1092).
    ///
    /// # Errors
    /// As [`Consumer::close`].
    pub async fn close_with(&mut self, timeout: Duration, operation: CloseOperation) -> Result<()> {
        if self.is_closed {
            return Ok(());
        }
        let deadline = after(timeout);
        self.final_commit(deadline).await;
        self.finish_commits(deadline).await;
        let result = match self.state.subscription() {
            Subscription::Topics(_) | Subscription::Pattern(_) => {
                self.leave(Event::Close(operation), deadline).await
            }
            _ => Ok(()),
        };
        // Until here the listener may have used the consumer.
        self.is_closed = true;
        self.group = None;
        self.state.unsubscribe();
        self.tasks.abort_all();
        self.close_sessions(deadline).await;
        for interceptor in &mut self.interceptors {
            interceptor.on_close();
        }
        result
    }

    async fn close_sessions(&mut self, deadline: Instant) {
        let mut requests = tokio::task::JoinSet::new();
        for (node, session) in self.fetcher.close_sessions() {
            if self.shared.cluster.is_ready(node) {
                requests.spawn(super::requests::fetch(self.shared.clone(), node, session));
            }
        }
        // A courtesy to the broker: it forgets sessions by itself.
        let _ = tokio::time::timeout_at(deadline, requests.join_all()).await;
    }
}

fn callback_failed(error: &Error) -> Error {
    match error {
        Error::Wakeup => Error::Wakeup,
        error => Error::Illegal(format!("User rebalance callback throws an error: {error}")),
    }
}

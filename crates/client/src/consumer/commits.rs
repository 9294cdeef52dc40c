//! Committing offsets: at once, in the background, by the clock, before rebalances.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_protocol::{ErrorCode, TopicPartition};
use tokio::sync::watch;
use tokio::time::Instant;

use super::client::Consumer;
use super::requests::{self, Attempts, CommitCallback, CommitPurpose, Committer, Offsets};
use super::shared::{Shared, after, millis};
use super::{ConsumerGroupMetadata, OffsetAndMetadata};
use crate::record::ConsumerRecord;
use crate::{Error, Result};

/// Commits of a consumer whose partitions no group gave out.
struct WithoutMembership(Arc<Shared>);

impl Committer for WithoutMembership {
    fn member(&self) -> Result<ConsumerGroupMetadata> {
        self.0.without_membership()
    }

    fn refused(&self, _code: ErrorCode, _presented: &ConsumerGroupMetadata) {}

    fn has_member_epochs(&self) -> bool {
        false
    }
}

impl Consumer {
    /// Commits the positions of all partitions: everything that polls have returned. Waits for the answer, at most
    /// `default.api.timeout.ms`.
    ///
    /// # Errors
    /// [`Error::CommitFailed`] when the group has given the partitions to others, a retriable error during a rebalance
    /// (poll, then commit again), what the broker refuses, and without `group.id`.
    pub async fn commit(&mut self) -> Result<()> {
        let offsets = self.state.all_consumed();
        self.commit_offsets(offsets).await
    }

    /// Commits these offsets: of each partition that of the next record to read.
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    pub async fn commit_offsets(&mut self, offsets: Offsets) -> Result<()> {
        self.check_open()?;
        self.shared.group_id()?;
        let deadline = self.shared.api_deadline();
        let (shared, committer, asked) = (self.shared.clone(), self.committer(), offsets.clone());
        let before = self.last_commit.clone();
        let work = async move {
            has_ended(before, deadline).await?;
            requests::commit(shared, committer, asked, deadline, Attempts::UntilDeadline).await
        };
        self.wakeup.clone().interrupts(work).await?;
        self.committed_offsets(&offsets);
        Ok(())
    }

    /// Commits that a record was processed, and all before it in its partition.
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    pub async fn commit_record(&mut self, record: &ConsumerRecord) -> Result<()> {
        self.commit_offsets(offset_behind(record)).await
    }

    /// Like [`Consumer::commit_record`], without waiting for the answer.
    ///
    /// # Errors
    /// As [`Consumer::commit_async`].
    pub fn commit_record_async(&mut self, record: &ConsumerRecord) -> Result<()> {
        self.commit_offsets_async(offset_behind(record), None)
    }

    /// Begins to commit the positions of all partitions. Failures are logged.
    ///
    /// # Errors
    /// Without `group.id`.
    pub fn commit_async(&mut self) -> Result<()> {
        let offsets = self.state.all_consumed();
        self.commit_offsets_async(offsets, None)
    }

    /// Begins to commit these offsets. `callback` is called inside of a later call of the consumer.
    ///
    /// # Errors
    /// Without `group.id`.
    pub fn commit_offsets_async(&mut self, offsets: Offsets, callback: Option<CommitCallback>) -> Result<()> {
        self.check_open()?;
        self.shared.group_id()?;
        self.spawn_commit(offsets, CommitPurpose::Application(callback), self.shared.api_deadline());
        Ok(())
    }

    /// What the group has committed; nothing for partitions of which there is no commit. Offsets of transactions that are
    /// still open are waited for, at most `default.api.timeout.ms`.
    ///
    /// # Errors
    /// What the broker refuses, and without `group.id`.
    pub async fn committed(
        &mut self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>> {
        self.check_open()?;
        self.shared.group_id()?;
        let partitions: Vec<TopicPartition> = partitions.into_iter().collect();
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let deadline = self.shared.api_deadline();
        self.wakeup
            .clone()
            .interrupts(requests::committed(self.shared.clone(), self.committer(), partitions, deadline))
            .await
    }

    pub(super) fn committer(&self) -> Arc<dyn Committer> {
        match &self.group {
            // A group that was unsubscribed from has no say in what is assigned by hand.
            Some(group) if self.state.subscription().is_automatic() => group.committer(),
            _ => Arc::new(WithoutMembership(self.shared.clone())),
        }
    }

    pub(super) fn spawn_commit(&mut self, offsets: Offsets, purpose: CommitPurpose, deadline: Instant) {
        let (shared, committer) = (self.shared.clone(), self.committer());
        // One behind the other: an older commit that arrives later would take the group's position back.
        let (done, behind) = watch::channel(());
        let before = self.last_commit.replace(behind);
        self.tasks.spawn(async move {
            if let Some(mut before) = before {
                let _ = before.changed().await;
            }
            let outcome = requests::commit_in_background(shared, committer, offsets, purpose, deadline).await;
            drop(done);
            outcome
        });
        self.fetcher.has_unsent = true;
        self.commits_under_way += 1;
    }

    /// A commit in the background has ended.
    pub(super) fn handle_commit(&mut self, offsets: &Offsets, purpose: CommitPurpose, result: Result<()>) {
        self.commits_under_way = self.commits_under_way.saturating_sub(1);
        if result.is_ok() {
            self.committed_offsets(offsets);
        }
        match purpose {
            CommitPurpose::Interval => {
                if let Err(error) = result {
                    tracing::warn!(%error, "offsets were not committed automatically");
                    if error.is_retriable() {
                        self.next_auto_commit_ms = self.retry_at_ms();
                    }
                }
            }
            CommitPurpose::Rebalance(id) => {
                if let Err(error) = &result {
                    tracing::warn!(%error, "offsets were not committed before the rebalance");
                }
                self.auto_commit_reset();
                self.tell_group(crate::membership::Event::Committed { id, result });
            }
            CommitPurpose::Application(Some(callback)) => callback(offsets, result),
            CommitPurpose::Application(None) => {
                if let Err(error) = result {
                    tracing::error!(%error, "offsets were not committed");
                }
            }
        }
    }

    fn committed_offsets(&mut self, offsets: &Offsets) {
        self.metrics.committed();
        for interceptor in &mut self.interceptors {
            interceptor.on_commit(offsets);
        }
    }

    pub(super) fn has_auto_commit(&self) -> bool {
        self.shared.config.enable_auto_commit && self.shared.config.group_id.is_some()
    }

    pub(super) fn auto_commit_reset(&mut self) {
        self.next_auto_commit_ms =
            self.now_ms().saturating_add(millis(self.shared.config.auto_commit_interval));
    }

    /// Commits by the clock.
    pub(super) fn auto_commit(&mut self) {
        if !self.has_auto_commit() || self.now_ms() < self.next_auto_commit_ms {
            return;
        }
        self.auto_commit_reset();
        if self.commits_under_way > 0 {
            return;
        }
        let offsets = self.state.all_consumed();
        if !offsets.is_empty() {
            let deadline = after(self.shared.config.client.request_timeout);
            self.spawn_commit(offsets, CommitPurpose::Interval, deadline);
        }
    }

    /// Waits until the commits that were begun before have ended, as far as the time allows.
    pub(super) async fn commits_before(&mut self, deadline: Instant) {
        let _ = has_ended(self.last_commit.clone(), deadline).await;
    }

    /// Commits what was consumed at the end, as far as the time allows.
    pub(super) async fn final_commit(&mut self, deadline: Instant) {
        if !self.has_auto_commit() {
            return;
        }
        let offsets = self.state.all_consumed();
        if offsets.is_empty() {
            return;
        }
        self.commits_before(deadline).await;
        let attempts = Attempts::UntilDeadline;
        match requests::commit(self.shared.clone(), self.committer(), offsets.clone(), deadline, attempts)
            .await
        {
            Ok(()) => self.committed_offsets(&offsets),
            Err(error) => tracing::warn!(%error, "offsets were not committed at the end"),
        }
    }

    /// Waits for commits that the application began, as far as the time allows.
    pub(super) async fn finish_commits(&mut self, deadline: Instant) {
        while self.commits_under_way > 0 {
            match tokio::time::timeout_at(deadline, self.tasks.join_next()).await {
                Ok(Some(done)) => self.handle_done(done),
                Ok(None) | Err(_) => break,
            }
        }
    }
}

/// Waits for the end of a commit in the background.
async fn has_ended(commit: Option<watch::Receiver<()>>, deadline: Instant) -> Result<()> {
    let Some(mut commit) = commit else { return Ok(()) };
    match tokio::time::timeout_at(deadline, commit.changed()).await {
        // Nothing is ever sent: the sender is gone.
        Ok(_) => Ok(()),
        Err(_) => Err(Error::Timeout("Offsets were not committed: older commits have not ended".to_owned())),
    }
}

fn offset_behind(record: &ConsumerRecord) -> Offsets {
    let offset = OffsetAndMetadata {
        offset: record.offset.saturating_add(1),
        leader_epoch: record.leader_epoch,
        ..OffsetAndMetadata::default()
    };
    Offsets::from([(TopicPartition::new(record.topic.clone(), record.partition), offset)])
}

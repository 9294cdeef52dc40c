//! The loop inside of `poll`.

use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::Instant;

use super::client::Consumer;
use super::fetch::{CollectOptions, Collected, ReadOptions};
use super::records::ConsumerRecords;
use super::requests::Done;
use super::shared::{after, millis};
use super::state::Subscription;
use crate::{Error, Result};

/// No waiting is longer than this: what was overlooked is found then.
const WAIT_MAX_MS: i64 = 1_000;

/// What ends a wait beside answers and time. Who would do nothing about it must not heed it, or it waits no more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heeds {
    /// A call of `wakeup`.
    pub wakeup: bool,
    /// Something to do for the group.
    pub group: bool,
}

impl Consumer {
    /// Records, as soon as there are any, or none after `timeout`. Takes part in the group's rebalances, calls the
    /// rebalance listener, and commits by the clock with `enable.auto.commit`: what earlier polls returned counts as
    /// processed then. Must be called again within `max.poll.interval.ms`.
    ///
    /// # Errors
    /// [`Error::Wakeup`] after a wakeup, [`Error::InvalidOffset`] without a position to read from, what brokers
    /// refuse, and records that can't be read. Unless the error says otherwise the consumer can be used on.
    pub async fn poll(&mut self, timeout: Duration) -> Result<ConsumerRecords> {
        self.check_open()?;
        if *self.state.subscription() == Subscription::None {
            return Err(Error::Illegal(
                "Consumer is not subscribed to any topics or assigned any partitions".to_owned(),
            ));
        }
        let deadline = after(timeout);
        self.flush_requests().await;
        let _polling = self.group.as_ref().map(super::group::Group::polling);
        loop {
            self.wakeup.check()?;
            self.advance().await?;
            self.open_answer()?;
            // What comes next is on its way before the application has what is here.
            self.flush_requests().await;
            let records = self.collect()?;
            if !records.is_empty() || !records.next_offsets().is_empty() {
                return Ok(self.intercept(records));
            }
            if Instant::now() >= deadline {
                // With nothing to wait for, the runtime still must get to work.
                tokio::task::yield_now().await;
                return Ok(ConsumerRecords::default());
            }
            self.wait(deadline, Heeds { wakeup: true, group: true }).await;
        }
    }

    /// Lets the runtime send what was begun: on a runtime of one thread nobody else would before the
    /// application waits.
    async fn flush_requests(&mut self) {
        if std::mem::take(&mut self.fetcher.has_unsent) {
            tokio::task::yield_now().await;
        }
    }

    /// Takes note of all that has happened, and begins all that is due.
    pub(super) async fn advance(&mut self) -> Result<()> {
        while let Some(done) = self.tasks.try_join_next() {
            self.handle_done(done);
        }
        self.errors.extend(self.shared.cluster.take_refusal());
        self.check_metadata();
        self.rebalance().await?;
        self.auto_commit();
        self.update_positions()?;
        self.send_fetches();
        match self.errors.pop_front() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Puts an answer into use if none is, and fetches what comes behind it.
    fn open_answer(&mut self) -> Result<()> {
        if self.fetcher.buffer.is_empty() {
            return Ok(());
        }
        let options = self.collect_options();
        let opened = self.fetcher.buffer.open(&mut self.state, options);
        self.note(opened).map(drop)
    }

    fn collect(&mut self) -> Result<ConsumerRecords> {
        if self.fetcher.buffer.is_empty() {
            return Ok(ConsumerRecords::default());
        }
        let options = self.collect_options();
        let collected = self.fetcher.buffer.collect(&mut self.state, options);
        let collected = self.note(collected)?;
        self.metrics.consumed(collected.records.len(), collected.bytes);
        for tp in collected.records.partitions() {
            let lag = self.state.lag(tp, self.shared.config.isolation_level);
            self.metrics.position(tp, lag, self.state.lead(tp));
        }
        Ok(collected.records)
    }

    fn collect_options(&self) -> CollectOptions {
        let config = &self.shared.config;
        let now_ms = self.shared.clock.now_ms();
        CollectOptions {
            read: ReadOptions { isolation: config.isolation_level, check_crcs: config.check_crcs },
            max_records: config.max_poll_records,
            read_replica_expires_ms: now_ms.saturating_add(millis(config.client.metadata_max_age)),
            retry_at_ms: now_ms.saturating_add(millis(config.client.retry_backoff)),
        }
    }

    /// Does what follows from a look into the answers.
    fn note(&mut self, collected: Result<Collected>) -> Result<Collected> {
        // Errors change positions too.
        self.fetcher.dirty |= collected.as_ref().map_or(true, |collected| collected.has_moved_on);
        self.positions_pending |= self.fetcher.dirty;
        let collected = collected?;
        if collected.refresh_metadata {
            self.shared.cluster.request_refresh();
        }
        self.send_fetches();
        Ok(collected)
    }

    fn intercept(&mut self, records: ConsumerRecords) -> ConsumerRecords {
        self.interceptors.iter_mut().fold(records, |records, interceptor| interceptor.on_consume(records))
    }

    /// Until something happens.
    pub(super) async fn wait(&mut self, deadline: Instant, heeds: Heeds) {
        let until = deadline.min(self.next_timer());
        let shared = self.shared.clone();
        let changed = shared.cluster.changed();
        if self.metadata_generation != Some(shared.cluster.metadata().generation) {
            return;
        }
        let group = self.group.clone();
        let group_acts = async {
            match &group {
                Some(group) => group.acts().await,
                None => std::future::pending().await,
            }
        };
        let done = tokio::select! {
            biased;
            () = self.wakeup.called(), if heeds.wakeup => None,
            done = self.tasks.join_next(), if !self.tasks.is_empty() => done,
            () = group_acts, if heeds.group => None,
            () = changed => None,
            () = tokio::time::sleep_until(until) => {
                self.fetcher.dirty = true;
                None
            }
        };
        if let Some(done) = done {
            self.handle_done(done);
        }
    }

    fn next_timer(&self) -> Instant {
        let now_ms = self.now_ms();
        let auto_commit = self.has_auto_commit().then_some(self.next_auto_commit_ms);
        let committed = Some(self.committed_retry_ms).filter(|at| *at > now_ms);
        let times =
            [self.state.next_retry_ms(now_ms), self.fetcher.next_retry_ms(now_ms), auto_commit, committed];
        let next_ms = times.into_iter().flatten().min().unwrap_or(i64::MAX);
        self.shared.clock.instant(next_ms.min(now_ms.saturating_add(WAIT_MAX_MS)))
    }

    pub(super) fn handle_done(&mut self, done: Result<Done, JoinError>) {
        match done {
            Ok(Done::Fetched { node, sent_ms, result }) => self.handle_fetched(node, sent_ms, result),
            Ok(Done::Reset { asked, result }) => self.handle_reset(&asked, result),
            Ok(Done::End { partition, result }) => self.handle_end(&partition, result),
            Ok(Done::Epochs { asked, result }) => self.handle_epochs(&asked, result),
            Ok(Done::Committed { asked, result }) => self.handle_committed(&asked, result),
            Ok(Done::Commit { offsets, purpose, result }) => self.handle_commit(&offsets, purpose, result),
            Err(error) => tracing::error!(%error, "a task of the consumer ended badly"),
        }
    }
}

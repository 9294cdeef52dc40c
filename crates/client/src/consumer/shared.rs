//! What the consumer and its requests under way have in common.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ottla_protocol::{ErrorCode, Str};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{ConsumerConfig, ConsumerGroupMetadata};
use crate::clock::unix_ms;
use crate::cluster::{CoordinatorKind, Topics};
use crate::{Cluster, Error, Result};

/// Unix time that goes as tokio's clock goes: steadily, and faster in tests that pause it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    start_ms: i64,
}

impl Clock {
    /// Begins with the system's time.
    pub fn new() -> Self {
        Self { start: Instant::now(), start_ms: unix_ms() }
    }

    /// Unix ms.
    pub fn now_ms(&self) -> i64 {
        self.start_ms.saturating_add(millis(self.start.elapsed()))
    }

    /// The moment of a Unix time; one that has passed is now.
    pub fn instant(&self, at_ms: i64) -> Instant {
        let ahead = at_ms.saturating_sub(self.now_ms());
        after(Duration::from_millis(u64::try_from(ahead).unwrap_or(0)))
    }
}

/// Whole milliseconds.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The moment after this time; about a year from now for times that mean forever.
pub fn after(duration: Duration) -> Instant {
    const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    Instant::now() + duration.min(FOREVER)
}

/// What requests need, wherever they run.
pub struct Shared {
    pub cluster: Cluster,
    pub config: ConsumerConfig,
    pub clock: Clock,
    topics: Mutex<Interest>,
}

/// Topics whose metadata is needed.
struct Interest {
    read: Topics,
    transient: BTreeSet<Str>,
}

impl Shared {
    /// Nothing is read yet.
    pub fn new(cluster: Cluster, config: ConsumerConfig, clock: Clock) -> Self {
        let topics = Mutex::new(Interest { read: Topics::Named(Vec::new()), transient: BTreeSet::new() });
        Self { cluster, config, clock, topics }
    }

    /// These topics are read, in place of those before.
    pub fn set_topics(&self, read: Topics) {
        let mut interest = self.topics.lock();
        interest.read = read;
        interest.transient.clear();
        self.publish(&interest);
    }

    /// The topic's metadata is needed for a look-up. It is kept until other topics are read.
    pub fn need_topic(&self, topic: &Str) {
        let mut interest = self.topics.lock();
        let is_read = match &interest.read {
            Topics::All => true,
            Topics::Named(names) => names.contains(topic),
        };
        if !is_read && interest.transient.insert(topic.clone()) {
            self.publish(&interest);
        }
    }

    fn publish(&self, interest: &Interest) {
        let topics = match &interest.read {
            Topics::All => Topics::All,
            Topics::Named(names) => {
                let mut names = names.clone();
                names.extend(interest.transient.iter().cloned());
                Topics::Named(names)
            }
        };
        self.cluster.set_topics(topics, self.config.allow_auto_create_topics);
    }

    /// `group.id`.
    ///
    /// # Errors
    /// When there is none.
    pub fn group_id(&self) -> Result<Str> {
        self.config.group_id.clone().ok_or_else(|| {
            const NONE: &str = "To use the group management or offset commit APIs, you must provide a valid group.id \
                                in the consumer configuration.";
            Error::api(ErrorCode::InvalidGroupId, Some(NONE))
        })
    }

    /// The deadline of an operation that waits `default.api.timeout.ms`.
    pub fn api_deadline(&self) -> Instant {
        after(self.config.client.default_api_timeout)
    }

    /// The deadline of one request of an operation.
    pub fn request_deadline(&self, operation: Instant) -> Instant {
        operation.min(after(self.config.client.request_timeout))
    }

    /// The group's coordinator, by a connection of its own: a broker takes the requests of a connection one by one, and
    /// fetches wait.
    ///
    /// # Errors
    /// As FindCoordinator answers, or when the time is up.
    pub async fn coordinator(&self, group_id: &str, deadline: Instant) -> Result<i32> {
        Ok(self
            .cluster
            .dedicated(self.cluster.coordinator(CoordinatorKind::Group, group_id, deadline).await?))
    }

    /// Looks for the coordinator anew next time.
    pub fn forget_coordinator(&self, group_id: &str) {
        self.cluster.forget_coordinator(CoordinatorKind::Group, group_id);
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// The last attempt's, when there is no time for another.
    pub async fn back_off(&self, failures: u32, deadline: Instant, error: Error, what: &str) -> Result<()> {
        let at = Instant::now() + self.cluster.backoff(failures);
        if at >= deadline {
            return Err(Error::Timeout(format!("{what}: the time is up; the last attempt failed: {error}")));
        }
        tokio::time::sleep_until(at).await;
        Ok(())
    }

    /// What commits present when no group assigned the partitions.
    pub fn without_membership(&self) -> Result<ConsumerGroupMetadata> {
        Ok(ConsumerGroupMetadata::new(self.group_id()?))
    }
}

/// Whether the connection, and not the broker, failed a request.
pub fn is_connection_error(error: &Error) -> bool {
    matches!(error, Error::Disconnected(_) | Error::Unreachable(_) | Error::Timeout(_))
}

/// Ends waiting in a consumer from elsewhere (`Consumer.wakeup`).
#[derive(Debug, Default)]
pub struct Wakeup {
    called: AtomicBool,
    notify: Notify,
}

impl Wakeup {
    /// The next, or current, waiting ends with [`Error::Wakeup`].
    pub fn wake(&self) {
        self.called.store(true, Ordering::Release);
        self.notify.notify_one();
    }

    /// Takes note of a call.
    ///
    /// # Errors
    /// [`Error::Wakeup`], once for each call.
    pub fn check(&self) -> Result<()> {
        if self.called.swap(false, Ordering::AcqRel) { Err(Error::Wakeup) } else { Ok(()) }
    }

    /// Does `work` unless somebody calls for attention.
    ///
    /// # Errors
    /// [`Error::Wakeup`], or those of the work.
    pub async fn interrupts<T>(self: Arc<Self>, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.check()?;
        tokio::select! {
            biased;
            () = self.called() => {
                self.check()?;
                Err(Error::Wakeup)
            }
            result = work => result,
        }
    }

    /// Completes when somebody called.
    pub async fn called(&self) {
        while !self.called.load(Ordering::Acquire) {
            self.notify.notified().await;
        }
    }
}

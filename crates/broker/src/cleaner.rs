//! The threads that compact logs (Kafka: `LogCleaner`). They may wait for the disk, and long; told to stop, they do so
//! at the next chunk.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ottla_config::broker_config::cleaner::LogCleanerConfig;
use ottla_storage::{CleanerHost, CleanerMetrics, CleanerOptions, CleanerShared, CleanerWorker, LogManager};
use parking_lot::{Condvar, Mutex};

use crate::clock::now_ms;
use crate::dynamic_config::SharedConfig;

/// The running threads; they stop when told to.
pub struct LogCleaner {
    pool: Arc<Pool>,
}

/// The numbers of a log cleaner, for who does not own it.
#[derive(Clone)]
pub struct CleanerGauges(Arc<Pool>);

/// What the threads share.
struct Pool {
    logs: Arc<LogManager>,
    config: Arc<SharedConfig>,
    shared: Arc<CleanerShared>,
    host: Host,
    /// By number, from 0.
    threads: Mutex<HashMap<i32, JoinHandle<()>>>,
}

/// Time, and the end of it.
struct Host {
    started: Instant,
    is_stopping: Mutex<bool>,
    stopped: Condvar,
}

impl LogCleaner {
    /// Starts the threads, unless `log.cleaner.enable` says no. How many there are, and their buffers, may change while
    /// they run.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(logs: Arc<LogManager>, config: Arc<SharedConfig>) -> std::io::Result<Self> {
        let current = config.broker().log_cleaner.clone();
        let host = Host { started: Instant::now(), is_stopping: Mutex::new(false), stopped: Condvar::new() };
        let shared = Arc::new(CleanerShared::new(current.io_max_bytes_per_second, host.elapsed_ms()));
        let pool = Arc::new(Pool { logs, config, shared, host, threads: Mutex::default() });
        if current.enable {
            pool.start_threads(current.threads)?;
        } else {
            tracing::warn!("log.cleaner.enable is false: logs with the policy `compact` are not compacted");
        }
        Ok(Self { pool })
    }

    /// What it says about itself.
    pub fn gauges(&self) -> CleanerGauges {
        CleanerGauges(self.pool.clone())
    }

    /// Stops the threads; what they have begun and not swapped in is given up.
    pub fn stop(self) {
        self.pool.host.stop();
        // A thread may be starting others; it sees the end before it does so again.
        loop {
            let threads = std::mem::take(&mut *self.pool.threads.lock());
            if threads.is_empty() {
                return;
            }
            threads.into_values().for_each(|thread| {
                let _ = thread.join();
            });
        }
    }
}

impl CleanerGauges {
    /// Kafka's gauges of the log cleaner, but for those of single directories
    /// ([`LogManager::uncleanable_logs`]) and [`Self::dead_threads`].
    pub fn metrics(&self) -> CleanerMetrics {
        self.0.shared.metrics(self.0.host.elapsed_ms())
    }

    /// `DeadThreadCount`: threads that ended although they should run.
    pub fn dead_threads(&self) -> usize {
        self.0.threads.lock().values().filter(|thread| thread.is_finished()).count()
    }
}

impl Drop for LogCleaner {
    fn drop(&mut self) {
        self.pool.host.stop();
    }
}

impl Pool {
    /// Starts the threads that are missing of the first `count`.
    fn start_threads(self: &Arc<Self>, count: i32) -> std::io::Result<()> {
        let mut threads = self.threads.lock();
        for id in 0..count {
            if self.host.is_stopping() || threads.get(&id).is_some_and(|thread| !thread.is_finished()) {
                continue;
            }
            let pool = self.clone();
            let name = format!("ottla-cleaner-{id}");
            let thread = std::thread::Builder::new().name(name).spawn(move || pool.run(id))?;
            threads.insert(id, thread);
        }
        Ok(())
    }

    fn run(self: Arc<Self>, id: i32) {
        let mut config = self.config.broker().log_cleaner.clone();
        let mut worker = CleanerWorker::new(&self.shared, options(&config));
        // The first thread stays as long as the broker, and looks after the others.
        while !self.host.is_stopping() && (id == 0 || id < config.threads) {
            if id == 0
                && let Err(why) = self.start_threads(config.threads)
            {
                tracing::warn!(%why, "no thread for the log cleaner");
            }
            if !worker.work(&self.logs, &self.host) {
                worker.release_memory();
                self.host.pause(config.backoff_ms);
            }
            let next = self.config.broker().log_cleaner.clone();
            if next != config {
                self.shared.set_io_max(next.io_max_bytes_per_second);
                worker.set_options(options(&next));
                config = next;
            }
        }
    }
}

fn options(config: &LogCleanerConfig) -> CleanerOptions {
    CleanerOptions {
        dedupe_buffer_bytes: config.dedupe_buffer_per_thread(),
        load_factor: config.load_factor,
        io_buffer_bytes: config.io_buffer_per_thread(),
        max_io_buffer_bytes: usize::try_from(config.message_max_bytes).unwrap_or_default(),
    }
}

impl Host {
    fn stop(&self) {
        *self.is_stopping.lock() = true;
        self.stopped.notify_all();
    }
}

impl CleanerHost for Host {
    fn now_ms(&self) -> i64 {
        now_ms()
    }

    fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn pause(&self, ms: i64) {
        let Ok(ms) = u64::try_from(ms) else { return };
        // A deadline beyond what the clock can count is none.
        let deadline = Instant::now().checked_add(Duration::from_millis(ms));
        let mut is_stopping = self.is_stopping.lock();
        while !*is_stopping {
            match deadline {
                Some(deadline) if self.stopped.wait_until(&mut is_stopping, deadline).timed_out() => return,
                Some(_) => {}
                None => self.stopped.wait(&mut is_stopping),
            }
        }
    }

    fn is_stopping(&self) -> bool {
        *self.is_stopping.lock()
    }
}

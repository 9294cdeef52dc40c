//! Threads for what would block a serving thread: one piece of work for one partition at a time.
//!
//! A partition that has work is on the queue or with one thread, never with two, so its work is done in order; it goes to
//! the queue's end after each piece, so that a busy partition does not keep the others waiting. Threads are made when
//! there is more to do than idle threads: most brokers have none.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use crate::partitions::Partition;

/// Does one piece of a partition's work; whether there is more.
pub type Work = fn(&Arc<Partition>) -> bool;

/// Some threads and their queue.
pub struct PartitionThreads {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    name: &'static str,
    threads_max: usize,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    work: Work,
}

#[derive(Default)]
struct Queue {
    partitions: VecDeque<Arc<Partition>>,
    idle_threads: usize,
    is_stopped: bool,
}

impl PartitionThreads {
    /// No thread yet. They will be called by `name`, which says what they do.
    pub fn new(name: &'static str, threads_max: usize, work: Work) -> Self {
        let shared = Arc::new(Shared { queue: Mutex::default(), wake: Condvar::new(), work });
        Self { shared, threads: Mutex::default(), name, threads_max }
    }

    /// Has a partition's work done. The caller sees to it that the partition is not given twice before the work has said
    /// that there is no more.
    pub fn enqueue(&self, partition: Arc<Partition>) {
        let (is_stopped, all_busy) = {
            let mut queue = self.shared.queue.lock();
            queue.partitions.push_back(partition);
            (queue.is_stopped, queue.partitions.len() > queue.idle_threads)
        };
        self.shared.wake.notify_one();
        if !is_stopped && all_busy {
            self.add_thread();
        }
    }

    /// Another thread, if there may be one.
    fn add_thread(&self) {
        let mut threads = self.threads.lock();
        if threads.len() >= self.threads_max {
            return;
        }
        let shared = self.shared.clone();
        let name = format!("ottla-{}-{}", self.name, threads.len());
        match std::thread::Builder::new().name(name).spawn(move || shared.run()) {
            Ok(thread) => threads.push(thread),
            // Those that there are do the work; without any, this thread must.
            Err(why) if threads.is_empty() => {
                tracing::warn!(%why, to = self.name, "no thread; it is done in place");
                let next = self.shared.queue.lock().partitions.pop_front();
                next.iter().for_each(|partition| self.shared.work_until_done(partition));
            }
            Err(_) => {}
        }
    }

    /// Ends the threads when the queue is empty. What comes later finds none.
    pub fn stop(&self) {
        self.shared.queue.lock().is_stopped = true;
        self.shared.wake.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            let _ = thread.join();
        }
        let rest = std::mem::take(&mut self.shared.queue.lock().partitions);
        rest.iter().for_each(|partition| self.shared.work_until_done(partition));
    }
}

impl Drop for PartitionThreads {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn run(&self) {
        while let Some(partition) = self.next() {
            if (self.work)(&partition) {
                self.queue.lock().partitions.push_back(partition);
            }
        }
    }

    /// The next partition that has work; none when there will be no more.
    fn next(&self) -> Option<Arc<Partition>> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(partition) = queue.partitions.pop_front() {
                return Some(partition);
            }
            if queue.is_stopped {
                return None;
            }
            queue.idle_threads += 1;
            self.wake.wait(&mut queue);
            queue.idle_threads -= 1;
        }
    }

    fn work_until_done(&self, partition: &Arc<Partition>) {
        while (self.work)(partition) {}
    }
}

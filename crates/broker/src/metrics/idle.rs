//! How idle the data threads are, from the processor time that the system counts for each thread: nothing is measured in
//! the threads themselves.

use std::collections::VecDeque;
use std::fs;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// What the data threads' names begin with.
pub(super) const DATA_THREADS: &str = "ottla-net-";
/// Samples that are kept; the oldest is what a scrape compares with.
const SAMPLES_MAX: usize = 7;
/// Time between samples.
pub(crate) const SAMPLE_INTERVAL: Duration = Duration::from_secs(10);

/// Processor time of all threads of one name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ThreadTime {
    pub name: String,
    pub seconds: f64,
}

/// The processor time of this process's threads, by name. Empty where the system does not tell.
pub(super) fn thread_times() -> Vec<ThreadTime> {
    let mut times: Vec<ThreadTime> = Vec::new();
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let path = task.path();
        let name = fs::read_to_string(path.join("comm"));
        let time = fs::read_to_string(path.join("schedstat"));
        // A thread may end meanwhile.
        let (Ok(name), Ok(time)) = (name, time) else { continue };
        let Some(seconds) = seconds_on_cpu(&time) else { continue };
        let name = name.trim_end();
        match times.iter_mut().find(|known| known.name == name) {
            Some(known) => known.seconds += seconds,
            None => times.push(ThreadTime { name: name.to_owned(), seconds }),
        }
    }
    times.sort_by(|a, b| a.name.cmp(&b.name));
    times
}

/// The first field of `schedstat`: nanoseconds on a processor.
fn seconds_on_cpu(schedstat: &str) -> Option<f64> {
    let nanos: u64 = schedstat.split_ascii_whitespace().next()?.parse().ok()?;
    Some(nanos as f64 / 1e9)
}

/// Remembers samples of about the last minute.
#[derive(Debug, Default)]
pub(crate) struct IdleShare(Mutex<VecDeque<Sample>>);

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    /// Of all data threads together, in seconds.
    busy: f64,
}

impl IdleShare {
    /// Takes a sample. To be called every [`SAMPLE_INTERVAL`].
    pub fn sample(&self) {
        let (_, busy) = data_threads(&thread_times());
        let mut samples = self.0.lock();
        samples.push_back(Sample { at: Instant::now(), busy });
        if samples.len() > SAMPLES_MAX {
            samples.pop_front();
        }
    }

    /// The share of their time in which the data threads had nothing to do, 0 to 1, since the oldest sample.
    pub(super) fn share(&self, times: &[ThreadTime]) -> f64 {
        let (threads, busy) = data_threads(times);
        let oldest = self.0.lock().front().copied();
        match oldest {
            Some(oldest) => idle_share(threads, oldest.at.elapsed().as_secs_f64(), busy - oldest.busy),
            None => 1.0,
        }
    }
}

/// Number of data threads, and how long they were busy together, in seconds.
fn data_threads(times: &[ThreadTime]) -> (usize, f64) {
    let data = times.iter().filter(|time| time.name.starts_with(DATA_THREADS));
    data.fold((0, 0.0), |(count, sum), time| (count + 1, sum + time.seconds))
}

fn idle_share(threads: usize, elapsed: f64, busy: f64) -> f64 {
    let available = threads as f64 * elapsed;
    if available <= 0.0 { 1.0 } else { (1.0 - busy / available).clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_idle_when_they_do_not_run() {
        assert_eq!(idle_share(2, 10.0, 5.0), 0.75);
        assert_eq!(idle_share(2, 10.0, 21.0), 0.0);
        assert_eq!(idle_share(2, 10.0, -1.0), 1.0);
        assert_eq!(idle_share(0, 10.0, 0.0), 1.0);
        assert_eq!(idle_share(1, 0.0, 0.0), 1.0);
    }

    #[test]
    fn only_data_threads_count() {
        let time = |name: &str, seconds| ThreadTime { name: name.into(), seconds };
        let times = [time("ottla-net-0", 1.5), time("ottla-net-1", 2.0), time("ottla-control", 4.0)];
        assert_eq!(data_threads(&times), (2, 3.5));
        assert_eq!(seconds_on_cpu("1500000000 20 3\n"), Some(1.5));
        assert_eq!(seconds_on_cpu(""), None);
    }
}

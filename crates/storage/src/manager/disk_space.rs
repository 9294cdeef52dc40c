//! A log directory that fills up is reported while there is still time to act.
//!
//! A full disk takes the directory offline, here as in Kafka, and with the only directory the broker. So the log tells
//! beforehand: once when the space becomes scarce, again each time it has halved, with the time that is left at
//! the pace of the last minutes, and once when it is over.

use std::time::Duration;

use super::LogManager;

/// Less than this part of the disk is scarce (1/n) ...
const SCARCE_PART: u64 = 20;
/// ... but more than this never is. Bytes.
const SCARCE_BYTES_MAX: u64 = 10 << 30;

/// What the file system says of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Size in bytes.
    pub total: u64,
    /// Bytes that this process may still write.
    pub usable: u64,
}

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Space is scarce, and scarcer than when it was last told.
    Scarce {
        /// Until it is full, at the pace since the last look; none when it does not shrink.
        full_in: Option<Duration>,
    },
    /// There is enough again.
    Enough,
}

/// Looks at one directory from time to time.
#[derive(Debug, Default)]
pub struct DiskWatch {
    /// Usable bytes when it was last told; none while there is enough.
    told: Option<u64>,
    /// The last look: time in ms, usable bytes.
    last: Option<(i64, u64)>,
}

impl DiskWatch {
    /// Takes in a look.
    pub fn observe(&mut self, space: DiskSpace, now_ms: i64) -> Option<Notice> {
        let before = self.last.replace((now_ms, space.usable));
        let scarce = (space.total / SCARCE_PART).min(SCARCE_BYTES_MAX);
        match self.told {
            // Some way above the bound, so that it is not told again and again.
            Some(_) if space.usable > scarce + scarce / 4 => {
                self.told = None;
                Some(Notice::Enough)
            }
            Some(told) if told == 0 || space.usable > told / 2 => None,
            None if space.usable >= scarce => None,
            _ => {
                self.told = Some(space.usable);
                Some(Notice::Scarce { full_in: full_in(before, space.usable, now_ms) })
            }
        }
    }
}

fn full_in(before: Option<(i64, u64)>, usable: u64, now_ms: i64) -> Option<Duration> {
    let (then_ms, then) = before?;
    let used = then.checked_sub(usable).filter(|used| *used > 0)?;
    let elapsed_ms = u128::from(now_ms.checked_sub(then_ms)?.unsigned_abs());
    let left_ms = u128::from(usable) * elapsed_ms / u128::from(used);
    Some(Duration::from_millis(u64::try_from(left_ms).unwrap_or(u64::MAX)))
}

impl LogManager {
    /// Tells of directories that fill up. `watches` are those of the directories, in their order.
    pub fn watch_disk_space(&self, watches: &mut Vec<DiskWatch>, now_ms: i64) {
        watches.resize_with(self.dirs.len(), DiskWatch::default);
        for (dir, watch) in self.dirs.iter().zip(watches).filter(|(dir, _)| dir.is_online()) {
            // A file system that can't say is not watched.
            let Ok((total, usable)) = dir.space() else { continue };
            let path = dir.path().display();
            let (free, of) = (usable >> 20, total >> 20);
            match watch.observe(DiskSpace { total, usable }, now_ms) {
                None => {}
                Some(Notice::Enough) => {
                    tracing::info!("log directory {path}: {free} MiB of {of} are free again")
                }
                Some(Notice::Scarce { full_in: None }) => {
                    tracing::warn!("log directory {path}: only {free} MiB of {of} are free; {CURE}");
                }
                Some(Notice::Scarce { full_in: Some(left) }) => {
                    let minutes = left.as_secs() / 60;
                    tracing::warn!(
                        "log directory {path}: only {free} MiB of {of} are free, used up in about {minutes} minutes at this \
                         pace; {CURE}"
                    );
                }
            }
        }
    }
}

const CURE: &str = "when it is full the directory goes offline: free space, or lower retention.bytes or retention.ms of \
                    large topics";

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn look(watch: &mut DiskWatch, usable: u64, minute: i64) -> Option<Notice> {
        watch.observe(DiskSpace { total: 100 * GIB, usable }, minute * 60_000)
    }

    #[test]
    fn scarcity_is_told_once_per_halving_and_its_end_once() {
        let mut watch = DiskWatch::default();
        assert_eq!(look(&mut watch, 6 * GIB, 0), None);
        let left = Some(Duration::from_secs(4 * 60));
        assert_eq!(look(&mut watch, 4 * GIB, 2), Some(Notice::Scarce { full_in: left }));
        assert_eq!(look(&mut watch, 3 * GIB, 3), None);
        assert_eq!(look(&mut watch, 4 * GIB, 4), None);
        assert_eq!(
            look(&mut watch, 2 * GIB, 5),
            Some(Notice::Scarce { full_in: Some(Duration::from_secs(60)) })
        );
        assert_eq!(look(&mut watch, 6 * GIB, 6), None, "not yet far enough above the bound");
        assert_eq!(look(&mut watch, 7 * GIB, 7), Some(Notice::Enough));
        assert_eq!(look(&mut watch, 8 * GIB, 8), None);
    }

    #[test]
    fn a_large_disk_is_not_scarce_at_five_percent_and_a_still_one_has_no_end() {
        let mut watch = DiskWatch::default();
        let total = 10_000 * GIB;
        assert_eq!(watch.observe(DiskSpace { total, usable: 400 * GIB }, 0), None);
        assert_eq!(
            watch.observe(DiskSpace { total, usable: 9 * GIB }, 0),
            Some(Notice::Scarce { full_in: Some(Duration::ZERO) })
        );
        let mut first = DiskWatch::default();
        assert_eq!(first.observe(DiskSpace { total, usable: 0 }, 5), Some(Notice::Scarce { full_in: None }));
        assert_eq!(first.observe(DiskSpace { total, usable: 0 }, 6), None);
    }
}

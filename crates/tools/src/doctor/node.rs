//! Configuration, disks, limits and clock of this machine.

use std::path::{Path, PathBuf};

use ottla_client::config::Properties;
use ottla_config::BrokerConfig;
use rustix::process::{Resource, getrlimit};

use super::finding::{Findings, Level};
use crate::console::log_line::Date;

/// 2026-01-01: a clock before it is not set.
const CLOCK_MIN_MS: i64 = 1_767_225_600_000;
/// Kafka's documentation asks for 100,000.
const OPEN_FILES_WANTED: u64 = 100_000;
const OPEN_FILES_MIN: u64 = 4096;
const MIB: u64 = 1 << 20;

/// A clock that is not set makes retention delete, or keep, what it should not.
pub fn clock(now_ms: i64, findings: &mut Findings) {
    let shown = Date::of_unix_ms(now_ms).format("yyyy-MM-dd HH:mm:ss");
    if now_ms < CLOCK_MIN_MS {
        let text = format!("it says {shown} UTC, which is long past: set it, for retention goes by it");
        findings.add(Level::Wrong, "clock", text);
    } else {
        findings.add(Level::Fine, "clock", format!("{shown} UTC"));
    }
}

/// Each connection and each segment in use is an open file.
pub fn open_files(findings: &mut Findings) {
    judge_open_files(getrlimit(Resource::Nofile).current, findings);
}

fn judge_open_files(limit: Option<u64>, findings: &mut Findings) {
    let cure = "raise it with `ulimit -n` or LimitNOFILE= of the service";
    match limit {
        None => findings.add(Level::Fine, "open files", "no limit"),
        Some(limit) if limit >= OPEN_FILES_WANTED => {
            findings.add(Level::Fine, "open files", format!("up to {limit}"));
        }
        Some(limit) if limit >= OPEN_FILES_MIN => {
            let text = format!(
                "up to {limit}; with many partitions and connections {OPEN_FILES_WANTED} are wanted: {cure}"
            );
            findings.add(Level::Doubtful, "open files", text);
        }
        Some(limit) => {
            let text =
                format!("no more than {limit}: connections will be refused and logs can't be opened; {cure}");
            findings.add(Level::Wrong, "open files", text);
        }
    }
}

/// What a configuration says, and the directories that it names.
pub fn configuration(properties: &Properties, findings: &mut Findings) {
    match BrokerConfig::from_properties(&properties.clone().into_iter().collect()) {
        Err(errors) => {
            errors.iter().for_each(|error| findings.add(Level::Wrong, "configuration", error.explain()));
        }
        Ok((config, warnings)) => {
            warnings.iter().for_each(|w| findings.add(Level::Doubtful, "configuration", w.to_string()));
            if warnings.is_empty() {
                let text = format!("node {}, nothing contradicts itself", config.node_id);
                findings.add(Level::Fine, "configuration", text);
            }
            for dir in &config.storage.log_dirs {
                directory(Path::new(dir), findings);
            }
        }
    }
}

fn directory(dir: &Path, findings: &mut Findings) {
    let Some(existing) = nearest(dir) else {
        findings.add(
            Level::Wrong,
            "log directory",
            format!("{} can't be made: nothing above it exists", dir.display()),
        );
        return;
    };
    let shown = dir.display();
    if rustix::fs::access(&existing, rustix::fs::Access::WRITE_OK).is_err() {
        let text = format!("{shown} can't be written to: {} belongs to somebody else", existing.display());
        findings.add(Level::Wrong, "log directory", text);
        return;
    }
    match rustix::fs::statvfs(&existing) {
        Err(why) => findings.add(Level::Wrong, "log directory", format!("{shown}: {why}")),
        Ok(space) => {
            let unit = space.f_frsize;
            let free = space.f_bavail.saturating_mul(unit);
            judge_space(dir, free, space.f_blocks.saturating_mul(unit), findings);
        }
    }
}

fn judge_space(dir: &Path, free: u64, total: u64, findings: &mut Findings) {
    let percent = free.saturating_mul(100).checked_div(total).unwrap_or(0);
    let said = format!("{} has {} MiB free ({percent} %)", dir.display(), free / MIB);
    let level = match percent {
        _ if free < 100 * MIB => Level::Wrong,
        0..10 => Level::Doubtful,
        _ => Level::Fine,
    };
    let cure =
        if level == Level::Fine { "" } else { ": make room, or lower retention.ms and retention.bytes" };
    findings.add(level, "log directory", format!("{said}{cure}"));
}

/// The directory, or the nearest above it that exists.
fn nearest(dir: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(dir).ok()?;
    absolute.ancestors().find(|above| above.is_dir()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(look: impl Fn(&mut Findings)) -> Level {
        let mut findings = Findings::default();
        look(&mut findings);
        findings.worst()
    }

    #[test]
    fn limits_and_clocks() {
        assert_eq!(levels(|f| judge_open_files(None, f)), Level::Fine);
        assert_eq!(levels(|f| judge_open_files(Some(1_000_000), f)), Level::Fine);
        assert_eq!(levels(|f| judge_open_files(Some(65_536), f)), Level::Doubtful);
        assert_eq!(levels(|f| judge_open_files(Some(1024), f)), Level::Wrong);
        assert_eq!(levels(|f| clock(0, f)), Level::Wrong);
        assert_eq!(levels(|f| clock(CLOCK_MIN_MS, f)), Level::Fine);
    }

    #[test]
    fn disks_and_settings() {
        let dir = Path::new("/data");
        assert_eq!(levels(|f| judge_space(dir, 50 * MIB, 1000 * MIB, f)), Level::Wrong);
        assert_eq!(levels(|f| judge_space(dir, 500 * MIB, 10_000 * MIB, f)), Level::Doubtful);
        assert_eq!(levels(|f| judge_space(dir, 5000 * MIB, 10_000 * MIB, f)), Level::Fine);
        let wrong = Properties::from([("num.partitions".to_owned(), "many".to_owned())]);
        assert_eq!(levels(|f| configuration(&wrong, f)), Level::Wrong);
    }
}

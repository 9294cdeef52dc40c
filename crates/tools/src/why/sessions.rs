//! Members that have not been heard of for long.

use super::facts::Look;
use super::finding::{Finding, Level};
use crate::words::duration;

/// One for each member that has been silent for more than half of its session, where the coordinator tells.
pub fn silent(last: &Look) -> Vec<Finding> {
    let Some(detail) = &last.detail else { return Vec::new() };
    let mut found = Vec::new();
    for (member_id, session) in &detail.sessions {
        let Some(silent_ms) = session.silent_ms.filter(|ms| *ms > session.timeout_ms / 2) else { continue };
        let left_ms = session.timeout_ms.saturating_sub(silent_ms).max(0);
        let text = format!(
            "{} was last heard of {} ago; without a heartbeat it is removed in {}.",
            last.name_of(member_id),
            duration(silent_ms),
            duration(left_ms)
        );
        let cure = "its process has stopped, is cut off, or does not come to run (garbage collection, a frozen \
                    container); its partitions go to others when its session ends";
        let finding = Finding::new(Level::Cause, "missing heartbeat", text).cure(cure);
        let finding = finding.number("member", member_id.as_str()).number("silent_ms", silent_ms);
        found.push(finding.number("session_timeout_ms", session.timeout_ms));
    }
    found
}

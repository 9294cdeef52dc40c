//! Whether the node lives and serves, and if not, why.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use serde_json::json;

use crate::fatal::Fatal;
use crate::metrics::Sources;

/// Where a node is between its start and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    Serving,
    Stopping,
}

/// What is known of a node's health.
pub(crate) struct Health {
    stage: Mutex<Stage>,
    fatal: Fatal,
    /// Known once the node serves.
    sources: OnceLock<Sources>,
}

/// Whether a node lives and serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    /// Whether it may go on. If not, only a restart helps.
    pub is_live: bool,
    /// Whether it serves requests.
    pub is_ready: bool,
    /// What is wrong; also of what does not keep it from serving.
    pub reasons: Vec<String>,
}

impl Health {
    /// Of a node that is starting.
    pub fn starting(fatal: Fatal) -> Arc<Self> {
        Arc::new(Self { stage: Mutex::new(Stage::Starting), fatal, sources: OnceLock::new() })
    }

    /// The node serves.
    pub fn serving(&self, sources: Sources) {
        let _ = self.sources.set(sources);
        *self.stage.lock() = Stage::Serving;
    }

    /// The node has begun to stop.
    pub fn stopping(&self) {
        *self.stage.lock() = Stage::Stopping;
    }

    /// Where numbers come from, once the node serves.
    pub fn sources(&self) -> Option<&Sources> {
        self.sources.get()
    }

    pub(super) fn report(&self) -> Report {
        let stage = *self.stage.lock();
        let fatal = self.fatal.reason();
        let mut reasons: Vec<String> =
            fatal.map(|why| format!("the node stops: {why}")).into_iter().collect();
        match stage {
            Stage::Starting => reasons.push("the node is starting: its logs are being loaded".into()),
            Stage::Stopping => reasons.push("the node is being stopped".into()),
            Stage::Serving => {}
        }
        reasons.extend(self.sources().map(failed_dirs).unwrap_or_default());
        let is_live = fatal.is_none();
        Report { is_live, is_ready: is_live && stage == Stage::Serving, reasons }
    }
}

/// Log directories that do not serve: the others do, so that this alone does not make a node unready.
fn failed_dirs(sources: &Sources) -> Vec<String> {
    let logs = &sources.broker.logs;
    let line =
        |path: &std::path::Path, why: &str| format!("log directory {} is offline: {why}", path.display());
    let failed = logs.log_dirs().iter().filter(|dir| !dir.is_online());
    let failed = failed.map(|dir| line(dir.path(), &dir.offline_reason().unwrap_or_default()));
    failed.chain(logs.offline_at_start().iter().map(|dir| line(&dir.path, &dir.reason))).collect()
}

impl Report {
    /// As JSON.
    pub(super) fn to_json(&self) -> String {
        let status = match (self.is_live, self.is_ready, self.reasons.is_empty()) {
            (false, ..) => "failed",
            (true, false, _) => "not ready",
            (true, true, false) => "degraded",
            (true, true, true) => "ok",
        };
        let body = json!({
            "status": status, "live": self.is_live, "ready": self.is_ready, "reasons": self.reasons,
        });
        format!("{body}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_between_its_start_and_its_end() {
        let (fatal, _reason) = Fatal::new();
        let health = Health::starting(fatal.clone());
        let report = health.report();
        assert!(report.is_live && !report.is_ready && report.reasons[0].contains("starting"));
        assert!(
            report.to_json().starts_with(r#"{"status":"not ready","live":true,"ready":false,"reasons":["#)
        );
        *health.stage.lock() = Stage::Serving;
        assert_eq!(health.report(), Report { is_live: true, is_ready: true, reasons: Vec::new() });
        assert!(health.report().to_json().contains(r#""status":"ok""#));
        fatal.raise("the disk is gone");
        let report = health.report();
        assert!(!report.is_live && !report.is_ready);
        assert_eq!(report.reasons, ["the node stops: the disk is gone"]);
        health.stopping();
        assert_eq!(health.report().reasons.len(), 2);
    }
}

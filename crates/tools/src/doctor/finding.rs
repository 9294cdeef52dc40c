//! What was found, and how it is printed.

use serde_json::json;

use crate::{Io, outln};

/// How bad it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    #[default]
    Fine,
    /// It works, and may not when it matters.
    Doubtful,
    /// It does not work.
    Wrong,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Fine => "ok",
            Level::Doubtful => "warn",
            Level::Wrong => "FAIL",
        }
    }
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Findings(Vec<(Level, &'static str, String)>);

impl Findings {
    /// Adds one: what was looked at, and what is said of it, with the cure when there is something to cure.
    pub fn add(&mut self, level: Level, what: &'static str, text: impl Into<String>) {
        self.0.push((level, what, text.into()));
    }

    /// The worst of them.
    pub fn worst(&self) -> Level {
        self.0.iter().map(|(level, _, _)| *level).max().unwrap_or_default()
    }

    /// Prints them, as lines or as JSON.
    pub fn print(&self, io: &mut Io) {
        if io.json() {
            let all: Vec<_> = self
                .0
                .iter()
                .map(|(level, what, text)| json!({"level": level.name(), "check": what, "text": text}))
                .collect();
            io.print_json(&all.into());
            return;
        }
        for (level, what, text) in &self.0 {
            outln!(io, "{:<5}{what:<14}{text}", level.name());
        }
    }
}

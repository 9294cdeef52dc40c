//! What was concluded, and how it is printed.

use serde_json::{Map, Value, json};

use super::facts::Look;
use crate::words::{count, duration};
use crate::{Io, outln};

/// What it means for the question that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// All is well.
    Fine,
    /// Worth knowing, but not the answer.
    Note,
    /// The answer, or a part of it.
    Cause,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Fine => "fine",
            Level::Note => "note",
            Level::Cause => "cause",
        }
    }
}

/// A conclusion.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it means.
    pub level: Level,
    /// Its kind, for programs and as heading: `slow member`.
    pub what: &'static str,
    /// It, in a sentence.
    pub text: String,
    /// What to do; empty for nothing.
    pub cure: String,
    /// How many records it concerns: what orders findings of one level.
    pub weight: i64,
    /// What it was concluded from.
    pub numbers: Vec<(&'static str, Value)>,
}

impl Finding {
    /// A conclusion without a cure, without weight and without numbers.
    pub fn new(level: Level, what: &'static str, text: impl Into<String>) -> Self {
        Self { level, what, text: text.into(), cure: String::new(), weight: 0, numbers: Vec::new() }
    }

    /// With what to do.
    pub fn cure(self, cure: impl Into<String>) -> Self {
        Self { cure: cure.into(), ..self }
    }

    /// With the number of records that it concerns.
    pub fn weight(self, weight: i64) -> Self {
        Self { weight, ..self }
    }

    /// With a number that it was concluded from.
    pub fn number(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.numbers.push((name, value.into()));
        self
    }

    fn to_json(&self) -> Value {
        let numbers: Map<String, Value> =
            self.numbers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        json!({
            "level": self.level.name(),
            "finding": self.what,
            "text": self.text,
            "cure": self.cure,
            "numbers": numbers,
        })
    }
}

/// The worst first, and of these what concerns most records.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| std::cmp::Reverse((finding.level, finding.weight)));
}

/// Prints what the looks have found, and what is concluded.
pub fn print(io: &mut Io, group: &str, question: &str, looks: &[Look], findings: &[Finding]) {
    if io.json() {
        let looks: Vec<Value> = looks.iter().map(summary).collect();
        let findings: Vec<Value> = findings.iter().map(Finding::to_json).collect();
        let document = json!({"group": group, "question": question, "looks": looks, "findings": findings});
        return io.print_json(&document);
    }
    for line in head(group, looks) {
        outln!(io, "{line}");
    }
    for finding in findings {
        let level = match (finding.level, io.colours()) {
            (Level::Fine, true) => "\x1b[32mfine \x1b[0m",
            (Level::Note, true) => "\x1b[33mnote \x1b[0m",
            (Level::Cause, true) => "\x1b[1;31mcause\x1b[0m",
            (Level::Fine, false) => "fine ",
            (Level::Note, false) => "note ",
            (Level::Cause, false) => "cause",
        };
        outln!(io, "\n{level} {}: {}", finding.what, finding.text);
        if !finding.cure.is_empty() {
            outln!(io, "      What to do: {}", finding.cure);
        }
    }
}

fn head(group: &str, looks: &[Look]) -> Vec<String> {
    let Some(last) = looks.last() else { return Vec::new() };
    let mut lines = vec![format!(
        "Group {group} ({}): {}, {} members, {} partitions, {} records behind",
        last.kind.name().to_lowercase(),
        last.state,
        last.members.len(),
        last.partitions.len(),
        count(last.lag()),
    )];
    if let Some(first) = looks.first().filter(|first| first.at_ms < last.at_ms) {
        let ago = duration(last.at_ms - first.at_ms);
        lines.push(format!("{ago} before: {}, {} records behind", first.state, count(first.lag())));
    }
    lines
}

fn summary(look: &Look) -> Value {
    json!({
        "at_ms": look.at_ms,
        "type": look.kind.name(),
        "state": look.state.name(),
        "members": look.members.len(),
        "partitions": look.partitions.len(),
        "lag": look.lag(),
    })
}

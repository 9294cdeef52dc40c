//! The table: on the terminal, and between the marks of a Markdown file.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::Effort;
use crate::contestant::Kind;
use crate::machine;
use crate::stats::{bootstrap_90, median};
use crate::work::{Metric, Slice};

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// One line of the table.
struct Line {
    row: String,
    metric: Metric,
    a: f64,
    b: f64,
    ratio: f64,
    interval: (f64, f64),
    slices: usize,
}

/// All lines so far.
pub struct Report {
    kinds: [Kind; 2],
    effort: Effort,
    lines: Vec<Line>,
    failures: Vec<String>,
    rows: usize,
    steal_max: f64,
}

impl Report {
    /// An empty table.
    pub fn new(a: Kind, b: Kind, effort: Effort) -> Self {
        Self { kinds: [a, b], effort, lines: Vec::new(), failures: Vec::new(), rows: 0, steal_max: 0.0 }
    }

    /// Adds and prints the lines of a row from its pairs of neighbouring slices.
    pub fn row(&mut self, name: &str, pairs: &[[Slice; 2]], steal: f64) {
        self.rows += 1;
        self.steal_max = self.steal_max.max(steal);
        if self.lines.is_empty() {
            let [a, b] = self.kinds;
            println!("{:<67} {:>10} {:>10} {:>8}  90 % of medians", "", a, b, "ratio");
        }
        let metrics: Vec<Metric> =
            pairs.first().map(|[a, _]| a.iter().map(|(m, _)| *m).collect()).unwrap_or_default();
        for metric in metrics {
            let line = Line::new(name, metric, pairs);
            println!(
                "{:<67} {:>10} {:>10} {:>8}  {} .. {}",
                format!("{name}: {}", metric.label()),
                short(line.a),
                short(line.b),
                short(line.ratio),
                short(line.interval.0),
                short(line.interval.1)
            );
            self.lines.push(line);
        }
    }

    /// Notes a row that could not be measured.
    pub fn failed(&mut self, name: &str, why: &anyhow::Error) {
        self.rows += 1;
        println!("{name}: FAILED: {why:#}");
        self.failures.push(format!("{name}: {why:#}"));
    }

    /// Rows so far, failed ones too.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Prints what the run was; an error when a row failed.
    pub fn finish(&self) -> Result<()> {
        println!("\n{}", self.conditions());
        if !self.failures.is_empty() {
            bail!("{} rows failed", self.failures.len());
        }
        Ok(())
    }

    fn conditions(&self) -> String {
        format!(
            "{}. {} rotations of slices of {:.1} s; at most {:.0} % of a row's time was stolen by other guests of the host.",
            machine::description(),
            self.effort.rotations,
            self.effort.slice.as_secs_f64(),
            self.steal_max
        )
    }

    /// Replaces what stands between the marks of the file.
    pub fn write_markdown(&self, path: &Path) -> Result<()> {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let text = between_marks(&text, &self.markdown())
            .with_context(|| format!("no marks in {}", path.display()))?;
        fs::write(path, text).with_context(|| format!("writing {}", path.display()))
    }

    fn markdown(&self) -> String {
        let [a, b] = self.kinds;
        let mut text = format!("{}, {}\n\n", date(), self.conditions());
        text += &format!(
            "| | | {a} | {b} | ratio | 90 % | slices |\n| --- | --- | ---: | ---: | ---: | --- | ---: |\n"
        );
        let mut last = "";
        for line in &self.lines {
            let row = if line.row == last { "" } else { &line.row };
            last = &line.row;
            text += &format!(
                "| {row} | {} | {} | {} | **{}** | {} .. {} | {} |\n",
                line.metric.label(),
                short(line.a),
                short(line.b),
                short(line.ratio),
                short(line.interval.0),
                short(line.interval.1),
                line.slices
            );
        }
        text
    }
}

impl Line {
    fn new(row: &str, metric: Metric, pairs: &[[Slice; 2]]) -> Self {
        let of = |slice: &Slice| slice.iter().find(|(m, _)| *m == metric).map_or(0.0, |(_, value)| *value);
        let values = |i: usize| pairs.iter().map(|pair| of(&pair[i])).collect::<Vec<f64>>();
        let (a, b) = (values(0), values(1));
        let ratios: Vec<f64> = a.iter().zip(&b).filter(|(_, b)| **b > 0.0).map(|(a, b)| a / b).collect();
        Self {
            row: row.to_string(),
            metric,
            a: median(&a),
            b: median(&b),
            ratio: median(&ratios),
            interval: bootstrap_90(&ratios),
            slices: pairs.len(),
        }
    }
}

/// Three digits that mean something.
fn short(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 0.1 => format!("{v:.2}"),
        v => format!("{v:.4}"),
    }
}

fn between_marks(text: &str, content: &str) -> Option<String> {
    let begin = text.find(BEGIN)? + BEGIN.len();
    let end = begin + text.get(begin..)?.find(END)?;
    Some(format!("{}\n{}{}", &text[..begin], content, &text[end..]))
}

/// Today in UTC, as year-month-day.
fn date() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (year, month, day) = civil((seconds / 86_400) as i64);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Year, month and day of a day since 1970-01-01 (Howard Hinnant's algorithm).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(20_777), (2026, 11, 20));
    }

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        assert_eq!(between_marks(&text, "new\n"), Some(format!("a\n{BEGIN}\nnew\n{END}\nb\n")));
        assert_eq!(between_marks("a", "new"), None);
    }

    #[test]
    fn a_line_pairs_neighbouring_slices() {
        let pair = |a: f64, b: f64| [vec![(Metric::Rate, a)], vec![(Metric::Rate, b)]];
        let line = Line::new("x", Metric::Rate, &[pair(1.0, 2.0), pair(3.0, 4.0), pair(90.0, 100.0)]);
        assert_eq!((line.a, line.b, line.ratio, line.slices), (3.0, 4.0, 0.75, 3));
    }
}

//! What was found: printed while it comes, then as a Markdown table, as JSON, and as pictures.
//!
//! | file | what |
//! | --- | --- |
//! | `markdown` | the table between the marks of a file |
//! | `json` | everything, each slice too |
//! | `ratios`, `percentiles` | pictures, drawn with `svg` |
//! | `date` | today |

mod date;
mod json;
mod markdown;
mod percentiles;
mod ratios;
mod svg;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::disturbance::Disturbance;
use crate::effort::Effort;
use crate::histogram::Histogram;
use crate::machine;
use crate::metric::{Metric, Slice};
use crate::stats::{bootstrap_90, median};

/// One line of the table.
struct Line {
    row: String,
    metric: Metric,
    a: f64,
    b: f64,
    ratio: f64,
    interval: (f64, f64),
    /// Of neighbouring slices.
    pairs: Vec<[f64; 2]>,
}

/// How long things took in all slices of a row, of each contestant.
struct Curve {
    row: String,
    took: [Histogram; 2],
}

/// All that was found so far.
pub struct Report {
    names: [String; 2],
    effort: Effort,
    /// Measured whatever others did.
    forced: bool,
    lines: Vec<Line>,
    curves: Vec<Curve>,
    failures: Vec<String>,
    /// Rows that one of the two cannot do, and why.
    left_out: Vec<String>,
    rows: usize,
    worst: Disturbance,
}

impl Report {
    /// An empty table.
    pub fn new(names: [String; 2], effort: Effort, forced: bool) -> Self {
        Self {
            names,
            effort,
            forced,
            lines: Vec::new(),
            curves: Vec::new(),
            failures: Vec::new(),
            left_out: Vec::new(),
            rows: 0,
            worst: Disturbance::default(),
        }
    }

    /// Adds and prints the lines of a row from its pairs of neighbouring slices.
    pub fn row(&mut self, name: &str, pairs: &[[Slice; 2]], disturbance: Disturbance) {
        self.rows += 1;
        self.worst = self.worst.worse(disturbance);
        if self.lines.is_empty() {
            let [a, b] = &self.names;
            println!("{:<87} {:>10} {:>10} {:>8}  90 % of medians", "", a, b, "ratio");
        }
        let metrics: Vec<Metric> =
            pairs.first().map(|[a, _]| a.values.iter().map(|(m, _)| *m).collect()).unwrap_or_default();
        for metric in metrics {
            let line = Line::new(name, metric, pairs);
            println!(
                "{:<87} {:>10} {:>10} {:>8}  {} .. {}",
                format!("{name}: {}", metric.label()),
                short(line.a),
                short(line.b),
                short(line.ratio),
                short(line.interval.0),
                short(line.interval.1)
            );
            self.lines.push(line);
        }
        let mut took = [Histogram::default(), Histogram::default()];
        for (i, all) in took.iter_mut().enumerate() {
            pairs.iter().for_each(|pair| all.merge(&pair[i].latencies));
        }
        if took.iter().all(|all| all.count() > 0) {
            self.curves.push(Curve { row: name.to_string(), took });
        }
    }

    /// Notes a row that could not be measured.
    pub fn failed(&mut self, name: &str, why: &anyhow::Error) {
        self.rows += 1;
        println!("{name}: FAILED: {why:#}");
        self.failures.push(format!("{name}: {why:#}"));
    }

    /// Notes a row that one of the two cannot do.
    pub fn left_out(&mut self, name: &str, why: &str) {
        self.rows += 1;
        println!("{name}: left out, {why}");
        self.left_out.push(format!("{name}: {why}"));
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

    /// Writes what was asked for. Pictures first: the table shows those that are there.
    pub fn write(&self, markdown: Option<&Path>, json: Option<&Path>, svg: Option<&Path>) -> Result<()> {
        let mut pictures = Vec::new();
        if let Some(folder) = svg {
            fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
            for (name, title, picture) in self.pictures() {
                let path = folder.join(name);
                fs::write(&path, picture).with_context(|| format!("writing {}", path.display()))?;
                pictures.push((path, title));
            }
        }
        if let Some(path) = json {
            fs::write(path, self.json()).with_context(|| format!("writing {}", path.display()))?;
        }
        if let Some(path) = markdown {
            self.write_markdown(path, &pictures)?;
        }
        Ok(())
    }

    /// File names, titles and contents of the pictures that have something to show.
    fn pictures(&self) -> Vec<(&'static str, String, String)> {
        let [a, b] = &self.names;
        let of = |more_is_better: bool| -> Vec<&Line> {
            self.lines.iter().filter(|line| line.metric.more_is_better() == more_is_better).collect()
        };
        let costs = format!("Costs: {a} as a multiple of {b} (left of 1: {a} needs less)");
        let rates = format!("Throughput: {a} as a multiple of {b} (right of 1: {a} does more)");
        let curves = format!("Latency by percentile: {a} and {b}");
        let mut found = Vec::new();
        if !of(false).is_empty() {
            found.push(("costs.svg", costs.clone(), ratios::picture(&costs, &of(false))));
        }
        if !of(true).is_empty() {
            found.push(("throughput.svg", rates.clone(), ratios::picture(&rates, &of(true))));
        }
        if !self.curves.is_empty() {
            let picture = percentiles::picture(&curves, &self.names, &self.curves);
            found.push(("latency.svg", curves.clone(), picture));
        }
        found
    }

    fn conditions(&self) -> String {
        let forced = if self.forced {
            "Measured with `--force`, which takes every slice, whatever others did: "
        } else {
            "In the worst slice, "
        };
        format!(
            "{}. {} rotations of slices of {:.1} s. {forced}{}.",
            machine::description(),
            self.effort.rotations,
            self.effort.slice.as_secs_f64(),
            self.worst
        )
    }
}

impl Line {
    fn new(row: &str, metric: Metric, pairs: &[[Slice; 2]]) -> Self {
        let pairs: Vec<[f64; 2]> = pairs.iter().map(|[a, b]| [a.get(metric), b.get(metric)]).collect();
        let values = |i: usize| pairs.iter().map(|pair| pair[i]).collect::<Vec<f64>>();
        let (a, b) = (values(0), values(1));
        let ratios: Vec<f64> = pairs.iter().filter(|[_, b]| *b > 0.0).map(|[a, b]| a / b).collect();
        Self {
            row: row.to_string(),
            metric,
            a: median(&a),
            b: median(&b),
            ratio: median(&ratios),
            interval: bootstrap_90(&ratios),
            pairs,
        }
    }
}

/// Three digits that mean something.
fn short(value: f64) -> String {
    match value {
        0.0 => "0".to_string(),
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 0.1 => format!("{v:.2}"),
        v => format!("{v:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_pairs_neighbouring_slices() {
        let pair = |a: f64, b: f64| [Slice::of([(Metric::Rate, a)]), Slice::of([(Metric::Rate, b)])];
        let line = Line::new("x", Metric::Rate, &[pair(1.0, 2.0), pair(3.0, 4.0), pair(90.0, 100.0)]);
        assert_eq!((line.a, line.b, line.ratio, line.pairs.len()), (3.0, 4.0, 0.75, 3));
    }

    #[test]
    fn pictures_and_json_are_well_formed() {
        let mut report = Report::new(["Ottla", "Kafka"].map(str::to_owned), Effort::QUICK, true);
        let slice = |value: f64| {
            let mut took = Histogram::default();
            for i in 1..2_000 {
                took.add(std::time::Duration::from_micros(i * value as u64));
            }
            Slice::of([(Metric::CpuPerMb, value), (Metric::Rate, 1.0 / value)])
                .with_latencies(took, &[Metric::P99])
        };
        report.row(
            "a < b & \"c\"",
            &[[slice(1.0), slice(4.0)], [slice(2.0), slice(3.0)]],
            Disturbance::default(),
        );
        let parsed: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
        assert_eq!(parsed["lines"].as_array().map(Vec::len), Some(3));
        let pictures = report.pictures();
        assert_eq!(
            pictures.iter().map(|p| p.0).collect::<Vec<_>>(),
            ["costs.svg", "throughput.svg", "latency.svg"]
        );
        for (_, _, picture) in &pictures {
            assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"), "{picture}");
            assert!(
                picture.contains("a &lt; b &amp;") && !picture.contains("NaN") && !picture.contains("inf")
            );
        }
    }
}

//! The text that monitoring systems read: Prometheus' format (0.0.4) and OpenMetrics (1.0.0).

use std::fmt::Write;

use super::histogram::HistogramNumbers;
use super::metric::{Kind, Metric, Series};

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`.
    Prometheus,
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics,
}

impl Format {
    /// The format to answer a request with this `Accept` header in.
    pub fn accepted(accept: &str) -> Self {
        // Who accepts both says so by weights; Prometheus' own prefer what it names first.
        let wants = accept.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let is_it =
                parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"));
            is_it && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        });
        if wants { Format::OpenMetrics } else { Format::Prometheus }
    }

    /// `Content-Type` of the answer.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What an answer may hold.
#[derive(Clone, Copy, Debug)]
pub struct SeriesLimits {
    /// Series of topics.
    pub topics: bool,
    /// Series of partitions.
    pub partitions: bool,
    /// Series of groups.
    pub groups: bool,
    /// Series of clients.
    pub clients: bool,
    /// Series of all these together.
    pub max: usize,
}

impl SeriesLimits {
    /// Whether there are series of this kind.
    pub fn allows(&self, series: Series) -> bool {
        match series {
            Series::Few => true,
            Series::Topic => self.topics,
            Series::Partition => self.partitions,
            Series::Group => self.groups,
            Series::Client => self.clients,
        }
    }
}

/// A text that grows.
pub struct Text {
    format: Format,
    limits: SeriesLimits,
    buffer: String,
    /// Series that may still come.
    left: usize,
    left_out: u64,
}

/// A sample's number.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// Whole.
    Whole(i64),
    /// Whole, and never negative.
    Count(u64),
    /// Any.
    Real(f64),
}

impl Text {
    /// An empty one.
    pub fn new(format: Format, limits: SeriesLimits) -> Self {
        Self { format, limits, buffer: String::new(), left: limits.max, left_out: 0 }
    }

    /// Bytes that were not taken yet.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Takes what was written so far.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.buffer)
    }

    /// What the answer may hold.
    pub fn limits(&self) -> &SeriesLimits {
        &self.limits
    }

    /// Series that may still come, of those that are bounded.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Series that were left out because there were too many.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Takes note of series that were not even collected.
    pub fn leave_out(&mut self, series: u64) {
        self.left_out = self.left_out.saturating_add(series);
    }

    /// Begins a metric; its samples follow, and no other's. Nothing is written if it is switched off.
    pub fn begin(&mut self, metric: &'static Metric) {
        if metric.labels.is_empty() || self.limits.allows(metric.series) || has_total(metric) {
            let name = match self.format {
                Format::Prometheus => metric.name,
                Format::OpenMetrics => metric.name.strip_suffix("_total").unwrap_or(metric.name),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(self.buffer, "# HELP {name} {}", metric.help);
            let _ = writeln!(self.buffer, "# TYPE {name} {}", metric.kind.name());
        }
    }

    /// A sample of the metric that was begun last.
    pub fn sample(&mut self, metric: &'static Metric, labels: &[&str], value: Value) {
        debug_assert!(
            metric.kind != Kind::Histogram && labels.len() <= metric.labels.len(),
            "{}",
            metric.name
        );
        if self.admits(metric, labels, 1) {
            self.line(metric, "", labels, None, value);
        }
    }

    /// The samples of a histogram that was begun last; its bounds are in the metric's unit.
    pub fn histogram(&mut self, metric: &'static Metric, labels: &[&str], numbers: &HistogramNumbers) {
        debug_assert!(metric.kind == Kind::Histogram, "{}", metric.name);
        if !self.admits(metric, labels, 1) {
            return;
        }
        for (bound, count) in numbers.cumulative() {
            self.line(metric, "_bucket", labels, Some(Value::Real(bound)), Value::Count(count));
        }
        self.line(metric, "_sum", labels, None, Value::Real(numbers.sum()));
        self.line(metric, "_count", labels, None, Value::Count(numbers.count()));
    }

    /// The end of the whole.
    pub fn end(&mut self) {
        if self.format == Format::OpenMetrics {
            self.buffer.push_str("# EOF\n");
        }
    }

    /// Whether the series may stand here; counts it.
    fn admits(&mut self, metric: &Metric, labels: &[&str], series: usize) -> bool {
        if metric.series == Series::Few || labels.is_empty() {
            return true;
        }
        if !self.limits.allows(metric.series) {
            return false;
        }
        match self.left.checked_sub(series) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.left_out += series as u64;
                false
            }
        }
    }

    fn line(&mut self, metric: &Metric, suffix: &str, labels: &[&str], bound: Option<Value>, value: Value) {
        let out = &mut self.buffer;
        out.push_str(metric.name);
        out.push_str(suffix);
        let mut separator = '{';
        for (name, text) in metric.labels.iter().zip(labels) {
            out.push(separator);
            out.push_str(name);
            out.push_str("=\"");
            escape(out, text);
            out.push('"');
            separator = ',';
        }
        if let Some(bound) = bound {
            out.push(separator);
            out.push_str("le=\"");
            write_value(out, bound);
            out.push('"');
            separator = ',';
        }
        if separator == ',' {
            out.push('}');
        }
        out.push(' ');
        write_value(out, value);
        out.push('\n');
    }
}

/// Whether the metric has a sample without labels, for all topics together.
fn has_total(metric: &Metric) -> bool {
    metric.series == Series::Topic && metric.labels.len() == 1 && metric.kind == Kind::Counter
}

/// What must not stand in a label's value as it is: backslash, quote, line feed. Other control characters are shown as
/// `?`: some readers stumble over them, and nobody can tell them apart.
fn escape(out: &mut String, text: &str) {
    if !text.bytes().any(|b| b == b'\\' || b == b'"' || b.is_ascii_control()) {
        return out.push_str(text);
    }
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
    }
}

fn write_value(out: &mut String, value: Value) {
    // Writing to a String cannot fail.
    let _ = match value {
        Value::Whole(value) => write!(out, "{value}"),
        Value::Count(value) => write!(out, "{value}"),
        Value::Real(value) if value.is_nan() => write!(out, "NaN"),
        Value::Real(f64::INFINITY) => write!(out, "+Inf"),
        Value::Real(f64::NEG_INFINITY) => write!(out, "-Inf"),
        Value::Real(value) => write!(out, "{value}"),
    };
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Value::Count(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Value::Count(value as u64)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Whole(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Value::Whole(i64::from(value))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Count(u64::from(value))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Real(value)
    }
}

#[cfg(test)]
#[path = "text_test.rs"]
mod tests;

//! Everything that was found, for other programs.

use serde_json::{Value, json};

use super::{Curve, Line, Report, date};
use crate::machine;

/// Percentiles of the curves.
const PERCENTILES: [f64; 9] = [1.0, 10.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99];

impl Report {
    /// One object, over several lines.
    pub(super) fn json(&self) -> String {
        let whole = json!({
            "date": date::today(),
            "machine": machine::description(),
            "contestants": self.names,
            "rotations": self.effort.rotations,
            "slice_seconds": self.effort.slice.as_secs_f64(),
            "forced": self.forced,
            "others_percent_max": self.worst.others,
            "steal_percent_max": self.worst.steal,
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
            "curves": self.curves.iter().map(curve).collect::<Vec<_>>(),
            "not_measured": self.failures,
            "left_out": self.left_out,
        });
        format!("{whole:#}\n")
    }
}

fn line(line: &Line) -> Value {
    json!({
        "row": line.row,
        "metric": line.metric.label(),
        "better": if line.metric.more_is_better() { "more" } else { "less" },
        "medians": [line.a, line.b],
        "ratio": line.ratio,
        "interval_90": [line.interval.0, line.interval.1],
        "pairs": line.pairs,
    })
}

fn curve(curve: &Curve) -> Value {
    let microseconds = |i: usize| PERCENTILES.map(|p| curve.took[i].percentile_us(p));
    json!({
        "row": curve.row,
        "counts": [curve.took[0].count(), curve.took[1].count()],
        "percentiles": PERCENTILES,
        "microseconds": [microseconds(0), microseconds(1)],
    })
}

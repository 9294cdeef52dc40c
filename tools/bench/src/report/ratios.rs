//! Bars of ratios on a logarithmic scale, with their intervals and a line at 1.

use super::svg::{Anchor, LogScale, Picture};
use super::{Line, short};

const WIDTH: f64 = 900.0;
/// Where the bars begin and end.
const PLOT: (f64, f64) = (230.0, 780.0);
const TOP: f64 = 62.0;
const HEAD: f64 = 24.0;
const STEP: f64 = 20.0;

/// One bar for each line, under the name of its row.
pub fn picture(title: &str, lines: &[&Line]) -> String {
    let is_new = |i: usize| i == 0 || lines[i].row != lines[i - 1].row;
    let heads = (0..lines.len()).filter(|i| is_new(*i)).count();
    let bottom = TOP + heads as f64 * HEAD + lines.len() as f64 * STEP + 6.0;
    let mut picture = Picture::new(WIDTH, bottom + 16.0, title);
    let scale = scale(lines);
    for tick in scale.ticks() {
        let x = scale.at(tick);
        picture.line("grid", (x, TOP - 6.0), (x, bottom));
        picture.text("soft", x, TOP - 12.0, Anchor::Middle, &format!("{}", rounded(tick)));
    }
    picture.line("one", (scale.at(1.0), TOP - 6.0), (scale.at(1.0), bottom));
    let mut y = TOP;
    for (i, line) in lines.iter().enumerate() {
        if is_new(i) {
            picture.text("head", 16.0, y + 17.0, Anchor::Start, &line.row);
            y += HEAD;
        }
        bar(&mut picture, &scale, line, y);
        y += STEP;
    }
    picture.finish()
}

fn bar(picture: &mut Picture, scale: &LogScale, line: &Line, y: f64) {
    let middle = y + STEP / 2.0;
    picture.text("", 30.0, middle + 4.0, Anchor::Start, line.metric.label());
    if line.ratio <= 0.0 {
        picture.text("soft", PLOT.1 + 12.0, middle + 4.0, Anchor::Start, "none");
        return;
    }
    picture.bar(class_of(line), (scale.at(1.0), scale.at(line.ratio)), y + 3.0, STEP - 6.0);
    let (low, high) = (scale.at(line.interval.0), scale.at(line.interval.1));
    picture.line("whisker", (low, middle), (high, middle));
    for x in [low, high] {
        picture.line("whisker", (x, middle - 4.0), (x, middle + 4.0));
    }
    picture.text("", PLOT.1 + 12.0, middle + 4.0, Anchor::Start, &format!("{} \u{d7}", short(line.ratio)));
}

/// Whether the first contestant is better, worse, or neither for certain: when the interval reaches over 1.
fn class_of(line: &Line) -> &'static str {
    let (low, high) = line.interval;
    if low <= 1.0 && high >= 1.0 {
        return "even";
    }
    if (line.ratio > 1.0) == line.metric.more_is_better() { "good" } else { "bad" }
}

/// From the least to the greatest end of an interval, 1 always among them.
fn scale(lines: &[&Line]) -> LogScale {
    let ends = lines.iter().flat_map(|line| [line.interval.0, line.interval.1, line.ratio]);
    let ends: Vec<f64> = ends.filter(|end| *end > 0.0).collect();
    let low = ends.iter().copied().fold(0.5, f64::min);
    let high = ends.iter().copied().fold(2.0, f64::max);
    LogScale::new(low / 1.1, high * 1.1, PLOT)
}

/// A tick without the dust of its computation.
fn rounded(tick: f64) -> f64 {
    (tick * 1e6).round() / 1e6
}

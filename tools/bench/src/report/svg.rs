//! Pictures made of lines, boxes and words, legible on a light page and on a dark one.

use std::fmt::Write;

/// Colours by class, first as on a light page, then as on a dark one.
const STYLE: &str = "<style>\
text{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}\
.page{fill:#ffffff}.title{font-size:15px;font-weight:600}\
.head{font-weight:600}.soft{fill:#59636e}\
.grid{stroke:#d1d9e0}.one{stroke:#59636e;stroke-width:1.5}.whisker{stroke:#1f2328;stroke-width:1.5}\
.good{fill:#2da44e}.bad{fill:#d4691e}.even{fill:#9aa4ae}\
.a{stroke:#0969da}.b{stroke:#bc4c00}.a,.b{fill:none;stroke-width:2}\
@media(prefers-color-scheme:dark){\
text{fill:#e6edf3}.page{fill:#0d1117}.soft{fill:#9198a1}\
.grid{stroke:#30363d}.one{stroke:#9198a1}.whisker{stroke:#e6edf3}\
.good{fill:#3fb950}.bad{fill:#f0883e}.even{fill:#6e7681}.a{stroke:#4493f8}.b{stroke:#f0883e}}\
</style>";

/// Where a text stands relative to its point.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// Right of it.
    Start,
    /// Around it.
    Middle,
    /// Left of it.
    End,
}

/// A picture in the making. Lengths are in pixels, from the upper left corner.
pub struct Picture {
    width: f64,
    height: f64,
    title: String,
    body: String,
}

impl Picture {
    /// An empty page with a title.
    pub fn new(width: f64, height: f64, title: &str) -> Self {
        let mut picture = Self { width, height, title: escaped(title), body: String::new() };
        picture.text("title", 16.0, 26.0, Anchor::Start, title);
        picture
    }

    /// Words.
    pub fn text(&mut self, class: &str, x: f64, y: f64, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.add(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.add(format_args!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    /// A box between two corners, at least a pixel wide.
    pub fn bar(&mut self, class: &str, x: (f64, f64), y: f64, height: f64) {
        let (left, width) = (x.0.min(x.1), (x.0 - x.1).abs().max(1.0));
        self.add(format_args!(
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\"/>"
        ));
    }

    /// A line through many points.
    pub fn curve(&mut self, class: &str, points: &[(f64, f64)]) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.add(format_args!("<polyline class=\"{class}\" points=\"{}\"/>", points.join(" ")));
    }

    /// The whole file.
    pub fn finish(self) -> String {
        let Self { width, height, title, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\" aria-label=\"{title}\">\n{STYLE}\n\
             <rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n{body}</svg>\n"
        )
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _ = writeln!(self.body, "{element}");
    }
}

/// A logarithmic axis.
pub struct LogScale {
    /// Where it begins and ends in the picture.
    place: (f64, f64),
    /// Logarithms of what is there.
    range: (f64, f64),
}

impl LogScale {
    /// From `low` to `high`, both above 0, at the places given.
    pub fn new(low: f64, high: f64, place: (f64, f64)) -> Self {
        let low = low.max(1e-9).log10();
        Self { place, range: (low, high.max(1e-9).log10().max(low + 0.01)) }
    }

    /// Where a value lies; one that lies outside is drawn at the end.
    pub fn at(&self, value: f64) -> f64 {
        let share = (value.max(1e-9).log10() - self.range.0) / (self.range.1 - self.range.0);
        self.place.0 + share.clamp(0.0, 1.0) * (self.place.1 - self.place.0)
    }

    /// Round values on it: powers of ten, and on a short axis twice and five times these.
    pub fn ticks(&self) -> Vec<f64> {
        let steps: &[f64] = match self.range.1 - self.range.0 {
            decades if decades > 4.0 => &[1.0],
            decades if decades > 2.0 => &[1.0, 3.0],
            _ => &[1.0, 2.0, 5.0],
        };
        let powers = self.range.0.floor() as i32..=self.range.1.ceil() as i32;
        let all = powers.flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
        all.filter(|v| (self.range.0 - 1e-9..=self.range.1 + 1e-9).contains(&v.log10())).collect()
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_round_ticks() {
        let scale = LogScale::new(0.1, 10.0, (0.0, 100.0));
        assert_eq!(scale.at(1.0), 50.0);
        assert_eq!((scale.at(1000.0), scale.at(0.0)), (100.0, 0.0));
        let near = |a: &[f64], b: &[f64]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a / b - 1.0).abs() < 1e-9)
        };
        assert!(near(&scale.ticks(), &[0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]));
        assert!(near(&LogScale::new(1.0, 1e5, (0.0, 1.0)).ticks(), &[1.0, 10.0, 100.0, 1e3, 1e4, 1e5]));
    }
}

//! Latencies by percentile: one panel for each row, in which the two contestants are curves.

use super::Curve;
use super::svg::{Anchor, LogScale, Picture};

const PANEL: (f64, f64) = (450.0, 290.0);
const TOP: f64 = 44.0;
const COLUMNS: usize = 2;

/// Percentiles on the axis. Each further nine has the same room.
const MARKS: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 99.99];
/// So many have taken longer than the last point of a curve, or it would be one of chance.
const BEYOND: f64 = 10.0;

/// A panel for each row.
pub fn picture(title: &str, names: &[String; 2], curves: &[Curve]) -> String {
    let rows = curves.len().div_ceil(COLUMNS);
    let (width, height) = (PANEL.0 * COLUMNS as f64, TOP + PANEL.1 * rows as f64);
    let mut picture = Picture::new(width, height, title);
    for (i, curve) in curves.iter().enumerate() {
        let corner = ((i % COLUMNS) as f64 * PANEL.0, TOP + (i / COLUMNS) as f64 * PANEL.1);
        panel(&mut picture, corner, names, curve);
    }
    picture.finish()
}

fn panel(picture: &mut Picture, (left, top): (f64, f64), names: &[String; 2], curve: &Curve) {
    for (i, line) in wrapped(&curve.row, 62).iter().enumerate() {
        picture.text("head", left + 16.0, top + 14.0 + 15.0 * i as f64, Anchor::Start, line);
    }
    let x_place = (left + 66.0, left + PANEL.0 - 20.0);
    let y_place = (top + PANEL.1 - 44.0, top + 62.0);
    let least = curve.took.iter().map(|took| took.count()).min().unwrap_or(0) as f64;
    let last = (100.0 * (1.0 - BEYOND / least)).clamp(90.0, 99.99);
    // The share that takes longer, and how long that is.
    let x_scale = LogScale::new(1.0, 1.0 / (1.0 - last / 100.0), x_place);
    let lows = curve.took.iter().map(|took| took.percentile_us(1.0)).fold(f64::INFINITY, f64::min);
    let highs = curve.took.iter().map(|took| took.percentile_us(last)).fold(0.0, f64::max);
    let y_scale = LogScale::new(lows / 1.2, highs * 1.2, y_place);
    for tick in y_scale.ticks() {
        picture.line("grid", (x_place.0, y_scale.at(tick)), (x_place.1, y_scale.at(tick)));
        picture.text("soft", x_place.0 - 8.0, y_scale.at(tick) + 4.0, Anchor::End, &duration(tick));
    }
    for mark in MARKS.iter().filter(|mark| **mark <= last) {
        let x = x_scale.at(1.0 / (1.0 - mark / 100.0));
        picture.line("grid", (x, y_place.0), (x, y_place.1));
        picture.text("soft", x, y_place.0 + 18.0, Anchor::Middle, &format!("{mark} %"));
    }
    for (i, class) in ["a", "b"].into_iter().enumerate() {
        let points: Vec<(f64, f64)> = (0..=60)
            .map(|step| {
                let longer = (1.0 - last / 100.0).powf(f64::from(step) / 60.0);
                let took = curve.took[i].percentile_us(100.0 * (1.0 - longer));
                (x_scale.at(1.0 / longer), y_scale.at(took))
            })
            .collect();
        picture.curve(class, &points);
        let (x, y) = (x_place.0 + 10.0 + 90.0 * i as f64, top + 50.0);
        picture.line(class, (x, y), (x + 22.0, y));
        picture.text("", x + 28.0, y + 4.0, Anchor::Start, &names[i]);
    }
}

/// At most two lines, broken between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    if text.chars().count() <= width {
        return vec![text.to_string()];
    }
    let end = text.char_indices().nth(width).map_or(text.len(), |(at, _)| at);
    let at = text[..end].rfind(' ').unwrap_or(end);
    vec![text[..at].to_string(), text[at..].trim_start().to_string()]
}

fn duration(us: f64) -> String {
    match us {
        us if us >= 999_999.0 => format!("{:.0} s", us / 1e6),
        us if us >= 999.0 => format!("{:.0} ms", us / 1e3),
        us => format!("{us:.0} us"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_take_two_lines() {
        assert_eq!(wrapped("one two", 62), ["one two"]);
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("onetwothree", 3), ["one", "twothree"]);
    }

    #[test]
    fn durations_are_short() {
        assert_eq!([duration(50.0), duration(1000.0), duration(2e6)], ["50 us", "1 ms", "2 s"]);
    }
}

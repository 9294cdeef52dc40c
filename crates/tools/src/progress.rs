//! How far long work is: a line on the error output that is written over again and again, for a person at a terminal
//! only. Nothing of it ever gets into a pipe or a file.

use std::time::{Duration, Instant};

use crate::io::Io;
use crate::words::{count, duration};

/// More often nobody can read it.
const PAUSE: Duration = Duration::from_millis(200);
/// Characters of the bar.
const BAR: usize = 30;

/// The progress of one piece of work.
pub struct Progress {
    what: &'static str,
    began: Instant,
    last: Option<Instant>,
}

impl Progress {
    /// Work that begins now.
    pub fn new(what: &'static str) -> Self {
        Self { what, began: Instant::now(), last: None }
    }

    /// So much of the whole is done. Shown at most five times a second.
    pub fn at(&mut self, io: &mut Io, done: u64, total: u64) {
        if !io.shows_progress() || self.last.is_some_and(|last| last.elapsed() < PAUSE) {
            return;
        }
        self.last = Some(Instant::now());
        let elapsed_ms = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        io.show_line(format_args!("{}", line(self.what, done, total, elapsed_ms)));
    }

    /// Takes the line away, before results are printed and at the end.
    pub fn clear(&mut self, io: &mut Io) {
        if self.last.take().is_some() {
            io.clear_line();
        }
    }
}

/// `Reading  [=====>    ]  45 %  450 of 1,000, 3.2 s, 4.0 s left`
fn line(what: &str, done: u64, total: u64, elapsed_ms: i64) -> String {
    let whole = total.max(1);
    let done = done.min(whole);
    let share = done as f64 / whole as f64;
    let filled = (share * BAR as f64) as usize;
    let bar = format!("{}{}", "=".repeat(filled), " ".repeat(BAR.saturating_sub(filled)));
    let number = |number: u64| count(i64::try_from(number).unwrap_or(i64::MAX));
    let mut text = format!(
        "{what}  [{bar}]  {:.0} %  {} of {}, {}",
        share * 100.0,
        number(done),
        number(total),
        duration(elapsed_ms)
    );
    if done > 0 && done < whole {
        let left = elapsed_ms as f64 * (1.0 - share) / share;
        text += &format!(", {} left", duration(left as i64));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is_and_how_long_it_may_take() {
        assert_eq!(
            line("Reading", 250, 1_000, 3_000),
            "Reading  [=======                       ]  25 %  250 of 1,000, 3.0 s, 9.0 s left"
        );
        assert!(line("Reading", 0, 10, 5).ends_with("0 %  0 of 10, 5 ms"));
        assert!(line("Reading", 12, 10, 5).contains("100 %  10 of 10"), "it may overshoot");
        assert!(line("Reading", 0, 0, 0).contains("0 %"));
    }

    #[test]
    fn the_line_gives_way_to_results() {
        let (mut io, captured) = Io::captured_terminal("");
        let mut progress = Progress::new("Reading");
        progress.at(&mut io, 1, 2);
        // Sooner than anybody could read the first.
        progress.at(&mut io, 2, 2);
        crate::errln!(io, "an error");
        progress.clear(&mut io);
        let shown = captured.err();
        let shown: Vec<&str> = shown.split("\r\x1b[K").collect();
        assert!(matches!(shown[..], [one, "an error\n"] if one.starts_with("Reading  [")), "{shown:?}");
    }

    #[test]
    fn nothing_is_shown_where_nobody_looks() {
        let (mut io, captured) = Io::captured("");
        let mut progress = Progress::new("Reading");
        progress.at(&mut io, 1, 2);
        progress.clear(&mut io);
        assert_eq!((captured.out(), captured.err()), (String::new(), String::new()));
    }
}

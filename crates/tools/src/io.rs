//! Where a tool reads and writes.

use std::fmt;
use std::io::{BufRead, BufReader, BufWriter, Cursor, IsTerminal, Write};
use std::sync::{Arc, Mutex};

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// As Kafka's tools do.
    #[default]
    Text,
    /// `--output json`: one JSON document on the normal output.
    Json,
}

/// The three streams of a tool: those of the process, or memory in tests.
pub struct Io {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// The normal input.
    pub input: Box<dyn BufRead + Send>,
    /// Whether a person reads the normal output: colours and progress may be shown.
    pub terminal: bool,
    colours: bool,
    progress: bool,
    /// Whether a line of [`Io::show_line`] is to be seen.
    has_line: bool,
    /// What `--output` said; set by [`Tool::parse`](crate::Tool::parse).
    pub output: Output,
    broken: bool,
    failure: Option<std::io::Error>,
}

impl Io {
    /// The process's streams.
    pub fn process() -> Self {
        let out = std::io::stdout();
        let terminal = out.is_terminal();
        Self {
            out: Box::new(BufWriter::with_capacity(64 << 10, out)),
            err: Box::new(std::io::stderr()),
            input: Box::new(BufReader::new(std::io::stdin())),
            terminal,
            // A progress line between results that go to a file is seen; one in a log would be noise.
            progress: std::io::stderr().is_terminal(),
            colours: terminal && wants_colours(|name| std::env::var_os(name)),
            has_line: false,
            output: Output::Text,
            broken: false,
            failure: None,
        }
    }

    /// Memory: `input` is read, and what is written is found in the second part.
    pub fn captured(input: impl Into<Vec<u8>>) -> (Self, Captured) {
        let captured = Captured::default();
        let io = Self {
            out: Box::new(captured.out.clone()),
            err: Box::new(captured.err.clone()),
            input: Box::new(Cursor::new(input.into())),
            terminal: false,
            colours: false,
            progress: false,
            has_line: false,
            output: Output::Text,
            broken: false,
            failure: None,
        };
        (io, captured)
    }

    /// Writes to the normal output. See [`outln!`](crate::outln).
    pub fn print(&mut self, text: fmt::Arguments<'_>) {
        let written = self.out.write_fmt(text);
        self.note(written);
    }

    /// Writes bytes to the normal output as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        let written = self.out.write_all(bytes);
        self.note(written);
    }

    /// Writes to the error output. See [`errln!`](crate::errln).
    pub fn print_error(&mut self, text: fmt::Arguments<'_>) {
        // What was printed before is to be seen before. Nobody is told when nobody can be told.
        self.flush();
        let _ = self.err.write_fmt(text).and_then(|()| self.err.flush());
    }

    /// Shows a line on the error output, without a line end, that goes away before anything else is printed there or
    /// made visible: a person sees both outputs in one place.
    pub(crate) fn show_line(&mut self, line: fmt::Arguments<'_>) {
        self.print_error(line);
        self.has_line = true;
    }

    /// Takes that line away, if there is one.
    pub(crate) fn clear_line(&mut self) {
        if std::mem::take(&mut self.has_line) {
            let _ = self.err.write_all(b"\r\x1b[K").and_then(|()| self.err.flush());
        }
    }

    /// Makes what was written visible.
    pub fn flush(&mut self) {
        self.clear_line();
        let flushed = self.out.flush();
        self.note(flushed);
    }

    /// A reader that is gone wants no more; any other failure cuts the output short, and is told of in the end.
    fn note(&mut self, written: std::io::Result<()>) {
        if let Err(error) = written {
            self.broken = true;
            if error.kind() != std::io::ErrorKind::BrokenPipe {
                self.failure.get_or_insert(error);
            }
        }
    }

    /// Why the normal output is not whole, once.
    pub(crate) fn take_failure(&mut self) -> Option<std::io::Error> {
        self.failure.take()
    }

    /// Whether the reader of the normal output is gone (a closed pipe): nothing more need be done for it.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether text may have colours: a person reads the normal output, and neither `NO_COLOR` nor `TERM=dumb` is set.
    pub fn colours(&self) -> bool {
        self.colours
    }

    /// Memory as in [`Io::captured`], that passes for a terminal with a person before it.
    #[cfg(test)]
    pub(crate) fn captured_terminal(input: impl Into<Vec<u8>>) -> (Self, Captured) {
        let (mut io, captured) = Self::captured(input);
        io.progress = true;
        (io, captured)
    }

    /// Whether a person sees the error output, so that progress may be shown there.
    pub fn shows_progress(&self) -> bool {
        self.progress
    }

    /// Whether results are wanted as JSON.
    pub fn json(&self) -> bool {
        self.output == Output::Json
    }

    /// Prints a result for `--output json`.
    pub fn print_json(&mut self, value: &serde_json::Value) {
        self.print(format_args!("{value:#}\n"));
    }
}

/// Whether the environment allows for colours (<https://no-color.org>).
fn wants_colours(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> bool {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && variable("TERM").is_none_or(|term| term != "dumb")
}

impl Drop for Io {
    fn drop(&mut self) {
        self.flush();
    }
}

/// What a tool wrote into memory.
#[derive(Clone, Default)]
pub struct Captured {
    out: Shared,
    err: Shared,
}

impl Captured {
    /// The normal output.
    pub fn out(&self) -> String {
        self.out.text()
    }

    /// The error output.
    pub fn err(&self) -> String {
        self.err.text()
    }
}

/// Memory that the writer and the test share.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        self.0.lock().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Ok(mut all) = self.0.lock() {
            all.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Prints to the normal output of an [`Io`], without a line end.
#[macro_export]
macro_rules! out {
    ($io:expr, $($text:tt)*) => { $io.print(format_args!($($text)*)) };
}

/// Prints a line to the normal output of an [`Io`].
#[macro_export]
macro_rules! outln {
    ($io:expr) => { $io.print(format_args!("\n")) };
    ($io:expr, $format:literal $($rest:tt)*) => { $io.print(format_args!("{}\n", format_args!($format $($rest)*))) };
}

/// Prints a line to the error output of an [`Io`].
#[macro_export]
macro_rules! errln {
    ($io:expr) => { $io.print_error(format_args!("\n")) };
    ($io:expr, $format:literal $($rest:tt)*) => { $io.print_error(format_args!("{}\n", format_args!($format $($rest)*))) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_may_forbid_colours() {
        for (set, wants) in [
            (&[][..], true),
            (&[("TERM", "xterm")], true),
            (&[("TERM", "dumb")], false),
            (&[("NO_COLOR", "1")], false),
            (&[("NO_COLOR", "")], true),
        ] {
            let variable =
                |name: &str| set.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).into());
            assert_eq!(wants_colours(variable), wants, "{set:?}");
        }
        assert!(!Io::captured("").0.colours(), "nobody sees them");
    }
}

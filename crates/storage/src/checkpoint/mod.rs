//! Small text files: a version, a count, and one line per entry (Kafka: `CheckpointFile`).
//!
//! | file | where | line |
//! | --- | --- | --- |
//! | `recovery-point-offset-checkpoint` | log directory | `topic partition offset`: all before is durable |
//! | `log-start-offset-checkpoint` | log directory | `topic partition offset`: only where it is not 0 |
//! | `replication-offset-checkpoint` | log directory | `topic partition offset`: high watermark |
//! | `cleaner-offset-checkpoint` | log directory | `topic partition offset`: all before is clean |
//! | `leader-epoch-checkpoint` | partition | `epoch start-offset` |
//!
//! All are version 0 and replaced as a whole. [`partition_metadata`], [`clean_shutdown`], [`moved_to`] and [`tail_checkpoint`] have
//! forms of their own.

pub mod clean_shutdown;
pub mod fields;
pub mod leader_epoch_checkpoint;
pub mod moved_to;
pub mod offset_checkpoint;
pub mod partition_metadata;
pub mod tail_checkpoint;

use std::fmt::Write;
use std::io;
use std::path::Path;

use crate::fs::found;

const VERSION: &str = "0";

/// Renders a checkpoint with these lines.
pub(crate) fn render<T>(entries: impl ExactSizeIterator<Item = T>, line: impl Fn(&mut String, T)) -> String {
    let mut text = String::with_capacity(8 + entries.len() * 32);
    let _ = writeln!(text, "{VERSION}\n{}", entries.len());
    for entry in entries {
        line(&mut text, entry);
        text.push('\n');
    }
    text
}

/// Reads a checkpoint. A file that is missing or empty has no entries, as in Kafka; anything else that is not
/// whole is an error, also a last line without its end: its number may have been longer.
pub(crate) fn read<T>(path: &Path, parse: impl Fn(&[&str]) -> Option<T>) -> io::Result<Vec<T>> {
    let Some(bytes) = found(std::fs::read(path))? else { return Ok(Vec::new()) };
    parse_text(&bytes, parse)
        .map_err(|what| io::Error::new(io::ErrorKind::InvalidData, format!("{what} in {}", path.display())))
}

fn parse_text<T>(bytes: &[u8], parse: impl Fn(&[&str]) -> Option<T>) -> Result<Vec<T>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not text".to_owned())?;
    let mut lines = text.lines();
    let Some(version) = lines.next() else { return Ok(Vec::new()) };
    if version != VERSION {
        return Err(format!("unrecognised version '{version}', expected {VERSION},"));
    }
    let Some(count) = lines.next() else { return Ok(Vec::new()) };
    if !text.ends_with('\n') {
        return Err("incomplete last line".to_owned());
    }
    let expected: usize = count.parse().map_err(|_| format!("malformed count '{count}'"))?;
    let mut entries = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        entries.push(parse(&words).ok_or_else(|| format!("malformed line '{line}'"))?);
    }
    if entries.len() != expected {
        return Err(format!("expected {expected} entries but found {}", entries.len()));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<Vec<u32>, &str>) {
        let found = parse_text(text.as_bytes(), |words| match words {
            [one] => one.parse::<u32>().ok(),
            _ => None,
        });
        match expect {
            Ok(values) => assert_eq!(found, Ok(values), "{text:?}"),
            Err(part) => assert!(found.clone().is_err_and(|e| e.contains(part)), "{text:?}: {found:?}"),
        }
    }

    #[test]
    fn torn_files_are_errors() {
        check("", Ok(vec![]));
        check("0\n", Ok(vec![]));
        check("0\n2\n7\n8\n", Ok(vec![7, 8]));
        check("0\n2\n7\n8", Err("incomplete last line"));
        check("0\n2\n7\n", Err("expected 2"));
        check("0\n1\n7\n8\n", Err("expected 1"));
        check("1\n0\n", Err("unrecognised version"));
        check("0\nx\n", Err("malformed count"));
        check("0\n1\n7 8\n", Err("malformed line"));
    }
}

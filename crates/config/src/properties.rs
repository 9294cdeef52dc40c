//! The syntax of `java.util.Properties`.
//!
//! Lines end with LF, CR or both. `#` and `!` at the start of a line begin a comment. A key ends at the
//! first `=`, `:` or white space that no backslash precedes; white space around the separator belongs to
//! neither side. A backslash at the end of a line joins it with the next, whose leading white space is
//! dropped. `\t \n \r \f` and `\uXXXX` are characters, any other backslash just goes. The tests hold what
//! the JDK's own class makes of the same texts.
//!
//! Java reads files as ISO-8859-1. [`parse_bytes`] takes them as UTF-8 if they are, so that paths with
//! other letters mean what they show; see `DEVIATIONS`.

/// A text that is no properties file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct PropertiesError {
    /// The line, counted from 1, on which the entry at fault begins.
    pub line: usize,
    /// What is wrong.
    pub message: &'static str,
}

/// Reads a properties file: as UTF-8 if it is valid, else as ISO-8859-1.
///
/// # Errors
/// A `\u` that is not followed by four hexadecimal digits.
pub fn parse_bytes(bytes: &[u8]) -> Result<Vec<(String, String)>, PropertiesError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(text),
        Err(_) => parse(&bytes.iter().map(|&byte| char::from(byte)).collect::<String>()),
    }
}

/// Reads properties: the entries in their order; of two with the same key the later counts.
///
/// # Errors
/// A `\u` that is not followed by four hexadecimal digits.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, PropertiesError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = LogicalLines { rest: text.chars().peekable(), line: 1 };
    lines
        .map(|(line, text)| {
            let (key, value) = split_entry(&text);
            let unescape = |part| unescape(part).map_err(|message| PropertiesError { line, message });
            Ok((unescape(key)?, unescape(value)?))
        })
        .collect()
}

/// Lines as they count: without comments and blank ones, joined where a backslash says so.
struct LogicalLines<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
}

impl LogicalLines<'_> {
    fn next_char(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        // CR LF is one end of line.
        if c == '\n' || (c == '\r' && self.rest.peek() != Some(&'\n')) {
            self.line += 1;
        }
        Some(c)
    }

    fn skip_comment(&mut self) {
        while let Some(c) = self.next_char() {
            if is_line_end(c) {
                return;
            }
        }
    }
}

impl Iterator for LogicalLines<'_> {
    type Item = (usize, Vec<char>);

    fn next(&mut self) -> Option<(usize, Vec<char>)> {
        let mut text: Vec<char> = Vec::new();
        let mut first_line = self.line;
        let mut skip_white_space = true;
        let mut joined = false;
        let mut backslash = false;
        loop {
            let line = self.line;
            let Some(c) = self.next_char() else {
                if backslash {
                    text.pop();
                }
                // Java gives a lone backslash at the end of the file as an entry with an empty key.
                return (!text.is_empty() || backslash).then_some((first_line, text));
            };
            if skip_white_space {
                if is_white_space(c) || (!joined && is_line_end(c)) {
                    continue;
                }
                skip_white_space = false;
                joined = false;
            }
            if text.is_empty() {
                first_line = line;
                if c == '#' || c == '!' {
                    self.skip_comment();
                    skip_white_space = true;
                    continue;
                }
            }
            if !is_line_end(c) {
                text.push(c);
                backslash = c == '\\' && !backslash;
            } else if text.is_empty() {
                skip_white_space = true;
            } else if backslash && self.rest.peek().is_some() {
                text.pop();
                skip_white_space = true;
                joined = true;
                backslash = false;
                if c == '\r' && self.rest.peek() == Some(&'\n') {
                    self.next_char();
                }
            } else {
                if backslash {
                    text.pop();
                }
                return Some((first_line, text));
            }
        }
    }
}

fn is_white_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0C')
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

/// Key and value of a logical line, still escaped.
fn split_entry(line: &[char]) -> (&[char], &[char]) {
    let mut backslash = false;
    let key_end = line
        .iter()
        .position(|&c| {
            let ends = !backslash && (matches!(c, '=' | ':') || is_white_space(c));
            backslash = c == '\\' && !backslash;
            ends
        })
        .unwrap_or(line.len());
    let (key, mut value) = line.split_at(key_end);
    let mut separator_seen = false;
    while let [c, rest @ ..] = value {
        if matches!(c, '=' | ':') && !separator_seen {
            separator_seen = true;
        } else if !is_white_space(*c) {
            break;
        }
        value = rest;
    }
    (key, value)
}

fn unescape(text: &[char]) -> Result<String, &'static str> {
    // Java's characters are UTF-16 units: two escapes may make one character.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&c) = rest.next() {
        let c = if c != '\\' {
            c
        } else {
            match rest.next() {
                Some('u') => {
                    units.push(unicode_escape(&mut rest)?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0C',
                Some(&other) => other,
                None => break,
            }
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
    Ok(String::from_utf16_lossy(&units))
}

fn unicode_escape(rest: &mut std::slice::Iter<'_, char>) -> Result<u16, &'static str> {
    let mut unit: u32 = 0;
    for _ in 0..4 {
        let digit = rest.next().and_then(|c| c.to_digit(16)).ok_or("Malformed \\uxxxx encoding.")?;
        unit = unit * 16 + digit;
    }
    u16::try_from(unit).map_err(|_| "Malformed \\uxxxx encoding.")
}

#[cfg(test)]
#[path = "properties_test.rs"]
mod tests;

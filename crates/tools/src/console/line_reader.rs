//! Lines of the normal input as records (Kafka: `LineMessageReader`).

use bytes::Bytes;
use ottla_client::config::Properties;
use ottla_client::record::{Header, ProducerRecord};
use ottla_protocol::Str;

use crate::Failure;

const KAFKA_EXCEPTION: &str = "org.apache.kafka.common.KafkaException";

/// How a line becomes a record.
#[derive(Debug)]
pub struct LineReader {
    topic: Str,
    parse_key: bool,
    key_separator: String,
    parse_headers: bool,
    headers_delimiter: String,
    headers_separator: Separator,
    headers_key_separator: String,
    ignore_error: bool,
    null_marker: Option<String>,
    line_number: u64,
}

/// Java takes the separator of headers as a regular expression.
#[derive(Debug)]
enum Separator {
    Literal(String),
    Pattern(regex_lite::Regex),
}

fn wrong(message: impl Into<String>) -> Failure {
    Failure::exception(KAFKA_EXCEPTION, message)
}

impl LineReader {
    /// Reads the properties; `topic` is among them.
    ///
    /// # Errors
    /// When two separators are the same.
    pub fn new(properties: &Properties) -> Result<Self, Failure> {
        let text = |key: &str, default: &str| properties.get(key).map_or(default, String::as_str).to_owned();
        let flag = |key: &str| properties.get(key).is_some_and(|v| v.trim().eq_ignore_ascii_case("true"));
        let separator = text("headers.separator", ",");
        let reader = Self {
            topic: Str::from(text("topic", "")),
            parse_key: flag("parse.key"),
            key_separator: text("key.separator", "\t"),
            parse_headers: flag("parse.headers"),
            headers_delimiter: text("headers.delimiter", "\t"),
            headers_separator: Separator::new(&separator)?,
            headers_key_separator: text("headers.key.separator", ":"),
            ignore_error: flag("ignore.error"),
            null_marker: properties.get("null.marker").cloned(),
            line_number: 0,
        };
        let names = [
            ("headers.delimiter", Some(&reader.headers_delimiter)),
            ("headers.separator", Some(&separator)),
            ("headers.key.separator", Some(&reader.headers_key_separator)),
            ("key.separator", Some(&reader.key_separator)),
            ("null.marker", reader.null_marker.as_ref()),
        ];
        // In Kafka's order, which is also that of the names in the text.
        for (one, other) in [(0, 1), (0, 2), (1, 2), (4, 3), (4, 1), (4, 0), (4, 2)] {
            if let (Some((name, Some(value))), Some((other, Some(same)))) = (names.get(one), names.get(other))
                && value == same
            {
                return Err(wrong(format!("{name} and {other} may not be equal")));
            }
        }
        Ok(reader)
    }

    /// The record of the next line.
    ///
    /// # Errors
    /// When a separator is missing in it.
    pub fn read(&mut self, line: &str) -> Result<ProducerRecord, Failure> {
        self.line_number += 1;
        let headers =
            self.part(self.parse_headers, line, line, &self.headers_delimiter, "headers delimiter")?;
        let rest = after(line, headers, &self.headers_delimiter);
        let key = self.part(self.parse_key, line, rest, &self.key_separator, "key separator")?;
        let value = after(rest, key, &self.key_separator);
        let headers = match headers {
            Some(text) if !self.is_null(text) => self.headers(text)?,
            _ => Vec::new(),
        };
        Ok(ProducerRecord {
            topic: self.topic.clone(),
            key: key.and_then(|key| self.bytes(key)),
            value: self.bytes(value),
            headers,
            ..Default::default()
        })
    }

    fn part<'l>(
        &self,
        enabled: bool,
        line: &str,
        rest: &'l str,
        separator: &str,
        what: &str,
    ) -> Result<Option<&'l str>, Failure> {
        if !enabled {
            return Ok(None);
        }
        match rest.split_once(separator) {
            Some((part, _)) => Ok(Some(part)),
            None if self.ignore_error => Ok(None),
            None => Err(wrong(format!("No {what} found on line number {}: '{line}'", self.line_number))),
        }
    }

    fn headers(&self, text: &str) -> Result<Vec<Header>, Failure> {
        self.headers_separator.split(text).into_iter().map(|pair| self.header(pair)).collect()
    }

    fn header(&self, pair: &str) -> Result<Header, Failure> {
        let Some((key, value)) = pair.split_once(&self.headers_key_separator) else {
            if self.ignore_error {
                return Ok(Header { key: Str::from(pair), value: None });
            }
            return Err(wrong(format!(
                "No header key separator found in pair '{pair}' on line number {}",
                self.line_number
            )));
        };
        if self.is_null(key) {
            return Err(wrong(format!(
                "Header keys should not be equal to the null marker '{key}' as they can't be null"
            )));
        }
        Ok(Header { key: Str::from(key), value: self.bytes(value) })
    }

    fn is_null(&self, text: &str) -> bool {
        self.null_marker.as_deref() == Some(text)
    }

    fn bytes(&self, text: &str) -> Option<Bytes> {
        (!self.is_null(text)).then(|| Bytes::copy_from_slice(text.as_bytes()))
    }
}

fn after<'l>(line: &'l str, part: Option<&str>, separator: &str) -> &'l str {
    part.and_then(|part| line.get(part.len() + separator.len()..)).unwrap_or(line)
}

impl Separator {
    fn new(text: &str) -> Result<Self, Failure> {
        if text.chars().any(|c| "\\^$.|?*+()[]{}".contains(c)) {
            let pattern = regex_lite::Regex::new(text).map_err(|why| {
                Failure::exception("java.util.regex.PatternSyntaxException", format!("{why} near {text}"))
            })?;
            return Ok(Self::Pattern(pattern));
        }
        Ok(Self::Literal(text.to_owned()))
    }

    /// As Java splits: empty parts at the end do not count, but a text without a separator is one part.
    fn split<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let mut parts: Vec<&str> = match self {
            Self::Literal(separator) if separator.is_empty() => {
                text.char_indices().filter_map(|(at, c)| text.get(at..at + c.len_utf8())).collect()
            }
            Self::Literal(separator) => text.split(separator.as_str()).collect(),
            Self::Pattern(pattern) => pattern.split(text).collect(),
        };
        if parts.len() > 1 {
            while parts.last().is_some_and(|part| part.is_empty()) {
                parts.pop();
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(properties: &[(&str, &str)]) -> Result<LineReader, Failure> {
        let mut all: Properties =
            properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        all.insert("topic".to_owned(), "t".to_owned());
        LineReader::new(&all)
    }

    fn check(properties: &[(&str, &str)], line: &str, expect: &str) {
        let shown = |bytes: &Option<Bytes>| {
            bytes.as_ref().map_or("null".to_owned(), |b| String::from_utf8_lossy(b).into_owned())
        };
        let found = match reader(properties).and_then(|mut reader| reader.read(line)) {
            Ok(record) => {
                let headers: Vec<String> =
                    record.headers.iter().map(|h| format!("{}={}", h.key, shown(&h.value))).collect();
                format!("{} {} [{}]", shown(&record.key), shown(&record.value), headers.join(" "))
            }
            Err(why) => why.text().to_owned(),
        };
        assert_eq!(found, expect, "{line:?}");
    }

    #[test]
    fn lines_as_kafkas_tests_have_them() {
        let both = [("parse.key", "true"), ("parse.headers", "true")];
        check(&[], "k\tv", "null k\tv []");
        check(&[("parse.key", "TRUE ")], "k\tv\tw", "k v\tw []");
        check(&both, "h0:v0,h1:v1\tk\tv", "k v [h0=v0 h1=v1]");
        check(&both, "h0:v0,,\tk\tv", "k v [h0=v0]");
        check(&both, "h0\tk\tv", "No header key separator found in pair 'h0' on line number 1");
        check(&both, "\tk\tv", "No header key separator found in pair '' on line number 1");
        check(&both, "x", "No headers delimiter found on line number 1: 'x'");
        check(&both, "h:v\tk", "No key separator found on line number 1: 'h:v\tk'");
        check(&[("parse.headers", "true")], "h:v\tx", "null x [h=v]");
        let custom = [
            ("parse.key", "true"),
            ("parse.headers", "true"),
            ("key.separator", "#"),
            ("headers.delimiter", "!"),
            ("headers.separator", "&"),
            ("headers.key.separator", ":"),
        ];
        check(&custom, "a:b&c:d!k#v", "k v [a=b c=d]");
    }

    #[test]
    fn errors_may_be_ignored_and_markers_mean_null() {
        let ignore = [("parse.key", "true"), ("parse.headers", "true"), ("ignore.error", "true")];
        check(&ignore, "x", "null x []");
        check(&ignore, "h\tk\tv", "k v [h=null]");
        let marker = [("parse.key", "true"), ("parse.headers", "true"), ("null.marker", "<NULL>")];
        check(&marker, "<NULL>\t<NULL>\t<NULL>", "null null []");
        check(&marker, "h:<NULL>\tk\t", "k  [h=null]");
        let text = "Header keys should not be equal to the null marker '<NULL>' as they can't be null";
        check(&marker, "<NULL>:v\tk\tv", text);
    }

    #[test]
    fn separators_must_differ() {
        let refused = |properties: &[(&str, &str)], expect: &str| {
            assert_eq!(reader(properties).expect_err("refused").text(), expect);
        };
        refused(&[("headers.delimiter", ",")], "headers.delimiter and headers.separator may not be equal");
        refused(
            &[("headers.delimiter", ":")],
            "headers.delimiter and headers.key.separator may not be equal",
        );
        refused(
            &[("headers.separator", ":")],
            "headers.separator and headers.key.separator may not be equal",
        );
        refused(&[("null.marker", "\t")], "null.marker and key.separator may not be equal");
        refused(&[("null.marker", ",")], "null.marker and headers.separator may not be equal");
        let other = [("null.marker", "\t"), ("key.separator", "-")];
        refused(&other, "null.marker and headers.delimiter may not be equal");
        refused(&[("null.marker", ":")], "null.marker and headers.key.separator may not be equal");
    }

    #[test]
    fn a_separator_of_headers_may_be_a_pattern() {
        let pattern = [("parse.headers", "true"), ("headers.separator", "[;|]")];
        check(&pattern, "a:1;b:2|c:3\tv", "null v [a=1 b=2 c=3]");
    }
}

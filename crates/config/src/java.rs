//! What Java's library does with texts and numbers, where Kafka's configurations show it.

/// Java's `String.trim`: cuts every character up to the space from both ends.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ')
}

/// What Java's regular expressions call white space (`\s`).
fn is_regex_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0B' | '\x0C' | '\r')
}

/// Splits at commas and drops the white space around them (`\s*,\s*`), but not that at the ends. Keeps
/// empty parts.
pub(crate) fn split_commas(text: &str) -> Vec<&str> {
    let last = text.matches(',').count();
    text.split(',')
        .enumerate()
        .map(|(index, part)| {
            let part = if index > 0 { part.trim_start_matches(is_regex_space) } else { part };
            if index < last { part.trim_end_matches(is_regex_space) } else { part }
        })
        .collect()
}

/// `Double.parseDouble`, but for hexadecimal numbers, which are not taken.
pub(crate) fn parse_double(text: &str) -> Option<f64> {
    let text = trim(text);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let value = match unsigned {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        _ => {
            let digits = unsigned.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(unsigned);
            // Rust also reads "inf", "nan" and a second sign; Java does not.
            if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
                return None;
            }
            digits.parse().ok()?
        }
    };
    Some(if text.starts_with('-') { -value } else { value })
}

/// A number as Java's `Double.toString` writes it.
pub fn double_to_string(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{value:?}");
    }
    let scientific = format!("{value:e}");
    match scientific.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => format!("{mantissa}E{exponent}"),
        Some((mantissa, exponent)) => format!("{mantissa}.0E{exponent}"),
        None => scientific,
    }
}

/// `List.toString`.
pub(crate) fn list_to_string<S: AsRef<str>>(list: &[S]) -> String {
    let parts: Vec<&str> = list.iter().map(AsRef::as_ref).collect();
    format!("[{}]", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_lose_their_white_space() {
        assert_eq!(split_commas("a , b,c"), ["a", "b", "c"]);
        assert_eq!(split_commas("a,,b,"), ["a", "", "b", ""]);
        assert_eq!(split_commas(" a"), [" a"]);
    }

    #[test]
    fn doubles_are_read_as_java_reads_them() {
        assert_eq!(parse_double("0.5"), Some(0.5));
        assert_eq!(parse_double(" 1e3 "), Some(1000.0));
        assert_eq!(parse_double("-.5f"), Some(-0.5));
        assert_eq!(parse_double("1."), Some(1.0));
        assert_eq!(parse_double("Infinity"), Some(f64::INFINITY));
        for text in ["", "inf", "nan", "--1", "1e", "0x1p3", "."] {
            assert_eq!(parse_double(text), None, "{text}");
        }
    }

    #[test]
    fn doubles_are_written_as_java_writes_them() {
        assert_eq!(double_to_string(f64::MAX), "1.7976931348623157E308");
        assert_eq!(double_to_string(2147483647.0), "2.147483647E9");
        assert_eq!(double_to_string(0.9), "0.9");
        assert_eq!(double_to_string(1.0), "1.0");
        assert_eq!(double_to_string(0.0), "0.0");
        assert_eq!(double_to_string(1e7), "1.0E7");
        assert_eq!(double_to_string(0.0005), "5.0E-4");
    }
}

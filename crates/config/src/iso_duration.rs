//! Durations as Java's `Duration.parse` reads them (`PnDTnHnMn.nS`).

/// The duration in milliseconds; `None` if the text is none or it is negative.
pub fn parse_millis(text: &str) -> Option<i64> {
    let text = text.to_ascii_uppercase();
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let text = text.strip_prefix('P')?;
    let (days, time) = match text.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (text, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let mut total_ms: i64 = 0;
    let rest = take(days, 'D', 24 * 60 * 60 * 1000, &mut total_ms)?;
    if !rest.is_empty() {
        return None;
    }
    let rest = take(time, 'H', 60 * 60 * 1000, &mut total_ms)?;
    let rest = take(rest, 'M', 60 * 1000, &mut total_ms)?;
    if !rest.is_empty() {
        total_ms = total_ms.checked_add(seconds_to_millis(rest.strip_suffix('S')?)?)?;
    }
    let total_ms = if negative { total_ms.checked_neg()? } else { total_ms };
    (total_ms >= 0).then_some(total_ms)
}

/// Takes a number and its unit off the front, if the unit occurs; the rest.
fn take<'a>(text: &'a str, unit: char, factor_ms: i64, total_ms: &mut i64) -> Option<&'a str> {
    let Some((number, rest)) = text.split_once(unit) else { return Some(text) };
    *total_ms = total_ms.checked_add(whole_number(number)?.checked_mul(factor_ms)?)?;
    Some(rest)
}

fn seconds_to_millis(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let millis = if whole.starts_with('-') { -millis } else { millis };
    whole_number(whole)?.checked_mul(1000)?.checked_add(millis)
}

fn whole_number(text: &str) -> Option<i64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::parse_millis;

    #[test]
    fn durations() {
        for (text, expect) in [
            ("PT0S", Some(0)),
            ("PT1H", Some(3_600_000)),
            ("P1D", Some(86_400_000)),
            ("P2DT3H4M5.678S", Some(183_845_678)),
            ("pt20.345s", Some(20_345)),
            ("PT-6H+10H", None),
            ("-PT-6H", Some(21_600_000)),
            ("P-1D", None),
            ("P", None),
            ("PT", None),
            ("P1DT", None),
            ("1H", None),
            ("PT1", None),
            ("P1H", None),
            ("PT1M1H", None),
            ("PT99999999999999999999S", None),
        ] {
            assert_eq!(parse_millis(text), expect, "{text}");
        }
    }
}

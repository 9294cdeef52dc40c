//! Numbers, sizes and times as people read them.

/// A number with a comma between each three digits: `1,234,567`.
pub fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = if number < 0 { "-".to_owned() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How many of a thing there are: `1 record`, `2 records`.
pub fn many(number: i64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A span of time by its two greatest units: `850 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min`, `4 d 1 h`.
pub fn duration(ms: i64) -> String {
    let seconds = ms / 1_000;
    match ms {
        ..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1_000.0),
        60_000..3_600_000 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600_000..86_400_000 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// Bytes by the unit that leaves one to three digits before the point: `512 B`, `1.5 KiB`, `20.0 MiB`.
pub fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut size = bytes.max(0.0);
    let mut unit = 0;
    while size >= 1_024.0 && unit + 1 < UNITS.len() {
        size /= 1_024.0;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{size:.0} {name}") } else { format!("{size:.1} {name}") }
}

/// Things in a second: `0`, `0.4`, `12`, `1,234`.
pub fn per_second(rate: f64) -> String {
    match rate.abs() {
        rate if rate < 0.05 => "0".to_owned(),
        small if small < 9.95 => format!("{rate:.1}"),
        _ => count(rate.round() as i64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (-1_234_567, "-1,234,567")] {
            assert_eq!(count(number), text);
        }
        assert_eq!((many(1, "record"), many(2_000, "record")), ("1 record".into(), "2,000 records".into()));
        assert_eq!(count(i64::MIN), "-9,223,372,036,854,775,808");
        for (ms, text) in [
            (0, "0 ms"),
            (-5, "-5 ms"),
            (999, "999 ms"),
            (4_240, "4.2 s"),
            (185_000, "3 min 5 s"),
            (7_800_000, "2 h 10 min"),
            (349_200_000, "4 d 1 h"),
        ] {
            assert_eq!(duration(ms), text);
        }
        for (size, text) in [(0.0, "0 B"), (1_023.0, "1023 B"), (1_536.0, "1.5 KiB"), (2e18, "1776.4 PiB")] {
            assert_eq!(bytes(size), text);
        }
        for (rate, text) in [(0.01, "0"), (0.44, "0.4"), (12.4, "12"), (1_234.0, "1,234"), (-3.0, "-3.0")] {
            assert_eq!(per_second(rate), text);
        }
    }
}

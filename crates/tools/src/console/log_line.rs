//! Lines of the log that Kafka's tools write to the error output: `[2026-11-21 16:00:00,123] ERROR text (class)`.

use crate::clock::now_ms;
use crate::{Io, errln};

/// Prints an error as the logger of Java's class `class` would, unless the log is off (`OTTLA_LOG=off`); `cause` is
/// the exception's text.
pub fn log_error(io: &mut Io, class: &str, text: &str, cause: &str) {
    if std::env::var_os("OTTLA_LOG").is_some_and(|level| level == "off") {
        return;
    }
    let date = Date::of_unix_ms(now_ms());
    errln!(io, "[{}] ERROR {text} ({class})\n{cause}", date.format("yyyy-MM-dd HH:mm:ss,SSS"));
}

/// A time in UTC, by its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    year: i64,
    month: i64,
    day: i64,
    /// Of the day, in ms.
    ms: i64,
}

const DAY_MS: i64 = 86_400_000;

impl Date {
    /// The date of a Unix time, after Howard Hinnant's `civil_from_days`.
    pub fn of_unix_ms(unix_ms: i64) -> Self {
        let ms = unix_ms.rem_euclid(DAY_MS);
        let days = unix_ms.div_euclid(DAY_MS) + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year, month, day, ms }
    }

    /// By a pattern of Java's `SimpleDateFormat`, of which year, month, day, hour, minute, second and
    /// milliseconds are understood; other letters are shown as they are, and so is text in quotes.
    pub fn format(&self, pattern: &str) -> String {
        let mut out = String::with_capacity(pattern.len());
        let mut rest = pattern.chars().peekable();
        while let Some(letter) = rest.next() {
            if letter == '\'' {
                out.extend(rest.by_ref().take_while(|c| *c != '\''));
                continue;
            }
            let mut width = 1;
            while rest.next_if_eq(&letter).is_some() {
                width += 1;
            }
            let number = match letter {
                'y' if width == 2 => self.year.rem_euclid(100),
                'y' => self.year,
                'M' => self.month,
                'd' => self.day,
                'H' => self.ms / 3_600_000,
                'm' => self.ms / 60_000 % 60,
                's' => self.ms / 1000 % 60,
                'S' => self.ms % 1000,
                other => {
                    out.extend(std::iter::repeat_n(other, width));
                    continue;
                }
            };
            out.push_str(&format!("{number:0width$}"));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let check = |unix_ms: i64, pattern: &str, expect: &str| {
            assert_eq!(Date::of_unix_ms(unix_ms).format(pattern), expect);
        };
        let usual = "yyyy-MM-dd HH:mm:ss:SSS";
        check(0, usual, "1970-01-01 00:00:00:000");
        check(1_709_164_800_000 - 1, usual, "2024-02-28 23:59:59:999");
        check(1_709_164_800_000, usual, "2024-02-29 00:00:00:000");
        check(1_795_276_987_005, usual, "2026-11-21 16:03:07:005");
        check(-1, usual, "1969-12-31 23:59:59:999");
        check(0, "yy 'year' d/M", "70 year 1/1");
    }
}

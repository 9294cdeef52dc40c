//! The DER of Kerberos: numbered fields in sequences, application tags, times. Reads with [`crate::der`], and writes.

use crate::der::{Der, tag};

/// The tag of field `number` of a sequence.
pub(super) const fn field_tag(number: u8) -> u8 {
    0xa0 | number
}

/// The tag of a message.
pub(super) const fn application_tag(number: u8) -> u8 {
    0x60 | number
}

const GENERAL_STRING: u8 = 0x1b;
const GENERALIZED_TIME: u8 = 0x18;

/// Reads the numbered fields of a sequence in their order.
pub(super) struct Fields<'a> {
    der: Der<'a>,
}

impl<'a> Fields<'a> {
    pub(super) fn of_sequence(der: &mut Der<'a>) -> Option<Self> {
        der.inside(tag::SEQUENCE).map(|der| Self { der })
    }

    /// Of a sequence within an application tag.
    pub(super) fn of_message(bytes: &'a [u8], number: u8) -> Option<Self> {
        Self::of_sequence(&mut Der::new(bytes).inside(application_tag(number))?)
    }

    /// What is in a field; `None` when it is not the next.
    pub(super) fn field(&mut self, number: u8) -> Option<Der<'a>> {
        self.der.inside(field_tag(number))
    }

    pub(super) fn integer(&mut self, number: u8) -> Option<i64> {
        integer(&mut self.field(number)?)
    }

    /// The number in a field that may be missing; the outer `None` when it is there and malformed.
    pub(super) fn optional_integer(&mut self, number: u8) -> Option<Option<i64>> {
        match self.field(number) {
            None => Some(None),
            Some(mut der) => integer(&mut der).map(Some),
        }
    }

    pub(super) fn octets(&mut self, number: u8) -> Option<&'a [u8]> {
        self.field(number)?.expect(tag::OCTET_STRING)
    }

    pub(super) fn text(&mut self, number: u8) -> Option<String> {
        text(&mut self.field(number)?)
    }

    /// Unix seconds.
    pub(super) fn time(&mut self, number: u8) -> Option<i64> {
        parse_time(self.field(number)?.expect(GENERALIZED_TIME)?)
    }

    /// The Unix seconds in a field that may be missing; the outer `None` when it is there and malformed.
    pub(super) fn optional_time(&mut self, number: u8) -> Option<Option<i64>> {
        match self.field(number) {
            None => Some(None),
            Some(mut der) => parse_time(der.expect(GENERALIZED_TIME)?).map(Some),
        }
    }

    /// The first 32 bits of a bit string, the first of them the highest.
    pub(super) fn flags(&mut self, number: u8) -> Option<u32> {
        let (_unused, bytes) = self.field(number)?.expect(tag::BIT_STRING)?.split_first()?;
        Some((0..4).fold(0, |flags, at| flags << 8 | u32::from(bytes.get(at).copied().unwrap_or(0))))
    }
}

/// A number of up to eight bytes.
fn integer(der: &mut Der<'_>) -> Option<i64> {
    let bytes = der.expect(tag::INTEGER)?;
    let first = *bytes.first()?;
    if bytes.len() > 8 {
        return None;
    }
    let start = if first & 0x80 == 0 { 0 } else { -1 };
    Some(bytes.iter().fold(start, |number: i64, byte| number << 8 | i64::from(*byte)))
}

pub(super) fn text(der: &mut Der<'_>) -> Option<String> {
    String::from_utf8(der.expect(GENERAL_STRING)?.to_vec()).ok()
}

/// Unix seconds of a text such as `20261122003000Z`.
fn parse_time(text: &[u8]) -> Option<i64> {
    let (digits, zone) = text.split_at_checked(14)?;
    if zone != b"Z" || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |from: usize, to: usize| {
        Some(digits.get(from..to)?.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    let is_valid =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    is_valid.then(|| days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Days of the Gregorian calendar, counted from March on so that a leap day is a year's last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (month * 153 + 2) / 5
        + day
        - 719_469
}

/// A value of any tag.
pub(super) fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let mut out = vec![tag];
    if len < 0x80 {
        out.push(len as u8);
    } else {
        let digits: Vec<u8> = len.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        out.push(0x80 | digits.len() as u8);
        out.extend(digits);
    }
    out.extend_from_slice(content);
    out
}

/// A field of a sequence.
pub(super) fn field(number: u8, content: &[u8]) -> Vec<u8> {
    value(field_tag(number), content)
}

pub(super) fn sequence(fields: &[Vec<u8>]) -> Vec<u8> {
    value(tag::SEQUENCE, &fields.concat())
}

/// A sequence within an application tag.
pub(super) fn message(number: u8, fields: &[Vec<u8>]) -> Vec<u8> {
    value(application_tag(number), &sequence(fields))
}

pub(super) fn octets(bytes: &[u8]) -> Vec<u8> {
    value(tag::OCTET_STRING, bytes)
}

/// A number in as few bytes as it needs.
pub(super) fn number(number: i64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let is_needless = |pair: &[u8]| {
        matches!(pair, [0, next] if next & 0x80 == 0) || matches!(pair, [0xff, next] if next & 0x80 != 0)
    };
    let skipped = bytes.windows(2).take_while(|pair| is_needless(pair)).count();
    value(tag::INTEGER, bytes.get(skipped..).unwrap_or_default())
}

/// A time of Unix seconds, of the years 1 to 9999.
pub(super) fn time(unix_seconds: i64) -> Vec<u8> {
    let (days, seconds) = (unix_seconds.div_euclid(86_400), unix_seconds.rem_euclid(86_400));
    // Days since the first of March of the year 0, in eras of 400 years.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, is_next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year_of_era + is_next;
    let text = format!(
        "{year:04}{month:02}{day_of_month:02}{:02}{:02}{:02}Z",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    );
    value(GENERALIZED_TIME, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times() {
        let check =
            |text: &str, expect: Option<i64>| assert_eq!(parse_time(text.as_bytes()), expect, "{text}");
        check("19700101000000Z", Some(0));
        check("20000229235959Z", Some(951_868_799));
        check("20261122003000Z", Some(1_795_307_400));
        for bad in ["", "20261122003000", "20261322003000Z", "20261122003000+", "2026112200300xZ"] {
            check(bad, None);
        }
    }

    #[test]
    fn numbers() {
        let check = |value: i64, expect: &[u8]| {
            let written = number(value);
            assert_eq!(written, expect);
            assert_eq!(integer(&mut Der::new(&written)), Some(value));
        };
        check(0, &[2, 1, 0]);
        check(-1, &[2, 1, 0xff]);
        check(127, &[2, 1, 127]);
        check(128, &[2, 2, 0, 128]);
        check(-129, &[2, 2, 0xff, 0x7f]);
        check(i64::MIN, &[2, 8, 0x80, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(integer(&mut Der::new(&[2, 0])), None);
        assert_eq!(integer(&mut Der::new(&[2, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0])), None);
    }

    proptest! {
        #[test]
        fn times_are_read_as_written(seconds in 0..200_000_000_000_i64) {
            let written = time(seconds);
            prop_assert_eq!(parse_time(&written[2..]), Some(seconds));
        }

        #[test]
        fn lengths_are_read_as_written(len in 0..70_000_usize) {
            let written = octets(&vec![7; len]);
            let mut der = Der::new(&written);
            prop_assert_eq!(der.expect(tag::OCTET_STRING).map(<[u8]>::len), Some(len));
            prop_assert!(der.is_empty());
        }
    }
}

//! Figures as OpenTelemetry's `MetricsData` (protocol buffers), the form in which clients push them (KIP-714): as much of
//! it as it takes to read gauges and sums. Histograms and summaries, which no client of Kafka pushes, are passed over.
//!
//! ```text
//! MetricsData 1* ResourceMetrics { 1 Resource { 1* KeyValue }, 2* ScopeMetrics { 2* Metric } }
//! Metric      1 name, 5 Gauge { 1* point }, 7 Sum { 1* point, 2 temporality, 3 is monotonic }
//! point       4 double, 6 sfixed64, 7* KeyValue { 1 key, 2 AnyValue { 1 text, 2 bool, 3 integer, 4 double } }
//! ```
//!
//! Nothing is allocated by a length that the bytes claim: names and texts are slices of the input.

use std::fmt;

/// What a figure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// How it is now.
    Gauge,
    /// What it has come to since the beginning.
    Total,
    /// By how much it has grown since it was told last.
    Delta,
}

/// A value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A text.
    Text(&'a str),
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Double(f64),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Bool(value) => value.fmt(f),
            Value::Integer(value) => value.fmt(f),
            Value::Double(value) => value.fmt(f),
        }
    }
}

/// A figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Point<'a> {
    /// Name of its metric.
    pub name: &'a str,
    /// What it means.
    pub kind: Kind,
    /// Its value; finite.
    pub value: f64,
    /// What it is about, in the order of the bytes: attributes of the client, then its own.
    pub attributes: Vec<(&'a str, Value<'a>)>,
}

/// The bytes are no `MetricsData`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtlpError {
    /// They end within a field.
    #[error("the metrics end within a field")]
    CutShort,
    /// A number of more than ten bytes.
    #[error("a number of the metrics is too long")]
    LongNumber,
    /// A field of a type that there is not.
    #[error("the metrics have a field of the unknown type {0}")]
    UnknownType(u8),
    /// A text that is not UTF-8.
    #[error("a text of the metrics is no UTF-8")]
    NoText,
}

/// Most attributes of a figure that are kept.
const ATTRIBUTES_MAX: usize = 32;
/// OpenTelemetry's `AGGREGATION_TEMPORALITY_DELTA`.
const DELTA: u64 = 1;

/// Calls `visit` with each figure, in the order of the bytes.
///
/// # Errors
/// When the bytes are no `MetricsData`; figures before the wrong place have been visited by then.
pub fn each_point<'a>(bytes: &'a [u8], mut visit: impl FnMut(Point<'a>)) -> Result<(), OtlpError> {
    each(bytes, 1, &mut |resource_metrics| {
        let mut of_client = Vec::new();
        each(resource_metrics, 1, &mut |resource| attributes(resource, 1, &mut of_client))?;
        each(resource_metrics, 2, &mut |scope| {
            each(scope, 2, &mut |metric| points_of(metric, &of_client, &mut visit))
        })
    })
}

fn points_of<'a>(
    metric: &'a [u8],
    of_client: &[(&'a str, Value<'a>)],
    visit: &mut impl FnMut(Point<'a>),
) -> Result<(), OtlpError> {
    let mut name = "";
    each(metric, 1, &mut |bytes| {
        name = text(bytes)?;
        Ok(())
    })?;
    let mut tell = |kind: Kind, point: &'a [u8]| {
        let mut all = of_client.to_vec();
        attributes(point, 7, &mut all)?;
        if let Some(value) = number(point)?.filter(|value| value.is_finite()) {
            visit(Point { name, kind, value, attributes: all });
        }
        Ok(())
    };
    each(metric, 5, &mut |gauge| each(gauge, 1, &mut |point| tell(Kind::Gauge, point)))?;
    each(metric, 7, &mut |sum| {
        let kind = kind_of_sum(sum)?;
        each(sum, 1, &mut |point| tell(kind, point))
    })
}

/// A sum that also falls is told as it is; one that is told by its changes only can't be.
fn kind_of_sum(sum: &[u8]) -> Result<Kind, OtlpError> {
    let (mut temporality, mut is_monotonic) = (0, false);
    let mut fields = Fields(sum);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (2, Field::Varint(value)) => temporality = value,
            (3, Field::Varint(value)) => is_monotonic = value != 0,
            _ => {}
        }
    }
    Ok(match (temporality, is_monotonic) {
        (DELTA, _) => Kind::Delta,
        (_, true) => Kind::Total,
        (_, false) => Kind::Gauge,
    })
}

fn number(point: &[u8]) -> Result<Option<f64>, OtlpError> {
    let mut found = None;
    let mut fields = Fields(point);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (4, Field::Fixed64(bits)) => found = Some(f64::from_bits(bits)),
            (6, Field::Fixed64(bits)) => found = Some(bits.cast_signed() as f64),
            _ => {}
        }
    }
    Ok(found)
}

/// Adds the attributes in the fields of this number.
fn attributes<'a>(
    bytes: &'a [u8],
    number: u64,
    all: &mut Vec<(&'a str, Value<'a>)>,
) -> Result<(), OtlpError> {
    each(bytes, number, &mut |key_value| {
        let (mut key, mut value) = ("", None);
        each(key_value, 1, &mut |bytes| {
            key = text(bytes)?;
            Ok(())
        })?;
        each(key_value, 2, &mut |any| {
            value = any_value(any)?;
            Ok(())
        })?;
        if let Some(value) = value.filter(|_| all.len() < ATTRIBUTES_MAX) {
            all.push((key, value));
        }
        Ok(())
    })
}

/// Arrays, maps and bytes are passed over.
fn any_value(any: &[u8]) -> Result<Option<Value<'_>>, OtlpError> {
    let mut found = None;
    let mut fields = Fields(any);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => found = Some(Value::Text(text(bytes)?)),
            (2, Field::Varint(value)) => found = Some(Value::Bool(value != 0)),
            (3, Field::Varint(value)) => found = Some(Value::Integer(value.cast_signed())),
            (4, Field::Fixed64(bits)) => found = Some(Value::Double(f64::from_bits(bits))),
            _ => {}
        }
    }
    Ok(found)
}

fn text(bytes: &[u8]) -> Result<&str, OtlpError> {
    std::str::from_utf8(bytes).map_err(|_| OtlpError::NoText)
}

/// Calls `visit` with the content of each field of this number that holds bytes. The others are checked all the same.
fn each<'a>(
    bytes: &'a [u8],
    wanted: u64,
    visit: &mut dyn FnMut(&'a [u8]) -> Result<(), OtlpError>,
) -> Result<(), OtlpError> {
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        if let (true, Field::Bytes(content)) = (number == wanted, field) {
            visit(content)?;
        }
    }
    Ok(())
}

/// A field's content.
enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32,
    Bytes(&'a [u8]),
}

/// What is left of a message.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, OtlpError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => {
                let (bytes, rest) = self.0.split_first_chunk::<8>().ok_or(OtlpError::CutShort)?;
                self.0 = rest;
                Field::Fixed64(u64::from_le_bytes(*bytes))
            }
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| OtlpError::CutShort)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(OtlpError::CutShort)?;
                self.0 = rest;
                Field::Bytes(bytes)
            }
            5 => {
                self.0 = self.0.get(4..).ok_or(OtlpError::CutShort)?;
                Field::Fixed32
            }
            other => return Err(OtlpError::UnknownType(u8::try_from(other).unwrap_or(u8::MAX))),
        };
        Ok(Some((tag >> 3, field)))
    }

    fn varint(&mut self) -> Result<u64, OtlpError> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(OtlpError::CutShort)?;
            self.0 = rest;
            // The tenth byte holds one bit; what more it claims is cut off.
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(OtlpError::LongNumber)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(mut value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
        out
    }

    fn bytes(number: u64, content: &[u8]) -> Vec<u8> {
        [varint(number << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
    }

    fn fixed(number: u64, bits: u64) -> Vec<u8> {
        [varint(number << 3 | 1), bits.to_le_bytes().to_vec()].concat()
    }

    fn key_value(key: &str, value: &[u8]) -> Vec<u8> {
        [bytes(1, key.as_bytes()), bytes(2, value)].concat()
    }

    fn data(metrics: &[Vec<u8>]) -> Vec<u8> {
        let resource = bytes(1, &bytes(1, &key_value("group_id", &bytes(1, b"g"))));
        let scope: Vec<u8> = metrics.iter().flat_map(|metric| bytes(2, metric)).collect();
        bytes(1, &[resource, bytes(2, &scope)].concat())
    }

    /// A point of each kind.
    fn sample() -> Vec<u8> {
        let topic = bytes(7, &key_value("topic", &bytes(1, b"t")));
        let flags = [
            bytes(7, &key_value("on", &[0x10, 1])),
            bytes(7, &key_value("n", &[vec![0x18], varint(-3_i64 as u64)].concat())),
            bytes(7, &key_value("list", &bytes(5, b"..."))),
        ]
        .concat();
        let double = [fixed(2, 1), fixed(3, 2), fixed(4, 1.5_f64.to_bits()), topic].concat();
        let whole = [fixed(6, -7_i64 as u64), flags].concat();
        let gauge = [bytes(1, b"a.gauge"), bytes(5, &bytes(1, &double))].concat();
        let total = [bytes(7, &[bytes(1, &whole), vec![0x10, 2, 0x18, 1]].concat()), bytes(1, b"a.total")];
        let delta = [
            bytes(1, b"a.delta"),
            bytes(7, &[vec![0x10, 1, 0x18, 1], bytes(1, &fixed(4, 2.0_f64.to_bits()))].concat()),
        ];
        let histogram = [bytes(1, b"a.histogram"), bytes(9, &bytes(1, &fixed(4, 1)))].concat();
        let nan = [bytes(1, b"a.nan"), bytes(5, &bytes(1, &fixed(4, f64::NAN.to_bits())))].concat();
        data(&[gauge, total.concat(), delta.concat(), histogram, nan])
    }

    fn read(input: &[u8]) -> Result<Vec<String>, OtlpError> {
        let mut all = Vec::new();
        each_point(input, |point| {
            let attributes: Vec<String> =
                point.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
            all.push(format!("{} {:?} {} {}", point.name, point.kind, point.value, attributes.join(",")));
        })?;
        Ok(all)
    }

    #[test]
    fn gauges_and_sums_are_read() {
        let expect = [
            "a.gauge Gauge 1.5 group_id=g,topic=t",
            "a.total Total -7 group_id=g,on=true,n=-3",
            "a.delta Delta 2 group_id=g",
        ];
        assert_eq!(read(&sample()).expect("it is whole"), expect);
        assert_eq!(read(&[]), Ok(vec![]));
    }

    #[test]
    fn what_is_cut_short_or_wrong_is_refused() {
        let whole = sample();
        for length in 1..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
        assert_eq!(read(&[0x0b]), Err(OtlpError::UnknownType(3)));
        assert_eq!(read(&[0x80; 11]), Err(OtlpError::LongNumber));
        assert_eq!(
            read(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
            Err(OtlpError::CutShort)
        );
        assert_eq!(read(&data(&[bytes(1, &[0xff])])), Err(OtlpError::NoText));
    }

    #[test]
    fn bytes_that_are_changed_never_make_it_panic() {
        let whole = sample();
        for at in 0..whole.len() {
            for change in 0..=255 {
                let mut changed = whole.clone();
                changed[at] = change;
                let _ = read(&changed);
            }
        }
    }
}

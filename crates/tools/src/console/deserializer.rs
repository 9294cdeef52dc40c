//! Deserializers by the names of Kafka's classes, and the text that Java shows of what they give.

use ottla_config::double_to_string;

const PACKAGE: &str = "org.apache.kafka.common.serialization.";

/// How bytes become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deserializer {
    /// UTF-8.
    Text,
    /// Bytes as they are; Java would show the identity of an array.
    ByteArray,
    /// Printable ASCII, the rest as `\xNN`.
    Bytes,
    /// 16 bits.
    Short,
    /// 32 bits.
    Int,
    /// 64 bits.
    Long,
    /// 32 bits, floating.
    Float,
    /// 64 bits, floating.
    Double,
    /// One byte, 0 or 1.
    Boolean,
    /// The text of a UUID.
    Uuid,
    /// Nothing.
    Void,
}

impl Deserializer {
    /// The deserializer of a class; the package may be left out.
    pub fn of_class(class: &str) -> Option<Self> {
        Some(match class.strip_prefix(PACKAGE).unwrap_or(class) {
            "StringDeserializer" => Self::Text,
            "ByteArrayDeserializer" | "ByteBufferDeserializer" => Self::ByteArray,
            "BytesDeserializer" => Self::Bytes,
            "ShortDeserializer" => Self::Short,
            "IntegerDeserializer" => Self::Int,
            "LongDeserializer" => Self::Long,
            "FloatDeserializer" => Self::Float,
            "DoubleDeserializer" => Self::Double,
            "BooleanDeserializer" => Self::Boolean,
            "UUIDDeserializer" => Self::Uuid,
            "VoidDeserializer" => Self::Void,
            _ => return None,
        })
    }

    /// The text of `bytes`.
    ///
    /// # Errors
    /// When they are not of the type, in the words of Kafka's `SerializationException`.
    pub fn show(self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let text = match self {
            Self::Text => String::from_utf8_lossy(bytes).into_owned(),
            Self::ByteArray => return Ok(bytes.to_vec()),
            Self::Bytes => escaped(bytes),
            Self::Short => i16::from_be_bytes(sized(bytes, "ShortDeserializer")?).to_string(),
            Self::Int => i32::from_be_bytes(sized(bytes, "IntegerDeserializer")?).to_string(),
            Self::Long => i64::from_be_bytes(sized(bytes, "LongDeserializer")?).to_string(),
            Self::Float => {
                let value = f32::from_be_bytes(sized(bytes, "Deserializer")?);
                // The shortest text of the float, not that of the double it widens to.
                double_to_string(value.to_string().parse().unwrap_or(f64::from(value)))
            }
            Self::Double => double_to_string(f64::from_be_bytes(sized(bytes, "Deserializer")?)),
            Self::Boolean => match bytes {
                [0] => "false".to_owned(),
                [1] => "true".to_owned(),
                [other] => return Err(format!("Unexpected byte received by BooleanDeserializer: {other}")),
                _ => return Err("Size of data received by BooleanDeserializer is not 1".to_owned()),
            },
            Self::Uuid => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                let is_uuid = text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
                if !is_uuid || !text.chars().all(|c| c == '-' || c.is_ascii_hexdigit()) {
                    return Err("Error parsing data into UUID".to_owned());
                }
                text.to_ascii_lowercase()
            }
            Self::Void => return Err("Data should be null for a VoidDeserializer.".to_owned()),
        };
        Ok(text.into_bytes())
    }
}

fn sized<const N: usize>(bytes: &[u8], who: &str) -> Result<[u8; N], String> {
    <[u8; N]>::try_from(bytes).map_err(|_| format!("Size of data received by {who} is not {N}"))
}

/// As `org.apache.kafka.common.utils.Bytes` prints itself.
fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b' '..=b'~' if *byte != b'\\' => out.push(char::from(*byte)),
            _ => out.push_str(&format!("\\x{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_javas() {
        let check = |class: &str, bytes: &[u8], expect: Result<&str, &str>| {
            let shown = Deserializer::of_class(class).expect("known").show(bytes);
            let shown = shown.map(|text| String::from_utf8_lossy(&text).into_owned());
            assert_eq!(shown, expect.map(str::to_owned).map_err(str::to_owned), "{class}");
        };
        let long = "org.apache.kafka.common.serialization.LongDeserializer";
        check(long, &[0, 0, 0, 0, 0, 0, 1, 0], Ok("256"));
        check(long, b"null", Err("Size of data received by LongDeserializer is not 8"));
        check("IntegerDeserializer", &[0xff; 4], Ok("-1"));
        check("ShortDeserializer", &[0, 7], Ok("7"));
        check("DoubleDeserializer", &1e10f64.to_be_bytes(), Ok("1.0E10"));
        check("DoubleDeserializer", &2.5f64.to_be_bytes(), Ok("2.5"));
        check("FloatDeserializer", &0.1f32.to_be_bytes(), Ok("0.1"));
        check("BooleanDeserializer", &[1], Ok("true"));
        check("BytesDeserializer", b"a\n", Ok("a\\x0A"));
        check("StringDeserializer", b"x", Ok("x"));
        check("UUIDDeserializer", b"x", Err("Error parsing data into UUID"));
        let uuid = b"8e2a5b0c-1d3f-4a6b-9c8d-0e1f2a3b4c5d";
        check("UUIDDeserializer", uuid, Ok("8e2a5b0c-1d3f-4a6b-9c8d-0e1f2a3b4c5d"));
        assert_eq!(Deserializer::of_class("com.example.Mine"), None);
    }
}

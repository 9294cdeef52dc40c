//! Base64 of RFC 4648: with padding, as SCRAM, PEM, JSON and the tools write it; with the alphabet for URLs and without padding, as JWTs
//! do.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The text of bytes.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let symbol = ALPHABET.get((bits >> (18 - 6 * at)) as usize & 63);
            text.push(if at <= chunk.len() { symbol.map_or('=', |s| char::from(*s)) } else { '=' });
        }
    }
    text
}

/// The bytes of a text; `None` when a character, the padding or the length is not Base64's.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let padding = bytes.iter().rev().take_while(|byte| **byte == b'=').count();
    let symbols = bytes.get(..bytes.len() - padding.min(3))?;
    if padding > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(symbols.len() * 3 / 4);
    for chunk in symbols.chunks(4) {
        let mut bits = 0_u32;
        for symbol in chunk {
            bits = bits << 6 | value(*symbol)?;
        }
        bits <<= 6 * (4 - chunk.len());
        out.extend(bits.to_be_bytes().get(1..chunk.len())?);
    }
    Some(out)
}

/// The text of bytes in the alphabet for URLs, without padding.
pub fn encode_url(bytes: &[u8]) -> String {
    encode(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// The bytes of a text in the alphabet for URLs, without padding; `None` when it is none.
pub fn decode_url(text: &str) -> Option<Vec<u8>> {
    if text.contains(['+', '/', '=']) {
        return None;
    }
    let mut padded = text.replace('-', "+").replace('_', "/");
    let missing = (4 - padded.len() % 4) % 4;
    padded.extend(std::iter::repeat_n('=', missing));
    decode(&padded)
}

/// The same of a text that may lack its padding.
pub fn decode_unpadded(text: &str) -> Option<Vec<u8>> {
    let symbols = text.trim_end_matches('=');
    decode(&format!("{symbols}{}", "=".repeat((4 - symbols.len() % 4) % 4)))
}

/// The first byte of a text that is no character of Base64, padding at its end aside.
pub fn illegal_character(text: &str) -> Option<u8> {
    text.trim_end_matches('=').bytes().find(|symbol| value(*symbol).is_none())
}

fn value(symbol: u8) -> Option<u32> {
    Some(u32::from(match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_rfcs_examples() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        for (text, bytes) in [("Zm9vYmE=", "fooba"), ("Zm9vYg", "foob"), ("Zm9v", "foo"), ("", "")] {
            assert_eq!(decode_unpadded(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!((decode_unpadded("a"), decode_unpadded("-A==")), (None, None));
        assert_eq!((illegal_character("Zg=="), illegal_character("Z-g=")), (None, Some(b'-')));
        assert_eq!(encode(&[0xfb, 0xff]), "+/8=");
        for bad in ["Z", "Zg", "Zg=", "Z===", "====", "Zm9v=", "Zm-v", "Zg==Zg=="] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn what_is_written_for_urls_is_read(bytes: Vec<u8>) {
            let text = encode_url(&bytes);
            prop_assert!(!text.contains(['+', '/', '=']));
            prop_assert_eq!(decode_url(&text), Some(bytes));
        }

        #[test]
        fn any_text_is_survived(text in ".{0,40}") {
            let _ = decode(&text);
            let _ = decode_url(&text);
            let _ = (decode(&text), decode_unpadded(&text), illegal_character(&text));
        }
    }
}

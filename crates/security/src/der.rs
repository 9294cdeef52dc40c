//! DER (X.690), as far as certificates and key stores need it. Nothing is copied, and no length is believed beyond the bytes
//! that are there.

/// Tags that are read here.
#[allow(missing_docs)]
pub mod tag {
    pub const INTEGER: u8 = 0x02;
    pub const BIT_STRING: u8 = 0x03;
    pub const OCTET_STRING: u8 = 0x04;
    pub const OID: u8 = 0x06;
    pub const SEQUENCE: u8 = 0x30;
    pub const SET: u8 = 0x31;
    /// Of the context, number 0, constructed.
    pub const CONTEXT_0: u8 = 0xa0;
    /// Of the context, number 0, primitive.
    pub const CONTEXT_0_PRIMITIVE: u8 = 0x80;
}

/// Reads values one behind the other.
#[derive(Clone, Copy, Debug)]
pub struct Der<'a> {
    rest: &'a [u8],
}

impl<'a> Der<'a> {
    /// A reader of these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The tag of the next value.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next value's tag, content, and all of its bytes; `None` when it is malformed, of a tag above 30, or of no definite
    /// length.
    pub fn value(&mut self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (&tag, rest) = self.rest.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, mut rest) = rest.split_first()?;
        let len = if first < 0x80 {
            usize::from(first)
        } else {
            let count = usize::from(first & 0x7f);
            let (digits, after) = rest.split_at_checked(count)?;
            rest = after;
            if !(1..=4).contains(&count) {
                return None;
            }
            digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit))
        };
        let (content, after) = rest.split_at_checked(len)?;
        let whole = self.rest.get(..self.rest.len() - after.len())?;
        self.rest = after;
        Some((tag, content, whole))
    }

    /// The content of the next value, which must have this tag.
    pub fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let (found, content, _) = ahead.value()?;
        if found != tag {
            return None;
        }
        *self = ahead;
        Some(content)
    }

    /// The values inside the next one, which must have this tag.
    pub fn inside(&mut self, tag: u8) -> Option<Der<'a>> {
        self.expect(tag).map(Der::new)
    }

    /// A number that is not negative and fits.
    pub fn number(&mut self) -> Option<u32> {
        let mut bytes = self.expect(tag::INTEGER)?;
        while let [0, rest @ ..] = bytes
            && !rest.is_empty()
        {
            bytes = rest;
        }
        if bytes.is_empty() || bytes.len() > 4 {
            return None;
        }
        let number = bytes.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        (number <= i32::MAX as u32).then_some(number)
    }
}

/// An object identifier with dots; `None` when it is malformed.
pub fn oid_text(oid: &[u8]) -> Option<String> {
    let mut numbers = Vec::new();
    let mut number = 0_u64;
    for byte in oid {
        number = number.checked_mul(128)?.checked_add(u64::from(byte & 0x7f))?;
        if byte & 0x80 == 0 {
            numbers.push(std::mem::take(&mut number));
        }
    }
    let (first, rest) = numbers.split_first()?;
    let (a, b) = if *first < 80 { (first / 40, first % 40) } else { (2, first - 80) };
    let rest: String = rest.iter().map(|number| format!(".{number}")).collect();
    (oid.last()? & 0x80 == 0).then(|| format!("{a}.{b}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_their_lengths() {
        let mut der = Der::new(&[0x30, 3, 2, 1, 5, 4, 0x81, 1, 9]);
        assert_eq!(der.inside(tag::SEQUENCE).and_then(|mut inside| inside.number()), Some(5));
        assert_eq!(der.expect(tag::INTEGER), None, "another tag is left where it is");
        assert_eq!(der.expect(tag::OCTET_STRING), Some(&[9][..]));
        assert!(der.is_empty() && der.value().is_none());
        for bad in [
            &[4_u8, 2, 0][..],
            &[4, 0x80, 0, 0],
            &[4, 0x85, 0, 0, 0, 0, 1, 0],
            &[4, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x1f, 0],
        ] {
            assert!(Der::new(bad).value().is_none(), "{bad:?}");
        }
        assert_eq!(Der::new(&[2, 2, 0, 0xff]).number(), Some(255));
        assert_eq!(Der::new(&[2, 4, 0xff, 0, 0, 0]).number(), None);
    }

    #[test]
    fn object_identifiers() {
        assert_eq!(oid_text(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]).as_deref(), Some("1.2.840.113549"));
        assert_eq!(oid_text(&[0x55, 4, 3]).as_deref(), Some("2.5.4.3"));
        assert_eq!(oid_text(&[0x80]), None);
        assert_eq!(oid_text(&[0xff; 20]), None);
    }
}

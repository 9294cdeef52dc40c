//! Zig-zag variable-length integers, as records use them (`ByteUtils.readVarint`, `readVarlong`).
//!
//! Kafka accepts any encoding of up to five bytes (ten for a long) and drops the bits that do not fit; so
//! does this.

/// A place in a buffer that never reads past its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// A 32-bit zig-zag varint of at most five bytes.
    #[inline]
    pub(super) fn varint(&mut self) -> Option<i32> {
        // Most numbers of a record take one byte.
        if let Some((first, rest)) = self.0.split_first()
            && *first < 0x80
        {
            self.0 = rest;
            return Some(i32::from(*first >> 1) ^ -i32::from(*first & 1));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Option<i32> {
        let mut raw = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            raw |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some((raw >> 1) as i32 ^ -((raw & 1) as i32));
            }
        }
        None
    }

    /// A 64-bit zig-zag varint of at most ten bytes.
    pub(super) fn varlong(&mut self) -> Option<i64> {
        let mut raw = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            raw |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some((raw >> 1) as i64 ^ -((raw & 1) as i64));
            }
        }
        None
    }

    /// Bytes behind a varint length; any negative length means null. `None`: not enough bytes.
    pub(super) fn nullable_bytes(&mut self) -> Option<Option<&'a [u8]>> {
        match usize::try_from(self.varint()?) {
            Ok(len) => Some(Some(self.take(len)?)),
            Err(_) => Some(None),
        }
    }
}

/// Appends `value`, zig-zag encoded.
pub(super) fn put_varint(out: &mut Vec<u8>, value: i32) {
    put_varlong(out, i64::from(value));
}

/// Appends `value`, zig-zag encoded.
pub(super) fn put_varlong(out: &mut Vec<u8>, value: i64) {
    let mut raw = zig_zag(value);
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

/// Bytes that [`put_varlong`] writes for `value`, and [`put_varint`] for one of 32 bits.
#[inline]
pub(super) fn size_of_varlong(value: i64) -> usize {
    let raw = zig_zag(value);
    if raw < 0x80 {
        return 1;
    }
    // A seventh of the bits, rounded up, without a division.
    let bits = 64 - raw.leading_zeros() as usize;
    (bits * 9 + 64) / 64
}

/// Small numbers of either sign as small ones.
#[inline]
pub(super) fn zig_zag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_sizes() {
        let mut values = vec![0i64, 1, -1, 63, 64, -64, -65, 300, i64::MAX, i64::MIN];
        values.extend(
            (0..64)
                .flat_map(|bit| [1i64 << bit, (1i64 << bit).wrapping_neg(), (1i64 << bit).wrapping_sub(1)]),
        );
        for value in values {
            let mut out = Vec::new();
            put_varlong(&mut out, value);
            assert_eq!(out.len(), size_of_varlong(value), "{value}");
            let mut cursor = Cursor::new(&out);
            assert_eq!(cursor.varlong(), Some(value));
            assert!(cursor.is_empty());
            if let Ok(small) = i32::try_from(value) {
                assert_eq!(Cursor::new(&out).varint(), Some(small));
            }
        }
    }

    #[test]
    fn endless_and_cut_encodings_are_refused() {
        assert_eq!(Cursor::new(&[0x80; 5]).varint(), None);
        assert_eq!(Cursor::new(&[0x80; 10]).varlong(), None);
        assert_eq!(Cursor::new(&[0x80; 4]).varint(), None);
        assert_eq!(Cursor::new(&[]).varint(), None);
        // Five bytes with bits beyond the 32nd: dropped, as Kafka drops them.
        assert_eq!(Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0x7f]).varint(), Some(i32::MIN));
    }

    #[test]
    fn null_is_any_negative_length() {
        assert_eq!(Cursor::new(&[1]).nullable_bytes(), Some(None));
        assert_eq!(Cursor::new(&[3]).nullable_bytes(), Some(None));
        assert_eq!(Cursor::new(&[0]).nullable_bytes(), Some(Some(&[][..])));
        assert_eq!(Cursor::new(&[4, 1]).nullable_bytes(), None);
    }
}

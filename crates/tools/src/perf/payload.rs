//! What the records of `producer-perf-test` hold.

use bytes::Bytes;

/// The numbers of Java's `SplittableRandom`, so that a run writes the bytes that Kafka's tool writes.
#[derive(Clone, Debug)]
pub struct SplittableRandom {
    seed: u64,
}

impl SplittableRandom {
    /// Of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    fn next_u32(&mut self) -> u32 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.seed ^ (self.seed >> 33)).wrapping_mul(0x62a9_d9ed_7997_05f5);
        ((z ^ (z >> 28)).wrapping_mul(0xcb24_d0a5_c88c_35b3) >> 32) as u32
    }

    /// A number from 0 to below `bound`; 0 when the bound is not positive.
    pub fn next_below(&mut self, bound: i32) -> i32 {
        if bound <= 0 {
            return 0;
        }
        let most = bound - 1;
        let r = self.next_u32();
        if bound & most == 0 {
            return r.cast_signed() & most;
        }
        let mut u = (r >> 1).cast_signed();
        loop {
            let rest = u % bound;
            // Overflows for the incomplete last range, which would favour small numbers.
            if u.wrapping_add(most).wrapping_sub(rest) >= 0 {
                return rest;
            }
            u = (self.next_u32() >> 1).cast_signed();
        }
    }
}

/// Where payloads come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Random capitals of this size, in bytes.
    Random(usize),
    /// One of these, at random.
    List(Vec<Bytes>),
    /// The number of the record.
    Monotonic,
}

impl Payload {
    /// The payload of a record.
    pub fn next(&self, number: i64, random: &mut SplittableRandom) -> Bytes {
        match self {
            Payload::Random(size) => (0..*size).map(|_| random.next_below(26) as u8 + b'A').collect(),
            Payload::List(list) => {
                let at = random.next_below(i32::try_from(list.len()).unwrap_or(i32::MAX));
                usize::try_from(at).ok().and_then(|at| list.get(at)).cloned().unwrap_or_default()
            }
            Payload::Monotonic => Bytes::from(number.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_below_their_bound_and_repeat() {
        let (mut one, mut two) = (SplittableRandom::new(0), SplittableRandom::new(0));
        for _ in 0..1000 {
            let number = one.next_below(26);
            assert!((0..26).contains(&number));
            assert_eq!(two.next_below(26), number);
        }
        assert_eq!(one.next_below(0), 0);
        assert!((0..8).contains(&one.next_below(8)));
    }

    #[test]
    fn payloads() {
        let mut random = SplittableRandom::new(0);
        let payload = Payload::Random(100).next(0, &mut random);
        assert!(payload.len() == 100 && payload.iter().all(u8::is_ascii_uppercase));
        assert_eq!(Payload::Monotonic.next(42, &mut random), "42");
        let list = Payload::List(vec![Bytes::from_static(b"a")]);
        assert_eq!(list.next(0, &mut random), "a");
    }
}

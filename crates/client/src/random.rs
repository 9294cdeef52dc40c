//! The source of randomness of the clients; what is pure takes its numbers as arguments.

use std::cell::Cell;

thread_local! {
    static STATE: Cell<u64> = Cell::new(seed());
}

/// A number that nobody guesses by chance; not for secrets.
pub fn next_u64() -> u64 {
    STATE.with(|state| {
        // xorshift64*: quick, and more than enough to spread retries.
        let mut x = state.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        state.set(x);
        x.wrapping_mul(0x2545_F491_4F6C_DD1D)
    })
}

/// A number from 0 (included) to 1 (excluded).
pub fn next_f64() -> f64 {
    (next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// A number below `bound`; 0 when `bound` is 0.
pub fn below(bound: usize) -> usize {
    if bound == 0 { 0 } else { (next_u64() % bound as u64) as usize }
}

/// A text that nobody can guess, of 144 bits, without commas.
///
/// # Errors
/// When the system gives no random bytes.
pub fn secret() -> Result<String, getrandom::Error> {
    let mut random = [0; 18];
    getrandom::fill(&mut random)?;
    Ok(ottla_security::base64::encode(&random))
}

/// A random (version 4) UUID.
#[allow(dead_code)]
pub fn uuid() -> ottla_protocol::Uuid {
    let mut bytes = [0; 16];
    let (high, low) = bytes.split_at_mut(8);
    high.copy_from_slice(&next_u64().to_be_bytes());
    low.copy_from_slice(&next_u64().to_be_bytes());
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    ottla_protocol::Uuid(bytes)
}

/// The hasher's keys come from the operating system, others for each call.
fn seed() -> u64 {
    ahash::RandomState::new().hash_one(std::thread::current().id()) | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_differ_and_stay_in_their_range() {
        assert_ne!(next_u64(), next_u64());
        for _ in 0..1000 {
            assert!((0.0..1.0).contains(&next_f64()));
            assert!(below(7) < 7);
        }
        assert_eq!(below(0), 0);
        assert_ne!(uuid(), uuid());
    }
}

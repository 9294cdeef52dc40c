//! How often keys that an issuer's set does not have are asked for (`RefreshingHttpsJwks.maybeExpediteRefresh`).

use super::jwks::Jwks;

/// Ids that are remembered.
const IDS_MAX: usize = 16;
/// Longest id that is asked for, in characters.
const ID_CHARS_MAX: usize = 1_000;
/// Between two questions for the same id.
const SAME_ID_INTERVAL_MS: i64 = 60_000;
/// Between two questions for whichever ids. Kafka has no such bound: whoever invents ids has it ask the issuer as fast as it can.
const ANY_ID_INTERVAL_MS: i64 = 1_000;

/// Keys that were asked for and are not there.
#[derive(Debug, Default)]
pub struct MissingKeys {
    /// Ids, and when they may be asked for again; the one used last comes last.
    asked: Vec<(String, i64)>,
    last_ms: Option<i64>,
}

impl MissingKeys {
    /// Whether the issuer is to be asked for a key now.
    pub fn ask(&mut self, id: &str, now_ms: i64) -> bool {
        let is_too_soon = self.last_ms.is_some_and(|last| now_ms - last < ANY_ID_INTERVAL_MS);
        if is_too_soon || id.chars().nth(ID_CHARS_MAX).is_some() {
            return false;
        }
        if let Some(at) = self.asked.iter().position(|(known, _)| known == id) {
            let (id, again_ms) = self.asked.remove(at);
            let is_due = again_ms <= now_ms;
            self.asked.push((id, if is_due { now_ms + SAME_ID_INTERVAL_MS } else { again_ms }));
            self.last_ms = if is_due { Some(now_ms) } else { self.last_ms };
            return is_due;
        }
        if self.asked.len() >= IDS_MAX {
            self.asked.remove(0);
        }
        self.asked.push((id.to_owned(), now_ms + SAME_ID_INTERVAL_MS));
        self.last_ms = Some(now_ms);
        true
    }

    /// The issuer's set has come: what it has is missing no longer.
    pub fn found(&mut self, keys: &Jwks) {
        self.asked.retain(|(id, _)| !keys.has(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_asked_for_once_a_minute() {
        let mut missing = MissingKeys::default();
        assert!(missing.ask("a", 0) && !missing.ask("a", 2_000) && !missing.ask("a", 59_999));
        assert!(missing.ask("b", 30_000) && !missing.ask("c", 30_999), "one a second");
        assert!(missing.ask("a", 60_000));
        let keys = br#"{"keys":[{"kty":"RSA","kid":"a","n":"AQ","e":"AQAB"}]}"#;
        missing.found(&Jwks::parse(keys).expect("a set"));
        assert!(missing.ask("a", 62_000), "it was there, so it may be missing again");
        assert!(!missing.ask(&"x".repeat(1_001), 70_000) && missing.ask(&"x".repeat(1_000), 70_000));
    }

    #[test]
    fn no_more_than_sixteen_are_remembered() {
        let mut missing = MissingKeys::default();
        for n in 0..100_000 {
            assert!(missing.ask(&n.to_string(), n * 1_000));
            assert!(missing.asked.len() <= IDS_MAX);
        }
    }
}

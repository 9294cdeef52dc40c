//! When a token is renewed (`ExpiringCredentialRefreshingLogin.refreshMs`).

/// `sasl.login.refresh.*`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Refresh {
    /// `sasl.login.refresh.window.factor`: the part of a token's life after which it is renewed, 0.5 to 1.
    pub window_factor: f64,
    /// `sasl.login.refresh.window.jitter`: the most that is added to that at random, 0 to 0.25.
    pub window_jitter: f64,
    /// `sasl.login.refresh.min.period.seconds`: between two renewals.
    pub period_min_seconds: i64,
    /// `sasl.login.refresh.buffer.seconds`: before the end of a token's life.
    pub buffer_seconds: i64,
}

impl Refresh {
    /// When to renew a token that lives from `issued_ms` (now, if it does not say) to `expires_ms`; `random` is from 0 to 1.
    pub fn at_ms(&self, issued_ms: Option<i64>, expires_ms: i64, now_ms: i64, random: f64) -> i64 {
        let part = self.window_factor + self.window_jitter * random;
        let of = |life_ms: i64| (life_ms as f64 * part) as i64;
        let (period_ms, buffer_ms) = (self.period_min_seconds * 1_000, self.buffer_seconds * 1_000);
        // A life too short for both: as far into it as into a long one.
        if now_ms.saturating_add(period_ms + buffer_ms) > expires_ms {
            return now_ms.saturating_add(of(expires_ms.saturating_sub(now_ms)));
        }
        let start_ms = issued_ms.unwrap_or(now_ms);
        let wanted_ms = start_ms.saturating_add(of(expires_ms.saturating_sub(start_ms)));
        let latest_ms = expires_ms - buffer_ms;
        if wanted_ms > latest_ms { latest_ms } else { wanted_ms.max(now_ms + period_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_in_its_last_fifth() {
        let refresh =
            Refresh { window_factor: 0.8, window_jitter: 0.05, period_min_seconds: 60, buffer_seconds: 300 };
        let check = |issued: Option<i64>, expires: i64, now: i64, random: f64, expect: i64| {
            let found = refresh.at_ms(issued.map(|it| it * 1_000), expires * 1_000, now * 1_000, random);
            assert_eq!(found, expect * 1_000, "{issued:?} to {expires} at {now}");
        };
        check(Some(0), 3_600, 0, 0.0, 2_880);
        check(Some(0), 3_600, 0, 1.0, 3_060);
        check(None, 4_600, 1_000, 0.0, 3_880);
        check(Some(0), 1_000, 0, 0.0, 700);
        check(Some(0), 3_600, 3_000, 0.0, 3_060);
        check(Some(0), 300, 0, 0.0, 240);
        check(Some(0), 100, 200, 0.0, 120);
    }

    #[test]
    fn no_times_overflow() {
        let refresh = Refresh {
            window_factor: 1.0,
            window_jitter: 0.25,
            period_min_seconds: 900,
            buffer_seconds: 3_600,
        };
        for issued in [None, Some(i64::MIN), Some(i64::MAX)] {
            for expires in [i64::MIN, 0, i64::MAX] {
                refresh.at_ms(issued, expires, 1_800_000_000_000, 1.0);
            }
        }
    }
}

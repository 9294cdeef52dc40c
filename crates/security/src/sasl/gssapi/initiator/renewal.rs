//! When a ticket is renewed (`KerberosLogin.getRefreshTime`).

/// `sasl.kerberos.*` as far as they are about times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Renewal {
    /// `sasl.kerberos.ticket.renew.window.factor`: the part of a ticket's life after which it is renewed.
    pub window_factor: f64,
    /// `sasl.kerberos.ticket.renew.jitter`: the most that is added to that at random.
    pub jitter: f64,
    /// `sasl.kerberos.min.time.before.relogin`, in ms: between two logins.
    pub pause_min_ms: i64,
}

impl Renewal {
    /// When to renew a ticket that lives from `start_ms` to `end_ms` and was got at `now_ms`; `random` is from 0 to 1. Never after its end,
    /// even where that is before the least pause is over.
    pub fn at_ms(&self, start_ms: i64, end_ms: i64, now_ms: i64, random: f64) -> i64 {
        let part = self.window_factor + self.jitter * random;
        let life_ms = end_ms.saturating_sub(start_ms);
        let wanted_ms = start_ms.saturating_add((life_ms as f64 * part) as i64);
        let earliest_ms = now_ms.saturating_add(self.pause_min_ms);
        if earliest_ms >= end_ms {
            // Kafka would give up here. In the middle of what is left neither the centre is bothered all the time nor the end is missed.
            let left_ms = end_ms.saturating_sub(now_ms).max(0);
            return now_ms.saturating_add(left_ms / 2);
        }
        wanted_ms.clamp(earliest_ms, end_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_last_fifth_but_not_at_once_again() {
        let renewal = Renewal { window_factor: 0.8, jitter: 0.05, pause_min_ms: 60_000 };
        let check = |start: i64, end: i64, now: i64, random: f64, expect: i64| {
            let found = renewal.at_ms(start * 1_000, end * 1_000, now * 1_000, random);
            assert_eq!(found, expect * 1_000, "{start} to {end} at {now}");
        };
        check(0, 36_000, 0, 0.0, 28_800);
        check(0, 36_000, 0, 1.0, 30_600);
        check(0, 36_000, 30_000, 0.0, 30_060);
        check(0, 36_000, 35_960, 0.0, 35_980);
        check(0, 50, 0, 0.0, 25);
        check(0, 50, 60, 0.0, 60);
        let late = Renewal { window_factor: 1.0, jitter: 0.5, pause_min_ms: 0 };
        assert_eq!(late.at_ms(0, 1_000, 0, 1.0), 1_000, "never after its end");
        for time in [i64::MIN, 0, i64::MAX] {
            renewal.at_ms(time, i64::MAX, 0, 1.0);
            renewal.at_ms(0, time, i64::MAX, 1.0);
            renewal.at_ms(i64::MIN, time, i64::MIN, 1.0);
        }
    }
}

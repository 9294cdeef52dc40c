//! When metadata is asked for (Kafka's `Metadata`: age, requests for an update, back-off; and KIP-1102's trigger).

use crate::backoff::Backoff;

/// The times of metadata updates. Times are ms of the caller's clock, which does not begin before 0.
#[derive(Debug)]
pub(super) struct Refresh {
    age_ms_max: i64,
    backoff: Backoff,
    /// `metadata.recovery.rebootstrap.trigger.ms`.
    trigger_ms: i64,
    /// Nothing is asked before.
    not_before_ms: i64,
    last_success_ms: Option<i64>,
    attempts: u32,
    /// Updates in a row that brought nothing new.
    equivalent: u32,
    full_wanted: bool,
    new_wanted: bool,
    /// Counts wishes for a full update, and the last one that was fulfilled.
    asked: u64,
    served: u64,
    /// When the first of the attempts began that have all failed.
    failing_since_ms: Option<i64>,
    rebootstrap_wanted: bool,
}

/// An update to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Ask for all topics of interest, not only the new ones.
    pub full: bool,
    /// Wishes that it fulfils.
    pub ticket: u64,
}

impl Refresh {
    pub(super) fn new(age_ms_max: i64, backoff: Backoff, trigger_ms: i64) -> Self {
        Self {
            age_ms_max,
            backoff,
            trigger_ms,
            not_before_ms: 0,
            last_success_ms: None,
            attempts: 0,
            equivalent: 0,
            full_wanted: true,
            new_wanted: false,
            asked: 0,
            served: 0,
            failing_since_ms: None,
            rebootstrap_wanted: false,
        }
    }

    /// Asks for a full update, once the back-off allows.
    pub(super) fn request(&mut self) {
        self.full_wanted = true;
    }

    /// Asks for a full update without waiting, unless attempts have been failing. The number is served later.
    pub(super) fn request_now(&mut self) -> u64 {
        self.full_wanted = true;
        self.hurry();
        self.asked += 1;
        self.asked
    }

    /// Asks for the new topics without waiting, unless attempts have been failing.
    pub(super) fn request_new(&mut self) {
        self.new_wanted = true;
        self.hurry();
    }

    fn hurry(&mut self) {
        self.equivalent = 0;
        if self.attempts == 0 {
            self.not_before_ms = 0;
        }
    }

    /// The last wish that was fulfilled.
    pub(super) fn served(&self) -> u64 {
        self.served
    }

    /// Whether there was an update since the start or the last bootstrap.
    pub(super) fn has_succeeded(&self) -> bool {
        self.last_success_ms.is_some()
    }

    /// Time in ms until an update is due; 0 when it is.
    pub(super) fn due_in_ms(&self, now_ms: i64) -> i64 {
        let wanted = match self.last_success_ms {
            _ if self.full_wanted || self.new_wanted => 0,
            Some(at) => at.saturating_add(self.age_ms_max).saturating_sub(now_ms).max(0),
            None => 0,
        };
        wanted.max(self.not_before_ms.saturating_sub(now_ms))
    }

    /// An update is due and will be tried: from now on time counts towards KIP-1102's trigger.
    pub(super) fn trying(&mut self, now_ms: i64) {
        self.failing_since_ms.get_or_insert(now_ms);
    }

    /// What to ask for now.
    pub(super) fn plan(&mut self, now_ms: i64) -> Plan {
        let fresh = self.last_success_ms.is_some_and(|at| at.saturating_add(self.age_ms_max) > now_ms);
        let full = self.full_wanted || !fresh || !self.new_wanted;
        // What is wanted from here on is not in this request.
        self.new_wanted = false;
        if full {
            self.full_wanted = false;
        }
        Plan { full, ticket: self.asked }
    }

    /// The answer came. `news`: it brought something; `again`: some of it was not settled yet.
    pub(super) fn succeeded(&mut self, plan: Plan, now_ms: i64, news: bool, again: bool, random: f64) {
        self.attempts = 0;
        self.failing_since_ms = None;
        self.equivalent = if news { 0 } else { self.equivalent.saturating_add(1) };
        if plan.full {
            self.last_success_ms = Some(now_ms);
            self.served = self.served.max(plan.ticket);
        }
        self.full_wanted |= again;
        self.not_before_ms =
            now_ms.saturating_add(self.backoff.after_ms(self.equivalent.saturating_sub(1), random));
    }

    /// There was no answer, or none that helps.
    pub(super) fn failed(&mut self, plan: Plan, now_ms: i64, random: f64) {
        self.full_wanted |= plan.full;
        self.new_wanted |= !plan.full;
        self.equivalent = 0;
        self.not_before_ms = now_ms.saturating_add(self.backoff.after_ms(self.attempts, random));
        self.attempts = self.attempts.saturating_add(1);
    }

    /// The cluster told to begin anew (REBOOTSTRAP_REQUIRED).
    pub(super) fn require_rebootstrap(&mut self) {
        self.rebootstrap_wanted = true;
    }

    /// Whether attempts have been failing for so long that the client should begin anew.
    pub(super) fn needs_rebootstrap(&self, now_ms: i64) -> bool {
        let since = |at: i64| now_ms.saturating_sub(at) > self.trigger_ms;
        self.rebootstrap_wanted || self.failing_since_ms.is_some_and(since)
    }

    /// Time in ms until [`Self::needs_rebootstrap`] if nothing happens.
    pub(super) fn rebootstrap_in_ms(&self, now_ms: i64) -> i64 {
        let at = |since: i64| since.saturating_add(self.trigger_ms).saturating_add(1);
        self.failing_since_ms.map_or(i64::MAX, |since| at(since).saturating_sub(now_ms).max(0))
    }

    /// The client has begun anew.
    pub(super) fn rebootstrapped(&mut self, now_ms: i64) {
        self.full_wanted = true;
        self.last_success_ms = None;
        self.rebootstrap_wanted = false;
        self.failing_since_ms = Some(now_ms);
        self.attempts = 0;
        self.not_before_ms = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn refresh() -> Refresh {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(1000));
        Refresh::new(300_000, backoff, 5000)
    }

    fn succeed(refresh: &mut Refresh, now: i64, news: bool) {
        let plan = refresh.plan(now);
        refresh.succeeded(plan, now, news, false, 0.5);
    }

    #[test]
    fn age_and_wishes_make_an_update_due() {
        let mut it = refresh();
        assert_eq!(it.due_in_ms(10), 0);
        succeed(&mut it, 10, true);
        assert_eq!(it.due_in_ms(10), 300_000);
        it.request();
        assert_eq!(it.due_in_ms(10), 100, "not sooner than the back-off");
        let wish = it.request_now();
        assert_eq!(it.due_in_ms(10), 0);
        let plan = it.plan(20);
        let later = it.request_now();
        it.succeeded(plan, 30, true, false, 0.5);
        assert_eq!((it.served(), it.due_in_ms(30)), (wish, 100), "the later wish is not fulfilled yet");
        succeed(&mut it, 130, true);
        assert_eq!(it.served(), later);
        it.request_new();
        assert_eq!(it.due_in_ms(140), 0);
        assert!(!it.plan(140).full);
        assert!(it.plan(400_000).full);
    }

    #[test]
    fn failures_and_stale_answers_slow_down() {
        let mut it = refresh();
        let mut waits = Vec::new();
        for _ in 0..5 {
            let plan = it.plan(0);
            it.failed(plan, 0, 0.5);
            waits.push(it.due_in_ms(0));
        }
        assert_eq!(waits, [100, 200, 400, 800, 1000]);
        it.request_now();
        assert_eq!(it.due_in_ms(0), 1000, "a wish does not shorten the back-off of failures");
        waits.clear();
        for _ in 0..4 {
            succeed(&mut it, 0, false);
            it.request();
            waits.push(it.due_in_ms(0));
        }
        assert_eq!(waits, [100, 200, 400, 800]);
        succeed(&mut it, 0, true);
        it.request();
        assert_eq!(it.due_in_ms(0), 100);
    }

    #[test]
    fn long_failure_means_a_new_beginning() {
        let mut it = refresh();
        succeed(&mut it, 0, true);
        it.trying(1000);
        let plan = it.plan(1000);
        it.failed(plan, 1500, 0.5);
        it.trying(1600);
        assert!(!it.needs_rebootstrap(6000));
        assert_eq!(it.rebootstrap_in_ms(5000), 1001);
        assert!(it.needs_rebootstrap(6001));
        it.rebootstrapped(6001);
        assert!(!it.needs_rebootstrap(6002) && !it.has_succeeded());
        assert_eq!(it.due_in_ms(6001), 0);
        succeed(&mut it, 6002, true);
        assert!(!it.needs_rebootstrap(i64::MAX));
        it.require_rebootstrap();
        assert!(it.needs_rebootstrap(6003));
    }
}

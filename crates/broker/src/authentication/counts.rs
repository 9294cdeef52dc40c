//! How logins went, by listener and mechanism (the metrics of Kafka's `Selector`).

use std::collections::BTreeMap;

use ottla_security::sasl::Mechanism;
use parking_lot::Mutex;

/// Stands for mechanisms that are not enabled, so that nobody makes up labels.
const OTHER: &str = "other";

/// What became of a login, or of what it has opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// A client is known.
    Successful,
    /// A client is not who it says.
    Failed,
    /// A known client has authenticated again.
    SuccessfulAgain,
    /// A known client could not authenticate again.
    FailedAgain,
    /// A client's session was over and its connection closed.
    Expired,
}

/// The counts of one mechanism on one listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logins([u64; 5]);

impl Logins {
    /// How often it went so.
    pub fn get(&self, login: Login) -> u64 {
        self.0.get(login as usize).copied().unwrap_or(0)
    }
}

/// All of them. Logins are rare, so that one lock is enough.
#[derive(Debug, Default)]
pub(crate) struct LoginCounts(Mutex<BTreeMap<String, BTreeMap<&'static str, Logins>>>);

impl LoginCounts {
    pub(crate) fn add(&self, listener: &str, mechanism: Option<Mechanism>, login: Login) {
        let mut counts = self.0.lock();
        if !counts.contains_key(listener) {
            counts.insert(listener.to_owned(), BTreeMap::new());
        }
        let Some(listener) = counts.get_mut(listener) else { return };
        let logins = listener.entry(mechanism.map_or(OTHER, Mechanism::name)).or_default();
        if let Some(count) = logins.0.get_mut(login as usize) {
            *count += 1;
        }
    }

    /// By listener and mechanism.
    pub(crate) fn all(&self) -> Vec<(String, &'static str, Logins)> {
        let counts = self.0.lock();
        let of_listener = |(listener, mechanisms): (&String, &BTreeMap<&'static str, Logins>)| {
            mechanisms.iter().map(|(name, logins)| (listener.clone(), *name, *logins)).collect::<Vec<_>>()
        };
        counts.iter().flat_map(of_listener).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_told_apart() {
        let counts = LoginCounts::default();
        let plain = Some(Mechanism::Plain);
        for (listener, mechanism, login) in [
            ("B", plain, Login::Failed),
            ("A", plain, Login::Successful),
            ("A", plain, Login::Successful),
            ("A", None, Login::Failed),
        ] {
            counts.add(listener, mechanism, login);
        }
        let all = counts.all();
        let brief =
            |login| all.iter().map(|(l, m, logins)| (&**l, *m, logins.get(login))).collect::<Vec<_>>();
        assert_eq!(brief(Login::Successful), [("A", "PLAIN", 2), ("A", "other", 0), ("B", "PLAIN", 0)]);
        assert_eq!(brief(Login::Failed), [("A", "PLAIN", 0), ("A", "other", 1), ("B", "PLAIN", 1)]);
        assert_eq!(brief(Login::Expired)[0].2, 0);
    }
}

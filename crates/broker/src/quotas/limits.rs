//! Which limit holds for whom: Kafka's precedence (KIP-55, KIP-257; `ClientQuotaManager.DefaultQuotaCallback`).
//!
//! From the most particular on: user and client id; user and any client id; user; any user and client id; any user and any
//! client id; any user; client id; any client id. What holds also says who shares it: a limit of a user is one limit for
//! all of their clients, a limit of any client id is one for each client id.
//!
//! While limits of one shape only exist (of users, say), clients are told apart by that shape alone, as in Kafka.

use std::collections::HashMap;

use ottla_metadata::ClientQuotaEntity;
use ottla_metadata::client_quota_entity::{CLIENT_ID, USER};
use ottla_protocol::Str;

/// One side of what a limit was set for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Side {
    /// Not said.
    Absent,
    /// Whoever has no limit of their own.
    Default,
    Named(Str),
}

impl Side {
    fn of(entity: &ClientQuotaEntity, entity_type: &str) -> Self {
        match entity.0.get(entity_type) {
            None => Side::Absent,
            Some(None) => Side::Default,
            Some(Some(name)) => Side::Named(name.clone()),
        }
    }
}

/// Who shares a limit: a user, a client id, or both; an empty text stands for any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sharers {
    /// Name of the user.
    pub user: Str,
    /// The client id.
    pub client_id: Str,
}

/// Shapes of what limits are set for.
const CLIENT_IDS: u8 = 1;
const USERS: u8 = 2;
const BOTH: u8 = 4;

/// The limits of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    set: HashMap<(Side, Side), f64>,
    /// Which shapes there are.
    shapes: u8,
}

impl Limits {
    /// Sets the limit of an entity. Addresses have none here.
    pub fn set(&mut self, entity: &ClientQuotaEntity, limit: f64) {
        let sides = (Side::of(entity, USER), Side::of(entity, CLIENT_ID));
        self.shapes |= match &sides {
            (Side::Absent, Side::Absent) => return,
            (Side::Absent, _) => CLIENT_IDS,
            (_, Side::Absent) => USERS,
            _ => BOTH,
        };
        self.set.insert(sides, limit);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// With whom a client shares what holds for it.
    pub fn sharers(&self, user: &Str, client_id: &Str) -> Sharers {
        let (of_user, of_client) = match self.shapes {
            0 | CLIENT_IDS => (false, true),
            USERS => (true, false),
            BOTH => (true, true),
            _ => self.most_particular(user, client_id),
        };
        let side = |is_named: bool, name: &Str| if is_named { name.clone() } else { Str::new() };
        Sharers { user: side(of_user, user), client_id: side(of_client, client_id) }
    }

    /// Whether user and client id tell apart who has a limit of their own.
    fn most_particular(&self, user: &Str, client_id: &Str) -> (bool, bool) {
        let (user, client_id) = (Side::Named(user.clone()), Side::Named(client_id.clone()));
        let is_set =
            |user: &Side, client_id: &Side| self.set.contains_key(&(user.clone(), client_id.clone()));
        if is_set(&user, &client_id) || is_set(&user, &Side::Default) {
            (true, true)
        } else if is_set(&user, &Side::Absent) {
            (true, false)
        } else if is_set(&Side::Default, &client_id) || is_set(&Side::Default, &Side::Default) {
            (true, true)
        } else if is_set(&Side::Default, &Side::Absent) {
            (true, false)
        } else {
            (false, true)
        }
    }

    /// The limit that sharers have.
    pub fn of(&self, sharers: &Sharers) -> Option<f64> {
        let sides = |name: &Str| match name.is_empty() {
            true => [Side::Absent, Side::Absent],
            false => [Side::Named(name.clone()), Side::Default],
        };
        let (users, clients) = (sides(&sharers.user), sides(&sharers.client_id));
        let pairs =
            users.iter().flat_map(|user| clients.iter().map(move |client| (user.clone(), client.clone())));
        pairs.into_iter().find_map(|pair| self.set.get(&pair)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `user/client`; a star is the default, a hyphen what is not said.
    fn entity(text: &str) -> ClientQuotaEntity {
        let (user, client) = text.split_once('/').expect("two sides");
        let sides = [(USER, user), (CLIENT_ID, client)].into_iter().filter(|(_, name)| *name != "-");
        let side = |(kind, name): (&'static str, &str)| {
            (Str::from_static(kind), (name != "*").then(|| Str::from(name)))
        };
        ClientQuotaEntity(sides.map(side).collect())
    }

    fn limits(set: &[(&str, f64)]) -> Limits {
        let mut limits = Limits::default();
        set.iter().for_each(|(text, limit)| limits.set(&entity(text), *limit));
        limits
    }

    fn check(limits: &Limits, user: &str, client: &str, expected: Option<f64>, shared_by: (&str, &str)) {
        let sharers = limits.sharers(&user.into(), &client.into());
        assert_eq!((&*sharers.user, &*sharers.client_id), shared_by, "{user} {client}");
        assert_eq!(limits.of(&sharers), expected, "{user} {client}");
    }

    /// The figures of `ClientQuotaManagerTest.testQuotaConfigPrecedence`.
    #[test]
    fn precedence() {
        let set = [
            ("*/-", 1000.0),
            ("-/*", 2000.0),
            ("*/*", 3000.0),
            ("userA/-", 4000.0),
            ("userA/client1", 5000.0),
            ("userB/-", 6000.0),
            ("userB/client1", 7000.0),
            ("userB/*", 8000.0),
            ("userC/-", 10000.0),
            ("-/client1", 9000.0),
        ];
        let all = limits(&set);
        check(&all, "userA", "client1", Some(5000.0), ("userA", "client1"));
        check(&all, "userA", "client2", Some(4000.0), ("userA", ""));
        check(&all, "userB", "client1", Some(7000.0), ("userB", "client1"));
        check(&all, "userB", "client3", Some(8000.0), ("userB", "client3"));
        check(&all, "userD", "client1", Some(3000.0), ("userD", "client1"));
        let without = |gone: &[&str]| {
            let left: Vec<_> = set.iter().filter(|(text, _)| !gone.contains(text)).copied().collect();
            limits(&left)
        };
        let fewer = without(&["*/*"]);
        check(&fewer, "userD", "client1", Some(1000.0), ("userD", ""));
        let fewer = without(&["*/*", "*/-"]);
        check(&fewer, "userF", "client4", Some(2000.0), ("", "client4"));
        check(&fewer, "userF", "client1", Some(9000.0), ("", "client1"));
    }

    #[test]
    fn limits_of_one_shape() {
        let users = limits(&[("alice/-", 1.0)]);
        check(&users, "alice", "app", Some(1.0), ("alice", ""));
        check(&users, "bob", "app", None, ("bob", ""));
        let clients = limits(&[("-/app", 1.0)]);
        check(&clients, "alice", "app", Some(1.0), ("", "app"));
        check(&clients, "alice", "", None, ("", ""));
        let both = limits(&[("alice/*", 1.0)]);
        check(&both, "alice", "app", Some(1.0), ("alice", "app"));
        check(&both, "bob", "app", None, ("bob", "app"));
        check(&limits(&[]), "alice", "app", None, ("", "app"));
    }

    #[test]
    fn addresses_are_no_concern() {
        let mut limits = Limits::default();
        limits.set(&ClientQuotaEntity([(Str::from_static("ip"), None)].into()), 5.0);
        assert!(limits.is_empty());
    }
}

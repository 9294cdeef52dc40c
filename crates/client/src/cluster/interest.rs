//! Which topics a client wants to know about (Kafka's `ProducerMetadata` and `ConsumerMetadata`).

use std::collections::{HashMap, HashSet};

use ottla_protocol::Str;

use super::Topics;

/// Topics to keep fresh: those set at once, and those that were named in passing and are forgotten when nobody names them.
#[derive(Debug)]
pub(super) struct Interest {
    all: bool,
    set: HashSet<Str>,
    /// Named in passing, with the time in ms at which they are forgotten.
    passing: HashMap<Str, i64>,
    /// Not asked for yet.
    new: HashSet<Str>,
    /// `metadata.max.idle.ms`.
    idle_ms_max: i64,
}

impl Interest {
    pub(super) fn new(idle_ms_max: i64) -> Self {
        Self { all: false, set: HashSet::new(), passing: HashMap::new(), new: HashSet::new(), idle_ms_max }
    }

    /// Replaces the set. True when it names what is not known yet.
    pub(super) fn set(&mut self, topics: Topics) -> Change {
        match topics {
            Topics::All => {
                self.set.clear();
                if std::mem::replace(&mut self.all, true) { Change::Nothing } else { Change::Everything }
            }
            Topics::Named(names) => {
                let names: HashSet<Str> = names.into_iter().collect();
                let known =
                    |name: &Str| self.all || self.set.contains(name) || self.passing.contains_key(name);
                let added: Vec<Str> = names.iter().filter(|name| !known(name)).cloned().collect();
                self.new.retain(|name| names.contains(name) || self.passing.contains_key(name));
                self.all = false;
                self.set = names;
                if added.is_empty() {
                    return Change::Nothing;
                }
                self.new.extend(added);
                Change::New
            }
        }
    }

    /// Names a topic in passing.
    pub(super) fn add(&mut self, topic: &Str, now_ms: i64) -> Change {
        let expires_ms = now_ms.saturating_add(self.idle_ms_max);
        if let Some(at) = self.passing.get_mut(topic) {
            *at = expires_ms;
            return Change::Nothing;
        }
        self.passing.insert(topic.clone(), expires_ms);
        if self.all || self.set.contains(topic) {
            return Change::Nothing;
        }
        self.new.insert(topic.clone());
        Change::New
    }

    /// All topics to ask for; `None` for all there are. Topics whose time is up are forgotten.
    pub(super) fn all(&mut self, now_ms: i64) -> Option<Vec<Str>> {
        let new = &self.new;
        // A topic that was never answered is not idle: somebody may still wait for it.
        self.passing.retain(|topic, at| *at > now_ms || new.contains(topic));
        if self.all {
            return None;
        }
        let mut names: Vec<Str> = self.set.iter().chain(self.passing.keys()).cloned().collect();
        names.sort_unstable();
        names.dedup();
        Some(names)
    }

    /// The topics that were not asked for yet.
    pub(super) fn only_new(&self) -> Vec<Str> {
        let mut names: Vec<Str> = self.new.iter().cloned().collect();
        names.sort_unstable();
        names
    }

    /// These topics were answered, one way or another.
    pub(super) fn answered<'a>(&mut self, topics: impl Iterator<Item = &'a Str>) {
        for topic in topics {
            self.new.remove(topic);
        }
    }

    /// Whether what is known of a topic is to be kept.
    pub(super) fn wants(&self, topic: &str) -> bool {
        self.all || self.set.contains(topic) || self.passing.contains_key(topic)
    }
}

/// What a change of interest asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    Nothing,
    /// The new topics.
    New,
    /// All topics.
    Everything,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&'static str]) -> Topics {
        Topics::Named(names.iter().map(|name| Str::from_static(name)).collect())
    }

    #[test]
    fn only_what_is_new_is_asked_for() {
        let mut interest = Interest::new(100);
        assert_eq!(interest.set(names(&["a", "b"])), Change::New);
        assert_eq!(interest.only_new(), ["a", "b"]);
        interest.answered([Str::from("a"), Str::from("b")].iter());
        assert_eq!(interest.set(names(&["b"])), Change::Nothing);
        assert!(!interest.wants("a"));
        assert_eq!(interest.set(names(&["b", "c"])), Change::New);
        assert_eq!(interest.only_new(), ["c"]);
        assert_eq!(interest.set(Topics::All), Change::Everything);
        assert_eq!(interest.set(Topics::All), Change::Nothing);
        assert_eq!(interest.all(0), None);
    }

    #[test]
    fn idle_topics_are_forgotten() {
        let mut interest = Interest::new(100);
        let (a, b) = (Str::from("a"), Str::from("b"));
        assert_eq!(interest.add(&a, 0), Change::New);
        assert_eq!(interest.all(500), Some(vec![a.clone()]), "kept until it was answered");
        interest.answered([a.clone()].iter());
        assert_eq!(interest.add(&a, 500), Change::Nothing);
        assert_eq!(interest.add(&b, 550), Change::New);
        interest.answered([b.clone()].iter());
        assert_eq!(interest.all(599), Some(vec![a, b.clone()]));
        assert_eq!(interest.all(600), Some(vec![b]));
        assert!(!interest.wants("a"));
    }
}

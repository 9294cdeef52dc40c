//! How many members read which topic (`SubscriptionCount`), and whether all read the same
//! (`SubscriptionType`).

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::Str;

/// Whether all members read the same topics. Assignors are faster when they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubscriptionType {
    /// They do.
    Homogeneous,
    /// They do not.
    Heterogeneous,
}

/// Who reads a topic. Never zero in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SubscriptionCount {
    /// Members that name the topic.
    pub by_name: usize,
    /// Regular expressions that match it.
    pub by_regex: usize,
}

/// The topics that a group reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SubscribedTopics(BTreeMap<Str, SubscriptionCount>);

impl SubscribedTopics {
    pub fn contains(&self, topic: &str) -> bool {
        self.0.contains_key(topic)
    }

    pub fn names(&self) -> impl Iterator<Item = &Str> {
        self.0.keys()
    }

    pub fn counts(&self) -> impl Iterator<Item = &SubscriptionCount> {
        self.0.values()
    }

    /// A member goes from these names to those.
    pub fn update_names(&mut self, old: Option<&BTreeSet<Str>>, new: Option<&BTreeSet<Str>>) {
        if old == new {
            return;
        }
        for name in old.into_iter().flatten() {
            self.change(name, |count| count.by_name = count.by_name.saturating_sub(1));
        }
        for name in new.into_iter().flatten() {
            self.change(name, |count| count.by_name += 1);
        }
    }

    /// A regular expression goes from these topics to those.
    pub fn update_regex(&mut self, old: Option<&BTreeSet<Str>>, new: Option<&BTreeSet<Str>>) {
        for name in old.into_iter().flatten() {
            self.change(name, |count| count.by_regex = count.by_regex.saturating_sub(1));
        }
        for name in new.into_iter().flatten() {
            self.change(name, |count| count.by_regex += 1);
        }
    }

    /// Whether each topic is named by all of `members` members.
    pub fn subscription_type(&self, members: usize) -> SubscriptionType {
        match self.counts().all(|count| count.by_name == members) {
            true => SubscriptionType::Homogeneous,
            false => SubscriptionType::Heterogeneous,
        }
    }

    fn change(&mut self, name: &Str, change: impl FnOnce(&mut SubscriptionCount)) {
        let count = self.0.entry(name.clone()).or_default();
        change(count);
        if *count == SubscriptionCount::default() {
            self.0.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<Str> {
        names.iter().map(|name| Str::from(*name)).collect()
    }

    #[test]
    fn topics_are_counted_by_name_and_by_expression() {
        let mut topics = SubscribedTopics::default();
        topics.update_names(None, Some(&names(&["a", "b"])));
        assert_eq!(topics.subscription_type(1), SubscriptionType::Homogeneous);
        topics.update_names(None, Some(&names(&["a"])));
        assert_eq!(topics.subscription_type(2), SubscriptionType::Heterogeneous);
        topics.update_regex(None, Some(&names(&["b", "c"])));
        topics.update_names(Some(&names(&["a", "b"])), Some(&names(&["a"])));
        assert!(topics.contains("b") && topics.contains("c"));
        topics.update_regex(Some(&names(&["b", "c"])), None);
        assert_eq!(topics.names().map(|name| &**name).collect::<Vec<_>>(), ["a"]);
        assert_eq!(topics.subscription_type(2), SubscriptionType::Homogeneous);
    }
}

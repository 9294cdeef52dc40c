//! What an application wants to read.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use ottla_protocol::Str;

/// Whether a topic with this name matches; the flag says that it is one of Kafka's own.
pub type Matcher = Arc<dyn Fn(&str, bool) -> bool + Send + Sync>;

/// Topics by name, or by a pattern.
#[derive(Clone)]
pub enum Subscription {
    /// These.
    Names(BTreeSet<Str>),
    /// All that the client finds matching (`subscribe(Pattern)`): name of the topic, and whether it is one of Kafka's own
    /// (`exclude.internal.topics` is the matcher's business).
    Pattern(Matcher),
    /// All that the broker finds matching (`SubscriptionPattern`, RE2 syntax; KIP-848 only).
    Regex(Str),
}

impl Subscription {
    /// By names.
    pub fn names<T: Into<Str>>(topics: impl IntoIterator<Item = T>) -> Self {
        Subscription::Names(topics.into_iter().map(Into::into).collect())
    }

    /// By a pattern that the client matches.
    pub fn pattern(matches: impl Fn(&str, bool) -> bool + Send + Sync + 'static) -> Self {
        Subscription::Pattern(Arc::new(matches))
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subscription::Names(names) => f.debug_tuple("Names").field(names).finish(),
            Subscription::Pattern(_) => f.write_str("Pattern(..)"),
            Subscription::Regex(regex) => f.debug_tuple("Regex").field(regex).finish(),
        }
    }
}

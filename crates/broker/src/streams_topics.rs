//! Internal topics of streams applications that are being created, or were refused a short while ago
//! (`AutoTopicCreationManager`, `ExpiringErrorCache`).
//!
//! All members of a group ask for the same topics, every few seconds.

use std::collections::{BTreeMap, BTreeSet};

use ottla_protocol::Str;
use ottla_protocol::messages::create_topics_request::CreatableTopic;
use parking_lot::Mutex;

/// Most refusals that are remembered.
const ERRORS_MAX: usize = 1000;

/// What is known of the topics. Locked for moments only.
#[derive(Default)]
pub struct StreamsTopics(Mutex<State>);

#[derive(Default)]
struct State {
    in_flight: BTreeSet<Str>,
    /// Why a topic was refused, and until when (Unix ms) it is not tried again.
    errors: BTreeMap<Str, (String, i64)>,
}

/// Topics that are being created, as long as it lives.
pub struct Attempt<'a> {
    owner: &'a StreamsTopics,
    /// The topics to create.
    pub topics: Vec<CreatableTopic>,
}

impl StreamsTopics {
    /// Of these topics, those that nobody creates yet, and that were not refused of late.
    pub fn begin(&self, mut topics: Vec<CreatableTopic>, now_ms: i64) -> Attempt<'_> {
        let mut state = self.0.lock();
        topics.retain(|topic| {
            let is_refused = state.errors.get(&topic.name).is_some_and(|(_, until_ms)| *until_ms > now_ms);
            !is_refused && state.in_flight.insert(topic.name.clone())
        });
        Attempt { owner: self, topics }
    }

    /// Topics were refused.
    pub fn refused(&self, refused: Vec<(Str, String)>, now_ms: i64, back_off_ms: i64) {
        let mut state = self.0.lock();
        state.errors.retain(|_, (_, until_ms)| *until_ms > now_ms);
        let until_ms = now_ms.saturating_add(back_off_ms);
        for (topic, error) in refused {
            if state.errors.len() < ERRORS_MAX || state.errors.contains_key(&topic) {
                state.errors.insert(topic, (error, until_ms));
            }
        }
    }

    /// Why these topics were refused, as far as they were.
    pub fn errors(&self, names: &[Str], now_ms: i64) -> Vec<(Str, String)> {
        let state = self.0.lock();
        let errors = names.iter().filter_map(|name| {
            let (error, until_ms) = state.errors.get(name)?;
            (*until_ms > now_ms).then(|| (name.clone(), error.clone()))
        });
        errors.collect()
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut state = self.owner.0.lock();
        for topic in &self.topics {
            state.in_flight.remove(&topic.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_created_by_one_at_a_time_and_not_again_soon_after_it_was_refused() {
        let topics = StreamsTopics::default();
        let wanted = || vec![CreatableTopic { name: "a".into(), ..Default::default() }];
        let first = topics.begin(wanted(), 0);
        assert_eq!((first.topics.len(), topics.begin(wanted(), 0).topics.len()), (1, 0));
        drop(first);
        assert_eq!(topics.begin(wanted(), 0).topics.len(), 1);
        topics.refused(vec![("a".into(), "no".into())], 0, 10);
        assert_eq!(topics.begin(wanted(), 9).topics.len(), 0);
        assert_eq!(topics.errors(&["a".into(), "b".into()], 9), [("a".into(), "no".to_owned())]);
        assert_eq!((topics.begin(wanted(), 10).topics.len(), topics.errors(&["a".into()], 10).len()), (1, 0));
    }
}

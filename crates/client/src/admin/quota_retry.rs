//! Requests to the controller about several topics, some of which it may ask to be sent later (KIP-599).

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_protocol::{ErrorCode, Request, Str};
use tokio::time::Instant;

use super::call::{To, check_controller, remaining_ms};
use super::{Admin, PerKey};
use crate::{Error, Result};

/// An answer: how long the controller wants to be left alone, and a result for each key.
pub(super) struct Throttled<K, V> {
    /// `throttle_time_ms`.
    pub throttle_time_ms: i32,
    /// Results by key.
    pub results: Vec<(K, Result<V>)>,
}

impl Admin {
    /// Sends items to the controller; those that violate a quota are sent again when the controller's time is up, if
    /// `retry` says so.
    pub(super) async fn call_with_quota<K: Ord + Clone + std::fmt::Display, I, R: Request, V>(
        &self,
        name: &str,
        items: BTreeMap<K, I>,
        retry: bool,
        deadline: Instant,
        build: impl Fn(i16, &BTreeMap<K, I>, i32) -> R,
        read: impl Fn(R::Response) -> Throttled<K, V>,
    ) -> PerKey<K, V> {
        let mut done = PerKey::new();
        let mut left = items;
        while !left.is_empty() {
            let answer = self
                .call_as(
                    name,
                    To::Controller,
                    (R::MIN_VERSION, R::MAX_VERSION),
                    deadline,
                    |version, timeout_ms| Ok(build(version, &left, timeout_ms)),
                    |_, response| {
                        let answer = read(response);
                        check_controller(self.controllers, answer.results.iter().map(|(_, result)| result))?;
                        Ok(answer)
                    },
                )
                .await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => {
                    done.extend(left.into_keys().map(|key| (key, Err(error.clone()))));
                    return done;
                }
            };
            let again = retry && remaining_ms(deadline) > answer.throttle_time_ms;
            left = settle(&mut done, left, answer.results, again);
            if !left.is_empty() {
                let wait = u64::try_from(answer.throttle_time_ms).unwrap_or(0).max(1);
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
        }
        done
    }
}

/// Takes results in; gives the items to send again.
fn settle<K: Ord + Clone + std::fmt::Display, I, V>(
    done: &mut PerKey<K, V>,
    mut sent: BTreeMap<K, I>,
    results: Vec<(K, Result<V>)>,
    again: bool,
) -> BTreeMap<K, I> {
    let mut left = BTreeMap::new();
    for (key, result) in results {
        let Some((key, item)) = sent.remove_entry(&key) else { continue };
        let throttled =
            result.as_ref().err().and_then(Error::code) == Some(ErrorCode::ThrottlingQuotaExceeded);
        if again && throttled {
            left.insert(key, item);
        } else {
            done.insert(key, result);
        }
    }
    for key in sent.into_keys() {
        let text = format!("The controller response did not contain a result for topic {key}");
        done.insert(key, Err(Error::Protocol(text)));
    }
    left
}

/// The error of a topic whose name (or id) can't be sent.
pub(super) fn unrepresentable_name(name: &Str) -> Option<Error> {
    name.is_empty().then(|| {
        let text = format!("The given topic name '{name}' cannot be represented in a request.");
        Error::api(ErrorCode::InvalidTopicException, Some(&text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_violates_a_quota_is_sent_again() {
        let sent = || BTreeMap::from([("a", 1), ("b", 2), ("c", 3)]);
        let results = || {
            let throttled = Error::api(ErrorCode::ThrottlingQuotaExceeded, None);
            vec![("a", Ok(())), ("b", Err(throttled))]
        };
        let mut done = PerKey::new();
        assert_eq!(settle(&mut done, sent(), results(), true), BTreeMap::from([("b", 2)]));
        assert!(done["a"].is_ok());
        assert_eq!(
            done["c"].as_ref().unwrap_err().to_string(),
            "The controller response did not contain a result for topic c"
        );
        let mut done = PerKey::new();
        assert!(settle(&mut done, sent(), results(), false).is_empty());
        assert_eq!(done["b"].as_ref().unwrap_err().code(), Some(ErrorCode::ThrottlingQuotaExceeded));
    }
}

//! Two looks taken together: what came and what was taken in between.

use std::collections::BTreeMap;

use ottla_protocol::TopicPartition;

use super::facts::{Look, Member, Position};

/// A partition between two looks.
#[derive(Clone, Debug)]
pub struct Flow<'a> {
    /// Which.
    pub key: &'a TopicPartition,
    /// How it was found last.
    pub now: &'a Position,
    /// Records behind the group.
    pub lag: i64,
    /// Records behind the group at the first look.
    pub lag_before: i64,
    /// Records that were appended in between.
    pub arrived: i64,
    /// Records by which the group's position has moved.
    pub taken: i64,
}

/// All partitions between the first look and the last.
pub struct Flows<'a> {
    /// Partitions whose lag is known.
    pub all: Vec<Flow<'a>>,
    /// Time between the looks, in ms, at least 1; `None` with one look, when nothing can be said of rates.
    pub elapsed_ms: Option<i64>,
}

impl<'a> Flows<'a> {
    /// Between two looks, which may be the same.
    pub fn between(first: &'a Look, last: &'a Look) -> Self {
        let elapsed = last.at_ms.saturating_sub(first.at_ms);
        let flow = |(key, now): (&'a TopicPartition, &'a Position)| {
            let lag = now.lag()?;
            let before = first.partitions.get(key).unwrap_or(now);
            let moved = |old: Option<i64>, new: Option<i64>| match (old, new) {
                (Some(old), Some(new)) => new.saturating_sub(old).max(0),
                _ => 0,
            };
            let arrived = moved(before.end, now.end);
            let lag_before = before.lag().unwrap_or(lag);
            // A share group's start offset stands still while records behind it are acknowledged.
            let taken = match now.counted_lag {
                Some(_) => arrived.saturating_add(lag_before).saturating_sub(lag).max(0),
                None => moved(before.committed, now.committed),
            };
            Some(Flow { key, now, lag, lag_before, arrived, taken })
        };
        let all = last.partitions.iter().filter_map(flow).collect();
        Self { all, elapsed_ms: (elapsed > 0).then_some(elapsed) }
    }

    /// So many in the time between the looks, as many a second.
    pub fn rate(&self, number: i64) -> f64 {
        self.elapsed_ms.map_or(0.0, |ms| number as f64 * 1_000.0 / ms as f64)
    }

    /// Those of a member, by what it is assigned.
    pub fn of<'b>(&'b self, member: &'b Member) -> impl Iterator<Item = &'b Flow<'a>> {
        self.all.iter().filter(|flow| member.assigned.contains(flow.key))
    }

    /// What all of these come to.
    pub fn sum<'b>(flows: impl Iterator<Item = &'b Flow<'a>>) -> Sum
    where
        'a: 'b,
    {
        flows.fold(Sum::default(), |sum, flow| Sum {
            lag: sum.lag.saturating_add(flow.lag),
            lag_before: sum.lag_before.saturating_add(flow.lag_before),
            arrived: sum.arrived.saturating_add(flow.arrived),
            taken: sum.taken.saturating_add(flow.taken),
        })
    }

    /// Members by their ids, each with what its partitions come to.
    pub fn by_member<'b>(&self, members: &'b [Member]) -> BTreeMap<&'b str, Sum> {
        members.iter().map(|member| (&*member.id, Self::sum(self.of(member)))).collect()
    }
}

/// Several partitions together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Records behind the group.
    pub lag: i64,
    /// Records behind the group at the first look.
    pub lag_before: i64,
    /// Records that were appended.
    pub arrived: i64,
    /// Records by which the group has moved.
    pub taken: i64,
}

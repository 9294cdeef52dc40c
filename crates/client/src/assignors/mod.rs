//! Who in a group gets which partitions, where a member decides it (classic protocol).
//!
//! Kafka's four, with results equal to those of Kafka 4.3.1's Java classes, down to the order of the partitions: groups in
//! which Java, librdkafka and this crate lead in turn must not shuffle partitions about. Some of Java's decisions follow
//! from the order in which its hash maps iterate; [`java`] has that order. An application's own assignor is an [`Assignor`].

mod balance;
mod constrained;
mod cooperative;
mod general;
mod java;
mod movements;
mod protocol;
mod racks;
mod range;
mod round_robin;
mod sticky;
mod user_data;

use std::collections::BTreeMap;

use bytes::Bytes;
use ottla_protocol::{Str, TopicPartition};

pub use self::cooperative::CooperativeStickyAssignor;
pub use self::protocol::{
    decode_assignment, decode_subscription, encode_assignment, encode_assignment_as, encode_subscription,
    encode_subscription_as,
};
pub use self::range::RangeAssignor;
pub use self::round_robin::RoundRobinAssignor;
pub use self::sticky::StickyAssignor;
use crate::cluster::Metadata;
use crate::consumer::ConsumerGroupMetadata;
use crate::{Error, Result};

/// What members do with their partitions while a rebalance goes on, the weaker first (`RebalanceProtocol`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RebalanceProtocol {
    /// Give up all before they join.
    Eager,
    /// Keep them, and give up only what the new assignment takes away; another rebalance hands that out.
    Cooperative,
}

/// What a member says of itself when it joins (`ConsumerPartitionAssignor.Subscription`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberSubscription {
    /// Topics, in the order in which the member sent them.
    pub topics: Vec<Str>,
    /// The assignor's own data.
    pub user_data: Option<Bytes>,
    /// Partitions that it owned when it joined; from version 1.
    pub owned_partitions: Vec<TopicPartition>,
    /// Generation in which it owned them; from version 2.
    pub generation_id: Option<i32>,
    /// Its rack; from version 3.
    pub rack_id: Option<Str>,
    /// `group.instance.id`; comes with JoinGroup, not in the subscription.
    pub group_instance_id: Option<Str>,
}

/// What a member gets (`ConsumerPartitionAssignor.Assignment`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// Partitions.
    pub partitions: Vec<TopicPartition>,
    /// The assignor's own data.
    pub user_data: Option<Bytes>,
}

/// Divides partitions among the members of a group. Pure: the same input gives the same result in every process.
pub trait Assignor: Send {
    /// Its name in the protocol. Members agree on one that all of them offer.
    fn name(&self) -> &str;

    /// What it can work with; the strongest that all assignors of a member have is used.
    fn supported_protocols(&self) -> &[RebalanceProtocol] {
        &[RebalanceProtocol::Eager]
    }

    /// Data of its own to send when the member joins, subscribed to `topics`.
    fn subscription_user_data(&mut self, _topics: &[Str]) -> Option<Bytes> {
        None
    }

    /// Decides, as the group's leader. `members` come by member id, in the order of the coordinator's answer; each gets an
    /// assignment, be it empty.
    ///
    /// # Errors
    /// When the assignor can't; the rebalance then fails with that error.
    fn assign(
        &mut self,
        metadata: &Metadata,
        members: &[(Str, MemberSubscription)],
    ) -> Result<BTreeMap<Str, Assignment>>;

    /// Tells what this member got.
    fn on_assignment(&mut self, _assignment: &Assignment, _group: &ConsumerGroupMetadata) {}
}

/// Kafka's assignors by their names or by Java's class names, as `partition.assignment.strategy` lists them.
///
/// # Errors
/// When there is no such assignor, two have one name, or they have no rebalance protocol in common.
pub fn by_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Vec<Box<dyn Assignor>>> {
    let mut assignors: Vec<Box<dyn Assignor>> = Vec::new();
    for name in names.into_iter().map(str::trim).filter(|name| !name.is_empty()) {
        let assignor = by_name(name).ok_or_else(|| {
            Error::Illegal(format!(
                "partition.assignment.strategy: there is no assignor {name} here; known are range, roundrobin, sticky and \
                 cooperative-sticky (or their Java class names); your own is handed over as a value"
            ))
        })?;
        if assignors.iter().any(|other| other.name() == assignor.name()) {
            return Err(Error::Illegal(format!(
                "partition.assignment.strategy names the assignor {} twice",
                assignor.name()
            )));
        }
        assignors.push(assignor);
    }
    common_protocol(&assignors)?;
    Ok(assignors)
}

fn by_name(name: &str) -> Option<Box<dyn Assignor>> {
    Some(match name.strip_prefix("org.apache.kafka.clients.consumer.").unwrap_or(name) {
        "range" | "RangeAssignor" => Box::new(RangeAssignor),
        "roundrobin" | "RoundRobinAssignor" => Box::new(RoundRobinAssignor),
        "sticky" | "StickyAssignor" => Box::new(StickyAssignor::default()),
        "cooperative-sticky" | "CooperativeStickyAssignor" => Box::new(CooperativeStickyAssignor::default()),
        _ => return None,
    })
}

/// The strongest protocol that all of them support; eager for none. A group moves from eager to cooperative in two
/// rounds of restarts: first every member offers both kinds of assignors (and stays eager), then only the new one.
///
/// # Errors
/// When they have none in common.
pub fn common_protocol(assignors: &[Box<dyn Assignor>]) -> Result<RebalanceProtocol> {
    let both = [RebalanceProtocol::Cooperative, RebalanceProtocol::Eager];
    both.into_iter()
        .find(|protocol| assignors.iter().all(|assignor| assignor.supported_protocols().contains(protocol)))
        .ok_or_else(|| {
            let names: Vec<&str> = assignors.iter().map(|assignor| assignor.name()).collect();
            Error::Illegal(format!(
                "Specified assignors {names:?} do not have commonly supported rebalance protocol"
            ))
        })
}

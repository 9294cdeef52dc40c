//! A group of a hundred: it forms, ten more come, ten leave.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ottla_protocol::Str;
use ottla_protocol::messages::DeleteGroupsRequest;

use super::{Work, with_cpu};
use crate::contestant::Broker;
use crate::load::batch::now_ms;
use crate::load::coordinator::{self, GROUP};
use crate::load::groups::classic::Classic;
use crate::load::groups::consumer::Consumer;
use crate::load::groups::{Group, Member};
use crate::metric::{Metric, Slice};
use crate::stats::Random;
use crate::topic::{self, TIMEOUT};
use crate::wire::Connection;

const MEMBERS: usize = 100;
const PARTITIONS: usize = 300;
/// Members that come, and leave again.
const MORE: usize = 10;

/// The numbers of a round, in its order.
const METRICS: [Metric; 6] = [
    Metric::ColdJoin,
    Metric::ColdJoinCpu,
    Metric::TenCome,
    Metric::TenComeCpu,
    Metric::TenLeave,
    Metric::TenLeaveCpu,
];

/// Rounds of one protocol, each with a new group.
#[derive(Clone, Copy)]
pub enum Rebalance {
    /// JoinGroup and SyncGroup, assigned by a member.
    Classic,
    /// ConsumerGroupHeartbeat (KIP-848), assigned by the broker.
    Consumer,
}

impl Work for Rebalance {
    fn name(&self) -> String {
        let protocol = match self {
            Rebalance::Classic => "classic",
            Rebalance::Consumer => "consumer",
        };
        format!("a group of {MEMBERS} members over {PARTITIONS} partitions, {protocol} protocol")
    }

    fn writes(&self) -> bool {
        false
    }

    fn prepare(&self, broker: &Broker<'_>, topic: &str) -> Result<()> {
        topic::create(broker.port, topic, PARTITIONS, &[])
    }

    /// At least one round, however long it takes; the mean of all.
    fn slice(&self, broker: &Broker<'_>, topic: &str, time: Duration) -> Result<Slice> {
        let (began, mut rounds, mut sums) = (Instant::now(), 0.0, [0.0; METRICS.len()]);
        while rounds == 0.0 || began.elapsed() < time {
            let name = format!("{topic}-{}", now_ms());
            let found = self.round(broker, topic, &name).with_context(|| format!("group {name}"))?;
            sums.iter_mut().zip(found).for_each(|(sum, value)| *sum += value);
            rounds += 1.0;
        }
        let values: Vec<_> = METRICS.into_iter().zip(sums.map(|sum| sum / rounds)).collect();
        Ok(Slice::of(values))
    }
}

impl Rebalance {
    fn round(self, broker: &Broker<'_>, topic: &str, group: &str) -> Result<[f64; METRICS.len()]> {
        let mut connection = Connection::open(broker.port, TIMEOUT)?;
        coordinator::find(&mut connection, GROUP, group)?;
        let found = match self {
            Rebalance::Classic => round(broker, || Classic::new(group, topic, PARTITIONS))?,
            Rebalance::Consumer => {
                let id = topic::id(broker.port, topic)?;
                let mut random = Random::new(now_ms() as u64);
                round(broker, || Consumer::new(group, topic, id, [random.bits(), random.bits()]))?
            }
        };
        // So that rounds do not add up. Should the group not be empty yet, it is small.
        let request = DeleteGroupsRequest { groups_names: vec![Str::from(group)] };
        connection.call(&request, 2)?;
        Ok(found)
    }
}

fn round<M: Member>(broker: &Broker<'_>, mut member: impl FnMut() -> M) -> Result<[f64; METRICS.len()]> {
    let mut group = Group::new(PARTITIONS)?;
    let settle = |group: &mut Group<M>, what: &'static str| {
        let (took, cpu) = with_cpu(broker, || group.settle()).context(what)?;
        Ok::<_, anyhow::Error>([took.as_secs_f64() * 1e3, cpu * 1e3])
    };
    let mut members = |count: usize| (0..count).map(|_| member()).collect::<Vec<M>>();
    group.add(broker.port, members(MEMBERS))?;
    let joined = settle(&mut group, "cold join")?;
    group.add(broker.port, members(MORE))?;
    let come = settle(&mut group, "ten more")?;
    group.dismiss(MORE);
    let left = settle(&mut group, "ten fewer")?;
    group.dismiss(MEMBERS);
    group.settle().context("all leave")?;
    Ok([joined[0], joined[1], come[0], come[1], left[0], left[1]])
}

//! Why a group is behind: from two looks to findings.
//!
//! Each check looks for one cause and says so with the numbers that it saw. A check that needs rates says nothing when
//! there was one look only.

use std::collections::BTreeSet;

use ottla_client::admin::{GroupState, GroupType};
use ottla_protocol::TopicPartition;

use super::facts::{Look, Member};
use super::finding::{Finding, Level, sort};
use super::flow::{Flow, Flows, Sum};
use super::{rebalance, sessions, transactions};
use crate::words::{count, duration, many, per_second};

/// What of a partition's share of all is much, in percent.
const HOT_PERCENT: i64 = 50;
/// Fewer records than this in all say nothing of how they are spread.
const HOT_RECORDS_MIN: i64 = 20;
/// What has come within this time waits in every group that keeps up: `auto.commit.interval.ms` is 5 s.
const COMMITTED_AFTER_SEC: f64 = 5.0;
/// A list of partitions or members in a text ends here.
const NAMES_MAX: usize = 5;

/// What holds the group up, the worst first; never empty.
pub fn findings(first: &Look, last: &Look) -> Vec<Finding> {
    let flows = Flows::between(first, last);
    let mut found = Vec::new();
    found.extend(topics_missing(last));
    found.extend(leaderless(last));
    found.extend(nobody(last, &flows));
    found.extend(rebalancing(first, last));
    found.extend(transactions::findings(first, last));
    found.extend(deleted_unread(last));
    found.extend(ahead_of_the_end(last));
    found.extend(never_committed(last));
    found.extend(not_assigned(last, &flows));
    found.extend(members(last, &flows));
    found.extend(hot_partition(&flows));
    found.extend(idle_members(last));
    found.extend(sessions::silent(last));
    if !found.iter().any(|finding| finding.level == Level::Cause) {
        found.push(fine(last, &flows));
    }
    sort(&mut found);
    found
}

fn topics_missing(last: &Look) -> Option<Finding> {
    let names: Vec<&str> = last.missing_topics.iter().map(|topic| &**topic).collect();
    let level = if last.partitions.keys().any(|key| !last.missing_topics.contains(&key.topic)) {
        Level::Note
    } else {
        Level::Cause
    };
    (!names.is_empty()).then(|| {
        let text = format!("the group has to do with topics that do not exist: {}.", list(&names));
        Finding::new(level, "topic missing", text)
            .cure("create them, or delete the group's offsets of them (consumer-groups --delete-offsets)")
            .number("topics", names.clone())
    })
}

fn leaderless(last: &Look) -> Option<Finding> {
    let keys: Vec<String> =
        last.partitions.iter().filter(|(_, it)| it.leaderless).map(|(key, _)| key.to_string()).collect();
    (!keys.is_empty()).then(|| {
        let text = format!("{} can't be read: no broker leads {}.", list(&keys), it_or_them(keys.len()));
        Finding::new(Level::Cause, "no leader", text)
            .cure("bring the brokers of their replicas back (topics --describe --unavailable-partitions)")
            .number("partitions", keys.clone())
    })
}

fn nobody(last: &Look, flows: &Flows<'_>) -> Option<Finding> {
    if !last.members.is_empty() || last.state == GroupState::Dead {
        return None;
    }
    let sum = Flows::sum(flows.all.iter());
    let arrives = match flows.elapsed_ms {
        Some(_) => format!(", and {} a second come", per_second(flows.rate(sum.arrived))),
        None => String::new(),
    };
    let level = if sum.lag > 0 { Level::Cause } else { Level::Note };
    let text = format!("the group has no member: nobody reads. {} behind{arrives}.", many(sum.lag, "record"));
    let cure = "start its consumers; if they run, look whether they use this group id and reach the brokers";
    Some(Finding::new(level, "no member", text).cure(cure).weight(sum.lag).number("lag", sum.lag))
}

fn rebalancing(first: &Look, last: &Look) -> Option<Finding> {
    if !last.is_rebalancing() {
        return None;
    }
    let inner = rebalance::findings(first, last).into_iter().next()?;
    let text = format!("the group is in the state {}: {}", last.state, inner.text);
    Some(Finding { text, level: Level::Cause, weight: last.lag(), what: "rebalance under way", ..inner })
}

fn deleted_unread(last: &Look) -> Option<Finding> {
    let lost = last.partitions.iter().filter_map(|(key, it)| {
        let lost = it.start?.saturating_sub(it.committed?);
        (lost > 0).then_some((key, lost))
    });
    let lost: Vec<(&TopicPartition, i64)> = lost.collect();
    let (key, most) = lost.iter().max_by_key(|(_, lost)| *lost)?;
    let text = format!(
        "{} were deleted before the group has read them, in {}; most in {key}: {}.",
        many(lost.iter().map(|(_, lost)| lost).sum(), "record"),
        many(lost.len() as i64, "partition"),
        count(*most)
    );
    let finding = Finding::new(Level::Note, "deleted unread", text)
        .cure("keep records for longer (retention.ms, retention.bytes) than the group may be behind")
        .number("records", lost.iter().map(|(_, lost)| lost).sum::<i64>());
    Some(finding)
}

fn ahead_of_the_end(last: &Look) -> Option<Finding> {
    let ahead = |(key, it): (&TopicPartition, &super::facts::Position)| {
        (it.committed? > it.end?).then(|| key.to_string())
    };
    let keys: Vec<String> = last.partitions.iter().filter_map(ahead).collect();
    (!keys.is_empty()).then(|| {
        let text = format!("the group has committed offsets that {} not have yet.", do_or_does(&keys));
        Finding::new(Level::Cause, "ahead of the end", text)
            .cure("the topic was made anew, or has lost records: reset the offsets (consumer-groups --reset-offsets)")
            .number("partitions", keys.clone())
    })
}

fn never_committed(last: &Look) -> Option<Finding> {
    let has = |key: &TopicPartition| last.members.iter().any(|member| member.assigned.contains(key));
    let never: Vec<String> = last
        .partitions
        .iter()
        .filter(|(key, it)| it.committed.is_none() && it.counted_lag.is_none() && has(key))
        .filter(|(_, it)| it.end > it.start)
        .map(|(key, _)| key.to_string())
        .collect();
    (!never.is_empty()).then(|| {
        let text = format!(
            "nothing was ever committed of {}, which members have and which hold records: how far they are is not \
             known.",
            list(&never)
        );
        Finding::new(Level::Note, "nothing committed", text)
            .cure("commit offsets; until then each restart begins where auto.offset.reset says")
            .number("partitions", never.clone())
    })
}

fn not_assigned(last: &Look, flows: &Flows<'_>) -> Option<Finding> {
    if last.members.is_empty() || last.is_rebalancing() {
        return None;
    }
    let owned: BTreeSet<&TopicPartition> = last.members.iter().flat_map(|it| &it.assigned).collect();
    // Members of other protocols than that of consumers do not tell what they have.
    if owned.is_empty() && last.kind == GroupType::Classic {
        return None;
    }
    let free: Vec<&Flow<'_>> =
        flows.all.iter().filter(|flow| flow.lag > 0 && !owned.contains(flow.key)).collect();
    let sum = Flows::sum(free.iter().copied());
    let keys: Vec<String> = free.iter().map(|flow| flow.key.to_string()).collect();
    (!keys.is_empty()).then(|| {
        let text =
            format!("no member has {}: {} behind there stay so.", list(&keys), many(sum.lag, "record"));
        let level = if sum.lag.saturating_mul(2) >= last.lag() { Level::Cause } else { Level::Note };
        Finding::new(level, "not assigned", text)
            .cure("subscribe to the topic again, or delete the group's offsets of it")
            .weight(sum.lag)
            .number("lag", sum.lag)
    })
}

/// What the members make of their partitions: one finding for each that does not keep up.
fn members(last: &Look, flows: &Flows<'_>) -> Vec<Finding> {
    let Some(elapsed_ms) = flows.elapsed_ms.filter(|_| !last.is_rebalancing()) else { return Vec::new() };
    let sums = flows.by_member(&last.members);
    let slow = |sum: &Sum| sum.taken > 0 && sum.lag > 0 && sum.arrived > sum.taken;
    let busy = sums.values().filter(|sum| sum.lag > 0).count();
    if busy > 1 && sums.values().filter(|sum| slow(sum)).count() == busy {
        return vec![all_slow(last, flows)];
    }
    let mut found = Vec::new();
    for member in &last.members {
        let Some(sum) = sums.get(&*member.id).filter(|sum| sum.lag > 0) else { continue };
        if sum.taken == 0 {
            found.extend(stands_still(member, sum, flows, elapsed_ms));
        } else if slow(sum) {
            found.push(slow_member(member, sum, last, flows));
        } else {
            found.extend(paused(member, flows));
        }
    }
    found
}

/// Waits for a transaction to end, as [`transactions`] says already.
fn waits_for_transaction(flow: &Flow<'_>) -> bool {
    !flow.now.open.is_empty() && flow.now.committed >= flow.now.stable
}

fn stands_still(member: &Member, sum: &Sum, flows: &Flows<'_>, elapsed_ms: i64) -> Option<Finding> {
    if flows.of(member).filter(|flow| flow.lag > 0).all(waits_for_transaction) {
        return None;
    }
    let text = format!(
        "{} has committed nothing in {}, and {} behind wait in its {}.",
        member.name(),
        duration(elapsed_ms),
        many(sum.lag, "record"),
        many(member.assigned.len() as i64, "partition")
    );
    let cure = "it is paused, or hangs in its processing (take a stack trace), or commits more rarely than that (look \
                again with a longer --interval)";
    let finding = Finding::new(Level::Cause, "member stands still", text).cure(cure).weight(sum.lag);
    Some(finding.number("member", &*member.id).number("lag", sum.lag).number("elapsed_ms", elapsed_ms))
}

fn slow_member(member: &Member, sum: &Sum, last: &Look, flows: &Flows<'_>) -> Finding {
    let (taken, arrived) = (flows.rate(sum.taken), flows.rate(sum.arrived));
    let text = format!(
        "{} takes {} records a second of its {}, where {} come: {} behind, {} more each second.",
        member.name(),
        per_second(taken),
        many(member.assigned.len() as i64, "partition"),
        per_second(arrived),
        many(sum.lag, "record"),
        per_second(arrived - taken)
    );
    let cure = match (last.members.len() > 1, member.assigned.len() > 1) {
        (true, _) => "compare it with the others: its machine, what it calls; or give it fewer partitions",
        (false, true) => "start more consumers, up to one for each partition, or process faster",
        (false, false) => "process faster, or create more partitions and start more consumers",
    };
    Finding::new(Level::Cause, "slow member", text)
        .cure(cure)
        .weight(sum.lag)
        .number("member", &*member.id)
        .number("lag", sum.lag)
        .number("taken_per_second", taken)
        .number("arrived_per_second", arrived)
}

fn all_slow(last: &Look, flows: &Flows<'_>) -> Finding {
    let sum = Flows::sum(flows.all.iter());
    let (taken, arrived) = (flows.rate(sum.taken), flows.rate(sum.arrived));
    let text = format!(
        "all {} members together take {} records a second, where {} come: {} behind, {} more each second.",
        last.members.len(),
        per_second(taken),
        per_second(arrived),
        many(sum.lag, "record"),
        per_second(arrived - taken)
    );
    let cure = if last.members.len() < last.partitions.len() {
        "start more consumers: there are more partitions than members"
    } else {
        "process faster, or create more partitions and start more consumers"
    };
    Finding::new(Level::Cause, "group too slow", text)
        .cure(cure)
        .weight(sum.lag)
        .number("lag", sum.lag)
        .number("taken_per_second", taken)
        .number("arrived_per_second", arrived)
}

/// A member that goes on in some of its partitions, but not in others.
fn paused(member: &Member, flows: &Flows<'_>) -> Option<Finding> {
    let stuck: Vec<&Flow<'_>> = flows
        .of(member)
        .filter(|flow| flow.lag > 0 && flow.lag_before > 0 && flow.taken == 0)
        .filter(|flow| !waits_for_transaction(flow))
        .collect();
    let sum = Flows::sum(stuck.iter().copied());
    let keys: Vec<String> = stuck.iter().map(|flow| flow.key.to_string()).collect();
    (!keys.is_empty()).then(|| {
        let text = format!(
            "{} goes on elsewhere, but not in {}, where {} wait.",
            member.name(),
            list(&keys),
            many(sum.lag, "record")
        );
        Finding::new(Level::Cause, "partition stands still", text)
            .cure("the member has paused it, or its other partitions keep it busy: look at max.poll.records and pause()")
            .weight(sum.lag)
            .number("member", &*member.id)
            .number("lag", sum.lag)
    })
}

/// One partition that gets much more than the others.
fn hot_partition(flows: &Flows<'_>) -> Option<Finding> {
    let sum = Flows::sum(flows.all.iter());
    let partitions = flows.all.len() as i64;
    let by_arrivals = sum.arrived >= HOT_RECORDS_MIN;
    let of = |flow: &Flow<'_>| if by_arrivals { flow.arrived } else { flow.lag };
    let total = if by_arrivals { sum.arrived } else { sum.lag };
    let hottest = flows.all.iter().max_by_key(|flow| of(flow))?;
    let percent = of(hottest).saturating_mul(100).checked_div(total)?;
    // With two partitions 50 % is fair; with many, far less than half is much.
    let fair = 100 / partitions.max(1);
    let is_hot = partitions > 1 && total >= HOT_RECORDS_MIN && percent >= HOT_PERCENT.max(fair + 25);
    if !is_hot || hottest.lag == 0 || hottest.lag.saturating_mul(2) < sum.lag {
        return None;
    }
    let what = if by_arrivals { "of what comes" } else { "of what waits" };
    let text = format!(
        "{} has {percent} % {what} in {partitions} partitions, and {} behind: one member has to read it alone.",
        hottest.key,
        many(hottest.lag, "record")
    );
    let finding = Finding::new(Level::Cause, "hot partition", text)
        .cure("choose keys that spread better, or no keys; more members do not help")
        .weight(hottest.lag)
        .number("partition", hottest.key.to_string())
        .number("percent", percent);
    Some(finding.number("lag", hottest.lag))
}

fn idle_members(last: &Look) -> Option<Finding> {
    // Members of share groups share partitions; of other protocols nothing is known.
    let tells = matches!(last.kind, GroupType::Consumer | GroupType::Classic)
        && last.members.iter().any(|member| !member.assigned.is_empty());
    if !tells || last.state != GroupState::Stable {
        return None;
    }
    let idle: Vec<String> =
        last.members.iter().filter(|it| it.assigned.is_empty()).map(Member::name).collect();
    (!idle.is_empty()).then(|| {
        let text = format!(
            "{} of {} members have no partition: {}. There are {} partitions.",
            idle.len(),
            last.members.len(),
            list(&idle),
            last.partitions.len()
        );
        Finding::new(Level::Note, "idle member", text)
            .cure("create more partitions, or run fewer members")
            .number("idle", idle.len())
    })
}

fn fine(last: &Look, flows: &Flows<'_>) -> Finding {
    let sum = Flows::sum(flows.all.iter());
    let taken = format!(
        "{} records a second come, {} are taken",
        per_second(flows.rate(sum.arrived)),
        per_second(flows.rate(sum.taken))
    );
    let finding = match (flows.elapsed_ms, sum.lag) {
        _ if last.partitions.is_empty() => {
            Finding::new(Level::Fine, "nothing to read", "the group has no partitions and no offsets.")
        }
        (Some(ms), 0) if sum.arrived == 0 => {
            let text = format!("nothing is behind, and nothing has come in {}.", duration(ms));
            Finding::new(Level::Fine, "no data", text).cure("if there should be data, look at its producers")
        }
        (_, 0) => Finding::new(Level::Fine, "keeps up", format!("nothing is behind; {taken}.")),
        (None, lag) => {
            let text = format!("{} behind; one look does not show why.", many(lag, "record"));
            Finding::new(Level::Note, "behind", text).cure("look twice: --interval 6")
        }
        (Some(_), lag)
            if sum.taken > sum.arrived && lag as f64 > flows.rate(sum.arrived) * COMMITTED_AFTER_SEC =>
        {
            let gain = flows.rate(sum.taken - sum.arrived);
            let left = duration((lag as f64 / gain * 1_000.0) as i64);
            let text = format!("{} behind, but {taken}: caught up in about {left}.", many(lag, "record"));
            Finding::new(Level::Fine, "catches up", text).number("seconds_left", lag as f64 / gain)
        }
        (Some(_), lag) => {
            Finding::new(Level::Fine, "keeps up", format!("{} behind; {taken}.", many(lag, "record")))
        }
    };
    finding.number("lag", sum.lag).number("arrived", sum.arrived).number("taken", sum.taken)
}

/// Names with commas; after a few, how many more there are.
pub fn list<S: AsRef<str>>(names: &[S]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMES_MAX).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn it_or_them(number: usize) -> &'static str {
    if number == 1 { "it" } else { "them" }
}

fn do_or_does(keys: &[String]) -> String {
    format!("{} {}", list(keys), if keys.len() == 1 { "does" } else { "do" })
}

#[cfg(test)]
#[path = "lag_test.rs"]
mod tests;

//! Whether a group rebalances, since when, and for whom it waits: from two looks to findings.

use std::collections::BTreeSet;

use ottla_client::admin::GroupState;
use ottla_protocol::TopicPartition;

use super::facts::{Detail, Look, Member};
use super::finding::{Finding, Level, sort};
use super::lag::list;
use super::sessions;
use crate::words::{duration, many};

/// What holds the rebalance up, the worst first; never empty.
pub fn findings(first: &Look, last: &Look) -> Vec<Finding> {
    let mut found = match last.state {
        GroupState::PreparingRebalance => vec![joining(first, last)],
        GroupState::CompletingRebalance => vec![syncing(first, last)],
        GroupState::Assigning => vec![assigning(last)],
        GroupState::Reconciling => reconciling(first, last),
        GroupState::NotReady => vec![not_ready(last)],
        GroupState::Empty => {
            vec![Finding::new(
                Level::Fine,
                "no member",
                "the group has no member: there is nobody to rebalance.",
            )]
        }
        GroupState::Stable => vec![stable(first, last)],
        GroupState::Dead | GroupState::Unknown => {
            vec![Finding::new(Level::Note, "no such group", "the group does not exist, or is being removed.")]
        }
    };
    found.extend(sessions::silent(last));
    if last.is_rebalancing() && last.detail.is_none() {
        let text = "since when, and which members were heard of when, Kafka's APIs do not tell.";
        let cure = "on Ottla set ottla.http.listener on the brokers, and this command asks there";
        found.push(Finding::new(Level::Note, "no more known", text).cure(cure));
    }
    sort(&mut found);
    found
}

/// ` for 12.3 s, because of ...`, as far as that is known.
fn since(last: &Look) -> String {
    let Some(detail) = &last.detail else { return String::new() };
    let span = detail.in_state_ms.map(|ms| format!(" for {}", duration(ms))).unwrap_or_default();
    let reason =
        if detail.reason.is_empty() { String::new() } else { format!(" (because: {})", detail.reason) };
    span + &reason
}

/// Whether the group was in this state, and at this epoch, at the first look already.
fn still(first: &Look, last: &Look) -> String {
    let elapsed = last.at_ms.saturating_sub(first.at_ms);
    if elapsed > 0 && first.state == last.state && first.epochs == last.epochs {
        format!(" It was so {} before.", duration(elapsed))
    } else {
        String::new()
    }
}

fn names(last: &Look, ids: &[String]) -> String {
    let names: Vec<String> = ids.iter().map(|id| last.name_of(id)).collect();
    list(&names)
}

/// The least time that one of these members has left, in ms.
fn must_act_within(detail: &Detail, ids: &[String]) -> Option<i64> {
    ids.iter().filter_map(|id| detail.sessions.get(id)?.must_act_within_ms).min()
}

fn joining(first: &Look, last: &Look) -> Finding {
    const WHAT: &str = "waits for members to join";
    let cure = "a member joins when its application polls: look what keeps it busy; max.poll.interval.ms bounds \
                how long the others wait";
    let finding = match last.detail.as_ref().filter(|detail| !detail.waiting_for.is_empty()) {
        Some(detail) => {
            let ids = &detail.waiting_for;
            let left = must_act_within(detail, ids)
                .map(|ms| format!(", at most {} longer", duration(ms.max(0))))
                .unwrap_or_default();
            let text = format!(
                "the group has waited{} for {} to join again{left}: {}.{}",
                since(last),
                many(ids.len() as i64, "member"),
                names(last, ids),
                still(first, last)
            );
            Finding::new(Level::Cause, WHAT, text).number("waiting_for", ids.clone())
        }
        None => {
            let text = format!(
                "the group waits{} for its members ({} are known) to join again; the broker does not say which have \
                 not.{}",
                since(last),
                last.members.len(),
                still(first, last)
            );
            Finding::new(Level::Cause, WHAT, text)
        }
    };
    finding.cure(cure).number("members", last.members.len())
}

fn syncing(first: &Look, last: &Look) -> Finding {
    const WHAT: &str = "waits for the assignment";
    let leader = last.detail.as_ref().and_then(|detail| detail.leader.as_deref());
    let who = match leader {
        Some(id) => format!("{}, which assigns the partitions", last.name_of(id)),
        None => "the member that assigns the partitions".to_owned(),
    };
    let others: Vec<String> = last.detail.as_ref().map(|it| it.waiting_for.clone()).unwrap_or_default();
    let rest = match others.len() {
        0 => String::new(),
        _ => format!(" Not heard of yet: {}.", names(last, &others)),
    };
    let text =
        format!("all have joined, and the group waits{} for {who}.{rest}{}", since(last), still(first, last));
    Finding::new(Level::Cause, WHAT, text)
        .cure("look at that member: its assignor may be slow with many partitions, or the process is gone")
        .number("waiting_for", others)
}

fn assigning(last: &Look) -> Finding {
    let (group, assignment) = last.epochs.unwrap_or_default();
    let text = format!(
        "members, subscriptions or topics have changed: the coordinator has yet to assign for epoch {group}, the last \
         assignment is of epoch {assignment}."
    );
    Finding::new(Level::Cause, "assignment is due", text)
        .cure("it is done with the next heartbeat; if it stays so, no member sends any")
        .number("group_epoch", group)
        .number("assignment_epoch", assignment)
}

fn not_ready(last: &Look) -> Finding {
    let reason =
        last.detail.as_ref().map(|detail| detail.reason.as_str()).filter(|reason| !reason.is_empty());
    let missing: Vec<&str> = last.missing_topics.iter().map(|topic| &**topic).collect();
    let why = match (reason, missing.is_empty()) {
        (Some(reason), _) => reason.to_owned(),
        (None, false) => format!("these topics do not exist: {}", list(&missing)),
        (None, true) => "topics of its topology are missing or do not fit together".to_owned(),
    };
    Finding::new(Level::Cause, "topology not ready", format!("no task can be assigned: {why}.")).cure(
        "create the topics with the partitions that the application expects (streams-groups --describe)",
    )
}

/// Which members have yet to give partitions up, and which wait for them.
fn reconciling(first: &Look, last: &Look) -> Vec<Finding> {
    let target_epoch = last.epochs.map(|(_, assignment)| assignment);
    let mut found = Vec::new();
    for member in &last.members {
        let Some(target) = &member.target else { continue };
        let to_give: BTreeSet<&TopicPartition> = member.assigned.difference(target).collect();
        let is_behind = member.epoch < target_epoch && member.epoch.is_some();
        if !to_give.is_empty() {
            found.push(has_to_give(member, &to_give, first, last));
        } else if is_behind && !waits_for_others(member, last) {
            found.push(has_to_report(member, first, last));
        }
    }
    if found.is_empty() {
        let text =
            format!("members are on their way to their assignment{}.{}", since(last), still(first, last));
        found.push(Finding::new(Level::Note, "on its way", text));
    }
    found
}

/// Whether something of what the member shall have is still another's.
fn waits_for_others(member: &Member, last: &Look) -> bool {
    let wanted = member.target.iter().flatten().filter(|key| !member.assigned.contains(*key));
    let others = |key: &TopicPartition| {
        last.members.iter().any(|other| other.id != member.id && other.assigned.contains(key))
    };
    wanted.into_iter().any(others)
}

fn has_to_give(member: &Member, to_give: &BTreeSet<&TopicPartition>, first: &Look, last: &Look) -> Finding {
    let waiting: Vec<String> = last
        .members
        .iter()
        .filter(|other| other.id != member.id)
        .filter(|other| other.target.iter().flatten().any(|key| to_give.contains(key)))
        .map(Member::name)
        .collect();
    let for_whom =
        if waiting.is_empty() { String::new() } else { format!("; {} wait for it", list(&waiting)) };
    let session = last.detail.as_ref().and_then(|detail| detail.sessions.get(&*member.id));
    let left = session
        .and_then(|session| session.must_act_within_ms)
        .map(|ms| format!(" It has {} left, then it is removed.", duration(ms.max(0))))
        .unwrap_or_default();
    let keys: Vec<String> = to_give.iter().map(ToString::to_string).collect();
    let text = format!(
        "{} still has {} and has to give {} up{for_whom}.{left}{}",
        member.name(),
        list(&keys),
        if keys.len() == 1 { "it" } else { "them" },
        still(first, last)
    );
    Finding::new(Level::Cause, "waits for partitions", text)
        .cure("it does so when its application polls: look what keeps it busy")
        .weight(keys.len() as i64)
        .number("member", &*member.id)
        .number("partitions", keys.clone())
        .number("waiting", waiting)
}

/// A member that could go on, but has not told the coordinator that it does.
fn has_to_report(member: &Member, first: &Look, last: &Look) -> Finding {
    let epoch = member.epoch.unwrap_or_default();
    let target = last.epochs.map_or(0, |(_, assignment)| assignment);
    let before = first.members.iter().find(|it| it.id == member.id);
    let stood = first.at_ms < last.at_ms && before.is_some_and(|it| it.epoch == member.epoch);
    let text = format!(
        "{} is in epoch {epoch}, the assignment in epoch {target}: it waits for nobody, only its heartbeat is due{}.",
        member.name(),
        if stood {
            format!(", as it was {} before", duration(last.at_ms - first.at_ms))
        } else {
            String::new()
        }
    );
    let level = if stood { Level::Cause } else { Level::Note };
    Finding::new(level, "missing heartbeat", text)
        .cure("if it stays so, the process has stopped or is cut off")
        .number("member", &*member.id)
        .number("member_epoch", epoch)
        .number("assignment_epoch", target)
}

fn stable(first: &Look, last: &Look) -> Finding {
    let ids = |look: &Look| look.members.iter().map(|it| it.id.clone()).collect::<BTreeSet<_>>();
    let (before, now) = (ids(first), ids(last));
    let name = |look: &Look, ids: Vec<&ottla_protocol::Str>| {
        let names: Vec<String> = ids.into_iter().map(|id| look.name_of(id)).collect();
        if names.is_empty() { "nobody".to_owned() } else { list(&names) }
    };
    let generation = |look: &Look| look.detail.as_ref().map(|detail| detail.generation_id);
    if before != now || first.epochs != last.epochs || generation(first) != generation(last) {
        let text = format!(
            "the group is stable, but it has rebalanced within the last {}: came {}, went {}.",
            duration(last.at_ms.saturating_sub(first.at_ms)),
            name(last, now.difference(&before).collect()),
            name(first, before.difference(&now).collect())
        );
        let cure = "if that goes on, members time out and join again: compare the time between polls with \
                    max.poll.interval.ms, and look for restarts";
        return Finding::new(Level::Cause, "rebalances often", text).cure(cure);
    }
    let text = format!("no rebalance is under way: the group has been stable{}.", since(last));
    Finding::new(Level::Fine, "stable", text).number("members", last.members.len())
}

#[cfg(test)]
#[path = "rebalance_test.rs"]
mod tests;

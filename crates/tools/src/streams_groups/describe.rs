//! Lags, members and states of streams groups.

use std::collections::{BTreeMap, BTreeSet};

use ottla_client::admin::{
    GroupState, OffsetAndMetadata, StreamsAssignment, StreamsGroupDescription, StreamsTaskIds,
};
use ottla_protocol::{Str, TopicPartition};

use super::StreamsGroups;
use crate::failure::Failure;
use crate::io::Io;
use crate::offset_reset::{Committed, Offsets};
use crate::outln;
use crate::table::{Table, pad};

impl StreamsGroups<'_> {
    pub(super) async fn describe(&self, io: &mut Io) -> Result<(), Failure> {
        let verbose = self.args().has("verbose");
        for id in self.chosen().await? {
            let group = self.description(&id).await.map_err(Failure::in_future)?;
            if self.args().has("members") {
                members(io, &group, verbose);
            } else if self.args().has("state") {
                states(io, &group, verbose);
            } else {
                let partitions: Vec<TopicPartition> = active_partitions(&group)?.into_iter().collect();
                let starts = self.resetter.beginnings(&partitions).await?;
                let ends = self.resetter.ends(&partitions).await?;
                let committed = self.committed(&id, true).await?;
                offsets(io, &group, &starts, &ends, &committed, verbose);
            }
        }
        Ok(())
    }
}

/// The partitions that the active tasks of all members read.
fn active_partitions(group: &StreamsGroupDescription) -> Result<BTreeSet<TopicPartition>, Failure> {
    let mut topics: BTreeMap<&Str, Vec<&Str>> = BTreeMap::new();
    for it in &group.subtopologies {
        let of = topics.entry(&it.subtopology_id).or_default();
        of.extend(&it.source_topics);
        of.extend(it.repartition_source_topics.keys());
    }
    let mut partitions = BTreeSet::new();
    for task in group.members.iter().flat_map(|member| &member.assignment.active_tasks) {
        let topics = topics.get(&task.subtopology_id).ok_or_else(|| {
            Failure::illegal_argument(format!(
                "Subtopology {} not found in group description!",
                task.subtopology_id
            ))
        })?;
        for topic in topics {
            partitions.extend(task.partitions.iter().map(|it| TopicPartition::new((*topic).clone(), *it)));
        }
    }
    Ok(partitions)
}

/// Columns of these widths at least (0: as wide as the cells, but no less than 15); the last as it comes.
fn print(io: &mut Io, table: &Table, least: &[usize]) {
    if io.json() {
        return io.print_json(&table.to_json());
    }
    let widths = table.widths();
    for row in std::iter::once(&table.headers).chain(&table.rows) {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            line += &match least.get(at) {
                Some(0) => pad(cell, widths.get(at).copied().unwrap_or(0).max(15)) + " ",
                Some(width) => pad(cell, *width) + " ",
                None => cell.clone(),
            };
        }
        outln!(io, "{line}");
    }
}

fn announce(io: &mut Io, group: &StreamsGroupDescription) {
    let id = &group.group_id;
    match group.state {
        _ if io.json() => {}
        GroupState::Dead => outln!(io, "\nError: Streams group '{id}' does not exist."),
        GroupState::Empty => outln!(io, "\nError: Streams group '{id}' has no active members."),
        _ => {}
    }
}

fn has_rows(group: &StreamsGroupDescription) -> bool {
    group.state != GroupState::Dead && !group.members.is_empty()
}

fn offsets(
    io: &mut Io,
    group: &StreamsGroupDescription,
    starts: &Offsets,
    ends: &Offsets,
    committed: &Committed,
    verbose: bool,
) {
    if !has_rows(group) {
        return;
    }
    announce(io, group);
    let mut table = Table::new(match verbose {
        true => {
            &["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LEADER-EPOCH", "LOG-END-OFFSET", "OFFSET-LAG"]
                [..]
        }
        false => &["GROUP", "TOPIC", "PARTITION", "OFFSET-LAG"],
    });
    for (key, start) in starts {
        let end = ends.get(key).copied().unwrap_or(*start);
        let current: Option<&OffsetAndMetadata> = committed.get(key).and_then(Option::as_ref);
        let lag = end - current.map_or(*start, |it| it.offset);
        let dash = || "-".to_owned();
        let mut row = vec![group.group_id.to_string(), key.topic.to_string(), key.partition.to_string()];
        if verbose {
            row.push(current.map_or_else(dash, |it| it.offset.to_string()));
            row.push(current.and_then(|it| it.leader_epoch).map_or_else(dash, |epoch| epoch.to_string()));
            row.push(end.to_string());
            row.push(format!("{lag:<15}"));
        } else {
            row.push(lag.to_string());
        }
        table.row(row);
    }
    // Kafka's last column has a width of its own here.
    if let Some(last) = table.headers.last_mut().filter(|_| verbose && !io.json()) {
        *last = format!("{last:15}");
    }
    print(io, &table, if verbose { &[0, 0, 10, 15, 15, 15] } else { &[0, 0, 10] });
}

fn states(io: &mut Io, group: &StreamsGroupDescription, verbose: bool) {
    announce(io, group);
    let coordinator =
        format!("{}:{} ({})", group.coordinator.host, group.coordinator.port, group.coordinator.id);
    let width = coordinator.chars().count().max(25);
    let mut headers = vec!["GROUP", "COORDINATOR (ID)", "STATE"];
    let mut row = vec![group.group_id.to_string(), coordinator, group.state.to_string()];
    if verbose {
        headers.extend(["GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH"]);
        row.extend([group.group_epoch.to_string(), group.target_assignment_epoch.to_string()]);
    }
    headers.push("#MEMBERS");
    row.push(group.members.len().to_string());
    let mut table = Table::new(&headers);
    table.row(row);
    match verbose {
        true => print(io, &table, &[0, width, 25, 15, 25]),
        false => print(io, &table, &[0, width, 25]),
    }
}

fn members(io: &mut Io, group: &StreamsGroupDescription, verbose: bool) {
    if !has_rows(group) {
        return;
    }
    announce(io, group);
    let id = group.group_id.to_string();
    if !verbose {
        let mut table = Table::new(&["GROUP", "MEMBER", "PROCESS", "CLIENT-ID", "ASSIGNMENTS"]);
        for it in &group.members {
            let names = [&it.member_id, &it.process_id, &it.client_id].map(ToString::to_string);
            let row = std::iter::once(id.clone()).chain(names);
            table.row(row.chain([tasks(&it.assignment, "")]));
        }
        return print(io, &table, &[0, 0, 0, 0]);
    }
    let mut table = Table::new(&[
        "GROUP",
        "TARGET-ASSIGNMENT-EPOCH",
        "TOPOLOGY-EPOCH",
        "MEMBER",
        "MEMBER-PROTOCOL",
        "MEMBER-EPOCH",
        "PROCESS",
        "CLIENT-ID",
        "ASSIGNMENTS",
    ]);
    for it in &group.members {
        table.row([
            id.clone(),
            group.target_assignment_epoch.to_string(),
            group.topology_epoch.to_string(),
            it.member_id.to_string(),
            if it.is_classic { "classic" } else { "streams" }.to_owned(),
            it.member_epoch.to_string(),
            it.process_id.to_string(),
            it.client_id.to_string(),
            tasks(&it.assignment, "") + &tasks(&it.target_assignment, "TARGET-"),
        ]);
    }
    // Between TOPOLOGY-EPOCH and MEMBER Kafka has no blank: the column before is one narrower.
    print(io, &table, &[0, 25, 14, 0, 15, 15, 0, 0]);
}

fn tasks(assignment: &StreamsAssignment, prefix: &str) -> String {
    let kinds = [
        ("ACTIVE", &assignment.active_tasks),
        ("STANDBY", &assignment.standby_tasks),
        ("WARMUP", &assignment.warmup_tasks),
    ];
    let mut text = String::new();
    for (kind, tasks) in kinds.into_iter().filter(|(_, tasks)| !tasks.is_empty()) {
        text += &format!("{prefix}{kind}: ");
        for StreamsTaskIds { subtopology_id, partitions } in tasks {
            let partitions: Vec<String> = partitions.iter().map(i32::to_string).collect();
            text += &format!("{subtopology_id}:[{}]; ", partitions.join(","));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_written_by_kind() {
        let task = |id: &str, partitions: &[i32]| StreamsTaskIds {
            subtopology_id: id.into(),
            partitions: partitions.to_vec(),
        };
        let assignment = StreamsAssignment {
            active_tasks: vec![task("0", &[0, 1]), task("1", &[2])],
            standby_tasks: Vec::new(),
            warmup_tasks: vec![task("0", &[3])],
        };
        assert_eq!(tasks(&assignment, ""), "ACTIVE: 0:[0,1]; 1:[2]; WARMUP: 0:[3]; ");
        assert_eq!(tasks(&assignment, "TARGET-"), "TARGET-ACTIVE: 0:[0,1]; 1:[2]; TARGET-WARMUP: 0:[3]; ");
    }
}

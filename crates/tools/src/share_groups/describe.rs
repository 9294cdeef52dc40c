//! Offsets, members and states of share groups.

use std::collections::{BTreeMap, BTreeSet};

use ottla_client::admin::{
    DescribeGroupsOptions, GroupState, ShareGroupDescription, ShareGroupOffsets, ShareMemberDescription,
};
use ottla_protocol::{Str, TopicPartition};

use super::ShareGroups;
use crate::failure::Failure;
use crate::io::Io;
use crate::table::{Table, pad};
use crate::{errln, out, outln};

/// Groups by their ids.
type Groups = BTreeMap<Str, ShareGroupDescription>;

impl ShareGroups<'_> {
    pub(super) async fn describe(&self, io: &mut Io) -> Result<(), Failure> {
        let chosen = self.chosen().await?;
        let options = DescribeGroupsOptions { timeout: self.resetter.timeout, ..Default::default() };
        let described = self.admin().describe_share_groups(&chosen, &options).await;
        let groups: Groups = described
            .into_iter()
            .map(|(id, result)| result.map(|group| (id, group)))
            .collect::<Result<_, _>>()
            .map_err(Failure::in_future)?;
        let verbose = self.args().has("verbose");
        if self.args().has("members") {
            members(io, &groups, verbose);
        } else if self.args().has("state") {
            states(io, &groups, verbose);
        } else {
            let spec = groups.keys().map(|id| (id.clone(), None)).collect();
            let mut offsets = BTreeMap::new();
            for (id, result) in self.admin().list_share_group_offsets(&spec, &self.options()).await {
                offsets.insert(id, result.map_err(Failure::wrapped)?);
            }
            print_offsets(io, &offsets, verbose);
        }
        Ok(())
    }
}

/// Rows under headings, each line begun by a line end; columns have these widths at least, the last none.
fn print_lines(io: &mut Io, table: &Table, least: &[usize]) {
    let widths = table.widths();
    for row in std::iter::once(&table.headers).chain(&table.rows) {
        out!(io, "\n");
        for (at, cell) in row.iter().enumerate() {
            match least.get(at) {
                // 0: as wide as its cells, but no less than 15.
                Some(0) => out!(io, "{} ", pad(cell, widths.get(at).copied().unwrap_or(0).max(15))),
                Some(width) => out!(io, "{} ", pad(cell, *width)),
                None => out!(io, "{cell}"),
            }
        }
    }
    outln!(io);
}

pub(super) fn print_offsets(io: &mut Io, groups: &BTreeMap<Str, ShareGroupOffsets>, verbose: bool) {
    let mut headers = vec!["GROUP", "TOPIC", "PARTITION", "LEADER-EPOCH", "START-OFFSET", "LAG"];
    if !verbose {
        headers.retain(|header| *header != "LEADER-EPOCH");
    }
    let mut all = Table::new(&headers);
    for (group, offsets) in groups {
        if offsets.is_empty() && !io.json() {
            outln!(io, "\nShare group '{group}' has no offset information.");
            continue;
        }
        let mut table = Table::new(&headers);
        for (key, info) in offsets {
            let dash = || "-".to_owned();
            let epoch = info.and_then(|it| it.leader_epoch);
            let lag = info.and_then(|it| it.lag);
            let mut row = vec![group.to_string(), key.topic.to_string(), key.partition.to_string()];
            if verbose {
                row.push(epoch.map_or_else(dash, |epoch| epoch.to_string()));
            }
            row.push(info.map_or_else(dash, |it| it.start_offset.to_string()));
            row.push(lag.map_or_else(dash, |lag| lag.to_string()));
            table.row(row);
        }
        if io.json() {
            all.rows.extend(table.rows);
            continue;
        }
        print_lines(io, &table, if verbose { &[0, 0, 10, 13, 13] } else { &[0, 0, 10, 13] });
    }
    if io.json() {
        io.print_json(&all.to_json());
    }
}

/// Says what is worth knowing of a group's state; gives whether there are rows to show.
fn announce(io: &mut Io, group: &Str, state: GroupState, rows: usize) -> bool {
    match state {
        GroupState::Dead => outln!(io, "\nError: Share group '{group}' does not exist."),
        GroupState::Empty => errln!(io, "\nShare group '{group}' has no active members."),
        _ => {}
    }
    state != GroupState::Dead && rows > 0
}

pub(super) fn states(io: &mut Io, groups: &Groups, verbose: bool) {
    let mut headers = vec!["GROUP", "COORDINATOR (ID)", "STATE"];
    if verbose {
        headers.extend(["GROUP-EPOCH", "ASSIGNMENT-EPOCH"]);
    }
    headers.push("#MEMBERS");
    let mut all = Table::new(&headers);
    for (group, it) in groups {
        let coordinator = format!("{}:{}  ({})", it.coordinator.host, it.coordinator.port, it.coordinator.id);
        let mut row = vec![group.to_string(), coordinator, it.state.to_string()];
        if verbose {
            row.extend([it.group_epoch.to_string(), it.target_assignment_epoch.to_string()]);
        }
        row.push(it.members.len().to_string());
        if io.json() {
            all.row(row);
            continue;
        }
        announce(io, group, it.state, 1);
        let mut table = Table::new(&headers);
        let width = row.get(1).map_or(0, |cell| cell.chars().count()).max(25);
        table.row(row);
        match verbose {
            true => print_lines(io, &table, &[0, width, 15, 12, 17]),
            false => print_lines(io, &table, &[0, width, 15]),
        }
    }
    if io.json() {
        io.print_json(&all.to_json());
    }
}

pub(super) fn members(io: &mut Io, groups: &Groups, verbose: bool) {
    let mut headers = vec!["GROUP", "CONSUMER-ID", "HOST", "CLIENT-ID", "#PARTITIONS"];
    if verbose {
        headers.push("MEMBER-EPOCH");
    }
    headers.push("ASSIGNMENT");
    let mut all = Table::new(&headers);
    for (group, it) in groups {
        if !io.json() && !announce(io, group, it.state, it.members.len()) {
            continue;
        }
        let mut members: Vec<&ShareMemberDescription> = it.members.iter().collect();
        members.sort_by(|a, b| a.member_id.cmp(&b.member_id));
        let mut table = Table::new(&headers);
        for member in members {
            let mut row = vec![
                group.to_string(),
                member.member_id.to_string(),
                member.host.to_string(),
                member.client_id.to_string(),
                member.assignment.len().to_string(),
            ];
            if verbose {
                row.push(member.member_epoch.to_string());
            }
            row.push(assignment(&member.assignment));
            table.row(row);
        }
        if io.json() {
            all.rows.extend(table.rows);
            continue;
        }
        print_lines(io, &table, if verbose { &[0, 0, 0, 0, 12, 13] } else { &[0, 0, 0, 0, 12] });
    }
    if io.json() {
        io.print_json(&all.to_json());
    }
}

/// `topic:0,1;other:2`.
fn assignment(partitions: &BTreeSet<TopicPartition>) -> String {
    let mut topics: BTreeMap<&Str, Vec<String>> = BTreeMap::new();
    for key in partitions {
        topics.entry(&key.topic).or_default().push(key.partition.to_string());
    }
    let topics = topics.into_iter().map(|(topic, partitions)| format!("{topic}:{}", partitions.join(",")));
    topics.collect::<Vec<_>>().join(";")
}

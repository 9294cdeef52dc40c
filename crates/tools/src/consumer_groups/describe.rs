//! Members and states of groups; offsets are in [`super::offsets`].

use std::collections::BTreeMap;

use ottla_client::admin::{ConsumerGroupDescription, DescribeGroupsOptions, GroupState, MemberDescription};
use ottla_protocol::{Str, TopicPartition};

use super::Groups;
use crate::failure::Failure;
use crate::io::Io;
use crate::table::{Table, pad};
use crate::{errln, out, outln};

impl Groups<'_> {
    pub(super) async fn describe(&self, io: &mut Io) -> Result<(), Failure> {
        let args = self.args();
        let chosen = self.chosen().await?;
        let options = DescribeGroupsOptions { timeout: self.resetter.timeout, ..Default::default() };
        let described = self.admin().describe_consumer_groups(&chosen, &options).await;
        let groups: BTreeMap<Str, ConsumerGroupDescription> = described
            .into_iter()
            .map(|(id, result)| result.map(|group| (id, group)))
            .collect::<Result<_, _>>()
            .map_err(Failure::in_future)?;
        let verbose = args.has("verbose");
        if args.has("members") {
            members(io, &groups, verbose)
        } else if args.has("state") {
            states(io, &groups, verbose)
        } else {
            self.describe_offsets(io, &groups, verbose).await
        }
    }
}

/// Says what is worth knowing of a group's state; gives whether there are rows to show.
pub(super) fn announce(io: &mut Io, group: &Str, state: GroupState, rows: usize) -> Result<bool, Failure> {
    match state {
        GroupState::Dead if io.json() => errln!(io, "\nError: Consumer group '{group}' does not exist."),
        GroupState::Dead => outln!(io, "\nError: Consumer group '{group}' does not exist."),
        GroupState::Empty => errln!(io, "\nConsumer group '{group}' has no active members."),
        GroupState::PreparingRebalance
        | GroupState::CompletingRebalance
        | GroupState::Assigning
        | GroupState::Reconciling => errln!(io, "\nWarning: Consumer group '{group}' is rebalancing."),
        GroupState::Stable => {}
        other => {
            return Err(Failure::exception(
                "org.apache.kafka.common.KafkaException",
                format!("Expected a valid consumer group state, but found '{other}'."),
            ));
        }
    }
    Ok(state != GroupState::Dead && rows > 0)
}

/// `topic:0,1;other:2`, or a dash.
fn assignment(partitions: impl IntoIterator<Item = TopicPartition>) -> String {
    let mut topics: BTreeMap<Str, Vec<i32>> = BTreeMap::new();
    for key in partitions {
        topics.entry(key.topic).or_default().push(key.partition);
    }
    let texts: Vec<String> = topics
        .into_iter()
        .map(|(topic, mut partitions)| {
            partitions.sort_unstable();
            format!("{topic}:{}", partitions.iter().map(i32::to_string).collect::<Vec<_>>().join(","))
        })
        .collect();
    if texts.is_empty() { "-".to_owned() } else { texts.join(";") }
}

fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn members(
    io: &mut Io,
    groups: &BTreeMap<Str, ConsumerGroupDescription>,
    verbose: bool,
) -> Result<(), Failure> {
    let mut all = Vec::new();
    for (id, group) in groups {
        // Without members there are the headings all the same.
        announce(io, id, group.state, group.members.len())?;
        let table = members_table(id, group, verbose);
        if io.json() {
            all.extend(table.to_json().as_array().cloned().unwrap_or_default());
        } else {
            print_members(io, &table);
        }
    }
    if io.json() {
        io.print_json(&serde_json::Value::Array(all));
    }
    Ok(())
}

fn members_table(id: &Str, group: &ConsumerGroupDescription, verbose: bool) -> Table {
    let instances =
        group.members.iter().any(|m| m.group_instance_id.as_ref().is_some_and(|id| !id.is_empty()));
    let migrating = group.members.iter().any(|m| m.upgraded == Some(false))
        && group.members.iter().any(|m| m.upgraded == Some(true));
    let mut headers = vec!["GROUP", "CONSUMER-ID"];
    headers.extend(instances.then_some("GROUP-INSTANCE-ID"));
    headers.extend(["HOST", "CLIENT-ID", "#PARTITIONS"]);
    if verbose {
        headers.extend(["CURRENT-EPOCH", "CURRENT-ASSIGNMENT", "TARGET-EPOCH", "TARGET-ASSIGNMENT"]);
        headers.extend(migrating.then_some("UPGRADED"));
    }
    let mut table = Table::new(&headers);
    for member in &group.members {
        let mut row = vec![id.to_string(), member.member_id.to_string()];
        row.extend(instances.then(|| member.group_instance_id.as_deref().unwrap_or_default().to_owned()));
        row.extend([
            member.host.to_string(),
            member.client_id.to_string(),
            member.assignment.len().to_string(),
        ]);
        if verbose {
            row.extend(verbose_cells(group, member));
            row.extend(migrating.then(|| or_dash(member.upgraded)));
        }
        table.row(row);
    }
    table
}

fn verbose_cells(group: &ConsumerGroupDescription, member: &MemberDescription) -> [String; 4] {
    [
        or_dash(member.member_epoch),
        assignment(member.assignment.iter().cloned()),
        or_dash(group.target_assignment_epoch),
        assignment(member.target_assignment.iter().flatten().cloned()),
    ]
}

/// Columns of Kafka's widths; a blank after each but the last of the verbose ones.
fn print_members(io: &mut Io, table: &Table) {
    let minimum = |header: &str| match header {
        "GROUP-INSTANCE-ID" => 17,
        "CURRENT-ASSIGNMENT" | "TARGET-ASSIGNMENT" => 20,
        "UPGRADED" => 0,
        _ => 15,
    };
    let widths: Vec<usize> = table
        .headers
        .iter()
        .zip(table.widths())
        .map(|(header, width)| match header.as_str() {
            // These do not grow in Kafka's tool.
            "#PARTITIONS" | "CURRENT-EPOCH" | "TARGET-EPOCH" => 15,
            _ => width.max(minimum(header)),
        })
        .collect();
    outln!(io);
    for row in std::iter::once(&table.headers).chain(&table.rows) {
        for (at, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let last_verbose =
                at + 1 == row.len() && table.headers.last().is_some_and(|last| last != "#PARTITIONS");
            out!(io, "{}{}", pad(cell, width), if last_verbose { "" } else { " " });
        }
        outln!(io);
    }
}

fn states(
    io: &mut Io,
    groups: &BTreeMap<Str, ConsumerGroupDescription>,
    verbose: bool,
) -> Result<(), Failure> {
    let mut headers = vec!["GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE"];
    if verbose {
        headers.extend(["GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH"]);
    }
    headers.push("#MEMBERS");
    let mut all = Table::new(&headers);
    for (id, group) in groups {
        if !announce(io, id, group.state, 1)? {
            continue;
        }
        let node = &group.coordinator;
        let assignor: &str = &group.partition_assignor;
        let mut row = vec![
            id.to_string(),
            format!("{}:{}  ({})", node.host, node.port, node.id),
            if assignor.is_empty() { "-".to_owned() } else { assignor.to_owned() },
            group.state.to_string(),
        ];
        if verbose {
            row.extend([or_dash(group.group_epoch), or_dash(group.target_assignment_epoch)]);
        }
        row.push(group.members.len().to_string());
        if !io.json() {
            print_state(io, &all.headers, &row);
        }
        all.row(row);
    }
    if io.json() {
        io.print_json(&all.to_json());
    }
    Ok(())
}

fn print_state(io: &mut Io, headers: &[String], row: &[String]) {
    const MINIMUM: [usize; 6] = [15, 25, 20, 20, 15, 25];
    for line in [headers, row] {
        outln!(io);
        for (at, cell) in line.iter().enumerate() {
            if at + 1 == line.len() {
                out!(io, "{cell}");
                continue;
            }
            let minimum = MINIMUM.get(at).copied().unwrap_or(0);
            let width = if at < 2 {
                row.get(at).map_or(0, |cell| cell.chars().count()).max(minimum)
            } else {
                minimum
            };
            out!(io, "{} ", pad(cell, width));
        }
    }
    outln!(io);
}

//! Offsets and lag of groups.

use std::collections::{BTreeMap, BTreeSet};

use ottla_client::admin::ConsumerGroupDescription;
use ottla_protocol::{Str, TopicPartition};

use super::Groups;
use super::describe::announce;
use crate::failure::Failure;
use crate::io::Io;
use crate::offset_reset::{Committed, Offsets};
use crate::table::{Table, pad};
use crate::{out, outln};

/// A member as the columns show it; a dash for partitions that nobody has.
struct Owner {
    consumer_id: String,
    host: String,
    client_id: String,
}

impl Groups<'_> {
    pub(super) async fn describe_offsets(
        &self,
        io: &mut Io,
        groups: &BTreeMap<Str, ConsumerGroupDescription>,
        verbose: bool,
    ) -> Result<(), Failure> {
        let mut tables = Vec::new();
        for (id, group) in groups {
            tables.push((id, group, self.table(id, group, verbose).await?));
        }
        let mut all = Vec::new();
        for (id, group, table) in tables {
            if !announce(io, id, group.state, table.rows.len())? {
                continue;
            }
            if io.json() {
                all.extend(table.to_json().as_array().cloned().unwrap_or_default());
            } else {
                print(io, &table);
            }
        }
        if io.json() {
            io.print_json(&serde_json::Value::Array(all));
        }
        Ok(())
    }

    async fn table(
        &self,
        id: &Str,
        group: &ConsumerGroupDescription,
        verbose: bool,
    ) -> Result<Table, Failure> {
        let mut headers = vec!["GROUP", "TOPIC", "PARTITION"];
        headers.extend(verbose.then_some("LEADER-EPOCH"));
        headers.extend(["CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST", "CLIENT-ID"]);
        let mut table = Table::new(&headers);
        let committed = self.committed(id).await?;
        let mut members: Vec<_> =
            group.members.iter().filter(|member| !member.assignment.is_empty()).collect();
        members.sort_by_key(|member| std::cmp::Reverse(member.assignment.len()));
        let mut owned: BTreeSet<&TopicPartition> = BTreeSet::new();
        let mut rows: Vec<(TopicPartition, Owner)> = Vec::new();
        for member in members {
            for key in &member.assignment {
                owned.insert(key);
                let owner = Owner {
                    consumer_id: member.member_id.to_string(),
                    host: member.host.to_string(),
                    client_id: member.client_id.to_string(),
                };
                rows.push((key.clone(), owner));
            }
        }
        for key in committed.keys().filter(|key| !owned.contains(key)) {
            let dash = || "-".to_owned();
            rows.push((key.clone(), Owner { consumer_id: dash(), host: dash(), client_id: dash() }));
        }
        let ends = self.ends_with_leader(&rows).await?;
        for (key, owner) in rows {
            table.row(row(id, &key, owner, &committed, &ends, verbose));
        }
        Ok(table)
    }

    /// The ends of partitions that have a leader.
    async fn ends_with_leader(&self, rows: &[(TopicPartition, Owner)]) -> Result<Offsets, Failure> {
        let keys: Vec<TopicPartition> = rows.iter().map(|(key, _)| key.clone()).collect();
        let without = self.resetter.without_leader(&keys).await?;
        let keys: Vec<TopicPartition> = keys.into_iter().filter(|key| !without.contains(key)).collect();
        self.resetter.ends(&keys).await
    }
}

fn row(
    group: &Str,
    key: &TopicPartition,
    owner: Owner,
    committed: &Committed,
    ends: &Offsets,
    verbose: bool,
) -> Vec<String> {
    let current = committed.get(key).and_then(Option::as_ref);
    let offset = current.map(|current| current.offset);
    let end = ends.get(key).copied();
    let lag = offset.filter(|offset| *offset != -1).zip(end).map(|(offset, end)| end.saturating_sub(offset));
    let number = |value: Option<i64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let mut row = vec![group.to_string(), key.topic.to_string(), key.partition.to_string()];
    row.extend(verbose.then(|| number(current.and_then(|current| current.leader_epoch).map(i64::from))));
    row.extend([number(offset), number(end), number(lag), owner.consumer_id, owner.host, owner.client_id]);
    row
}

fn print(io: &mut Io, table: &Table) {
    let widths: Vec<usize> = table
        .headers
        .iter()
        .enumerate()
        .map(|(at, header)| {
            let cells = table.rows.iter().filter_map(|row| row.get(at));
            match header.as_str() {
                "PARTITION" => 10,
                "LEADER-EPOCH" | "CURRENT-OFFSET" | "LOG-END-OFFSET" | "LAG" => 15,
                "CLIENT-ID" => 0,
                _ => cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(15),
            }
        })
        .collect();
    for row in std::iter::once(&table.headers).chain(&table.rows) {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| pad(cell, width)).collect();
        out!(io, "\n{}", cells.join(" "));
    }
    outln!(io);
}

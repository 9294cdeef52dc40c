//! A plan that spreads topics over brokers.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use ottla_client::admin::{Admin, TopicDescription};
use ottla_protocol::{Str, TopicPartition};
use serde_json::json;

use super::moves::directories_of;
use super::plan::{Directories, Replicas, duplicates, parse_topics, to_json};
use super::{describe, failed, read};
use crate::args::Args;
use crate::failure::Failure;
use crate::io::Io;
use crate::{java, outln};

pub(super) async fn generate(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let text = read(args, "topics-to-move-json-file")?;
    let brokers = args.text("broker-list")?.split(',').map(java::parse_int).collect::<Result<Vec<_>, _>>()?;
    let repeated = duplicates(&brokers);
    if !repeated.is_empty() {
        return Err(failed(format!("Broker list contains duplicate entries: {}", java::list(repeated))));
    }
    let topics = parse_topics(&text)?;
    let repeated = duplicates(&topics);
    if !repeated.is_empty() {
        let list = java::list(repeated);
        return Err(failed(format!("List of topics to reassign contains duplicate entries: {list}")));
    }
    let described = describe(admin, topics.into_iter().map(Str::from)).await?;
    let current = current(&described);
    let directories = directories_of(admin, &described, |_| true).await?;
    let racks = usable(admin, &brokers, !args.has("disable-rack-aware")).await?;
    let mut proposed = Replicas::new();
    let seed = RandomState::new();
    for (topic, description) in &described {
        let count = description.partitions.first().map_or(0, |info| info.replicas.len());
        let start = usize::try_from(seed.hash_one(topic) >> 8).unwrap_or(0);
        let placed = place(&racks, description.partitions.len(), count, start)?;
        for (partition, replicas) in (0..).zip(placed) {
            proposed.insert(TopicPartition::new(topic.clone(), partition), replicas);
        }
    }
    let (current, proposed) = (to_json(&current, &directories), to_json(&proposed, &Directories::new()));
    if io.json() {
        io.print_json(&json!({ "current": current, "proposed": proposed }));
        return Ok(());
    }
    outln!(io, "Current partition replica assignment\n{current}\n");
    outln!(io, "Proposed partition reassignment configuration\n{proposed}");
    Ok(())
}

fn current(described: &BTreeMap<Str, TopicDescription>) -> Replicas {
    let mut replicas = Replicas::new();
    for (topic, description) in described {
        for info in &description.partitions {
            let ids = info.replicas.iter().map(|node| node.id).collect();
            replicas.insert(TopicPartition::new(topic.clone(), info.partition), ids);
        }
    }
    replicas
}

/// The listed brokers that are there, by rack; all in one when racks don't count.
async fn usable(admin: &Admin, wanted: &[i32], racks_count: bool) -> Result<Vec<Vec<i32>>, Failure> {
    let cluster = admin.describe_cluster(&Default::default()).await.map_err(Failure::in_future)?;
    let nodes: Vec<_> =
        cluster.nodes.iter().map(|it| &it.node).filter(|node| wanted.contains(&node.id)).collect();
    let without = nodes.iter().filter(|node| node.rack.is_none()).count();
    if racks_count && without != 0 && without != nodes.len() {
        return Err(Failure::exception(
            "org.apache.kafka.tools.AdminOperationException",
            "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica assignment \
             without rack information.",
        ));
    }
    let mut racks: BTreeMap<Option<&str>, Vec<i32>> = BTreeMap::new();
    for node in nodes {
        racks.entry(node.rack.as_deref().filter(|_| racks_count)).or_default().push(node.id);
    }
    Ok(racks.into_values().collect())
}

/// Replicas in stripes: those of a partition in different racks as far as there are, leaders taking turns.
fn place(
    racks: &[Vec<i32>],
    partitions: usize,
    count: usize,
    start: usize,
) -> Result<Vec<Vec<i32>>, Failure> {
    const CLASS: &str = "org.apache.kafka.common.errors.InvalidReplicationFactorException";
    let total: usize = racks.iter().map(Vec::len).sum();
    if total == 0 {
        return Err(Failure::exception(
            CLASS,
            "All brokers are currently fenced, or have all their log directories cordoned.",
        ));
    }
    if count > total {
        return Err(Failure::exception(
            CLASS,
            format!(
                "The target replication factor of {count} cannot be reached because only {total} broker(s) are \
                 registered or some brokers have all their log directories cordoned."
            ),
        ));
    }
    let mut placed = Vec::new();
    for partition in 0..partitions {
        // The leader: the racks take turns, and in each its brokers; the followers go on from there.
        let round = partition / racks.len();
        let mut replicas: Vec<i32> = Vec::new();
        let mut rack = start.wrapping_add(partition);
        let mut turn = start.wrapping_add(round);
        while replicas.len() < count {
            let brokers = racks.get(rack % racks.len()).map_or(&[][..], Vec::as_slice);
            let from_turn = (0..brokers.len()).map(|step| turn.wrapping_add(step) % brokers.len());
            let free = from_turn.filter_map(|at| brokers.get(at)).find(|id| !replicas.contains(id));
            replicas.extend(free);
            rack = rack.wrapping_add(1);
            turn = turn.wrapping_add(partition % 2);
        }
        placed.push(replicas);
    }
    Ok(placed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_in_different_racks_and_leaders_take_turns() {
        let placed = place(&[vec![1, 2], vec![3, 4]], 4, 2, 7).unwrap();
        for replicas in &placed {
            assert!(replicas.iter().filter(|id| **id <= 2).count() == 1, "{placed:?}");
        }
        let leaders: std::collections::BTreeSet<i32> = placed.iter().map(|replicas| replicas[0]).collect();
        assert_eq!(leaders.len(), 4, "{placed:?}");
    }

    #[test]
    fn too_few_brokers_are_told_in_kafkas_words() {
        let text = |racks: &[Vec<i32>]| place(racks, 1, 3, 0).unwrap_err().text().to_owned();
        assert!(
            text(&[vec![1]])
                .starts_with("The target replication factor of 3 cannot be reached because only 1 broker(s)")
        );
        assert!(text(&[]).starts_with("All brokers are currently fenced"));
        assert_eq!(place(&[vec![5]], 2, 1, 3).unwrap(), [vec![5], vec![5]]);
    }
}

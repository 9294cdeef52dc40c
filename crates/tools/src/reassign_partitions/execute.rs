//! Starting a plan, and taking it back.

use std::collections::{BTreeMap, BTreeSet};

use ottla_client::admin::{Admin, AlterReassignmentsOptions, TopicDescription};
use ottla_protocol::{Str, TopicPartition};

use super::moves::{self, MoveState, directories_of};
use super::plan::{Directories, Plan, Replicas, to_json};
use super::{describe, failed, join, read, throttles};
use crate::args::Args;
use crate::failure::Failure;
use crate::io::Io;
use crate::outln;

pub(super) async fn execute(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let (proposed, directories) = Plan::parse(&read(args, "reassignment-json-file")?)?.executable()?;
    let under_way =
        admin.list_partition_reassignments(None, &Default::default()).await.map_err(Failure::in_future)?;
    if !under_way.is_empty() && !args.has("additional") {
        return Err(Failure::message(
            "Cannot execute because there is an existing partition assignment.  Use --additional to override this and \
             create a new partition assignment in addition to the existing one. The --additional flag can also be used to \
             change the throttle by resubmitting the current reassignment.",
        ));
    }
    check_brokers(admin, &proposed).await?;
    let topics: BTreeSet<Str> = proposed.keys().map(|key| key.topic.clone()).collect();
    let described = describe(admin, topics).await?;
    let current = current(&described, &proposed)?;
    let now = directories_of(admin, &described, |key| proposed.contains_key(key)).await?;
    outln!(
        io,
        "Current partition replica assignment\n\n{}\n\nSave this to use as the --reassignment-json-file option during rollback",
        to_json(&current, &now)
    );
    let throttle: i64 = args.number("throttle")?.unwrap_or(-1);
    let directory_throttle: i64 = args.number("replica-alter-log-dirs-throttle")?.unwrap_or(-1);
    if throttle >= 0 || directory_throttle >= 0 {
        outln!(
            io,
            "Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle is removed."
        );
        if throttle >= 0 {
            let moves = throttles::moves(&under_way, &proposed, &current);
            throttles::throttle_brokers(io, admin, &moves, throttle).await?;
        }
        if directory_throttle >= 0 {
            throttles::throttle_directories(io, admin, &directories, directory_throttle).await?;
        }
    }
    start(io, args, admin, &proposed).await?;
    if directories.is_empty() {
        return Ok(());
    }
    moves::start(io, admin, &directories, args.number("timeout")?.unwrap_or(10_000)).await
}

async fn check_brokers(admin: &Admin, proposed: &Replicas) -> Result<(), Failure> {
    let cluster = admin.describe_cluster(&Default::default()).await.map_err(Failure::in_future)?;
    let known = |id: &i32| cluster.nodes.iter().any(|it| it.node.id == *id);
    let wanted: BTreeSet<i32> = proposed.values().flatten().copied().collect();
    match wanted.iter().find(|id| !known(id)) {
        None => Ok(()),
        Some(unknown) => Err(failed(format!("Unknown broker id {unknown}"))),
    }
}

/// The replicas now of the partitions of the plan, all of which must be there.
fn current(described: &BTreeMap<Str, TopicDescription>, proposed: &Replicas) -> Result<Replicas, Failure> {
    let mut current = Replicas::new();
    for (topic, description) in described {
        for info in &description.partitions {
            let key = TopicPartition::new(topic.clone(), info.partition);
            if proposed.contains_key(&key) {
                current.insert(key, info.replicas.iter().map(|node| node.id).collect());
            }
        }
    }
    let missing: Vec<String> =
        proposed.keys().filter(|key| !current.contains_key(key)).map(ToString::to_string).collect();
    if missing.is_empty() {
        return Ok(current);
    }
    Err(Failure::exception(
        "java.util.concurrent.ExecutionException",
        format!(
            "org.apache.kafka.common.errors.UnknownTopicOrPartitionException: Unable to find partition: {}",
            missing.join(", ")
        ),
    ))
}

async fn start(io: &mut Io, args: &Args, admin: &Admin, proposed: &Replicas) -> Result<(), Failure> {
    let wanted = proposed.iter().map(|(key, replicas)| (key.clone(), Some(replicas.clone()))).collect();
    let options = AlterReassignmentsOptions {
        allow_replication_factor_change: !args.has("disallow-replication-factor-change"),
        ..Default::default()
    };
    let errors = errors(admin.alter_partition_reassignments(&wanted, &options).await);
    if !errors.is_empty() {
        return Err(Failure::message(format!("Error reassigning partition(s):\n{}", errors.join("\n"))));
    }
    let plural = if proposed.len() == 1 { "" } else { "s" };
    outln!(io, "Successfully started partition reassignment{plural} for {}", join(proposed.keys()));
    Ok(())
}

fn errors(results: ottla_client::admin::PerKey<TopicPartition, ()>) -> Vec<String> {
    results.into_iter().filter_map(|(key, result)| Some(format!("{key}: {}", result.err()?))).collect()
}

pub(super) async fn cancel(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let plan = Plan::parse(&read(args, "reassignment-json-file")?)?;
    let keys: BTreeSet<TopicPartition> = plan.partitions.iter().map(|(key, _)| key.clone()).collect();
    let found = admin
        .list_partition_reassignments(Some(&keys), &Default::default())
        .await
        .map_err(Failure::in_future)?;
    let active: Vec<TopicPartition> = found
        .into_iter()
        .filter(|(_, it)| !it.adding_replicas.is_empty() || !it.removing_replicas.is_empty())
        .map(|(key, _)| key)
        .collect();
    if active.is_empty() {
        outln!(io, "None of the specified partition reassignments are active.");
    } else {
        let wanted = active.iter().map(|key| (key.clone(), None)).collect();
        let errors = errors(admin.alter_partition_reassignments(&wanted, &Default::default()).await);
        if !errors.is_empty() {
            let plural = if errors.len() == 1 { "" } else { "s" };
            return Err(Failure::message(format!(
                "Error cancelling partition reassignment{plural} for:\n{}",
                errors.join("\n")
            )));
        }
        let plural = if active.len() == 1 { "" } else { "s" };
        outln!(io, "Successfully cancelled partition reassignment{plural} for: {}", join(&active));
    }
    let mut moving = Directories::new();
    for (replica, state) in moves::states(admin, &plan.directories).await? {
        if let MoveState::Active(current, _) = state {
            moving.insert(replica, current);
        }
    }
    if moving.is_empty() {
        crate::out!(io, "None of the specified partition moves are active.");
    } else {
        moves::start(io, admin, &moving, args.number("timeout")?.unwrap_or(10_000)).await?;
    }
    if args.has("preserve-throttles") { Ok(()) } else { throttles::clear(io, admin, &plan).await }
}

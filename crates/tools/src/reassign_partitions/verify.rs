//! Whether a plan is done.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_client::admin::Admin;
use ottla_protocol::{ErrorCode, Str, TopicPartition};
use serde_json::{Value, json};

use super::moves::{self, sorted};
use super::plan::Plan;
use super::{join, read, throttles};
use crate::args::Args;
use crate::failure::Failure;
use crate::io::Io;
use crate::outln;
use crate::progress::Progress;

/// Between two looks of `--wait`.
const WAIT: Duration = Duration::from_millis(500);

/// How far a partition is.
struct State {
    current: Vec<i32>,
    target: Vec<i32>,
    done: bool,
}

impl State {
    fn describe(&self, key: &TopicPartition) -> String {
        match (self.done, self.current == self.target) {
            (false, _) => format!("Reassignment of partition {key} is still in progress."),
            (true, true) => format!("Reassignment of partition {key} is completed."),
            (true, false) => format!(
                "There is no active reassignment of partition {key}, but replica set is {} rather than {}.",
                join(&self.current),
                join(&self.target)
            ),
        }
    }
}

pub(super) async fn verify(io: &mut Io, args: &Args, admin: &Admin) -> Result<(), Failure> {
    let plan = Plan::parse(&read(args, "reassignment-json-file")?)?;
    if args.has("wait") {
        wait(io, admin, &plan).await?;
    }
    let (states, any_under_way) = states(admin, &plan).await?;
    let moves = moves::states(admin, &plan.directories).await?;
    let moving = moves.values().any(|state| !state.is_done());
    let clear = !any_under_way && !moving && !args.has("preserve-throttles");
    if io.json() {
        let partitions = states.iter().map(|(key, state)| {
            json!({
                "topic": key.topic.to_string(),
                "partition": key.partition,
                "current_replicas": state.current,
                "target_replicas": state.target,
                "done": state.done,
            })
        });
        let document = json!({
            "partitions": partitions.collect::<Vec<Value>>(),
            "reassignments_ongoing": any_under_way,
            "log_dir_moves_ongoing": moving,
        });
        io.print_json(&document);
    } else {
        outln!(io, "Status of partition reassignment:");
        for (key, state) in &states {
            outln!(io, "{}", state.describe(key));
        }
        let lines: Vec<String> = sorted(moves.iter(), |(replica, _)| (*replica).clone())
            .into_iter()
            .map(|(replica, state)| {
                state.describe(replica, plan.directories.get(replica).map_or("", |directory| directory))
            })
            .collect();
        outln!(io, "{}", lines.join("\n"));
    }
    if clear { throttles::clear(io, admin, &plan).await } else { Ok(()) }
}

/// Waits until every partition and every replica of the plan is where it shall be, or nothing moves it any more.
async fn wait(io: &mut Io, admin: &Admin, plan: &Plan) -> Result<(), Failure> {
    let mut progress = Progress::new("Reassigning");
    loop {
        let (states, _) = states(admin, plan).await?;
        let moves = moves::states(admin, &plan.directories).await?;
        let done = states.values().filter(|state| state.done).count()
            + moves.values().filter(|state| state.is_done()).count();
        let total = states.len() + moves.len();
        progress.at(io, done as u64, total as u64);
        if done == total || io.is_broken() {
            progress.clear(io);
            return Ok(());
        }
        tokio::time::sleep(WAIT).await;
    }
}

/// States by partition, and whether anything at all is under way.
async fn states(admin: &Admin, plan: &Plan) -> Result<(BTreeMap<TopicPartition, State>, bool), Failure> {
    let current =
        admin.list_partition_reassignments(None, &Default::default()).await.map_err(Failure::in_future)?;
    let topics: BTreeSet<Str> = plan
        .partitions
        .iter()
        .filter(|(key, _)| !current.contains_key(key))
        .map(|(key, _)| key.topic.clone())
        .collect();
    let topics: Vec<Str> = topics.into_iter().collect();
    let described = if topics.is_empty() {
        BTreeMap::new()
    } else {
        admin.describe_topics(&topics, &Default::default()).await
    };
    let mut states = BTreeMap::new();
    for (key, target) in &plan.partitions {
        let target = target.clone();
        let state = if let Some(found) = current.get(key) {
            State { current: found.replicas.clone(), target, done: false }
        } else {
            let replicas = match described.get(&key.topic) {
                None => Vec::new(),
                Some(Ok(topic)) => {
                    let info = topic.partitions.iter().find(|info| info.partition == key.partition);
                    info.map_or_else(Vec::new, |info| info.replicas.iter().map(|node| node.id).collect())
                }
                Some(Err(error)) if error.code() == Some(ErrorCode::UnknownTopicOrPartition) => Vec::new(),
                Some(Err(error)) => return Err(Failure::in_future(error.clone())),
            };
            State { current: replicas, target, done: true }
        };
        states.insert(key.clone(), state);
    }
    Ok((states, !current.is_empty()))
}

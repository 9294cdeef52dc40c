//! `ottla share-groups`: Kafka's `ShareGroupCommand`.

mod check;
mod describe;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use ottla_client::Error;
use ottla_client::admin::{DescribeGroupsOptions, GroupListing, GroupState, GroupType};
use ottla_protocol::{ErrorCode, Str, TopicPartition};

use crate::args::Args;
use crate::consumer_groups::reset::print as print_offsets_to_reset;
use crate::failure::Failure;
use crate::group_tool::{GroupTool, with_resetter};
use crate::io::Io;
use crate::offset_reset::Offsets;
use crate::option::{Kind, Opt, opt};
use crate::tool::{Group, Syntax, Tool};
use crate::{java, out, outln};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "share-groups",
    script: "kafka-share-groups",
    group: Group::Groups,
    about: "Lists, describes, resets and deletes share groups.",
    examples: "kafka-share-groups.sh --bootstrap-server localhost:9092 --list --state\n\
               kafka-share-groups.sh --bootstrap-server localhost:9092 --describe --group workers\n\
               kafka-share-groups.sh --bootstrap-server localhost:9092 --reset-offsets --group workers --topic jobs --to-earliest --execute\n\
               kafka-share-groups.sh --bootstrap-server localhost:9092 --delete --group workers",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

#[rustfmt::skip]
static OPTIONS: [Opt; 21] = [
    opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas. Required.").value("server to connect to"),
    opt("group", "The share group; with --describe and --delete may be given again.").value("share group"),
    opt("topic", "The topic whose offsets are reset or deleted; may be given again. To reset, also single partitions: topic1:0,1,2.").value("topic"),
    opt("all-topics", "With --reset-offsets: all topics of the group."),
    opt("list", "Lists share groups."),
    opt("describe", "Shows members and offsets of share groups."),
    opt("all-groups", "All share groups are meant."),
    opt("delete", "Deletes share groups that have no members."),
    opt("timeout", "How long it may take, in ms.").value("timeout (ms)").kind(Kind::Long).default("30000"),
    opt("command-config", "A properties file with settings of the client: security, time-outs.").value("command config property file"),
    opt("reset-offsets", "Sets the offsets of a share group without members, by one of --to-earliest, --to-latest, --to-datetime; with \
        --dry-run or --execute, and --topic or --all-topics."),
    opt("delete-offsets", "Deletes the offsets of --topic from a share group."),
    opt("dry-run", "With --reset-offsets: only shows what would be done."),
    opt("execute", "With --reset-offsets: does it."),
    opt("to-datetime", "The offsets of this time: YYYY-MM-DDThh:mm:ss.sss.").value("datetime"),
    opt("to-earliest", "The earliest offsets."),
    opt("to-latest", "The latest offsets."),
    opt("members", "With --describe: shows members.").only_with(&["describe"]),
    opt("offsets", "With --describe: shows offsets; so it does anyway.").only_with(&["describe"]),
    opt("state", "With --describe: shows states. With --list: shows states, or only groups in these: Empty, Stable, Dead.")
        .optional_value("String").only_with(&["describe", "list"]),
    opt("verbose", "With --describe: shows more.").only_with(&["describe"]),
];

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = tool.parse(io, arguments)?;
    check::check(&args)?;
    let result = act(io, &args);
    match result {
        Err(Failure::Exception { class, message })
            if class.starts_with("joptsimple.") || class == "java.lang.IllegalArgumentException" =>
        {
            Err(Failure::Usage { tool, message })
        }
        // Kafka's tool ends well all the same.
        Err(failure) if !failure.is_exit() => {
            outln!(io, "\nError: Executing share group command failed due to {}", failure.text());
            Ok(())
        }
        other => other,
    }
}

fn act(io: &mut Io, args: &Args) -> Result<(), Failure> {
    with_resetter(args, async |resetter| {
        let groups = ShareGroups(GroupTool { kind: GroupType::Share, resetter });
        if args.has("list") {
            groups.list(io).await
        } else if args.has("describe") {
            groups.describe(io).await
        } else if args.has("delete") {
            groups.delete(io).await
        } else if args.has("reset-offsets") {
            groups.reset(io).await
        } else {
            groups.delete_offsets(io).await
        }
    })
}

struct ShareGroups<'a>(GroupTool<'a>);

impl<'a> Deref for ShareGroups<'a> {
    type Target = GroupTool<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl ShareGroups<'_> {
    async fn delete(&self, io: &mut Io) -> Result<(), Failure> {
        let there = self.listings(BTreeSet::new()).await.map_err(Failure::wrapped)?;
        let mut failed: BTreeMap<Str, String> = BTreeMap::new();
        let mut wanted = Vec::new();
        for id in self.chosen().await? {
            match refusal(&id, there.get(&id)) {
                Some(why) => drop(failed.insert(id, why)),
                None => wanted.push(id),
            }
        }
        let mut done = Vec::new();
        if !wanted.is_empty() {
            for (id, result) in self.admin().delete_share_groups(&wanted, &self.options()).await {
                match result {
                    Ok(()) => done.push(format!("'{id}'")),
                    Err(error) => drop(failed.insert(id, Failure::from(error).with_class())),
                }
            }
        }
        let done = done.join(", ");
        if failed.is_empty() {
            outln!(io, "Deletion of requested share groups ({done}) was successful.");
            return Ok(());
        }
        outln!(io, "\nError: Deletion of some share groups failed:");
        for (id, why) in &failed {
            outln!(io, "* Group '{id}' could not be deleted due to: {why}");
        }
        if !done.is_empty() {
            outln!(io, "\nThese share groups were deleted successfully: {done}");
        }
        Ok(())
    }

    async fn delete_offsets(&self, io: &mut Io) -> Result<(), Failure> {
        let group = Str::from(self.args().text("group")?);
        let topics: BTreeSet<Str> = self.args().values("topic").into_iter().map(Str::from).collect();
        let results = self.admin().delete_share_group_offsets(&group, &topics, &self.options()).await;
        let results = match results {
            Ok(results) => results,
            Err(error) => {
                match error.code() {
                    Some(
                        ErrorCode::InvalidGroupId
                        | ErrorCode::GroupIdNotFound
                        | ErrorCode::GroupAuthorizationFailed
                        | ErrorCode::NonEmptyGroup,
                    ) => outln!(io, "\nError: {error}"),
                    _ => {
                        let error = Failure::from(error.clone()).with_class();
                        outln!(io, "\nError: Encounter some unknown error: {error}");
                    }
                }
                topics.iter().map(|topic| (topic.clone(), Err(error.clone()))).collect()
            }
        };
        let width = topics.iter().map(|topic| topic.chars().count()).max().unwrap_or(0).max(15);
        out!(io, "\n{:width$} STATUS", "TOPIC");
        for topic in &topics {
            let status = match results.get(topic) {
                Some(Ok(())) => "Successful".to_owned(),
                Some(Err(error)) => format!("Error: {error}"),
                None => format!(
                    "Error: Offset deletion result for topic \"{topic}\" was not included in the response"
                ),
            };
            out!(io, "\n{:width$} {status}", &**topic);
        }
        outln!(io);
        Ok(())
    }

    async fn reset(&self, io: &mut Io) -> Result<(), Failure> {
        let group = Str::from(self.args().text("group")?);
        let options = DescribeGroupsOptions { timeout: self.resetter.timeout, ..Default::default() };
        let described = self.admin().describe_share_groups(std::slice::from_ref(&group), &options).await;
        match described.into_values().next() {
            Some(Ok(found)) if !matches!(found.state, GroupState::Empty | GroupState::Dead) => {
                return Err(Failure::message(format!("Share group '{group}' is not empty.")));
            }
            Some(Err(error)) if error.code() != Some(ErrorCode::GroupIdNotFound) => {
                return Err(Failure::message(error.to_string()));
            }
            _ => {}
        }
        let partitions = self.partitions(&group).await?;
        let plan = self.plan(io, &partitions).await?;
        if self.args().has("execute") {
            let done = self.admin().alter_share_group_offsets(&group, &plan, &self.options()).await?;
            done.into_values().collect::<Result<(), Error>>()?;
        }
        print_offsets_to_reset(io, &BTreeMap::from([(group, plan)]));
        Ok(())
    }

    async fn partitions(&self, group: &Str) -> Result<Vec<TopicPartition>, Failure> {
        if self.args().has("topic") {
            return self.resetter.partitions_of(&self.args().values("topic")).await;
        }
        let spec = BTreeMap::from([(group.clone(), None)]);
        let listed = self.admin().list_share_group_offsets(&spec, &self.options()).await;
        let offsets = listed.into_values().collect::<Result<Vec<_>, Error>>()?;
        Ok(offsets.into_iter().flat_map(BTreeMap::into_keys).collect())
    }

    async fn plan(&self, io: &mut Io, partitions: &[TopicPartition]) -> Result<Offsets, Failure> {
        self.resetter.check_valid(partitions).await?;
        if self.args().has("to-earliest") {
            self.resetter.beginnings(partitions).await
        } else if self.args().has("to-latest") {
            self.resetter.ends(partitions).await
        } else {
            self.resetter.to_datetime(io, partitions).await
        }
    }
}

/// Why a group is not even tried to be deleted.
fn refusal(id: &str, listing: Option<&GroupListing>) -> Option<String> {
    let illegal = |class: &str, text: String| Some(format!("{class}: {text}"));
    match listing.map(|it| it.state) {
        None => illegal("java.lang.IllegalArgumentException", format!("Group '{id}' is not a share group.")),
        Some(Some(GroupState::Dead)) => {
            illegal("java.lang.IllegalStateException", format!("Share group '{id}' group state is DEAD."))
        }
        Some(Some(GroupState::Empty) | None) => None,
        Some(Some(_)) => illegal(
            java::exception_of_code(ErrorCode::NonEmptyGroup.code()),
            format!("Share group '{id}' is not EMPTY."),
        ),
    }
}

#[cfg(test)]
#[path = "share_groups_test.rs"]
mod tests;

//! `ottla streams-application-reset`: Kafka's `StreamsResetter`. The offsets are set by the administration, not by a
//! consumer that joins: what is printed and what is committed is the same.

mod positions;

use std::collections::BTreeSet;
use std::time::Duration;

use ottla_client::Error;
use ottla_client::admin::{
    Admin, DeleteTopicsOptions, DescribeGroupsOptions, ListTopicsOptions, MembersToRemove, OffsetAndMetadata,
    RemoveMembersOptions, TimeoutOptions,
};
use ottla_protocol::{ErrorCode, Str};

use crate::args::Args;
use crate::clock::now_ms;
use crate::connect::{read_properties, with_admin};
use crate::failure::Failure;
use crate::io::Io;
use crate::offset_reset::{Offsets, Resetter};
use crate::option::{Kind, Opt, opt};
use crate::streams_groups::is_internal;
use crate::tool::{Group, Syntax, Tool};
use crate::{errln, java, outln};

/// The tool.
pub static TOOL: Tool = Tool {
    name: "streams-application-reset",
    script: "kafka-streams-application-reset",
    group: Group::Groups,
    about: "Lets an application of Kafka Streams begin anew.",
    examples: "kafka-streams-application-reset.sh --bootstrap-server localhost:9092 --application-id app --input-topics orders --dry-run\n\
               kafka-streams-application-reset.sh --bootstrap-server localhost:9092 --application-id app --input-topics orders --to-datetime 2026-01-31T00:00:00.000",
    syntax: Syntax::Options(&OPTIONS),
    run,
};

#[rustfmt::skip]
static OPTIONS: [Opt; 16] = [
    opt("application-id", "The application.id. Required.").value("id").required(),
    opt("bootstrap-server", "Brokers to connect to, as host:port, separated by commas; localhost:9092 when it is not given.").value("server to connect to"),
    opt("input-topics", "The topics that the application reads, separated by commas: their offsets are set to the earliest, or as another \
        option says.").value("list").separated_by(','),
    opt("intermediate-topics", "Topics that the application writes and reads, separated by commas: their offsets are set to the end.")
        .value("list").separated_by(','),
    opt("internal-topics", "Internal topics to delete, separated by commas; all that are found when it is not given.").value("list").separated_by(','),
    opt("to-offset", "This offset.").value("Long").kind(Kind::Long),
    opt("to-datetime", "The offsets of this time: YYYY-MM-DDThh:mm:ss.sss.").value("String"),
    opt("by-duration", "The offsets of so long ago: PnDTnHnMnS.").value("String"),
    opt("to-earliest", "The earliest offsets."),
    opt("to-latest", "The latest offsets."),
    opt("from-file", "The offsets of a CSV file: topic,partition,offset.").value("String"),
    opt("shift-by", "The committed offsets plus this number, which may be below 0.").value("number-of-offsets").kind(Kind::Long),
    opt("config-file", "The older spelling of --command-config.").value("file name").deprecated("command-config"),
    opt("command-config", "A properties file with settings of the client: security, time-outs.").value("file name"),
    opt("force", "Removes members that are left over. The application must be stopped."),
    opt("dry-run", "Only shows what would be done."),
];

const WAYS: [&str; 7] =
    ["to-offset", "to-datetime", "by-duration", "to-earliest", "to-latest", "from-file", "shift-by"];
/// How often members are removed again when one was gone meanwhile.
const RETRIES_MAX: u32 = 3;

fn run(tool: &'static Tool, io: &mut Io, arguments: &[String]) -> Result<(), Failure> {
    let args = match tool.parse(io, arguments) {
        Err(Failure::Exception { class, message }) if class.starts_with("joptsimple.") => {
            return Err(Failure::Usage { tool, message });
        }
        other => other?,
    };
    args.at_most_one(&WAYS)?;
    args.forbid("config-file", &["command-config"])?;
    match act(io, &args) {
        Err(failure) if !failure.is_exit() => {
            errln!(io, "ERROR: {}", failure.with_class());
            Err(Failure::Exit(1))
        }
        other => other,
    }
}

fn act(io: &mut Io, args: &Args) -> Result<(), Failure> {
    let mut path = args.value("command-config")?;
    if let Some(old) = args.value("config-file")? {
        outln!(
            io,
            "Option --config-file has been deprecated and will be removed in a future version. Use --command-config instead."
        );
        path = Some(old);
    }
    let mut properties = path.map(read_properties).transpose()?.unwrap_or_default();
    let servers = args.value("bootstrap-server")?.unwrap_or("localhost:9092");
    properties.insert("bootstrap.servers".to_owned(), servers.to_owned());
    let now_ms = now_ms();
    let found_all = with_admin(&properties, async |admin| {
        let reset = Reset {
            group: Str::from(args.text("application-id")?),
            resetter: Resetter { admin, args, timeout: None, now_ms },
        };
        reset.remove_members(io).await?;
        let options = ListTopicsOptions { timeout: Some(Duration::from_secs(60)), ..Default::default() };
        let topics: BTreeSet<Str> =
            admin.list_topics(&options).await.map_err(Failure::in_future)?.into_keys().collect();
        if args.has("dry-run") {
            outln!(
                io,
                "----Dry run displays the actions which will be performed when running Streams Reset Tool----"
            );
        }
        let found_all = reset.offsets(io, &topics).await?;
        reset.delete_internal_topics(io, &topics).await?;
        Ok(found_all)
    })?;
    if found_all { Ok(()) } else { Err(Failure::Exit(1)) }
}

struct Reset<'a> {
    group: Str,
    resetter: Resetter<'a>,
}

impl Reset<'_> {
    fn admin(&self) -> &Admin {
        self.resetter.admin
    }

    fn args(&self) -> &Args {
        self.resetter.args
    }

    fn topics_of(&self, option: &str) -> Vec<Str> {
        self.args().values(option).into_iter().map(Str::from).collect()
    }

    async fn remove_members(&self, io: &mut Io) -> Result<(), Failure> {
        let group = &self.group;
        let mut retries = 0;
        loop {
            let options =
                DescribeGroupsOptions { timeout: Some(Duration::from_secs(10)), ..Default::default() };
            let described =
                self.admin().describe_consumer_groups(std::slice::from_ref(group), &options).await;
            let members = match described.into_values().next() {
                Some(Ok(found)) => found.members,
                Some(Err(error)) if error.code() == Some(ErrorCode::GroupIdNotFound) => return Ok(()),
                Some(Err(error)) => return Err(Failure::in_future(error)),
                None => return Ok(()),
            };
            if members.is_empty() {
                return Ok(());
            }
            if !self.args().has("force") {
                let ids = java::list(members.iter().map(|it| &it.member_id));
                return Err(Failure::exception(
                    "java.lang.IllegalStateException",
                    format!(
                        "Consumer group '{group}' is still active and has following members: {ids}. Make sure to stop all \
                         running application instances before running the reset tool. You can use option '--force' to \
                         remove active members from the group."
                    ),
                ));
            }
            outln!(io, "Force deleting all active members in the group: {group}");
            match self.remove_all(group).await {
                Err(error) if error.code() == Some(ErrorCode::UnknownMemberId) && retries < RETRIES_MAX => {
                    retries += 1;
                }
                result => return result.map_err(Failure::in_future),
            }
        }
    }

    async fn remove_all(&self, group: &Str) -> Result<(), Error> {
        let options = RemoveMembersOptions { timeout: None, members: MembersToRemove::All, reason: None };
        let removed = self.admin().remove_members_from_consumer_group(group, &options).await?;
        removed.into_iter().try_for_each(|member| member.result)
    }

    /// Sets offsets; gives whether all topics were found.
    async fn offsets(&self, io: &mut Io, there: &BTreeSet<Str>) -> Result<bool, Failure> {
        let inputs = self.topics_of("input-topics");
        if self.args().has("intermediate-topics") {
            outln!(io, "WARN: `--intermediate-topics` is deprecated and will be removed in a future release");
        }
        let intermediate = self.topics_of("intermediate-topics");
        if inputs.is_empty() && intermediate.is_empty() {
            outln!(io, "No input or intermediate topics specified. Skipping seek.");
            return Ok(true);
        }
        if !inputs.is_empty() {
            outln!(io, "Reset-offsets for input topics {}", java::list(&inputs));
        }
        if !intermediate.is_empty() {
            outln!(io, "Seek-to-end for intermediate topics {}", java::list(&intermediate));
        }
        let known = |topics: &[Str]| topics.iter().cloned().partition(|topic| there.contains(topic));
        let (inputs, no_inputs): (Vec<Str>, Vec<Str>) = known(&inputs);
        let (intermediate, no_intermediate): (Vec<Str>, Vec<Str>) = known(&intermediate);
        if !no_inputs.is_empty() {
            outln!(io, "Following input topics are not found, skipping them");
            no_inputs.iter().for_each(|topic| outln!(io, "Topic: {topic}"));
        }
        if !no_intermediate.is_empty() {
            outln!(io, "Following intermediate topics are not found, skipping them");
            no_intermediate.iter().for_each(|topic| outln!(io, "Topic:{topic}"));
        }
        let found_all = no_inputs.is_empty() && no_intermediate.is_empty();
        if inputs.is_empty() && intermediate.is_empty() {
            return Ok(found_all);
        }
        self.set_offsets(io, &inputs, &intermediate).await?;
        outln!(io, "Done.");
        Ok(found_all)
    }

    async fn set_offsets(&self, io: &mut Io, inputs: &[Str], intermediate: &[Str]) -> Result<(), Failure> {
        let mut plan = Offsets::new();
        if !inputs.is_empty() {
            let names: Vec<&str> = inputs.iter().map(|topic| &**topic).collect();
            let partitions = self.resetter.partitions_of(&names).await?;
            outln!(io, "Following input topics offsets will be reset to (for consumer group {})", self.group);
            plan = self.input_offsets(io, &partitions).await?;
            for (key, offset) in &plan {
                outln!(io, "Topic: {} Partition: {} Offset: {offset}", key.topic, key.partition);
            }
        }
        if !intermediate.is_empty() {
            let names: Vec<&str> = intermediate.iter().map(|topic| &**topic).collect();
            let partitions = self.resetter.partitions_of(&names).await?;
            outln!(
                io,
                "Following intermediate topics offsets will be reset to end (for consumer group {})",
                self.group
            );
            for key in &partitions {
                outln!(io, "Topic: {}", key.topic);
            }
            plan.extend(self.resetter.ends(&partitions).await?);
        }
        if self.args().has("dry-run") {
            return Ok(());
        }
        let offset = |offset: i64| OffsetAndMetadata { offset, ..Default::default() };
        let offsets = plan.into_iter().map(|(key, it)| (key, offset(it))).collect();
        let options = TimeoutOptions::default();
        let done = self.admin().alter_consumer_group_offsets(&self.group, &offsets, &options).await?;
        Ok(done.into_values().collect::<Result<(), Error>>()?)
    }

    async fn delete_internal_topics(&self, io: &mut Io, there: &BTreeSet<Str>) -> Result<(), Failure> {
        let (inputs, intermediate) = (self.topics_of("input-topics"), self.topics_of("intermediate-topics"));
        let given = |topic: &Str| inputs.contains(topic) || intermediate.contains(topic);
        let inferred: Vec<Str> =
            there.iter().filter(|topic| !given(topic) && is_internal(topic, &self.group)).cloned().collect();
        let specified = self.topics_of("internal-topics");
        if specified.iter().any(|topic| !inferred.contains(topic)) {
            return Err(Failure::illegal_argument(
                "Invalid topic specified in the --internal-topics option. Ensure that the topics specified are all internal \
                 topics. Do a dry run without the --internal-topics option to see the list of all internal topics that can \
                 be deleted.",
            ));
        }
        let topics = match specified.is_empty() {
            false => {
                outln!(io, "Deleting specified internal topics {}", java::list(&specified));
                specified
            }
            true => {
                outln!(io, "Deleting inferred internal topics {}", java::list(&inferred));
                inferred
            }
        };
        if !self.args().has("dry-run") && !topics.is_empty() {
            let options =
                DeleteTopicsOptions { timeout: Some(Duration::from_secs(30)), ..Default::default() };
            let mut failed = false;
            for (topic, result) in self.admin().delete_topics(&topics, &options).await {
                if let Err(error) = result {
                    errln!(io, "ERROR: deleting topic {topic}");
                    errln!(io, "{}", Failure::in_future(error).with_class());
                    failed = true;
                }
            }
            if failed {
                return Err(Failure::runtime("Encountered an error deleting one or more topics"));
            }
        }
        outln!(io, "Done.");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::refused;

    #[test]
    fn command_lines_are_refused_in_kafkas_words() {
        let check = |arguments: &str, expect: &str| refused("streams-application-reset", arguments, expect);
        check("--input-topics t", "Missing required option(s) [application-id]");
        check(
            "--application-id a --to-offset 5 --to-latest",
            "Option \"[to-offset]\" can't be used with option \"[to-latest]\"",
        );
        check(
            "--application-id a --config-file x --command-config y",
            "Option \"[config-file]\" can't be used with option \"[command-config]\"",
        );
    }
}

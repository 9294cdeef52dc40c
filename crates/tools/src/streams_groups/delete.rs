//! Streams groups deleted, with their internal topics.

use std::collections::{BTreeMap, BTreeSet};

use ottla_client::Error;
use ottla_client::admin::{DeleteTopicsOptions, GroupListing, GroupState};
use ottla_protocol::{ErrorCode, Str};

use super::StreamsGroups;
use crate::failure::Failure;
use crate::io::Io;
use crate::{java, outln};

impl StreamsGroups<'_> {
    pub(super) async fn delete(&self, io: &mut Io) -> Result<(), Failure> {
        let there = self.listings(BTreeSet::new()).await.map_err(Failure::wrapped)?;
        let mut failed: BTreeMap<Str, String> = BTreeMap::new();
        let mut wanted = Vec::new();
        for id in self.chosen().await? {
            match refusal(&id, there.get(&id)) {
                Some(why) => drop(failed.insert(id, why)),
                None => wanted.push(id),
            }
        }
        let mut topics: BTreeMap<Str, Vec<Str>> = BTreeMap::new();
        if self.args().has("delete-all-internal-topics") {
            for id in &wanted {
                let of_group = self.internal_topics(io, id).await?;
                if !of_group.is_empty() {
                    topics.insert(id.clone(), of_group);
                }
            }
        }
        let mut done: Vec<Str> = Vec::new();
        if !wanted.is_empty() {
            for (id, result) in self.admin().delete_streams_groups(&wanted, &self.options()).await {
                match result {
                    Ok(()) => done.push(id),
                    Err(error) => drop(failed.insert(id, Failure::from(error).with_class())),
                }
            }
        }
        let undeleted = self.delete_topics(io, &done, &topics).await;
        report(io, &done, &failed);
        if !topics.is_empty() && !done.is_empty() {
            report_topics(io, &done, &topics, &undeleted);
        }
        Ok(())
    }

    /// Deletes the internal topics of groups; gives the groups for which it failed.
    async fn delete_topics(
        &self,
        io: &mut Io,
        done: &[Str],
        topics: &BTreeMap<Str, Vec<Str>>,
    ) -> BTreeMap<Str, Error> {
        let options = DeleteTopicsOptions { timeout: self.resetter.timeout, ..Default::default() };
        let mut undeleted = BTreeMap::new();
        for id in done {
            let Some(topics) = topics.get(id) else { continue };
            for (topic, result) in self.admin().delete_topics(topics, &options).await {
                if let Err(error) = result {
                    outln!(io, "Failed to delete internal topic: {topic}");
                    undeleted.insert(id.clone(), error);
                }
            }
        }
        undeleted
    }

    /// The internal topics of a group, by its topology; those whose names are not like it are left alone.
    pub(super) async fn internal_topics(&self, io: &mut Io, group: &Str) -> Result<Vec<Str>, Failure> {
        let description = match self.description(group).await {
            Ok(description) => description,
            Err(error) => {
                let why = Failure::in_future(error);
                outln!(io, "\nError: Retrieving internal topics failed due to {}", why.text());
                return Ok(Vec::new());
            }
        };
        let sources: BTreeSet<&Str> =
            description.subtopologies.iter().flat_map(|it| &it.source_topics).collect();
        let mut topics = Vec::new();
        for it in &description.subtopologies {
            let own = it.repartition_source_topics.keys().chain(it.state_changelog_topics.keys());
            for topic in own.filter(|topic| !sources.contains(topic)) {
                if is_internal(topic, group) {
                    topics.push(topic.clone());
                    continue;
                }
                outln!(
                    io,
                    "\nError: The internal topic '{topic}' is not inferred as internal and thus will not be deleted with the group '{group}'."
                );
            }
        }
        Ok(topics)
    }
}

/// Whether a topic's name is one that Kafka Streams gives.
pub(crate) fn is_internal(topic: &str, group: &str) -> bool {
    let own = topic.strip_prefix(group).is_some_and(|rest| rest.starts_with('-'));
    let ends =
        ["-changelog", "-repartition", "-subscription-registration-topic", "-subscription-response-topic"];
    own && (ends.iter().any(|end| topic.ends_with(end)) || is_foreign_key_join(topic))
}

/// `...-KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-0000000005-topic`.
fn is_foreign_key_join(topic: &str) -> bool {
    let kinds = ["-KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-", "-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-"];
    kinds.iter().any(|kind| {
        topic.rsplit_once(kind).is_some_and(|(before, after)| {
            let digits = after.strip_suffix("-topic").unwrap_or_default();
            !before.is_empty() && !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
        })
    })
}

/// Why a group is not even tried to be deleted.
fn refusal(id: &str, listing: Option<&GroupListing>) -> Option<String> {
    match listing.map(|it| it.state) {
        None => Some(format!(
            "java.lang.IllegalArgumentException: Group '{id}' does not exist or is not a streams group."
        )),
        Some(Some(GroupState::Dead)) => {
            Some(format!("java.lang.IllegalStateException: Streams group '{id}' group state is DEAD."))
        }
        Some(Some(GroupState::Empty) | None) => None,
        Some(Some(_)) => {
            let class = java::exception_of_code(ErrorCode::NonEmptyGroup.code());
            Some(format!("{class}: Streams group '{id}' is not EMPTY."))
        }
    }
}

fn report(io: &mut Io, done: &[Str], failed: &BTreeMap<Str, String>) {
    let names = done.join("', '");
    if failed.is_empty() {
        return outln!(io, "Deletion of requested streams groups ('{names}') was successful.");
    }
    outln!(io, "\nError: Deletion of some streams groups failed:");
    for (id, why) in failed {
        outln!(io, "* Group '{id}' could not be deleted due to: {why}");
    }
    if !done.is_empty() {
        outln!(io, "\nThese streams groups were deleted successfully: '{names}'.");
    }
}

fn report_topics(
    io: &mut Io,
    done: &[Str],
    topics: &BTreeMap<Str, Vec<Str>>,
    undeleted: &BTreeMap<Str, Error>,
) {
    if undeleted.is_empty() {
        let groups: Vec<&str> = done.iter().filter(|id| topics.contains_key(*id)).map(|id| &**id).collect();
        return outln!(
            io,
            "Deletion of associated internal topics of the streams groups ('{}') was successful.",
            groups.join("', '")
        );
    }
    outln!(io, "Deletion of some associated internal topics failed:");
    for (id, error) in undeleted {
        let why = Failure::from(error.clone()).with_class();
        outln!(io, "* Internal topics of the streams group '{id}' could not be deleted due to: {why}");
    }
}

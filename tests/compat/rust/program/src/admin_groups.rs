//! Administration of groups: results and errors of each operation.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_client::admin::*;
use ottla_client::consumer::OffsetAndMetadata as Committed;
use ottla_client::{Error, Result};
use ottla_protocol::{Str, TopicPartition};

use crate::lab::{Lab, drain, tp};

const SOON: TimeoutOptions = TimeoutOptions { timeout: Some(Duration::from_secs(30)) };

fn soon() -> DescribeGroupsOptions {
    DescribeGroupsOptions { timeout: SOON.timeout, ..Default::default() }
}

/// Groups of both protocols while they have a member, and after.
pub async fn groups(lab: &Lab) -> Result<()> {
    let topic = lab.topic("grouped", 2, &[]).await?;
    lab.fill(&topic, 0, 5).await?;
    for protocol in ["classic", "consumer"] {
        let name = format!("grouped-{protocol}");
        let settings = [
            ("group.id", name.as_str()),
            ("group.protocol", protocol),
            ("client.id", "me"),
            ("auto.offset.reset", "earliest"),
        ];
        let mut member = lab.consumer(&settings)?;
        member.subscribe([topic.clone()]).await?;
        drain(&mut member, 5).await?;
        let id = Str::from(lab.name(&name));
        describe(lab, &id).await;
        lab.say_each("delete", lab.admin.delete_consumer_groups(std::slice::from_ref(&id), &SOON).await);
        member.commit().await?;
        member.close(Duration::from_secs(10)).await?;
        describe(lab, &id).await;
        let listed = lab.admin.list_groups(&ListGroupsOptions::default()).await?.all()?;
        if let Some(it) = listed.get(&id) {
            let (kind, state) = (it.group_type.map(GroupType::name), it.state.map(GroupState::name));
            lab.say(format!("{} {} {}", kind.unwrap_or("null"), it.protocol, state.unwrap_or("null")));
        }
        lab.say_each("delete", lab.admin.delete_consumer_groups(std::slice::from_ref(&id), &SOON).await);
        describe(lab, &id).await;
    }
    let nobody = [Str::from(lab.name("nobody"))];
    lab.say_each("delete", lab.admin.delete_consumer_groups(&nobody, &SOON).await);
    lab.say_each("classic", lab.admin.describe_classic_groups(&nobody, &soon()).await);
    lab.say_each("share", lab.admin.describe_share_groups(&nobody, &soon()).await);
    lab.say_each("streams", lab.admin.describe_streams_groups(&nobody, &soon()).await);
    Ok(())
}

async fn describe(lab: &Lab, id: &Str) {
    for (id, result) in lab.admin.describe_consumer_groups(std::slice::from_ref(id), &soon()).await {
        let text = result.map(|it| {
            let member = |it: &MemberDescription| {
                let assignment: Vec<i32> = it.assignment.iter().map(|tp| tp.partition).collect();
                format!("{} {assignment:?} {}", it.client_id, it.member_epoch.is_some_and(|epoch| epoch > 0))
            };
            let members: Vec<String> = it.members.iter().map(member).collect();
            format!(
                "{} {} '{}' {} {}",
                it.group_type.name(),
                it.state.name(),
                it.partition_assignor,
                it.is_simple_consumer_group,
                members.join(", ")
            )
        });
        lab.say_result(&format!("describe {id}"), text);
    }
}

async fn show_offsets(lab: &Lab, id: &Str, partitions: Option<Vec<TopicPartition>>) {
    let wanted = BTreeMap::from([(id.clone(), partitions)]);
    let options = ListGroupOffsetsOptions { timeout: SOON.timeout, ..Default::default() };
    for (id, result) in lab.admin.list_consumer_group_offsets(&wanted, &options).await {
        let text = result.map(|all| {
            let text = |(tp, at): (&TopicPartition, &Option<OffsetAndMetadata>)| {
                let at = at.as_ref().map(|at| format!("{}/{}", at.offset, at.metadata));
                format!("{tp}={}", at.unwrap_or_else(|| "null".to_owned()))
            };
            all.iter().map(text).collect::<Vec<_>>().join(" ")
        });
        lab.say_result(&format!("offsets {id}"), text);
    }
}

/// An error of the group is each key's.
fn say_parts<'a, K: std::fmt::Display + Ord + Clone + 'a>(
    lab: &Lab,
    what: &str,
    keys: impl Iterator<Item = &'a K>,
    result: Result<PerKey<K, ()>>,
) {
    let each = |error: Error| keys.map(|key| (key.clone(), Err(error.clone()))).collect();
    lab.say_each(what, result.unwrap_or_else(each));
}

/// Offsets set, listed and removed by an administrator.
pub async fn group_offsets(lab: &Lab) -> Result<()> {
    let topic = lab.topic("managed", 2, &[]).await?;
    let id = Str::from(lab.name("managed"));
    let nobody = Str::from(lab.name("nobody"));
    let at =
        |offset, metadata: &str| OffsetAndMetadata { offset, leader_epoch: None, metadata: metadata.into() };
    let offsets = BTreeMap::from([(tp(&topic, 0), at(3, "by hand")), (tp(&topic, 1), at(0, ""))]);
    say_parts(
        lab,
        "alter",
        offsets.keys(),
        lab.admin.alter_consumer_group_offsets(&id, &offsets, &SOON).await,
    );
    let missing = BTreeMap::from([(TopicPartition::new(lab.name("nowhere"), 0), at(3, ""))]);
    say_parts(
        lab,
        "alter",
        missing.keys(),
        lab.admin.alter_consumer_group_offsets(&id, &missing, &SOON).await,
    );
    show_offsets(lab, &id, None).await;
    show_offsets(lab, &id, Some(vec![tp(&topic, 0), tp(&topic, 7)])).await;
    show_offsets(lab, &nobody, None).await;
    let one = BTreeSet::from([tp(&topic, 1)]);
    say_parts(lab, "delete", one.iter(), lab.admin.delete_consumer_group_offsets(&id, &one, &SOON).await);
    say_parts(lab, "delete", one.iter(), lab.admin.delete_consumer_group_offsets(&nobody, &one, &SOON).await);
    show_offsets(lab, &id, None).await;
    // While somebody reads the topic for the group, nobody else may.
    let mut member = lab.consumer(&[("group.id", "managed")])?;
    member.subscribe([topic.clone()]).await?;
    lab.fill(&topic, 0, 5).await?;
    drain(&mut member, 2).await?;
    say_parts(
        lab,
        "alter under a member",
        offsets.keys(),
        lab.admin.alter_consumer_group_offsets(&id, &offsets, &SOON).await,
    );
    say_parts(
        lab,
        "delete under a member",
        one.iter(),
        lab.admin.delete_consumer_group_offsets(&id, &one, &SOON).await,
    );
    member.commit_offsets(BTreeMap::from([(tp(&topic, 0), Committed::new(4))])).await?;
    member.close(Duration::from_secs(10)).await?;
    show_offsets(lab, &id, None).await;
    Ok(())
}

/// Where share groups begin.
pub async fn share_groups(lab: &Lab) -> Result<()> {
    let topic = lab.topic("shared", 2, &[]).await?;
    lab.fill(&topic, 0, 9).await?;
    // The group's coordinator must know the topic.
    lab.settle().await?;
    let (id, nobody) = (Str::from(lab.name("shared")), Str::from(lab.name("nobody")));
    let offsets = BTreeMap::from([(tp(&topic, 0), 4), (tp(&topic, 1), 0)]);
    say_parts(lab, "alter", offsets.keys(), lab.admin.alter_share_group_offsets(&id, &offsets, &SOON).await);
    for id in [&id, &nobody] {
        let wanted = BTreeMap::from([(id.clone(), None)]);
        for (id, result) in lab.admin.list_share_group_offsets(&wanted, &SOON).await {
            let text = result.map(|all| {
                let mut text = String::new();
                for (tp, at) in all {
                    text +=
                        &format!(" {tp}={}", at.map_or("null".to_owned(), |at| at.start_offset.to_string()));
                }
                text
            });
            lab.say_result(&format!("offsets {id}"), text);
        }
    }
    for (id, result) in lab.admin.describe_share_groups(std::slice::from_ref(&id), &soon()).await {
        lab.say_result(&id, result.map(|it| format!("{} {}", it.state.name(), it.members.len())));
    }
    let topics = BTreeSet::from([topic.clone(), Str::from(lab.name("nowhere"))]);
    say_parts(
        lab,
        "delete offsets",
        topics.iter(),
        lab.admin.delete_share_group_offsets(&id, &topics, &SOON).await,
    );
    say_parts(
        lab,
        "delete offsets",
        topics.iter(),
        lab.admin.delete_share_group_offsets(&nobody, &topics, &SOON).await,
    );
    lab.say_each("delete", lab.admin.delete_share_groups(&[id, nobody], &SOON).await);
    Ok(())
}

/// Members put out.
pub async fn members(lab: &Lab) -> Result<()> {
    let topic = lab.topic("put-out", 1, &[]).await?;
    lab.fill(&topic, 0, 1).await?;
    let id = Str::from(lab.name("put-out"));
    let settings = [("group.id", "put-out"), ("group.instance.id", "a"), ("session.timeout.ms", "30000")];
    let mut member = lab.consumer(&settings)?;
    member.subscribe([topic.clone()]).await?;
    drain(&mut member, 1).await?;
    let instances = |all: &[&str]| MembersToRemove::Instances(all.iter().map(|it| Str::from(*it)).collect());
    for members in [instances(&["b"]), instances(&["a"]), MembersToRemove::All] {
        let options =
            RemoveMembersOptions { timeout: SOON.timeout, members, reason: Some("a test".to_owned()) };
        let all = options.members == MembersToRemove::All;
        match lab.admin.remove_members_from_consumer_group(&id, &options).await {
            Ok(removed) if all => lab.say(format!("remove: {} members", removed.len())),
            Ok(removed) => {
                for it in removed {
                    lab.say_done(it.group_instance_id.as_deref().unwrap_or(""), it.result);
                }
            }
            Err(error) => lab.say_done("remove", Err::<(), _>(error)),
        }
    }
    let fenced = match member.commit().await {
        Ok(()) => "ok".to_owned(),
        Err(error) => crate::lab::class(&error),
    };
    lab.say(format!("commit of who was put out: {fenced}"));
    Ok(())
}

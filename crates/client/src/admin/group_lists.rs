//! ListGroups: every broker lists the groups that it coordinates.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_protocol::messages::{ListGroupsRequest, ListGroupsResponse, MetadataRequest};
use ottla_protocol::{ErrorCode, Message, Str};
use tokio::time::Instant;

use super::call::{To, join_all};
use super::{Admin, GroupState, GroupType};
use crate::{Error, Result};

/// Options of [`Admin::list_groups`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListGroupsOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// Only groups in these states; all when there is none (needs brokers from 2.6 on).
    pub states: BTreeSet<GroupState>,
    /// Only groups of these kinds; all when there is none (needs brokers from 3.8 on, but for the kinds that
    /// older brokers know only).
    pub types: BTreeSet<GroupType>,
    /// Only groups of these protocols (`consumer`, `connect`, ...); all when there is none. The empty text stands for
    /// groups that only hold offsets.
    pub protocol_types: BTreeSet<Str>,
}

/// A group in a list (`GroupListing`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    /// Its id.
    pub group_id: Str,
    /// What kind it is; nothing from brokers before 3.8.
    pub group_type: Option<GroupType>,
    /// Its protocol; empty for groups that only hold offsets.
    pub protocol: Str,
    /// How it is; nothing from brokers before 2.6.
    pub state: Option<GroupState>,
}

impl GroupListing {
    /// Whether it is a classic group that only holds offsets.
    pub fn is_simple_consumer_group(&self) -> bool {
        self.group_type == Some(GroupType::Classic) && self.protocol.is_empty()
    }
}

/// The groups that were found, and what went wrong at single brokers.
#[derive(Clone, Debug, Default)]
pub struct GroupListings {
    /// Groups, by id.
    pub groups: BTreeMap<Str, GroupListing>,
    /// Errors of brokers, whose groups are missing above.
    pub errors: Vec<Error>,
}

impl GroupListings {
    /// The groups, if every broker has listed its own.
    ///
    /// # Errors
    /// The first that a broker answered.
    pub fn all(self) -> Result<BTreeMap<Str, GroupListing>> {
        match self.errors.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(self.groups),
        }
    }
}

/// The protocol type of consumers.
const CONSUMER: &str = "consumer";

impl Admin {
    /// Lists the groups of all kinds.
    ///
    /// # Errors
    /// When the brokers can't be found; those of single brokers are in the result.
    pub async fn list_groups(&self, options: &ListGroupsOptions) -> Result<GroupListings> {
        let deadline = self.deadline(options.timeout);
        let brokers = self.all_brokers(deadline).await.map_err(|error| match error {
            Error::Api { code, message } => {
                Error::Api { code, message: format!("Failed to find brokers to send ListGroups: {message}") }
            }
            other => other,
        })?;
        let asked = brokers.iter().map(|broker| self.list_groups_of(*broker, options, deadline));
        let mut found = GroupListings::default();
        for (broker, answer) in brokers.iter().zip(join_all(asked).await) {
            match answer {
                Ok(groups) => found.groups.extend(groups.into_iter().map(|it| (it.group_id.clone(), it))),
                Err(error) => found.errors.push(at_broker(*broker, &error)),
            }
        }
        Ok(found)
    }

    /// Lists the groups of consumers, classic and new (`listConsumerGroups`, deprecated in Kafka 4.1).
    ///
    /// # Errors
    /// As [`Admin::list_groups`].
    pub async fn list_consumer_groups(&self, options: &ListGroupsOptions) -> Result<GroupListings> {
        let mut options = options.clone();
        options.protocol_types = BTreeSet::from([Str::from(CONSUMER), Str::new()]);
        self.list_groups(&options).await
    }

    async fn list_groups_of(
        &self,
        broker: i32,
        options: &ListGroupsOptions,
        deadline: Instant,
    ) -> Result<Vec<GroupListing>> {
        let versions = (ListGroupsRequest::MIN_VERSION, ListGroupsRequest::MAX_VERSION);
        let build = |version, _| request(options, version);
        self.call_as("listGroups", To::Node(broker), versions, deadline, build, |_, response| {
            match ErrorCode::from_code(response.error_code) {
                code @ (ErrorCode::CoordinatorLoadInProgress | ErrorCode::CoordinatorNotAvailable) => {
                    Err(Error::api(code, None))
                }
                ErrorCode::None => Ok(Ok(listings(response, options))),
                code => Ok(Err(Error::api(code, None))),
            }
        })
        .await?
    }

    /// The ids of all brokers, asked for now.
    pub(super) async fn all_brokers(&self, deadline: Instant) -> Result<Vec<i32>> {
        let build = |_| MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
        self.call("findAllBrokers", To::Any, deadline, build, |response| {
            Error::check(response.error_code, None)?;
            if response.brokers.is_empty() {
                let text = "Metadata fetch failed due to missing broker list";
                return Err(Error::api(ErrorCode::LeaderNotAvailable, Some(text)));
            }
            Ok(response.brokers.iter().map(|broker| broker.node_id).collect())
        })
        .await
    }
}

/// Filters that a version can't carry are an error, unless leaving them out changes nothing (KIP-1043).
fn request(options: &ListGroupsOptions, version: i16) -> Result<ListGroupsRequest> {
    if version < 4 && !options.states.is_empty() {
        let text = "The broker only supports ListGroups v3 or lower, but we need v4 or newer to request groups by states.";
        return Err(Error::UnsupportedVersion(text.into()));
    }
    let old = BTreeSet::from([GroupType::Classic, GroupType::Consumer]);
    let classic = options.types.contains(&GroupType::Classic) && options.types.is_subset(&old);
    if version < 5 && !options.types.is_empty() && !classic {
        let text = "The broker only supports ListGroups v4 or lower, but we need v5 or newer to request groups by type.";
        return Err(Error::UnsupportedVersion(text.into()));
    }
    let types = options.types.iter().map(|it| Str::from_static(it.name()));
    Ok(ListGroupsRequest {
        states_filter: options.states.iter().map(|it| Str::from_static(it.name())).collect(),
        types_filter: if version >= 5 { types.collect() } else { Vec::new() },
    })
}

fn listings(response: ListGroupsResponse, options: &ListGroupsOptions) -> Vec<GroupListing> {
    let wanted =
        |protocol: &Str| options.protocol_types.is_empty() || options.protocol_types.contains(protocol);
    let said = |text: &Str| (!text.is_empty()).then(|| text.clone());
    let groups = response.groups.into_iter().filter(|group| wanted(&group.protocol_type));
    groups
        .map(|group| GroupListing {
            group_type: said(&group.group_type).map(|text| GroupType::parse(&text)),
            state: said(&group.group_state).map(|text| GroupState::parse(&text)),
            group_id: group.group_id,
            protocol: group.protocol_type,
        })
        .collect()
}

fn at_broker(broker: i32, error: &Error) -> Error {
    let text = format!("Error listing groups on broker {broker}: {error}");
    match error {
        Error::Api { code, .. } => Error::Api { code: *code, message: text },
        Error::Timeout(_) => Error::Timeout(text),
        Error::UnsupportedVersion(_) => Error::UnsupportedVersion(text),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::messages::list_groups_response::ListedGroup;

    #[test]
    fn filters_need_versions() {
        let states = ListGroupsOptions { states: BTreeSet::from([GroupState::Stable]), ..Default::default() };
        assert!(request(&states, 3).is_err());
        assert_eq!(request(&states, 4).unwrap().states_filter, ["Stable"]);
        let check = |types: &[GroupType], version, sent: Option<usize>| {
            let options = ListGroupsOptions { types: types.iter().copied().collect(), ..Default::default() };
            assert_eq!(request(&options, version).ok().map(|it| it.types_filter.len()), sent);
        };
        check(&[GroupType::Share], 4, None);
        check(&[GroupType::Classic], 4, Some(0));
        check(&[GroupType::Classic, GroupType::Consumer], 0, Some(0));
        check(&[GroupType::Share], 5, Some(1));
    }

    #[test]
    fn protocols_are_chosen_here() {
        let group = |id: &str, protocol: &str| ListedGroup {
            group_id: id.into(),
            protocol_type: protocol.into(),
            group_type: "Classic".into(),
            ..Default::default()
        };
        let groups = vec![group("a", "consumer"), group("b", "connect"), group("c", "")];
        let response = ListGroupsResponse { groups, ..Default::default() };
        let options = ListGroupsOptions {
            protocol_types: BTreeSet::from([Str::from("consumer"), Str::new()]),
            ..Default::default()
        };
        let found = listings(response, &options);
        assert_eq!(found.iter().map(|it| &*it.group_id).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(found[0].state, None);
        assert!(found[1].is_simple_consumer_group());
    }
}

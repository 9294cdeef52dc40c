//! LeaveGroup in the name of members (KIP-345).

use std::time::Duration;

use ottla_protocol::messages::leave_group_request::MemberIdentity;
use ottla_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};
use ottla_protocol::{ErrorCode, Str};

use super::group_offsets::only;
use super::keyed::{Answer, Keyed};
use super::lookup::Coordinators;
use super::{Admin, DescribeGroupsOptions};
use crate::cluster::{CoordinatorKind, Node};
use crate::{Error, Result};

/// Who is to leave a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MembersToRemove {
    /// All there are.
    All,
    /// Those with these `group.instance.id`s.
    Instances(Vec<Str>),
}

/// Options of [`Admin::remove_members_from_consumer_group`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveMembersOptions {
    /// How long it may take; `default.api.timeout.ms` when there is none.
    pub timeout: Option<Duration>,
    /// Who is to leave.
    pub members: MembersToRemove,
    /// Why; goes into the broker's log, at most 255 characters of it.
    pub reason: Option<String>,
}

/// What became of a member.
#[derive(Clone, Debug)]
pub struct RemovedMember {
    /// Its id; empty when it was named by its instance.
    pub member_id: Str,
    /// Its `group.instance.id`.
    pub group_instance_id: Option<Str>,
    /// Whether it has left.
    pub result: Result<()>,
}

/// The reason where none is given.
const DEFAULT_REASON: &str = "member was removed by an admin";
/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 255;

impl Admin {
    /// Makes members leave a group.
    ///
    /// # Errors
    /// For the group: GROUP_AUTHORIZATION_FAILED, ...; for each member UNKNOWN_MEMBER_ID, ...
    pub async fn remove_members_from_consumer_group(
        &self,
        group_id: &Str,
        options: &RemoveMembersOptions,
    ) -> Result<Vec<RemovedMember>> {
        let deadline = self.deadline(options.timeout);
        let reason = reason(options.reason.as_deref());
        let members = match &options.members {
            MembersToRemove::Instances(ids) => ids.iter().map(|id| instance(id, &reason)).collect(),
            MembersToRemove::All => self.members_of(group_id, options, &reason).await?,
        };
        let handler = Leave { members };
        let route = Coordinators(CoordinatorKind::Group);
        only(self.run_keyed(&handler, &route, [group_id.clone()], deadline).await)
    }

    async fn members_of(
        &self,
        group_id: &Str,
        options: &RemoveMembersOptions,
        reason: &Str,
    ) -> Result<Vec<MemberIdentity>> {
        let describe = DescribeGroupsOptions { timeout: options.timeout, ..Default::default() };
        let group = only(self.describe_consumer_groups(std::slice::from_ref(group_id), &describe).await)?;
        let identity = |member: super::MemberDescription| match member.group_instance_id {
            Some(id) => instance(&id, reason),
            None => MemberIdentity {
                member_id: member.member_id,
                group_instance_id: None,
                reason: Some(reason.clone()),
            },
        };
        Ok(group.members.into_iter().map(identity).collect())
    }
}

fn instance(id: &Str, reason: &Str) -> MemberIdentity {
    MemberIdentity {
        member_id: Str::new(),
        group_instance_id: Some(id.clone()),
        reason: Some(reason.clone()),
    }
}

fn reason(given: Option<&str>) -> Str {
    let reason = given.filter(|text| !text.is_empty()).unwrap_or(DEFAULT_REASON);
    reason.chars().take(REASON_CHARS_MAX).collect::<String>().into()
}

struct Leave {
    members: Vec<MemberIdentity>,
}

impl Keyed for Leave {
    type Key = Str;
    type Value = Vec<RemovedMember>;
    type Request = LeaveGroupRequest;
    const NAME: &'static str = "leaveGroup";
    const BATCHED: bool = false;

    /// Brokers before 2.4 take one member at a time, by its id.
    fn versions(&self, _: &[Str]) -> (i16, i16) {
        let one = matches!(self.members.as_slice(), [MemberIdentity { group_instance_id: None, .. }]);
        (if one { 0 } else { 3 }, 5)
    }

    fn request(&self, keys: &[Str], version: i16, _: i32) -> Result<LeaveGroupRequest> {
        let group_id = keys.first().cloned().unwrap_or_default();
        if version >= 3 {
            return Ok(LeaveGroupRequest { group_id, members: self.members.clone(), ..Default::default() });
        }
        let member_id = self.members.first().map(|member| member.member_id.clone()).unwrap_or_default();
        Ok(LeaveGroupRequest { group_id, member_id, ..Default::default() })
    }

    fn respond(
        &self,
        _: &Node,
        keys: &[Str],
        version: i16,
        response: LeaveGroupResponse,
    ) -> Answer<Str, Vec<RemovedMember>> {
        let mut answer = Answer::default();
        let Some(id) = keys.first().cloned() else { return answer };
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None if version < 3 => {
                let gone = |it: &MemberIdentity| RemovedMember {
                    member_id: it.member_id.clone(),
                    group_instance_id: None,
                    result: Ok(()),
                };
                answer.complete(id, self.members.iter().map(gone).collect());
            }
            ErrorCode::None => {
                let members = response.members.into_iter().map(|it| RemovedMember {
                    member_id: it.member_id,
                    group_instance_id: it.group_instance_id,
                    result: Error::check(it.error_code, None),
                });
                answer.complete(id, members.collect());
            }
            code => answer.coordinator_error(id, code, None),
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::encode_message;

    #[test]
    fn reasons_are_cut_and_never_empty() {
        assert_eq!(reason(None), DEFAULT_REASON);
        assert_eq!(reason(Some("")), DEFAULT_REASON);
        assert_eq!(reason(Some(&"ä".repeat(300))).chars().count(), 255);
    }

    #[test]
    fn old_brokers_take_one_member_by_its_id() {
        let check = |members: Vec<MemberIdentity>, expected| {
            let handler = Leave { members };
            let (lowest, highest) = handler.versions(&[]);
            assert_eq!(lowest, expected);
            for version in lowest..=highest {
                encode_message(&handler.request(&["g".into()], version, 0).unwrap(), version).unwrap();
            }
        };
        check(vec![MemberIdentity { member_id: "m".into(), ..Default::default() }], 0);
        check(vec![instance(&"i".into(), &"r".into())], 3);
    }
}

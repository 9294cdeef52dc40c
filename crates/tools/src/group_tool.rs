//! What the tools for one type of group have in common: which groups are meant, how they are listed, how long it may take.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_client::Error;
use ottla_client::admin::{Admin, GroupListing, GroupState, GroupType, ListGroupsOptions, TimeoutOptions};
use ottla_protocol::Str;
use serde_json::json;

use crate::args::Args;
use crate::clock::now_ms;
use crate::connect::{admin_properties, with_admin};
use crate::failure::Failure;
use crate::io::Io;
use crate::offset_reset::Resetter;
use crate::outln;

/// The groups of one type, and what the command line wants of them.
pub(crate) struct GroupTool<'a> {
    pub(crate) kind: GroupType,
    pub(crate) resetter: Resetter<'a>,
}

/// Calls `act` with a client and the options `--timeout` (30 s unless given) and `--command-config`.
pub(crate) fn with_resetter(
    args: &Args,
    act: impl AsyncFnOnce(Resetter<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let properties = admin_properties(args)?;
    let timeout_ms: i64 = args.number("timeout")?.unwrap_or(30_000);
    let timeout = Some(Duration::from_millis(timeout_ms.max(0).unsigned_abs()));
    let now_ms = now_ms();
    with_admin(&properties, async |admin| act(Resetter { admin, args, timeout, now_ms }).await)
}

/// The states of `kind` that `text` names, separated by commas.
pub(crate) fn states_from(text: &str, kind: GroupType) -> Result<BTreeSet<GroupState>, Failure> {
    let valid = GroupState::of(kind);
    let states: BTreeSet<GroupState> = text.split(',').map(|part| GroupState::parse(part.trim())).collect();
    if states.iter().all(|state| valid.contains(state)) {
        return Ok(states);
    }
    let valid: Vec<&str> = valid.iter().map(|state| state.name()).collect();
    Err(Failure::illegal_argument(format!(
        "Invalid state list '{text}'. Valid states are: {}",
        valid.join(", ")
    )))
}

/// What `--describe` goes with. `groups` names the options that say which groups, as Kafka's message of that tool does.
pub(crate) fn check_describe(args: &Args, groups: &str) -> Result<(), Failure> {
    if !args.has("describe") {
        return Ok(());
    }
    if !args.has("group") && !args.has("all-groups") {
        return Err(args.usage(format!("Option [describe] takes one of these options: {groups}")));
    }
    if ["members", "offsets", "state"].iter().filter(|view| args.has(view)).count() > 1 {
        return Err(
            args.usage("Option [describe] takes at most one of these options: [members], [offsets], [state]")
        );
    }
    if args.has("state") && !args.is_bare("state") {
        return Err(args.usage("Option [describe] does not take a value for [state]"));
    }
    Ok(())
}

impl<'a> GroupTool<'a> {
    pub(crate) fn admin(&self) -> &'a Admin {
        self.resetter.admin
    }

    pub(crate) fn args(&self) -> &'a Args {
        self.resetter.args
    }

    pub(crate) fn options(&self) -> TimeoutOptions {
        TimeoutOptions { timeout: self.resetter.timeout }
    }

    /// The groups of this type, by name; with `states` only those in one of them.
    pub(crate) async fn listings(
        &self,
        states: BTreeSet<GroupState>,
    ) -> Result<BTreeMap<Str, GroupListing>, Error> {
        let options = ListGroupsOptions {
            timeout: self.resetter.timeout,
            states,
            types: BTreeSet::from([self.kind]),
            ..Default::default()
        };
        self.admin().list_groups(&options).await?.all()
    }

    /// `--list`, with and without `--state`.
    pub(crate) async fn list(&self, io: &mut Io) -> Result<(), Failure> {
        let text = self.args().text("state")?;
        let states = if text.is_empty() { BTreeSet::new() } else { states_from(text, self.kind)? };
        let groups = self.listings(states).await.map_err(Failure::in_future)?;
        let state = |group: &GroupListing| group.state.unwrap_or(GroupState::Unknown);
        if io.json() {
            let row = |it: &GroupListing| json!({ "group": &*it.group_id, "state": state(it).name() });
            io.print_json(&groups.values().map(row).collect());
        } else if self.args().has("state") {
            let width = groups.keys().map(|id| id.chars().count()).max().unwrap_or(0).max(15);
            outln!(io, "{:width$} STATE", "GROUP");
            for it in groups.values() {
                outln!(io, "{:width$} {}", &*it.group_id, state(it));
            }
        } else {
            groups.keys().for_each(|id| outln!(io, "{id}"));
        }
        Ok(())
    }

    /// The groups that `--group` or `--all-groups` means.
    pub(crate) async fn chosen(&self) -> Result<Vec<Str>, Failure> {
        if self.args().has("all-groups") {
            let groups = self.listings(BTreeSet::new()).await.map_err(Failure::wrapped)?;
            return Ok(groups.into_keys().collect());
        }
        Ok(self.args().values("group").into_iter().map(Str::from).collect())
    }
}

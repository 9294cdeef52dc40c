//! Which groups there are.

use std::collections::BTreeSet;

use ottla_client::admin::{GroupListing, GroupState, GroupType, ListGroupsOptions};
use ottla_protocol::Str;

use super::Groups;
use crate::failure::Failure;
use crate::group_tool::states_from;
use crate::io::Io;
use crate::outln;
use crate::table::Table;

impl Groups<'_> {
    /// All groups of consumers, by name.
    pub(super) async fn all(&self) -> Result<Vec<Str>, Failure> {
        let listed = self.listings(BTreeSet::new(), BTreeSet::new()).await.map_err(Failure::wrapped)?;
        Ok(listed.into_iter().map(|listing| listing.group_id).collect())
    }

    async fn listings(
        &self,
        types: BTreeSet<GroupType>,
        states: BTreeSet<GroupState>,
    ) -> ottla_client::Result<Vec<GroupListing>> {
        let options =
            ListGroupsOptions { timeout: self.resetter.timeout, states, types, ..Default::default() };
        Ok(self.admin().list_consumer_groups(&options).await?.all()?.into_values().collect())
    }

    pub(super) async fn list(&self, io: &mut Io) -> Result<(), Failure> {
        let args = self.args();
        let (with_type, with_state) = (args.has("type"), args.has("state"));
        if !with_type && !with_state && !io.json() {
            for group in self.all().await? {
                outln!(io, "{group}");
            }
            return Ok(());
        }
        let types = match args.text("type")? {
            "" => BTreeSet::new(),
            text => parse_types(text)?,
        };
        let states = match args.text("state")? {
            "" => BTreeSet::new(),
            text => states_from(text, GroupType::Consumer)?,
        };
        let listed = self.listings(types, states).await.map_err(Failure::in_future)?;
        let mut headers = vec!["GROUP"];
        headers.extend(with_type.then_some("TYPE"));
        headers.extend(with_state.then_some("STATE"));
        let mut table = Table::new(&headers);
        for listing in listed {
            let mut row = vec![listing.group_id.to_string()];
            row.extend(with_type.then(|| listing.group_type.map_or("Unknown", GroupType::name).to_owned()));
            row.extend(with_state.then(|| listing.state.map_or("Unknown", GroupState::name).to_owned()));
            table.row(row);
        }
        if io.json() {
            io.print_json(&table.to_json());
            return Ok(());
        }
        let ids = table.rows.iter().filter_map(|row| row.first());
        let width = ids.map(|id| id.chars().count()).max().unwrap_or(0).max(15) + 10;
        for row in std::iter::once(&table.headers).chain(&table.rows) {
            let cells: Vec<String> = row
                .iter()
                .enumerate()
                .map(|(at, cell)| if at == 0 { format!("{cell:width$}") } else { format!("{cell:20}") })
                .collect();
            outln!(io, "{}", cells.join(" "));
        }
        Ok(())
    }
}

fn parse_types(text: &str) -> Result<BTreeSet<GroupType>, Failure> {
    let types: BTreeSet<GroupType> = text.split(',').map(|name| GroupType::parse(name.trim())).collect();
    if types.iter().all(|it| matches!(it, GroupType::Classic | GroupType::Consumer)) {
        return Ok(types);
    }
    Err(Failure::illegal_argument(format!("Invalid types list '{text}'. Valid types are: Classic, Consumer")))
}

/// Whether a broker would take the expression in a subscription (RE2's syntax).
pub(super) fn validate_regex(io: &mut Io, regex: &str) {
    let why = match regex_lite::Regex::new(regex) {
        Ok(_) => None,
        Err(_) if regex.ends_with('\\') => Some("trailing backslash at end of expression"),
        Err(_) if regex.contains('[') && !regex.contains(']') => Some("missing closing ]"),
        Err(_) if regex.starts_with(['*', '+', '?']) => Some("missing argument to repetition operator"),
        Err(_) if regex.matches('(').count() > regex.matches(')').count() => Some("missing closing )"),
        Err(_) => Some("invalid regular expression"),
    };
    if io.json() {
        io.print_json(&serde_json::json!({ "regex": regex, "valid": why.is_none(), "reason": why }));
        return;
    }
    match why {
        None => outln!(io, "The regular expression `{regex}` is valid."),
        Some(why) => outln!(io, "The regular expression `{regex}` is invalid: {why}."),
    }
}

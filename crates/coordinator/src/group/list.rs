//! ListGroups (`GroupMetadataManager.listGroups`).

use ottla_protocol::messages::ListGroupsRequest;
use ottla_protocol::messages::list_groups_response::ListedGroup;

use crate::shard::GroupCoordinatorShard;

impl GroupCoordinatorShard {
    /// The groups of this shard that match the filters, in order of their ids. An empty filter matches all;
    /// an unknown state or type matches none. Case does not matter.
    pub fn list_groups(&self, request: &ListGroupsRequest) -> Vec<ListedGroup> {
        let states: Vec<String> =
            request.states_filter.iter().map(|s| s.to_lowercase().trim().to_owned()).collect();
        let types: Vec<String> = request.types_filter.iter().map(|t| t.to_lowercase()).collect();
        let groups = self.groups.range_committed(..).map(|(_, group)| group);
        let listed = groups.filter(|group| {
            let state = group.state_name().to_lowercase();
            // In filters, Kafka calls a streams group that is not ready by another name than in answers.
            let is_state = |filter: &String| *filter == state || filter.replace('_', "") == state;
            (states.is_empty() || states.iter().any(is_state))
                && (types.is_empty() || types.iter().any(|t| t == group.group_type().name()))
        });
        listed.map(|group| group.as_listed()).collect()
    }
}

#[cfg(test)]
#[path = "list_test.rs"]
mod tests;

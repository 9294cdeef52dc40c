//! The roles of a node, and what a server of one node cannot do.

use super::BrokerConfig;
use crate::error::ConfigError;
use crate::values::Values;

/// `process.roles`: at least one is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessRoles {
    /// It serves clients.
    pub broker: bool,
    /// It keeps the cluster's metadata.
    pub controller: bool,
}

impl ProcessRoles {
    pub(super) fn from_values(values: &Values) -> ProcessRoles {
        let roles = values.list("process.roles");
        let plays = |role: &str| roles.iter().any(|name| name == role);
        ProcessRoles { broker: plays("broker"), controller: plays("controller") }
    }

    /// Both.
    pub fn is_combined(self) -> bool {
        self.broker && self.controller
    }
}

impl BrokerConfig {
    /// What keeps a server that is one node alone from doing as this configuration says: a role left to
    /// another process, other voters. Empty if nothing does.
    pub fn single_node_obstacles(&self) -> Vec<ConfigError> {
        let mut obstacles = Vec::new();
        if !self.roles.is_combined() {
            let message =
                "process.roles names one role only; a node is broker and controller in one process so far";
            let hint = "set process.roles=broker,controller, or leave it out";
            obstacles.push(ConfigError::unsupported(message).for_key("process.roles").hint(hint));
        }
        if self.quorum.voters.iter().any(|voter| voter.id != self.node_id) {
            let message = format!(
                "controller.quorum.voters names other nodes than {}; a cluster has one node so far",
                self.node_id
            );
            let hint = "name this node only, or leave it out";
            obstacles.push(ConfigError::unsupported(message).for_key("controller.quorum.voters").hint(hint));
        }
        obstacles
    }
}

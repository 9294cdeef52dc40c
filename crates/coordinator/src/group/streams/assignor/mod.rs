//! Who is to own which task (`org.apache.kafka.coordinator.group.streams.assignor`).
//!
//! | file | holds |
//! | --- | --- |
//! | `sticky` | the one assignor of Kafka 4.3 |
//! | `process_state` | what a process was given so far |
//! | `java_order` | the order in which Java's collections hand out equals, on which results depend |

mod java_order;
mod process_state;
mod sticky;

pub(crate) use sticky::assign;

use std::collections::BTreeMap;

use ottla_protocol::Str;

use super::tasks::TasksTuple;

/// What the assignor knows of the group (`GroupSpec`, `TopologyDescriber`).
#[derive(Clone, Debug)]
pub(crate) struct GroupSpec<'a> {
    /// By member id.
    pub members: BTreeMap<&'a Str, MemberSpec<'a>>,
    /// Copies of the state of each task, beside the one of its owner.
    pub num_standby_replicas: i32,
    /// In the order of their ids.
    pub subtopologies: Vec<SubtopologySpec<'a>>,
}

/// A member, and what it was to own so far.
#[derive(Clone, Debug)]
pub(crate) struct MemberSpec<'a> {
    pub process_id: &'a Str,
    pub target_assignment: &'a TasksTuple,
}

/// A subtopology.
#[derive(Clone, Debug)]
pub(crate) struct SubtopologySpec<'a> {
    pub id: &'a Str,
    pub number_of_tasks: i32,
    pub is_stateful: bool,
}

/// A task can't be assigned: there is nobody to take it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("No process available to assign active task {subtopology_id}_{partition}.")]
pub(crate) struct TaskAssignorError {
    pub subtopology_id: Str,
    pub partition: i32,
}

use std::collections::BTreeMap;

use super::ConsumerGroup;

impl ConsumerGroup {
    /// No partition has two owners, and what is kept of owners is what the members have.
    pub fn check_owners(&self) {
        let mut owners = BTreeMap::new();
        for (member_id, member) in self.base.members() {
            let all = member.assigned_partitions.iter().chain(&member.partitions_pending_revocation);
            for (topic_id, partitions) in all {
                for partition in partitions.keys() {
                    let other = owners.insert((*topic_id, *partition), (member_id, member.member_epoch()));
                    assert_eq!(other, None, "{topic_id}-{partition} is {member_id}'s too");
                }
            }
        }
        for ((topic_id, partition), (_, epoch)) in &owners {
            assert_eq!(self.partition_epoch(*topic_id, *partition), Some(*epoch));
        }
        let kept: usize = self.partition_epochs.values().map(BTreeMap::len).sum();
        assert_eq!(kept, owners.len());
        let classic = self.base.members().filter(|(_, member)| member.uses_classic_protocol()).count();
        assert_eq!(self.classic_members, classic);
    }
}

//! A member of a consumer group (KIP-848): the broker assigns, the member gives up and takes what it is told.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use ottla_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use ottla_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use ottla_protocol::{Str, Uuid};

use super::{BACKOFF, HEARTBEAT, Member, passes};
use crate::topic::check;
use crate::wire::{frame, response};

const VERSION: i16 = 1;
/// `member_epoch` of who leaves.
const LEAVE: i32 = -1;

/// One member.
pub struct Consumer {
    group: Str,
    topic: Str,
    topic_id: Uuid,
    member_id: Str,
    /// 0 until it has joined.
    member_epoch: i32,
    held: Vec<i32>,
    /// The broker does not know yet that it holds just these.
    unsaid: bool,
    leaves: bool,
}

impl Consumer {
    /// A member that has not joined yet; `bits` are random.
    pub fn new(group: &str, topic: &str, topic_id: Uuid, bits: [u64; 2]) -> Self {
        let bits = (u128::from(bits[0]) << 64) | u128::from(bits[1]);
        Self {
            group: group.into(),
            topic: topic.into(),
            topic_id,
            member_id: Uuid::from_random(bits).to_string().into(),
            member_epoch: 0,
            held: Vec::new(),
            unsaid: false,
            leaves: false,
        }
    }

    fn take(&mut self, answer: ConsumerGroupHeartbeatResponse) -> Result<Option<Duration>> {
        if passes(answer.error_code) {
            return Ok(Some(BACKOFF));
        }
        check("ConsumerGroupHeartbeat", answer.error_code)?;
        if self.leaves && answer.member_epoch == LEAVE {
            return Ok(None);
        }
        self.member_epoch = answer.member_epoch;
        if let Some(assignment) = answer.assignment {
            let mut told: Vec<i32> =
                assignment.topic_partitions.into_iter().flat_map(|topic| topic.partitions).collect();
            told.sort_unstable();
            if told != self.held {
                (self.held, self.unsaid) = (told, true);
            }
        }
        // What changed is said at once.
        Ok(Some(if self.unsaid { Duration::ZERO } else { HEARTBEAT }))
    }
}

impl Member for Consumer {
    fn request(&mut self) -> Result<Vec<u8>> {
        let mut request = ConsumerGroupHeartbeatRequest {
            group_id: self.group.clone(),
            member_id: self.member_id.clone(),
            member_epoch: if self.leaves { LEAVE } else { self.member_epoch },
            rebalance_timeout_ms: -1,
            ..Default::default()
        };
        let joins = self.member_epoch == 0;
        if !self.leaves && joins {
            request.rebalance_timeout_ms = 300_000;
            request.subscribed_topic_names = Some(vec![self.topic.clone()]);
        }
        if !self.leaves && (joins || self.unsaid) {
            let partitions = self.held.clone();
            let held = if joins || partitions.is_empty() {
                Vec::new()
            } else {
                vec![TopicPartitions { topic_id: self.topic_id, partitions }]
            };
            request.topic_partitions = Some(held);
            self.unsaid = false;
        }
        frame(&request, VERSION, 1)
    }

    fn answered(&mut self, frame: Bytes) -> Result<Option<Duration>> {
        self.take(response::<ConsumerGroupHeartbeatRequest>(frame, VERSION)?)
    }

    fn leave(&mut self) {
        self.leaves = true;
    }

    fn holds(&self) -> Option<(i32, &[i32])> {
        (self.member_epoch > 0 && !self.unsaid && !self.leaves).then_some((self.member_epoch, &self.held[..]))
    }
}

#[cfg(test)]
mod tests {
    use ottla_protocol::messages::consumer_group_heartbeat_response as told;

    use super::*;

    fn answer(epoch: i32, partitions: Option<Vec<i32>>) -> ConsumerGroupHeartbeatResponse {
        let assignment = partitions.map(|partitions| told::Assignment {
            topic_partitions: vec![told::TopicPartitions { topic_id: Uuid::ONE, partitions }],
        });
        ConsumerGroupHeartbeatResponse { member_epoch: epoch, assignment, ..Default::default() }
    }

    #[test]
    fn it_says_at_once_what_it_took_and_then_is_content() {
        let mut member = Consumer::new("g", "t", Uuid::ONE, [1, 2]);
        member.request().expect("joins");
        assert_eq!(member.take(answer(2, Some(vec![4, 3]))).expect("joined"), Some(Duration::ZERO));
        assert!(member.holds().is_none());
        member.request().expect("says what it holds");
        assert_eq!(member.take(answer(2, Some(vec![3, 4]))).expect("heard"), Some(HEARTBEAT));
        assert_eq!(member.holds(), Some((2, &[3, 4][..])));
        assert_eq!(member.take(answer(3, None)).expect("a new epoch"), Some(HEARTBEAT));
        assert_eq!(member.holds(), Some((3, &[3, 4][..])));
    }

    #[test]
    fn it_is_gone_when_the_broker_knows() {
        let mut member = Consumer::new("g", "t", Uuid::ONE, [1, 2]);
        member.take(answer(1, None)).expect("joined");
        member.leave();
        // The answer to what it had asked before.
        assert_eq!(member.take(answer(1, None)).expect("an answer"), Some(HEARTBEAT));
        assert_eq!(member.take(answer(LEAVE, None)).expect("left"), None);
    }
}

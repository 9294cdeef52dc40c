//! `/groups/<id>`: a group as its coordinator knows it, for `ottla why`. Kafka's APIs do not tell since when a group is in
//! its state, for whom it waits, and how long ago members were heard of.

use ottla_coordinator::{GroupExplanation, MemberSession, partition_for};
use ottla_protocol::{ErrorCode, Str};
use serde_json::{Value, json};

use crate::broker::Broker;
use crate::clock::now_ms;
use crate::handlers::group_request::offsets_partitions;

/// The group as JSON.
///
/// # Errors
/// GROUP_ID_NOT_FOUND, or that its coordinator is not here, or not yet.
pub(super) async fn explain(broker: &Broker, group_id: &str) -> Result<Value, ErrorCode> {
    let partitions = offsets_partitions(broker);
    if partitions == 0 {
        return Err(ErrorCode::GroupIdNotFound);
    }
    let now_ms = now_ms();
    let shard = partition_for(group_id, partitions);
    let found = broker.groups.explain(shard, Str::from(group_id), now_ms).await?;
    let (group, members) = found.ok_or(ErrorCode::GroupIdNotFound)?;
    Ok(to_json(group_id, &group, &members, now_ms))
}

fn to_json(group_id: &str, group: &GroupExplanation, members: &[MemberSession], now_ms: i64) -> Value {
    let members: Vec<Value> = members
        .iter()
        .map(|member| {
            json!({
                "member_id": &*member.member_id,
                "session_timeout_ms": member.session_timeout_ms,
                "silent_ms": member.silent_ms,
                "must_act_within_ms": member.must_act_within_ms,
            })
        })
        .collect();
    json!({
        "group_id": group_id,
        "state": group.state,
        "since_ms": group.since_ms,
        "now_ms": now_ms,
        "generation_id": group.generation_id,
        "rebalance_reason": group.rebalance_reason,
        "waiting_for": group.waiting_for.iter().map(|id| &**id).collect::<Vec<&str>>(),
        "leader": group.leader.as_deref(),
        "members": members,
    })
}

/// The text that stands percent-encoded in a path (RFC 3986); `None` when it is no such.
pub(super) fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_paths_are_decoded() {
        for (path, name) in [
            ("orders", Some("orders")),
            ("a%20b%2Fc%c3%bc", Some("a b/cü")),
            ("a+b", Some("a+b")),
            ("", Some("")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%+1", None),
            ("%ff", None),
        ] {
            assert_eq!(decoded(path).as_deref(), name, "{path}");
        }
    }
}

//! Share sessions: epochs, places, connections.

use ottla_protocol::messages::share_fetch_response::PartitionData;
use ottla_protocol::{ErrorCode, Records, Str, Uuid};

use super::sessions::*;

const TOPIC: Uuid = Uuid::from_parts(1, 1);

fn request(member_id: &str, epoch: i32, named: &[i32]) -> SessionRequest {
    let named = named.iter().map(|partition| SharedTopicPartition {
        topic_id: TOPIC,
        partition: *partition,
        is_known: true,
    });
    SessionRequest {
        group_id: "g".into(),
        member_id: member_id.into(),
        epoch,
        named: named.collect(),
        forgotten: Vec::new(),
        has_acknowledgements: false,
        connection: 1,
    }
}

fn targets(context: &SessionContext) -> Vec<i32> {
    context.targets.iter().map(|target| target.partition).collect()
}

fn data(partition_index: i32, bytes: usize, error: ErrorCode) -> (Uuid, PartitionData) {
    let records = Records::Bytes(vec![0; bytes].into());
    (TOPIC, PartitionData { partition_index, records, error_code: error.code(), ..Default::default() })
}

fn told(
    sessions: &ShareSessions,
    context: &SessionContext,
    mut results: Vec<(Uuid, PartitionData)>,
) -> Vec<i32> {
    sessions.prune(&"g".into(), &"m".into(), context, &mut results).expect("the session is there");
    results.iter().map(|(_, data)| data.partition_index).collect()
}

#[test]
fn epochs_follow_on_each_other() {
    let sessions = ShareSessions::new(10);
    let error = |member_id, epoch| sessions.context(request(member_id, epoch, &[])).expect_err("refused");
    assert_eq!(error("m", 1), ErrorCode::ShareSessionNotFound);
    assert_eq!(error("m", FINAL_EPOCH), ErrorCode::ShareSessionNotFound);
    let with_acks = SessionRequest { has_acknowledgements: true, ..request("m", INITIAL_EPOCH, &[0]) };
    assert_eq!(sessions.context(with_acks).expect_err("refused"), ErrorCode::InvalidRequest);
    assert!(sessions.is_empty());

    assert!(sessions.context(request("m", INITIAL_EPOCH, &[0])).is_ok());
    assert!(sessions.context(request("m", 1, &[])).is_ok());
    assert_eq!(error("m", 1), ErrorCode::InvalidShareSessionEpoch);
    let (group, member): (Str, Str) = ("g".into(), "m".into());
    let acknowledge = |epoch| sessions.acknowledge(&group, &member, epoch);
    assert_eq!(acknowledge(INITIAL_EPOCH), Err(ErrorCode::InvalidShareSessionEpoch));
    assert_eq!(acknowledge(2), Ok(()));
    assert_eq!(acknowledge(2), Err(ErrorCode::InvalidShareSessionEpoch));
    assert_eq!(acknowledge(FINAL_EPOCH), Ok(()));
    assert!(sessions.context(request("m", 3, &[])).is_ok());
    assert!(targets(&sessions.context(request("m", FINAL_EPOCH, &[5])).expect("there")).is_empty());
    assert_eq!(sessions.remove(&group, &member), Some(vec![(TOPIC, 0)]));
    assert_eq!(acknowledge(FINAL_EPOCH), Err(ErrorCode::ShareSessionNotFound));
}

#[test]
fn a_session_remembers_its_partitions() {
    let sessions = ShareSessions::new(10);
    let context = sessions.context(request("m", INITIAL_EPOCH, &[0, 1, 1])).expect("opened");
    assert_eq!(targets(&context), [0, 1]);
    let all = vec![data(0, 0, ErrorCode::None), data(1, 0, ErrorCode::None)];
    assert_eq!(told(&sessions, &context, all), [0, 1], "the first answer tells of all");

    let forgotten = vec![(TOPIC, 1)];
    let context =
        sessions.context(SessionRequest { forgotten, ..request("m", 1, &[2, 3]) }).expect("goes on");
    assert_eq!(targets(&context), [0, 2, 3]);
    let quiet = || [0, 2, 3].map(|partition| data(partition, 0, ErrorCode::None)).to_vec();
    assert_eq!(told(&sessions, &context, quiet()), [2, 3], "new partitions are told of once");

    let context = sessions.context(request("m", 2, &[])).expect("goes on");
    let results = vec![data(0, 9, ErrorCode::None), data(2, 0, ErrorCode::NotLeaderOrFollower)];
    assert_eq!(told(&sessions, &context, results), [0, 2]);
    let context = sessions.context(request("m", 3, &[])).expect("goes on");
    assert_eq!(targets(&context), [2, 3, 0], "who has had records goes to the end of the line");
    assert_eq!(told(&sessions, &context, quiet()), [2], "an error that went away is told of");

    sessions.context(request("m", 4, &[])).expect("goes on");
    let late = sessions.prune(&"g".into(), &"m".into(), &context, &mut Vec::new());
    assert_eq!(late, Err(ErrorCode::InvalidShareSessionEpoch));
}

#[test]
fn there_is_a_limit() {
    let sessions = ShareSessions::new(1);
    assert!(sessions.context(request("a", INITIAL_EPOCH, &[])).is_ok());
    let refused = sessions.context(request("b", INITIAL_EPOCH, &[])).expect_err("full");
    assert_eq!(refused, ErrorCode::ShareSessionLimitReached);
    assert!(sessions.context(request("a", INITIAL_EPOCH, &[])).is_ok(), "a member takes its own place");
    assert_eq!(sessions.len(), 1);
}

#[test]
fn a_session_ends_with_its_connection() {
    let sessions = ShareSessions::new(10);
    let opened = |member_id, connection| {
        let request = SessionRequest { connection, ..request(member_id, INITIAL_EPOCH, &[0]) };
        sessions.context(request).expect("opened");
    };
    opened("a", 1);
    opened("b", 2);
    let closed = sessions.connection_closed(1).expect("a session");
    assert_eq!(
        (&*closed.member_id, closed.released, closed.is_group_empty),
        ("a", Some(vec![(TOPIC, 0)]), false)
    );
    assert_eq!(sessions.connection_closed(1), None);
    // The member has come again on another connection before the end of the old one was noticed.
    opened("b", 3);
    let closed = sessions.connection_closed(2).expect("a session");
    assert_eq!((closed.released, closed.is_group_empty), (None, false));
    assert_eq!(sessions.len(), 1);
    sessions.remove(&"g".into(), &"b".into());
    let closed = sessions.connection_closed(3).expect("a session");
    assert_eq!((closed.released, closed.is_group_empty), (None, true));
}

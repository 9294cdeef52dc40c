use super::*;

fn target(partition: i32) -> FetchTarget {
    FetchTarget {
        key: TopicKey::Name("t".into()),
        name: Some("t".into()),
        topic_id: Uuid::ZERO,
        partition,
        fetch_offset: 0,
        max_bytes: 100,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
        log_start_offset: -1,
    }
}

fn request(id: i32, epoch: i32, partitions: &[i32]) -> SessionRequest {
    SessionRequest {
        id,
        epoch,
        uses_topic_ids: false,
        from_follower: false,
        targets: partitions.iter().map(|p| target(*p)).collect(),
        forgotten: Vec::new(),
    }
}

fn data(partition: i32, high_watermark: i64, bytes: usize) -> PartitionData {
    PartitionData {
        partition_index: partition,
        high_watermark,
        log_start_offset: 0,
        preferred_read_replica: -1,
        records: Some(bytes::Bytes::from(vec![0; bytes]).into()),
        ..Default::default()
    }
}

fn full(sessions: &FetchSessions, partitions: &[i32], now_ms: i64) -> i32 {
    let context = sessions.context(request(0, 0, partitions), now_ms, |_| None);
    let results = partitions.iter().map(|p| data(*p, 0, 0)).collect();
    context.respond(sessions, results).session_id
}

fn partitions_of(response: &FetchResponse) -> Vec<i32> {
    response.responses.iter().flat_map(|t| &t.partitions).map(|p| p.partition_index).collect()
}

#[test]
fn an_incremental_answer_holds_what_changed() {
    let sessions = FetchSessions::new(10, 1);
    let id = full(&sessions, &[0, 1, 2], 0);
    assert!(id > 0);
    let context = sessions.context(request(id, 1, &[]), 0, |_| None);
    assert_eq!(context.targets.iter().map(|t| t.partition).collect::<Vec<_>>(), [0, 1, 2]);
    let answer = context.respond(&sessions, vec![data(0, 0, 0), data(1, 5, 7), data(2, 3, 0)]);
    assert_eq!(partitions_of(&answer), [1, 2], "records, or another watermark");
    let context = sessions.context(request(id, 2, &[]), 0, |_| None);
    let order: Vec<i32> = context.targets.iter().map(|t| t.partition).collect();
    assert_eq!(order, [0, 2, 1], "who got records stands last");
}

#[test]
fn wrong_ids_and_epochs_have_kafkas_errors() {
    let sessions = FetchSessions::new(10, 1);
    let id = full(&sessions, &[0], 0);
    let code = |request| sessions.context(request, 0, |_| None).respond(&sessions, Vec::new()).error_code;
    assert_eq!(code(request(id + 1, 1, &[])), ErrorCode::FetchSessionIdNotFound.code());
    assert_eq!(code(request(id, 7, &[])), ErrorCode::InvalidFetchSessionEpoch.code());
    let by_id = SessionRequest { uses_topic_ids: true, ..request(id, 1, &[]) };
    assert_eq!(code(by_id), ErrorCode::FetchSessionTopicIdError.code());
}

#[test]
fn forgetting_the_last_partition_closes_the_session() {
    let sessions = FetchSessions::new(10, 1);
    let id = full(&sessions, &[0], 0);
    let forget = SessionRequest { forgotten: vec![(TopicKey::Name("t".into()), 0)], ..request(id, 1, &[]) };
    let context = sessions.context(forget, 0, |_| None);
    assert!(context.targets.is_empty());
    assert_eq!(context.respond(&sessions, Vec::new()).session_id, 0);
    assert!(sessions.is_empty());
}

#[test]
fn a_full_cache_gives_up_stale_sessions_only() {
    let sessions = FetchSessions::new(1, 1);
    let first = full(&sessions, &[0], 0);
    assert_eq!(full(&sessions, &[0, 1], 1000), 0, "the slot is taken");
    let second = full(&sessions, &[0, 1], 200_000);
    assert!(second > 0 && second != first);
    assert_eq!(sessions.len(), 1);
}

#[test]
fn an_error_is_told_and_its_end_too() {
    let sessions = FetchSessions::new(10, 1);
    let id = full(&sessions, &[0], 0);
    let bad = PartitionData { error_code: ErrorCode::KafkaStorageError.code(), ..data(0, 0, 0) };
    for (epoch, result, told) in [(1, bad, 1), (2, data(0, 0, 0), 1), (3, data(0, 0, 0), 0)] {
        let context = sessions.context(request(id, epoch, &[]), 0, |_| None);
        assert_eq!(partitions_of(&context.respond(&sessions, vec![result])).len(), told);
    }
}
